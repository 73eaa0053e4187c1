#pragma once

#include "base/check.hpp"

namespace anteroom::base {

/// Place of an object in one list. Derive from one hook per list kind, told apart by `Tag`:
/// `struct Entry : ListHook<LruTag>, ListHook<WheelTag>`. A copy or an assignment of the object leaves both hooks
/// alone.
template <typename Tag>
class ListHook {
 public:
  ListHook() = default;
  ListHook(const ListHook&) noexcept {}
  ListHook& operator=(const ListHook&) noexcept { return *this; }

  [[nodiscard]] bool is_linked() const noexcept { return next_ != nullptr; }

 private:
  template <typename T, typename AnyTag>
  friend class IntrusiveList;
  ListHook* prev_ = nullptr;
  ListHook* next_ = nullptr;
};

/// Doubly linked list through hooks inside the elements: never allocates, everything is O(1) but clear(), and an
/// element leaves its list without knowing which one it is in. Owns nothing: an element must be unlinked before it
/// dies. No locks; the list and its elements belong to one thread or one mutex.
template <typename T, typename Tag>
class IntrusiveList {
  using Hook = ListHook<Tag>;

 public:
  IntrusiveList() noexcept { reset(); }
  /// Unlinks whatever is left, so that no element keeps a pointer to a dead list.
  ~IntrusiveList() { clear(); }
  IntrusiveList(const IntrusiveList&) = delete;
  IntrusiveList& operator=(const IntrusiveList&) = delete;

  [[nodiscard]] bool empty() const noexcept { return head_.next_ == &head_; }
  /// Null when the list is empty.
  [[nodiscard]] T* front() const noexcept { return element(head_.next_); }
  [[nodiscard]] T* back() const noexcept { return element(head_.prev_); }
  /// Null behind the last one. REQUIRES: `item` is in this list.
  [[nodiscard]] T* next(const T& item) const noexcept { return element(static_cast<const Hook&>(item).next_); }

  /// REQUIRES: `item` is in no list of this kind.
  void push_front(T& item) noexcept { link(item, head_, *head_.next_); }
  void push_back(T& item) noexcept { link(item, *head_.prev_, head_); }
  /// REQUIRES: `item` is in a list of this kind, not necessarily this one.
  static void unlink(T& item) noexcept {
    Hook& hook = item;
    ANTEROOM_CHECK(hook.is_linked());
    hook.prev_->next_ = hook.next_;
    hook.next_->prev_ = hook.prev_;
    hook.prev_ = hook.next_ = nullptr;
  }
  /// REQUIRES: `item` is in this list.
  void move_to_front(T& item) noexcept {
    if (front() == &item) return;
    unlink(item);
    push_front(item);
  }
  /// Null when the list is empty.
  T* pop_front() noexcept {
    T* const item = front();
    if (item != nullptr) unlink(*item);
    return item;
  }
  /// Appends everything in `other`, which becomes empty.
  void splice_back(IntrusiveList& other) noexcept {
    if (&other == this || other.empty()) return;
    Hook* const first = other.head_.next_;
    Hook* const last = other.head_.prev_;
    first->prev_ = head_.prev_;
    head_.prev_->next_ = first;
    last->next_ = &head_;
    head_.prev_ = last;
    other.reset();
  }
  /// Unlinks every element. O(n).
  void clear() noexcept {
    while (pop_front() != nullptr) {
    }
  }

 private:
  [[nodiscard]] T* element(Hook* hook) const noexcept { return hook == &head_ ? nullptr : static_cast<T*>(hook); }
  static void link(T& item, Hook& before, Hook& after) noexcept {
    Hook& hook = item;
    ANTEROOM_CHECK(!hook.is_linked());
    hook.prev_ = &before;
    hook.next_ = &after;
    before.next_ = &hook;
    after.prev_ = &hook;
  }
  void reset() noexcept { head_.prev_ = head_.next_ = &head_; }

  Hook head_;
};

}  // namespace anteroom::base
