// The server is down, slow, frozen, killed, or does not accept us: each request gets exactly one honest answer.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "support/rig.hpp"

namespace anteroom::test {
namespace {

testing::AssertionResult is_cannot_connect(const Reply& reply) {
  if (const auto code = starts_with(reply.raw, "-MASTERDOWN anteroom: "); !code) return code;
  if (const auto stage = contains(reply.raw, "(stage=connect"); !stage) return stage;
  return contains(reply.raw, "executed=no");
}

/// As a server that is just dying gives it: it may still accept a connection and close it again.
testing::AssertionResult is_not_reached(const Reply& reply) {
  if (contains(reply.raw, "(stage=handshake executed=no")) return starts_with(reply.raw, "-MASTERDOWN anteroom: ");
  return is_cannot_connect(reply);
}

testing::AssertionResult is_unknown_outcome(const Reply& reply, std::string_view code) {
  if (const auto start = starts_with(reply.raw, std::string{code} + " anteroom: "); !start) return start;
  return contains(reply.raw, "(stage=response executed=unknown");
}

class Trouble : public testing::TestWithParam<Transport> {
 protected:
  /// A pair of its own for each test: these tests break things.
  void start(std::vector<std::string> arguments = {}, std::string config = {}) {
    rig_ = std::make_unique<Rig>(Rig::Options{
        .upstream = GetParam(), .front = {.arguments = std::move(arguments), .config = std::move(config)}});
    ASSERT_TRUE(rig_->is_ready());
  }

  RedisServer& redis() { return rig_->redis; }
  RespClient client() { return rig_->front.connect(GetParam()); }

  /// True when a write and a read go through again.
  bool recovers() {
    return eventually([&] {
      RespClient user = client();
      return user.ask("SET", "recovered", "yes") == kOk && user.ask("GET", "recovered") == bulk("yes");
    });
  }

