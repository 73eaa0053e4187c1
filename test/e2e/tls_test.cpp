// Listeners with TLS, several listeners at once, PROXY headers and allow lists, and an upstream behind rediss://.
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "support/certificates.hpp"
#include "support/ports.hpp"
#include "support/rig.hpp"
#include "support/tls_client.hpp"

namespace anteroom::test {
namespace {

using Purpose = CertificateAuthority::Purpose;
using Strings = std::vector<std::string>;

/// From 10.1.2.3:8080 to 127.0.0.1:6379.
const std::string kProxyHeader("\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0C\x0A\x01\x02\x03\x7F\x00\x00\x01\x1F\x90\x18\xEB",
                               28);

std::string front_info(RespClient& client, std::string_view field) {
  return info_field(client.ask("INFO").text, field);
}

class TlsListener : public testing::Test {
 protected:
  void start(Strings arguments, std::string config = {}) {
    rig_ =
        std::make_unique<Rig>(Rig::Options{.front = {.arguments = std::move(arguments), .config = std::move(config)}});
    ASSERT_TRUE(rig_->is_ready());
    // All listeners are there when this is logged; the rig waits for its own two only.
    ASSERT_TRUE(eventually([this] { return rig_->front.output().contains("event=started"); }));
  }
  void start_tls(Strings more = {}) {
    Strings arguments{"--tls-port", std::to_string(port_), "--tls-cert", files_.certificate, "--tls-key", files_.key};
    arguments.insert(arguments.end(), more.begin(), more.end());
    start(std::move(arguments));
  }
  void start_verifying(const std::string& verify) {
    start_tls({"--tls-ca", ca_.file(), "--tls-verify-client", verify});
  }
  [[nodiscard]] TlsClient::Options to_tls() const { return {.port = port_, .ca = ca_.file()}; }
  [[nodiscard]] TlsClient::Options to_tls_as(const CertificateAuthority::Files& files) const {
    return {.port = port_, .ca = ca_.file(), .certificate = files.certificate, .key = files.key};
  }
  [[nodiscard]] RespClient plain_to(std::uint16_t port) const {
    return RespClient{{.transport = Transport::kTcp, .port = port}};
  }
  std::string info(std::string_view field) {
    RespClient client = rig_->front.connect();
    return front_info(client, field);
  }
  /// SIGHUP, and waits until the log has `line` once more.
  void hang_up(const std::string& line) {
    const auto count = [&] {
      const std::string output = rig_->front.output();
      std::size_t lines = 0;
      for (std::size_t at = output.find(line); at != std::string::npos; at = output.find(line, at + 1)) ++lines;
      return lines;
    };
    const std::size_t before = count();
    rig_->front.process().send_signal(SIGHUP);
    ASSERT_TRUE(eventually([&] { return count() > before; })) << rig_->front.output();
  }

