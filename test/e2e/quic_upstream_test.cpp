// redis-cli -> front-end -> QUIC -> gateway -> UNIX -> redis-server, and what may go wrong on the way.
#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "support/gateway_process.hpp"
#include "support/network_namespace.hpp"
#include "support/rig.hpp"
#include "support/udp_relay.hpp"

namespace anteroom::test {
namespace {

class QuicUpstream : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(redis_.start() && gateway_.start()); }

  void start_front(std::vector<std::string> arguments = {}, std::uint16_t by_way_of = 0) {
    front_.emplace(AnteroomProcess::Options{.upstream = gateway_.url(by_way_of), .arguments = std::move(arguments)});
    ASSERT_TRUE(front_->start());
  }
  [[nodiscard]] std::int64_t info(const std::string& field) {
    return std::atoll(info_field(front_->connect().ask("INFO", "anteroom").text, field).c_str());
  }
  [[nodiscard]] std::int64_t hits() {
    return std::atoll(info_field(front_->connect().ask("INFO", "cache").text, "cache_hits").c_str());
  }
  /// Requests until one is answered as it should be.
  [[nodiscard]] bool recovers(RespClient& client) {
    return eventually([&] { return client.ask("SET", "recovered", "yes") == "+OK\r\n"; });
  }

  RedisServer redis_;
  GatewayProcess gateway_{{.upstream = redis_.url(Transport::kUnix)}};
  std::optional<UdpRelay> network_;  // lives longer than those who say farewell through it
  std::optional<AnteroomProcess> front_;
};

TEST_F(QuicUpstream, ReadsWritesTransactionsBlockingAndMessagesAllGoOverIt) {
  start_front();
  RespClient client = front_->connect();
  RespClient other = front_->connect();

  EXPECT_EQ(client.ask("SET", "k", "v"), "+OK\r\n");
  EXPECT_EQ(client.ask("GET", "k"), "$1\r\nv\r\n");
  EXPECT_EQ(client.ask("MULTI"), "+OK\r\n");
  EXPECT_EQ(client.ask("INCR", "n"), "+QUEUED\r\n");
  EXPECT_EQ(client.ask("EXEC"), "*1\r\n:1\r\n");
  EXPECT_TRUE(client.send({"BLPOP", "queue", "0"}));
  EXPECT_EQ(other.ask("RPUSH", "queue", "x"), ":1\r\n");
  EXPECT_EQ(client.read(), "*2\r\n$5\r\nqueue\r\n$1\r\nx\r\n");
  EXPECT_EQ(client.ask("SUBSCRIBE", "c").items.size(), 3U);
  EXPECT_EQ(other.ask("PUBLISH", "c", "hello").type, ':');
  EXPECT_EQ(client.read(), "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$5\r\nhello\r\n");
}

TEST_F(QuicUpstream, CacheIsCoherentOverIt) {
  start_front();
  RespClient client = front_->connect();
  EXPECT_EQ(client.ask("SET", "k", "old"), "+OK\r\n");
  EXPECT_TRUE(eventually([&] { return client.ask("GET", "k") == "$3\r\nold\r\n" && hits() > 0; }));

  EXPECT_EQ(redis_.connect().ask("SET", "k", "new"), "+OK\r\n");

  EXPECT_TRUE(eventually([&] { return client.ask("GET", "k") == "$3\r\nnew\r\n"; }));
}

TEST_F(QuicUpstream, LargeValuesPassWhole) {
  start_front();
  RespClient client = front_->connect();
  const std::string value(40U << 20U, 'x');

  EXPECT_EQ(client.ask("SET", "large", value), "+OK\r\n");
  EXPECT_EQ(client.ask("GET", "large").text, value);
}

TEST_F(QuicUpstream, OneConnectionPerWorkerCarriesEverything) {
  start_front({"--workers", "1"});
  std::vector<RespClient> clients;
  for (int i = 0; i < 40; ++i) clients.push_back(front_->connect());
  for (auto& client : clients) EXPECT_EQ(client.ask("INCR", "n").type, ':');

  EXPECT_EQ(info("quic_upstream_connections"), 1);
  EXPECT_EQ(gateway_.figure("connections"), 1);
  // Sixteen lanes and the fill connection, and perhaps links made in advance.
  EXPECT_GE(gateway_.figure("streams"), 17);
}

