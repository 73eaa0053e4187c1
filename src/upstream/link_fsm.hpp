#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "base/clock.hpp"
#include "base/staged_error.hpp"

namespace anteroom::upstream {

/// Names a request for whoever submitted it; this layer only hands it back.
enum class RequestId : std::uint64_t {};

/// Which request on a link gets the next reply, and what an expiry or a loss means for each request that waits.
/// Pure: no socket, no timer; time is an argument.
///
/// Requests form one FIFO, because a RESP server answers in order. A request goes
///
///     waiting --(its last byte was accepted)--> written --(reply complete)--> done
///         \                                        |
///          `------------- expire ------------------'--> tombstone --(reply complete)--> done
///
/// A request that expired has been answered with an error; it stays in the FIFO as a *tombstone* so that its late reply
/// is taken off the stream and never reaches the next request. It is never popped early.
///
/// The clock of a request runs from the moment its last byte was accepted, and starts again with every byte that the
/// link receives: a slow predecessor is not the fault of those behind it, and a link that goes on delivering is alive.
class LinkFsm {
 public:
  /// Zero means no limit.
  explicit LinkFsm(base::Duration response_timeout) : response_timeout_(response_timeout) {}

  /// A request of `bytes` bytes, appended to the outgoing stream. `timeout`: its own, for a command that waits as long
  /// as its user likes; zero is no limit.
  void submit(RequestId id, std::size_t bytes) { submit(id, bytes, response_timeout_); }
  void submit(RequestId id, std::size_t bytes, base::Duration timeout);
  /// The transport accepted the next `bytes` bytes of the outgoing stream.
  void on_written(std::size_t bytes, base::TimePoint now);
  /// Something arrived.
  void on_received(base::TimePoint now) noexcept { last_received_ = now; }

  /// The request whose reply is coming in. Null when nothing is owed: the peer sent something unasked for.
  struct Head {
    RequestId id{};
    bool is_tombstone = false;
  };
  [[nodiscard]] std::optional<Head> head() const noexcept;
  /// Part of the head's reply has arrived: the command has run, and its reply can only be completed or cut.
  void on_reply_started() noexcept;
  /// The head's reply is complete. REQUIRES: head() has a value.
  void pop_head() noexcept;

  /// When expire() should be called next; kNever when nothing can expire.
  [[nodiscard]] base::TimePoint next_expiry() const noexcept;
  struct Expired {
    RequestId id{};
    base::Duration timeout{};  ///< which is over
  };
  /// Makes a tombstone of the oldest request whose time is over and tells which; null if there is none. One by one,
  /// because who hears of it may end the link, and then the others are lost and not expired. Those behind one that may
  /// take longer wait for it. A reply that has started is not expired here: see is_silent().
  [[nodiscard]] std::optional<Expired> expire(base::TimePoint now);
  /// Nothing has arrived for `silence` although a written request waits, or a reply stopped in the middle. A request
  /// that may take longer is no sign of it until its reply has started.
  [[nodiscard]] bool is_silent(base::TimePoint now, base::Duration silence) const noexcept;
  [[nodiscard]] bool reply_in_progress() const noexcept { return reply_started_; }

  struct Lost {
    RequestId id{};
    bool is_tombstone = false;
    base::Executed executed = base::Executed::kNo;
  };
  /// The link is gone: everything that was owed, in order, with what is known of it. Leaves the machine as new.
  [[nodiscard]] std::vector<Lost> on_lost();

  [[nodiscard]] std::size_t size() const noexcept { return count_; }
  [[nodiscard]] bool empty() const noexcept { return count_ == 0; }

 private:
  struct Request {
    RequestId id{};
    std::uint64_t end_offset = 0;  // of its last byte in the outgoing stream
    base::TimePoint written{};     // when the last byte was accepted; valid once written
    base::Duration timeout{};      // zero: none
    bool is_tombstone = false;
  };
  [[nodiscard]] bool is_written(const Request& request) const noexcept { return request.end_offset <= written_; }
  [[nodiscard]] base::TimePoint clock_start(const Request& request) const noexcept;

  const base::Duration response_timeout_;
  std::deque<Request> fifo_;
  std::size_t count_ = 0;          // of them: a deque finds it by divisions, and it is asked for several times for each
  std::size_t written_count_ = 0;  // requests at the front whose last byte was accepted
  std::size_t expired_count_ = 0;  // of those, tombstones: always the oldest
  std::uint64_t submitted_ = 0;
  std::uint64_t written_ = 0;
  base::TimePoint last_received_{};
  bool reply_started_ = false;
};

}  // namespace anteroom::upstream