  const TempDir dir_;
  const CertificateAuthority ca_{dir_};
  const CertificateAuthority::Files files_ = ca_.issue();
  const std::uint16_t port_ = free_port();
  std::unique_ptr<Rig> rig_;
};

TEST_F(TlsListener, ServesReadsAndWrites) {
  start_tls();
  TlsClient client(to_tls());
  ASSERT_TRUE(client.is_connected());
  const std::string large(300'000, 'x');
  EXPECT_EQ(client.ask("SET", "k", large), kOk);
  EXPECT_TRUE(client.ask("GET", "k") == bulk(large));
  EXPECT_TRUE(client.ask("GET", "k") == bulk(large));
  EXPECT_TRUE(starts_with(client.ask("CLIENT", "INFO").text, "id="));
  EXPECT_EQ(info("tls_handshakes"), "1");
  EXPECT_EQ(info("cache_hits"), "1");
}

TEST_F(TlsListener, ServesALongPipeline) {
  start_tls();
  TlsClient client(to_tls());
  std::string pipeline;
  for (int i = 0; i < 2000; ++i) pipeline += encode({"SET", "k", std::to_string(i)}) + encode({"GET", "k"});
  ASSERT_TRUE(client.send_raw(pipeline));
  for (int i = 0; i < 2000; ++i) {
    ASSERT_EQ(client.read(), kOk);
    ASSERT_EQ(client.read(), bulk(std::to_string(i)));
  }
}

TEST_F(TlsListener, RedisCliWithTlsIsServed) {
  start_tls();
  const Finished finished =
      run({"redis-cli", "-p", std::to_string(port_), "--tls", "--cacert", ca_.file(), "SET", "k", "v"});
  if (finished.errors.contains("Unrecognized option")) {
    FAIL() << "this redis-cli has no TLS";
  }
  EXPECT_EQ(finished.output, "OK\n") << finished.errors;
}

TEST_F(TlsListener, PlainBytesAreClosedAndCounted) {
  start_tls();
  RespClient plain = plain_to(port_);
  plain.send({"PING"});
  EXPECT_TRUE(plain.is_closed_by_peer());
  EXPECT_EQ(info("tls_handshake_failures"), "1");
  EXPECT_EQ(TlsClient(to_tls()).ask("PING"), kPong);
}

TEST_F(TlsListener, AClientThatStopsInTheHandshakeDoesNotStay) {
  start_tls();
  RespClient slow = plain_to(port_);
  slow.send_raw(std::string("\x16\x03\x01\x02\x00", 5));
  EXPECT_EQ(TlsClient(to_tls()).ask("PING"), kPong);  // nobody waits for it
  EXPECT_FALSE(slow.has_input(kQuietTime));
  EXPECT_TRUE(slow.is_closed_by_peer());
  EXPECT_EQ(info("tls_handshake_failures"), "1");
}

TEST_F(TlsListener, AStopDoesNotWaitForHandshakes) {
  start_tls({"--shutdown-timeout", "600000"});
  RespClient slow = plain_to(port_);
  slow.send_raw(std::string("\x16\x03\x01\x02\x00", 5));
  EXPECT_EQ(TlsClient(to_tls()).ask("PING"), kPong);
  rig_->front.process().send_signal(SIGTERM);
  EXPECT_TRUE(slow.is_closed_by_peer());
  EXPECT_EQ(rig_->front.process().wait(), ExitStatus{.code = 0});
}

TEST_F(TlsListener, ARequiredClientCertificateMustBeThereAndGood) {
  start_verifying("required");
  TlsClient good(to_tls_as(ca_.issue({.name = "user", .purpose = Purpose::kClient})));
  EXPECT_EQ(good.ask("PING"), kPong);
  TlsClient none(to_tls());
  EXPECT_TRUE(none.ask("PING") == "<closed>" || !none.is_connected());
  const CertificateAuthority stranger(dir_, "stranger");
  TlsClient strange(to_tls_as(stranger.issue({.name = "strange"})));
  EXPECT_TRUE(strange.ask("PING") == "<closed>" || !strange.is_connected());
  EXPECT_EQ(info("tls_handshake_failures"), "2");
}

TEST_F(TlsListener, AnOptionalClientCertificateMayBeMissingButNotBad) {
  start_verifying("optional");
  EXPECT_EQ(TlsClient(to_tls()).ask("PING"), kPong);
  EXPECT_EQ(TlsClient(to_tls_as(ca_.issue({.name = "user"}))).ask("PING"), kPong);
  const auto expired = ca_.issue({.name = "old", .begins = std::chrono::hours(-2), .ends = std::chrono::hours(-1)});
  TlsClient bad(to_tls_as(expired));
  EXPECT_TRUE(bad.ask("PING") == "<closed>" || !bad.is_connected());
}

TEST_F(TlsListener, AHangUpTakesTheNewCertificateWhileOldConnectionsLive) {
  start_tls();
  TlsClient before(to_tls());
  EXPECT_EQ(before.server_name(), "server");
  const auto renewed = ca_.issue({.name = "renewed"});
  dir_.write("server.crt", read_file(renewed.certificate));
  dir_.write("server.key", read_file(renewed.key));

  hang_up("certificate reloaded");

  EXPECT_EQ(TlsClient(to_tls()).server_name(), "renewed");
  EXPECT_EQ(before.ask("PING"), kPong);
}

TEST_F(TlsListener, ABadNewCertificateKeepsTheOldOneAndIsLogged) {
  start_tls();
  dir_.write("server.key", "no key");

  hang_up("certificate not reloaded");

  EXPECT_TRUE(contains(rig_->front.output(), "option=listen.tls_key"));
  TlsClient after(to_tls());
  EXPECT_EQ(after.server_name(), "server");
  EXPECT_EQ(after.ask("PING"), kPong);
}

TEST_F(TlsListener, ThreeListenersServeAtOnceEachByItsRules) {
  const std::uint16_t proxied = free_port();
  const std::string path = dir_.file("more.sock");
  start({}, R"({"listen":{"listeners":[
      {"type":"tls","port":)" +
                std::to_string(port_) + R"(,"tls_cert":")" + files_.certificate + R"(","tls_key":")" + files_.key +
                R"("},
      {"type":"tcp","port":)" +
                std::to_string(proxied) + R"(,"proxy_protocol":true},
      {"type":"unix","path":")" +
                path + R"(","permissions":"770"}]}})");
  EXPECT_EQ(TlsClient(to_tls()).ask("SET", "k", "v"), kOk);
  RespClient behind_proxy = plain_to(proxied);
  behind_proxy.send_raw(kProxyHeader);
  EXPECT_EQ(behind_proxy.ask("GET", "k"), bulk("v"));
  RespClient local({.transport = Transport::kUnix, .path = path});
  EXPECT_EQ(local.ask("GET", "k"), bulk("v"));
  EXPECT_EQ(rig_->front.connect(Transport::kTcp).ask("GET", "k"), bulk("v"));
  EXPECT_EQ(rig_->front.connect(Transport::kUnix).ask("GET", "k"), bulk("v"));
}

