// A cached value is dropped by each command that this front-end forwards and that may change it: the same client and
// every other one read their writes.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "support/rig.hpp"
#include "support/words.hpp"

namespace anteroom::test {
namespace {

/// K is the cached key, O another one; both are replaced by unique names before use.
struct Write {
  const char* name;
  const char* before;  ///< run directly on the server, commands separated by ';'
  const char* write;   ///< run through the front-end after K was cached
};

const Write kWrites[] = {
    {"Set", "SET K 1", "SET K 2"},
    {"SetGet", "SET K 1", "SET K 2 GET"},
    {"SetKeepTtl", "SET K 1 EX 100", "SET K 2 KEEPTTL"},
    {"SetXx", "SET K 1", "SET K 2 XX"},
    {"Setex", "SET K 1", "SETEX K 100 2"},
    {"Psetex", "SET K 1", "PSETEX K 100000 2"},
    {"GetSet", "SET K 1", "GETSET K 2"},
    {"GetDel", "SET K 1", "GETDEL K"},
    {"GetEx", "SET K 1", "GETEX K PXAT 1"},
    {"Append", "SET K 1", "APPEND K 2"},
    {"Incr", "SET K 1", "INCR K"},
    {"IncrBy", "SET K 1", "INCRBY K 5"},
    {"IncrByFloat", "SET K 1", "INCRBYFLOAT K 0.5"},
    {"Decr", "SET K 1", "DECR K"},
    {"DecrBy", "SET K 1", "DECRBY K 5"},
    {"SetRange", "SET K 12345", "SETRANGE K 2 x"},
    {"SetBit", "SET K 1", "SETBIT K 1 1"},
    {"BitField", "SET K 1", "BITFIELD K SET u8 0 65"},
    {"BitOpDestination", "SET K 1;SET O 2", "BITOP NOT K O"},
    {"Del", "SET K 1", "DEL K"},
    {"DelAmongSeveral", "SET K 1;SET O 1", "DEL O K"},
    {"Unlink", "SET K 1", "UNLINK O K"},
    {"ExpireAtOnce", "SET K 1", "EXPIRE K 0"},
    {"PexpireAtOnce", "SET K 1", "PEXPIRE K -1"},
    {"ExpireAtInThePast", "SET K 1", "EXPIREAT K 1"},
    {"PexpireAtInThePast", "SET K 1", "PEXPIREAT K 1"},
    {"RenameAway", "SET K 1", "RENAME K O"},
    {"RenameOnto", "SET K 1;SET O 2", "RENAME O K"},
    {"RenameNxAway", "SET K 1", "RENAMENX K O"},
    {"CopyOnto", "SET K 1;SET O 2", "COPY O K REPLACE"},
    {"Mset", "SET K 1", "MSET O 5 K 2"},
    {"MsetNxThatDoesNothing", "SET K 1", "MSETNX O 5 K 2"},
    {"Eval", "SET K 1", "EVAL 'return redis.call(\"SET\",KEYS[1],2)' 1 K"},
    {"EvalWithAnUndeclaredKey", "SET K 1", "EVAL 'return redis.call(\"SET\",ARGV[1],2)' 0 K"},
    {"FlushDb", "SET K 1", "FLUSHDB"},
    {"FlushAll", "SET K 1", "FLUSHALL"},
    {"FlushAllAsync", "SET K 1", "FLUSHALL ASYNC"},
    {"SwapDb", "SET K 1", "SWAPDB 0 9"},
    {"Move", "SET K 1", "MOVE K 8"},
    {"SortStore", "SET K 1;RPUSH O 3 1 2", "SORT O STORE K"},
    {"SinterStore", "SET K 1;SADD O a", "SINTERSTORE K O"},
    {"SunionStore", "SET K 1;SADD O a", "SUNIONSTORE K O"},
    {"SdiffStore", "SET K 1;SADD O a", "SDIFFSTORE K O"},
    {"ZunionStore", "SET K 1;ZADD O 1 a", "ZUNIONSTORE K 1 O"},
    {"ZrangeStore", "SET K 1;ZADD O 1 a", "ZRANGESTORE K O 0 -1"},
    {"GeoSearchStore", "SET K 1;GEOADD O 13 38 a", "GEOSEARCHSTORE K O FROMLONLAT 13 38 BYRADIUS 5 km"},
    {"GeoRadiusStore", "SET K 1;GEOADD O 13 38 a", "GEORADIUS O 13 38 5 km STORE K"},
    {"PfMerge", "PFADD K a;PFADD O b", "PFMERGE K O"},
    {"PfAdd", "PFADD K a", "PFADD K b c d"},
    {"PfCountWhichRewritesItsCache", "PFADD K a b c", "PFCOUNT K"},
    {"LowerCaseName", "SET K 1", "set K 2"},
    {"FailingWrite", "SET K text", "INCR K"},
};

class Invalidation : public SharedRig<Invalidation>, public testing::WithParamInterface<std::tuple<Transport, Write>> {
 public:
  static Rig::Options rig_options() { return {}; }

 protected:
  void SetUp() override { use(std::get<0>(GetParam())); }

  std::vector<std::string> command(std::string_view line) const {
    std::vector<std::string> args = words(line);
    for (std::string& arg : args) {
      if (arg == "K") arg = key_;
      if (arg == "O") arg = other_key_;
    }
    return args;
  }

