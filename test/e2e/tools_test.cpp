// Redis's own tools work against the front-end as they do against the server.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "support/pty.hpp"
#include "support/rig.hpp"

namespace anteroom::test {
namespace {

class Tools : public SharedRigTest<Tools> {
 protected:
  /// `program` with the options that lead it to the front-end, then `rest`.
  std::vector<std::string> command(const std::string& program, std::vector<std::string> rest) {
    const Address address = front().address(GetParam());
    std::vector<std::string> argv{program};
    if (GetParam() == Transport::kTcp) {
      argv.insert(argv.end(), {"-h", "127.0.0.1", "-p", std::to_string(address.port)});
    } else {
      argv.insert(argv.end(), {"-s", address.path});
    }
    argv.insert(argv.end(), rest.begin(), rest.end());
    return argv;
  }

  Finished redis_cli(std::vector<std::string> rest, RunOptions options = {}) {
    return run(command("redis-cli", std::move(rest)), options);
  }
};

INSTANTIATE_TEST_SUITE_P(Over, Tools, kBothTransports, transport_name);

TEST_P(Tools, RedisCliRunsOneCommand) {
  const std::string key = unique_key();
  EXPECT_EQ(redis_cli({"SET", key, "value"}).output, "OK\n");
  EXPECT_EQ(redis_cli({"GET", key}).output, "value\n");
  EXPECT_EQ(redis_cli({"PING"}).output, "PONG\n");
  EXPECT_EQ(redis_cli({"-n", "3", "GET", key}).output, "\n");
  EXPECT_TRUE(contains(redis_cli({"INFO"}).output, "# anteroom"));
}

TEST_P(Tools, RedisCliReadsCommandsFromItsInput) {
  const std::string key = unique_key();
  const Finished finished = redis_cli({}, {.input = "SET " + key + " 1\nINCR " + key + "\nGET " + key + "\n"});
  EXPECT_EQ(finished.output, "OK\n2\n2\n") << finished.errors;
}

TEST_P(Tools, RedisCliPipeLoadsTenThousandKeys) {
  const std::string base = unique_key("pipe");
  std::string input;
  for (int i = 0; i < 10'000; ++i) input += encode({"SET", base + ":" + std::to_string(i), std::to_string(i)});
  const Finished finished = redis_cli({"--pipe"}, {.input = input});
  EXPECT_EQ(finished.status, ExitStatus{.code = 0}) << finished.output << finished.errors;
  EXPECT_TRUE(contains(finished.output, "errors: 0, replies: 10000"));
  EXPECT_EQ(client().ask("GET", base + ":9999"), bulk("9999"));
}

TEST_P(Tools, RedisCliBigkeysFindsTheBiggest) {
  RespClient user = client();
  user.ask("SET", "a-big-string", std::string(10'000, 'x'));
  const Finished finished = redis_cli({"--bigkeys"});
  EXPECT_EQ(finished.status, ExitStatus{.code = 0}) << finished.output << finished.errors;
  EXPECT_TRUE(contains(finished.output, "a-big-string"));
  EXPECT_FALSE(contains(finished.output + finished.errors, "rror"));
}

TEST_P(Tools, RedisCliScanListsEachKeyOnce) {
  const std::string base = unique_key("scan");
  RespClient user = client();
  for (int i = 0; i < 300; ++i) user.ask("SET", base + ":" + std::to_string(i), "v");
  const Finished finished = redis_cli({"--scan", "--pattern", base + ":*"});
  EXPECT_EQ(finished.status, ExitStatus{.code = 0}) << finished.errors;
  EXPECT_EQ(std::ranges::count(finished.output, '\n'), 300);
}

TEST_P(Tools, InteractiveRedisCliStartsWithoutAnError) {
  const std::string key = unique_key();
  Pty terminal{command("redis-cli", {})};
  ASSERT_TRUE(terminal.is_open());
  ASSERT_TRUE(terminal.wait_for_text("> ")) << terminal.text();
  EXPECT_FALSE(contains(terminal.text(), "rror"));
  EXPECT_FALSE(contains(terminal.text(), "not connected"));

  terminal.type("set " + key + " hello\r");
  EXPECT_TRUE(terminal.wait_for_text("OK\r\n")) << terminal.text();
  terminal.type("get " + key + "\r");
  EXPECT_TRUE(terminal.wait_for_text("\"hello\"")) << terminal.text();
  terminal.type("select 2\r");
  EXPECT_TRUE(terminal.wait_for_text("[2]> ")) << terminal.text();
  terminal.type("nosuchcommand\r");
  EXPECT_TRUE(terminal.wait_for_text("unknown command")) << terminal.text();
  terminal.type("quit\r");
  EXPECT_TRUE(terminal.wait_for_end());
  EXPECT_FALSE(contains(terminal.text(), "not connected"));
}

TEST_P(Tools, RedisBenchmarkFinishesWithAndWithoutPipelining) {
  for (const char* depth : {"1", "32"}) {
    const Finished finished = run(command("redis-benchmark", {"-P", depth, "-t", "get,set,incr,lpush,lrange,mset", "-n",
                                                              "2000", "-r", "100", "-q"}),
                                  {.patience = 6 * kPatience});
    EXPECT_EQ(finished.status, ExitStatus{.code = 0}) << finished.output << finished.errors;
    EXPECT_TRUE(contains(finished.output, "requests per second"));
    EXPECT_FALSE(contains(finished.output + finished.errors, "Error"));
  }
}

}  // namespace
}  // namespace anteroom::test