TEST_F(TlsListener, TheAddressInAProxyHeaderIsTheClients) {
  start({}, R"({"listen":{"listeners":[{"type":"tls","port":)" + std::to_string(port_) +
                R"(,"proxy_protocol":true,"tls_cert":")" + files_.certificate + R"(","tls_key":")" + files_.key +
                R"("}]}})");
  TlsClient::Options options = to_tls();
  options.preamble = kProxyHeader;
  TlsClient client(options);
  EXPECT_TRUE(contains(client.ask("CLIENT", "INFO").text, " addr=10.1.2.3:8080 "));
  TlsClient bare(to_tls());
  EXPECT_FALSE(bare.is_connected());
  EXPECT_EQ(info("proxy_header_errors"), "1");
}

TEST_F(TlsListener, WhoIsNotOnTheAllowListIsClosedAndCounted) {
  const std::uint16_t other = free_port();
  start({}, R"({"listen":{"listeners":[{"type":"tcp","port":)" + std::to_string(port_) +
                R"(,"allow":["10.0.0.0/8","::1"]},{"type":"tcp","port":)" + std::to_string(other) +
                R"(,"allow":["127.0.0.0/8"]}]}})");
  RespClient refused = plain_to(port_);
  EXPECT_TRUE(refused.is_closed_by_peer());
  EXPECT_EQ(plain_to(other).ask("PING"), kPong);
  EXPECT_EQ(info("rejected_by_allow_list"), "1");
  EXPECT_EQ(info("rejected_connections"), "0");
}

struct BadListener {
  std::string_view name;
  Strings arguments;   ///< DIR stands for the folder with the certificates
  std::string config;  ///< likewise
  std::string expected;
};

class BadListeners : public testing::TestWithParam<BadListener> {};

std::ostream& operator<<(std::ostream& out, const BadListener& bad) { return out << bad.name; }

INSTANTIATE_TEST_SUITE_P(
    Of, BadListeners,
    testing::Values(
        BadListener{"MissingCertificate",
                    {"--tls-port", "7", "--tls-cert", "DIR/none.crt", "--tls-key", "DIR/server.key"},
                    "",
                    "listen.tls_cert (from flag --tls-cert): DIR/none.crt: No such file or directory"},
        BadListener{"MissingKey",
                    {"--tls-port", "7", "--tls-cert", "DIR/server.crt", "--tls-key", "DIR/none.key"},
                    "",
                    "listen.tls_key (from flag --tls-key): DIR/none.key: No such file or directory"},
        BadListener{"MissingCa",
                    {"--tls-port", "7", "--tls-cert", "DIR/server.crt", "--tls-key", "DIR/server.key", "--tls-ca",
                     "DIR/none.crt", "--tls-verify-client", "required"},
                    "",
                    "listen.tls_ca (from flag --tls-ca): DIR/none.crt: No such file or directory"},
        BadListener{"KeyOfAnother",
                    {"--tls-port", "7", "--tls-cert", "DIR/server.crt", "--tls-key", "DIR/other.key"},
                    "",
                    "listen.tls_key (from flag --tls-key): DIR/other.key: "},
        BadListener{"NoNetwork",
                    {},
                    R"({"listen":{"listeners":[{"type":"tcp","port":7,"allow":["10.0.0.1/8"]}]}})",
                    "listen.listeners[0].allow (from DIR/c.json: listen.listeners[0].allow): \"10.0.0.1/8\" has bits"},
        BadListener{"PortTwice",
                    {"--tls-port", "7", "--tls-cert", "c", "--tls-key", "k"},
                    R"({"listen":{"listeners":[{"type":"tcp","port":7}]}})",
                    "listen.listeners[0].port: 7 is the port of listen.tls_port as well"},
        BadListener{"UnknownMember",
                    {},
                    R"({"listen":{"listeners":[{"type":"tcp","port":7,"tsl":1}]}})",
                    "listen.listeners[0].tsl: unknown key"},
        BadListener{"MissingUpstreamCa",
                    {"--upstream", "rediss://localhost", "--upstream-tls-ca", "DIR/none.crt"},
                    "",
                    "upstream.tls_ca (from flag --upstream-tls-ca): DIR/none.crt: No such file or directory"},
        BadListener{"UpstreamCaWithoutTls",
                    {"--upstream", "redis://localhost", "--upstream-tls-ca", "DIR/ca.crt"},
                    "",
                    "upstream.tls_ca: is given, but upstream.url is not rediss://"}),
    [](const auto& tested) { return std::string(tested.param.name); });

