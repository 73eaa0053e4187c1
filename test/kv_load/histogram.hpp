#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace anteroom::kv_load {

/// How many latencies there were of each size, in buckets that are at most 1/128 of their value wide: each power of two
/// is cut into 128 of equal width. So a quantile, which is the middle of its bucket, is off by less than half a
/// percent. Of one thread; 36 KB whatever is in it.
class Histogram {
 public:
  /// What is above counts as this: 73 minutes.
  static constexpr std::int64_t kMaxNs = (std::int64_t{1} << 42) - 1;

  void add(std::int64_t ns) {
    const std::int64_t value = std::clamp<std::int64_t>(ns, 0, kMaxNs);
    ++buckets_[bucket_of(static_cast<std::uint64_t>(value))];
    ++count_;
    max_ns_ = std::max(max_ns_, value);
  }

  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] std::int64_t max_ns() const { return max_ns_; }

  /// Below or at which `part` (0 to 1) of all are; 0 while there are none.
  [[nodiscard]] std::int64_t quantile_ns(double part) const {
    const double wanted = std::ceil(part * static_cast<double>(count_));
    std::uint64_t left = std::max<std::uint64_t>(static_cast<std::uint64_t>(wanted), 1);
    for (std::size_t bucket = 0; bucket < buckets_.size(); ++bucket) {
      if (buckets_[bucket] >= left) return std::min(middle_of(bucket), max_ns_);
      left -= buckets_[bucket];
    }
    return max_ns_;
  }

 private:
  static constexpr unsigned kStepBits = 7;
  static constexpr std::size_t kSteps = std::size_t{1} << kStepBits;

  // Values below 256 have buckets of their own; those above lose their lowest `shift` bits.
  static std::size_t bucket_of(std::uint64_t value) {
    const unsigned shift = shift_of(value);
    return shift * kSteps + static_cast<std::size_t>(value >> shift);
  }
  static unsigned shift_of(std::uint64_t value) {
    const auto bits = static_cast<unsigned>(std::bit_width(value | kSteps));
    return bits - kStepBits - 1;
  }
  static std::int64_t middle_of(std::size_t bucket) {
    if (bucket < 2 * kSteps) return static_cast<std::int64_t>(bucket);
    const std::size_t shift = bucket / kSteps - 1;
    const std::size_t lowest = (bucket - shift * kSteps) << shift;
    return static_cast<std::int64_t>(lowest + (std::size_t{1} << shift) / 2);
  }

  std::array<std::uint64_t, kSteps * (42 - kStepBits + 1)> buckets_{};
  std::uint64_t count_ = 0;
  std::int64_t max_ns_ = 0;
};

}  // namespace anteroom::kv_load
