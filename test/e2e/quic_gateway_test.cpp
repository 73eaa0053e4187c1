// The gateway by itself: its flags, what a stream is, and the tests of the tool that it follows.
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <iomanip>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "support/certificates.hpp"
#include "support/gateway_process.hpp"
#include "support/ports.hpp"
#include "support/rig.hpp"
#include "support/udp_relay.hpp"

namespace anteroom::test {
namespace {

class QuicGateway : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(redis_.start()); }

  void start(std::vector<std::string> arguments = {}) {
    start_with({.upstream = redis_.url(Transport::kUnix), .arguments = std::move(arguments)});
  }
  void start_with(GatewayProcess::Options options) {
    gateway_.emplace(std::move(options));
    ASSERT_TRUE(gateway_->start());
  }
  /// `anteroom cli --quic`, trusting the gateway's key alone.
  [[nodiscard]] Finished cli(std::vector<std::string> arguments, const std::string& script = "") const {
    std::vector<std::string> all{"cli", "--quic", "-p", std::to_string(gateway_->port())};
    if (std::ranges::find(arguments, "-k") == arguments.end()) all.insert(all.end(), {"--pin", gateway_->pin()});
    all.insert(all.end(), arguments.begin(), arguments.end());
    return run_anteroom(all, {.input = script});
  }
  [[nodiscard]] std::string output_of(const std::string& script) const {
    const Finished finished = cli({}, script);
    EXPECT_EQ(finished.errors, "");
    EXPECT_EQ(finished.status, ExitStatus{.code = 0});
    return finished.output;
  }

  RedisServer redis_;
  std::optional<GatewayProcess> gateway_;
};

// --- The tests of the original ---

TEST_F(QuicGateway, ProtocolIsOfEachStream) {
  start();
  EXPECT_EQ(output_of("SET greeting hello\n\nHELLO 3 ; HSET h f v ; HGETALL h\n").substr(0, 5), "OK\n1#");

  const std::string both = output_of("HELLO 3 ; HGETALL h\n\nHGETALL h\n\nGET greeting\n");

  EXPECT_TRUE(both.ends_with("1# \"f\" => \"v\"\n1) \"f\"\n2) \"v\"\n\"hello\"\n")) << both;
}

TEST_F(QuicGateway, CommandsOfOneStreamAreAnsweredInOrder) {
  start();
  EXPECT_EQ(output_of("SET a 1 ; INCR a ; INCR a ; GET a ; PING ; PING hello\n"),
            "OK\n(integer) 2\n(integer) 3\n\"3\"\nPONG\n\"hello\"\n");
}

TEST_F(QuicGateway, StreamsGoAtTheSameTime) {
  start();
  std::string script = "BLPOP queue 0\nRPUSH queue first\n";
  for (int i = 0; i < 100; ++i) script += "ECHO " + std::to_string(i) + "\n";

  const std::string output = output_of(script);

  EXPECT_TRUE(output.starts_with("1) \"queue\"\n2) \"first\"\n(integer) 1\n\"0\"\n\"1\"\n")) << output;
  EXPECT_TRUE(output.ends_with("\"99\"\n"));
}

TEST_F(QuicGateway, ValuesAreBytes) {
  start();
  EXPECT_EQ(output_of("SET k \"\\xc3\\xa9\\x00\\r\\n\" ; GET k ; STRLEN k\n"),
            "OK\n\"\\xc3\\xa9\\x00\\r\\n\"\n(integer) 5\n");
}

TEST_F(QuicGateway, TransactionIsOfItsStream) {
  start();
  EXPECT_EQ(output_of("MULTI ; SET a 1 ; EXEC\nMULTI ; INCR b ; EXEC\n\nGET a\n"),
            "OK\nQUEUED\n1) OK\nOK\nQUEUED\n1) (integer) 1\n\"1\"\n");
}

TEST_F(QuicGateway, RepliesBeforeALineThatCannotBeReadArePrinted) {
  start();

  const Finished finished = cli({}, "SET k v\nPING\nGET \"k\nSET k w\n");

  EXPECT_EQ(finished.output, "OK\nPONG\n");
  EXPECT_EQ(finished.errors, "anteroom cli: unbalanced quotes: GET \"k\n");
  EXPECT_EQ(finished.status, ExitStatus{.code = 2});
  EXPECT_EQ(redis_.connect().ask("GET", "k"), "$1\r\nv\r\n");
}

TEST_F(QuicGateway, ScriptWithMoreLinesThanStreamsWaitsForOthersToEnd) {
  constexpr int kLines = 100;
  start({"--quic-streams-max", "8"});
  std::string script;
  for (int i = 0; i < kLines; ++i) script += "INCR many\n";

  const std::string output = output_of(script);

  EXPECT_EQ(std::ranges::count(output, '\n'), kLines);
  EXPECT_EQ(redis_.connect().ask("GET", "many"), bulk(std::to_string(kLines)));
}