TEST_P(BadListeners, AreErrorsAtTheStartThatNameTheOption) {
  const TempDir dir;
  const CertificateAuthority ca(dir);
  static_cast<void>(ca.issue());
  static_cast<void>(ca.issue({.name = "other"}));
  const auto with_folder = [&](std::string text) {
    for (std::size_t at = text.find("DIR"); at != std::string::npos; at = text.find("DIR")) {
      text.replace(at, 3, dir.path());
    }
    return text;
  };
  Strings arguments{"serve", "--port", "0", "--unixsocket", dir.file("s.sock")};
  if (!GetParam().config.empty()) {
    arguments.insert(arguments.end(), {"--config", dir.write("c.json", GetParam().config)});
  }
  for (const std::string& argument : GetParam().arguments) arguments.push_back(with_folder(argument));

  const Finished finished = run_anteroom(arguments);

  EXPECT_EQ(finished.status, ExitStatus{.code = 2});
  EXPECT_TRUE(contains(finished.errors, with_folder(GetParam().expected)));
}

/// A redis-server that listens with TLS, and a front-end before it that goes there by rediss://.
class TlsUpstream : public testing::Test {
 protected:
  /// `files`: what the server shows.
  void start_redis(const CertificateAuthority::Files& files, const std::string& auth_clients = "no") {
    redis_ = std::make_unique<RedisServer>(RedisServer::Options{
        .arguments = {"--tls-port", std::to_string(port_), "--tls-cert-file", files.certificate, "--tls-key-file",
                      files.key, "--tls-ca-cert-file", ca_.file(), "--tls-auth-clients", auth_clients}});
    ASSERT_TRUE(redis_->start());
  }
  void start_front(Strings arguments = {}) {
    if (std::ranges::find(arguments, "--upstream-tls-ca") == arguments.end()) {
      arguments.insert(arguments.end(), {"--upstream-tls-ca", ca_.file()});
    }
    front_ = std::make_unique<AnteroomProcess>(AnteroomProcess::Options{
        .upstream = "rediss://localhost:" + std::to_string(port_), .arguments = std::move(arguments)});
    ASSERT_TRUE(front_->start());
  }
  void expect_refused(const std::string& reason) {
    RespClient client = front_->connect();
    const std::string expected =
        "-ERR anteroom: upstream TLS verification failed (stage=tls executed=no reason=" + reason + ")\r\n";
    EXPECT_EQ(client.ask("SET", "k", "v"), expected);
    EXPECT_EQ(client.ask("GET", "k"), expected);
    EXPECT_EQ(client.ask("PING"), kPong);
  }
  void expect_works() {
    RespClient client = front_->connect();
    EXPECT_EQ(client.ask("SET", "k", "v"), kOk);
    EXPECT_EQ(client.ask("GET", "k"), bulk("v"));
  }

  const TempDir dir_;
  const CertificateAuthority ca_{dir_};
  const CertificateAuthority::Files files_ = ca_.issue();
  const std::uint16_t port_ = free_port();
  std::unique_ptr<RedisServer> redis_;
  std::unique_ptr<AnteroomProcess> front_;
};

