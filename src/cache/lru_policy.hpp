#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "cache/eviction_policy.hpp"
#include "cache/slot_list.hpp"

namespace anteroom::cache {

/// Evicts what was not used for the longest time, exactly. A hit moves its entry between others, which are three cache
/// lines that nothing else has asked for; so the last hits are only noted at first, and moved all together when those
/// lines have come. Whatever depends on the order waits for none: it moves them before.
class LruPolicy final : public EvictionPolicy {
 public:
  explicit LruPolicy(Arena& arena) noexcept : order_(arena) {}

  void on_insert(Slot slot, std::uint32_t /*fingerprint*/) override {
    settle();
    order_.push_front(slot);
  }
  void on_hit(Slot slot) noexcept override {
    order_.prefetch_neighbours(slot);
    noted_[noted_count_] = slot;
    if (++noted_count_ == noted_.size()) settle();
  }
  void on_erase(Slot slot, std::uint32_t /*fingerprint*/, bool /*evicted*/) noexcept override {
    settle();
    order_.erase(slot);
  }
  void on_move(Slot from, Slot to) noexcept override {
    std::replace(noted_.begin(), noted_.begin() + noted_count_, from, to);
    order_.replace(to);
  }
  [[nodiscard]] Slot victim() noexcept override {
    settle();
    return order_.back();
  }

  [[nodiscard]] std::size_t size() const noexcept override { return order_.size(); }
  [[nodiscard]] std::size_t bytes() const noexcept override { return sizeof *this; }
  [[nodiscard]] std::uint64_t ghost_hits() const noexcept override { return 0; }
  void check_invariants() const override { order_.check_invariants(); }

 private:
  void settle() noexcept {
    for (std::uint32_t i = 0; i < noted_count_; ++i) order_.move_to_front(noted_[i]);
    noted_count_ = 0;
  }

  SlotList order_;  // most recently used first, but for those noted
  std::array<Slot, 32> noted_{};
  std::uint32_t noted_count_ = 0;
};

}  // namespace anteroom::cache
