#pragma once

#include <cstddef>
#include <cstdint>

#include "cache/eviction_policy.hpp"
#include "cache/slot_list.hpp"

namespace anteroom::cache {

/// Evicts what was not used for the longest time, exactly. A hit costs up to four entries' cache lines.
class LruPolicy final : public EvictionPolicy {
 public:
  explicit LruPolicy(Arena& arena) noexcept : order_(arena) {}

  void on_insert(Slot slot, std::uint32_t /*fingerprint*/) override { order_.push_front(slot); }
  void on_hit(Slot slot) noexcept override { order_.move_to_front(slot); }
  void on_erase(Slot slot, std::uint32_t /*fingerprint*/, bool /*evicted*/) noexcept override { order_.erase(slot); }
  void on_move(Slot /*from*/, Slot to) noexcept override { order_.replace(to); }
  [[nodiscard]] Slot victim() noexcept override { return order_.back(); }

  [[nodiscard]] std::size_t size() const noexcept override { return order_.size(); }
  [[nodiscard]] std::size_t bytes() const noexcept override { return sizeof *this; }
  [[nodiscard]] std::uint64_t ghost_hits() const noexcept override { return 0; }
  void check_invariants() const override { order_.check_invariants(); }

 private:
  SlotList order_;  // most recently used first
};

}  // namespace anteroom::cache
