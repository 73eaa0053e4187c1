// The server's announcements keep the cache right: what other clients change is seen, what nobody changes stays.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/ascii.hpp"
#include "support/rig.hpp"

namespace anteroom::test {
namespace {

class CoherenceE2e : public SharedRigTest<CoherenceE2e> {
 public:
  static Rig::Options rig_options() {
    return {.front = {.arguments = {"--workers", "2"}}, .redis = {.arguments = {"--enable-debug-command", "yes"}}};
  }

 protected:
  /// Polls until a read of the front-end gives `expected`; false after some seconds.
  bool comes_to(RespClient& user, const std::vector<std::string>& command, const Reply& expected) {
    return eventually([&] { return read(user, command).raw == expected.raw; });
  }
  Reply read(RespClient& user, const std::vector<std::string>& command) {
    user.send({command.begin(), command.end()});
    return user.read();
  }
  /// How many commands of this name the server runs while `command` is sent so often.
  std::int64_t upstream_calls(RespClient& user, const std::vector<std::string>& command, int times) {
    const std::string name = base::lowercase(command[0]);
    const auto before = redis().calls(name);
    for (int i = 0; i < times; ++i) read(user, command);
    return redis().calls(name) - before;
  }
};

INSTANTIATE_TEST_SUITE_P(Over, CoherenceE2e, kBothTransports, transport_name);

TEST_P(CoherenceE2e, ChangesOfOtherClientsAreSeen) {
  const std::string key = unique_key();
  RespClient backend = direct();
  RespClient user = client();
  const auto expect_seen = [&](const std::vector<std::string>& change) {
    read(user, {"GET", key});
    read(backend, change);
    EXPECT_TRUE(comes_to(user, {"GET", key}, backend.ask("GET", key))) << change[0];
  };
  expect_seen({"SET", key, "1"});
  expect_seen({"APPEND", key, "2"});
  expect_seen({"INCR", key});
  expect_seen({"DEL", key});
  expect_seen({"EVAL", "return redis.call('SET', KEYS[1], 'lua')", "1", key});
  expect_seen({"RENAME", key, key + ":away"});
  expect_seen({"RENAME", key + ":away", key});
  expect_seen({"LPUSH", key + ":away", "x"});
  expect_seen({"SETRANGE", key, "0", "L"});
  expect_seen({"FLUSHDB"});
}

TEST_P(CoherenceE2e, EachCachedCommandIsAskedForOnceAndAnewAfterAChange) {
  const std::string base = unique_key();
  RespClient backend = direct();
  RespClient user = client();
  backend.ask("SET", base + "s", "hello");
  backend.ask("HSET", base + "h", "f", "1", "g", "2");
  backend.ask("RPUSH", base + "l", "a", "b", "c");
  backend.ask("SADD", base + "m", "x");
  backend.ask("ZADD", base + "z", "1.5", "a", "2", "b");
  struct Case {
    std::vector<std::string> command;
    std::vector<std::string> change;
  };
  const std::vector<std::string> hset{"HSET", base + "h", "f", "9"};
  const std::vector<std::string> rpush{"LPUSH", base + "l", "z"};
  const std::vector<std::string> sadd{"SADD", base + "m", "another"};
  const std::vector<std::string> zadd{"ZADD", base + "z", "3", "a"};
  const std::vector<std::string> append{"APPEND", base + "s", "!"};
  const std::vector<Case> cases = {
      {{"STRLEN", base + "s"}, append},
      {{"GETRANGE", base + "s", "-3", "-1"}, append},
      {{"SUBSTR", base + "s", "0", "100"}, append},
      {{"HGET", base + "h", "f"}, hset},
      {{"HMGET", base + "h", "f", "none"}, hset},
      {{"HGETALL", base + "h"}, hset},
      {{"HKEYS", base + "h"}, hset},
      {{"HVALS", base + "h"}, hset},
      {{"HLEN", base + "h"}, hset},
      {{"HEXISTS", base + "h", "f"}, hset},
      {{"HSTRLEN", base + "h", "f"}, hset},
      {{"LRANGE", base + "l", "0", "-1"}, rpush},
      {{"LLEN", base + "l"}, rpush},
      {{"LINDEX", base + "l", "0"}, rpush},
      {{"SMEMBERS", base + "m"}, sadd},
      {{"SISMEMBER", base + "m", "x"}, sadd},
      {{"SMISMEMBER", base + "m", "x", "y"}, sadd},
      {{"SCARD", base + "m"}, sadd},
      {{"ZSCORE", base + "z", "a"}, zadd},
      {{"ZMSCORE", base + "z", "a", "none"}, zadd},
      {{"ZRANGE", base + "z", "0", "-1", "WITHSCORES"}, zadd},
      {{"ZRANGEBYSCORE", base + "z", "-inf", "+inf", "WITHSCORES", "LIMIT", "0", "1"}, zadd},
      {{"ZREVRANGE", base + "z", "0", "-1"}, zadd},
      {{"ZRANGEBYLEX", base + "z", "-", "+"}, zadd},
      {{"ZCARD", base + "z"}, zadd},
      {{"ZCOUNT", base + "z", "1", "2"}, zadd},
      {{"ZRANK", base + "z", "a"}, zadd},
      {{"TYPE", base + "z"}, zadd},
      {{"EXISTS", base + "z"}, zadd},
  };
  for (const Case& each : cases) {
    const Reply truth = read(backend, each.command);
    EXPECT_EQ(read(user, each.command).raw, truth.raw) << each.command[0];
    EXPECT_LE(upstream_calls(user, each.command, 20), 1) << each.command[0];
    EXPECT_EQ(read(user, each.command).raw, truth.raw) << each.command[0];
    read(backend, each.change);
    const Reply changed = read(backend, each.command);
    EXPECT_TRUE(comes_to(user, each.command, changed)) << each.command[0];
  }
}

TEST_P(CoherenceE2e, StringEntryAnswersTheOtherStringCommands) {
  const std::string key = unique_key();
  RespClient user = client();
  user.ask("SET", key, "hello");
  ASSERT_EQ(user.ask("GET", key), bulk("hello"));
  for (const std::vector<std::string>& command : std::vector<std::vector<std::string>>{
           {"STRLEN", key}, {"EXISTS", key}, {"TYPE", key}, {"GETRANGE", key, "1", "2"}, {"SUBSTR", key, "0", "-1"}}) {
    EXPECT_EQ(upstream_calls(user, command, 5), 0) << command[0];
    RespClient backend = direct();
    EXPECT_EQ(read(user, command).raw, read(backend, command).raw) << command[0];
  }
}

TEST_P(CoherenceE2e, CommandsThatDependOnMoreThanAValueAreNeverCached) {
  const std::string key = unique_key();
  RespClient user = client();
  user.ask("SET", key, "v", "EX", "1000");
  user.ask("HSET", key + "h", "f", "v");
  for (const std::vector<std::string>& command : std::vector<std::vector<std::string>>{{"TTL", key},
                                                                                       {"PTTL", key},
                                                                                       {"DUMP", key},
                                                                                       {"HRANDFIELD", key + "h"},
                                                                                       {"HSCAN", key + "h", "0"},
                                                                                       {"RANDOMKEY"},
                                                                                       {"KEYS", "none"}}) {
    EXPECT_EQ(upstream_calls(user, command, 5), 5) << command[0];
  }
}

TEST_P(CoherenceE2e, MgetIsAnsweredFromOneMomentOrFetchedAnew) {
  const std::string a = unique_key("a");
  const std::string b = unique_key("b");
  RespClient user = client();
  user.ask("MSET", a, "1", b, "1");
  const std::vector<std::string> mget{"MGET", a, b, a + ":none", a};
  const std::string truth = "*4\r\n$1\r\n1\r\n$1\r\n1\r\n$-1\r\n$1\r\n1\r\n";
  EXPECT_EQ(read(user, mget).raw, truth);
  EXPECT_EQ(upstream_calls(user, mget, 10), 0);
  EXPECT_EQ(read(user, mget).raw, truth);
  EXPECT_EQ(upstream_calls(user, {"GET", a}, 3), 0) << "its strings are entries like others";

  direct().ask("SET", b, "2");

  EXPECT_TRUE(eventually([&] { return read(user, mget).raw == "*4\r\n$1\r\n1\r\n$1\r\n2\r\n$-1\r\n$1\r\n1\r\n"; }));
}

TEST_P(CoherenceE2e, MgetTakesAKeyOfAnotherTypeForMissing) {
  const std::string key = unique_key();
  RespClient user = client();
  user.ask("LPUSH", key, "x");
  user.ask("GET", key);
  EXPECT_EQ(read(user, {"MGET", key, key}).raw, "*2\r\n$-1\r\n$-1\r\n");
  EXPECT_EQ(read(user, {"MGET", key, key}).raw, "*2\r\n$-1\r\n$-1\r\n");
}

TEST_P(CoherenceE2e, ExistsOfManyCountsEachTime) {
  const std::string key = unique_key();
  RespClient user = client();
  user.ask("SET", key, "v");
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(read(user, {"EXISTS", key, key, key + ":none"}), integer(2));
    user.ask("GET", key);
    user.ask("GET", key + ":none");
  }
}

TEST_P(CoherenceE2e, KeyEndsWithItsTimeToLiveAlthoughTheServerHasNotSaidSo) {
  const std::string key = unique_key();
  RespClient backend = direct();
  ASSERT_EQ(backend.ask("DEBUG", "SET-ACTIVE-EXPIRE", "0"), kOk);
  backend.ask("SET", key, "v", "PX", "150");
  RespClient user = client();
  EXPECT_EQ(user.ask("GET", key), bulk("v"));
  EXPECT_TRUE(eventually([&] { return user.ask("GET", key) == kNil; }));
  backend.ask("DEBUG", "SET-ACTIVE-EXPIRE", "1");
}

TEST_P(CoherenceE2e, DbsAreApartAndAChangeInOneCostsTheOtherNothingButAFetch) {
  const std::string key = unique_key();
  RespClient zero = client();
  RespClient one = client();
  one.ask("SELECT", "1");
  zero.ask("SET", key, "zero");
  one.ask("SET", key, "one");
  EXPECT_EQ(zero.ask("GET", key), bulk("zero"));
  EXPECT_EQ(one.ask("GET", key), bulk("one"));
  RespClient backend = direct();
  backend.ask("SELECT", "1");
  backend.ask("SET", key, "changed");
  EXPECT_TRUE(eventually([&] { return one.ask("GET", key) == bulk("changed"); }));
  EXPECT_EQ(zero.ask("GET", key), bulk("zero"));
}

TEST_P(CoherenceE2e, OwnSwapdbAndFlushallEmptyTheCache) {
  const std::string key = unique_key();
  RespClient user = client();
  user.ask("SET", key, "v");
  ASSERT_EQ(user.ask("GET", key), bulk("v"));
  EXPECT_EQ(user.ask("SWAPDB", "0", "9"), kOk);
  EXPECT_EQ(user.ask("GET", key), kNil);
  EXPECT_EQ(user.ask("SWAPDB", "0", "9"), kOk);
  EXPECT_EQ(user.ask("GET", key), bulk("v"));
  EXPECT_EQ(user.ask("FLUSHALL"), kOk);
  EXPECT_EQ(user.ask("GET", key), kNil);
}

TEST_P(CoherenceE2e, AnteroomCacheTellsOfAKey) {
  const std::string key = unique_key();
  RespClient user = client();
  user.ask("SET", key, "v", "EX", "100");
  EXPECT_TRUE(contains(user.ask("ANTEROOM", "CACHE", "KEY", key).raw, "miss: not cached"));
  user.ask("GET", key);
  const std::string text = user.ask("anteroom", "cache", "key", key).raw;
  for (const std::string_view part : {"present", "yes", "hit", "owner", "epoch", "age_ms", "ttl_left_ms"}) {
    EXPECT_TRUE(contains(text, part));
  }
  EXPECT_EQ(user.ask("ANTEROOM", "CACHE", "FLUSH", key), integer(1));
  EXPECT_TRUE(contains(user.ask("ANTEROOM", "CACHE", "KEY", key).raw, "miss: not cached"));
  user.ask("GET", key);
  EXPECT_EQ(user.ask("ANTEROOM", "CACHE", "FLUSH"), kOk);
  EXPECT_EQ(user.ask("ANTEROOM", "CACHE", "FLUSH", key), integer(0)) << "it was gone already";
  EXPECT_EQ(upstream_calls(user, {"GET", key}, 2), 1);
}

TEST_P(CoherenceE2e, AnteroomCacheTellsItsStateAndStatistics) {
  RespClient user = client();
  for (const std::string_view worker : {"worker=0 state=coherent epoch=", "worker=1 state=coherent epoch="}) {
    EXPECT_TRUE(eventually([&] { return contains(user.ask("ANTEROOM", "CACHE", "STATE").raw, worker); }));
  }
  const std::string statistics = user.ask("ANTEROOM", "CACHE", "STATS").raw;
  for (const std::string_view counter :
       {"entries", "overhead_bytes", "hits", "nil_hits", "stale_hits", "misses", "snapshot_misses", "bypass_lease",
        "bypass_many_fills", "fills_joined", "fills_detached_push", "evicted_capacity", "evicted_expired",
        "drops_push_spurious", "epoch_bumps", "ghost_hits", "rehashes", "lock_waits", "lock_wait_us_max"}) {
    EXPECT_TRUE(contains(statistics, "\r\ncache_" + std::string(counter) + "\r\n")) << counter;
  }
  EXPECT_TRUE(contains(user.ask("INFO", "cache").raw, "coherence_workers_coherent:2"));
  EXPECT_TRUE(user.ask("ANTEROOM", "CACHE", "NONSENSE").is_error());
  EXPECT_TRUE(user.ask("ANTEROOM", "CACHE", "KEY").is_error());
  EXPECT_TRUE(user.ask("ANTEROOM").is_error());
}

/// Tests that break the fill connection have a pair of their own.
class CoherenceTrouble : public testing::Test {
 protected:
  void start(std::vector<std::string> arguments, RedisServer::Options redis = {}) {
    arguments.insert(arguments.end(), {"--workers", "1"});
    rig_ = std::make_unique<Rig>(Rig::Options{.front = {.arguments = std::move(arguments)}, .redis = std::move(redis)});
    ASSERT_TRUE(rig_->is_ready());
  }
  RespClient user() { return rig_->front.connect(Transport::kTcp); }
  RespClient direct() { return rig_->redis.connect(); }
  bool state_is(const std::string& state) {
    return eventually([&] { return contains(user().ask("ANTEROOM", "CACHE", "STATE").raw, "state=" + state); });
  }
  /// The server's id of it; empty if there is none.
  std::string fill_connection() {
    const std::string list = direct().ask("CLIENT", "LIST").text;
    for (std::size_t at = 0; at < list.size();) {
      const std::size_t end = std::min(list.find('\n', at), list.size());
      const std::string line = list.substr(at, end - at);
      at = end + 1;
      if (line.find("name=anteroom-fill ") == std::string::npos) continue;
      const std::size_t id = line.find("id=") + 3;
      return line.substr(id, line.find(' ', id) - id);
    }
    return {};
  }
  void kill_fill_connection() { direct().ask("CLIENT", "KILL", "ID", fill_connection()); }

