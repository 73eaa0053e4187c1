// Replies come in the order of the requests, to the client that asked, whatever mixture of hits, misses, forwarded and
// local commands was sent and however the bytes were cut.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "support/rig.hpp"

namespace anteroom::test {
namespace {

class Ordering : public SharedRigTest<Ordering> {
 public:
  /// So large a cache that pipelines of GETs are read ahead.
  static Rig::Options rig_options() { return {.front = {.arguments = {"--capacity", "16384"}}}; }

 protected:
  /// One random command over few keys, so that hits, misses and writes of the same key lie close together.
  static std::string random_command(std::mt19937& random, const std::string& base) {
    const std::string key = base + ":" + std::to_string(random() % 20);
    const std::string value = std::to_string(random());
    switch (random() % 14) {
      case 0:
      case 1:
      case 2:
      case 3:
      case 4:
        return encode({"GET", key});
      case 5:
        return encode({"SET", key, value});
      case 6:
        return encode({"APPEND", key, value});
      case 7:
        return encode({"DEL", key});
      case 8:
        return encode({"ECHO", value});
      case 9:
        return encode({"PING"});
      case 10:
        return encode({"STRLEN", key});
      case 11:
        return encode({"NOSUCHCOMMAND", value});
      case 12:
        return encode({"SELECT", std::to_string(random() % 3)});
      default:
        return encode({"GETRANGE", key, "0", "3"});
    }
  }
};

INSTANTIATE_TEST_SUITE_P(Over, Ordering, kBothTransports, transport_name);

TEST_P(Ordering, MixedPipelinesOfAThousandCommandsAreAnsweredLikeTheServerWould) {
  RedisServer reference;
  ASSERT_TRUE(reference.start());
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random{seed};
  for (int round = 0; round < 8; ++round) {
    const std::string base = unique_key("mixed");
    std::string pipeline;
    for (int i = 0, gets = 0; i < 1'000; ++i) {
      if (gets == 0 && random() % 8 == 0) gets = static_cast<int>(random() % 24);
      const std::string get = encode({"GET", base + ":" + std::to_string(random() % 20)});
      pipeline += gets > 0 ? get : random_command(random, base);
      gets -= gets > 0 ? 1 : 0;
    }
    RespClient expected = reference.connect();
    RespClient actual = client();
    expected.send_raw(pipeline);

    for (std::size_t at = 0; at < pipeline.size();) {
      const std::size_t length = round % 2 == 0 ? pipeline.size() : 1 + random() % 4'000;
      actual.send_raw(std::string_view{pipeline}.substr(at, length));
      at += length;
    }

    for (int i = 0; i < 1'000; ++i) ASSERT_EQ(actual.read(), expected.read()) << "round " << round << ", reply " << i;
  }
}

TEST_P(Ordering, BytesThatArriveOneByOneAreTheSameCommands) {
  const std::string key = unique_key();
  RespClient user = client();
  const std::string bytes = encode({"SET", key, "a\r\nb"}) + encode({"GET", key}) + "PING\r\n" +
                            encode({"STRLEN", key}) + encode({"GET", key}) + encode({"ECHO", "end"});
  for (const char byte : bytes) ASSERT_TRUE(user.send_raw({&byte, 1}));
  EXPECT_EQ(user.read(), kOk);
  EXPECT_EQ(user.read(), bulk("a\r\nb"));
  EXPECT_EQ(user.read(), kPong);
  EXPECT_EQ(user.read(), integer(4));
  EXPECT_EQ(user.read(), bulk("a\r\nb"));
  EXPECT_EQ(user.read(), bulk("end"));
}

TEST_P(Ordering, ManyClientsEachGetTheirOwnTokensBack) {
  constexpr int kClients = 16;
  constexpr int kRounds = 40;
  std::mutex mutex;
  std::vector<std::string> wrong;  // what came instead of what
  std::vector<std::thread> threads;
  for (int c = 0; c < kClients; ++c) {
    threads.emplace_back([&, c, user = client()]() mutable {
      const std::string base = "token:" + std::to_string(c) + ":";
      for (int round = 0; round < kRounds; ++round) {
        std::string pipeline;
        std::vector<std::string> expected;
        for (int i = 0; i < 10; ++i) {
          const std::string token = base + std::to_string(round * 10 + i);
          pipeline += encode({"SET", token, token}) + encode({"GET", token}) + encode({"ECHO", token}) +
                      encode({"EVAL", "return ARGV[1]", "0", token});
          expected.insert(expected.end(), {std::string{kOk}, bulk(token), bulk(token), bulk(token)});
        }
        user.send_raw(pipeline);
        for (const std::string& each : expected) {
          const Reply reply = user.read();
          if (reply == each) continue;
          const std::lock_guard lock{mutex};
          wrong.push_back(escaped(reply.raw, 100) + " for " + escaped(each, 100));
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<std::string>{});
}

TEST_P(Ordering, ALongPipelineIsAnsweredCompletelyToAClientThatReadsLate) {
  constexpr int kCommands = 30'000;  // more than the front-end owes one client before it stops reading from it
  const std::string key = unique_key();
  RespClient user = client();
  std::string pipeline;
  for (int i = 0; i < kCommands; ++i)
    pipeline += i % 3 == 0 ? encode({"INCR", key}) : encode({"ECHO", std::to_string(i)});
  ASSERT_TRUE(user.send_raw(pipeline));
  for (int i = 0; i < kCommands; ++i) {
    ASSERT_EQ(user.read(), i % 3 == 0 ? integer(i / 3 + 1) : bulk(std::to_string(i)));
  }
}

TEST_P(Ordering, AClientThatDoesNotReadDelaysNobodyElse) {
  const std::string key = unique_key();
  const std::string value(1'000'000, 'v');
  RespClient slow = client();
  slow.ask("SET", key, value);
  std::string pipeline;
  for (int i = 0; i < 60; ++i) pipeline += i % 2 == 0 ? encode({"GET", key}) : encode({"GETRANGE", key, "0", "-1"});
  ASSERT_TRUE(slow.send_raw(pipeline));

  for (int i = 0; i < 8; ++i) {
    RespClient other = client();
    EXPECT_EQ(other.ask("SET", key + ":other", "x"), kOk);
    EXPECT_EQ(other.ask("GET", key + ":other"), bulk("x"));
  }

  const std::string expected = bulk(value);
  for (int i = 0; i < 60; ++i) ASSERT_TRUE(slow.read() == expected) << i;
}

TEST_P(Ordering, ClientsThatLeaveInTheMiddleHarmNobody) {
  const std::string key = unique_key();
  const std::string value(100'000, 'v');
  RespClient bystander = client();
  bystander.ask("SET", key, value);
  for (int i = 0; i < 100; ++i) {
    RespClient leaver = client();
    const std::string token = "token " + std::to_string(i);
    const std::string asked =
        encode({"GETRANGE", key, "0", "-1"}) + encode({"GET", key}) + encode({"GET", key + ":no"});
    switch (i % 5) {
      case 0:
        leaver.send_raw("*3\r\n$3\r\nSET\r\n$5\r\nab");
        break;
      case 1:
        leaver.send_raw(asked + asked + asked);
        break;
      case 2:
        leaver.send_raw(asked + "*2\r\n$3\r\nGET\r\n$100000000\r\nabc");
        break;
      case 3:
        leaver.send_raw(asked + encode({"EVAL", "return 1", "0"}));
        leaver.close_with_reset();
        break;
      default:
        leaver.send_raw(asked);
        (void)leaver.read();
    }
    leaver.close();
    ASSERT_EQ(bystander.ask("EVAL", "return ARGV[1]", "0", token), bulk(token));
    ASSERT_TRUE(bystander.ask("GET", key) == bulk(value));
  }
}

TEST_P(Ordering, TheCommandsOfAHalfClosedClientHaveRunAndItIsClosed) {
  const std::string key = unique_key();
  redis().pause();
  RespClient user = client();
  user.send_raw(encode({"SET", key, "1"}) + encode({"INCR", key}));
  std::vector<RespClient> sent;
  sent.push_back(std::move(user));
  const bool is_read = eventually([&] { return bytes_not_read_by_server(sent) == 0; });
  redis().resume();
  EXPECT_TRUE(is_read);
  EXPECT_EQ(sent[0].read(), kOk);
  sent[0].shut_down_writing();
  const auto rest = sent[0].read_rest();
  EXPECT_TRUE(rest.is_closed);
  EXPECT_TRUE(rest.bytes == integer(2) || rest.bytes.empty()) << escaped(rest.bytes);
  EXPECT_TRUE(eventually([&] { return client().ask("GET", key) == bulk("2"); }));
}

}  // namespace
}  // namespace anteroom::test
