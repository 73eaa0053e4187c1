// What an endpoint says to addresses that have not proved to be any.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <string>

#include "support/quic_packets.hpp"
#include "support/quic_rig.hpp"

namespace anteroom::quic {
namespace {

class QuicStranger : public QuicTest {};

// Ids can be overheard, and senders forged: the packet that tells of the end again and again would go to anybody.
TEST_F(QuicStranger, EndIsNotRepeatedToWhoSendsLessThanAThirdOfIt) {
  listen();
  test::UdpPeer client(server_->local().port());
  client.send(test::client_initial(loop_, test::trusting_client({"h3"})));
  ASSERT_TRUE(run_until([&] { return test::becomes_readable(client.fd(), std::chrono::milliseconds(0)); }));
  const std::string end = client.next();
  ASSERT_LT(end.size(), 100U) << "CONNECTION_CLOSE";
  test::UdpPeer stranger(server_->local().port());

  for (int i = 0; i < 4; ++i) stranger.send("\x40" + std::string(test::source_of(end)));

  EXPECT_TRUE(run_until([&] { return server_counts_.datagrams_received.value() == 5; }));
  pass(std::chrono::milliseconds(20));
  EXPECT_FALSE(stranger.is_amplified()) << stranger.received_bytes << " bytes for " << stranger.sent_bytes;

  stranger.send("\x40" + std::string(test::source_of(end)) + std::string(100, 'x'));
  EXPECT_FALSE(stranger.is_amplified());
  EXPECT_TRUE(run_until([&] { return stranger.received().size() + stranger.received_bytes > 0; }))
      << "who pays is told";
}

TEST_F(QuicStranger, FloodThatAsksForResetsLeavesRetriesToOthers) {
  server_options_.always_validates = true;
  listen();
  test::UdpPeer stranger(server_->local().port());
  for (int i = 0; i < 150; ++i) stranger.send("\x40" + std::string(60, static_cast<char>(i)));
  ASSERT_TRUE(run_until([&] { return server_counts_.over_budget.value() > 0; }));

  connect();

  EXPECT_TRUE(run_until([&] { return here_.established; }));
  EXPECT_EQ(server_counts_.retries.value(), 1u);
}

// RFC 9000, section 6.1.
TEST_F(QuicStranger, VersionNegotiationIsNotAnswered) {
  listen();
  test::UdpPeer stranger(server_->local().port());
  std::string packet = "\xc0" + std::string(4, '\0') + "\x08" + std::string(8, 'a') + "\x08" + std::string(8, 'b');
  packet.resize(1200);

  stranger.send(packet);

  EXPECT_TRUE(run_until([&] { return server_counts_.bad_datagrams.value() == 1; }));
  pass(std::chrono::milliseconds(20));
  EXPECT_TRUE(stranger.received().empty());
}

TEST_F(QuicStranger, WhoIsNotAdmittedIsToldAndNothingIsKeptOfHim) {
  server_options_.admits = [](const net::Address&) { return false; };
  Side& client = connect();

  ASSERT_TRUE(run_until([&] { return client.closed.has_value(); }));

  EXPECT_EQ(client.closed->text, kNoRoom);
  EXPECT_EQ(server_counts_.connections_refused.value(), 1u);
  EXPECT_EQ(server_counts_.connections_not_admitted.value(), 1u);
  EXPECT_TRUE(accepted_.empty());
}

// RFC 9000, section 21.11: with one secret for both, whoever overhears an id could have the other place end the
// connection.
TEST_F(QuicStranger, OtherPlaceWithTheSameSecretDoesNotKnowItsResets) {
  const auto reset_of = [this](Endpoint& place, const std::string& probe) {
    test::UdpPeer stranger(place.local().port());
    stranger.send(probe);
    std::string reset;
    EXPECT_TRUE(run_until([&] { return test::becomes_readable(stranger.fd(), std::chrono::milliseconds(0)); }));
    reset = stranger.next();
    return reset.substr(reset.size() - std::min<std::size_t>(reset.size(), 16));
  };
  listen();
  const std::unique_ptr<Endpoint> one = std::move(server_);
  listen();
  const std::string probe = "\x40" + std::string(100, 'x');

  const std::string token = reset_of(*one, probe);

  EXPECT_EQ(token.size(), 16U);
  EXPECT_EQ(reset_of(*one, probe), token);
  EXPECT_NE(reset_of(*server_, probe), token);
}

// --- The time of day leaps ---

std::int64_t leapt_ns = 0;      // so far
std::int64_t leap_each_ns = 0;  // by each look at the clock

std::uint64_t leaping_clock() {
  leapt_ns += leap_each_ns;
  return wall_ns() + static_cast<std::uint64_t>(leapt_ns);
}

class QuicLeapingClock : public QuicTest {
 protected:
  void SetUp() override {
    leapt_ns = leap_each_ns = 0;
    server_options_.always_validates = true;
    server_options_.wall = &leaping_clock;
  }
  /// A client that has gone again, and what it keeps for the next time.
  Resumption first_visit() {
    Side& client = connected();
    EXPECT_TRUE(run_until([&] { return !client.connection->resumption().token.empty(); }));
    Resumption kept = client.connection->resumption();
    client.connection->close(ErrorCode::kNone, "");
    EXPECT_TRUE(run_until([&] { return client_->connections() == 0; }));
    here_ = Side{};
    return kept;
  }

  static constexpr std::int64_t kDay = 86'400LL * 1'000'000'000;
};

TEST_F(QuicLeapingClock, TokenThatHasAgedMeansAnotherRetry) {
  const Resumption kept = first_visit();
  leapt_ns = kDay;

  connect(kept);

  EXPECT_TRUE(run_until([&] { return here_.established; }));
  EXPECT_EQ(server_counts_.bad_tokens.value(), 1u);
  EXPECT_EQ(server_counts_.retries.value(), 2u);
}

TEST_F(QuicLeapingClock, TokenFromTheFutureStillProvesTheAddress) {
  const Resumption kept = first_visit();
  leapt_ns = -kDay;

  connect(kept);

  EXPECT_TRUE(run_until([&] { return here_.established; }));
  EXPECT_EQ(server_counts_.bad_tokens.value(), 0u);
  EXPECT_EQ(server_counts_.retries.value(), 1u);
}

TEST_F(QuicLeapingClock, LeapBetweenRetryAndItsTokenCostsOneTry) {
  leap_each_ns = kDay;
  Side& client = connect();
  ASSERT_TRUE(run_until([&] { return client.closed.has_value(); }));
  EXPECT_EQ(client.closed->text, "closed by the peer: transport error 11") << "INVALID_TOKEN";
  EXPECT_EQ(server_counts_.bad_tokens.value(), 1u);
  EXPECT_EQ(server_->connections(), 0u);

  leap_each_ns = 0;
  here_ = Side{};
  connect();

  EXPECT_TRUE(run_until([&] { return here_.established; }));
}

TEST_F(QuicLeapingClock, ConnectionsDoNotKnow) {
  options_.idle_timeout = std::chrono::milliseconds(1000);
  Side& client = connected();
  StreamEnd& stream = client.open();
  for (const std::int64_t leap : {kDay, -2 * kDay}) {
    leapt_ns += leap;
    const std::size_t before = stream.received.size();

    stream.write("x");

    EXPECT_TRUE(run_until([&] { return stream.received.size() == before + 1; }));
  }
  EXPECT_FALSE(client.closed.has_value());
}

}  // namespace
}  // namespace anteroom::quic
