#include "proxy/cached_reads.hpp"

#include <gtest/gtest.h>

namespace anteroom::proxy {
namespace {

const command::Table& table() {
  static const command::Table built = command::Table::build().value();
  return built;
}

const CachedReads::Command* find(const CachedReads& reads, std::string_view name) {
  return reads.find(*table().find_name(name));
}

TEST(CachedReads, EveryOneIsAReadOfKeysThatTheServerTracks) {
  for (const CachedReads::Command& command : CachedReads::commands()) {
    const command::Facts* const facts = table().find_name(command.name);
    ASSERT_NE(facts, nullptr) << command.name;
    EXPECT_TRUE(facts->has(command::kReadonly)) << command.name;
    ASSERT_EQ(facts->keys.size(), 1u) << command.name;
    EXPECT_EQ(facts->keys[0].begin, 1) << command.name;
  }
}

TEST(CachedReads, WhatDependsOnMoreThanAValueIsNotThere) {
  const CachedReads reads(table(), {});
  for (const char* name : {"ttl",         "pttl",         "expiretime",   "pexpiretime", "object|idletime",
                           "object|freq", "memory|usage", "srandmember",  "hrandfield",  "zrandmember",
                           "randomkey",   "scan",         "hscan",        "sscan",       "zscan",
                           "xread",       "xpending",     "xinfo|stream", "touch",       "sort_ro",
                           "eval_ro",     "fcall_ro",     "dump",         "sinter",      "lcs",
                           "zunion",      "getex",        "getdel"}) {
    ASSERT_NE(table().find_name(name), nullptr) << name;
    EXPECT_EQ(find(reads, name), nullptr) << name;
  }
}

TEST(CachedReads, RulesSwitchKindsOff) {
  const auto is_on = [](CachedReads::Rules rules, std::string_view name, bool hash_fields_expire = false) {
    const CachedReads reads(table(), std::move(rules));
    return reads.is_on(*find(reads, name), 3, hash_fields_expire);
  };
  EXPECT_TRUE(is_on({}, "hget"));
  EXPECT_FALSE(is_on({}, "hget", true));
  EXPECT_TRUE(is_on({.hashes = HashCommands::kOn}, "hget", true));
  EXPECT_FALSE(is_on({.hashes = HashCommands::kOff}, "hget"));
  EXPECT_TRUE(is_on({.hashes = HashCommands::kOff}, "llen"));
  EXPECT_FALSE(is_on({.results = false, .hashes = HashCommands::kOn}, "hget"));
  EXPECT_FALSE(is_on({.results = false}, "llen"));
  EXPECT_TRUE(is_on({.results = false}, "strlen"));
  EXPECT_FALSE(is_on({.mget = MgetMode::kOff}, "mget"));
}

TEST(CachedReads, RankWithScoreIsNotCached) {
  const CachedReads reads(table(), {});
  EXPECT_TRUE(reads.is_on(*find(reads, "zrank"), 3, false));
  EXPECT_FALSE(reads.is_on(*find(reads, "zrank"), 4, false));
}

TEST(CachedReads, ExcludeBeatsInclude) {
  const CachedReads all(table(), {});
  EXPECT_TRUE(all.covers("anything"));
  const CachedReads some(table(), {.include = base::GlobList({"user:*"}), .exclude = base::GlobList({"*:tmp"})});
  EXPECT_TRUE(some.covers("user:1"));
  EXPECT_FALSE(some.covers("user:1:tmp"));
  EXPECT_FALSE(some.covers("other"));
}

}  // namespace
}  // namespace anteroom::proxy
