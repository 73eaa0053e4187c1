#include "kv_load/schedule.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>

namespace anteroom::kv_load {
namespace {

using Spacing = Schedule::Spacing;

constexpr std::int64_t kBeginNs = 5'000'000'000;
constexpr std::int64_t kMillisecond = 1'000'000;

TEST(Schedule, ConstantSpacingDoesNotDrift) {
  Schedule schedule(30'000, Spacing::kConstant, kBeginNs, 1);
  for (int i = 0; i < 3'000'000; ++i) schedule.take();
  EXPECT_NEAR(static_cast<double>(schedule.next_due_ns() - kBeginNs), 100e9, 1);
}

TEST(Schedule, PoissonSpacingKeepsTheRateAndVaries) {
  Schedule schedule(1'000, Spacing::kPoisson, kBeginNs, 1);
  constexpr int kCount = 200'000;
  double squares = 0;
  std::int64_t before = kBeginNs;
  for (int i = 0; i < kCount; ++i) {
    const std::int64_t due = schedule.take();
    ASSERT_GE(due, before);
    squares += std::pow(static_cast<double>(due - before) / 1e6 - 1, 2);
    before = due;
  }
  EXPECT_NEAR(static_cast<double>(before - kBeginNs) / kCount, 1e6, 1e4);
  EXPECT_NEAR(squares / kCount, 1, 0.05);  // the variance of gaps whose mean is 1
}

TEST(Schedule, GoesOnWhileNothingIsTaken) {
  Schedule schedule(1'000, Spacing::kConstant, kBeginNs, 1);

  EXPECT_EQ(schedule.backlog(kBeginNs - 1), 0U);
  EXPECT_EQ(schedule.backlog(kBeginNs), 1U);
  EXPECT_EQ(schedule.backlog(kBeginNs + 10 * kMillisecond), 11U);

  schedule.take();
  EXPECT_EQ(schedule.backlog(kBeginNs + 10 * kMillisecond), 10U);
  EXPECT_EQ(schedule.next_due_ns(), kBeginNs + kMillisecond);
}

TEST(Schedule, BacklogOfPoissonSpacingIsWhatWillBeTaken) {
  Schedule schedule(1'000, Spacing::kPoisson, kBeginNs, 3);
  const std::int64_t until = kBeginNs + 500 * kMillisecond;
  const std::uint64_t backlog = schedule.backlog(until);

  std::uint64_t taken = 0;
  for (; schedule.next_due_ns() <= until; ++taken) schedule.take();
  EXPECT_EQ(taken, backlog);
}

// The server stalls for 10 ms; the one connection has room for one request.
TEST(Schedule, LatencyCountsFromWhenARequestWasDue) {
  Schedule schedule(1'000, Spacing::kConstant, kBeginNs, 1);
  Owed owed(1);
  owed.push({.due_ns = schedule.take()});
  const std::int64_t end_of_stall = kBeginNs + 10 * kMillisecond;
  ASSERT_FALSE(owed.has_room());
  EXPECT_EQ(owed.pop().latency_ns(end_of_stall), 10 * kMillisecond);

  owed.push({.due_ns = schedule.take()});  // sent only now, due 9 ms ago

  EXPECT_EQ(owed.pop().latency_ns(end_of_stall + kMillisecond), 10 * kMillisecond);
}

TEST(Owed, RepliesBelongToRequestsInOrder) {
  Owed owed(3);
  std::int64_t asked = 0;
  std::int64_t answered = 0;
  for (int round = 0; round < 10; ++round) {
    while (owed.has_room()) {
      owed.push({.due_ns = asked, .is_set = asked % 2 == 1});
      ++asked;
    }
    EXPECT_EQ(owed.size(), 3U);
    for (int i = 0; i < 2; ++i) {
      const Owed::Request request = owed.pop();
      EXPECT_EQ(request.due_ns, answered);
      EXPECT_EQ(request.is_set, answered % 2 == 1);
      ++answered;
    }
  }
}

}  // namespace
}  // namespace anteroom::kv_load
