// An upstream that asks for a password: all the ways to give it, and what clients see when it is wrong.
#include <gtest/gtest.h>

#include <string>

#include "support/rig.hpp"

namespace anteroom::test {
namespace {

constexpr std::string_view kSecret = "s3cret-of-the-test";

class UpstreamAuth : public testing::TestWithParam<Transport> {
 protected:
  void SetUp() override { ASSERT_TRUE(redis_.start()); }

  /// Starts a front-end, runs a write, a read and a forwarded command, and looks for the secret in its output.
  void expect_works(AnteroomProcess::Options options) {
    AnteroomProcess front{std::move(options)};
    ASSERT_TRUE(front.start());
    RespClient user = front.connect(GetParam());
    EXPECT_EQ(user.ask("SET", "k", "v"), kOk);
    EXPECT_EQ(user.ask("GET", "k"), bulk("v"));
    EXPECT_EQ(user.ask("STRLEN", "k"), integer(1));
    front.stop();
    EXPECT_FALSE(contains(front.output(), kSecret));
  }

  void expect_refused(AnteroomProcess::Options options, std::string_view upstream_code) {
    options.arguments.insert(options.arguments.end(), {"--log-level", "debug"});
    AnteroomProcess front{std::move(options)};
    ASSERT_TRUE(front.start());
    RespClient user = front.connect(GetParam());
    for (const Reply& reply : {user.ask("SET", "k", "v"), user.ask("GET", "k"), user.ask("STRLEN", "k")}) {
      EXPECT_TRUE(starts_with(reply.raw, "-ERR anteroom: "));
      EXPECT_TRUE(contains(reply.raw, "(stage=handshake executed=no"));
      EXPECT_TRUE(contains(reply.raw, upstream_code));
    }
    EXPECT_EQ(user.ask("PING"), kPong);
    front.stop();
    EXPECT_FALSE(contains(front.output(), kSecret));
    EXPECT_FALSE(contains(front.output(), "wrong-secret"));
  }

  RedisServer redis_{{.password = std::string{kSecret}}};
  TempDir dir_;
};

INSTANTIATE_TEST_SUITE_P(Over, UpstreamAuth, kBothTransports, transport_name);

TEST_P(UpstreamAuth, PasswordInTheUrl) { expect_works({.upstream = redis_.url(GetParam(), "", kSecret)}); }

TEST_P(UpstreamAuth, UserAndPasswordInTheUrl) {
  redis_.connect().ask("ACL", "SETUSER", "alice", "on", ">" + std::string{kSecret} + "-alice", "~*", "&*", "+@all");
  expect_works({.upstream = redis_.url(GetParam(), "alice", std::string{kSecret} + "-alice")});
}

TEST_P(UpstreamAuth, PercentEncodedPasswordInTheUrl) {
  redis_.connect().ask("ACL", "SETUSER", "bob", "on", ">p@ss/w:rd%?", "~*", "&*", "+@all");
  expect_works({.upstream = redis_.url(GetParam(), "bob", "p%40ss%2Fw%3Ard%25%3F")});
}

TEST_P(UpstreamAuth, PasswordInTheEnvironment) {
  expect_works(
      {.upstream = redis_.url(GetParam()), .environment = {{"ANTEROOM_UPSTREAM_PASSWORD", std::string{kSecret}}}});
}

TEST_P(UpstreamAuth, PasswordInTheOldEnvironmentName) {
  expect_works({.upstream = redis_.url(GetParam()), .environment = {{"REDIS_PASSWORD", std::string{kSecret}}}});
}

TEST_P(UpstreamAuth, PasswordInAFileWithATrailingNewline) {
  const std::string path = dir_.write("password", std::string{kSecret} + "\n");
  expect_works({.upstream = redis_.url(GetParam()), .arguments = {"--upstream-password-file", path}});
}

TEST_P(UpstreamAuth, PasswordInTheConfiguration) {
  expect_works(
      {.upstream = redis_.url(GetParam()), .config = R"({"upstream":{"password":")" + std::string{kSecret} + R"("}})"});
}

TEST_P(UpstreamAuth, PasswordInTheOldFlagIsTakenOutOfTheCommandLine) {
  AnteroomProcess front{{.upstream = redis_.url(GetParam()), .arguments = {"--redis_password", std::string{kSecret}}}};
  ASSERT_TRUE(front.start());
  EXPECT_EQ(front.connect(GetParam()).ask("SET", "k", "v"), kOk);
  EXPECT_FALSE(contains(read_file("/proc/" + std::to_string(front.process().pid()) + "/cmdline"), kSecret));
}

TEST_P(UpstreamAuth, PasswordInTheUrlIsTakenOutOfTheCommandLine) {
  AnteroomProcess front{{.upstream = redis_.url(GetParam(), "", kSecret)}};
  ASSERT_TRUE(front.start());
  EXPECT_FALSE(contains(read_file("/proc/" + std::to_string(front.process().pid()) + "/cmdline"), kSecret));
}

TEST_P(UpstreamAuth, WrongPasswordIsOurErrorNotTheClients) {
  expect_refused({.upstream = redis_.url(GetParam(), "", "wrong-secret")}, "WRONGPASS");
}

TEST_P(UpstreamAuth, MissingPasswordIsOurErrorNotTheClients) {
  expect_refused({.upstream = redis_.url(GetParam())}, "NOAUTH");
}

}  // namespace
}  // namespace anteroom::test
