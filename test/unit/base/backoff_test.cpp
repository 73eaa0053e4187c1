#include "base/backoff.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace anteroom::base {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

constexpr std::uint64_t kSeed = 42;

TEST(Backoff, CeilingDoublesUpToTheCap) {
  Backoff backoff(milliseconds(50), milliseconds(300), kSeed);
  std::vector<Duration> ceilings;
  for (int i = 0; i < 5; ++i) {
    ceilings.push_back(backoff.ceiling());
    static_cast<void>(backoff.next());
  }
  const std::vector<Duration> expected = {milliseconds(50), milliseconds(100), milliseconds(200), milliseconds(300),
                                          milliseconds(300)};
  EXPECT_EQ(ceilings, expected);
}

TEST(Backoff, WaitsLieBetweenZeroAndTheCeiling) {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    Backoff backoff(milliseconds(50), milliseconds(2000), seed);
    for (int i = 0; i < 20; ++i) {
      const Duration ceiling = backoff.ceiling();
      const Duration wait = backoff.next();
      ASSERT_GE(wait, Duration::zero()) << "seed " << seed;
      ASSERT_LE(wait, ceiling) << "seed " << seed;
    }
  }
}

TEST(Backoff, WaitsFillTheWholeRangeEvenly) {
  Backoff backoff(milliseconds(100), milliseconds(100), kSeed);
  std::vector<int> tenths(10);
  constexpr int kPerTenth = 1000;
  constexpr int kTolerance = 200;
  for (int i = 0; i < 10 * kPerTenth; ++i) {
    ++tenths[static_cast<std::size_t>(std::min<Duration::rep>(9, backoff.next() / milliseconds(10)))];
  }
  for (const int count : tenths) EXPECT_NEAR(count, kPerTenth, kTolerance);
}

TEST(Backoff, ResetStartsFromTheBaseAgain) {
  Backoff backoff(milliseconds(50), milliseconds(2000), kSeed);
  for (int i = 0; i < 10; ++i) static_cast<void>(backoff.next());
  backoff.reset();
  EXPECT_EQ(backoff.ceiling(), milliseconds(50));
}

TEST(Backoff, SameSeedGivesSameWaitsAndOtherSeedsOthers) {
  Backoff one(milliseconds(50), milliseconds(2000), 1);
  Backoff same(milliseconds(50), milliseconds(2000), 1);
  Backoff other(milliseconds(50), milliseconds(2000), 2);
  bool differs = false;
  for (int i = 0; i < 10; ++i) {
    const Duration wait = one.next();
    EXPECT_EQ(wait, same.next());
    differs |= wait != other.next();
  }
  EXPECT_TRUE(differs);
}

TEST(Backoff, BaseAboveTheCapCountsAsTheCap) {
  Backoff backoff(milliseconds(500), milliseconds(100), kSeed);
  EXPECT_EQ(backoff.ceiling(), milliseconds(100));
  EXPECT_LE(backoff.next(), milliseconds(100));
}

TEST(Backoff, LargestCapDoesNotOverflow) {
  Backoff backoff(hours(1), Duration::max(), kSeed);
  for (int i = 0; i < 100; ++i) ASSERT_GE(backoff.next(), Duration::zero());
  EXPECT_EQ(backoff.ceiling(), Duration::max());
}

TEST(BackoffDeathTest, BaseMustBePositive) {
  EXPECT_DEATH(Backoff(Duration::zero(), milliseconds(100), kSeed), "invariant broken");
}

}  // namespace
}  // namespace anteroom::base
