#pragma once

#include <cstdint>
#include <random>

#include "base/clock.hpp"

namespace anteroom::base {

/// How long to wait before the next attempt: "full jitter", evenly drawn from 0 to min(cap, base * 2^n) where n counts
/// the failures since reset(). The whole range is random so that many clients of one dead server do not come back
/// together (UPSTREAM.md B3.2). No clock, no lock; the same seed gives the same waits.
class Backoff {
 public:
  /// REQUIRES: 0 < base and 0 < cap. A base above the cap counts as the cap.
  Backoff(Duration base, Duration cap, std::uint64_t seed);

  /// The wait after one more failure.
  [[nodiscard]] Duration next();
  /// After a success: the next wait is drawn from [0, base] again.
  void reset() noexcept { ceiling_ = base_; }
  /// The longest that next() may return now.
  [[nodiscard]] Duration ceiling() const noexcept { return ceiling_; }

 private:
  const Duration cap_;
  const Duration base_;
  Duration ceiling_;
  std::mt19937_64 random_;
};

}  // namespace anteroom::base
