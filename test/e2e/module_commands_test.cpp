// Commands of modules, which the front-end's table cannot know: what the server says of them (COMMAND) decides what
// they cost the cache and which link they need. test/module has the module.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "support/deadline.hpp"
#include "support/rig.hpp"

namespace anteroom::test {
namespace {

/// alias_module.so is built beside this program.
std::string module_file() { return std::filesystem::read_symlink("/proc/self/exe").parent_path() / "alias_module.so"; }

RedisServer::Options with_aliases(const std::vector<std::string>& aliases) {
  RedisServer::Options options{.arguments = {"--loadmodule", module_file()}};
  options.arguments.insert(options.arguments.end(), aliases.begin(), aliases.end());
  return options;
}

std::uint64_t number_in(const std::string& info, const std::string& field) {
  const std::string text = info_field(info, field);
  return text.empty() ? 0 : std::stoull(text);
}

class ModuleCommands : public SharedRigTest<ModuleCommands> {
 public:
  static Rig::Options rig_options() {
    return {.front = {.arguments = {"--workers", "1"}},
            .redis = with_aliases({"x.set/write/1,1,1/set", "x.mset/write/1,-1,2/mset", "x.get/readonly/1,1,1/get",
                                   "x.eval/write+getkeys-api/0,0,0/eval", "x.pop/write+blocking/1,1,1/wait-pop"})};
  }

 protected:
  void SetUp() override {
    SharedRigTest::SetUp();
    RespClient user = client();
    // Until the server has answered, everything is dropped by whatever it does not know.
    const std::string key = unique_key("probe");
    user.ask("SET", key, "v");
    ASSERT_TRUE(eventually([&] {
      user.ask("GET", key);
      user.ask("x.get", key);
      return is_hit(user, key);
    }));
  }

