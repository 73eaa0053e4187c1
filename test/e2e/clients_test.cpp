// Client libraries as people use them, each with its own script in test/clients/, find no difference between the
// front-end and the server. What passes against the server itself is what the scripts expect of the front-end.
#include <gtest/gtest.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <map>
#include <ostream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "support/rig.hpp"

namespace anteroom::test {
namespace {

/// The scripts have limits of their own, below this: so it is them who say what hangs.
constexpr milliseconds kScriptPatience = 6 * kPatience;

using Subjects = std::vector<std::string>;

/// A script, the protocol it speaks and every subject that it has to report as passed.
struct ClientCase {
  std::string name;
  std::vector<std::string> command;
  std::string protocol;
  Subjects subjects;
};

std::ostream& operator<<(std::ostream& out, const ClientCase& client) { return out << client.name; }

std::string case_name_of(const testing::TestParamInfo<ClientCase>& info) { return info.param.name; }

/// hiredis_client is built beside this program.
std::string hiredis_client() {
  return std::filesystem::read_symlink("/proc/self/exe").parent_path() / "hiredis_client";
}

std::vector<ClientCase> every_client() {
  const Subjects hiredis{"handshake", "strings",         "hashes",        "transactions", "pipelines",
                         "pub_sub",   "sharded_pub_sub", "blocking_pops", "giving_up",    "streams",
                         "scripts",   "scans",           "sorted_sets",   "every_type",   "reconnect"};
  const Subjects node_redis{"handshake", "strings",   "binary_strings",  "expiry",        "hashes",    "transactions",
                            "pipelines", "pub_sub",   "sharded_pub_sub", "blocking_pops", "giving_up", "streams",
                            "scripts",   "functions", "scans",           "sorted_sets",   "raw_types", "reconnect"};
  const Subjects ioredis{"handshake",      "other_db",        "strings",
                         "binary_strings", "expiry",          "hashes",
                         "transactions",   "pipelines",       "automatic_pipelines",
                         "pub_sub",        "sharded_pub_sub", "blocking_pops",
                         "giving_up",      "streams",         "scripts",
                         "functions",      "scans",           "sorted_sets",
                         "reconnect"};
  const Subjects python{"handshake",
                        "strings",
                        "binary_strings",
                        "decoding",
                        "expiry",
                        "hashes",
                        "transactions",
                        "increments",
                        "pipelines",
                        "pub_sub",
                        "pub_sub_in_a_thread",
                        "blocking_pops",
                        "giving_up",
                        "streams",
                        "scripts",
                        "functions",
                        "scans",
                        "sorted_sets",
                        "thread_pool",
                        "reconnect",
                        "retry"};
  const Subjects ruby{"handshake", "strings", "binary_strings", "expiry",        "hashes",    "transactions",
                      "pipelines", "pub_sub", "patterns",       "blocking_pops", "giving_up", "streams",
                      "scripts",   "scans",   "sorted_sets",    "other_db",      "reconnect"};
  // The libraries of Python and Ruby are packages of the distribution, which only its own interpreters find.
  return {{"HiredisResp2", {hiredis_client()}, "2", hiredis},
          {"HiredisResp3", {hiredis_client()}, "3", hiredis},
          {"NodeRedisResp2", {"node", "test/clients/node_redis.mjs"}, "2", node_redis},
          {"NodeRedisResp3", {"node", "test/clients/node_redis.mjs"}, "3", node_redis},
          {"IoredisResp2", {"node", "test/clients/ioredis.mjs"}, "2", ioredis},
          {"PythonRedisResp2", {"/usr/bin/python3", "test/clients/python_redis.py"}, "2", python},
          {"RubyRedisResp2", {"/usr/bin/ruby", "test/clients/ruby_redis.rb"}, "2", ruby}};
}

/// `host:port` or a path, as scripts take it.
std::string to_argument(const Address& address) {
  return address.transport == Transport::kTcp ? "127.0.0.1:" + std::to_string(address.port) : address.path;
}

/// What a script printed, by subject: empty for one that passed, else the reason.
std::map<std::string, std::string> reports_in(const std::string& output) {
  std::map<std::string, std::string> reports;
  std::string failed;
  std::istringstream lines{output};
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("ok ")) {
      failed.clear();
      reports[line.substr(3)];
    } else if (line.starts_with("FAIL ")) {
      failed = line.substr(5, line.find(':') - 5);
      reports[failed] = line;
    } else if (!failed.empty()) {
      reports[failed] += '\n' + line;
    }
  }
  return reports;
}

