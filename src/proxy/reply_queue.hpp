#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "base/byte_queue.hpp"

namespace anteroom::proxy {

/// Keeps the replies of one session in the order of its requests, whatever order they are ready in. While nothing is
/// owed, a reply is appended straight to the output; behind a reply that is still awaited, it waits in its slot.
/// One thread; `out` outlives it.
///
///     out <- [head: bytes pass through][pending][done, waits][pending] ...
class ReplyQueue {
 public:
  /// Number of a reply, counted over the life of the session.
  using Slot = std::uint64_t;

  explicit ReplyQueue(base::ByteQueue& out) : out_(out) {}

  /// Takes the place of a reply that will come later.
  [[nodiscard]] Slot reserve();
  /// What goes there is sent whatever set_muted() said when it was reserved. REQUIRES: nothing was written to it yet.
  void unmute(Slot slot) { at(slot).is_muted = false; }
  /// What reserve() would give now: no reply owed so far has this number or a greater one.
  [[nodiscard]] Slot next() const noexcept { return head_ + pending(); }
  /// Undoes the last reserve(). REQUIRES: `slot` is what it gave, and nothing was written to it.
  void release_newest(Slot slot);
  /// Where the bytes of this reply go now: the output for the head, else its own buffer. Valid until the next call.
  /// REQUIRES: the slot is reserved and not finished.
  [[nodiscard]] base::ByteQueue& sink(Slot slot);
  void append(Slot slot, std::string_view bytes) { sink(slot).append(bytes); }
  /// The reply is complete. If it is the head, it and every finished one behind it leave for the output.
  void finish(Slot slot);
  /// A complete reply to the newest request.
  void append_complete(std::string_view bytes);

  /// From now on replies are taken and thrown away: those of new slots, and complete ones.
  void set_muted(bool muted) noexcept { is_muted_ = muted; }
  [[nodiscard]] bool is_muted() const noexcept { return is_muted_; }
  /// What the client did not ask for: goes out between two replies, before those that have not begun. Encoded, whole.
  void append_push(const base::SharedBytes& bytes);

  /// The reply is still owed.
  [[nodiscard]] bool is_open(Slot slot) const noexcept {
    return slot >= head_ && slot - head_ < pending() && !slots_[first_ + (slot - head_)].is_done;
  }
  /// Replies owed or waiting.
  [[nodiscard]] std::size_t pending() const noexcept { return slots_.size() - first_; }
  [[nodiscard]] bool empty() const noexcept { return slots_.empty(); }
  /// Bytes that wait for an unfinished reply.
  [[nodiscard]] std::size_t waiting_bytes() noexcept;

 private:
  struct Waiting {
    base::ByteQueue bytes;
    bool is_done = false;
    bool is_muted = false;
  };
  /// What few sessions ever have: made with the first of it.
  struct Aside {
    base::ByteQueue held_pushes;  // while part of the head has left
    base::ByteQueue trash;        // what muted slots got last
  };
  [[nodiscard]] Waiting& at(Slot slot);
  [[nodiscard]] Aside& aside();
  void count_last_touched() noexcept;

  base::ByteQueue& out_;
  std::unique_ptr<Aside> aside_;
  bool head_has_begun_ = false;
  bool is_muted_ = false;
  std::vector<Waiting> slots_;  // [first_, end), or empty; a vector because an idle session's allocates nothing
  std::size_t first_ = 0;
  Slot head_ = 0;  // slot of slots_[first_]
  std::size_t waiting_bytes_ = 0;
  std::size_t counted_size_ = 0;  // of the slot that sink() gave out last, before it was written to
  Slot touched_ = kNone;
  static constexpr Slot kNone = ~Slot{0};
};

}  // namespace anteroom::proxy
