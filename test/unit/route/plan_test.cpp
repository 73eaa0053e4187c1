#include "route/plan.hpp"

#include <gtest/gtest.h>

#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "command/table.hpp"
#include "route/hash_slot.hpp"
#include "support/words.hpp"

namespace anteroom::route {

static std::ostream& operator<<(std::ostream& out, const Plan& plan) {
  return out << "target " << static_cast<int>(plan.target) << " slot "
             << (plan.hash_slot ? std::to_string(*plan.hash_slot) : "none") << " merge "
             << static_cast<int>(plan.merge);
}

namespace {

const command::Table& table() {
  static const command::Table built = command::Table::build().value();
  return built;
}

Plan of(const std::string& line) {
  const std::vector<std::string> words = test::words(line);
  const std::vector<std::string_view> args = test::views(words);
  const command::Lookup lookup = table().find(args);
  EXPECT_EQ(lookup.match, command::Match::kFound) << line;
  return lookup.match == command::Match::kFound ? plan(*lookup.facts, args) : Plan{};
}

Plan on(std::string_view key, Target target = Target::kOneSlot) {
  return {.target = target, .hash_slot = hash_slot(key)};
}

void expect_all(const Plan& expected, const std::vector<std::string>& lines) {
  for (const std::string& line : lines) EXPECT_EQ(of(line), expected) << line;
}

TEST(Plan, KeysDecideWhereTheyAreInOneHashSlot) {
  expect_all(on("k"), {"GET k", "SET k v", "GETEX k", "BITFIELD k", "MEMORY USAGE k", "OBJECT ENCODING k",
                       "XGROUP CREATE k g $", "XREAD STREAMS k 0", "EVAL s 1 k", "FCALL_RO f 1 k arg", "SORT k",
                       "SPUBLISH k message", "SSUBSCRIBE k", "MOVE k 1", "MIGRATE h 1 k 0 10", "PFCOUNT k"});
  expect_all(on("t"), {"MGET {t}a {t}b", "DEL {t}a", "MSET {t}a 1 {t}b 2", "SUNION {t}a {t}b", "RENAME {t}a {t}b",
                       "SORT {t}a STORE {t}b", "BITOP AND {t}d {t}a {t}b", "EVAL s 2 {t}a {t}b x",
                       "ZUNIONSTORE {t}d 2 {t}a {t}b", "SINTERCARD 2 {t}a {t}b", "SSUBSCRIBE {t}a {t}b"});
}

TEST(Plan, KeysInSeveralHashSlotsCannotBeServedTogether) {
  expect_all({.target = Target::kCrossSlot},
             {"SUNION a b", "RENAME a b", "MSETNX a 1 b 2", "EVAL s 2 a b", "SORT a STORE b", "COPY a b", "BLPOP a b 0",
              "WATCH a b", "SSUBSCRIBE a b", "XREAD BLOCK 0 STREAMS a b 0 0"});
}

TEST(Plan, SixCommandsCanBeSplit) {
  EXPECT_EQ(of("MGET a b"), (Plan{.target = Target::kSplitBySlot, .merge = Merge::kByKey}));
  EXPECT_EQ(of("MSET a 1 b 2"), (Plan{.target = Target::kSplitBySlot, .merge = Merge::kAllSucceeded}));
  expect_all({.target = Target::kSplitBySlot, .merge = Merge::kSum},
             {"DEL a b", "UNLINK a b", "TOUCH a b", "EXISTS a b"});
}

TEST(Plan, WithoutKeysAnyNodeWillDo) {
  expect_all({.target = Target::kAnyNode},
             {"TIME", "PUBLISH c m", "SUBSCRIBE c", "PSUBSCRIBE p", "EVAL s 0", "COMMAND COUNT", "CONFIG GET x",
              "SWAPDB 0 1", "XREAD COUNT 1 k", "EVAL s nonsense", "XINFO HELP"});
}

TEST(Plan, WhatIsAboutTheSessionOrTheMapGoesNowhere) {
  expect_all({.target = Target::kLocal}, {"PING", "SELECT 0", "CLIENT ID", "AUTH x", "HELLO", "ASKING", "CLUSTER SLOTS",
                                          "CLUSTER KEYSLOT k", "ANTEROOM CACHE STATS"});
}

TEST(Plan, AllPrimariesAreAskedAndTheirRepliesMerged) {
  const auto all = [](Merge merge) { return Plan{.target = Target::kAllPrimaries, .merge = merge}; };
  expect_all(all(Merge::kSum), {"DBSIZE"});
  expect_all(all(Merge::kConcatenate), {"KEYS *"});
  expect_all(all(Merge::kAllSucceeded), {"FLUSHALL", "FLUSHDB ASYNC", "FUNCTION LOAD x", "FUNCTION DELETE x",
                                         "FUNCTION FLUSH", "FUNCTION RESTORE x", "MEMORY PURGE"});
  expect_all(all(Merge::kOneSucceeded), {"FUNCTION KILL", "SCRIPT KILL"});
  expect_all(all(Merge::kLogicalAnd), {"SCRIPT EXISTS x"});
  expect_all(all(Merge::kMin), {"WAIT 1 0", "WAITAOF 1 1 0"});
  expect_all(all(Merge::kSpecial),
             {"INFO", "RANDOMKEY", "MEMORY DOCTOR", "MEMORY STATS", "MEMORY MALLOC-STATS", "FUNCTION STATS"});
  expect_all(all(Merge::kCursor), {"SCAN 0"});
  expect_all(all(Merge::kUnion), {"PUBSUB SHARDCHANNELS"});
}

TEST(Plan, AllNodesAreAskedAndTheirRepliesMerged) {
  const auto all = [](Merge merge) { return Plan{.target = Target::kAllNodes, .merge = merge}; };
  expect_all(all(Merge::kAllSucceeded),
             {"CONFIG SET a b", "CONFIG RESETSTAT", "CONFIG REWRITE", "ACL SETUSER x", "ACL DELUSER x", "ACL SAVE",
              "SCRIPT LOAD x", "SCRIPT FLUSH", "SLOWLOG RESET"});
  expect_all(all(Merge::kSum), {"SLOWLOG LEN", "LATENCY RESET", "PUBSUB NUMPAT"});
  expect_all(all(Merge::kConcatenate), {"SLOWLOG GET"});
  expect_all(all(Merge::kSpecial), {"LATENCY LATEST", "LATENCY DOCTOR", "LATENCY HISTOGRAM"});
  expect_all(all(Merge::kUnion), {"PUBSUB CHANNELS"});
  expect_all(all(Merge::kSumByKey), {"PUBSUB NUMSUB a"});
}

TEST(Plan, LinksOfTheSessionsOwnGoWhereTheirKeysAre) {
  expect_all(on("k", Target::kPinned), {"BLPOP k 0", "BLMOVE k k LEFT RIGHT 0", "WATCH k", "XREAD BLOCK 0 STREAMS k 0",
                                        "BZMPOP 0 1 k MIN", "XREADGROUP GROUP g c BLOCK 0 STREAMS k >"});
  expect_all({.target = Target::kPinned}, {"MULTI", "EXEC", "DISCARD", "UNWATCH", "MONITOR"});
}

TEST(Plan, EveryCommandOfAClassThatFansOutIsSent) {
  for (const command::Facts& facts : table()) {
    const Plan planned = plan(facts, std::vector<std::string_view>{facts.name});
    const bool is_merged = planned.merge != Merge::kNone;
    const bool goes_to_many = planned.target == Target::kAllNodes || planned.target == Target::kAllPrimaries ||
                              planned.target == Target::kSplitBySlot;
    EXPECT_EQ(is_merged, goes_to_many) << facts.name;
    const bool is_of_one = facts.command_class != command::Class::kAllNodes &&
                           facts.command_class != command::Class::kAllShards &&
                           facts.command_class != command::Class::kScan;
    EXPECT_TRUE(is_of_one || goes_to_many) << facts.name;
  }
}

}  // namespace
}  // namespace anteroom::route
