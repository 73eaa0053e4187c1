#include "command/blocking.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <string_view>
#include <vector>

#include "command/table.hpp"
#include "support/words.hpp"

namespace anteroom::command {
namespace {

/// In milliseconds; -1 for none.
long long timeout_of(std::string_view line) {
  static const Table table = *Table::build();
  const std::vector<std::string> words = test::words(line);
  const std::vector<std::string_view> args(words.begin(), words.end());
  const Lookup lookup = table.find(args);
  EXPECT_EQ(lookup.match, Match::kFound) << line;
  const auto timeout = blocking_timeout(*lookup.facts, args);
  return timeout ? timeout->count() : -1;
}

TEST(BlockingTimeout, IsWhereEachCommandHasIt) {
  EXPECT_EQ(timeout_of("BLPOP a b 2"), 2000);
  EXPECT_EQ(timeout_of("BRPOP a 2"), 2000);
  EXPECT_EQ(timeout_of("BZPOPMIN a 2"), 2000);
  EXPECT_EQ(timeout_of("BZPOPMAX a b c 2"), 2000);
  EXPECT_EQ(timeout_of("BLMOVE a b LEFT RIGHT 2"), 2000);
  EXPECT_EQ(timeout_of("BRPOPLPUSH a b 2"), 2000);
  EXPECT_EQ(timeout_of("BLMPOP 2 1 a LEFT"), 2000);
  EXPECT_EQ(timeout_of("BZMPOP 2 1 a MIN COUNT 9"), 2000);
  EXPECT_EQ(timeout_of("XREAD BLOCK 2 STREAMS s $"), 2);
  EXPECT_EQ(timeout_of("XREAD COUNT 5 block 2 streams BLOCK 7"), 2);
  EXPECT_EQ(timeout_of("XREADGROUP GROUP BLOCK BLOCK COUNT 1 BLOCK 2 NOACK STREAMS s >"), 2);
  EXPECT_EQ(timeout_of("WAIT 1 2"), 2);
  EXPECT_EQ(timeout_of("WAITAOF 0 1 2"), 2);
}

TEST(BlockingTimeout, ZeroIsForEverAndSecondsAreRoundedUp) {
  EXPECT_EQ(timeout_of("BLPOP a 0"), 0);
  EXPECT_EQ(timeout_of("BLPOP a 0.0001"), 1);
  EXPECT_EQ(timeout_of("BLPOP a 1.0005"), 1001);
  EXPECT_EQ(timeout_of("XREAD BLOCK 0 STREAMS s $"), 0);
  EXPECT_EQ(timeout_of("BLPOP a 1e30"), 0) << "longer than any timer";
  EXPECT_EQ(timeout_of("WAIT 1 9223372036854775807"), 0);
}

TEST(BlockingTimeout, WhatTheServerRefusesIsNone) {
  for (const std::string_view line :
       {"BLPOP a x", "BLPOP a -1", "BLPOP a inf", "BLPOP a nan", "BLPOP a 1x", "XREAD BLOCK 1.5 STREAMS s $",
        "XREAD BLOCK -1 STREAMS s $", "XREAD COUNT 1 STREAMS BLOCK 1", "WAIT 1 x", "GET a", "MULTI"}) {
    EXPECT_EQ(timeout_of(line), -1) << line;
  }
}

}  // namespace
}  // namespace anteroom::command
