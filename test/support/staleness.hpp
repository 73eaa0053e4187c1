#pragma once

#include <array>
#include <cstdint>

#include "support/history.hpp"

namespace anteroom::test {

/// How many reads were how stale, in steps of at most 6 %. Reads that were not stale count as 0.
class StalenessHistogram {
 public:
  void add(Instant staleness);

  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] std::uint64_t stale_count() const { return count_ - counts_[0]; }
  [[nodiscard]] Instant max() const { return max_; }
  /// So much staleness that `share` (0 to 1) of all reads had at most this.
  [[nodiscard]] Instant quantile(double share) const;

 private:
  // Sixteen steps between two powers of 2 of nanoseconds.
  static constexpr std::size_t kStepsBits = 4;
  static constexpr std::size_t kBuckets = 64 << kStepsBits;

  [[nodiscard]] static std::size_t bucket_of(Instant staleness);
  [[nodiscard]] static Instant upper_end_of(std::size_t bucket);

  std::array<std::uint64_t, kBuckets> counts_{};
  std::uint64_t count_ = 0;
  Instant max_ = 0;
};

}  // namespace anteroom::test
