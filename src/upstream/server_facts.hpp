#pragma once

#include <string>
#include <string_view>

#include "base/mutex.hpp"

namespace anteroom::upstream {

/// What the upstream said of itself in the latest handshake. Thread-safe; one for the process.
class ServerFacts {
 public:
  void set_version(std::string_view version) ANTEROOM_EXCLUDES(mutex_) {
    const base::MutexLock lock(mutex_);
    version_ = version;
  }
  /// "7.0.15". Before the first handshake, and with servers before 6.0 that do not say, the oldest that HELLO implies.
  [[nodiscard]] std::string version() const ANTEROOM_EXCLUDES(mutex_) {
    const base::MutexLock lock(mutex_);
    return version_;
  }
  /// Whether it knew HELLO. True before the first handshake.
  void set_speaks_resp3(bool speaks) ANTEROOM_EXCLUDES(mutex_) {
    const base::MutexLock lock(mutex_);
    speaks_resp3_ = speaks;
  }
  [[nodiscard]] bool speaks_resp3() const ANTEROOM_EXCLUDES(mutex_) {
    const base::MutexLock lock(mutex_);
    return speaks_resp3_;
  }

 private:
  mutable base::Mutex mutex_;
  std::string version_ ANTEROOM_GUARDED_BY(mutex_) = "6.0.0";
  bool speaks_resp3_ ANTEROOM_GUARDED_BY(mutex_) = true;
};

}  // namespace anteroom::upstream
