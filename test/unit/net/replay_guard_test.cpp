#include "net/replay_guard.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace anteroom::net {
namespace {

using std::chrono::seconds;

class ReplayGuardTest : public testing::Test {
 protected:
  ReplayGuard guard_{seconds(10)};
  base::TimePoint now_{seconds(1'000)};
};

TEST_F(ReplayGuardTest, TakesAFlightOnce) {
  EXPECT_TRUE(guard_.is_new("one", now_));
  EXPECT_TRUE(guard_.is_new("two", now_));
  EXPECT_FALSE(guard_.is_new("one", now_));
  EXPECT_FALSE(guard_.is_new("two", now_ + seconds(1)));
}

TEST_F(ReplayGuardTest, RemembersForAWindowAtLeastWheneverItBegan) {
  for (int offset = 0; offset < 40; ++offset) {
    const base::TimePoint came = now_ + seconds(offset);
    const std::string flight = std::to_string(offset);
    EXPECT_TRUE(guard_.is_new(flight, came));
    if (offset < 9) continue;
    EXPECT_FALSE(guard_.is_new(std::to_string(offset - 9), came)) << offset;
  }
}

TEST_F(ReplayGuardTest, ForgetsWhatIsTwoWindowsOld) {
  EXPECT_TRUE(guard_.is_new("one", now_));
  EXPECT_TRUE(guard_.is_new("one", now_ + seconds(20)));
  EXPECT_TRUE(guard_.is_new("two", now_ + seconds(25)));
  EXPECT_TRUE(guard_.is_new("one", now_ + seconds(45)));
}

TEST_F(ReplayGuardTest, NothingIsNewWhereAFloodHasFilledIt) {
  for (std::size_t i = 0; i < ReplayGuard::kFlightsMax; ++i) ASSERT_TRUE(guard_.is_new(std::to_string(i), now_));
  EXPECT_FALSE(guard_.is_new("late", now_ + seconds(9)));
  EXPECT_TRUE(guard_.is_new("later", now_ + seconds(10)));
}

}  // namespace
}  // namespace anteroom::net