class RealClients : public SharedRig<RealClients>, public testing::WithParamInterface<ClientCase> {
 public:
  static Rig::Options rig_options() { return {}; }

 protected:
  static void expect_every_subject(const Address& address) {
    const ClientCase& client = GetParam();
    std::vector<std::string> command = client.command;
    command.insert(command.end(), {to_argument(address), client.protocol});

    const Finished finished = run(command, {.environment = {{"LC_ALL", "C.UTF-8"}}, .patience = kScriptPatience});

    EXPECT_FALSE(finished.is_timed_out);
    EXPECT_EQ(finished.status, ExitStatus{.code = 0}) << finished.errors;
    const std::map<std::string, std::string> reports = reports_in(finished.output);
    for (const std::string& subject : client.subjects) {
      const auto report = reports.find(subject);
      if (report == reports.end()) {
        ADD_FAILURE() << client.name << " says nothing of " << subject;
      } else if (!report->second.empty()) {
        ADD_FAILURE() << client.name << ": " << report->second;
      }
    }
    for (const auto& [subject, reason] : reports) {
      EXPECT_NE(std::ranges::find(client.subjects, subject), client.subjects.end())
          << "unknown subject " << subject << ": " << reason;
    }
  }
};

INSTANTIATE_TEST_SUITE_P(With, RealClients, testing::ValuesIn(every_client()), case_name_of);

TEST_P(RealClients, FindEverySubjectRightAgainstTheServerItself) {
  use(Transport::kTcp);
  expect_every_subject(redis().address(Transport::kTcp));
}

TEST_P(RealClients, FindEverySubjectRightOverTcp) {
  use(Transport::kTcp);
  expect_every_subject(front().address(Transport::kTcp));
}

TEST_P(RealClients, FindEverySubjectRightOverUnixSockets) {
  use(Transport::kUnix);
  expect_every_subject(front().address(Transport::kUnix));
}

/// Redis's own tools in one of the protocols.
struct ToolCase {
  std::string name;
  std::vector<std::string> flags;  ///< that choose the protocol
};

std::ostream& operator<<(std::ostream& out, const ToolCase& tool) { return out << tool.name; }

std::string tool_name_of(const testing::TestParamInfo<ToolCase>& info) { return info.param.name; }

class RedisTools : public SharedRig<RedisTools>, public testing::WithParamInterface<ToolCase> {
 public:
  static Rig::Options rig_options() { return {}; }

 protected:
  void SetUp() override { use(Transport::kTcp); }

  /// Each test of redis-benchmark's default suite has to report one and no error.
  static void expect_a_rate_for_every_benchmark(const Address& address);

  static Finished tool(std::string program, const Address& address, const std::vector<std::string>& flags,
                       const RunOptions& options) {
    std::vector<std::string> command{std::move(program), "-p", std::to_string(address.port)};
    command.insert(command.end(), GetParam().flags.begin(), GetParam().flags.end());
    command.insert(command.end(), flags.begin(), flags.end());
    return run(command, options);
  }
};

INSTANTIATE_TEST_SUITE_P(In, RedisTools, testing::Values(ToolCase{"Resp2", {}}, ToolCase{"Resp3", {"-3"}}),
                         tool_name_of);

