// What becomes of a Link and its requests when the connection is lost or closed.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "unit/upstream/link_test_fixture.hpp"

namespace anteroom::upstream {
namespace {

using std::chrono::milliseconds;
using State = Link::State;

// --- Loss ---

TEST_F(LinkTest, LossTellsForEachRequestHowFarItCame) {
  for (std::uint64_t id = 1; id <= 3; ++id) submit(id, "R");
  auto& server = server_with(3);
  server.send("+1\r\n$100000\r\n" + std::string(50'000, 'x'));
  ASSERT_TRUE(run_until([this] { return events_[2].pieces > 0; }));

  server.close();

  ASSERT_TRUE(failed(3));
  EXPECT_EQ(events_[1].reply, "+1\r\n");
  EXPECT_TRUE(events_[2].failed.starts_with("CONNLOST ") &&
              events_[2].failed.find("executed=yes") != std::string::npos);
  EXPECT_TRUE(events_[3].failed.starts_with("CONNLOST ") &&
              events_[3].failed.find("executed=unknown") != std::string::npos);
}

TEST_F(LinkTest, LinkThatEndsIsDialledAgainAtOnceByTheNextRequest) {
  submit(1, "A");
  server_with(1).close();
  ASSERT_TRUE(failed(1));

  submit(2, "B");
  ASSERT_TRUE(run_until([this] { return server_.accepted() == 2; }));
  server_with(1).send("+b\r\n");

  EXPECT_TRUE(answered(2));
}

TEST_F(LinkTest, LinkThatEndsSoonAfterComingUpTwiceInARowPausesBeforeTheNextDial) {
  for (std::uint64_t id = 1; id <= 2; ++id) {
    submit(id, "A");
    ASSERT_TRUE(run_until([&] { return server_.accepted() == id; }));
    server_with(1).close();
    ASSERT_TRUE(failed(id));
  }

  EXPECT_EQ(link().state(), State::kBackoff);
  EXPECT_TRUE(refusal().starts_with("MASTERDOWN "));
}

TEST_F(LinkTest, ComesBackAfterThePauseWithTheNextRequest) {
  options_.reconnect_base = options_.reconnect_cap = milliseconds(10);
  server_.stop_listening();
  submit(1, "A");
  ASSERT_TRUE(failed(1));
  server_.listen();
  ASSERT_TRUE(run_until([this] { return link().state() == State::kIdle; }));
  EXPECT_EQ(metrics_.upstream_dials.value(), 1u);

  submit(2, "B");
  server_with(1).send("+b\r\n");

  EXPECT_TRUE(answered(2));
}

TEST_F(LinkTest, ReplyCutAtItsBeginningMeansThatTheCommandRan) {
  submit(1, "A");
  submit(2, "B");
  auto& server = server_with(2);
  server.send("$6\r\nCUT");
  server.close();

  ASSERT_TRUE(failed(2));
  EXPECT_EQ(events_[1].failed,
            "CONNLOST anteroom: upstream connection lost inside the reply (stage=reply_stall executed=yes)");
  EXPECT_EQ(events_[2].failed,
            "CONNLOST anteroom: upstream connection lost before the reply (stage=response executed=unknown)");
}

TEST_F(LinkTest, BeginningOfAReplyThatNobodyAskedForEndsTheLink) {
  submit(1, "A");
  auto& server = server_with(1);
  server.send("+a\r\n$6\r\nCUT");

  ASSERT_TRUE(answered(1));
  EXPECT_TRUE(run_until([&] { return server.is_closed_by_peer(); }));
}

TEST_F(LinkTest, CongestionAlsoBeginsWithManyUnansweredRequests) {
  options_.queue_requests_max = 100;
  for (std::uint64_t id = 1; id <= 51; ++id) submit(id, "A");
  EXPECT_TRUE(link().is_congested());

  std::string replies;
  for (int i = 0; i < 51; ++i) replies += "+a\r\n";
  server_with(51).send(replies);

  ASSERT_TRUE(answered(51));
  EXPECT_FALSE(link().is_congested());
  EXPECT_EQ(events_.drained, 1);
}

TEST_F(LinkTest, PauseEndsWhenAnotherConnectionHasFoundTheUpstreamBack) {
  server_.stop_listening();
  submit(1, "A");
  ASSERT_TRUE(failed(1));
  ASSERT_EQ(link().state(), State::kBackoff);
  server_.listen();
  outages_.succeeded(loop_.now());

  submit(2, "B");
  server_with(1).send("+b\r\n");

  EXPECT_TRUE(answered(2));
}

TEST_F(LinkTest, LinkThatStaysConnectedComesBackByItself) {
  options_.stay_connected = true;
  options_.reconnect_base = options_.reconnect_cap = milliseconds(10);
  link().start();
  ASSERT_TRUE(run_until([this] { return link().state() == State::kUp; }));

  server_.last().close();
  ASSERT_TRUE(run_until([this] { return server_.accepted() == 2 && link().state() == State::kUp; }));

  submit(1, "A");
  server_with(1).send("+a\r\n");
  EXPECT_TRUE(answered(1));
}

// Nothing would dial it again: who asks for messages only has nothing to submit.
TEST_F(LinkTest, LinkThatStaysConnectedDialsWhenItsPauseEndsEarly) {
  options_.stay_connected = true;
  server_.stop_listening();
  link().start();
  ASSERT_TRUE(run_until([this] { return link().state() == State::kBackoff; }));
  server_.listen();
  outages_.succeeded(loop_.now());

  EXPECT_FALSE(link().refusal(0));

  EXPECT_TRUE(run_until([this] { return link().state() == State::kUp; }));
}

// A pool that looks for links to drop may be asked for one by who hears of a loss.
TEST_F(LinkTest, IsNotQuietBeforeAllHaveHeardOfTheLoss) {
  std::vector<bool> was_quiet;
  events_.when_failed = [&](RequestId) { was_quiet.push_back(link().is_quiet()); };
  submit(1, "A");
  submit(2, "B");
  server_with(2).close();

  ASSERT_TRUE(failed(2));
  EXPECT_EQ(was_quiet, (std::vector<bool>{false, false}));
  EXPECT_TRUE(link().is_quiet());
}

TEST_F(LinkTest, LossEndsTombstonesToo) {
  options_.response_timeout = milliseconds(300);
  submit(1, "A");
  auto& server = server_with(1);
  ASSERT_TRUE(expired(1));

  server.close();

  EXPECT_TRUE(discarded(1));
}

// --- The end ---

TEST_F(LinkTest, CloseFailsWhatWaitsAndRefusesTheRest) {
  submit(1, "A");
  auto& server = server_with(1);
  link().close();
  run_turn();

  EXPECT_TRUE(events_[1].failed.starts_with("CONNLOST ")) << "it was sent and may have run";
  EXPECT_TRUE(refusal().starts_with("TRYAGAIN anteroom: shutting down"));
  EXPECT_TRUE(run_until([&] { return server.is_closed_by_peer(); }));
  EXPECT_EQ(link().state(), State::kClosed);
}

TEST_F(LinkTest, CloseWhileItDialsFailsWhatWaits) {
  submit(1, "A");
  link().close();

  EXPECT_TRUE(events_[1].failed.starts_with("TRYAGAIN anteroom: shutting down"));
  EXPECT_TRUE(never([this] { return link().state() != State::kClosed; }));
}

TEST_F(LinkTest, ClosedLinkIsNotCountedAsUp) {
  submit(1, "A");
  static_cast<void>(server_with(1));
  link().close();

  EXPECT_EQ(metrics_.upstream_links.value(), 0);
}

}  // namespace
}  // namespace anteroom::upstream
