#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <unordered_set>

#include "base/clock.hpp"
#include "base/hash.hpp"
#include "base/mutex.hpp"

namespace anteroom::net {

/// Which first flights of TLS came lately, so that none with early data is taken twice (RFC 8446, section 8.2). Keeps
/// 64 bits of each for one to two windows: two that look alike cost the second one its early data, and nothing else. At
/// most 2 * kFlightsMax are kept (4 MiB); beyond that none is new. Thread-safe.
class ReplayGuard {
 public:
  static constexpr std::size_t kFlightsMax = 65'536;

  explicit ReplayGuard(base::Duration window) : window_(window) {}

  /// True once for each flight. `now` does not go back.
  [[nodiscard]] bool is_new(std::string_view flight, base::TimePoint now) ANTEROOM_EXCLUDES(mutex_);

 private:
  const base::Duration window_;
  const base::HashSeed seed_ = base::HashSeed::random();
  base::Mutex mutex_;
  std::unordered_set<std::uint64_t> current_ ANTEROOM_GUARDED_BY(mutex_);
  std::unordered_set<std::uint64_t> former_ ANTEROOM_GUARDED_BY(mutex_);
  base::TimePoint began_ ANTEROOM_GUARDED_BY(mutex_){};  // of current_
};

}  // namespace anteroom::net
