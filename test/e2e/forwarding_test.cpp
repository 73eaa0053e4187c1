// What is forwarded comes back byte for byte as if the client had asked the server itself.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "support/rig.hpp"
#include "support/words.hpp"

namespace anteroom::test {
namespace {

struct Script {
  const char* name;
  std::vector<const char*> lines;
};

// Replies must not depend on time, on hash seeds or on what ran before.
const Script kScripts[] = {
    {"Strings",
     {"SET s hello",
      "GET s",
      "GET s",
      "APPEND s ' world'",
      "GET s",
      "STRLEN s",
      "GETRANGE s 0 4",
      "SUBSTR s 0 4",
      "SETRANGE s 6 Redis",
      "GETSET s new",
      "GETDEL s",
      "GET s",
      "SETNX s 1",
      "SETNX s 2",
      "INCR s",
      "INCRBY s 10",
      "INCRBYFLOAT s 1.5",
      "SET n 10",
      "DECR n",
      "DECRBY n 3",
      "MSET a 1 b 2 c 3",
      "MGET a b nope c",
      "MSETNX a 9 z 9",
      "SET a x NX",
      "SET a x XX GET",
      "SET a y EX 100 KEEPTTL",
      "SETEX t 100 v",
      "PSETEX t 100000 v",
      "GETEX t PERSIST",
      "TTL t",
      "LCS a b",
      "LCS s s LEN",
      "SET n abc",
      "INCR n"}},
    {"Bits",
     {"SETBIT b 7 1", "SETBIT b 100 1", "GETBIT b 7", "GETBIT b 8", "BITCOUNT b", "BITCOUNT b 0 0 BYTE", "BITPOS b 1",
      "BITPOS b 0", "BITOP NOT d b", "GET d", "BITFIELD b SET u8 0 255 GET u4 4 INCRBY i5 10 1",
      "BITFIELD_RO b GET u8 0", "GET b", "SETBIT b -1 1", "BITOP XOR d b d"}},
    {"Keys",
     {"SET k v",
      "EXISTS k",
      "EXISTS k k nope",
      "TYPE k",
      "TYPE nope",
      "EXPIRE k 100",
      "EXPIRE k 100 NX",
      "PERSIST k",
      "TTL k",
      "PTTL nope",
      "EXPIRETIME k",
      "EXPIREAT k 9999999999",
      "EXPIRETIME k",
      "PEXPIRETIME k",
      "RENAME k k2",
      "RENAMENX k2 k3",
      "RENAME nope k",
      "COPY k3 k4",
      "OBJECT ENCODING k3",
      "OBJECT REFCOUNT k3",
      "OBJECT HELP",
      "DUMP k3",
      "TOUCH k3 k4 no",
      "UNLINK k4",
      "KEYS *",
      "RANDOMKEY",
      "SCAN 0",
      "DBSIZE",
      "DEL k3",
      "DBSIZE",
      "RANDOMKEY",
      "KEYS *"}},
    {"Lists",
     {"RPUSH l a b c d",
      "LPUSH l z",
      "LPUSHX no a",
      "RPUSHX l e",
      "LLEN l",
      "LRANGE l 0 -1",
      "LINDEX l 2",
      "LINDEX l 99",
      "LSET l 0 y",
      "LINSERT l BEFORE b x",
      "LPOS l c",
      "LPOS l c COUNT 0",
      "LREM l 1 x",
      "LTRIM l 0 3",
      "LRANGE l 0 -1",
      "RPOPLPUSH l m",
      "LMOVE l m LEFT RIGHT",
      "LPOP l",
      "RPOP l 2",
      "LPOP no",
      "LPOP no 2",
      "LMPOP 2 l m LEFT COUNT 2",
      "LRANGE m 0 -1",
      "SORT m ALPHA",
      "GET m",
      "LSET no 0 a"}},
    {"Sets", {"SADD s 3 1 2", "SADD s 3",          "SCARD s",           "SISMEMBER s 1",    "SMISMEMBER s 1 9",
              "SMEMBERS s",   "SADD t 2 3 4",      "SINTER s t",        "SINTERCARD 2 s t", "SUNION s t",
              "SDIFF s t",    "SINTERSTORE d s t", "SUNIONSTORE d s t", "SDIFFSTORE d s t", "SMEMBERS d",
              "SMOVE s d 3",  "SREM s 1",          "SPOP d2",           "SRANDMEMBER d2",   "SRANDMEMBER d2 3",
              "SSCAN d 0",    "SORT t DESC",       "SORT_RO t"}},
    {"SortedSets",
     {"ZADD z 1 a 2 b 3.5 c",
      "ZADD z NX CH 9 a 4 d",
      "ZCARD z",
      "ZSCORE z c",
      "ZMSCORE z a nope",
      "ZRANK z b",
      "ZREVRANK z b",
      "ZRANGE z 0 -1 WITHSCORES",
      "ZRANGE z (1 3 BYSCORE LIMIT 0 1",
      "ZREVRANGE z 0 1",
      "ZRANGEBYSCORE z -inf +inf",
      "ZREVRANGEBYSCORE z 3 1",
      "ZCOUNT z 1 3",
      "ZINCRBY z 0.5 a",
      "ZADD l 0 a 0 b 0 c",
      "ZRANGEBYLEX l [a (c",
      "ZREVRANGEBYLEX l + -",
      "ZLEXCOUNT l - +",
      "ZREMRANGEBYLEX l [a [a",
      "ZUNION 2 z l WITHSCORES",
      "ZINTER 2 z l",
      "ZDIFF 2 z l WITHSCORES",
      "ZINTERCARD 2 z l",
      "ZUNIONSTORE u 2 z l WEIGHTS 2 1",
      "ZINTERSTORE i 2 z l",
      "ZDIFFSTORE f 2 z l",
      "ZRANGESTORE r z 0 1",
      "ZPOPMIN z",
      "ZPOPMAX z 2",
      "ZMPOP 1 u MIN",
      "ZREM u b",
      "ZREMRANGEBYRANK u 0 0",
      "ZREMRANGEBYSCORE u 0 1",
      "ZSCAN l 0",
      "ZRANDMEMBER no",
      "ZADD z nan x",
      "ZADD z inf x",
      "ZSCORE z x"}},
    {"Hashes",
     {"HSET h f1 v1 f2 v2",
      "HSETNX h f1 x",
      "HGET h f1",
      "HGET h no",
      "HMGET h f1 no f2",
      "HGETALL h",
      "HKEYS h",
      "HVALS h",
      "HLEN h",
      "HSTRLEN h f1",
      "HEXISTS h f1",
      "HINCRBY h n 5",
      "HINCRBYFLOAT h n 0.25",
      "HDEL h f1 no",
      "HMSET h a 1 b 2",
      "HSCAN h 0",
      "HRANDFIELD no",
      "HRANDFIELD no 2",
      "HGETALL no",
      "GET h",
      "HSET h odd",
      "HINCRBY h f2 1"}},
    {"Streams",
     {"XADD x 1-1 f v",
      "XADD x 1-2 f w g u",
      "XADD x 1-1 f v",
      "XLEN x",
      "XRANGE x - +",
      "XREVRANGE x + - COUNT 1",
      "XREAD COUNT 1 STREAMS x 0",
      "XREAD STREAMS x $",
      "XGROUP CREATE x g 0",
      "XGROUP CREATE x g 0",
      "XREADGROUP GROUP g c COUNT 1 STREAMS x >",
      "XPENDING x g",
      "XACK x g 1-1",
      "XACK x g 1-1",
      "XCLAIM x g d 0 1-2 JUSTID",
      "XAUTOCLAIM x g d 100000000 0",
      "XINFO GROUPS x",
      "XTRIM x MAXLEN 1",
      "XDEL x 1-2",
      "XSETID x 5-0",
      "XGROUP DESTROY x g",
      "XINFO STREAM no",
      "XLEN no"}},
    {"Geo",
     {"GEOADD g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania", "GEODIST g Palermo Catania km",
      "GEOHASH g Palermo no", "GEOPOS g Palermo no",
      "GEOSEARCH g FROMLONLAT 15 37 BYRADIUS 200 km ASC WITHCOORD WITHDIST",
      "GEOSEARCHSTORE d g FROMMEMBER Palermo BYBOX 400 400 km", "ZCARD d", "GEORADIUS g 15 37 200 km ASC",
      "GEORADIUS_RO g 15 37 200 km COUNT 1", "GEORADIUSBYMEMBER g Palermo 200 km",
      "GEORADIUSBYMEMBER_RO g Palermo 1 km"}},
    {"HyperLogLog",
     {"PFADD p a b c", "PFADD p a", "PFCOUNT p", "PFADD q d", "PFMERGE r p q", "PFCOUNT r", "PFCOUNT p q", "GET no"}},
    {"Scripts",
     {"EVAL 'return {1,2,{3,\"x\"},false}' 0", "EVAL 'return KEYS[1]..ARGV[1]' 1 k v",
      "EVAL 'return redis.call(\"SET\",KEYS[1],7)' 1 k", "GET k", "EVAL 'return redis.error_reply(\"MY error\")' 0",
      "EVAL 'return {ok=\"fine\"}' 0", "SCRIPT LOAD 'return 42'", "EVALSHA 1fa00e76656cc152ad327c13fe365858fd7be306 0",
      "SCRIPT EXISTS 1fa00e76656cc152ad327c13fe365858fd7be306 ffff",
      "EVALSHA ffffffffffffffffffffffffffffffffffffffff 0", "EVAL_RO 'return redis.call(\"GET\",KEYS[1])' 1 k",
      "EVAL 'syntax error' 0", "EVAL 'return 1' 2 k", "SCRIPT FLUSH", "FUNCTION LIST",
      "FUNCTION LOAD '#!lua name=lib\nredis.register_function(\"f\", function(k, a) return a[1] end)'", "FCALL f 0 arg",
      "FCALL no 0", "FUNCTION DELETE lib"}},
    {"Server",
     {"ECHO hello",
      "PING",
      "PING x",
      "TIME x",
      "LASTSAVE x",
      "CONFIG GET maxmemory-policy",
      "CONFIG SET maxmemory-policy nope",
      "COMMAND COUNT",
      "COMMAND INFO get",
      "COMMAND INFO nope",
      "COMMAND GETKEYS MSET a 1 b 2",
      "COMMAND GETKEYS PING",
      "COMMAND LIST FILTERBY PATTERN xack*",
      "MEMORY USAGE no",
      "PUBLISH channel message",
      "PUBSUB NUMSUB c",
      "PUBSUB CHANNELS",
      "LATENCY LATEST",
      "ACL WHOAMI",
      "ACL CAT nope",
      "OBJECT FREQ no",
      "LOLWUT VERSION x",
      "RESTORE k 0 junk",
      "SCRIPT HELP"}},
};

class Forwarding : public SharedRig<Forwarding>, public testing::WithParamInterface<std::tuple<Transport, Script>> {
 public:
  static Rig::Options rig_options() { return {}; }

