#include "upstream/handshake.hpp"

#include <gtest/gtest.h>

namespace anteroom::upstream {
namespace {

using Step = Handshake::Step;

constexpr std::string_view kHello = "*4\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$6\r\n7.0.15\r\n";
constexpr std::string_view kNoHello = "-ERR unknown command 'HELLO', with args beginning with: '2' \r\n";
constexpr std::string_view kOk = "+OK\r\n";

TEST(Handshake, WithoutCredentialsAsksForVersionAndSetsName) {
  Handshake handshake({}, 0);

  EXPECT_EQ(handshake.request(),
            "*2\r\n$5\r\nHELLO\r\n$1\r\n2\r\n*3\r\n$6\r\nCLIENT\r\n$7\r\nSETNAME\r\n$8\r\nanteroom\r\n");
  EXPECT_EQ(handshake.on_reply(kHello), Step::kMore);
  EXPECT_EQ(handshake.on_reply(kOk), Step::kDone);
  EXPECT_EQ(handshake.version(), "7.0.15");
}

TEST(Handshake, LogsInFirstAndSelectsLast) {
  Handshake handshake({.user = "bob", .password = "pa ss"}, 7);

  EXPECT_TRUE(handshake.request().starts_with("*3\r\n$4\r\nAUTH\r\n$3\r\nbob\r\n$5\r\npa ss\r\n"));
  EXPECT_TRUE(handshake.request().ends_with("*2\r\n$6\r\nSELECT\r\n$1\r\n7\r\n"));
  EXPECT_EQ(handshake.on_reply(kOk), Step::kMore);
  EXPECT_EQ(handshake.on_reply(kHello), Step::kMore);
  EXPECT_EQ(handshake.on_reply(kOk), Step::kMore);
  EXPECT_EQ(handshake.on_reply(kOk), Step::kDone);
}

TEST(Handshake, PasswordAloneMeansTheDefaultUser) {
  EXPECT_TRUE(Handshake({.user = "", .password = "x"}, 0).request().starts_with("*2\r\n$4\r\nAUTH\r\n$1\r\nx\r\n"));
}

TEST(Handshake, UserWithoutAPasswordIsNotTheDefaultUser) {
  EXPECT_TRUE(Handshake({.user = "bob", .password = ""}, 0)
                  .request()
                  .starts_with("*3\r\n$4\r\nAUTH\r\n$3\r\nbob\r\n$0\r\n\r\n"));
}

TEST(Handshake, OldServerWithoutHelloIsAccepted) {
  Handshake handshake({}, 0);

  EXPECT_EQ(handshake.on_reply(kNoHello), Step::kMore);
  EXPECT_EQ(handshake.on_reply(kOk), Step::kDone);
  EXPECT_EQ(handshake.version(), "");
}

TEST(Handshake, AsksForResp3WhereTheLaneSpeaksIt) {
  Handshake handshake({}, 0, resp::Protocol::kResp3);

  EXPECT_TRUE(handshake.request().starts_with("*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n"));
  EXPECT_EQ(handshake.on_reply("%2\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$6\r\n7.0.15\r\n"), Step::kMore);
  EXPECT_EQ(handshake.on_reply(kOk), Step::kDone);
  EXPECT_EQ(handshake.version(), "7.0.15");
}

TEST(Handshake, OldServerCannotServeResp3) {
  Handshake handshake({}, 0, resp::Protocol::kResp3);

  EXPECT_EQ(handshake.on_reply(kNoHello), Step::kFailed);
}

TEST(Handshake, RefusedLoginDoesNotLookLikeTheClientsOwn) {
  Handshake handshake({.user = "", .password = "wrong"}, 0);

  EXPECT_EQ(handshake.on_reply("-WRONGPASS invalid username-password pair or user is disabled.\r\n"), Step::kFailed);
  EXPECT_EQ(handshake.error().reply(),
            "ERR anteroom: upstream authentication failed (stage=handshake executed=no upstream=WRONGPASS)");
}

TEST(Handshake, ServerThatWantsAPasswordIsNoticedByHelloOrSetname) {
  Handshake modern({}, 0);
  EXPECT_EQ(modern.on_reply("-NOAUTH HELLO must be called with the client already authenticated\r\n"), Step::kFailed);
  EXPECT_TRUE(modern.error().reply().starts_with("ERR anteroom: upstream authentication failed"));

  Handshake old({}, 0);
  EXPECT_EQ(old.on_reply(kNoHello), Step::kMore);
  EXPECT_EQ(old.on_reply("-NOAUTH Authentication required.\r\n"), Step::kFailed);
}

TEST(Handshake, RefusedNameIsNoReasonToFail) {
  Handshake handshake({}, 0);

  EXPECT_EQ(handshake.on_reply(kHello), Step::kMore);
  EXPECT_EQ(handshake.on_reply("-NOPERM this user has no permissions to run the 'client|setname' command\r\n"),
            Step::kDone);
}

TEST(Handshake, MissingDbIsReportedInTheServersWords) {
  Handshake handshake({}, 99);
  EXPECT_EQ(handshake.on_reply(kHello), Step::kMore);
  EXPECT_EQ(handshake.on_reply(kOk), Step::kMore);

  EXPECT_EQ(handshake.on_reply("-ERR DB index is out of range\r\n"), Step::kFailed);
  EXPECT_EQ(handshake.error().reply(), "ERR DB index is out of range");
  EXPECT_TRUE(handshake.error().is_verbatim);
}

TEST(Handshake, FullServerIsAConnectErrorWhateverWasAsked) {
  Handshake handshake({.user = "", .password = "x"}, 0);

  EXPECT_EQ(handshake.on_reply("-ERR max number of clients reached\r\n"), Step::kFailed);
  EXPECT_TRUE(handshake.error().reply().starts_with("MASTERDOWN anteroom: cannot connect to upstream: max number"));
}

TEST(Handshake, ProtectedModeIsReported) {
  Handshake handshake({}, 0);

  EXPECT_EQ(handshake.on_reply("-DENIED Redis is running in protected mode\r\n"), Step::kFailed);
  EXPECT_TRUE(handshake.error().reply().starts_with("ERR anteroom: upstream refused the handshake: DENIED"));
}

}  // namespace
}  // namespace anteroom::upstream
