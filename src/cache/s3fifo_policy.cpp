#include "cache/s3fifo_policy.hpp"

#include <algorithm>

#include "base/check.hpp"

namespace anteroom::cache {

void S3FifoPolicy::on_insert(Slot slot, std::uint32_t fingerprint) {
  const bool is_ghost = ghosts_.remove(fingerprint);
  if (is_ghost) ++ghost_hits_;
  Entry& entry = entry_at(slot);
  entry.visits = 0;
  entry.queue = is_ghost ? kMain : kSmall;
  queue_of(entry).push_front(slot);
}

void S3FifoPolicy::on_erase(Slot slot, std::uint32_t fingerprint, bool evicted) noexcept {
  Entry& entry = entry_at(slot);
  if (evicted && entry.queue == kSmall) ghosts_.insert(fingerprint);
  queue_of(entry).erase(slot);
}

Slot S3FifoPolicy::victim() noexcept {
  // A tenth of what there is, not of the capacity: a limit of bytes may keep the cache far below its capacity.
  const std::size_t small_share = std::max<std::size_t>(1, size() / kSmallDivisor);
  for (std::size_t moves = 0;; ++moves) {
    const bool from_small = small_.size() > small_share || main_.empty();
    const Slot slot = from_small ? small_.back() : main_.back();
    if (slot == kNoSlot) return kNoSlot;
    Entry& entry = entry_at(slot);
    if (entry.visits == 0 || moves == kMovesMax) return slot;
    if (from_small) {
      small_.erase(slot);
      main_.push_front(slot);
      entry.queue = kMain;
      entry.visits = 0;
    } else {
      main_.move_to_front(slot);
      --entry.visits;
    }
  }
}

void S3FifoPolicy::check_invariants() const {
  small_.check_invariants();
  main_.check_invariants();
  for (const SlotList* queue : {&small_, &main_}) {
    for (Slot slot = queue->front(); slot != kNoSlot; slot = entry_at(slot).next) {
      ANTEROOM_CHECK(entry_at(slot).queue == (queue == &small_ ? kSmall : kMain));
    }
  }
}

}  // namespace anteroom::cache
