#pragma once

#include <gtest/gtest.h>

#include <utility>

#include "net/event_loop.hpp"
#include "support/deadline.hpp"

namespace anteroom::test {

/// A test with an event loop that it runs on its own thread, as far as it likes.
class LoopFixture : public ::testing::Test {
 protected:
  /// Runs the loop until `is_true()` (asked about every millisecond) or `patience` is over. Returns its last answer.
  template <typename Predicate>
  [[nodiscard]] bool run_until(Predicate is_true, milliseconds patience = kPatience) {
    const Deadline deadline(patience);
    if (is_true()) return true;
    net::Timer poll(loop_, [&] {
      if (is_true() || deadline.is_over()) {
        loop_.stop();
      } else {
        poll.start(milliseconds(1));
      }
    });
    poll.start(milliseconds(1));
    loop_.run();
    return is_true();
  }

  /// True if `is_true()` stays false while the loop runs for kQuietTime.
  template <typename Predicate>
  [[nodiscard]] bool never(Predicate is_true) {
    return !run_until(std::move(is_true), kQuietTime);
  }

  /// Runs one turn without waiting: what is ready now, then the turn's end.
  void run_turn() {
    loop_.next_turn([this] { loop_.stop(); });
    loop_.run();
  }

  net::EventLoop loop_;
};

}  // namespace anteroom::test
