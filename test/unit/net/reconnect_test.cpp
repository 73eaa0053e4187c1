#include "net/reconnect.hpp"

#include <gtest/gtest.h>

namespace anteroom::net {
namespace {

using std::chrono::milliseconds;

const base::TimePoint kStart{std::chrono::hours(1)};

class ReconnectTest : public ::testing::Test {
 protected:
  /// Up for `time`, then lost.
  base::Duration lost_after(base::Duration time) {
    reconnect_.on_up(now_);
    now_ += time;
    return reconnect_.pause_after_loss(now_);
  }
  base::TimePoint now_ = kStart;
  Reconnect reconnect_{milliseconds(50), milliseconds(2000), 1};
};

TEST_F(ReconnectTest, FailedDialsArePausedUpToTheCap) {
  for (int i = 0; i < 100; ++i) EXPECT_LE(reconnect_.pause_after_failure(), milliseconds(2000));
}

TEST_F(ReconnectTest, FirstLossIsDialledAtOnceHoweverEarly) {
  EXPECT_EQ(lost_after(milliseconds(1)), base::Duration::zero());
}

TEST_F(ReconnectTest, EarlyLossesInARowArePaused) {
  EXPECT_EQ(lost_after(milliseconds(1)), base::Duration::zero());
  bool has_paused = false;
  for (int i = 0; i < 20; ++i) has_paused = lost_after(milliseconds(999)) > base::Duration::zero() || has_paused;
  EXPECT_TRUE(has_paused);
}

TEST_F(ReconnectTest, StableConnectionForgivesWhatWasBefore) {
  for (int i = 0; i < 5; ++i) static_cast<void>(lost_after(milliseconds(1)));

  EXPECT_EQ(lost_after(Reconnect::kStableAfter), base::Duration::zero());
  EXPECT_EQ(lost_after(milliseconds(1)), base::Duration::zero());
}

}  // namespace
}  // namespace anteroom::net
