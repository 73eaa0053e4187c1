#include "support/staleness.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace anteroom::test {

void StalenessHistogram::add(Instant staleness) {
  staleness = std::max(staleness, Instant{0});
  ++counts_[bucket_of(staleness)];
  ++count_;
  max_ = std::max(max_, staleness);
}

Instant StalenessHistogram::quantile(double share) const {
  const auto wanted = static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(count_)));
  std::uint64_t seen = 0;
  for (std::size_t bucket = 0; bucket < kBuckets; ++bucket) {
    seen += counts_[bucket];
    if (seen >= wanted && seen > 0) return std::min(upper_end_of(bucket), max_);
  }
  return max_;
}

std::size_t StalenessHistogram::bucket_of(Instant staleness) {
  const auto value = static_cast<std::uint64_t>(staleness);
  constexpr std::uint64_t kSteps = 1U << kStepsBits;
  if (value < kSteps) return value;
  const auto exponent = static_cast<std::size_t>(std::bit_width(value)) - kStepsBits - 1;
  return (exponent << kStepsBits) + (value >> exponent);
}

Instant StalenessHistogram::upper_end_of(std::size_t bucket) {
  constexpr std::size_t kSteps = std::size_t{1} << kStepsBits;
  if (bucket < kSteps) return static_cast<Instant>(bucket);
  const std::size_t exponent = (bucket >> kStepsBits) - 1;
  const std::size_t step = bucket - (exponent << kStepsBits);
  return static_cast<Instant>(((step + 1) << exponent) - 1);
}

}  // namespace anteroom::test
