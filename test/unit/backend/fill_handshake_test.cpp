#include "backend/fill_handshake.hpp"

#include <gtest/gtest.h>

namespace anteroom::backend {
namespace {

using Step = FillHandshake::Step;
using Words = std::vector<std::vector<std::string_view>>;

constexpr FillHandshake::Reply kOk{};

FillHandshake::Reply hello(std::string_view server, std::string_view version) {
  return {.error = {}, .server = server, .version = version};
}
FillHandshake::Reply error(std::string_view text) { return {.error = text, .server = {}, .version = {}}; }

/// Past HELLO, with the answers to what follows it.
Greeting greeting_after(const FillHandshake::Reply& tracking, const FillHandshake::Reply& hash_fields,
                        const FillHandshake::Reply& fence) {
  FillHandshake handshake({}, true);
  EXPECT_EQ(handshake.on_reply(hello("redis", "7.0.15")), Step::kSend);
  EXPECT_EQ(handshake.on_reply(tracking), Step::kMore);
  EXPECT_EQ(handshake.on_reply(hash_fields), Step::kMore);
  EXPECT_EQ(handshake.on_reply(fence), Step::kDone);
  return handshake.greeting();
}

TEST(FillHandshake, TracksAfterHelloTrackingAndTheFirstFence) {
  FillHandshake handshake({}, true);
  EXPECT_EQ(handshake.commands(), (Words{{"HELLO", "3", "SETNAME", "anteroom-fill"}}));

  EXPECT_EQ(handshake.on_reply(hello("redis", "7.0.15")), Step::kSend);

  EXPECT_EQ(handshake.commands(), (Words{{"CLIENT", "TRACKING", "ON"}, {"COMMAND", "INFO", "HPEXPIRE"}, {"PING"}}));
  EXPECT_TRUE(greeting_after(kOk, kOk, kOk).tracks);
}

TEST(FillHandshake, LogsInWithHello) {
  const FillHandshake named({"worker", "secret"}, true);
  const FillHandshake unnamed({"", "secret"}, true);

  EXPECT_EQ(named.commands(), (Words{{"HELLO", "3", "AUTH", "worker", "secret", "SETNAME", "anteroom-fill"}}));
  EXPECT_EQ(unnamed.commands(), (Words{{"HELLO", "3", "AUTH", "default", "secret", "SETNAME", "anteroom-fill"}}));
}

TEST(FillHandshake, HashFieldsExpireIfTheServerKnowsTheCommand) {
  FillHandshake::Reply known;
  known.lists_a_command = true;

  EXPECT_TRUE(greeting_after(kOk, known, kOk).expires_hash_fields);
  EXPECT_FALSE(greeting_after(kOk, kOk, kOk).expires_hash_fields);
  EXPECT_TRUE(greeting_after(kOk, error("NOPERM no"), kOk).expires_hash_fields) << "it may";
}

TEST(FillHandshake, RefusedTrackingIsToldWithItsReason) {
  const Greeting greeting = greeting_after(error("NOPERM no tracking for you"), kOk, kOk);

  EXPECT_FALSE(greeting.tracks);
  EXPECT_EQ(greeting.why_not, "NOPERM no tracking for you");
}

TEST(FillHandshake, ServerThatAnswersNoFenceIsNotTrusted) {
  EXPECT_FALSE(greeting_after(kOk, kOk, error("NOPERM no ping")).tracks);
}

TEST(FillHandshake, OldServerIsGreetedWithoutTracking) {
  FillHandshake handshake({}, true);

  EXPECT_EQ(handshake.on_reply(error("ERR unknown command `HELLO`")), Step::kSend);

  EXPECT_EQ(handshake.commands(), (Words{{"CLIENT", "SETNAME", "anteroom-fill"}}));
  EXPECT_EQ(handshake.on_reply(kOk), Step::kDone);
  EXPECT_FALSE(handshake.greeting().tracks);
  EXPECT_EQ(handshake.greeting().why_not, "HELLO 3: ERR unknown command `HELLO`");
}

TEST(FillHandshake, OldServerWithPasswordIsLoggedInToTheOldWay) {
  FillHandshake handshake({"", "secret"}, true);

  EXPECT_EQ(handshake.on_reply(error("NOPROTO unsupported protocol version")), Step::kSend);

  EXPECT_EQ(handshake.commands(), (Words{{"AUTH", "secret"}, {"CLIENT", "SETNAME", "anteroom-fill"}}));
  EXPECT_EQ(handshake.on_reply(kOk), Step::kMore);
  EXPECT_EQ(handshake.on_reply(kOk), Step::kDone);
}

TEST(FillHandshake, VersionsThatGarbleInvalidationsAreNotAskedToTrack) {
  for (const std::string_view version : {"6.0.16", "6.2.6", "5.0", "", "x"}) {
    FillHandshake handshake({}, true);
    EXPECT_EQ(handshake.on_reply(hello("redis", version)), Step::kDone) << version;
    EXPECT_FALSE(handshake.greeting().tracks) << version;
  }
  for (const std::string_view version : {"6.2.7", "6.2.14", "7.0.0", "8.4.0", "10.0.0"}) {
    FillHandshake handshake({}, true);
    EXPECT_EQ(handshake.on_reply(hello("redis", version)), Step::kSend) << version;
  }
  FillHandshake valkey({}, true);
  EXPECT_EQ(valkey.on_reply(hello("valkey", "1.0")), Step::kSend);
}

TEST(FillHandshake, WithoutTrackingItIsNotAskedFor) {
  FillHandshake handshake({}, false);
  EXPECT_EQ(handshake.commands(), (Words{{"HELLO", "3", "SETNAME", "anteroom-fill"}}));
  EXPECT_EQ(handshake.on_reply(hello("redis", "7.0.15")), Step::kDone);
  EXPECT_FALSE(handshake.greeting().tracks);
  EXPECT_TRUE(handshake.greeting().speaks_resp3);
  EXPECT_EQ(handshake.greeting().why_not, "");
}

TEST(FillHandshake, OldServerWithoutTrackingIsGreetedInItsOwnProtocol) {
  FillHandshake handshake({}, false);
  EXPECT_EQ(handshake.on_reply(error("ERR unknown command `HELLO`")), Step::kSend);
  EXPECT_EQ(handshake.commands(), (Words{{"CLIENT", "SETNAME", "anteroom-fill"}}));
  EXPECT_EQ(handshake.on_reply(error("NOPERM no name")), Step::kDone);
  EXPECT_FALSE(handshake.greeting().speaks_resp3);
  EXPECT_EQ(handshake.greeting().why_not, "");
}

TEST(FillHandshake, RefusalsEndIt) {
  for (const std::string_view refusal :
       {"NOAUTH HELLO must be called with the client already authenticated", "WRONGPASS invalid username-password pair",
        "ERR max number of clients reached", "DENIED Redis is running in protected mode"}) {
    for (const bool wants_tracking : {true, false}) {
      FillHandshake handshake({}, wants_tracking);
      EXPECT_EQ(handshake.on_reply(error(refusal)), Step::kFailed) << refusal;
      EXPECT_NE(handshake.error().reply(), "") << refusal;
    }
  }
}

TEST(FillHandshake, ServerThatIsStillLoadingIsTriedAgain) {
  FillHandshake handshake({}, true);
  EXPECT_EQ(handshake.on_reply(hello("redis", "7.0.15")), Step::kSend);
  EXPECT_EQ(handshake.on_reply(kOk), Step::kMore);
  EXPECT_EQ(handshake.on_reply(kOk), Step::kMore);
  EXPECT_EQ(handshake.on_reply(error("LOADING Redis is loading the dataset in memory")), Step::kFailed);
}

TEST(FillHandshake, EveryErrorOfTheOldLogInIsAFailure) {
  FillHandshake handshake({"", "secret"}, false);
  ASSERT_EQ(handshake.on_reply(error("ERR unknown command `HELLO`")), Step::kSend);
  EXPECT_EQ(handshake.on_reply(error("ERR AUTH <password> called without any password configured")), Step::kFailed);
}

}  // namespace
}  // namespace anteroom::backend
