#include "support/staleness.hpp"

#include <gtest/gtest.h>

namespace anteroom::test {
namespace {

TEST(StalenessHistogram, EmptyIsAllZero) {
  const StalenessHistogram histogram;
  EXPECT_EQ(histogram.quantile(0.99), 0);
  EXPECT_EQ(histogram.max(), 0);
}

TEST(StalenessHistogram, QuantilesAreSixPercentExact) {
  StalenessHistogram histogram;
  for (Instant i = 1; i <= 1'000'000; ++i) histogram.add(i * 7);
  for (const double share : {0.01, 0.5, 0.99, 0.999}) {
    const auto exact = static_cast<double>(7'000'000) * share;
    EXPECT_GE(static_cast<double>(histogram.quantile(share)), exact * 0.999) << share;
    EXPECT_LE(static_cast<double>(histogram.quantile(share)), exact * 1.07) << share;
  }
  EXPECT_EQ(histogram.quantile(1), 7'000'000);
}

TEST(StalenessHistogram, FreshReadsCountAsZero) {
  StalenessHistogram histogram;
  for (int i = 0; i < 99; ++i) histogram.add(0);
  histogram.add(kNever);
  EXPECT_EQ(histogram.quantile(0.99), 0);
  EXPECT_EQ(histogram.quantile(1), kNever);
  EXPECT_EQ(histogram.stale_count(), 1U);
}

}  // namespace
}  // namespace anteroom::test
