#include "access/failure_limiter.hpp"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

namespace anteroom::access {
namespace {

using std::chrono::milliseconds;

constexpr base::TimePoint kStart{std::chrono::hours(1)};

void fail(FailureLimiter& limiter, std::string_view address, int times, base::TimePoint now = kStart) {
  for (int i = 0; i < times; ++i) limiter.count_failure(address, now);
}

TEST(FailureLimiter, TheLastPermittedFailureBlocksTheAddress) {
  FailureLimiter limiter({.failures_max = 3, .window = milliseconds(1000)});
  fail(limiter, "a", 2);
  EXPECT_TRUE(limiter.may_try("a", kStart));

  fail(limiter, "a", 1);

  EXPECT_FALSE(limiter.may_try("a", kStart));
  EXPECT_TRUE(limiter.may_try("b", kStart));
}

TEST(FailureLimiter, ABlockLastsAWindowFromTheFailureThatMadeIt) {
  FailureLimiter limiter({.failures_max = 2, .window = milliseconds(1000)});
  fail(limiter, "a", 1);
  fail(limiter, "a", 1, kStart + milliseconds(900));

  EXPECT_FALSE(limiter.may_try("a", kStart + milliseconds(1899)));
  // Neither attempts nor late failures of other workers make it longer.
  fail(limiter, "a", 5, kStart + milliseconds(1899));
  EXPECT_FALSE(limiter.may_try("a", kStart + milliseconds(1899)));
  EXPECT_TRUE(limiter.may_try("a", kStart + milliseconds(1900)));
}

TEST(FailureLimiter, AfterABlockTheCountBeginsAnew) {
  FailureLimiter limiter({.failures_max = 2, .window = milliseconds(1000)});
  fail(limiter, "a", 2);
  const auto later = kStart + milliseconds(1000);
  EXPECT_TRUE(limiter.may_try("a", later));

  fail(limiter, "a", 1, later);

  EXPECT_TRUE(limiter.may_try("a", later));
}

TEST(FailureLimiter, FailuresFurtherApartThanTheWindowDoNotAddUp) {
  FailureLimiter limiter({.failures_max = 2, .window = milliseconds(1000)});
  for (int i = 0; i < 10; ++i) {
    fail(limiter, "a", 1, kStart + i * milliseconds(1000));
    EXPECT_TRUE(limiter.may_try("a", kStart + i * milliseconds(1000)));
  }
}

TEST(FailureLimiter, ForgetsTheAddressNotHeardOfForLongest) {
  FailureLimiter limiter({.failures_max = 1, .window = milliseconds(1000), .addresses_max = 2});
  fail(limiter, "a", 1);
  fail(limiter, "b", 1);
  EXPECT_FALSE(limiter.may_try("a", kStart));

  fail(limiter, "c", 1);

  EXPECT_EQ(limiter.addresses(), 2U);
  EXPECT_FALSE(limiter.may_try("a", kStart));
  EXPECT_TRUE(limiter.may_try("b", kStart));
  EXPECT_FALSE(limiter.may_try("c", kStart));
}

TEST(FailureLimiter, NoLimitRemembersNobodyButCounts) {
  FailureLimiter limiter({.failures_max = 0, .window = milliseconds(1000)});
  fail(limiter, "a", 1000);
  EXPECT_TRUE(limiter.may_try("a", kStart));
  EXPECT_EQ(limiter.addresses(), 0U);
  EXPECT_EQ(limiter.failures(), 1000U);
}

TEST(FailureLimiter, NoRoomForAddressesCountsAllTheSame) {
  FailureLimiter limiter({.failures_max = 1, .window = milliseconds(1000), .addresses_max = 0});
  fail(limiter, "a", 3);
  EXPECT_EQ(limiter.failures(), 3U);
  EXPECT_EQ(limiter.addresses(), 0U);
}

TEST(FailureLimiter, CountsOfManyThreadsAddUp) {
  FailureLimiter limiter({.failures_max = 4000, .window = milliseconds(1000), .addresses_max = 8});
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&limiter] {
      for (int i = 0; i < 1000; ++i) {
        EXPECT_TRUE(limiter.may_try("shared", kStart));
        if (i + 1 < 1000) limiter.count_failure("shared", kStart);
        limiter.count_failure(std::to_string(i), kStart);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(limiter.failures(), 4U * 1999U);
  EXPECT_LE(limiter.addresses(), 8U);
}

}  // namespace
}  // namespace anteroom::access
