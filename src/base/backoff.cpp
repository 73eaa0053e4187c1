#include "base/backoff.hpp"

#include <algorithm>

#include "base/check.hpp"

namespace anteroom::base {

Backoff::Backoff(Duration base, Duration cap, std::uint64_t seed)
    : cap_(cap), base_(std::min(base, cap)), ceiling_(base_), random_(seed) {
  ANTEROOM_CHECK(base_ > Duration::zero());
}

Duration Backoff::next() {
  std::uniform_int_distribution<Duration::rep> wait(0, ceiling_.count());
  const Duration drawn{wait(random_)};
  // Compared before doubling, so that a cap near the end of the range cannot overflow.
  ceiling_ = ceiling_ > cap_ / 2 ? cap_ : ceiling_ * 2;
  return drawn;
}

}  // namespace anteroom::base