  std::unique_ptr<Rig> rig_;
};

TEST_F(CoherenceTrouble, NothingOfALostConnectionIsServed) {
  start({});
  RespClient reader = user();
  RespClient backend = direct();
  for (int round = 0; round < 20; ++round) {
    const std::string value = std::to_string(round);
    backend.ask("SET", "k", value);
    ASSERT_TRUE(eventually([&] { return reader.ask("GET", "k") == bulk(value); }));
    kill_fill_connection();
    backend.ask("SET", "k", "new " + value);
    // Whatever the front-end knows of the loss by now, the lease and then the epoch end what it had.
    ASSERT_TRUE(eventually([&] { return reader.ask("GET", "k") == bulk("new " + value); })) << round;
  }
  ASSERT_TRUE(state_is("coherent"));
}

TEST_F(CoherenceTrouble, ReadsUnderWayWhenTheFillConnectionIsLostAreAnsweredAllTheSame) {
  start({"--max-staleness", "10000"});
  direct().ask("MSET", "a", "A", "b", "B", "c", "C");
  ASSERT_TRUE(state_is("coherent"));
  RespClient reader = user();
  RespClient other = user();
  RespClient backend = direct();
  const std::string id = fill_connection();
  rig_->redis.pause();
  // The server will read the KILL first, and of the connection nothing more.
  backend.send({"CLIENT", "KILL", "ID", id});
  reader.send({"GET", "a"});
  reader.send({"MGET", "b", "none", "c"});
  ASSERT_TRUE(eventually([&] { return contains(other.ask("INFO", "cache").raw, "cache_fills_attached:4\r\n"); }));
  rig_->redis.resume();

  EXPECT_EQ(backend.read(), integer(1));
  EXPECT_EQ(reader.read(), bulk("A"));
  EXPECT_EQ(reader.read(), "*3\r\n$1\r\nB\r\n$-1\r\n$1\r\nC\r\n");
  EXPECT_TRUE(contains(other.ask("INFO", "anteroom").raw, "fill_errors:4\r\n"));
}

TEST_F(CoherenceTrouble, HalfOpenConnectionServesNoLongerThanTheLease) {
  start({"--max-staleness", "300", "--fence-interval", "50", "--response-timeout", "5000"});
  RespClient reader = user();
  reader.ask("SET", "k", "v");
  ASSERT_EQ(reader.ask("GET", "k"), bulk("v"));
  rig_->redis.pause();
  EXPECT_TRUE(state_is("suspect"));
  EXPECT_TRUE(contains(user().ask("ANTEROOM", "CACHE", "KEY", "k").raw, "lease"));
  rig_->redis.resume();
  ASSERT_TRUE(state_is("coherent"));
  EXPECT_EQ(reader.ask("GET", "k"), bulk("v"));
  EXPECT_EQ(rig_->redis.calls("get"), 1) << "the entry counts again: nothing was lost";
}

TEST_F(CoherenceTrouble, ServerThatRefusesToTrackIsUsedWithTtlsAfterOneWarning) {
  start({"--cache-ttl", "100000"});
  direct().ask("ACL", "SETUSER", "default", "-client|tracking");
  kill_fill_connection();
  ASSERT_TRUE(state_is("ttl_only"));
  EXPECT_TRUE(eventually([&] { return contains(rig_->front.output(), "does not track"); }));
  RespClient reader = user();
  reader.ask("SET", "k", "v");
  EXPECT_EQ(reader.ask("GET", "k"), bulk("v"));
  direct().ask("SET", "k", "unseen");
  EXPECT_EQ(reader.ask("GET", "k"), bulk("v"));

  direct().ask("ACL", "SETUSER", "default", "+client|tracking");
  kill_fill_connection();
  ASSERT_TRUE(state_is("coherent"));
  EXPECT_EQ(reader.ask("GET", "k"), bulk("unseen")) << "what was fetched without tracking does not count";
}

TEST_F(CoherenceTrouble, StaleValuesAreServedWhileTheServerIsDownButNeverInvalidatedOnes) {
  start({"--stale-if-error", "60000"});
  RespClient reader = user();
  reader.ask("MSET", "kept", "v", "changed", "old");
  ASSERT_EQ(reader.ask("GET", "kept"), bulk("v"));
  ASSERT_EQ(reader.ask("GET", "changed"), bulk("old"));
  reader.ask("SET", "changed", "new");
  rig_->redis.kill();
  EXPECT_EQ(reader.ask("GET", "kept"), bulk("v"));
  EXPECT_TRUE(reader.ask("GET", "changed").is_error());
  EXPECT_TRUE(reader.ask("GET", "never read").is_error());
  EXPECT_EQ(reader.ask("GET", "kept"), bulk("v"));
}

TEST_F(CoherenceTrouble, WithoutStaleIfErrorNothingIsServedOnceTheConnectionIsLost) {
  start({});
  RespClient reader = user();
  reader.ask("SET", "k", "v");
  ASSERT_EQ(reader.ask("GET", "k"), bulk("v"));
  rig_->redis.kill();
  EXPECT_TRUE(eventually([&] { return reader.ask("GET", "k").is_error(); }));
}

TEST_F(CoherenceTrouble, ValuePastItsSoftEndIsServedWhileItIsFetchedAnew) {
  start({"--consistency", "ttl", "--cache-ttl", "200", "--cache-ttl-jitter", "0", "--stale-while-revalidate", "60000"});
  RespClient reader = user();
  direct().ask("SET", "k", "old");
  ASSERT_EQ(reader.ask("GET", "k"), bulk("old"));
  direct().ask("SET", "k", "new");
  // Past its soft end the old value is served once more at least, and that hit has the new one fetched.
  std::vector<std::string> seen;
  ASSERT_TRUE(eventually([&] {
    seen.push_back(reader.ask("GET", "k").raw);
    return contains(reader.ask("INFO", "cache").raw, "cache_stale_hits:1\r\n");
  }));
  EXPECT_EQ(seen, std::vector(seen.size(), bulk("old")));
  EXPECT_TRUE(eventually([&] { return reader.ask("GET", "k") == bulk("new"); }));
}

TEST_F(CoherenceTrouble, RulesLeaveKeysOut) {
  start({"--cache-include", "user:*", "--cache-exclude", "user:tmp:*"});
  RespClient reader = user();
  for (const std::string key : {"user:1", "user:tmp:1", "other"}) {
    reader.ask("SET", key, "v");
    const auto before = rig_->redis.calls("get");
    for (int i = 0; i < 3; ++i) EXPECT_EQ(reader.ask("GET", key), bulk("v"));
    EXPECT_EQ(rig_->redis.calls("get") - before, key == "user:1" ? 1 : 3) << key;
  }
  EXPECT_TRUE(contains(reader.ask("INFO", "cache").raw, "cache_bypass_rules:6\r\n"));
}

TEST_F(CoherenceTrouble, CacheThatIsOffHasNoState) {
  start({"--cache", "false"});
  EXPECT_TRUE(contains(user().ask("ANTEROOM", "CACHE", "STATE").raw, "worker=0 state=off"));
  EXPECT_FALSE(contains(user().ask("INFO", "cache").raw, "coherence_workers"));
}

TEST_F(CoherenceTrouble, KeyOfWhichOtherRepliesAreCachedSaysSo) {
  start({});
  RespClient reader = user();
  reader.ask("RPUSH", "l", "x");
  ASSERT_EQ(reader.ask("LLEN", "l"), integer(1));
  ASSERT_TRUE(eventually([&] {
    return contains(reader.ask("ANTEROOM", "CACHE", "KEY", "l").raw, "miss: only replies to other commands are cached");
  }));
}

// The server takes no new connection of ours, but goes on with those it has.
TEST_F(CoherenceTrouble, NoStaleValueIsServedWhileTheLinkReachesTheServer) {
  start({"--stale-if-error", "60000"});
  RespClient reader = user();
  RespClient backend = direct();
  reader.ask("MSET", "k", "old", "other", "1");
  ASSERT_EQ(reader.ask("GET", "k"), bulk("old"));
  const std::string id = fill_connection();
  ASSERT_TRUE(eventually([&] { return backend.ask("CONFIG", "SET", "maxclients", "1") == kOk; }));
  EXPECT_EQ(backend.ask("CLIENT", "KILL", "ID", id), integer(1));
  EXPECT_EQ(backend.ask("SET", "k", "new"), kOk);

  ASSERT_TRUE(state_is("degraded"));
  for (int i = 0; i < 50; ++i) ASSERT_EQ(reader.ask("GET", "k"), bulk("new")) << i;
}

TEST_F(CoherenceTrouble, StaleValuesComeSoonAfterTheServerHasHungUp) {
  start({"--stale-if-error", "60000", "--max-staleness", "200", "--fence-interval", "50"});
  RespClient reader = user();
  reader.ask("SET", "k", "v");
  ASSERT_EQ(reader.ask("GET", "k"), bulk("v"));
  rig_->redis.pause();
  ASSERT_TRUE(state_is("suspect"));
  // Somebody's request shows that the link does not answer either.
  RespClient other = user();
  other.send({"GET", "unknown"});

  EXPECT_TRUE(eventually([&] { return contains(user().ask("ANTEROOM", "CACHE", "KEY", "k").raw, "hit (stale)"); }));
  EXPECT_TRUE(contains(user().ask("ANTEROOM", "CACHE", "STATE").raw, "state=suspect")) << "before it is given up";
  EXPECT_EQ(reader.ask("GET", "k"), bulk("v"));
  rig_->redis.resume();
}

TEST_F(CoherenceTrouble, MgetPerKeyFetchesOnlyWhatIsMissing) {
  start({"--mget", "per_key"});
  RespClient reader = user();
  reader.ask("MSET", "a", "1", "b", "2");
  reader.ask("LPUSH", "l", "x");
  ASSERT_EQ(reader.ask("GET", "a"), bulk("1"));
  EXPECT_EQ(reader.ask("MGET", "a", "b", "l", "none").raw, "*4\r\n$1\r\n1\r\n$1\r\n2\r\n$-1\r\n$-1\r\n");
  EXPECT_EQ(reader.ask("MGET", "a", "b", "l", "none").raw, "*4\r\n$1\r\n1\r\n$1\r\n2\r\n$-1\r\n$-1\r\n");
  EXPECT_EQ(rig_->redis.calls("mget"), 0);
  EXPECT_EQ(rig_->redis.calls("get"), 4);
}

TEST_F(CoherenceTrouble, MgetOffIsForwarded) {
  start({"--mget", "off"});
  RespClient reader = user();
  reader.ask("SET", "a", "1");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(reader.ask("MGET", "a").raw, "*1\r\n$1\r\n1\r\n");
  EXPECT_EQ(rig_->redis.calls("mget"), 3);
}

TEST_F(CoherenceTrouble, ResultCommandsCanBeSwitchedOff) {
  start({"--result-commands", "off"});
  RespClient reader = user();
  reader.ask("HSET", "h", "f", "v");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(reader.ask("HGET", "h", "f"), bulk("v"));
  EXPECT_EQ(rig_->redis.calls("hget"), 3);
}

}  // namespace
}  // namespace anteroom::test
