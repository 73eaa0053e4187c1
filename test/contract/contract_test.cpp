// The contract: what a client is told by the front-end is what redis-server would have told it. The scripts in
// test/contract/scripts, and some made from the table of commands, are run against both in lockstep.
#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "support/certificates.hpp"
#include "support/contract_lines.hpp"
#include "support/contract_run.hpp"
#include "support/contract_script.hpp"
#include "support/gateway_process.hpp"
#include "support/ports.hpp"
#include "support/rig.hpp"
#include "support/tls_client.hpp"

namespace anteroom::test {

namespace {

// From the root of the repository, where tests are run.
constexpr const char* kFolder = "test/contract/scripts";

const std::vector<ContractScript>& all_scripts() {
  static const std::vector<ContractScript> all = [] {
    std::vector<ContractScript> scripts = contract_scripts(kFolder).value_or(std::vector<ContractScript>{});
    scripts.push_back(script_of_wrong_arities());
    scripts.push_back(script_of_newer_commands());
    scripts.push_back(script_of_wrong_types());
    return scripts;
  }();
  return all;
}

/// Scripts may use DEBUG, on both sides alike.
RedisServer::Options server_options() { return {.arguments = {"--enable-debug-command", "yes"}}; }

ContractSide server_side(const RedisServer& server, Transport transport) {
  return {.open = [&server, transport] { return plain_conversation(server.address(transport)); }, .server = &server};
}

/// How the clients of the front-end come to it.
/// By TCP over QUIC is by TCP to a front-end whose upstream is a gateway.
enum class Way : std::uint8_t { kTcp, kUnix, kTls, kTcpOverQuic };

constexpr auto kWays = std::to_array<Way>({
    Way::kTcp,
    Way::kUnix,
    Way::kTls,
#ifdef ANTEROOM_QUIC
    Way::kTcpOverQuic,
#endif
});

class TlsConversation final : public Conversation {
 public:
  explicit TlsConversation(const TlsClient::Options& options) : client_(options) {}
  bool send_raw(std::string_view bytes) override { return client_.send_raw(bytes); }
  [[nodiscard]] Reply read() override { return client_.read(); }

 private:
  TlsClient client_;
};

/// A front-end with a listener of each kind, and its server.
class Front {
 public:
  explicit Front(Way way)
      : way_(way),
        transport_(way == Way::kUnix ? Transport::kUnix : Transport::kTcp),
        redis_(server_options()),
        gateway_({.upstream = redis_.url(Transport::kUnix)}) {}

  bool start() {
    if (!redis_.start() || (way_ == Way::kTcpOverQuic && !gateway_.start())) return false;
    front_.emplace(AnteroomProcess::Options{
        .upstream = way_ == Way::kTcpOverQuic ? gateway_.url() : redis_.url(transport_), .arguments = arguments()});
    return front_->start() && eventually([this] { return front_->output().contains("event=started"); });
  }
  [[nodiscard]] ContractSide side() const {
    if (way_ == Way::kTls) {
      return {
          .open =
              [this] { return std::make_unique<TlsConversation>(TlsClient::Options{.port = port_, .ca = ca_.file()}); },
          .server = &redis_};
    }
    return {.open = [this] { return plain_conversation(front_->address(transport_)); }, .server = &redis_};
  }

 private:
  // SHUTDOWN stays denied; all else that is denied unless configured is compared as well.
  [[nodiscard]] std::vector<std::string> arguments() const {
    std::vector<std::string> out{"--deny", "shutdown"};
    if (way_ != Way::kTls) return out;
    out.insert(out.end(),
               {"--tls-port", std::to_string(port_), "--tls-cert", files_.certificate, "--tls-key", files_.key});
    return out;
  }

  const Way way_;
  const Transport transport_;
  const TempDir dir_;
  const CertificateAuthority ca_{dir_};
  const CertificateAuthority::Files files_ = ca_.issue();
  const std::uint16_t port_ = free_port();
  RedisServer redis_;
  GatewayProcess gateway_;
  std::optional<AnteroomProcess> front_;
};

using Case = std::tuple<Way, Protocol, ContractScript>;

class Contract : public testing::TestWithParam<Case> {};

std::string name_of_case(const testing::TestParamInfo<Case>& info) {
  const Protocol protocol = std::get<1>(info.param);
  const std::string resp = protocol == Protocol::kResp2 ? "Resp2_" : "Resp3_";
  constexpr std::array<const char*, 4> kNames{"Tcp", "Unix", "Tls", "TcpOverQuic"};
  return kNames[static_cast<std::size_t>(std::get<0>(info.param))] + resp + std::get<2>(info.param).name;
}

INSTANTIATE_TEST_SUITE_P(Of, Contract,
                         testing::Combine(testing::ValuesIn(kWays), testing::Values(Protocol::kResp2, Protocol::kResp3),
                                          testing::ValuesIn(all_scripts())),
                         name_of_case);

TEST_P(Contract, RepliesAreThoseOfTheServer) {
  const auto& [way, protocol, script] = GetParam();
  RedisServer reference(server_options());
  Front front(way);
  ASSERT_TRUE(reference.start() && front.start());

  ContractRun run(server_side(reference, way == Way::kUnix ? Transport::kUnix : Transport::kTcp), front.side(),
                  protocol);
  run.run(script);
}

// A line that differs here says nothing about the front-end: it wants another comparison.
TEST(ContractScripts, SayTheSameOnTwoServers) {
  for (const Protocol protocol : {Protocol::kResp2, Protocol::kResp3}) {
    for (const ContractScript& script : all_scripts()) {
      RedisServer one(server_options());
      RedisServer other(server_options());
      ASSERT_TRUE(one.start() && other.start());

      ContractRun run(server_side(one, Transport::kUnix), server_side(other, Transport::kUnix), protocol);
      run.run(script);
    }
  }
}

TEST(ContractScripts, AreAllWellFormed) {
  const auto scripts = contract_scripts(kFolder);
  ASSERT_TRUE(scripts.has_value()) << scripts.error();
  EXPECT_GE(scripts->size(), 30U);
}

TEST(ContractScripts, HaveAtLeast1500DistinctCommandLines) {
  std::set<std::string> lines;
  for (const ContractScript& script : all_scripts()) {
    for (const ScriptStep& step : script.steps) lines.insert(step.commands.begin(), step.commands.end());
  }
  RecordProperty("lines", std::to_string(lines.size()));
  EXPECT_GE(lines.size(), 1'500U);
}

}  // namespace
}  // namespace anteroom::test
