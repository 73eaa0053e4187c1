#include "upstream/deadline_watch.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <optional>

namespace anteroom::upstream {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr base::TimePoint kDue{std::chrono::hours(1)};
constexpr base::Duration kLimit = seconds(5);

DeadlineWatch watch_due() {
  DeadlineWatch watch;
  watch.expect(kDue);
  return watch;
}

TEST(DeadlineWatch, DeadlinesHoldWhereTheLookComesInTime) {
  DeadlineWatch watch = watch_due();

  EXPECT_EQ(watch.look(kDue, kLimit), std::nullopt);
}

TEST(DeadlineWatch, AFewMillisecondsAreNotLate) {
  DeadlineWatch watch = watch_due();

  EXPECT_EQ(watch.look(kDue + DeadlineWatch::kLate - milliseconds(1), kLimit), std::nullopt);
}

TEST(DeadlineWatch, LateLookWaits) {
  DeadlineWatch watch = watch_due();

  EXPECT_EQ(watch.look(kDue + DeadlineWatch::kLate, kLimit), DeadlineWatch::kGrace);
}

TEST(DeadlineWatch, NoLongerThanTheDeadlineItself) {
  DeadlineWatch watch = watch_due();

  EXPECT_EQ(watch.look(kDue + seconds(9), milliseconds(100)), milliseconds(100));
}

TEST(DeadlineWatch, SecondLookInTimeFindsDeadlinesThatHold) {
  DeadlineWatch watch = watch_due();
  const base::TimePoint late = kDue + seconds(2);
  ASSERT_EQ(watch.look(late, kLimit), DeadlineWatch::kGrace);

  EXPECT_EQ(watch.look(late + DeadlineWatch::kGrace, kLimit), std::nullopt);
}

TEST(DeadlineWatch, SecondLookThatIsLateTooWaitsNoMore) {
  DeadlineWatch watch = watch_due();
  const base::TimePoint late = kDue + seconds(2);
  ASSERT_EQ(watch.look(late, kLimit), DeadlineWatch::kGrace);

  EXPECT_EQ(watch.look(late + seconds(3), kLimit), std::nullopt);
}

TEST(DeadlineWatch, AfterALookWhereDeadlinesHeldTheNextPauseCounts) {
  DeadlineWatch watch = watch_due();
  ASSERT_EQ(watch.look(kDue + seconds(2), kLimit), DeadlineWatch::kGrace);
  ASSERT_EQ(watch.look(kDue + seconds(4), kLimit), std::nullopt);

  watch.expect(kDue + seconds(5));

  EXPECT_EQ(watch.look(kDue + seconds(7), kLimit), DeadlineWatch::kGrace);
}

}  // namespace
}  // namespace anteroom::upstream
