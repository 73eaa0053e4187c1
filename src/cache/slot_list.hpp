#pragma once

#include <cstddef>

#include "cache/arena.hpp"
#include "cache/entry.hpp"

namespace anteroom::cache {

/// Doubly linked list of entries by slot, through Entry::previous and next. An entry is in one list at most. Owns no
/// entry; the arena outlives it. Guarded by the shard's mutex. All calls but check_invariants() are O(1).
class SlotList {
 public:
  explicit SlotList(Arena& arena) noexcept : arena_(arena) {}
  SlotList(const SlotList&) = delete;
  SlotList& operator=(const SlotList&) = delete;

  /// kNoSlot when the list is empty.
  [[nodiscard]] Slot front() const noexcept { return front_; }
  [[nodiscard]] Slot back() const noexcept { return back_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }

  /// REQUIRES: `slot` is in no list.
  void push_front(Slot slot) noexcept {
    Entry& entry = entry_at(slot);
    entry.previous = kNoSlot;
    entry.next = front_;
    (front_ != kNoSlot ? entry_at(front_).previous : back_) = slot;
    front_ = slot;
    ++size_;
  }
  /// REQUIRES: `slot` is in this list.
  void erase(Slot slot) noexcept {
    Entry& entry = entry_at(slot);
    (entry.previous != kNoSlot ? entry_at(entry.previous).next : front_) = entry.next;
    (entry.next != kNoSlot ? entry_at(entry.next).previous : back_) = entry.previous;
    entry.previous = entry.next = kNoSlot;
    --size_;
  }
  /// REQUIRES: `slot` is in this list.
  void move_to_front(Slot slot) noexcept {
    if (slot == front_) return;
    Entry& entry = entry_at(slot);
    entry_at(entry.previous).next = entry.next;
    (entry.next != kNoSlot ? entry_at(entry.next).previous : back_) = entry.previous;
    entry.previous = kNoSlot;
    entry.next = front_;
    entry_at(front_).previous = slot;
    front_ = slot;
  }
  /// Begins to load what move_to_front() will change.
  void prefetch_neighbours(Slot slot) const noexcept {
    const Entry& entry = entry_at(slot);
    __builtin_prefetch(arena_.at(entry.previous), 1);
    __builtin_prefetch(arena_.at(entry.next), 1);
  }
  /// The entry in this list whose copy is at `to`, links included, is there now.
  void replace(Slot to) noexcept {
    const Entry& entry = entry_at(to);
    (entry.previous != kNoSlot ? entry_at(entry.previous).next : front_) = to;
    (entry.next != kNoSlot ? entry_at(entry.next).previous : back_) = to;
  }

  /// Aborts if the links or the size are wrong. For tests.
  void check_invariants() const;

 private:
  [[nodiscard]] Entry& entry_at(Slot slot) const noexcept { return *reinterpret_cast<Entry*>(arena_.at(slot)); }

  Arena& arena_;
  Slot front_ = kNoSlot;
  Slot back_ = kNoSlot;
  std::size_t size_ = 0;
};

}  // namespace anteroom::cache
