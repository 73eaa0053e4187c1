#include "kv_load/histogram.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

namespace anteroom::kv_load {
namespace {

TEST(Histogram, QuantileIsWithinOnePercent) {
  Histogram histogram;
  std::vector<std::int64_t> values;
  values.reserve(100'000);
  std::mt19937_64 random(7);
  std::uniform_real_distribution<double> exponent(0, 11);
  for (int i = 0; i < 100'000; ++i) values.push_back(static_cast<std::int64_t>(std::pow(10, exponent(random))));

  for (const std::int64_t value : values) histogram.add(value);

  std::ranges::sort(values);
  for (const double part : {0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 1.0}) {
    const auto place = static_cast<std::size_t>(std::ceil(part * static_cast<double>(values.size()))) - 1;
    const auto exact = static_cast<double>(values[place]);
    EXPECT_NEAR(static_cast<double>(histogram.quantile_ns(part)), exact, exact / 100) << part;
  }
}

TEST(Histogram, EveryValueAloneIsWithinOnePercentOfItself) {
  for (std::int64_t value = 1; value < Histogram::kMaxNs / 3; value += value / 100 + 1) {
    Histogram histogram;
    histogram.add(Histogram::kMaxNs);
    histogram.add(value);
    EXPECT_NEAR(static_cast<double>(histogram.quantile_ns(0.5)), static_cast<double>(value),
                static_cast<double>(value) / 100);
  }
}

TEST(Histogram, LargestIsExact) {
  Histogram histogram;
  histogram.add(123'456'789);
  histogram.add(3);
  EXPECT_EQ(histogram.max_ns(), 123'456'789);
  EXPECT_LE(histogram.quantile_ns(1), 123'456'789);
}

TEST(Histogram, WhatLiesOutsideCountsAsTheNearest) {
  Histogram histogram;
  histogram.add(-5);
  histogram.add(Histogram::kMaxNs + 1);
  EXPECT_EQ(histogram.count(), 2U);
  EXPECT_EQ(histogram.quantile_ns(0.5), 0);
  EXPECT_EQ(histogram.max_ns(), Histogram::kMaxNs);
}

TEST(Histogram, EmptyOneAnswersZero) {
  const Histogram histogram;
  EXPECT_EQ(histogram.count(), 0U);
  EXPECT_EQ(histogram.quantile_ns(0.99), 0);
}

}  // namespace
}  // namespace anteroom::kv_load
