#include "cache/ttl_policy.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <limits>

namespace anteroom::cache {
namespace {

using namespace std::chrono_literals;
using base::TimePoint;

constexpr TimePoint kSent{1000s};
constexpr TimePoint kNow{1000s + 20ms};
constexpr TtlPolicy kPolicy{.ttl = 300s, .negative_ttl = 1s, .min_ttl = 5ms};
constexpr auto kMax = std::numeric_limits<std::int64_t>::max();

std::optional<TimePoint> value_deadline(std::int64_t pttl_ms, TtlPolicy policy = kPolicy) {
  return entry_deadline(policy, EntryKind::kValue, kSent, pttl_ms, kNow);
}

std::optional<TimePoint> nil_deadline(std::int64_t pttl_ms, TtlPolicy policy = kPolicy) {
  return entry_deadline(policy, EntryKind::kNil, kSent, pttl_ms, kNow);
}

TEST(EntryDeadline, CountsTheServersTimeFromSending) { EXPECT_EQ(value_deadline(1000), kSent + 1s); }

TEST(EntryDeadline, IsNeverLaterThanOurTtl) {
  EXPECT_EQ(value_deadline(300'000), kSent + 300s);
  EXPECT_EQ(value_deadline(300'021), kNow + 300s);
  EXPECT_EQ(value_deadline(kMax), kNow + 300s);
}

TEST(EntryDeadline, KeyWithoutExpiryLivesForOurTtl) { EXPECT_EQ(value_deadline(-1), kNow + 300s); }

TEST(EntryDeadline, ValueOfAKeyThatIsGoneIsNotCached) { EXPECT_EQ(value_deadline(-2), std::nullopt); }

TEST(EntryDeadline, UnknownNegativeAnswerIsNotCached) {
  EXPECT_EQ(value_deadline(-3), std::nullopt);
  EXPECT_EQ(value_deadline(std::numeric_limits<std::int64_t>::min()), std::nullopt);
}

TEST(EntryDeadline, KeyThatExpiresTooSoonIsNotCached) {
  TtlPolicy policy = kPolicy;
  policy.min_ttl = 50ms;
  EXPECT_EQ(value_deadline(49, policy), std::nullopt);
  EXPECT_EQ(value_deadline(50, policy), kSent + 50ms);
}

TEST(EntryDeadline, ReplyThatArrivesAfterTheEndIsNotCached) {
  EXPECT_EQ(value_deadline(20), std::nullopt);
  EXPECT_EQ(value_deadline(21), kSent + 21ms);
}

TEST(EntryDeadline, ZeroTtlCachesNothing) {
  TtlPolicy policy = kPolicy;
  policy.ttl = 0s;
  EXPECT_EQ(value_deadline(-1, policy), std::nullopt);
  EXPECT_EQ(value_deadline(1000, policy), std::nullopt);
}

TEST(EntryDeadline, EndlessTtlDoesNotOverflow) {
  TtlPolicy policy = kPolicy;
  policy.ttl = base::Duration::max();
  EXPECT_EQ(value_deadline(-1, policy), base::kNever);
  EXPECT_EQ(value_deadline(kMax, policy), base::kNever);
  EXPECT_EQ(value_deadline(1000, policy), kSent + 1s);
}

TEST(EntryDeadline, ClockBeforeItsEpochDoesNotOverflow) {
  TtlPolicy policy = kPolicy;
  policy.ttl = base::Duration::max();
  const TimePoint early{-5s};
  EXPECT_EQ(entry_deadline(policy, EntryKind::kValue, early, 1000, early), early + 1s);
  EXPECT_EQ(entry_deadline(policy, EntryKind::kValue, early, -1, early), base::kNever - 5s);
}

TEST(EntryDeadline, NilIsCachedForNegativeTtlOnly) {
  EXPECT_EQ(nil_deadline(-2), kNow + 1s);
  TtlPolicy policy = kPolicy;
  policy.negative_ttl = 0s;
  EXPECT_EQ(nil_deadline(-2, policy), std::nullopt);
}

TEST(EntryDeadline, NilOfAKeyThatHasAppearedIsNotCached) {
  EXPECT_EQ(nil_deadline(-1), std::nullopt);
  EXPECT_EQ(nil_deadline(0), std::nullopt);
  EXPECT_EQ(nil_deadline(1000), std::nullopt);
}

TEST(EntryDeadline, NilIsCachedThoughValuesAreNot) {
  TtlPolicy policy = kPolicy;
  policy.ttl = 0s;
  EXPECT_EQ(nil_deadline(-2, policy), kNow + 1s);
}

}  // namespace
}  // namespace anteroom::cache