TEST_F(QuicUpstream, GatewayThatIsNotThereIsToldAsStageQuic) {
  gateway_.kill();
  start_front();

  const Reply reply = front_->connect().ask("SET", "k", "v");

  EXPECT_TRUE(starts_with(reply.text, "MASTERDOWN anteroom: no connection to the gateway"));
  EXPECT_TRUE(contains(reply.text, "stage=quic executed=no"));
}

TEST_F(QuicUpstream, ServerBehindTheGatewayThatIsNotThereIsToldAsStageConnectUnix) {
  redis_.stop();
  start_front();

  const Reply reply = front_->connect().ask("SET", "k", "v");

  EXPECT_TRUE(contains(reply.text, "the gateway cannot reach its server"));
  EXPECT_TRUE(contains(reply.text, "stage=connect_unix executed=no"));
}

TEST_F(QuicUpstream, GatewayKilledAndRestartedIsFoundAgain) {
  start_front();
  RespClient client = front_->connect();
  EXPECT_EQ(client.ask("SET", "k", "v"), "+OK\r\n");

  gateway_.kill();
  ASSERT_TRUE(gateway_.start());

  EXPECT_TRUE(recovers(client));
  EXPECT_EQ(client.ask("GET", "k"), "$1\r\nv\r\n");
}

TEST_F(QuicUpstream, ServerRestartedBehindTheGatewayIsFoundAgain) {
  start_front();
  RespClient client = front_->connect();
  EXPECT_EQ(client.ask("SET", "k", "v"), "+OK\r\n");
  EXPECT_EQ(client.ask("GET", "k"), "$1\r\nv\r\n");

  redis_.stop();
  ASSERT_TRUE(redis_.start());

  EXPECT_TRUE(recovers(client));
  EXPECT_TRUE(eventually([&] { return client.ask("GET", "k") == "$-1\r\n"; })) << "it was empty";
  EXPECT_EQ(gateway_.figure("connections_lost"), 0);
}

// Every INCR is answered once: with the next number, or with an error that says whether it was done.
TEST_F(QuicUpstream, NothingIsDoneTwiceWhenTheGatewayRestarts) {
  start_front();
  RespClient client = front_->connect();
  std::int64_t done = 0;
  std::int64_t unknown = 0;
  for (int i = 0; i < 300; ++i) {
    if (i == 100) gateway_.kill();
    if (i == 150) {
      ASSERT_TRUE(gateway_.start());
    }
    const Reply reply = client.ask("INCR", "n");
    ASSERT_TRUE(reply.type == ':' || contains(reply.text, "executed=")) << reply;
    if (reply.type == ':') ++done;
    if (reply.text.contains("executed=unknown")) ++unknown;
  }
  EXPECT_TRUE(recovers(client));

  const std::int64_t counted = std::atoll(redis_.connect().ask("GET", "n").text.c_str());
  EXPECT_GE(counted, done);
  EXPECT_LE(counted, done + unknown);
}

TEST_F(QuicUpstream, ClientsAddressMayChange) {
  UdpRelay& network = network_.emplace(gateway_.port());
  start_front({"--workers", "1"}, network.port());
  RespClient client = front_->connect();
  EXPECT_EQ(client.ask("MULTI"), "+OK\r\n");
  EXPECT_EQ(client.ask("INCR", "n"), "+QUEUED\r\n");

  network.rebind();

  EXPECT_EQ(client.ask("EXEC"), "*1\r\n:1\r\n") << "the link of the transaction has lived on";
  EXPECT_EQ(info("quic_upstream_handshakes"), 1);
  EXPECT_EQ(info("upstream_losses"), 0);
}

