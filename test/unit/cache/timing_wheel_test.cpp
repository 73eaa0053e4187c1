#include "cache/timing_wheel.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <list>
#include <random>
#include <string>
#include <vector>

namespace anteroom::cache {
namespace {

using namespace std::chrono_literals;
using base::TimePoint;

constexpr std::size_t kPlenty = 1'000'000;
constexpr base::Duration kTick = TimingWheel::kTick;

class TimingWheelTest : public testing::Test {
 protected:
  ~TimingWheelTest() override {
    for (WheelNode& node : nodes) {
      if (node.is_linked()) wheel.remove(node);
    }
  }
  WheelNode& add(base::Duration delay) {
    WheelNode& node = nodes.emplace_back();
    node.deadline = now + delay;
    wheel.insert(node, now);
    return node;
  }
  WheelNode* pop() {
    std::size_t steps = kPlenty;
    return wheel.pop_due(now, steps);
  }

  TimePoint now{1234567ms};
  std::list<WheelNode> nodes;
  TimingWheel wheel;
};

TEST_F(TimingWheelTest, EmptyWheelHasNothingDue) {
  EXPECT_EQ(pop(), nullptr);
  now += 24h * 365;
  EXPECT_EQ(pop(), nullptr);
}

TEST_F(TimingWheelTest, NeverFiresEarlyAndAtMostOneTickLate) {
  for (const base::Duration delay : std::vector<base::Duration>{0ms, 1ms, 63ms, 64ms, 65ms, 1s, 16'383ms, 16'384ms,
                                                                16'385ms, 20s, 70min, 69min + 54s, 71min, 3h, 720h}) {
    const TimePoint start = now;
    const WheelNode& node = add(delay);

    now = start + delay - 1ns;
    EXPECT_EQ(pop(), nullptr) << delay / 1ms;
    now = start + delay + kTick;
    EXPECT_EQ(pop(), &node) << delay / 1ms;
    EXPECT_EQ(wheel.size(), 0u);
  }
}

TEST_F(TimingWheelTest, DeadlineInThePastFiresSoon) {
  add(1h);
  const WheelNode& late = add(-10s);

  now += kTick;

  EXPECT_EQ(pop(), &late);
  EXPECT_EQ(pop(), nullptr);
}

TEST_F(TimingWheelTest, TimeThatGoesBackDoesNoHarm) {
  WheelNode& node = add(1s);
  now += 500ms;
  EXPECT_EQ(pop(), nullptr);
  now -= 400ms;
  EXPECT_EQ(pop(), nullptr);
  const WheelNode& other = add(100ms);

  now += 400ms;
  EXPECT_EQ(pop(), nullptr);  // this tick has begun to fire already
  now += kTick;
  EXPECT_EQ(pop(), &other);
  EXPECT_EQ(pop(), nullptr);
  now += 1s;
  EXPECT_EQ(pop(), &node);
}

TEST_F(TimingWheelTest, RemovedNodeDoesNotFireFromAnyLevel) {
  for (const base::Duration delay : std::vector<base::Duration>{10ms, 5s, 5min, 5h}) wheel.remove(add(delay));
  EXPECT_EQ(wheel.size(), 0u);
  EXPECT_EQ(wheel.count_linked(), 0u);

  now += 24h;
  EXPECT_EQ(pop(), nullptr);
}

TEST_F(TimingWheelTest, LongPauseIsCaughtUpWithInFewSteps) {
  const WheelNode& near = add(5s);
  const WheelNode& middle = add(50min);
  const WheelNode& far = add(90min);
  now += 24h * 30;

  std::size_t steps = 100;
  EXPECT_EQ(wheel.pop_due(now, steps), &near);
  EXPECT_EQ(wheel.pop_due(now, steps), &middle);
  EXPECT_EQ(wheel.pop_due(now, steps), &far);
  EXPECT_EQ(wheel.pop_due(now, steps), nullptr);
}

TEST_F(TimingWheelTest, FirstNodeAfterALongIdleTimeIsNotFarAhead) {
  now += 24h * 365;
  const WheelNode& node = add(100ms);
  now += 200ms;

  std::size_t steps = 5;
  EXPECT_EQ(wheel.pop_due(now, steps), &node);
}

TEST_F(TimingWheelTest, WorkOfOneCallIsBoundedAndTheRestIsDoneLater) {
  constexpr int kNodes = 1000;
  for (int i = 0; i < kNodes; ++i) add(100s);  // all in one bucket of level 1
  now += 101s;

  int fired = 0;
  int calls = 0;
  while (wheel.size() > 0) {
    std::size_t steps = 50;
    while (wheel.pop_due(now, steps) != nullptr) ++fired;
    ASSERT_LT(++calls, 2 * kNodes);
  }

  EXPECT_EQ(fired, kNodes);
  EXPECT_GE(calls, kNodes / 50);
}

TEST_F(TimingWheelTest, SortingTheOverflowCanBeInterrupted) {
  for (int i = 0; i < 500; ++i) add(100min + i * 1s);
  const TimePoint start = now;
  int fired = 0;
  while (wheel.size() > 0 && now < start + 4h) {
    now += 10s;
    std::size_t steps = 20;
    while (const WheelNode* const node = wheel.pop_due(now, steps)) {
      EXPECT_LE(node->deadline, now);
      ++fired;
    }
    ASSERT_EQ(wheel.size(), wheel.count_linked());
  }
  EXPECT_EQ(fired, 500);
}

using TimingWheelDeathTest = TimingWheelTest;

TEST_F(TimingWheelDeathTest, NodeWithoutDeadlineIsRefused) {
  WheelNode node;
  EXPECT_DEATH(wheel.insert(node, now), "kNever");
}

// Every node fires in the first complete pass at or after the end of its deadline's tick, and none before.
TEST_F(TimingWheelTest, AgreesWithAReferenceOverRandomTimes) {
  constexpr std::uint64_t kSeed = 20240607;
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  std::mt19937_64 random(kSeed);
  const auto below = [&random](std::int64_t limit) {
    return static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(limit));
  };
  const std::int64_t spans_ms[] = {200, 20'000, 300'000, 5'000'000, 100'000'000};
  const auto is_over = [this](const WheelNode& node) {
    return node.deadline.time_since_epoch() / kTick < now.time_since_epoch() / kTick;
  };
  std::vector<WheelNode> pool(400);

  for (int step = 0; step < 20'000; ++step) {
    WheelNode& node = pool[static_cast<std::size_t>(below(400))];
    if (node.is_linked()) {
      if (below(4) == 0) wheel.remove(node);
    } else {
      node.deadline = now + base::Milliseconds{below(spans_ms[below(5)])};
      wheel.insert(node, now);
    }
    if (below(3) == 0) now += base::Milliseconds{below(spans_ms[below(below(50) == 0 ? 5 : 3)])};
    if (below(2) != 0) continue;

    while (const WheelNode* const fired = pop()) ASSERT_TRUE(is_over(*fired)) << "fired early at step " << step;

    std::size_t linked = 0;
    for (const WheelNode& left : pool) {
      if (!left.is_linked()) continue;
      ++linked;
      ASSERT_FALSE(is_over(left)) << "missed at step " << step;
    }
    ASSERT_EQ(wheel.size(), linked);
    ASSERT_EQ(wheel.count_linked(), linked);
  }
  for (WheelNode& node : pool) {
    if (node.is_linked()) wheel.remove(node);
  }
}

}  // namespace
}  // namespace anteroom::cache
