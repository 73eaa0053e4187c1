#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "cache/arena.hpp"
#include "cache/types.hpp"

namespace anteroom::cache {

/// Decides which entry goes when room is needed. Keeps its order in Entry::previous, next, queue and visits of the
/// slots it is told of. One per shard, guarded by its mutex; the arena outlives it. All calls are O(1), on_hit()
/// without a call to anything else.
class EvictionPolicy {
 public:
  virtual ~EvictionPolicy() = default;
  /// `fingerprint`: 32 bits of the entry's hash, by which a policy may remember what it has evicted.
  virtual void on_insert(Slot slot, std::uint32_t fingerprint) = 0;
  virtual void on_hit(Slot slot) noexcept = 0;
  /// Dropped, expired or evicted: forgets it. With `evicted` it was the victim() of before.
  virtual void on_erase(Slot slot, std::uint32_t fingerprint, bool evicted) noexcept = 0;
  /// The entry has been copied from `from` to `to`, its Entry with it.
  virtual void on_move(Slot from, Slot to) noexcept = 0;
  /// The entry to evict next; kNoSlot if there is none. May reorder (S3-FIFO moves what was used). Not removed yet.
  [[nodiscard]] virtual Slot victim() noexcept = 0;

  [[nodiscard]] virtual std::size_t size() const noexcept = 0;
  /// Memory beside the entries.
  [[nodiscard]] virtual std::size_t bytes() const noexcept = 0;
  [[nodiscard]] virtual std::uint64_t ghost_hits() const noexcept = 0;
  /// Aborts if its lists are broken. For tests.
  virtual void check_invariants() const = 0;
};

/// `capacity`: most entries there will be; S3-FIFO sizes its small queue and its ghosts by it.
[[nodiscard]] std::unique_ptr<EvictionPolicy> make_policy(Policy policy, Arena& arena, std::size_t capacity);

}  // namespace anteroom::cache
