// What the program says of users in its configuration, and its hash-password subcommand.
#include <gtest/gtest.h>

#include <string>

#include "support/rig.hpp"

namespace anteroom::test {
namespace {

Finished check(const TempDir& dir, const std::string& config) {
  return run_anteroom({"check", "--config", dir.write("c.json", config)});
}

TEST(HashPassword, PrintsTheHashThatRulesTake) {
  const Finished hashed = run_anteroom({"hash-password"}, {.input = "abc\n"});
  EXPECT_EQ(hashed.status, ExitStatus{.code = 0});
  EXPECT_EQ(hashed.output, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\n");
  EXPECT_EQ(run_anteroom({"hash-password"}, {.input = "abc"}).output, hashed.output);

  RedisServer redis;
  ASSERT_TRUE(redis.start());
  RespClient client = redis.connect();
  const std::string rule = "#" + hashed.output.substr(0, 64);
  ASSERT_EQ(client.ask("ACL", "SETUSER", "u", "on", rule, "+ping"), kOk);
  EXPECT_EQ(client.ask("AUTH", "u", "abc"), kOk);
}

TEST(HashPassword, RefusesWhatIsNoPassword) {
  for (const std::string& input : {std::string(), std::string("\n"), std::string(5000, 'x'), std::string("a\0b", 3)}) {
    const Finished refused = run_anteroom({"hash-password"}, {.input = input});
    EXPECT_EQ(refused.status, ExitStatus{.code = 2});
    EXPECT_EQ(refused.output, "");
    EXPECT_TRUE(starts_with(refused.errors, "anteroom: /dev/stdin: "));
  }
  EXPECT_EQ(run_anteroom({"hash-password", "--nonsense"}).status, ExitStatus{.code = 2});
}

TEST(AuthSetup, CheckRefusesBadRulesAndNamesTheirPlace) {
  const TempDir dir;
  const Finished refused = check(dir, R"({"auth":{"mode":"proxy","users":[{"name":"a","rules":"on nopass"},
                                         {"name":"b","rules":"on >secret +nosuch"}]}})");
  EXPECT_EQ(refused.status, ExitStatus{.code = 2});
  EXPECT_EQ(refused.errors,
            "anteroom: auth.users[1].rules: Error in ACL SETUSER modifier '+nosuch': Unknown command or category name "
            "in ACL\n");
}

TEST(AuthSetup, ServeRefusesBadRulesToo) {
  const TempDir dir;
  const std::string config = R"({"auth":{"mode":"proxy","users":[{"name":"a","rules":"on +@all"}]}})";
  const Finished refused = run_anteroom({"serve", "--config", dir.write("c.json", config)});
  EXPECT_EQ(refused.status, ExitStatus{.code = 2});
  EXPECT_TRUE(starts_with(refused.errors, "anteroom: auth.users[0]: the user is on but has no password"));
}

TEST(AuthSetup, CheckShowsUsersWithoutSecrets) {
  const TempDir dir;
  const Finished shown = check(dir, R"({"auth":{"mode":"proxy","users":[{"name":"a","rules":"on >secret +get"}]}})");
  EXPECT_EQ(shown.status, ExitStatus{.code = 0}) << shown.errors;
  EXPECT_TRUE(contains(shown.output, "on >*** +get"));
  EXPECT_FALSE(contains(shown.output, "secret"));
}

TEST(AuthSetup, TheSampleIsRightButForItsPasswordFile) {
  const Finished refused = run_anteroom({"check", "--config", "conf/anteroom-users.json"});
  EXPECT_EQ(refused.errors,
            "anteroom: auth.users[1].upstream_password_file: /etc/anteroom/shop-upstream-password: No such file or "
            "directory\n");
}

}  // namespace
}  // namespace anteroom::test
