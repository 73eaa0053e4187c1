#include "kv_load/keys.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <set>
#include <string>
#include <vector>

namespace anteroom::kv_load {
namespace {

std::vector<double> counts(const DrawOptions& options) {
  Draws draws(options);
  std::vector<double> out(options.keys);
  for (std::size_t i = 0; i < draws.size(); ++i) ++out.at(draws.next());
  return out;
}

std::size_t most_frequent(const std::vector<double>& counted) {
  return static_cast<std::size_t>(std::ranges::max_element(counted) - counted.begin());
}

TEST(KeyFormat, NumbersAreAsWideAsTheLargest) {
  EXPECT_EQ(KeyFormat::of("k", 1).width, 1U);
  EXPECT_EQ(KeyFormat::of("k", 10).width, 1U);
  EXPECT_EQ(KeyFormat::of("k", 11).width, 2U);
  EXPECT_EQ(KeyFormat::of("key:", 10'000).bytes(), 8U);
}

TEST(KeyFormat, DigitsAreWrittenOverWhatWasThere) {
  const KeyFormat keys = KeyFormat::of("", 10'000);
  std::string text = "<9999>";
  keys.put_digits(text.data() + 1, 42);
  EXPECT_EQ(text, "<0042>");
}

TEST(Draws, UniformKeysComeEquallyOften) {
  const auto counted = counts({.keys = 100});
  const double wanted = (1U << 20U) / 100.0;
  for (const double count : counted) EXPECT_NEAR(count, wanted, wanted / 10);
}

TEST(Draws, ZipfFrequenciesFollowTheirRank) {
  constexpr double kExponent = 0.99;
  auto counted = counts({.keys = 1'000, .is_zipf = true, .zipf_exponent = kExponent});

  std::ranges::sort(counted, std::greater<>());
  for (const std::size_t rank : {2U, 5U, 10U, 50U}) {
    const double wanted = counted[0] * std::pow(static_cast<double>(rank), -kExponent);
    EXPECT_NEAR(counted[rank - 1], wanted, wanted / 10) << rank;
  }
}

TEST(Draws, FrequentKeysAreNotNeighbours) {
  const auto counted = counts({.keys = 10'000, .is_zipf = true});
  std::vector<long> keys(counted.size());
  for (std::size_t i = 0; i < keys.size(); ++i) keys[i] = static_cast<long>(i);
  std::ranges::sort(keys, [&](long a, long b) {
    return counted[static_cast<std::size_t>(a)] > counted[static_cast<std::size_t>(b)];
  });

  long apart = 0;
  for (std::size_t i = 0; i < 20; ++i) apart += std::labs(keys[i + 1] - keys[i]) > 100 ? 1 : 0;
  EXPECT_GE(apart, 18);
}

TEST(Draws, FrequentKeysAreTheSameForEverySeed) {
  const auto one = counts({.keys = 1'000, .is_zipf = true, .seed = 1});
  const auto other = counts({.keys = 1'000, .is_zipf = true, .seed = 2});
  EXPECT_EQ(most_frequent(one), most_frequent(other));
  EXPECT_NE(one, other);
}

TEST(Draws, SetsHaveTheirShare) {
  for (const double percent : {0.0, 10.0, 100.0}) {
    Draws draws({.keys = 10, .sets_percent = percent});
    double sets = 0;
    for (std::size_t i = 0; i < draws.size(); ++i) {
      sets += draws.is_set_next() ? 1 : 0;
      EXPECT_LT(draws.next(), 10U);
    }
    EXPECT_NEAR(sets / static_cast<double>(draws.size()), percent / 100, 0.002);
  }
}

TEST(Draws, ManyKeysAreDrawnOftenBeforeTheOrderRepeats) {
  EXPECT_EQ(Draws({.keys = 1}).size(), 1U << 20U);
  EXPECT_EQ(Draws({.keys = 1'000'000}).size(), 1U << 22U);
}

}  // namespace
}  // namespace anteroom::kv_load
