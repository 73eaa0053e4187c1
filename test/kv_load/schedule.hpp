#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

namespace anteroom::kv_load {

/// When requests of an open loop are due, whatever became of those before: a server that stalls does not get fewer, and
/// each of them is as late as it is. Times are nanoseconds of one clock. What is due and was not taken is the backlog;
/// it needs no room, since its times follow from where the schedule stands. Of one thread, and knows no clock.
class Schedule {
 public:
  enum class Spacing : std::uint8_t { kConstant, kPoisson };

  /// `rate` is in requests a second, above 0; the seed is for Poisson's gaps.
  Schedule(double rate, Spacing spacing, std::int64_t begin_ns, std::uint64_t seed)
      : gap_ns_(1e9 / rate), spacing_(spacing), begin_ns_(begin_ns), random_(seed) {}

  [[nodiscard]] std::int64_t next_due_ns() const { return begin_ns_ + static_cast<std::int64_t>(offset_ns_); }
  /// The same time, and goes on to the next.
  std::int64_t take() {
    const std::int64_t due_ns = next_due_ns();
    ++taken_;
    // From the count and not from the time before: the gaps' rounding does not add up.
    offset_ns_ = spacing_ == Spacing::kConstant ? static_cast<double>(taken_) * gap_ns_
                                                : offset_ns_ + gap_ns_ * exponential_(random_);
    return due_ns;
  }
  /// How many are due at `now_ns` and were not taken; counts them one by one.
  [[nodiscard]] std::uint64_t backlog(std::int64_t now_ns) const {
    std::uint64_t count = 0;
    for (Schedule ahead = *this; ahead.next_due_ns() <= now_ns; ahead.take()) ++count;
    return count;
  }

 private:
  double gap_ns_;
  Spacing spacing_;
  std::int64_t begin_ns_;
  double offset_ns_ = 0;  // of the next one
  std::uint64_t taken_ = 0;
  std::mt19937_64 random_;
  std::exponential_distribution<double> exponential_;
};

/// What is owed to one connection: the requests that were asked there and have no reply yet, in order. Of one thread;
/// room for `limit` of them (at least one) is taken at once.
class Owed {
 public:
  struct Request {
    std::int64_t due_ns = 0;
    bool is_set = false;
    /// Until `now_ns`, from when it was due and not from when there was room to send it.
    [[nodiscard]] std::int64_t latency_ns(std::int64_t now_ns) const { return now_ns - due_ns; }
  };

  explicit Owed(std::size_t limit) : limit_(limit), ring_(std::bit_ceil(limit)) {}

  [[nodiscard]] std::size_t size() const { return end_ - begin_; }
  [[nodiscard]] bool has_room() const { return size() < limit_; }
  /// There must be room.
  void push(Request request) { ring_[end_++ & (ring_.size() - 1)] = request; }
  /// There must be one.
  Request pop() { return ring_[begin_++ & (ring_.size() - 1)]; }

 private:
  std::size_t limit_;
  std::vector<Request> ring_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace anteroom::kv_load
