#include "upstream/link.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "unit/upstream/link_test_fixture.hpp"

namespace anteroom::upstream {
namespace {

using std::chrono::milliseconds;
using State = Link::State;

// --- Coming up ---

TEST_F(LinkTest, DialsWhenTheFirstRequestComes) {
  EXPECT_EQ(link().state(), State::kIdle);

  submit(1, "A");
  EXPECT_EQ(link().state(), State::kDialing);
  server_with(1).send("+a\r\n");

  ASSERT_TRUE(answered(1));
  EXPECT_EQ(events_[1].reply, "+a\r\n");
  EXPECT_EQ(link().state(), State::kUp);
  EXPECT_EQ(metrics_.upstream_links.value(), 1);
}

TEST_F(LinkTest, LogsInNamesItselfAndSelectsItsDbBeforeAnyRequest) {
  options_.credentials = {"bob", "secret"};
  options_.db = 7;
  submit(1, "A");

  EXPECT_EQ(server_with(1).handshake_requests(),
            (std::vector<std::string>{"AUTH bob secret", "HELLO 2", "CLIENT SETNAME anteroom", "SELECT 7"}));
  EXPECT_EQ(server_.last().requests(), std::vector<std::string>{"A"});
}

TEST_F(LinkTest, RemembersTheServersVersion) {
  server_.set_handshake([](const std::string& request) {
    return request == "HELLO 2" ? "*2\r\n$7\r\nversion\r\n$5\r\n7.4.1\r\n" : "+OK\r\n";
  });
  submit(1, "A");
  static_cast<void>(server_with(1));

  EXPECT_EQ(facts_.version(), "7.4.1");
}

TEST_F(LinkTest, NoServerFailsWhatWaits) {
  server_.stop_listening();
  submit(1, "A");
  submit(2, "B");

  ASSERT_TRUE(failed(2));
  EXPECT_TRUE(events_[1].failed.starts_with("MASTERDOWN anteroom: cannot connect to upstream: "));
  EXPECT_EQ(events_[1].failed, events_[2].failed);
  EXPECT_EQ(refusal(), events_[1].failed);
  EXPECT_FALSE(outages_.is_up());
}

TEST_F(LinkTest, WrongPasswordFailsTheHandshake) {
  options_.credentials = {"", "wrong"};
  EXPECT_TRUE(error_after_handshake_reply("-WRONGPASS invalid username-password pair\r\n")
                  .starts_with("ERR anteroom: upstream authentication failed (stage=handshake executed=no"));
}

TEST_F(LinkTest, MissingPasswordFailsTheHandshake) {
  EXPECT_TRUE(error_after_handshake_reply("-NOAUTH Authentication required.\r\n")
                  .starts_with("ERR anteroom: upstream authentication failed (stage=handshake executed=no"));
}

TEST_F(LinkTest, FullServerFailsTheHandshake) {
  EXPECT_TRUE(error_after_handshake_reply("-ERR max number of clients reached\r\n").starts_with("MASTERDOWN "));
}

TEST_F(LinkTest, ProtectedServerFailsTheHandshake) {
  EXPECT_TRUE(error_after_handshake_reply("-DENIED Redis is running in protected mode\r\n")
                  .starts_with("ERR anteroom: upstream refused the handshake: DENIED"));
}

TEST_F(LinkTest, ServerThatSpeaksNoRespFailsTheHandshake) {
  EXPECT_TRUE(error_after_handshake_reply("HTTP/1.1 400 Bad Request\r\n")
                  .starts_with("ERR anteroom: upstream refused the handshake: not a RESP server"));
}

TEST_F(LinkTest, UnknownDbIsToldInTheServersWordsAndIsNoOutage) {
  options_.db = 99;
  server_.set_handshake([](const std::string& request) {
    return request == "SELECT 99" ? "-ERR DB index is out of range\r\n" : "+OK\r\n";
  });
  submit(1, "A");

  ASSERT_TRUE(failed(1));
  EXPECT_EQ(events_[1].failed, "ERR DB index is out of range");
  EXPECT_TRUE(outages_.is_up());
}

TEST_F(LinkTest, ServerThatClosesInTheHandshakeFailsIt) {
  server_.set_handshake([this](const std::string&) {
    server_.last().close();
    return std::nullopt;
  });
  submit(1, "A");

  ASSERT_TRUE(failed(1));
  EXPECT_TRUE(events_[1].failed.starts_with("MASTERDOWN anteroom: upstream closed the connection in the handshake"));
}

TEST_F(LinkTest, ServerThatDoesNotAnswerTheHandshakeFailsIt) {
  options_.handshake_timeout = milliseconds(30);
  server_.set_handshake([](const std::string&) { return std::nullopt; });
  submit(1, "A");

  ASSERT_TRUE(failed(1));
  EXPECT_TRUE(events_[1].failed.starts_with("MASTERDOWN anteroom: upstream did not answer the handshake"));
  EXPECT_TRUE(run_until([this] { return server_.last().is_closed_by_peer(); }));
}

TEST_F(LinkTest, BytesBehindTheHandshakeThatNobodyAskedForEndTheLink) {
  server_.set_handshake(
      [](const std::string& request) { return request == "HELLO 2" ? "+OK\r\n" : "+OK\r\n+unasked\r\n"; });
  submit(1, "A");

  ASSERT_TRUE(failed(1));
  EXPECT_TRUE(events_[1].failed.starts_with("TRYAGAIN ")) << "it was never sent";
}

// --- Requests and replies ---

TEST_F(LinkTest, PipelinedRepliesReachTheirRequestsInOrder) {
  for (std::uint64_t id = 1; id <= 3; ++id) submit(id, "R" + std::to_string(id));
  auto& server = server_with(3);
  EXPECT_EQ(server.requests(), (std::vector<std::string>{"R1", "R2", "R3"}));

  server.send(":1\r\n*2\r\n:2\r\n$1\r\n\n\r\n-ERR 3\r\n");

  ASSERT_TRUE(answered(3));
  EXPECT_EQ(events_[1].reply, ":1\r\n");
  EXPECT_EQ(events_[2].reply, "*2\r\n:2\r\n$1\r\n\n\r\n");
  EXPECT_EQ(events_[3].reply, "-ERR 3\r\n");
  EXPECT_EQ(link().pending(), 0u);
}

TEST_F(LinkTest, ReplyThatComesInSingleBytesIsOneReply) {
  submit(1, "A");
  auto& server = server_with(1);
  for (const char byte : std::string("$5\r\nhello\r\n")) {
    EXPECT_FALSE(events_[1].is_complete);
    server.send({&byte, 1});
    run_turn();
    run_turn();
  }

  ASSERT_TRUE(answered(1));
  EXPECT_EQ(events_[1].reply, "$5\r\nhello\r\n");
  EXPECT_EQ(events_[1].pieces, 1);
}

TEST_F(LinkTest, LargeReplyIsHandedOnInPiecesAndNeverCollected) {
  submit(1, "A");
  submit(2, "B");
  const std::string whole = "$1000000\r\n" + std::string(1'000'000, 'x') + "\r\n";

  server_with(2).send(whole + "+b\r\n");

  ASSERT_TRUE(answered(2));
  EXPECT_EQ(events_[1].reply, whole);
  EXPECT_GT(events_[1].pieces, 1);
  EXPECT_EQ(events_[2].reply, "+b\r\n");
}

TEST_F(LinkTest, UnexpectedBytesEndTheLink) {
  for (const char* bytes : {"+unasked\r\n", ">2\r\n+invalidate\r\n*0\r\n", "nonsense\r\n"}) {
    link_ = std::make_unique<Link>(context(), options_, 1);
    link().start();
    ASSERT_TRUE(run_until([this] { return link().state() == State::kUp; }));

    server_.last().send(bytes);

    EXPECT_TRUE(run_until([this] { return server_.last().is_closed_by_peer(); })) << bytes;
    EXPECT_NE(link().state(), State::kUp);
  }
  EXPECT_EQ(metrics_.upstream_losses.value(), 3u);
}

TEST_F(LinkTest, SecondReplyToOneRequestEndsTheLinkBeforeItReachesAnother) {
  submit(1, "A");
  auto& server = server_with(1);
  server.send("+a\r\n+unasked\r\n");
  ASSERT_TRUE(answered(1));

  EXPECT_TRUE(run_until([&] { return server.is_closed_by_peer(); }));
}

// --- Too slow ---

TEST_F(LinkTest, LateReplyIsThrownAwayAndTheNextOneReachesItsRequest) {
  options_.response_timeout = milliseconds(300);
  submit(1, "SLOW");
  auto& server = server_with(1);
  ASSERT_TRUE(expired(1));
  EXPECT_TRUE(
      events_[1].expired.starts_with("TIMEOUT anteroom: no reply from upstream within 300ms (stage=response "
                                     "executed=unknown"));
  submit(2, "NEXT");
  ASSERT_EQ(&server_with(2), &server);

  server.send("+late\r\n+next\r\n");

  ASSERT_TRUE(answered(2));
  EXPECT_TRUE(events_[1].is_discarded);
  EXPECT_EQ(events_[1].reply, "");
  EXPECT_EQ(events_[2].reply, "+next\r\n");
  EXPECT_EQ(metrics_.upstream_timeouts.value(), 1u);
}

TEST_F(LinkTest, EndedOnHearingOfAnExpiryItFailsThoseThatWouldHaveExpiredNext) {
  options_.response_timeout = milliseconds(50);
  events_.when_expired = [this](RequestId) { link().close(); };
  submit(1, "A");
  submit(2, "B");
  static_cast<void>(server_with(2));

  ASSERT_TRUE(failed(2));
  run_turn();
  EXPECT_TRUE(events_[1].is_discarded);
  EXPECT_EQ(events_[2].expired, "");
  EXPECT_EQ(metrics_.upstream_timeouts.value(), 1u);
}

TEST_F(LinkTest, TimeInWhichThisProcessDidNotRunIsNotHeldAgainstTheServer) {
  options_.response_timeout = milliseconds(300);
  submit(1, "A");
  auto& server = server_with(1);

  // Nobody runs, as on a machine that is paused.
  std::this_thread::sleep_for(options_.response_timeout + DeadlineWatch::kLate);
  run_turn();
  run_turn();
  EXPECT_EQ(events_[1].expired, "");
  server.send("+a\r\n");

  ASSERT_TRUE(answered(1));
  submit(2, "B");
  EXPECT_TRUE(expired(2)) << "the server's own time is";
}

TEST_F(LinkTest, PeerThatIsSilentForTwoTimeoutsIsLeft) {
  options_.response_timeout = milliseconds(50);
  submit(1, "A");
  auto& server = server_with(1);

  ASSERT_TRUE(expired(1));
  ASSERT_TRUE(discarded(1));
  EXPECT_TRUE(run_until([&] { return server.is_closed_by_peer(); }));
  EXPECT_TRUE(log_.has("reason=\"peer is silent\""));
}

TEST_F(LinkTest, ReplyThatStopsInTheMiddleEndsTheLink) {
  options_.response_timeout = milliseconds(50);
  submit(1, "A");
  submit(2, "B");
  server_with(2).send("$100000\r\n" + std::string(50'000, 'x'));

  ASSERT_TRUE(failed(1));
  EXPECT_TRUE(events_[1].failed.starts_with("CONNLOST anteroom: upstream connection lost inside the reply"));
  EXPECT_GT(events_[1].pieces, 0);
  EXPECT_TRUE(log_.has("reason=\"reply stalled\""));
}

TEST_F(LinkTest, NothingExpiresWithoutATimeout) {
  options_.response_timeout = milliseconds(0);
  submit(1, "A");
  static_cast<void>(server_with(1));

  EXPECT_TRUE(never([this] { return !events_[1].expired.empty() || !events_[1].failed.empty(); }));
}

TEST_F(LinkTest, PeerThatDoesNotReadIsLeftAndNothingThatWasCutRan) {
  options_.response_timeout = milliseconds(100);
  link().start();
  ASSERT_TRUE(run_until([this] { return link().state() == State::kUp; }));
  server_.last().pause_reading();
  submit(1, std::string(4 << 20, 'x'));

  ASSERT_TRUE(failed(1));
  EXPECT_TRUE(
      events_[1].failed.starts_with("TRYAGAIN anteroom: upstream write stalled (stage=write_stall executed=no"));
}

TEST_F(LinkTest, TellsBeforeWhatWasSubmittedLeaves) {
  link().start();
  ASSERT_TRUE(run_until([this] { return link().state() == State::kUp; }));
  EXPECT_TRUE(events_.queued_before_writes.empty()) << "the handshake is the link's own";
  submit(1, "A");
  submit(2, "B");
  EXPECT_TRUE(events_.queued_before_writes.empty());

  run_turn();

  EXPECT_EQ(events_.queued_before_writes, std::vector{command("A").size() + command("B").size()});
  EXPECT_EQ(link().queued_bytes(), 0u);
}

TEST_F(LinkTest, CongestionBeginsAboveAMegabyteAndEndsWhenItHasBeenSent) {
  link().start();
  ASSERT_TRUE(run_until([this] { return link().state() == State::kUp; }));
  server_.last().pause_reading();
  submit(1, std::string(3 << 20, 'x'));
  EXPECT_TRUE(link().is_congested());
  run_turn();
  EXPECT_EQ(events_.drained, 0);

  server_.last().go_on_reading();

  EXPECT_TRUE(run_until([this] { return events_.drained > 0; }));
  EXPECT_EQ(events_.drained, 1);
  EXPECT_FALSE(link().is_congested());
}

TEST_F(LinkTest, CongestionEndsWithTheLink) {
  server_.stop_listening();
  submit(1, std::string(3 << 20, 'x'));
  EXPECT_TRUE(link().is_congested());

  ASSERT_TRUE(failed(1));

  EXPECT_FALSE(link().is_congested());
  EXPECT_EQ(events_.drained, 1);
}

TEST_F(LinkTest, QueueHasALimitOfRequests) {
  options_.queue_requests_max = 2;
  submit(1, "A");
  submit(2, "B");

  EXPECT_TRUE(
      refusal().starts_with("TRYAGAIN anteroom: overloaded, request not accepted (stage=admission executed=no"));
}

TEST_F(LinkTest, QueueHasALimitOfBytesButOneLargeRequestAlonePasses) {
  options_.queue_bytes_max = 1000;
  submit(1, std::string(2000, 'x'));

  EXPECT_TRUE(refusal().starts_with("TRYAGAIN "));
  static_cast<void>(server_with(1));
  submit(2, "B");
}

}  // namespace
}  // namespace anteroom::upstream