TEST_F(QuicUpstream, TenSecondsOfTotalLossAreSurvived) {
  UdpRelay& network = network_.emplace(gateway_.port());
  start_front({}, network.port());
  RespClient client = front_->connect();
  EXPECT_EQ(client.ask("SET", "n", "0"), "+OK\r\n");
  std::int64_t done = 0;
  std::int64_t unknown = 0;

  network.lose_everything(true);
  for (const Deadline loss(milliseconds{10'000}); !loss.is_over();) {
    const Reply reply = client.ask("INCR", "n");
    ASSERT_TRUE(reply.type == ':' || contains(reply.text, "executed=")) << reply;
    if (reply.type == ':') ++done;
    if (reply.text.contains("executed=unknown")) ++unknown;
    EXPECT_FALSE(client.ask("GET", "nothing").type == ':');
  }
  network.lose_everything(false);

  EXPECT_TRUE(recovers(client));
  const std::int64_t counted = std::atoll(redis_.connect().ask("GET", "n").text.c_str());
  EXPECT_GE(counted, done);
  EXPECT_LE(counted, done + unknown);
}

TEST_F(QuicUpstream, WhoComesBackGreetsWithTheFirstFlight) {
  gateway_.kill();
  GatewayProcess gateway({.upstream = redis_.url(Transport::kUnix), .arguments = {"--quic-early-data", "true"}});
  ASSERT_TRUE(gateway.start());
  UdpRelay& network = network_.emplace(gateway.port());
  front_.emplace(AnteroomProcess::Options{
      .upstream = gateway.url(network.port()),
      .arguments = {"--workers", "1", "--quic-early-data", "true", "--quic-silence-timeout", "100"}});
  ASSERT_TRUE(front_->start());
  RespClient client = front_->connect();
  EXPECT_EQ(client.ask("SET", "n", "0"), "+OK\r\n");

  network.lose_everything(true);
  EXPECT_TRUE(eventually([&] { return contains(client.ask("SET", "n", "0").text, "stage=quic"); }));
  network.lose_everything(false);

  EXPECT_TRUE(recovers(client));
  EXPECT_TRUE(eventually([&] { return info("quic_upstream_early_data_taken") > 0; }));
  EXPECT_EQ(info("quic_upstream_early_data_refused"), 0);
  EXPECT_EQ(client.ask("INCR", "n"), ":1\r\n");
}

TEST_F(QuicUpstream, InsecureIsWarnedOf) {
  front_.emplace(
      AnteroomProcess::Options{.upstream = "quic://127.0.0.1:" + std::to_string(gateway_.port()) + "?insecure=1"});
  ASSERT_TRUE(front_->start());

  EXPECT_EQ(front_->connect().ask("SET", "k", "v"), "+OK\r\n");

  EXPECT_TRUE(contains(front_->output(), "level=warn"));
  EXPECT_TRUE(contains(front_->output(), "insecure=1"));
}

TEST_F(QuicUpstream, UnknownCertificateIsRefusedAndNamed) {
  front_.emplace(AnteroomProcess::Options{.upstream = "quic://127.0.0.1:" + std::to_string(gateway_.port())});
  ASSERT_TRUE(front_->start());

  const Reply reply = front_->connect().ask("SET", "k", "v");

  EXPECT_TRUE(contains(reply.text, "stage=tls executed=no"));
}

// The address that the front-end has toward the gateway goes, and another one comes, as of a machine that is moved to
// another network.
TEST(QuicRoaming, ConnectionSurvivesAnotherAddressOfOurs) {
  const NetworkNamespace network;
  const auto live_at = [](const std::string& address) {
    NetworkNamespace::ip({"address", "add", address + "/32", "dev", "lo"});
    NetworkNamespace::ip({"route", "replace", "local", "127.0.0.1", "dev", "lo", "table", "local", "src", address});
  };
  live_at("10.9.0.1");
  RedisServer redis({.arguments = {"--protected-mode", "no"}});  // not all of its clients are at 127.0.0.1
  ASSERT_TRUE(redis.start());
  GatewayProcess gateway({.upstream = redis.url(Transport::kUnix)});
  ASSERT_TRUE(gateway.start());
  AnteroomProcess front({.upstream = gateway.url(0), .arguments = {"--workers", "1"}});
  ASSERT_TRUE(front.start());
  RespClient client = front.connect(Transport::kUnix);
  const auto info = [&](const std::string& field) { return info_field(client.ask("INFO", "anteroom").text, field); };
  EXPECT_EQ(client.ask("SET", "n", "0"), "+OK\r\n");
  RespClient transaction = front.connect(Transport::kUnix);
  EXPECT_EQ(transaction.ask("MULTI"), "+OK\r\n");

  NetworkNamespace::ip({"address", "del", "10.9.0.1/32", "dev", "lo"});
  live_at("10.9.0.2");

  EXPECT_EQ(client.ask("INCR", "n"), ":1\r\n");
  EXPECT_EQ(transaction.ask("INCR", "n"), "+QUEUED\r\n");
  EXPECT_EQ(transaction.ask("EXEC"), "*1\r\n:2\r\n");
  EXPECT_EQ(info("quic_upstream_migrations"), "1");
  EXPECT_EQ(info("quic_upstream_handshakes"), "1");
  EXPECT_EQ(info("upstream_losses"), "0");
}

}  // namespace
}  // namespace anteroom::test
