#include "command/key_extraction.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "key_examples.hpp"
#include "support/words.hpp"

namespace anteroom::command {
namespace {

const Table& table() {
  static const Table built = Table::build().value();
  return built;
}

using Extract = Extraction (*)(const Facts&, std::span<const std::string_view>, KeyList&);

/// The keys in order with spaces between, "-" for none, "?" for unknown.
std::string keys_by(Extract extract, std::string_view line) {
  const std::vector<std::string> owned = test::words(line);
  const std::vector<std::string_view> args(owned.begin(), owned.end());
  const Lookup lookup = table().find(args);
  if (lookup.match != Match::kFound) return "no such command";
  KeyList keys;
  switch (extract(*lookup.facts, args, keys)) {
    case Extraction::kUnknown:
      return "?";
    case Extraction::kNoKeys:
      return "-";
    case Extraction::kKeys:
      break;
  }
  std::string shown;
  for (const std::uint32_t index : keys) shown += (shown.empty() ? "" : " ") + owned[index];
  return shown;
}

std::string keys_of(std::string_view line) { return keys_by(extract_keys, line); }
std::string written_by(std::string_view line) { return keys_by(extract_written_keys, line); }

CacheEffect effect_of(std::string_view line) {
  const std::vector<std::string> owned = test::words(line);
  const std::vector<std::string_view> args(owned.begin(), owned.end());
  return cache_effect(table().find(args), args);
}

bool is_pinned(std::string_view line) {
  const std::vector<std::string> owned = test::words(line);
  const std::vector<std::string_view> args(owned.begin(), owned.end());
  const Lookup lookup = table().find(args);
  EXPECT_EQ(lookup.match, Match::kFound) << line;
  return lookup.match == Match::kFound && needs_pinned_link(*lookup.facts, args);
}

TEST(KeyExtraction, FindsWhatTheServerFinds) {
  for (const auto& [line, keys] : test::kKeyExamples) EXPECT_EQ(keys_of(line), keys) << line;
}

TEST(KeyExtraction, MalformedRequestsHaveUnknownKeys) {
  for (const std::string_view line : test::kMalformedExamples) EXPECT_EQ(keys_of(line), "?") << line;
}

TEST(KeyExtraction, CommandsNewerThanTheExamplesServerWorkToo) {
  EXPECT_EQ(keys_of("HEXPIRE k 10 NX FIELDS 1 f"), "k");
  EXPECT_EQ(keys_of("HPEXPIREAT k 10 FIELDS 1 f"), "k");
  EXPECT_EQ(keys_of("HPERSIST k FIELDS 1 f"), "k");
  EXPECT_EQ(keys_of("HTTL k FIELDS 1 f"), "k");
  EXPECT_EQ(keys_of("CLIENT SETINFO lib-name x"), "-");
  EXPECT_EQ(keys_of("CLIENT NO-TOUCH on"), "-");
  EXPECT_EQ(keys_of("CLUSTER MYSHARDID"), "-");
  EXPECT_EQ(keys_of("WAITAOF 0 0 0"), "-");
  EXPECT_EQ(keys_of("SFLUSH 0 16383"), "-");
}

// COMMAND GETKEYS falls back to a laxer search here and answers something; EVAL itself answers an error.
TEST(KeyExtraction, ScriptsWithAWrongNumberOfKeysHaveUnknownKeys) {
  EXPECT_EQ(keys_of("EVAL script 3 a b"), "?");
  EXPECT_EQ(keys_of("EVAL script -1 a"), "?");
  EXPECT_EQ(keys_of("EVAL script 01 a"), "?");
  EXPECT_EQ(keys_of("EVALSHA sha x a"), "?");
  EXPECT_EQ(keys_of("FCALL f '' a"), "?");
  EXPECT_EQ(keys_of("EVAL script 9999999999999999999999 a"), "?");
}

// COMMAND GETKEYS calls it invalid, but PFMERGE accepts it and writes the destination.
TEST(KeyExtraction, MergingNothingStillWritesTheDestination) {
  EXPECT_EQ(keys_of("PFMERGE dst"), "dst");
  EXPECT_EQ(written_by("PFMERGE dst"), "dst");
}

TEST(KeyExtraction, EveryDestinationOfRepeatedStoresIsFoundBecauseTheLastCounts) {
  EXPECT_EQ(keys_of("GEORADIUS k 1 2 3 m STORE a STORE b STOREDIST c"), "k a b c");
  EXPECT_EQ(keys_of("SORT k STORE a STORE b"), "k b");
}

TEST(KeyExtraction, GroupsMayBeCalledLikeOptions) {
  EXPECT_EQ(keys_of("XREADGROUP COUNT 1 GROUP STREAMS c STREAMS k >"), "k");
  EXPECT_EQ(keys_of("XREADGROUP GROUP BLOCK COUNT STREAMS k >"), "k");
}

TEST(KeyExtraction, UnequalHalvesOfStreamsStayWithinBounds) {
  EXPECT_EQ(keys_of("XREAD STREAMS a b 0"), "a");
  EXPECT_EQ(keys_of("XREAD COUNT 2 STREAMS a"), "?");
}

TEST(KeyExtraction, MigrateWithBothKindsOfKeysIsMalformed) {
  EXPECT_EQ(keys_of("MIGRATE host 1 k 0 1 KEYS a"), "?");
  EXPECT_EQ(keys_of("MIGRATE host 1 '' 0 1 KEYS"), "?");
}

TEST(KeyExtraction, ChannelsAreNoKeys) {
  EXPECT_EQ(keys_of("SPUBLISH c m"), "-");
  EXPECT_EQ(keys_of("SSUBSCRIBE c d"), "-");
}

TEST(KeyExtraction, FewerArgumentsThanTheArityStayWithinBounds) {
  for (const Facts& facts : table()) {
    for (std::size_t size = 1; size < 9; ++size) {
      for (const std::string_view word : {"1", "KEYS", "STREAMS", "STORE", "LIMIT", "GROUP", ""}) {
        const std::vector<std::string_view> args(size, word);
        KeyList keys;

        const Extraction extraction = extract_keys(facts, args, keys);

        EXPECT_EQ(extraction == Extraction::kKeys, !keys.empty()) << facts.name;
        for (const std::uint32_t index : keys) EXPECT_LT(index, size) << facts.name;
      }
    }
  }
}

TEST(KeyExtraction, ThousandsOfKeysAreAllFound) {
  std::vector<std::string_view> args(10'001, "k");
  args[0] = "DEL";
  KeyList keys;

  ASSERT_EQ(extract_keys(*table().find(args).facts, args, keys), Extraction::kKeys);

  ASSERT_EQ(keys.size(), 10'000U);
  for (std::uint32_t i = 0; i < keys.size(); ++i) ASSERT_EQ(keys[i], i + 1);
}

TEST(KeyList, KeepsOrderAcrossItsInlineLimitAndForgetsOnClear) {
  KeyList list;
  for (std::uint32_t round = 0; round < 2; ++round) {
    for (std::uint32_t i = 0; i < KeyList::kInline * 2; ++i) {
      list.push_back(i + round);
      ASSERT_EQ(list.size(), i + 1);
      ASSERT_EQ(list[0], round);
      ASSERT_EQ(list[i], i + round);
      ASSERT_EQ(static_cast<std::size_t>(list.end() - list.begin()), list.size());
    }
    list.clear();
    EXPECT_TRUE(list.empty());
    EXPECT_EQ(list.begin(), list.end());
  }
}

TEST(WrittenKeys, SourcesAreNotAmongThem) {
  EXPECT_EQ(written_by("SET k v"), "k");
  EXPECT_EQ(written_by("GET k"), "-");
  EXPECT_EQ(written_by("COPY src dst"), "dst");
  EXPECT_EQ(written_by("BITOP AND dst a b"), "dst");
  EXPECT_EQ(written_by("SINTERSTORE dst a b"), "dst");
  EXPECT_EQ(written_by("ZUNIONSTORE dst 2 a b"), "dst");
  EXPECT_EQ(written_by("ZRANGESTORE dst src 0 -1"), "dst");
  EXPECT_EQ(written_by("GEOSEARCHSTORE dst src FROMMEMBER m BYRADIUS 1 m"), "dst");
  EXPECT_EQ(written_by("SORT k BY w_* STORE dst"), "dst");
  EXPECT_EQ(written_by("SORT k"), "-");
  EXPECT_EQ(written_by("GEORADIUS k 1 2 3 m STOREDIST dst"), "dst");
}

TEST(WrittenKeys, BothEndsOfAMoveAreAmongThem) {
  EXPECT_EQ(written_by("RENAME a b"), "a b");
  EXPECT_EQ(written_by("LMOVE a b LEFT LEFT"), "a b");
  EXPECT_EQ(written_by("SMOVE a b m"), "a b");
  EXPECT_EQ(written_by("RPOPLPUSH a b"), "a b");
  EXPECT_EQ(written_by("MOVE k 1"), "k");
}

TEST(WrittenKeys, AllKeysOfManyAreAmongThem) {
  EXPECT_EQ(written_by("DEL a b c"), "a b c");
  EXPECT_EQ(written_by("MSET a 1 b 2"), "a b");
  EXPECT_EQ(written_by("BLPOP a b 0"), "a b");
  EXPECT_EQ(written_by("LMPOP 2 a b LEFT"), "a b");
  EXPECT_EQ(written_by("PFCOUNT a b"), "a b");
  EXPECT_EQ(written_by("XREADGROUP GROUP g c STREAMS a b > >"), "a b");
  EXPECT_EQ(written_by("XREAD STREAMS a 0"), "-");
  EXPECT_EQ(written_by("LMPOP x a LEFT"), "?");
}

TEST(WrittenKeys, AreNeverNoneWhenKeysAreWritten) {
  for (const auto& [line, keys] : test::kKeyExamples) {
    if (effect_of(line) != CacheEffect::kWritesKeys) continue;
    EXPECT_NE(written_by(line), "-") << line;
  }
}

std::size_t lone_of(std::string_view line) {
  const std::vector<std::string> owned = test::words(line);
  return lone_written_key(*table().find(std::vector<std::string_view>(owned.begin(), owned.end())).facts);
}

TEST(WrittenKeys, LoneOneIsAllThatIsFoundWhateverTheArguments) {
  std::size_t lone = 0;
  for (const Facts& facts : table()) {
    const std::size_t index = lone_written_key(facts);
    if (index == 0) continue;
    ++lone;
    for (std::size_t size = index + 1; size < 9; ++size) {
      for (const std::string_view word : {"1", "KEYS", "STREAMS", "STORE", "STOREDIST", ""}) {
        const std::vector<std::string_view> args(size, word);
        KeyList keys;

        ASSERT_EQ(extract_written_keys(facts, args, keys), Extraction::kKeys) << facts.name;

        ASSERT_EQ(keys.size(), 1U) << facts.name;
        EXPECT_EQ(keys[0], index) << facts.name;
        EXPECT_EQ(cache_effect(facts, args), CacheEffect::kWritesKeys) << facts.name;
      }
    }
  }
  EXPECT_GT(lone, 50U);
}

TEST(WrittenKeys, LoneOneIsOfCommandsThatWriteOneKeyAtOnePlace) {
  for (const std::string_view line : {"SET k v", "INCR k", "HSET k f v", "EXPIRE k 1", "XADD k * f v"}) {
    EXPECT_EQ(lone_of(line), 1U) << line;
  }
  EXPECT_EQ(lone_of("XGROUP CREATE k g $"), 2U);
  for (const std::string_view line : {"GET k", "PING", "DEL a", "RENAME a b", "COPY a b", "MSET a 1", "SORT k STORE d",
                                      "GEORADIUS k 1 2 3 m STORE d", "EVAL s 0", "PUBLISH c m", "SPUBLISH c m"}) {
    EXPECT_EQ(lone_of(line), 0U) << line;
  }
}

TEST(CacheEffect, ReadsHaveNone) {
  for (const std::string_view line : {"GET k",
                                      "MGET a b",
                                      "TTL k",
                                      "TOUCH k",
                                      "SORT k",
                                      "SORT k BY STORE",
                                      "SORT_RO k",
                                      "GEORADIUS k 1 2 3 m",
                                      "GEORADIUSBYMEMBER k m 3 m",
                                      "GEORADIUS_RO k 1 2 3 m",
                                      "EVAL_RO s 1 k",
                                      "EVALSHA_RO s 0",
                                      "FCALL_RO f 0",
                                      "XREAD STREAMS k 0",
                                      "PUBLISH c m",
                                      "SPUBLISH c m",
                                      "SCAN 0",
                                      "OBJECT FREQ k",
                                      "WATCH k",
                                      "MULTI",
                                      "DISCARD",
                                      "PING",
                                      "INFO",
                                      "CONFIG SET maxmemory 1",
                                      "SCRIPT LOAD s",
                                      "WAIT 0 0",
                                      "BGSAVE",
                                      "SUBSCRIBE c",
                                      "CLIENT ID"}) {
    EXPECT_EQ(effect_of(line), CacheEffect::kNone) << line;
  }
}

TEST(CacheEffect, WritesOfNamedKeysAreKnown) {
  for (const std::string_view line : {"SET k v",
                                      "set k v",
                                      "GETEX k",
                                      "GETDEL k",
                                      "EXPIRE k 1",
                                      "PERSIST k",
                                      "BITFIELD k GET u8 0",
                                      "PFCOUNT k",
                                      "PFMERGE dst a",
                                      "COPY a b DB 3",
                                      "MOVE k 1",
                                      "RESTORE k 0 x",
                                      "RENAME a b",
                                      "SORT k STORE dst",
                                      "GEORADIUS k 1 2 3 m STORE dst",
                                      "BLPOP k 0",
                                      "XREADGROUP GROUP g c STREAMS k >",
                                      "XACK k g 1-1",
                                      "XGROUP CREATE k g $ MKSTREAM",
                                      "HEXPIRE k 1 FIELDS 1 f",
                                      "UNLINK a",
                                      "MSETNX a 1"}) {
    EXPECT_EQ(effect_of(line), CacheEffect::kWritesKeys) << line;
  }
}

TEST(CacheEffect, WhateverElseMayWriteMayWriteAnything) {
  for (const std::string_view line : {"EVAL s 0",
                                      "EVAL s 1 k",
                                      "EVALSHA s 0",
                                      "FCALL f 0",
                                      "EXEC",
                                      "FLUSHALL",
                                      "FLUSHDB",
                                      "SFLUSH 0 1",
                                      "SWAPDB 0 1",
                                      "MIGRATE h 1 k 0 1",
                                      "DEBUG RELOAD",
                                      "REPLICAOF h 1",
                                      "SLAVEOF NO ONE",
                                      "FAILOVER",
                                      "MODULE LOAD m",
                                      "FUNCTION LOAD f",
                                      "FUNCTION RESTORE x",
                                      "FUNCTION FLUSH",
                                      "CLUSTER RESET",
                                      "CLUSTER SETSLOT 1 STABLE",
                                      "SHUTDOWN"}) {
    EXPECT_EQ(effect_of(line), CacheEffect::kMayWriteAnything) << line;
  }
}

TEST(CacheEffect, RequestsThatMatchNothingMayWriteAnything) {
  for (const std::string_view line : {"JSON.SET k $ 1", "GET", "CONFIG NOPE", "SENTINEL MASTERS"}) {
    EXPECT_EQ(effect_of(line), CacheEffect::kMayWriteAnything) << line;
  }
}

TEST(PinnedLink, IsForWhatOccupiesOrChangesTheConnection) {
  for (const std::string_view line : {"BLPOP k 0",
                                      "BLMOVE a b LEFT LEFT 0",
                                      "BRPOPLPUSH a b 0",
                                      "BLMPOP 0 1 k LEFT",
                                      "BZPOPMIN k 0",
                                      "BZMPOP 0 1 k MIN",
                                      "WAIT 0 0",
                                      "WAITAOF 0 0 0",
                                      "XREAD BLOCK 0 STREAMS k 0",
                                      "XREAD COUNT 1 block 0 STREAMS k 0",
                                      "XREADGROUP GROUP g c BLOCK 0 STREAMS k >",
                                      "MULTI",
                                      "EXEC",
                                      "DISCARD",
                                      "WATCH k",
                                      "UNWATCH",
                                      "SUBSCRIBE c",
                                      "PSUBSCRIBE c",
                                      "SSUBSCRIBE c",
                                      "UNSUBSCRIBE",
                                      "PUNSUBSCRIBE",
                                      "SUNSUBSCRIBE",
                                      "MONITOR",
                                      "SYNC",
                                      "PSYNC r 0",
                                      "REPLCONF ack 0",
                                      "SCRIPT DEBUG YES"}) {
    EXPECT_TRUE(is_pinned(line)) << line;
  }
}

TEST(PinnedLink, IsNotForAnythingElse) {
  for (const std::string_view line : {"GET k", "SET BLOCK x", "XREAD STREAMS k 0", "XREAD COUNT 2 STREAMS BLOCK 0",
                                      "XREADGROUP GROUP BLOCK c STREAMS k >", "XREADGROUP GROUP g BLOCK STREAMS k >",
                                      "LPOP k", "EVAL s 0", "SCRIPT LOAD s", "PUBLISH c m", "PING", "SELECT 1"}) {
    EXPECT_FALSE(is_pinned(line)) << line;
  }
}

}  // namespace
}  // namespace anteroom::command
