// Certificates that the gateway, or a listener of type quic, cannot use: each error at the start names file and reason.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "support/certificates.hpp"
#include "support/gateway_process.hpp"
#include "support/ports.hpp"
#include "support/rig.hpp"

namespace anteroom::test {
namespace {

struct BadCertificate {
  std::string_view name;
  std::string option;       ///< of a listener, that has the file at fault
  std::string certificate;  ///< a file below the folder of the test, as all three
  std::string key;
  std::string ca;
  std::string at_fault;
  std::string reason;
};

std::ostream& operator<<(std::ostream& out, const BadCertificate& bad) { return out << bad.name; }

class QuicBadCertificate : public testing::TestWithParam<BadCertificate> {
 protected:
  QuicBadCertificate() {
    static_cast<void>(ca_.issue());
    static_cast<void>(ca_.issue({.name = "other"}));
    dir_.write("words", "this is no PEM\n");
    dir_.write("empty", "");
    dir_.write("broken", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
  }
  /// "." is a folder, which not even root can read.
  [[nodiscard]] std::string path(const std::string& name) const { return name == "." ? dir_.path() : dir_.file(name); }
  void expect_refused(const std::vector<std::string>& arguments, const std::string& option) const {
    const Finished finished = run_anteroom(arguments);

    EXPECT_EQ(finished.status, ExitStatus{.code = 2});
    EXPECT_TRUE(contains(finished.errors, option + path(GetParam().at_fault) + ": " + GetParam().reason));
    EXPECT_EQ(std::ranges::count(finished.errors, '\n'), 1) << "one line: " << finished.errors;
    EXPECT_EQ(finished.output, "");
  }

  const TempDir dir_;
  const CertificateAuthority ca_{dir_};
};

INSTANTIATE_TEST_SUITE_P(
    Of, QuicBadCertificate,
    testing::Values(
        BadCertificate{"MissingCertificate", "tls_cert", "none", "server.key", "", "none", "No such file or directory"},
        BadCertificate{"MissingKey", "tls_key", "server.crt", "none", "", "none", "No such file or directory"},
        BadCertificate{"MissingCa", "tls_ca", "server.crt", "server.key", "none", "none", "No such file or directory"},
        BadCertificate{"UnreadableCertificate", "tls_cert", ".", "server.key", "", ".", "Is a directory"},
        BadCertificate{"UnreadableKey", "tls_key", "server.crt", ".", "", ".", "Is a directory"},
        BadCertificate{"UnreadableCa", "tls_ca", "server.crt", "server.key", ".", ".", "Is a directory"},
        BadCertificate{"CertificateIsNoPem", "tls_cert", "words", "server.key", "", "words",
                       "No certificate was found"},
        BadCertificate{"CertificateIsEmpty", "tls_cert", "empty", "server.key", "", "empty",
                       "No certificate was found"},
        BadCertificate{"CertificateIsBroken", "tls_cert", "broken", "server.key", "", "broken", "ASN1 parser"},
        BadCertificate{"CertificateIsAKey", "tls_cert", "server.key", "server.key", "", "server.key",
                       "No certificate was found"},
        BadCertificate{"KeyIsNoPem", "tls_key", "server.crt", "words", "", "words", "it has no key"},
        BadCertificate{"KeyIsACertificate", "tls_key", "server.crt", "server.crt", "", "server.crt", "it has no key"},
        BadCertificate{"CaIsNoPem", "tls_ca", "server.crt", "server.key", "words", "words", "it has no certificate"},
        BadCertificate{"KeyOfAnother", "tls_key", "server.crt", "other.key", "", "other.key",
                       "The certificate and the given key do not match"}),
    [](const auto& tested) { return std::string(tested.param.name); });

TEST_P(QuicBadCertificate, KeepsTheGatewayFromStarting) {
  const BadCertificate& bad = GetParam();
  std::vector<std::string> arguments{
      "gateway",   "--listen",   "127.0.0.1:" + std::to_string(free_port()), "--tls-cert", path(bad.certificate),
      "--tls-key", path(bad.key)};
  if (!bad.ca.empty()) arguments.insert(arguments.end(), {"--tls-client-ca", path(bad.ca)});
  expect_refused(arguments, "anteroom: ");
}

TEST_P(QuicBadCertificate, KeepsAFrontEndWithAQuicListenerFromStarting) {
  const BadCertificate& bad = GetParam();
  std::string listener = R"({"type":"quic","port":)" + std::to_string(free_port()) + R"(,"tls_cert":")" +
                         path(bad.certificate) + R"(","tls_key":")" + path(bad.key) + '"';
  if (!bad.ca.empty()) listener += R"(,"tls_ca":")" + path(bad.ca) + R"(","tls_verify_client":"required")";
  const std::string config = dir_.write("c.json", R"({"listen":{"listeners":[)" + listener + "}]}}");
  expect_refused({"serve", "--port", "0", "--unixsocket", dir_.file("s.sock"), "--config", config},
                 "listen.listeners[0]." + bad.option + "): ");
}

// --- What is no trouble of the server's ---

class QuicCertificate : public testing::Test {
 protected:
  /// A gateway that shows `request`.
  void start(const CertificateAuthority::Request& request) {
    ASSERT_TRUE(redis_.start());
    const CertificateAuthority::Files files = ca_.issue(request);
    gateway_.emplace(GatewayProcess::Options{.upstream = redis_.url(Transport::kUnix),
                                             .arguments = {"--tls-cert", files.certificate, "--tls-key", files.key}});
    ASSERT_TRUE(gateway_->start());
  }
  [[nodiscard]] Finished ping(std::vector<std::string> trust) const {
    std::vector<std::string> all{"cli", "--quic", "-p", std::to_string(gateway_->port())};
    all.insert(all.end(), trust.begin(), trust.end());
    all.emplace_back("PING");
    return run_anteroom(all);
  }

  const TempDir dir_;
  const CertificateAuthority ca_{dir_};
  RedisServer redis_;
  std::optional<GatewayProcess> gateway_;
};

// A server with one is better than none; whether it will do is for each client to say.
TEST_F(QuicCertificate, ExpiredOneIsServedAndRefusedByClientsThatLookAtIt) {
  start({.begins = std::chrono::hours(-2), .ends = std::chrono::hours(-1)});

  EXPECT_EQ(ping({"--pin", gateway_->pin()}).output, "PONG\n") << "its key is what was asked for";
  const Finished refused = ping({"--cacert", ca_.file()});

  EXPECT_EQ(refused.status, ExitStatus{.code = 1});
  EXPECT_TRUE(contains(refused.errors, "expired"));
  EXPECT_TRUE(eventually([&] { return gateway_->figure("handshake_failures") == 1; }));
}

}  // namespace
}  // namespace anteroom::test
