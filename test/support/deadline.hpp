#pragma once

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

namespace anteroom::test {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

/// How long a test waits for something that should happen at once. Long, because a sanitizer build on a busy machine is
/// ten times slower; it is only ever waited out in full by a test that fails.
inline constexpr milliseconds kPatience{20'000};

/// How long a test watches for something that must not happen. Never used to let something finish.
inline constexpr milliseconds kQuietTime{100};

/// A point in time up to which an operation may wait.
class Deadline {
 public:
  explicit Deadline(milliseconds patience) : at_(Clock::now() + patience) {}

  [[nodiscard]] bool is_over() const { return Clock::now() >= at_; }

  /// Milliseconds left for poll(2): rounded up, never negative.
  [[nodiscard]] int poll_ms() const {
    const auto left = std::chrono::ceil<milliseconds>(at_ - Clock::now());
    return static_cast<int>(std::max(left.count(), milliseconds::rep{0}));
  }

 private:
  Clock::time_point at_;
};

/// Asks `is_true` again and again until it says yes or `patience` is over. Returns its last answer.
template <typename Predicate>
[[nodiscard]] bool eventually(Predicate&& is_true, milliseconds patience = kPatience) {
  const Deadline deadline{patience};
  while (!is_true()) {
    if (deadline.is_over()) return std::forward<Predicate>(is_true)();
    std::this_thread::sleep_for(milliseconds{2});
  }
  return true;
}

}  // namespace anteroom::test
