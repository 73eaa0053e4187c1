// Clients that come to the front-end by QUIC: each stream is one.
#include <gtest/gtest.h>

#include <csignal>
#include <string>
#include <thread>
#include <vector>

#include "support/certificates.hpp"
#include "support/ports.hpp"
#include "support/rig.hpp"
#include "support/udp_relay.hpp"

namespace anteroom::test {
namespace {

class QuicListener : public testing::Test {
 protected:
  void start(const std::string& members = "", const std::string& more = "") {
    ASSERT_TRUE(redis_.start());
    front_.emplace(
        AnteroomProcess::Options{.upstream = redis_.url(Transport::kUnix),
                                 .config = R"({"listen":{"listeners":[{"type":"quic","bind":["127.0.0.1"],"port":)" +
                                           std::to_string(port_) + R"(,"tls_cert":")" + files_.certificate +
                                           R"(","tls_key":")" + files_.key + '"' + members + "}]}" + more + "}"});
    ASSERT_TRUE(front_->start());
    // It takes clients over TCP a moment before.
    ASSERT_TRUE(eventually([&] { return contains(front_->output(), "event=started"); }));
  }
  [[nodiscard]] Finished cli(std::vector<std::string> arguments, const std::string& script = "") const {
    std::vector<std::string> all{"cli",      "--quic",        "-p",       std::to_string(port_), "--cacert",
                                 ca_.file(), "--server-name", "localhost"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    return run_anteroom(all, {.input = script});
  }
  [[nodiscard]] std::string info(const std::string& section, const std::string& field) const {
    return info_field(front_->connect().ask("INFO", section).text, field);
  }

  const std::uint16_t port_ = free_port();
  const TempDir dir_;
  const CertificateAuthority ca_{dir_};
  const CertificateAuthority::Files files_ = ca_.issue();
  RedisServer redis_;
  std::optional<AnteroomProcess> front_;
};

TEST_F(QuicListener, EachStreamIsAClientWithItsOwnState) {
  start();

  const Finished finished = cli({}, "SET k v\n\nHELLO 3 ; SELECT 1 ; DBSIZE\nGET k ; MULTI ; INCR n ; EXEC\n");

  EXPECT_EQ(finished.errors, "");
  EXPECT_TRUE(finished.output.starts_with("OK\n")) << finished.output;
  EXPECT_TRUE(finished.output.ends_with("OK\n(integer) 0\n\"v\"\nOK\nQUEUED\n1) (integer) 1\n")) << finished.output;
}

TEST_F(QuicListener, ItsClientsReadFromTheCache) {
  start();
  EXPECT_EQ(front_->connect().ask("SET", "k", "v"), "+OK\r\n");

  EXPECT_EQ(cli({}, "GET k\n\nGET k\n\nGET k\n").output, "\"v\"\n\"v\"\n\"v\"\n");

  EXPECT_NE(info("cache", "cache_hits"), "0");
  EXPECT_EQ(info("anteroom", "quic_clients_handshakes"), "1");
  EXPECT_EQ(info("anteroom", "quic_clients_streams_opened"), "3");
}

TEST_F(QuicListener, RepliesBehindASubscribeAreTheirQueries) {
  start();

  const Finished finished = cli({}, "HELLO 3 ; SUBSCRIBE a b ; ECHO x ; UNSUBSCRIBE ; ECHO y\nSUBSCRIBE a b ; PING\n");

  EXPECT_EQ(finished.errors, "");
  EXPECT_TRUE(
      finished.output.ends_with("1) \"subscribe\"\n2) \"a\"\n3) (integer) 1\n"
                                "1) \"subscribe\"\n2) \"b\"\n3) (integer) 2\n"
                                "\"x\"\n"
                                "1) \"unsubscribe\"\n2) \"a\"\n3) (integer) 1\n"
                                "1) \"unsubscribe\"\n2) \"b\"\n3) (integer) 0\n"
                                "\"y\"\n"
                                "1) \"subscribe\"\n2) \"a\"\n3) (integer) 1\n"
                                "1) \"subscribe\"\n2) \"b\"\n3) (integer) 2\n"
                                "1) \"pong\"\n2) \"\"\n"))
      << finished.output;
}

TEST_F(QuicListener, ClientThatHasGoneIsNoClientAnyMore) {
  start();
  EXPECT_EQ(cli({"CLIENT", "LIST"}).status, ExitStatus{.code = 0});

  EXPECT_TRUE(eventually([&] { return info("anteroom", "connected_clients") == "1"; }));
}

TEST_F(QuicListener, BlockedClientThatLeavesIsUnblocked) {
  start();
  const Finished finished = cli({"--timeout", "300"}, "BLPOP queue 0\n");
  EXPECT_EQ(finished.status, ExitStatus{.code = 1});

  EXPECT_TRUE(
      eventually([&] { return info_field(redis_.connect().ask("INFO", "clients").text, "blocked_clients") == "0"; }));
}

TEST_F(QuicListener, ItsClientsHaveToLogInWhereOthersHave) {
  start("", R"(,"auth":{"mode":"proxy","users":[{"name":"alice","rules":"on >secret ~* &* +@all"}]})");

  EXPECT_EQ(cli({"PING"}).output, "(error) NOAUTH Authentication required.\n");
  EXPECT_EQ(cli({}, "AUTH alice secret ; PING\n").output, "OK\nPONG\n");
}

TEST_F(QuicListener, StreamsCountAsClients) {
  start("", R"(,"workers":1)");
  EXPECT_EQ(front_->connect().ask("PING"), "+PONG\r\n");
  std::string script;
  for (int i = 0; i < 30; ++i) script += "CLIENT ID\n";

  EXPECT_EQ(cli({}, script).status, ExitStatus{.code = 0});

  EXPECT_GE(std::atoll(info("anteroom", "total_connections_received").c_str()), 31);
}

TEST_F(QuicListener, OtherNetworksThanTheAllowedOnesAreRefused) {
  start(R"(,"allow":["10.0.0.0/8"])");

  EXPECT_EQ(cli({"--timeout", "500", "PING"}).status, ExitStatus{.code = 1});
  EXPECT_EQ(info("anteroom", "rejected_by_allow_list"), "1");
}

TEST_F(QuicListener, ClientWithoutACertificateIsRefusedWhereOneIsRequired) {
  start(R"(,"tls_verify_client":"required","tls_ca":")" + ca_.file() + '"');
  const CertificateAuthority::Files own = ca_.issue({.name = "client"});

  EXPECT_EQ(cli({"PING"}).status, ExitStatus{.code = 1});
  EXPECT_EQ(cli({"--cert", own.certificate, "--key", own.key, "PING"}).output, "PONG\n");
}

TEST_F(QuicListener, StopWaitsUntilItsClientsHaveTheirReplies) {
  start();
  UdpRelay network(port_);
  const std::string value(450'000, 'v');
  std::string output;
  std::thread client([&] {
    output = run_anteroom({"cli", "--quic", "-p", std::to_string(network.port()), "--cacert", ca_.file(),
                           "--server-name", "localhost"},
                          {.input = "BLPOP queue 0 ; QUIT\n"})
                 .output;
  });
  EXPECT_TRUE(
      eventually([&] { return info_field(redis_.connect().ask("INFO", "clients").text, "blocked_clients") == "1"; }));
  network.lose_everything(true);
  redis_.connect().ask("RPUSH", "queue", value);
  EXPECT_TRUE(eventually([&] { return info("anteroom", "connected_clients") == "1"; })) << "the one who asks";

  front_->process().send_signal(SIGTERM);
  EXPECT_FALSE(front_->process().wait(milliseconds(200)).has_value());
  network.lose_everything(false);

  client.join();
  EXPECT_TRUE(output.contains(value)) << output.size();
}

TEST_F(QuicListener, StopEndsItsClientsInOrder) {
  start();
  EXPECT_EQ(cli({"PING"}).output, "PONG\n");

  front_->stop();

  EXPECT_TRUE(contains(front_->output(), "event=stopped"));
}

}  // namespace
}  // namespace anteroom::test