  void run_all(RespClient& on, std::string_view lines) const {
    while (!lines.empty()) {
      const std::string_view line = lines.substr(0, lines.find(';'));
      (void)on.ask(views(command(line)));
      lines.remove_prefix(std::min(line.size() + 1, lines.size()));
    }
  }

  const std::string key_ = unique_key("cached");
  const std::string other_key_ = unique_key("other");
};

std::ostream& operator<<(std::ostream& out, const Write& write) { return out << write.write; }

INSTANTIATE_TEST_SUITE_P(Of, Invalidation, testing::Combine(kBothTransports, testing::ValuesIn(kWrites)),
                         case_name<Write>);

TEST_P(Invalidation, WriterAndOthersReadTheNewValueAfterTheReply) {
  const Write& write = std::get<1>(GetParam());
  RespClient backend = direct();
  run_all(backend, write.before);
  RespClient writer = client();
  RespClient other = client();
  const Reply old_value = writer.ask("GET", key_);
  ASSERT_EQ(old_value.type, '$');
  const auto before = redis().calls("get");
  ASSERT_EQ(other.ask("GET", key_), old_value);
  ASSERT_EQ(redis().calls("get"), before) << "the value was not cached";

  ASSERT_TRUE(writer.send(views(command(write.write))));
  ASSERT_NE(writer.read().type, '\0');

  const Reply truth = backend.ask("GET", key_);
  EXPECT_EQ(writer.ask("GET", key_), truth);
  EXPECT_EQ(other.ask("GET", key_), truth);
}

class ReadYourWrites : public SharedRigTest<ReadYourWrites> {};

INSTANTIATE_TEST_SUITE_P(Over, ReadYourWrites, kBothTransports, transport_name);

TEST_P(ReadYourWrites, PipelinedSetThenGetNeverGivesAnOlderValue) {
  constexpr int kRounds = 3'000;
  const std::string key = unique_key();
  RespClient user = client();
  std::string pipeline;
  for (int i = 0; i < kRounds; ++i) pipeline += encode({"SET", key, std::to_string(i)}) + encode({"GET", key});

  ASSERT_TRUE(user.send_raw(pipeline));

  for (int i = 0; i < kRounds; ++i) {
    ASSERT_EQ(user.read(), kOk);
    ASSERT_EQ(user.read(), bulk(std::to_string(i)));
  }
}

TEST_P(ReadYourWrites, ShortPipelinesOfSetAndGetNeverGiveAnOlderValue) {
  const std::string key = unique_key();
  RespClient user = client();
  for (int i = 0; i < 500; ++i) {
    const std::string value = std::to_string(i);
    user.send_raw(encode({"SET", key, value}) + encode({"GET", key}) + encode({"GET", key}));
    ASSERT_EQ(user.read(), kOk);
    ASSERT_EQ(user.read(), bulk(value));
    ASSERT_EQ(user.read(), bulk(value));
    ASSERT_EQ(user.ask("GET", key), bulk(value));
  }
}

TEST_P(ReadYourWrites, AGetPipelinedBeforeASetGivesTheOldValueWhetherCachedOrNot) {
  for (const bool is_cached : {false, true}) {
    const std::string key = unique_key();
    direct().ask("SET", key, "1");
    RespClient user = client();
    if (is_cached) user.ask("GET", key);

    user.send_raw(encode({"GET", key}) + encode({"SET", key, "2"}) + encode({"GET", key}));

    EXPECT_EQ(user.read(), bulk("1"));
    EXPECT_EQ(user.read(), kOk);
    EXPECT_EQ(user.read(), bulk("2"));
    EXPECT_EQ(client().ask("GET", key), bulk("2"));
  }
}

TEST_P(ReadYourWrites, AnotherClientNeverReadsOlderThanTheLastAcknowledgedWrite) {
  constexpr int kLast = 1'500;
  const std::string key = unique_key();
  client().ask("SET", key, "0");
  std::atomic<int> acknowledged{0};
  std::atomic<int> violations{0};

  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&, user = client()]() mutable {
      int newest_seen = 0;
      while (acknowledged < kLast) {
        const int at_least = acknowledged;
        const Reply reply = user.ask("GET", key);
        const int seen = reply.type == '$' && !reply.is_null ? std::stoi(reply.text) : -1;
        if (seen < at_least || seen < newest_seen) ++violations;
        newest_seen = std::max(newest_seen, seen);
        if (reply.type == '\0') return;
      }
    });
  }
  RespClient writer = client();
  for (int i = 1; i <= kLast; ++i) {
    EXPECT_EQ(writer.ask("SET", key, std::to_string(i)), kOk);
    acknowledged = i;
  }
  for (std::thread& reader : readers) reader.join();

  EXPECT_EQ(violations, 0);
}

TEST_P(ReadYourWrites, IncrementsOfManyClientsAreSeenByTheirOwners) {
  const std::string base = unique_key("counter");
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int owner = 0; owner < 4; ++owner) {
    threads.emplace_back([&, owner, user = client()]() mutable {
      const std::string key = base + ":" + std::to_string(owner);
      for (int i = 1; i <= 500; ++i) {
        user.send_raw(encode({"INCR", key}) + encode({"GET", key}));
        if (user.read() != integer(i)) ++wrong;
        if (user.read() != bulk(std::to_string(i))) ++wrong;
        if (user.ask("GET", key) != bulk(std::to_string(i))) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace anteroom::test