TEST_F(TlsUpstream, LinksAndFillsGoOverIt) {
  start_redis(files_);
  start_front({"--workers", "1"});
  RespClient client = front_->connect();
  const std::string large(500'000, 'y');
  EXPECT_EQ(client.ask("SET", "k", large), kOk);
  EXPECT_TRUE(client.ask("GET", "k") == bulk(large));
  EXPECT_TRUE(client.ask("GET", "k") == bulk(large));
  EXPECT_EQ(front_info(client, "cache_hits"), "1");
  EXPECT_EQ(redis_->calls("get"), 1);
}

TEST_F(TlsUpstream, ChangesAreAnnouncedOverIt) {
  start_redis(files_);
  start_front();
  RespClient client = front_->connect();
  EXPECT_EQ(client.ask("SET", "k", "old"), kOk);
  EXPECT_EQ(client.ask("GET", "k"), bulk("old"));
  EXPECT_EQ(redis_->connect().ask("SET", "k", "new"), kOk);
  EXPECT_TRUE(eventually([&] { return client.ask("GET", "k") == bulk("new"); }));
}

TEST_F(TlsUpstream, AnUnknownAuthorityIsRefused) {
  start_redis(files_);
  const CertificateAuthority stranger(dir_, "stranger");
  start_front({"--upstream-tls-ca", stranger.file()});
  expect_refused("unknown_ca");
}

TEST_F(TlsUpstream, AWrongNameIsRefused) {
  start_redis(files_);
  start_front({"--upstream-tls-server-name", "redis.example"});
  expect_refused("wrong_name");
}

TEST_F(TlsUpstream, AnExpiredCertificateIsRefused) {
  start_redis(ca_.issue({.name = "old", .begins = std::chrono::hours(-2), .ends = std::chrono::hours(-1)}));
  start_front();
  expect_refused("expired");
}

TEST_F(TlsUpstream, WithoutVerificationAnyCertificateWillDo) {
  start_redis(ca_.issue({.name = "old", .begins = std::chrono::hours(-2), .ends = std::chrono::hours(-1)}));
  start_front({"--upstream-tls-verify", "false"});
  expect_works();
}

TEST_F(TlsUpstream, ItsNameMayDifferFromTheHost) {
  start_redis(ca_.issue({.name = "named", .hosts = {"redis.example"}, .addresses = {}}));
  start_front({"--upstream-tls-server-name", "redis.example"});
  expect_works();
}

TEST_F(TlsUpstream, IsShownOurCertificate) {
  start_redis(files_, "yes");
  const auto own = ca_.issue({.name = "front", .purpose = Purpose::kClient});
  start_front({"--upstream-tls-cert", own.certificate, "--upstream-tls-key", own.key});
  expect_works();
}

TEST_F(TlsUpstream, ThatWantsACertificateWeDoNotHaveIsAnErrorThatSaysNothingRan) {
  start_redis(files_, "yes");
  start_front();
  const Reply reply = front_->connect().ask("SET", "k", "v");
  EXPECT_TRUE(starts_with(reply.raw, "-")) << reply;
  EXPECT_TRUE(contains(reply.raw, "executed=no"));
}

TEST_F(TlsUpstream, ThatIsSilentFailsInTime) {
  start_redis(files_);
  redis_->pause();
  start_front({"--upstream-tls-timeout", "100"});
  const Reply reply = front_->connect().ask("SET", "k", "v");
  EXPECT_TRUE(starts_with(reply.raw,
                          "-MASTERDOWN anteroom: upstream did not finish the TLS handshake (stage=tls "
                          "executed=no after="))
      << reply;
  redis_->resume();
  RespClient client = front_->connect();
  EXPECT_TRUE(eventually([&] { return client.ask("SET", "k", "v") == kOk; }));
}

TEST_F(TlsUpstream, ThatSpeaksNoTlsIsAnErrorThatSaysSo) {
  start_redis(files_);
  front_ = std::make_unique<AnteroomProcess>(AnteroomProcess::Options{
      .upstream = "rediss://localhost:" + std::to_string(redis_->address(Transport::kTcp).port),
      .arguments = {"--upstream-tls-ca", ca_.file()}});
  ASSERT_TRUE(front_->start());
  const Reply reply = front_->connect().ask("SET", "k", "v");
  EXPECT_TRUE(starts_with(reply.raw, "-MASTERDOWN anteroom: ")) << reply;
  EXPECT_TRUE(contains(reply.raw, "stage=tls executed=no"));
}

}  // namespace
}  // namespace anteroom::test
