#include "net/outage_log.hpp"

#include <gtest/gtest.h>

#include "base/log.hpp"

namespace anteroom::net {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const base::TimePoint kStart{std::chrono::hours(1)};

TEST(OutageLog, FirstFailureIsLoggedAtOnce) {
  const log::ScopedCapture capture;
  OutageLog outage("redis://h:1");

  outage.failed("refused", kStart);

  ASSERT_EQ(capture.lines().size(), 1u);
  EXPECT_TRUE(capture.has("event=\"upstream unreachable\""));
  EXPECT_TRUE(capture.has("reason=refused"));
  EXPECT_FALSE(outage.is_up());
}

TEST(OutageLog, FurtherFailuresAreCountedAndLoggedEveryTenSeconds) {
  const log::ScopedCapture capture;
  OutageLog outage("redis://h:1");

  for (int i = 0; i <= 100; ++i) outage.failed("refused", kStart + i * milliseconds(100));

  ASSERT_EQ(capture.lines().size(), 2u);
  EXPECT_TRUE(capture.has("failures=101 down_ms=10000"));
}

TEST(OutageLog, RecoveryIsOneLineWithItsDuration) {
  const log::ScopedCapture capture;
  OutageLog outage("redis://h:1");
  outage.failed("refused", kStart);

  outage.succeeded(kStart + seconds(3));
  outage.succeeded(kStart + seconds(4));

  ASSERT_EQ(capture.lines().size(), 2u);
  EXPECT_TRUE(capture.has("event=\"upstream reachable again\" upstream=redis://h:1 down_ms=3000"));
  EXPECT_TRUE(outage.is_up());
}

TEST(OutageLog, SuccessWithoutOutageIsSilent) {
  const log::ScopedCapture capture;
  OutageLog outage("redis://h:1");

  outage.succeeded(kStart);

  EXPECT_TRUE(capture.lines().empty());
  EXPECT_TRUE(outage.is_up());
}

TEST(OutageLog, NextOutageCountsFromOne) {
  const log::ScopedCapture capture;
  OutageLog outage("redis://h:1");
  outage.failed("refused", kStart);
  outage.succeeded(kStart + seconds(1));

  outage.failed("refused", kStart + seconds(2));

  ASSERT_EQ(capture.lines().size(), 3u);
  EXPECT_NE(capture.lines()[2].find("failures=1 down_ms=0"), std::string::npos);
}

}  // namespace
}  // namespace anteroom::net
