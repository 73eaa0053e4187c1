#pragma once

#include <cstdint>
#include <string>

#include "base/clock.hpp"
#include "base/mutex.hpp"

namespace anteroom::net {

/// One voice for all connections to an upstream: the first failure is logged at once, further ones every ten seconds
/// with their number, and the end of the outage once with its duration. Thread-safe; outlives what reports to it.
class OutageLog {
 public:
  explicit OutageLog(std::string endpoint) : endpoint_(std::move(endpoint)) {}

  /// `why` is one line without secrets.
  void failed(const std::string& why, base::TimePoint now) ANTEROOM_EXCLUDES(mutex_);
  void succeeded(base::TimePoint now) ANTEROOM_EXCLUDES(mutex_);
  /// For INFO and health checks: false from the first failure to the next success.
  [[nodiscard]] bool is_up() const ANTEROOM_EXCLUDES(mutex_);

 private:
  const std::string endpoint_;

  mutable base::Mutex mutex_;
  bool down_ ANTEROOM_GUARDED_BY(mutex_) = false;
  base::TimePoint since_ ANTEROOM_GUARDED_BY(mutex_){};
  base::TimePoint last_line_ ANTEROOM_GUARDED_BY(mutex_){};
  std::uint64_t failures_ ANTEROOM_GUARDED_BY(mutex_) = 0;
};

}  // namespace anteroom::net