/// The rates of `redis-benchmark --csv`, by the name of the test: after a head, lines like "SET","58823.53","0.1",...
std::map<std::string, double> rates_in(const std::string& csv) {
  std::map<std::string, double> rates;
  std::istringstream lines{csv};
  for (std::string line; std::getline(lines, line);) {
    const std::size_t separator = line.find("\",\"");
    if (!line.starts_with('"') || separator == std::string::npos || line.starts_with("\"test\",")) continue;
    double& rate = rates[line.substr(1, separator - 1)];
    std::from_chars(line.data() + separator + 3, line.data() + line.size(), rate);
  }
  return rates;
}

void RedisTools::expect_a_rate_for_every_benchmark(const Address& address) {
  const std::vector<std::string> flags{"-n", "2000", "-c", "10", "-P", "4", "--csv"};

  const Finished finished = tool("redis-benchmark", address, flags, {.patience = kScriptPatience});

  EXPECT_EQ(finished.status, ExitStatus{.code = 0}) << finished.output;
  EXPECT_EQ(finished.errors, "");
  EXPECT_FALSE(contains(finished.output, "rror"));
  const std::map<std::string, double> rates = rates_in(finished.output);
  for (const char* test : {"PING_INLINE",
                           "PING_MBULK",
                           "SET",
                           "GET",
                           "INCR",
                           "LPUSH",
                           "RPUSH",
                           "LPOP",
                           "RPOP",
                           "SADD",
                           "HSET",
                           "SPOP",
                           "ZADD",
                           "ZPOPMIN",
                           "LPUSH (needed to benchmark LRANGE)",
                           "LRANGE_100 (first 100 elements)",
                           "LRANGE_300 (first 300 elements)",
                           "LRANGE_500 (first 500 elements)",
                           "LRANGE_600 (first 600 elements)",
                           "MSET (10 keys)"}) {
    EXPECT_TRUE(rates.contains(test)) << test << " is missing in\n" << finished.output;
  }
  for (const auto& [test, rate] : rates) EXPECT_GT(rate, 0.0) << test;
}

TEST_P(RedisTools, RedisBenchmarkRunsItsDefaultSuiteAgainstTheServerItself) {
  expect_a_rate_for_every_benchmark(redis().address(Transport::kTcp));
}

TEST_P(RedisTools, RedisBenchmarkRunsItsDefaultSuiteThroughTheFrontEnd) {
  expect_a_rate_for_every_benchmark(front().address(Transport::kTcp));
}

TEST_P(RedisTools, RedisCliShowsEveryTypeAsItDoesOfTheServer) {
  const std::string input = R"(FLUSHALL
SET s text
GET s
GET s
GET none
MGET s none
HSET h field value
HGETALL h
HGETALL h
SADD set member
SMEMBERS set
SMEMBERS set
ZADD z 1.5 a 2 b
ZSCORE z a
ZSCORE z a
ZRANGE z 0 -1 WITHSCORES
ZRANGE z 0 -1 WITHSCORES
RPUSH l a b
LRANGE l 0 -1
INCR n
LPUSH s x
MULTI
INCR n
HGETALL h
EXEC
XADD x 1-1 f v
XRANGE x - +
XREAD STREAMS x 0
EVAL "redis.setresp(3); return {double=3.5}" 0
EVAL "redis.setresp(3); return true" 0
CONFIG GET appendonly
FLUSHALL
)";

  const auto shown_by = [&](const Address& address) {
    return tool("redis-cli", address, {"--no-raw"}, {.input = input});
  };
  const Finished direct = shown_by(redis().address(Transport::kTcp));
  const Finished through = shown_by(front().address(Transport::kTcp));

  EXPECT_TRUE(contains(direct.output, "WRONGTYPE"));
  EXPECT_EQ(through.output, direct.output);
  EXPECT_EQ(through.errors, direct.errors);
  EXPECT_EQ(through.status, ExitStatus{.code = 0});
}

}  // namespace
}  // namespace anteroom::test
