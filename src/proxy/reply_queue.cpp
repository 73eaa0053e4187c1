#include "proxy/reply_queue.hpp"

#include <utility>

#include "base/check.hpp"

namespace anteroom::proxy {
namespace {

// Popped slots are given back when this many have gathered at the front, so that popping stays O(1) amortised.
constexpr std::size_t kCompactAt = 256;

}  // namespace

ReplyQueue::Slot ReplyQueue::reserve() {
  if (empty()) head_has_begun_ = false;
  slots_.emplace_back().is_muted = is_muted_;
  return head_ + pending() - 1;
}

void ReplyQueue::release_newest(Slot slot) {
  ANTEROOM_CHECK(slot == head_ + pending() - 1 && at(slot).bytes.empty());
  count_last_touched();
  slots_.pop_back();
  if (pending() == 0) {
    slots_.clear();
    first_ = 0;
  }
}

ReplyQueue::Waiting& ReplyQueue::at(Slot slot) {
  ANTEROOM_CHECK(slot >= head_ && slot - head_ < pending());
  Waiting& waiting = slots_[first_ + (slot - head_)];
  ANTEROOM_CHECK(!waiting.is_done);
  return waiting;
}

base::ByteQueue& ReplyQueue::sink(Slot slot) {
  Waiting& waiting = at(slot);
  if (waiting.is_muted) {
    aside().trash.clear();
    return aside().trash;
  }
  if (slot == head_) {
    head_has_begun_ = true;
    return out_;
  }
  count_last_touched();
  touched_ = slot;
  counted_size_ = waiting.bytes.size();
  return waiting.bytes;
}

ReplyQueue::Aside& ReplyQueue::aside() {
  if (!aside_) aside_ = std::make_unique<Aside>();
  return *aside_;
}

void ReplyQueue::count_last_touched() noexcept {
  if (touched_ == kNone || touched_ <= head_) {
    touched_ = kNone;  // it has become the head, and what it had is in the output
    return;
  }
  waiting_bytes_ += slots_[first_ + (touched_ - head_)].bytes.size() - counted_size_;
  touched_ = kNone;
}

std::size_t ReplyQueue::waiting_bytes() noexcept {
  count_last_touched();
  return waiting_bytes_ + (aside_ ? aside_->held_pushes.size() : 0);
}

void ReplyQueue::finish(Slot slot) {
  at(slot).is_done = true;
  if (slot != head_) return;
  count_last_touched();
  do {
    ++first_;
    ++head_;
    if (aside_) out_.append(std::move(aside_->held_pushes));
    if (pending() == 0) break;
    // The next one becomes the head: what it has so far may leave, and the rest will pass through.
    Waiting& next = slots_[first_];
    waiting_bytes_ -= next.bytes.size();
    head_has_begun_ = !next.bytes.empty();
    out_.append(std::move(next.bytes));  // so no slot before first_ has any
  } while (slots_[first_].is_done);

  if (pending() == 0) {
    slots_.clear();
    first_ = 0;
  } else if (first_ >= kCompactAt) {
    slots_.erase(slots_.begin(), slots_.begin() + static_cast<std::ptrdiff_t>(first_));
    first_ = 0;
  }
}

void ReplyQueue::append_complete(std::string_view bytes) {
  if (is_muted_) return;
  if (empty()) {
    out_.append(bytes);
    return;
  }
  const Slot slot = reserve();
  append(slot, bytes);
  finish(slot);
}

void ReplyQueue::append_push(const base::SharedBytes& bytes) {
  base::ByteQueue& to = !empty() && head_has_begun_ ? aside().held_pushes : out_;
  if (bytes->size() <= base::ByteQueue::kCopyMax) {
    to.append(*bytes);
  } else {
    to.append_shared(bytes);
  }
}

}  // namespace anteroom::proxy
