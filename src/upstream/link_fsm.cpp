#include "upstream/link_fsm.hpp"

#include <algorithm>

#include "base/check.hpp"

namespace anteroom::upstream {

void LinkFsm::submit(RequestId id, std::size_t bytes, base::Duration timeout) {
  submitted_ += bytes;
  // In place: a copy by two words would wait for the stores of single ones.
  Request& request = fifo_.emplace_back();
  request.id = id;
  request.end_offset = submitted_;
  request.timeout = timeout;
  ++count_;
}

void LinkFsm::on_written(std::size_t bytes, base::TimePoint now) {
  written_ += bytes;
  ANTEROOM_CHECK(written_ <= submitted_);
  while (written_count_ < count_ && is_written(fifo_[written_count_])) {
    fifo_[written_count_].written = now;
    ++written_count_;
  }
}

std::optional<LinkFsm::Head> LinkFsm::head() const noexcept {
  // A reply to a request that has not been sent whole is no reply to it.
  if (written_count_ == 0) return std::nullopt;
  return Head{fifo_.front().id, fifo_.front().is_tombstone};
}

void LinkFsm::on_reply_started() noexcept {
  ANTEROOM_CHECK(written_count_ > 0);
  reply_started_ = true;
}

void LinkFsm::pop_head() noexcept {
  ANTEROOM_CHECK(written_count_ > 0);
  if (fifo_.front().is_tombstone) --expired_count_;
  fifo_.pop_front();
  --count_;
  --written_count_;
  reply_started_ = false;
}

base::TimePoint LinkFsm::clock_start(const Request& request) const noexcept {
  return std::max(request.written, last_received_);
}

base::TimePoint LinkFsm::next_expiry() const noexcept {
  if (expired_count_ == written_count_) return base::kNever;
  const Request& next = fifo_[expired_count_];
  return next.timeout == base::Duration::zero() ? base::kNever : clock_start(next) + next.timeout;
}

std::optional<LinkFsm::Expired> LinkFsm::expire(base::TimePoint now) {
  if (reply_started_ || expired_count_ == written_count_ || next_expiry() > now) return std::nullopt;
  Request& request = fifo_[expired_count_++];
  request.is_tombstone = true;
  return Expired{request.id, request.timeout};
}

bool LinkFsm::is_silent(base::TimePoint now, base::Duration silence) const noexcept {
  if (written_count_ == 0) return false;
  const Request& front = fifo_.front();
  const bool may_take_longer = front.timeout == base::Duration::zero() || front.timeout > silence;
  if (may_take_longer && front.timeout != response_timeout_ && !front.is_tombstone && !reply_started_) return false;
  return clock_start(front) + silence <= now;
}

std::vector<LinkFsm::Lost> LinkFsm::on_lost() {
  std::vector<Lost> lost;
  lost.reserve(count_);
  for (const Request& request : fifo_) {
    const auto executed = is_written(request) ? base::Executed::kUnknown : base::Executed::kNo;
    lost.push_back({request.id, request.is_tombstone, executed});
  }
  if (reply_started_) lost.front().executed = base::Executed::kYes;
  fifo_.clear();
  count_ = written_count_ = expired_count_ = 0;
  submitted_ = written_ = 0;
  reply_started_ = false;
  return lost;
}

}  // namespace anteroom::upstream