// Who heard nothing would wait until nobody listens any more, and be told so.
TEST_F(QuicGateway, NewcomersAreRefusedWhileItDrains) {
  start();
  RespClient helper = redis_.connect();
  const auto blocked =
      Process::spawn({.argv = {anteroom_binary(), "cli", "--quic", "-p", std::to_string(gateway_->port()), "-k",
                               "--timeout", "20000", "BLPOP", "q", "0"}});
  ASSERT_TRUE(blocked.has_value());
  ASSERT_TRUE(eventually([&] { return info_field(helper.ask("INFO", "clients").text, "blocked_clients") == "1"; }));
  gateway_->process().send_signal(SIGTERM);
  ASSERT_TRUE(eventually([&] { return gateway_->output().contains("event=stopping"); }));

  const Finished finished = cli({"-k", "--timeout", "20000", "PING"});

  EXPECT_NE(finished.status, ExitStatus{.code = 0});
  EXPECT_TRUE(contains(finished.errors, "is stopping"));
  helper.ask("LPUSH", "q", "v");
  gateway_->stop();
}

TEST_F(QuicGateway, ShortFlagsOfTheOriginalAreTaken) {
  const std::uint16_t port = free_port();
  const TempDir dir;
  const auto process =
      Process::spawn({.argv = {anteroom_binary(), "gateway", "-l", "127.0.0.1:" + std::to_string(port), "-u", "unix",
                               "-r", redis_.address(Transport::kUnix).path, "--tls-self-signed", "--tls-cert",
                               dir.file("c"), "--tls-key", dir.file("k"), "--workers", "1"},
                      .output_path = dir.file("out"),
                      .error_path = dir.file("out")});
  ASSERT_TRUE(process.has_value()) << process.error();
  ASSERT_TRUE(eventually([&] { return read_file(dir.file("out")).contains("event=listening"); }));

  const Finished finished = run_anteroom({"cli", "--quic", "-p", std::to_string(port), "-k", "PING"});

  EXPECT_EQ(finished.output, "PONG\n") << finished.errors;
}

// --- A stream and its connection ---

TEST_F(QuicGateway, ConnectionEndsWithItsStream) {
  start();
  const std::string before = info_field(redis_.connect().ask("INFO", "clients").text, "connected_clients");
  EXPECT_EQ(output_of("PING\nPING\nPING\n"), "PONG\nPONG\nPONG\n");

  EXPECT_TRUE(eventually(
      [&] { return info_field(redis_.connect().ask("INFO", "clients").text, "connected_clients") == before; }));
  EXPECT_TRUE(eventually([&] { return gateway_->figure("relays") == 0; }));
  EXPECT_EQ(gateway_->figure("relays_opened"), 3);
}

TEST_F(QuicGateway, ServerThatIsNotThereResetsTheStreamWithItsCode) {
  start();
  redis_.stop();

  const Finished finished = cli({"PING"});

  EXPECT_EQ(finished.status, ExitStatus{.code = 1});
  EXPECT_EQ(finished.errors, "anteroom cli: 127.0.0.1:" + std::to_string(gateway_->port()) +
                                 ": the gateway cannot reach its server (stream reset, code 1)\n");
  EXPECT_EQ(gateway_->figure("dial_errors"), 1);
}

TEST_F(QuicGateway, StreamsBeyondItsLimitAreResetWithTheirCode) {
  start({"--streams-max", "1", "--workers", "1"});

  const Finished finished = cli({}, "BLPOP nothing 1\nPING\n");

  EXPECT_TRUE(finished.errors.contains("takes no more streams (stream reset, code 3)")) << finished.errors;
  EXPECT_EQ(finished.output, "(nil)\n");
}

TEST_F(QuicGateway, StopLetsWhatIsUnderWayEnd) {
  start();
  std::string output;
  std::thread client([&] { output = cli({}, "BLPOP queue 5\n").output; });
  EXPECT_TRUE(eventually([&] {
    return redis_.calls("blpop") == 1 ||
           info_field(redis_.connect().ask("INFO", "clients").text, "blocked_clients") == "1";
  }));
  gateway_->process().send_signal(SIGTERM);
  EXPECT_TRUE(eventually([&] { return gateway_->output().contains("event=stopping"); }));

  redis_.connect().ask("RPUSH", "queue", "late");

  client.join();
  EXPECT_EQ(output, "1) \"queue\"\n2) \"late\"\n");
  EXPECT_EQ(gateway_->process().wait(), ExitStatus{.code = 0});
}

