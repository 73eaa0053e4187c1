#include "net/event_loop.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "support/loop_fixture.hpp"

namespace anteroom::net {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

class EventLoopTest : public test::LoopFixture {
 protected:
  EventLoop::Task note(std::string what) {
    return [this, what = std::move(what)] { notes_.push_back(what); };
  }
  using Notes = std::vector<std::string>;
  Notes notes_;
};

TEST_F(EventLoopTest, DeferredTasksRunInTheOrderOfTheCalls) {
  loop_.at_turn_end(note("a"));
  loop_.at_turn_end(note("b"));
  loop_.at_turn_end(note("c"));

  run_turn();

  EXPECT_EQ(notes_, (Notes{"a", "b", "c"}));
}

TEST_F(EventLoopTest, TasksThatDeferredTasksDeferRunInTheSameTurnAfterAllOfThem) {
  loop_.at_turn_end([this] {
    notes_.push_back("a");
    loop_.at_turn_end(note("deferred by a"));
  });
  loop_.at_turn_end(note("b"));

  run_turn();

  EXPECT_EQ(notes_, (Notes{"a", "b", "deferred by a"}));
}

TEST_F(EventLoopTest, NextTurnTaskRunsAfterTheEndOfThisTurnWithoutWaiting) {
  loop_.next_turn([this] {
    notes_.push_back("first turn");
    loop_.next_turn([this] {
      notes_.push_back("second turn");
      loop_.stop();
    });
    loop_.at_turn_end(note("end of first turn"));
  });

  loop_.run();

  EXPECT_EQ(notes_, (Notes{"first turn", "end of first turn", "second turn"}));
}

TEST_F(EventLoopTest, ReadinessComesBeforeWorkLeftFromTheLastTurn) {
  Timer timer(loop_, note("ready"));
  timer.start(milliseconds(0));
  loop_.next_turn([this] {
    notes_.push_back("left");
    loop_.stop();
  });

  loop_.run();

  EXPECT_EQ(notes_, (Notes{"ready", "left"}));
}

TEST_F(EventLoopTest, StopLetsTheTurnFinish) {
  Timer timer(loop_, [this] {
    loop_.stop();
    loop_.at_turn_end(note("end"));
    loop_.next_turn(note("never in this run"));
  });
  timer.start(milliseconds(1));

  loop_.run();

  EXPECT_EQ(notes_, Notes{"end"});
}

TEST_F(EventLoopTest, RunsAgainAfterStop) {
  run_turn();
  loop_.at_turn_end(note("second run"));
  run_turn();
  EXPECT_EQ(notes_, Notes{"second run"});
}

TEST_F(EventLoopTest, TimeStandsStillWithinATurn) {
  std::optional<base::TimePoint> early;
  std::optional<base::TimePoint> late;
  loop_.next_turn([&] { early = loop_.now(); });
  loop_.at_turn_end([&] {
    while (std::chrono::steady_clock::now() <= *early) {
    }
    late = loop_.now();
  });

  run_turn();

  EXPECT_EQ(early, late);
}

TEST_F(EventLoopTest, TimeIsReadAfterTheWait) {
  const base::TimePoint before = std::chrono::steady_clock::now();
  std::optional<base::TimePoint> then;
  Timer timer(loop_, [&] { then = loop_.now(); });
  timer.start(milliseconds(5));

  ASSERT_TRUE(run_until([&] { return then.has_value(); }));

  EXPECT_GE(*then - before, milliseconds(5));
}

TEST(EventLoop, TasksLeftAtItsEndAreDestroyedUnrun) {
  const auto token = std::make_shared<int>(0);
  bool ran = false;
  {
    EventLoop loop;
    loop.at_turn_end([token, &ran] { ran = true; });
    loop.next_turn([token, &ran] { ran = true; });
    EXPECT_EQ(token.use_count(), 3);
  }
  EXPECT_EQ(token.use_count(), 1);
  EXPECT_FALSE(ran);
}

/// Defers more work when it is destroyed, as sessions and links do.
struct DefersAtDestruction {
  EventLoop& loop;
  std::shared_ptr<int> token;
  ~DefersAtDestruction() {
    loop.at_turn_end([kept = token] {});
    loop.next_turn([kept = token] {});
  }
};

TEST(EventLoop, TasksMayUseItWhileItDestroysThem) {
  const auto token = std::make_shared<int>(0);
  {
    EventLoop loop;
    loop.next_turn([owned = std::make_unique<DefersAtDestruction>(loop, token)] {});
  }
  EXPECT_EQ(token.use_count(), 1);
}

class TimerTest : public EventLoopTest {
 protected:
  int fired_ = 0;
  Timer timer_{loop_, [this] { ++fired_; }};
};

TEST_F(TimerTest, FiresOnce) {
  timer_.start(milliseconds(1));
  EXPECT_TRUE(timer_.is_running());

  ASSERT_TRUE(run_until([this] { return fired_ > 0; }));

  EXPECT_FALSE(timer_.is_running());
  EXPECT_TRUE(never([this] { return fired_ > 1; }));
}

TEST_F(TimerTest, NeverFiresEarly) {
  // Many short times, because the clock inside libevent lags by up to 4 ms, depending on when one looks.
  for (int i = 0; i < 25; ++i) {
    const base::TimePoint start = std::chrono::steady_clock::now();
    std::optional<base::TimePoint> end;
    Timer timer(loop_, [&] {
      end = loop_.now();
      loop_.stop();
    });
    timer.start(milliseconds(3));
    loop_.run();
    ASSERT_GE(*end - start, milliseconds(3));
  }
}

TEST_F(TimerTest, ZeroAndNegativeTimesMeanTheNextTurn) {
  timer_.start(milliseconds(0));
  EXPECT_EQ(fired_, 0);
  ASSERT_TRUE(run_until([this] { return fired_ == 1; }));
  timer_.start(-hours(1));
  ASSERT_TRUE(run_until([this] { return fired_ == 2; }));
}

TEST_F(TimerTest, CancelledTimerDoesNotFire) {
  timer_.start(milliseconds(1));
  timer_.cancel();
  EXPECT_FALSE(timer_.is_running());
  EXPECT_TRUE(never([this] { return fired_ > 0; }));
  timer_.cancel();
}

TEST_F(TimerTest, StartingAgainMovesTheExpiry) {
  timer_.start(milliseconds(1));
  timer_.start(hours(1));
  EXPECT_TRUE(never([this] { return fired_ > 0; }));
  timer_.start(milliseconds(1));
  EXPECT_TRUE(run_until([this] { return fired_ == 1; }));
}

TEST_F(TimerTest, MayStartAgainInItsCallback) {
  int left = 3;
  Timer timer(loop_, [&] {
    if (--left > 0) timer.start(milliseconds(1));
  });
  timer.start(milliseconds(1));
  EXPECT_TRUE(run_until([&] { return left == 0; }));
  EXPECT_FALSE(timer.is_running());
}

TEST_F(TimerTest, OneTimerMayCancelAnotherThatIsReady) {
  std::optional<Timer> second;
  Timer first(loop_, [&] { second->cancel(); });
  second.emplace(loop_, note("cancelled timer"));
  first.start(milliseconds(0));
  second->start(milliseconds(1));
  const base::TimePoint start = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() - start < milliseconds(10)) {
  }
  EXPECT_TRUE(never([this] { return !notes_.empty(); }));
}

TEST_F(TimerTest, DestroyedTimerDoesNotFire) {
  {
    Timer timer(loop_, [this] { ++fired_; });
    timer.start(milliseconds(1));
  }
  EXPECT_TRUE(never([this] { return fired_ > 0; }));
}

}  // namespace
}  // namespace anteroom::net