  std::uint64_t stat(const std::string& field) { return number_in(client().ask("INFO", "cache").text, field); }
  /// Whether a GET now is answered from the cache.
  bool is_hit(RespClient& user, const std::string& key) {
    const std::uint64_t before = stat("cache_hits");
    user.ask("GET", key);
    return stat("cache_hits") == before + 1;
  }
  /// Puts it into the server and the cache.
  void fill(RespClient& user, const std::string& key, const std::string& value) {
    user.ask("SET", key, value);
    ASSERT_TRUE(eventually([&] { return is_hit(user, key); })) << key;
  }
  int blocked() { return std::stoi(info_field(direct().ask("INFO", "clients").text, "blocked_clients")); }
};

INSTANTIATE_TEST_SUITE_P(Over, ModuleCommands, kBothTransports, transport_name);

TEST_P(ModuleCommands, WriteInvalidatesItsKeysAndKeepsTheRestOfTheCache) {
  RespClient user = client();
  const std::string written = unique_key();
  const std::string kept = unique_key();
  fill(user, written, "1");
  fill(user, kept, "2");
  const std::uint64_t bumps = stat("cache_epoch_bumps");

  EXPECT_EQ(user.ask("X.Set", written, "3"), kOk);

  EXPECT_EQ(user.ask("GET", written), bulk("3"));
  EXPECT_TRUE(is_hit(user, kept));
  EXPECT_EQ(stat("cache_epoch_bumps"), bumps);
}

TEST_P(ModuleCommands, WriteOfSeveralKeysInvalidatesEachOfThem) {
  RespClient user = client();
  const std::string one = unique_key();
  const std::string two = unique_key();
  const std::string kept = unique_key();
  for (const std::string& key : {one, two, kept}) fill(user, key, "1");

  EXPECT_EQ(user.ask("x.mset", one, "2", two, kept), kOk);

  EXPECT_EQ(user.ask("GET", one), bulk("2"));
  EXPECT_EQ(user.ask("GET", two), bulk(kept));
  EXPECT_TRUE(is_hit(user, kept)) << "the value is no key";
}

TEST_P(ModuleCommands, ReadDropsNothing) {
  RespClient user = client();
  const std::string key = unique_key();
  fill(user, key, "v");
  const std::uint64_t dropped = stat("cache_dropped");
  const std::uint64_t bumps = stat("cache_epoch_bumps");

  for (int i = 0; i < 3; ++i) EXPECT_EQ(user.ask("x.get", key), bulk("v"));

  EXPECT_TRUE(is_hit(user, key));
  EXPECT_EQ(stat("cache_dropped"), dropped);
  EXPECT_EQ(stat("cache_epoch_bumps"), bumps);
}

TEST_P(ModuleCommands, WriteWhoseKeysMoveDropsEverything) {
  RespClient user = client();
  const std::string key = unique_key();
  const std::string other = unique_key();
  fill(user, key, "1");
  fill(user, other, "1");
  const std::uint64_t bumps = stat("cache_epoch_bumps");

  user.ask("x.eval", "return redis.call('SET', ARGV[1], '2')", "0", key);

  EXPECT_EQ(user.ask("GET", key), bulk("2"));
  EXPECT_GT(stat("cache_epoch_bumps"), bumps);
}

TEST_P(ModuleCommands, WriteInATransactionInvalidatesItsKeysOnly) {
  RespClient user = client();
  RespClient other = client();
  const std::string written = unique_key();
  const std::string kept = unique_key();
  fill(user, written, "1");
  fill(user, kept, "1");
  const std::uint64_t bumps = stat("cache_epoch_bumps");

  user.ask("MULTI");
  EXPECT_EQ(user.ask("x.set", written, "2"), "+QUEUED\r\n");
  EXPECT_EQ(user.ask("x.get", kept), "+QUEUED\r\n");
  EXPECT_EQ(user.ask("EXEC"), "*2\r\n+OK\r\n$1\r\n1\r\n");

  EXPECT_EQ(other.ask("GET", written), bulk("2"));
  EXPECT_TRUE(is_hit(other, kept));
  EXPECT_EQ(stat("cache_epoch_bumps"), bumps);
}

TEST_P(ModuleCommands, BlockingOneHoldsUpNobodyElse) {
  RespClient waiting = client();
  RespClient user = client();
  const std::string key = unique_key("list");
  waiting.send({"x.pop", key});
  waiting.send({"PING"});
  ASSERT_TRUE(eventually([&] { return blocked() == 1; }));

  EXPECT_EQ(user.ask("PING"), kPong);
  EXPECT_EQ(user.ask("SET", unique_key(), "v"), kOk);
  EXPECT_EQ(user.ask("RPUSH", key, "pushed"), integer(1));

  EXPECT_EQ(waiting.read(), bulk("pushed"));
  EXPECT_EQ(waiting.read(), kPong);
}

TEST_P(ModuleCommands, BlockingOneEndsWhenItsClientLeaves) {
  const std::string key = unique_key("list");
  {
    RespClient gone = client();
    gone.send({"x.pop", key});
    ASSERT_TRUE(eventually([&] { return blocked() == 1; }));
  }
  ASSERT_TRUE(eventually([&] { return blocked() == 0; }));
  RespClient user = client();
  EXPECT_EQ(user.ask("RPUSH", key, "v"), integer(1));
  EXPECT_EQ(user.ask("LLEN", key), integer(1)) << "nothing was taken for the dead";
}

TEST_P(ModuleCommands, BlockingOneOutlastsTheTimeForReplies) {
  Rig rig({.upstream = GetParam(),
           .front = {.arguments = {"--workers", "1", "--response-timeout", "500"}},
           .redis = with_aliases({"x.pop/write+blocking/1,1,1/wait-pop", "x.ping/readonly/0,0,0/ping"})});
  ASSERT_TRUE(rig.is_ready());
  RespClient user = rig.front.connect(GetParam());
  const auto is_blocked = [&] {
    return info_field(rig.redis.connect().ask("INFO", "clients").text, "blocked_clients") == "1";
  };
  ASSERT_TRUE(eventually([&] { return rig.redis.calls("command") > 0; }));
  EXPECT_EQ(user.ask("DBSIZE"), integer(0));  // behind the reply to COMMAND on the same link
  user.send({"x.pop", "list"});
  ASSERT_TRUE(eventually(is_blocked));

  EXPECT_FALSE(user.has_input(milliseconds(1200)));

  EXPECT_EQ(rig.redis.connect().ask("RPUSH", "list", "v"), integer(1));
  EXPECT_EQ(user.read(), bulk("v"));
}

TEST_P(ModuleCommands, UnknownOnesHaveTheServersWords) {
  RespClient user = client();
  RespClient backend = direct();
  for (const std::vector<std::string_view>& command :
       {std::vector<std::string_view>{"x.nothing", "a"}, {"x.get"}, {"x.set", "k"}, {"x", "get"}}) {
    EXPECT_EQ(user.ask(command), backend.ask(command)) << command[0];
  }
}

TEST(ModuleCommandsOfTheNextServer, AreThoseThatCount) {
  Rig rig({.upstream = Transport::kTcp,
           .front = {.arguments = {"--workers", "1"}},
           .redis = with_aliases({"x.cmd/readonly/1,1,1/get"})});
  ASSERT_TRUE(rig.is_ready());
  RespClient user = rig.front.connect(Transport::kTcp);
  const auto hits = [&] { return number_in(user.ask("INFO", "cache").text, "cache_hits"); };
  const auto is_hit = [&](const std::string& key) {
    const std::uint64_t before = hits();
    user.ask("GET", key);
    return hits() == before + 1;
  };
  user.ask("SET", "kept", "1");
  EXPECT_TRUE(eventually([&] {
    user.ask("GET", "kept");
    user.ask("x.cmd", "kept");
    return is_hit("kept");
  })) << "a read";

  rig.redis.stop();
  rig.redis.set_arguments(with_aliases({"x.cmd/write/1,1,1/set"}).arguments);
  ASSERT_TRUE(rig.redis.start());
  ASSERT_TRUE(eventually([&] { return user.ask("SET", "kept", "2") == kOk && user.ask("SET", "k", "2") == kOk; }));

  EXPECT_TRUE(eventually([&] {
    user.ask("GET", "kept");
    user.ask("GET", "k");
    return user.ask("x.cmd", "k", "3") == kOk && is_hit("kept") && user.ask("GET", "k") == bulk("3");
  })) << "a write of one key";
}

}  // namespace
}  // namespace anteroom::test