 protected:
  static void SetUpTestSuite() {
    reference_ = std::make_unique<RedisServer>();
    reference_->start();
  }
  static void TearDownTestSuite() {
    reference_.reset();
    SharedRig::TearDownTestSuite();
  }
  void SetUp() override {
    use(std::get<0>(GetParam()));
    if (HasFatalFailure()) return;
    reference_->connect().ask("FLUSHALL");
    client().ask("FLUSHALL");
  }

  static inline std::unique_ptr<RedisServer> reference_;
};

std::ostream& operator<<(std::ostream& out, const Script& script) { return out << script.name; }

INSTANTIATE_TEST_SUITE_P(Of, Forwarding, testing::Combine(kBothTransports, testing::ValuesIn(kScripts)),
                         case_name<Script>);

TEST_P(Forwarding, RepliesAreThoseOfTheServerOneByOne) {
  RespClient expected = reference_->connect();
  RespClient actual = client();
  for (const char* line : std::get<1>(GetParam()).lines) {
    const std::vector<std::string> args = words(line);
    EXPECT_EQ(actual.ask(views(args)), expected.ask(views(args))) << line;
  }
}

TEST_P(Forwarding, RepliesAreThoseOfTheServerPipelined) {
  RespClient expected = reference_->connect();
  RespClient actual = client();
  std::string pipeline;
  for (const char* line : std::get<1>(GetParam()).lines) pipeline += encode(views(words(line)));
  ASSERT_TRUE(expected.send_raw(pipeline) && actual.send_raw(pipeline));
  for (const char* line : std::get<1>(GetParam()).lines) EXPECT_EQ(actual.read(), expected.read()) << line;
}

class LargeForwarding : public SharedRigTest<LargeForwarding> {};

INSTANTIATE_TEST_SUITE_P(Over, LargeForwarding, kBothTransports, transport_name);

TEST_P(LargeForwarding, TwentyMegabyteArgumentsAndRepliesPassUnchanged) {
  const std::string key = unique_key();
  std::string value(20'000'000, '\0');
  for (std::size_t i = 0; i < value.size(); ++i) value[i] = static_cast<char>(i * 31 + i / 997);
  RespClient user = client();
  EXPECT_EQ(user.ask("APPEND", key, value), integer(20'000'000));
  EXPECT_EQ(user.ask("STRLEN", key), integer(20'000'000));
  EXPECT_TRUE(user.ask("GETRANGE", key, "0", "-1") == bulk(value));
  user.ask("DEL", key);
}

TEST_P(LargeForwarding, CommandsAndRepliesOfAHundredThousandElementsPassUnchanged) {
  constexpr int kElements = 100'000;
  const std::string key = unique_key();
  std::vector<std::string> args{"RPUSH", key};
  for (int i = 0; i < kElements; ++i) args.push_back("element " + std::to_string(i));
  RespClient user = client();
  ASSERT_EQ(user.ask(views(args)), integer(kElements));
  const Reply list = user.ask("LRANGE", key, "0", "-1");
  ASSERT_EQ(list.items.size(), kElements);
  for (std::size_t i = 0; i < kElements; ++i) ASSERT_EQ(list.items[i].text, args[i + 2]);
  user.ask("DEL", key);
}

TEST_P(LargeForwarding, NestedRepliesPassUnchanged) {
  RespClient user = client();
  const std::string_view nested = "local t = 'leaf' for i = 1, 30 do t = {t, i} end return t";
  EXPECT_EQ(user.ask("EVAL", nested, "0"), direct().ask("EVAL", nested, "0"));
}

}  // namespace
}  // namespace anteroom::test
