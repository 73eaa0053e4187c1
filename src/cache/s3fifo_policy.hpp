#pragma once

#include <cstddef>
#include <cstdint>

#include "cache/eviction_policy.hpp"
#include "cache/ghost_table.hpp"
#include "cache/slot_list.hpp"

namespace anteroom::cache {

/// S3-FIFO (SOSP 2023): three queues instead of an order of use. New entries go into a small queue of a tenth of all
/// entries. One that was used there moves to the main queue when it comes to the end; one that was not is evicted and
/// its fingerprint remembered as a ghost, and if it comes back while it is remembered, it goes into the main queue at
/// once. The main queue lets entries round once for each use, three at most. So what is used only once, as by a scan,
/// passes through the small queue and leaves the rest alone, and a hit writes nothing but a counter in its entry.
class S3FifoPolicy final : public EvictionPolicy {
 public:
  S3FifoPolicy(Arena& arena, std::size_t capacity)
      : arena_(arena), small_(arena), main_(arena), ghosts_(capacity - capacity / kSmallDivisor) {}

  void on_insert(Slot slot, std::uint32_t fingerprint) override;
  void on_hit(Slot slot) noexcept override {
    Entry& entry = entry_at(slot);
    if (entry.visits < kVisitsMax) ++entry.visits;
  }
  void on_erase(Slot slot, std::uint32_t fingerprint, bool evicted) noexcept override;
  void on_move(Slot /*from*/, Slot to) noexcept override { queue_of(entry_at(to)).replace(to); }
  [[nodiscard]] Slot victim() noexcept override;

  [[nodiscard]] std::size_t size() const noexcept override { return small_.size() + main_.size(); }
  [[nodiscard]] std::size_t bytes() const noexcept override { return sizeof *this + ghosts_.bytes(); }
  [[nodiscard]] std::uint64_t ghost_hits() const noexcept override { return ghost_hits_; }
  void check_invariants() const override;

  /// Entries that victim() moves at most. Each was used since it was moved before, so they are few in the long run, but
  /// when all have been used, the first victim must not wait for a turn of the whole queue under the lock.
  static constexpr std::size_t kMovesMax = 128;

 private:
  enum Queue : std::uint8_t { kSmall, kMain };
  static constexpr std::size_t kSmallDivisor = 10;
  static constexpr std::uint8_t kVisitsMax = 3;

  [[nodiscard]] Entry& entry_at(Slot slot) const noexcept { return *reinterpret_cast<Entry*>(arena_.at(slot)); }
  [[nodiscard]] SlotList& queue_of(const Entry& entry) noexcept { return entry.queue == kSmall ? small_ : main_; }

  Arena& arena_;
  SlotList small_;  // newest first
  SlotList main_;   // newest first
  GhostTable ghosts_;
  std::uint64_t ghost_hits_ = 0;
};

}  // namespace anteroom::cache