TEST_F(QuicGateway, StopWaitsUntilTheClientHasItsReplies) {
  start();
  UdpRelay network(gateway_->port());
  const std::string value(450'000, 'v');
  std::string output;
  std::thread client([&] {
    output = run_anteroom({"cli", "--quic", "-p", std::to_string(network.port()), "--pin", gateway_->pin()},
                          {.input = "BLPOP queue 0 ; QUIT\n"})
                 .output;
  });
  EXPECT_TRUE(
      eventually([&] { return info_field(redis_.connect().ask("INFO", "clients").text, "blocked_clients") == "1"; }));
  network.lose_everything(true);
  redis_.connect().ask("RPUSH", "queue", value);
  EXPECT_TRUE(eventually([&] { return gateway_->figure("relays") == 0; })) << "all is in the stream";

  gateway_->process().send_signal(SIGTERM);
  EXPECT_TRUE(eventually([&] { return gateway_->output().contains("event=stopping"); }));
  EXPECT_FALSE(gateway_->process().wait(kQuietTime).has_value());
  network.lose_everything(false);

  client.join();
  EXPECT_TRUE(output.contains(value)) << output.size();
  EXPECT_EQ(gateway_->process().wait(), ExitStatus{.code = 0});
}

TEST_F(QuicGateway, StopDoesNotWaitForAFrontEndThatAsksForNothing) {
  start();
  AnteroomProcess front({.upstream = gateway_->url()});
  ASSERT_TRUE(front.start());
  RespClient client = front.connect();
  EXPECT_EQ(client.ask("SET", "k", "v"), "+OK\r\n");
  EXPECT_EQ(client.ask("GET", "k"), "$1\r\nv\r\n");

  gateway_->process().send_signal(SIGTERM);

  EXPECT_EQ(gateway_->process().wait(milliseconds(2'500)), ExitStatus{.code = 0}) << "half of its patience";
  const Reply reply = client.ask("SET", "k", "w");
  EXPECT_TRUE(contains(reply.text, "executed=no")) << reply;
}

// --- Limits and the log ---

TEST_F(QuicGateway, SoftLimitOfOpenFilesIsRaised) {
  start_with({.upstream = redis_.url(Transport::kUnix), .ulimit = "-Sn 64"});
  std::string script;
  for (int i = 0; i < 100; ++i) script += "BLPOP nothing 0.3\n";

  const Finished finished = cli({}, script);

  EXPECT_EQ(finished.errors, "");
  EXPECT_EQ(finished.status, ExitStatus{.code = 0});
}

TEST_F(QuicGateway, HardLimitOfOpenFilesLowersItsOwnAndSaysSo) {
  start_with({.upstream = redis_.url(Transport::kUnix), .workers = 1, .ulimit = "-n 60"});
  EXPECT_TRUE(gateway_->output().contains("streams_max=4")) << gateway_->output();

  const Finished finished = cli({}, "BLPOP a 0.3\nBLPOP a 0.3\nBLPOP a 0.3\nBLPOP a 0.3\nPING\n");

  EXPECT_TRUE(finished.errors.contains("takes no more streams (stream reset, code 3)")) << finished.errors;
}

TEST_F(QuicGateway, OutageOfRedisIsOneLineAndItsEndAnother) {
  start({"--workers", "1"});
  redis_.stop();
  EXPECT_EQ(cli({"PING"}).status, ExitStatus{.code = 1});
  EXPECT_EQ(cli({"PING"}).status, ExitStatus{.code = 1});
  const std::string during = gateway_->output();
  const std::size_t line = during.find(R"(level=warn event="upstream unreachable")");
  EXPECT_NE(line, std::string::npos) << during;
  EXPECT_EQ(during.find("upstream unreachable", line + 40), std::string::npos) << during;

  ASSERT_TRUE(redis_.start());
  EXPECT_EQ(cli({"PING"}).output, "PONG\n");

  EXPECT_TRUE(gateway_->output().contains(R"(level=info event="upstream reachable again")"));
}

TEST_F(QuicGateway, WhoComesAndGoesDoesNotFillTheLog) {
  start();
  EXPECT_EQ(cli({"PING"}).output, "PONG\n");
  EXPECT_TRUE(eventually([&] { return gateway_->figure("handshakes") == 1 && gateway_->figure("relays") == 0; }));

  EXPECT_FALSE(gateway_->output().contains("event=\"peer")) << gateway_->output();
}

TEST_F(QuicGateway, RedisOverTcpIsAskedWhetherItIsThereWhileAClientIsBlocked) {
  start_with({.upstream = redis_.url(Transport::kTcp)});
  std::string output;
  std::thread client([&] { output = cli({}, "BLPOP queue 5\n").output; });
  EXPECT_TRUE(
      eventually([&] { return info_field(redis_.connect().ask("INFO", "clients").text, "blocked_clients") == "1"; }));

  // Address of the other side, state (01: established), queues, timer (02: keepalive); proc(5).
  std::ostringstream row;
  row << "0100007F:" << std::hex << std::uppercase << std::setw(4) << std::setfill('0')
      << redis_.address(Transport::kTcp).port << " 01 00000000:00000000 02:";
  EXPECT_TRUE(eventually([&] { return read_file("/proc/net/tcp").contains(row.str()); }));

  redis_.connect().ask("RPUSH", "queue", "late");
  client.join();
  EXPECT_EQ(output, "1) \"queue\"\n2) \"late\"\n");
}

// --- Whom it trusts, and who trusts it ---

TEST_F(QuicGateway, OtherKeyThanThePinnedOneIsRefused) {
  start();

  const Finished finished = run_anteroom(
      {"cli", "--quic", "-p", std::to_string(gateway_->port()), "--pin", "sha256:" + std::string(64, '0'), "PING"});

  EXPECT_EQ(finished.status, ExitStatus{.code = 1});
  EXPECT_TRUE(finished.errors.contains("certificate")) << finished.errors;
}

TEST_F(QuicGateway, ClientCertificateIsAskedForWhereACaIsGiven) {
  const TempDir dir;
  const CertificateAuthority ca(dir);
  const CertificateAuthority::Files own = ca.issue({.name = "client"});
  start({"--tls-client-ca", ca.file()});

  const Finished without = cli({"PING"});
  const Finished with = cli({"--cert", own.certificate, "--key", own.key, "PING"});

  EXPECT_EQ(without.status, ExitStatus{.code = 1}) << without.output;
  EXPECT_EQ(with.output, "PONG\n") << with.errors;
}

TEST_F(QuicGateway, RetryProvesEveryAddressIfWanted) {
  start({"--retry"});

  EXPECT_EQ(output_of("PING\n"), "PONG\n");

  EXPECT_EQ(gateway_->figure("retries"), 1);
}

struct BadStart {
  const char* name;
  std::vector<std::string> arguments;
  std::string says;
};

class QuicGatewayStart : public testing::TestWithParam<BadStart> {};

INSTANTIATE_TEST_SUITE_P(
    Of, QuicGatewayStart,
    testing::Values(
        BadStart{
            "NoCertificate", {}, "the gateway needs a certificate: --tls-cert and --tls-key, or --tls-self-signed"},
        BadStart{"MissingFile",
                 {"--tls-cert", "/nonexistent/c.pem", "--tls-key", "/nonexistent/k.pem"},
                 "/nonexistent/c.pem"},
        BadStart{"NotAnAddress",
                 {"--tls-self-signed", "--listen", "somewhere:1"},
                 "gateway.listen (from flag --listen): 'somewhere:1' is not a numeric address"},
        BadStart{"OverTls", {"--tls-self-signed", "--upstream", "rediss://localhost"}, "a gateway stands beside Redis"},
        BadStart{"OverQuic", {"--tls-self-signed", "--upstream", "quic://localhost"}, "a gateway stands beside Redis"},
        BadStart{"LogsIn",
                 {"--tls-self-signed", "--upstream", "redis://:secret@localhost"},
                 "(from flag --upstream): a gateway passes bytes; those who come to it log in"},
        BadStart{"LogsInByFlag",
                 {"--tls-self-signed", "--upstream-user", "alice"},
                 "upstream.user (from flag --upstream-user): a gateway passes bytes"},
        BadStart{"Selects",
                 {"--tls-self-signed", "--upstream", "unix:///run/redis.sock?db=3"},
                 "upstream.url (from flag --upstream): a gateway passes bytes; those who come to it select their db"},
        BadStart{"OtherOptionForCertificates",
                 {"--tls-self-signed", "--tls-verify-client", "required", "--tls-ca", "/nonexistent/ca.pem"},
                 "said by gateway.tls_client_ca"},
        BadStart{"Denies",
                 {"--tls-self-signed", "--deny", "flushall"},
                 "commands.deny (from flag --deny): a gateway passes bytes"},
        BadStart{"ListensNowhere", {"--tls-self-signed", "--listen", ""}, "gateway.listen"},
        BadStart{"UnwritableCertificate",
                 {"--tls-self-signed", "--tls-cert", "/nonexistent/c.pem", "--tls-key", "/nonexistent/k.pem"},
                 "/nonexistent"}),
    [](const testing::TestParamInfo<BadStart>& bad) { return std::string(bad.param.name); });

TEST_P(QuicGatewayStart, TellsWhatIsWrong) {
  std::vector<std::string> arguments{"gateway"};
  arguments.insert(arguments.end(), GetParam().arguments.begin(), GetParam().arguments.end());

  const Finished finished = run_anteroom(arguments);

  EXPECT_EQ(finished.status, ExitStatus{.code = 2});
  EXPECT_TRUE(finished.errors.contains(GetParam().says)) << finished.errors;
}

}  // namespace
}  // namespace anteroom::test
