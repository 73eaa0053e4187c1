// MULTI, WATCH and blocking commands through the front-end are those of the server.
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "support/rig.hpp"

namespace anteroom::test {
namespace {

class Transactions : public SharedRigTest<Transactions> {
 public:
  static Rig::Options rig_options() { return {.front = {.arguments = {"--workers", "2"}}}; }
};
INSTANTIATE_TEST_SUITE_P(Over, Transactions, kBothTransports, transport_name);

TEST_P(Transactions, RunAsOneAndAreSeenByEverybodyAtOnce) {
  const std::string key = unique_key();
  RespClient user = client();
  RespClient other = client();
  user.ask("SET", key, "1");
  ASSERT_EQ(other.ask("GET", key), bulk("1"));
  EXPECT_EQ(user.ask("MULTI"), kOk);
  EXPECT_EQ(user.ask("INCR", key), "+QUEUED\r\n");
  EXPECT_EQ(user.ask("INCR", key), "+QUEUED\r\n");
  EXPECT_EQ(user.ask("GET", key), "+QUEUED\r\n");
  EXPECT_EQ(other.ask("GET", key), bulk("1"));
  EXPECT_EQ(user.ask("EXEC"), "*3\r\n:2\r\n:3\r\n$1\r\n3\r\n");
  EXPECT_EQ(other.ask("GET", key), bulk("3"));
  EXPECT_EQ(user.ask("GET", key), bulk("3"));
}

TEST_P(Transactions, InOnePacketWithWhatIsAroundThem) {
  const std::string key = unique_key();
  RespClient user = client();
  for (int i = 0; i < 100; ++i) {
    user.send_raw(encode({"SET", key, "0"}) + encode({"MULTI"}) + encode({"INCR", key}) + encode({"EXEC"}) +
                  encode({"GET", key}) + encode({"MULTI"}) + encode({"INCR", key}) + encode({"DISCARD"}) +
                  encode({"GET", key}));
    for (const std::string_view reply : {"+OK\r\n", "+OK\r\n", "+QUEUED\r\n", "*1\r\n:1\r\n", "$1\r\n1\r\n", "+OK\r\n",
                                         "+QUEUED\r\n", "+OK\r\n", "$1\r\n1\r\n"}) {
      ASSERT_EQ(user.read(), reply);
    }
  }
}

TEST_P(Transactions, WatchNoticesTheWriteOfAnother) {
  const std::string key = unique_key();
  RespClient user = client();
  RespClient other = client();
  user.ask("SET", key, "1");
  user.ask("GET", key);
  EXPECT_EQ(user.ask("WATCH", key), kOk);
  EXPECT_EQ(user.ask("GET", key), bulk("1"));
  other.ask("SET", key, "2");
  EXPECT_EQ(user.ask("MULTI"), kOk);
  user.ask("SET", key, "lost update");
  EXPECT_EQ(user.ask("EXEC"), "*-1\r\n");
  EXPECT_EQ(user.ask("GET", key), bulk("2"));
}

TEST_P(Transactions, CompareAndSetLosesNoUpdateAmongManyClients) {
  const std::string key = unique_key();
  direct().ask("SET", key, "0");
  constexpr int kClients = 6, kTimes = 50;
  std::vector<std::thread> threads;
  for (int i = 0; i < kClients; ++i) {
    threads.emplace_back([&] {
      RespClient user = client();
      for (int done = 0; done < kTimes;) {
        user.ask("WATCH", key);
        const std::string now = user.ask("GET", key).text;
        user.ask("MULTI");
        user.ask("SET", key, std::to_string(std::stoi(now) + 1));
        if (user.ask("EXEC").raw.starts_with("*1")) ++done;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(client().ask("GET", key), bulk(std::to_string(kClients * kTimes)));
}

TEST_P(Transactions, ErrorsAreThoseOfTheServer) {
  const std::string key = unique_key();
  RespClient user = client();
  RespClient backend = direct();
  const std::vector<std::vector<std::string_view>> script{{"EXEC"},
                                                          {"DISCARD"},
                                                          {"UNWATCH"},
                                                          {"MULTI"},
                                                          {"MULTI"},
                                                          {"WATCH", key},
                                                          {"EXEC"},
                                                          {"MULTI"},
                                                          {"GET"},
                                                          {"EXEC"},
                                                          {"MULTI"},
                                                          {"NOSUCH"},
                                                          {"SET", key, "v"},
                                                          {"EXEC"},
                                                          {"GET", key},
                                                          {"MULTI"},
                                                          {"LPUSH", key, "x"},
                                                          {"PING"},
                                                          {"ECHO", "e"},
                                                          {"SELECT", "1"},
                                                          {"EXEC"},
                                                          {"SELECT", "0"},
                                                          {"MULTI", "x"},
                                                          {"MULTI"},
                                                          {"BLPOP", "none", "0"},
                                                          {"XREAD", "BLOCK", "0", "STREAMS", "none", "$"},
                                                          {"EXEC"},
                                                          {"WATCH"},
                                                          {"MULTI"},
                                                          {"UNWATCH"},
                                                          {"EXEC"},
                                                          {"DEL", key}};
  std::vector<std::string> expected;
  for (const auto& command : script) expected.push_back(backend.ask(command).raw);
  for (std::size_t i = 0; i < script.size(); ++i) {
    EXPECT_EQ(user.ask(script[i]).raw, expected[i]) << i << ": " << script[i][0];
  }
}

TEST_P(Transactions, ClientThatLeavesInTheMiddleLeavesNothingBehind) {
  const std::string key = unique_key();
  for (int i = 0; i < 20; ++i) {
    RespClient gone = client();
    gone.ask("WATCH", key);
    gone.ask("MULTI");
    gone.ask("SET", key, "never");
  }
  RespClient user = client();
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(user.ask("MULTI"), kOk);
    EXPECT_EQ(user.ask("EXISTS", key), "+QUEUED\r\n");
    EXPECT_EQ(user.ask("EXEC"), "*1\r\n:0\r\n");
  }
}

TEST_P(Transactions, SelectInsideMovesTheSession) {
  const std::string key = unique_key();
  RespClient user = client();
  user.send_raw(encode({"MULTI"}) + encode({"SELECT", "2"}) + encode({"SET", key, "v"}) + encode({"EXEC"}) +
                encode({"GET", key}) + encode({"SELECT", "0"}) + encode({"GET", key}));
  for (const std::string_view reply :
       {"+OK\r\n", "+QUEUED\r\n", "+QUEUED\r\n", "*2\r\n+OK\r\n+OK\r\n", "$1\r\nv\r\n", "+OK\r\n", "$-1\r\n"}) {
    EXPECT_EQ(user.read(), reply);
  }
}

// --- Blocking commands ---

TEST_P(Transactions, BlockedPopGetsWhatAnotherPushes) {
  const std::string key = unique_key();
  RespClient blocked = client();
  RespClient other = client();
  blocked.send({"BLPOP", key, "0"});
  blocked.send({"PING"});
  ASSERT_TRUE(
      eventually([&] { return direct().ask("INFO", "clients").text.find("blocked_clients:1") != std::string::npos; }));
  EXPECT_EQ(other.ask("RPUSH", key, "v"), integer(1));
  EXPECT_EQ(blocked.read().items.at(1).text, "v");
  EXPECT_EQ(blocked.read(), kPong);
}

TEST_P(Transactions, BlockingCommandsAnswerAsTheServerDoes) {
  const std::string key = unique_key();
  RespClient user = client();
  RespClient backend = direct();
  const std::vector<std::vector<std::string_view>> script{
      {"BLPOP", key, "0.01"},
      {"BRPOP", key, "0.01"},
      {"BLMOVE", key, key, "LEFT", "RIGHT", "0.01"},
      {"BRPOPLPUSH", key, key, "0.01"},
      {"BLMPOP", "0.01", "1", key, "LEFT"},
      {"BZPOPMIN", key, "0.01"},
      {"BZPOPMAX", key, "0.01"},
      {"BZMPOP", "0.01", "1", key, "MIN"},
      {"XREAD", "BLOCK", "10", "STREAMS", key, "$"},
      {"XREAD", "COUNT", "1", "BLOCK", "10", "STREAMS", key, "0"},
      {"BLPOP", key, "-1"},
      {"BLPOP", key, "nonsense"},
      {"BLPOP", key},
      {"XREAD", "BLOCK", "1.5", "STREAMS", key, "$"},
      {"XREADGROUP", "GROUP", "g", "c", "BLOCK", "10", "STREAMS", key, ">"},
      {"BLPOP", key, "1e400"},
  };
  for (const auto& command : script) {
    EXPECT_EQ(user.ask(command).raw, backend.ask(command).raw) << command[0] << ' ' << command.back();
  }
  EXPECT_EQ(user.ask("PING"), kPong);
}

TEST_P(Transactions, ClientThatLeavesWhileBlockedTakesNothing) {
  const std::string key = unique_key();
  const auto blocked = [&] {
    const std::string info = direct().ask("INFO", "clients").text;
    const std::size_t at = info.find("blocked_clients:") + 16;
    return std::stoi(info.substr(at));
  };
  {
    RespClient gone = client();
    gone.send({"BLPOP", key, "0"});
    ASSERT_TRUE(eventually([&] { return blocked() == 1; }));
  }
  ASSERT_TRUE(eventually([&] { return blocked() == 0; }));
  RespClient user = client();
  EXPECT_EQ(user.ask("RPUSH", key, "v"), integer(1));
  EXPECT_EQ(user.ask("LLEN", key), integer(1));
}

TEST_P(Transactions, ManyBlockedClientsDoNotHoldUpOthers) {
  const std::string key = unique_key();
  std::vector<RespClient> blocked;
  for (int i = 0; i < 50; ++i) {
    blocked.push_back(client());
    blocked.back().send({"BRPOP", key, "0"});
  }
  RespClient user = client();
  for (int i = 0; i < 50; ++i) EXPECT_EQ(user.ask("PING"), kPong);
  for (int i = 0; i < 50; ++i) user.ask("LPUSH", key, std::to_string(i));
  for (RespClient& one : blocked) EXPECT_EQ(one.read().items.size(), 2U);
}

// --- WAIT ---

TEST(Wait, TellsTheTruthAboutAReplicaThatHangs) {
  Rig rig{Rig::Options{}};
  ASSERT_TRUE(rig.is_ready());
  const std::string port = std::to_string(rig.redis.address(Transport::kTcp).port);
  RedisServer replica{{.arguments = {"--replicaof", "127.0.0.1", port}}};
  ASSERT_TRUE(replica.start());
  RespClient user = rig.front.connect(Transport::kTcp);
  ASSERT_TRUE(eventually([&] { return user.ask("WAIT", "1", "10") == integer(1); }));
  user.ask("SET", "k", "1");
  EXPECT_EQ(user.ask("WAIT", "1", "5000"), integer(1));

  replica.pause();
  user.ask("SET", "k", "2");
  EXPECT_EQ(user.ask("WAIT", "1", "100"), integer(0)) << "a connection that has written nothing would say 1";
  replica.resume();

  EXPECT_EQ(user.ask("WAIT", "1", "5000"), integer(1));
  EXPECT_EQ(replica.connect().ask("GET", "k"), bulk("2"));
}

}  // namespace
}  // namespace anteroom::test
