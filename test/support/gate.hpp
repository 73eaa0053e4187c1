#pragma once

#include <condition_variable>
#include <mutex>

#include "support/deadline.hpp"

namespace anteroom::test {

/// Holds threads up until the test lets them through. Any thread.
class Gate {
 public:
  /// Waits until the gate is open.
  void pass() {
    std::unique_lock lock(mutex_);
    ++arrivals_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
  }

  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }

  /// How many calls of pass() there have been, waiting or through.
  [[nodiscard]] int arrivals() {
    const std::lock_guard lock(mutex_);
    return arrivals_;
  }

  [[nodiscard]] bool wait_for_arrivals(int count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kPatience, [&] { return arrivals_ >= count; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int arrivals_ = 0;
  bool open_ = false;
};

}  // namespace anteroom::test
