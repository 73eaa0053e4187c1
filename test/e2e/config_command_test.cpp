// ANTEROOM CONFIG: our own options; CONFIG is the server's.
#include <gtest/gtest.h>

#include <string>

#include "support/rig.hpp"

namespace anteroom::test {
namespace {

class OwnConfig : public SharedRigTest<OwnConfig> {
 public:
  static Rig::Options rig_options() {
    return {.front = {.arguments = {"--workers", "2"}}, .redis = {.password = "very-secret"}};
  }
};
INSTANTIATE_TEST_SUITE_P(Over, OwnConfig, kBothTransports, transport_name);

TEST_P(OwnConfig, GetTellsWhatIsInEffectInBothProtocols) {
  RespClient user = client();
  EXPECT_EQ(user.ask("ANTEROOM", "CONFIG", "GET", "log.level"), "*2\r\n$9\r\nlog.level\r\n$4\r\ninfo\r\n");
  EXPECT_GT(user.ask("ANTEROOM", "CONFIG", "GET", "cache.*", "CACHE.TTL_MS").items.size(), 20U);
  EXPECT_EQ(user.ask("ANTEROOM", "CONFIG", "GET", "nothing"), "*0\r\n");
  user.ask("HELLO", "3");
  EXPECT_EQ(user.ask("anteroom", "config", "get", "workers"), "%1\r\n$7\r\nworkers\r\n$1\r\n2\r\n");
}

TEST_P(OwnConfig, SecretsAreNotTold) {
  RespClient user = client();
  const Reply all = user.ask("ANTEROOM", "CONFIG", "GET", "*");
  EXPECT_GT(all.items.size(), 100U);
  EXPECT_EQ(all.raw.find("very-secret"), std::string::npos);
}

TEST_P(OwnConfig, SetChangesWhatCanBeChangedForAllWorkersAndNothingElse) {
  RespClient user = client();
  EXPECT_EQ(user.ask("ANTEROOM", "CONFIG", "SET", "limits.bulk_bytes", "2kb"), kOk);
  EXPECT_EQ(user.ask("ANTEROOM", "CONFIG", "GET", "limits.bulk_bytes").items[1].text, "2kb");
  for (int i = 0; i < 4; ++i) {
    RespClient next = client();
    next.send_raw("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4000\r\n");
    EXPECT_EQ(next.read_rest().bytes, "-ERR Protocol error: invalid bulk length\r\n");
  }
  EXPECT_EQ(user.ask("ANTEROOM", "CONFIG", "SET", "limits.bulk_bytes", "512mb"), kOk);
  EXPECT_EQ(client().ask("SET", unique_key(), std::string(4000, 'x')), kOk);
  EXPECT_EQ(user.ask("ANTEROOM", "CONFIG", "SET", "log.level", "debug"), kOk);
  EXPECT_EQ(user.ask("ANTEROOM", "CONFIG", "SET", "log.level", "info"), kOk);
  for (const auto& [name, value] : std::initializer_list<std::pair<const char*, const char*>>{
           {"log.level", "loud"}, {"limits.bulk_bytes", "-1"}, {"listen.port", "1"}, {"no.such", "1"}}) {
    EXPECT_TRUE(starts_with(user.ask("ANTEROOM", "CONFIG", "SET", name, value).raw, "-ERR anteroom: ")) << name;
  }
  EXPECT_TRUE(user.ask("ANTEROOM", "CONFIG", "SET", "log.level").is_error());
  EXPECT_TRUE(user.ask("ANTEROOM", "CONFIG", "REWRITE").is_error());
}

TEST_P(OwnConfig, ConfigIsTheServers) {
  RespClient user = client();
  EXPECT_EQ(user.ask("CONFIG", "SET", "maxmemory", "100mb"), kOk);
  EXPECT_EQ(user.ask("CONFIG", "GET", "maxmemory"), "*2\r\n$9\r\nmaxmemory\r\n$9\r\n104857600\r\n");
}

}  // namespace
}  // namespace anteroom::test