  std::unique_ptr<Rig> rig_;
};

INSTANTIATE_TEST_SUITE_P(Over, Trouble, kBothTransports, transport_name);

TEST_P(Trouble, UpstreamDownAtStartGivesErrorsUntilItIsUp) {
  RedisServer late;
  AnteroomProcess front{{.upstream = late.url(GetParam())}};
  ASSERT_TRUE(front.start());
  RespClient user = front.connect(GetParam());

  EXPECT_EQ(user.ask("PING"), kPong);
  EXPECT_TRUE(is_cannot_connect(user.ask("GET", "k")));
  EXPECT_TRUE(is_cannot_connect(user.ask("SET", "k", "v")));
  EXPECT_EQ(user.ask("ECHO", "still here"), bulk("still here"));

  ASSERT_TRUE(late.start());
  ASSERT_TRUE(eventually([&] { return user.ask("SET", "k", "v") == kOk; }));
  EXPECT_TRUE(eventually([&] { return user.ask("GET", "k") == bulk("v"); }));
}

TEST_P(Trouble, HitsAreServedWhileTheUpstreamIsGoneAndItRecoversByItself) {
  start({"--stale-if-error", "60000"});
  RespClient user = client();
  user.ask("SET", "hot", "value");
  ASSERT_EQ(user.ask("GET", "hot"), bulk("value"));

  redis().kill();

  for (int i = 0; i < 20; ++i) EXPECT_EQ(user.ask("GET", "hot"), bulk("value"));
  EXPECT_EQ(client().ask("GET", "hot"), bulk("value"));
  ASSERT_TRUE(eventually([&] { return is_not_reached(user.ask("GET", "cold")); }));
  EXPECT_TRUE(is_not_reached(user.ask("INCR", "counter")));
  EXPECT_EQ(user.ask("GET", "hot"), bulk("value"));

  ASSERT_TRUE(redis().start());
  EXPECT_TRUE(recovers());
  EXPECT_EQ(user.ask("INCR", "counter"), integer(1)) << "the refused one was not run";
}

TEST_P(Trouble, AHitIsNotServedBeyondItsTtlWhenTheUpstreamIsGone) {
  start({"--cache-ttl", "1000"});
  RespClient user = client();
  user.ask("SET", "hot", "value");
  ASSERT_EQ(user.ask("GET", "hot"), bulk("value"));
  redis().kill();

  EXPECT_TRUE(eventually([&] { return user.ask("GET", "hot").is_error(); }));
  EXPECT_TRUE(eventually([&] { return is_cannot_connect(user.ask("GET", "hot")); }));
}

TEST_P(Trouble, AnErrorIsNeverNil) {
  start();
  RespClient user = client();
  user.ask("SET", "k", "v");
  redis().kill();
  for (int i = 0; i < 50; ++i) {
    const Reply reply = user.ask("GET", "key " + std::to_string(i));
    ASSERT_TRUE(reply.is_error()) << reply.raw;
    ASSERT_LE(reply.raw.size(), 256U + 3U);
  }
}

TEST_P(Trouble, AFrozenUpstreamGivesTimeoutsAndLaterRepliesGoToTheirAskers) {
  start({"--response-timeout", "700"}, R"({"cache":{"fill_timeout_ms":700}})");
  RespClient user = client();
  RespClient other = client();
  ASSERT_EQ(user.ask("SET", "k", "v"), kOk);
  ASSERT_EQ(other.ask("SET", "k2", "v"), kOk);

  redis().pause();
  user.send({"EVAL", "return ARGV[1]", "0", "lost"});
  other.send({"GETRANGE", "k", "0", "-1"});
  const Reply first = user.read();
  const Reply second = other.read();
  const Reply miss = client().ask("GET", "cold");
  redis().resume();

  EXPECT_TRUE(is_unknown_outcome(first, "-TIMEOUT"));
  EXPECT_TRUE(is_unknown_outcome(second, "-TIMEOUT"));
  // The fill connection has been silent for longer, since its last fence: it may be given up first.
  EXPECT_TRUE(is_unknown_outcome(miss, miss.raw.starts_with("-CONNLOST") ? "-CONNLOST" : "-TIMEOUT"));
  ASSERT_TRUE(recovers());
  for (int i = 0; i < 200; ++i) {
    const std::string token = "token " + std::to_string(i);
    ASSERT_EQ((i % 2 == 0 ? user : other).ask("EVAL", "return ARGV[1]", "0", token), bulk(token));
  }
}

TEST_P(Trouble, RepliesThatComeJustAfterTheTimeoutAreDiscarded) {
  start({"--response-timeout", "300"}, R"({"cache":{"fill_timeout_ms":300}})");
  RespClient user = client();
  ASSERT_EQ(user.ask("SET", "k", "v"), kOk);
  for (int round = 0; round < 3; ++round) {
    redis().pause();
    std::string pipeline;
    for (int i = 0; i < 20; ++i) pipeline += encode({"EVAL", "return 'late'", "0"});
    user.send_raw(pipeline);
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(user.read().is_error()) << i;
    redis().resume();
    ASSERT_TRUE(eventually([&] { return user.ask("EVAL", "return 'new'", "0").text == "new"; }));
    for (int i = 0; i < 50; ++i) {
      const std::string token = std::to_string(round) + ":" + std::to_string(i);
      ASSERT_EQ(user.ask("EVAL", "return ARGV[1]", "0", token), bulk(token));
    }
  }
}

TEST_P(Trouble, ALinkKilledInMidFlightIsAConnLostAndTheSessionLives) {
  start({"--response-timeout", "60000"});
  RespClient user = client();
  ASSERT_EQ(user.ask("SET", "k", "0"), kOk);
  RespClient backend = redis().connect();
  backend.ask("CLIENT", "PAUSE", "60000", "WRITE");
  user.send({"INCR", "k"});
  ASSERT_TRUE(eventually([&] { return backend.ask("CLIENT", "LIST").text.find("cmd=incr ") != std::string::npos; }));

  EXPECT_TRUE(backend.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes").number() > 0);

  EXPECT_TRUE(is_unknown_outcome(user.read(), "-CONNLOST"));
  backend.ask("CLIENT", "UNPAUSE");
  EXPECT_TRUE(eventually([&] { return user.ask("INCR", "k").type == ':'; }));
  EXPECT_EQ(user.ask("GET", "k"), backend.ask("GET", "k"));
}

TEST_P(Trouble, AllWaitersOfAFetchGetAnErrorWhenTheServerDies) {
  start();
  RespClient warm = client();
  (void)warm.ask("GET", "warm");
  std::vector<RespClient> clients;
  for (int i = 0; i < 100; ++i) clients.push_back(client());

  redis().pause();
  for (RespClient& each : clients) each.send({"GET", "cold"});
  const bool is_all_read = eventually([&] { return bytes_not_read_by_server(clients) == 0; });
  redis().kill();

  EXPECT_TRUE(is_all_read);
  for (RespClient& each : clients) EXPECT_TRUE(each.read().is_error());
  ASSERT_TRUE(redis().start());
  EXPECT_TRUE(recovers());
}

TEST_P(Trouble, AWriteOfUnknownOutcomeDropsTheCachedValue) {
  start({"--response-timeout", "300"});
  RespClient user = client();
  RespClient other = client();
  user.ask("SET", "k", "old");
  ASSERT_EQ(user.ask("GET", "k"), bulk("old"));

  redis().pause();
  const Reply reply = user.ask("SET", "k", "new");
  redis().resume();

  EXPECT_TRUE(is_unknown_outcome(reply, "-TIMEOUT"));
  RespClient backend = redis().connect();
  ASSERT_TRUE(eventually([&] { return backend.ask("GET", "k") == bulk("new") || recovers(); }));
  const Reply truth = backend.ask("GET", "k");
  EXPECT_TRUE(eventually([&] { return user.ask("GET", "k") == truth && other.ask("GET", "k") == truth; }));
}

TEST_P(Trouble, ErrorsOfTheServerComeThroughVerbatim) {
  start();
  RespClient user = client();
  RespClient backend = redis().connect();
  user.ask("RPUSH", "list", "x");
  user.ask("CONFIG", "SET", "maxmemory", "1");
  const Reply out_of_memory = user.ask("SET", "k", "v");
  EXPECT_TRUE(starts_with(out_of_memory.raw, "-OOM "));
  EXPECT_EQ(out_of_memory, backend.ask("SET", "k", "v"));
  user.ask("CONFIG", "SET", "maxmemory", "0");
  EXPECT_EQ(user.ask("INCR", "list"), backend.ask("INCR", "list"));
  EXPECT_EQ(user.ask("GET", "list"), backend.ask("GET", "list"));
}

TEST_P(Trouble, RestartsOfTheUpstreamUnderLoadGiveOneAnswerPerRequest) {
  start({"--response-timeout", "2000"});
  RespClient user = client();
  for (int round = 0; round < 3; ++round) {
    int answered = 0;
    std::string pipeline;
    for (int i = 0; i < 500; ++i) pipeline += encode({"ECHO", std::to_string(i)}) + encode({"INCR", "counter"});
    user.send_raw(pipeline);
    redis().kill();
    for (int i = 0; i < 500; ++i) {
      ASSERT_EQ(user.read(), bulk(std::to_string(i)));
      const Reply reply = user.read();
      ASSERT_TRUE(reply.type == ':' || reply.type == '-') << reply.raw;
      ++answered;
    }
    EXPECT_EQ(answered, 500);
    ASSERT_TRUE(redis().start());
    ASSERT_TRUE(recovers());
  }
}

}  // namespace
}  // namespace anteroom::test
