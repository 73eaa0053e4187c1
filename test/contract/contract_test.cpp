// The contract: what a client is told by the front-end is what redis-server would have told it. The scripts in
// test/contract/scripts, and some made from the table of commands, are run against both in lockstep.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "support/contract_lines.hpp"
#include "support/contract_run.hpp"
#include "support/contract_script.hpp"
#include "support/rig.hpp"

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

ContractSide front_side(const Rig& rig, Transport transport) {
  return {.open = [&rig, transport] { return plain_conversation(rig.front.address(transport)); }, .server = &rig.redis};
}

using Case = std::tuple<Transport, Protocol, ContractScript>;

class Contract : public testing::TestWithParam<Case> {};

std::string name_of_case(const testing::TestParamInfo<Case>& info) {
  const Protocol protocol = std::get<1>(info.param);
  const std::string resp = protocol == Protocol::kResp2 ? "Resp2_" : "Resp3_";
  return to_string(std::get<0>(info.param)) + resp + std::get<2>(info.param).name;
}

INSTANTIATE_TEST_SUITE_P(Of, Contract,
                         testing::Combine(kBothTransports, testing::Values(Protocol::kResp2, Protocol::kResp3),
                                          testing::ValuesIn(all_scripts())),
                         name_of_case);

TEST_P(Contract, RepliesAreThoseOfTheServer) {
  const auto& [transport, protocol, script] = GetParam();
  RedisServer reference(server_options());
  // SHUTDOWN stays denied; all else that is denied unless configured is compared as well.
  const Rig rig({.upstream = transport, .front = {.arguments = {"--deny", "shutdown"}}, .redis = server_options()});
  ASSERT_TRUE(reference.start() && rig.is_ready());

  ContractRun run(server_side(reference, transport), front_side(rig, transport), protocol);
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
