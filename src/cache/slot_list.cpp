#include "cache/slot_list.hpp"

#include "base/check.hpp"

namespace anteroom::cache {

void SlotList::check_invariants() const {
  std::size_t count = 0;
  Slot previous = kNoSlot;
  for (Slot slot = front_; slot != kNoSlot; slot = entry_at(slot).next) {
    ANTEROOM_CHECK(entry_at(slot).previous == previous);
    ANTEROOM_CHECK(++count <= size_);  // else the list goes round
    previous = slot;
  }
  ANTEROOM_CHECK(back_ == previous && count == size_);
}

}  // namespace anteroom::cache
