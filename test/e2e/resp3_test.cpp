// A client that speaks RESP3 gets what the server itself would send it, from the cache and from the server.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "support/rig.hpp"
#include "support/words.hpp"

namespace anteroom::test {
namespace {

class Resp3 : public SharedRigTest<Resp3> {
 public:
  static Rig::Options rig_options() { return {.front = {.arguments = {"--workers", "2"}}}; }
};
INSTANTIATE_TEST_SUITE_P(Over, Resp3, kBothTransports, transport_name);

TEST_P(Resp3, HelloSwitchesTheProtocolOfThisSessionAndBack) {
  RespClient user = client();
  RespClient other = client();
  const std::string key = unique_key();
  const Reply hello = user.ask("HELLO", "3");
  ASSERT_EQ(hello.type, '%') << hello.raw;
  ASSERT_EQ(hello.items.size(), 14U);
  EXPECT_EQ(hello.items[5].number(), 3);
  EXPECT_EQ(user.ask("GET", key), "_\r\n");
  EXPECT_EQ(other.ask("GET", key), "$-1\r\n");
  EXPECT_EQ(user.ask("HSET", key, "f", "v"), ":1\r\n");
  EXPECT_EQ(user.ask("HGETALL", key), "%1\r\n$1\r\nf\r\n$1\r\nv\r\n");
  EXPECT_EQ(other.ask("HGETALL", key), "*2\r\n$1\r\nf\r\n$1\r\nv\r\n");
  EXPECT_EQ(user.ask("HELLO", "2").type, '*');
  EXPECT_EQ(user.ask("HGETALL", key), "*2\r\n$1\r\nf\r\n$1\r\nv\r\n");
  EXPECT_EQ(user.ask("HELLO", "3").type, '%');
  EXPECT_EQ(user.ask("RESET"), "+RESET\r\n");
  EXPECT_EQ(user.ask("HGETALL", key), "*2\r\n$1\r\nf\r\n$1\r\nv\r\n") << "RESET goes back to RESP2";
}

TEST_P(Resp3, SwitchInTheMiddleOfAPipelineTakesEffectThere) {
  RespClient user = client();
  const std::string key = unique_key();
  std::string sent;
  for (int i = 0; i < 20; ++i) {
    sent += encode({"HELLO", "3"}) + encode({"HSET", key, "f", "v"}) + encode({"HGETALL", key}) +
            encode({"GET", "no"}) + encode({"HELLO", "2"}) + encode({"HGETALL", key}) + encode({"GET", "no"});
  }
  user.send_raw(sent);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(user.read().type, '%');
    EXPECT_EQ(user.read().type, ':');
    EXPECT_EQ(user.read(), "%1\r\n$1\r\nf\r\n$1\r\nv\r\n");
    EXPECT_EQ(user.read(), "_\r\n");
    EXPECT_EQ(user.read().type, '*');
    EXPECT_EQ(user.read(), "*2\r\n$1\r\nf\r\n$1\r\nv\r\n");
    EXPECT_EQ(user.read(), "$-1\r\n");
  }
}

TEST_P(Resp3, CachedRepliesAreThoseOfTheServerInBothProtocols) {
  const std::string base = unique_key();
  RespClient backend = direct();
  for (const char* setup :
       {"SET $s hello", "HSET $h f1 1 f2 2", "SADD $t a", "ZADD $z 1.5 a 2 b inf c", "RPUSH $l a b c"}) {
    std::vector<std::string> args = words(setup);
    args[1] = base + args[1].substr(1);
    backend.ask(views(args));
  }
  RespClient direct3 = direct();
  direct3.ask("HELLO", "3");
  RespClient user2 = client();
  RespClient user3 = client();
  user3.ask("HELLO", "3");
  const std::vector<std::string> reads{"GET $s",
                                       "GET $no",
                                       "STRLEN $s",
                                       "GETRANGE $s 1 2",
                                       "TYPE $s",
                                       "TYPE $h",
                                       "MGET $s $no",
                                       "EXISTS $s $no",
                                       "HGET $h f1",
                                       "HGET $h no",
                                       "HGET $no f",
                                       "HMGET $h f1 x",
                                       "HMGET $no f g",
                                       "HGETALL $h",
                                       "HGETALL $no",
                                       "HKEYS $h",
                                       "HVALS $no",
                                       "HLEN $h",
                                       "LRANGE $l 0 -1",
                                       "LINDEX $l 0",
                                       "LINDEX $l 9",
                                       "LLEN $no",
                                       "SMEMBERS $t",
                                       "SMEMBERS $no",
                                       "SISMEMBER $t a",
                                       "SMISMEMBER $t a b",
                                       "ZSCORE $z a",
                                       "ZSCORE $z no",
                                       "ZSCORE $no a",
                                       "ZMSCORE $z a no c",
                                       "ZRANGE $z 0 -1",
                                       "ZRANGE $z 0 -1 WITHSCORES",
                                       "ZRANGE $no 0 -1 WITHSCORES",
                                       "ZRANK $z b",
                                       "ZRANK $z no",
                                       "ZREVRANK $no a",
                                       "ZRANGEBYSCORE $z -inf +inf WITHSCORES",
                                       "ZREVRANGE $z 0 0 WITHSCORES",
                                       "ZCOUNT $z 1 2",
                                       "GET $h",
                                       "HGETALL $s",
                                       "ZSCORE $s a",
                                       "EXISTS $no"};
  for (int round = 0; round < 3; ++round) {  // from the second on they are cached
    for (const std::string& read : reads) {
      std::vector<std::string> args = words(read);
      for (std::string& arg : args) {
        if (arg.starts_with('$')) arg = base + arg.substr(1);
      }
      EXPECT_EQ(user3.ask(views(args)), direct3.ask(views(args))) << read << ", round " << round;
      EXPECT_EQ(user2.ask(views(args)), backend.ask(views(args))) << read << ", round " << round;
    }
  }
  const std::string stats = client().ask("INFO", "cache").text;
  EXPECT_FALSE(contains(stats, "cache_hits:0\r\n"));
}

TEST_P(Resp3, TransactionsAndBlockingCommandsAnswerInIt) {
  const std::string key = unique_key();
  RespClient user = client();
  user.ask("HELLO", "3");
  EXPECT_EQ(user.ask("BLPOP", key, "0.01"), "_\r\n");
  EXPECT_EQ(user.ask("WATCH", key), kOk);
  EXPECT_EQ(user.ask("MULTI"), kOk);
  user.ask("ZADD", key, "1.5", "a");
  user.ask("ZSCORE", key, "a");
  user.ask("CONFIG", "GET", "maxmemory");
  const Reply reply = user.ask("EXEC");
  ASSERT_EQ(reply.items.size(), 3U) << reply.raw;
  EXPECT_EQ(reply.items[1].type, ',');
  EXPECT_EQ(reply.items[2].type, '%');
  EXPECT_EQ(user.ask("WATCH", key), kOk);
  direct().ask("DEL", key);
  EXPECT_EQ(user.ask("MULTI"), kOk);
  user.ask("PING");
  EXPECT_EQ(user.ask("EXEC"), "_\r\n");
}

TEST_P(Resp3, ProtocolMayChangeWhileKeysAreWatched) {
  const std::string key = unique_key();
  RespClient user = client();
  EXPECT_EQ(user.ask("WATCH", key), kOk);
  user.ask("HELLO", "3");
  EXPECT_EQ(user.ask("GET", key), "_\r\n");
  direct().ask("SET", key, "x");
  EXPECT_EQ(user.ask("MULTI"), kOk);
  user.ask("PING");
  EXPECT_EQ(user.ask("EXEC"), "_\r\n");
  for (int i = 0; i < 5; ++i) {  // and the link that has changed is nobody else's
    RespClient next = client();
    EXPECT_EQ(next.ask("MULTI"), kOk);
    next.ask("GET", key + "no");
    EXPECT_EQ(next.ask("EXEC"), "*1\r\n$-1\r\n");
  }
}

TEST_P(Resp3, TextsOfOurOwnAreVerbatimStrings) {
  RespClient user = client();
  user.ask("HELLO", "3");
  const Reply info = user.ask("INFO");
  EXPECT_EQ(info.type, '=') << info.raw.substr(0, 80);
  EXPECT_TRUE(contains(info.text, "redis_version:"));
  EXPECT_TRUE(contains(info.text, "# anteroom"));
  EXPECT_EQ(user.ask("INFO", "cache").type, '=');
  EXPECT_TRUE(contains(user.ask("CLIENT", "INFO").raw, "resp=3"));
  EXPECT_EQ(user.ask("CLIENT", "GETNAME"), "_\r\n");
}

TEST_P(Resp3, WritesAreSeenByReadersOfTheOtherProtocol) {
  const std::string key = unique_key();
  RespClient user2 = client();
  RespClient user3 = client();
  user3.ask("HELLO", "3");
  for (int i = 0; i < 50; ++i) {
    const std::string field = std::to_string(i);
    user2.ask("HSET", key, "f", field);
    EXPECT_EQ(user3.ask("HGETALL", key), "%1\r\n$1\r\nf\r\n" + bulk(field));
    EXPECT_EQ(user2.ask("HGETALL", key), "*2\r\n$1\r\nf\r\n" + bulk(field));
    user3.ask("HSET", key, "f", "x" + field);
    EXPECT_EQ(user2.ask("HGETALL", key), "*2\r\n$1\r\nf\r\n" + bulk("x" + field));
    EXPECT_EQ(user3.ask("HGETALL", key), "%1\r\n$1\r\nf\r\n" + bulk("x" + field));
  }
}

}  // namespace
}  // namespace anteroom::test
