#include "cache/ttl_policy.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>

namespace anteroom::cache {
namespace {

using namespace std::chrono_literals;
using base::TimePoint;

constexpr TimePoint kSent{1000s};
constexpr TimePoint kNow{1000s + 20ms};
constexpr TtlPolicy kPolicy{.ttl = 300s, .negative_ttl = 1s, .min_ttl = 5ms};
constexpr auto kMax = std::numeric_limits<std::int64_t>::max();

std::optional<Deadlines> of_value(std::int64_t pttl_ms, const TtlPolicy& policy = kPolicy, double jitter01 = 0) {
  return entry_deadlines(policy, Presence::kPresent, kSent, pttl_ms, kNow, jitter01);
}
std::optional<Deadlines> of_missing(std::int64_t pttl_ms, const TtlPolicy& policy = kPolicy, double jitter01 = 0) {
  return entry_deadlines(policy, Presence::kMissing, kSent, pttl_ms, kNow, jitter01);
}
void expect_deadlines(const std::optional<Deadlines>& deadlines, TimePoint soft, TimePoint hard) {
  ASSERT_TRUE(deadlines.has_value());
  EXPECT_EQ(deadlines->soft, soft);
  EXPECT_EQ(deadlines->hard, hard);
}

TEST(EntryDeadlines, HardOneCountsTheServersTimeFromSendingAndLimitsTheSoftOne) {
  expect_deadlines(of_value(1000), kSent + 1s, kSent + 1s);
}

TEST(EntryDeadlines, SoftOneIsOurTtlFromNow) {
  expect_deadlines(of_value(300'000), kSent + 300s, kSent + 300s);
  expect_deadlines(of_value(300'021), kNow + 300s, kSent + 300s + 21ms);
  expect_deadlines(of_value(kMax), kNow + 300s, base::kNever);
}

TEST(EntryDeadlines, KeyWithoutExpiryHasNoHardOne) { expect_deadlines(of_value(-1), kNow + 300s, base::kNever); }

TEST(EntryDeadlines, ValueOfAKeyThatIsGoneIsNotCached) { EXPECT_FALSE(of_value(-2)); }

TEST(EntryDeadlines, UnknownNegativeAnswerIsNotCached) {
  EXPECT_FALSE(of_value(-3));
  EXPECT_FALSE(of_value(std::numeric_limits<std::int64_t>::min()));
  EXPECT_FALSE(of_missing(-3));
}

TEST(EntryDeadlines, KeyThatExpiresTooSoonIsNotCached) {
  TtlPolicy policy = kPolicy;
  policy.min_ttl = 50ms;
  EXPECT_FALSE(of_value(49, policy));
  expect_deadlines(of_value(50, policy), kSent + 50ms, kSent + 50ms);
}

TEST(EntryDeadlines, ReplyThatArrivesAfterTheEndIsNotCached) {
  EXPECT_FALSE(of_value(20));
  expect_deadlines(of_value(21), kSent + 21ms, kSent + 21ms);
}

TEST(EntryDeadlines, ZeroTtlCachesNothing) {
  TtlPolicy policy = kPolicy;
  policy.ttl = 0s;
  EXPECT_FALSE(of_value(-1, policy));
  EXPECT_FALSE(of_value(1000, policy));
  EXPECT_TRUE(of_missing(-2, policy));
}

TEST(EntryDeadlines, EndlessTtlDoesNotOverflow) {
  TtlPolicy policy = kPolicy;
  policy.ttl = base::Duration::max();
  expect_deadlines(of_value(-1, policy), base::kNever, base::kNever);
  expect_deadlines(of_value(kMax, policy), base::kNever, base::kNever);
  expect_deadlines(of_value(1000, policy), kSent + 1s, kSent + 1s);
  policy.jitter = 0.5;
  EXPECT_TRUE(of_value(-1, policy, 1));
  EXPECT_TRUE(of_value(-1, policy, 1e-9));
}

TEST(EntryDeadlines, ClockBeforeItsEpochDoesNotOverflow) {
  TtlPolicy policy = kPolicy;
  policy.ttl = base::Duration::max();
  const TimePoint early{-5s};
  expect_deadlines(entry_deadlines(policy, Presence::kPresent, early, 1000, early, 0), early + 1s, early + 1s);
  expect_deadlines(entry_deadlines(policy, Presence::kPresent, early, -1, early, 0), base::kNever - 5s, base::kNever);
}

TEST(EntryDeadlines, MissingKeyIsRememberedForNegativeTtlOnly) {
  expect_deadlines(of_missing(-2), kNow + 1s, base::kNever);
  TtlPolicy policy = kPolicy;
  policy.negative_ttl = 0s;
  EXPECT_FALSE(of_missing(-2, policy));
}

TEST(EntryDeadlines, MissingKeyThatHasAppearedIsNotCached) {
  EXPECT_FALSE(of_missing(-1));
  EXPECT_FALSE(of_missing(0));
  EXPECT_FALSE(of_missing(1000));
}

TEST(EntryDeadlines, JitterShortensOurOwnLimitsOnly) {
  TtlPolicy policy = kPolicy;
  policy.jitter = 0.2;
  expect_deadlines(of_value(-1, policy, 0), kNow + 300s, base::kNever);
  expect_deadlines(of_value(-1, policy, 0.5), kNow + 270s, base::kNever);
  expect_deadlines(of_value(400'000, policy, 1), kNow + 240s, kSent + 400s);
  expect_deadlines(of_value(1000, policy, 1), kSent + 1s, kSent + 1s);
  expect_deadlines(of_missing(-2, policy, 0.5), kNow + 900ms, base::kNever);
}

TEST(EntryDeadlines, JitterTakesAtMostHalf) {
  TtlPolicy policy = kPolicy;
  policy.jitter = 7;
  expect_deadlines(of_value(-1, policy, 3), kNow + 150s, base::kNever);
  policy.jitter = -1;
  expect_deadlines(of_value(-1, policy, 1), kNow + 300s, base::kNever);
}

}  // namespace
}  // namespace anteroom::cache
