#include "access/user.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "support/words.hpp"

namespace anteroom::access {
namespace {

const command::Table& table() {
  static const command::Table built = command::Table::build().value();
  return built;
}

User user_of(std::string_view rules, UpstreamIdentity upstream = {}) {
  static const auto commands = std::make_shared<const AclCommands>(AclCommands::build(table()).value());
  auto parsed = parse_rules(*commands, rules);
  EXPECT_TRUE(parsed.has_value()) << rules;
  return {"u", parsed ? std::move(*parsed) : Rules{}, std::move(upstream), commands};
}

/// "permitted", or what is denied with its index: "key 2".
std::string verdict(const User& user, std::string_view line) {
  const std::vector<std::string> words = test::words(line);
  const std::vector<std::string_view> args = test::views(words);
  const auto denial = user.check(table().find(args), args);
  if (!denial) return "permitted";
  constexpr std::string_view kNames[] = {"command", "key", "channel", "by", "get"};
  return std::string(kNames[static_cast<std::size_t>(denial->what)]) + ' ' + std::to_string(denial->index);
}

std::string verdict(std::string_view rules, std::string_view line) { return verdict(user_of(rules), line); }

std::string error_of(const User& user, std::string_view line) {
  const std::vector<std::string> words = test::words(line);
  const std::vector<std::string_view> args = test::views(words);
  const command::Lookup lookup = table().find(args);
  const auto denial = user.check(lookup, args);
  return denial ? denial_error(*denial, lookup, args) : "permitted";
}

TEST(User, WithoutRulesMayOnlyAuthenticateAndLeave) {
  for (const std::string_view line : {"auth p", "hello 3", "quit", "reset"}) EXPECT_EQ(verdict("", line), "permitted");
  for (const std::string_view line :
       {"ping", "get k", "set k v", "command", "nosuch", "config nosuch", "publish c m"}) {
    EXPECT_EQ(verdict("", line), "command 0") << line;
  }
}

TEST(User, WithEverythingMayDoEverything) {
  const User user = user_of("+@all ~* &*");
  EXPECT_TRUE(user.is_unrestricted());
  for (const std::string_view line : {"get k", "nosuch x", "config nosuch", "eval s 9 k", "sort k by *", "debug x"}) {
    EXPECT_EQ(verdict(user, line), "permitted") << line;
  }
  EXPECT_FALSE(user_of("+@all ~*").is_unrestricted());
  EXPECT_FALSE(user_of("+@all &*").is_unrestricted());
  EXPECT_FALSE(user_of("+@all -debug ~* &*").is_unrestricted());
  EXPECT_TRUE(user_of("(+@all ~* &*)").is_unrestricted());
}

TEST(User, KeysNeedAPatternWithTheRightAccess) {
  constexpr std::string_view kRules = "+@all %R~r* %W~w* ~b*";
  EXPECT_EQ(verdict(kRules, "get r1"), "permitted");
  EXPECT_EQ(verdict(kRules, "get w1"), "key 1");
  EXPECT_EQ(verdict(kRules, "del w1"), "permitted");
  EXPECT_EQ(verdict(kRules, "del r1"), "key 1");
  EXPECT_EQ(verdict(kRules, "getdel w1"), "key 1");
  EXPECT_EQ(verdict(kRules, "getdel b1"), "permitted");
  EXPECT_EQ(verdict(kRules, "copy r1 w1"), "permitted");
  EXPECT_EQ(verdict(kRules, "copy w1 r1"), "key 1");
  EXPECT_EQ(verdict(kRules, "zunionstore w1 2 r1 x"), "key 4");
  EXPECT_EQ(verdict(kRules, "mget r1 b1 x"), "key 3");
}

TEST(User, WhetherAKeyExistsMayBeAskedWithAnyAccess) {
  EXPECT_EQ(verdict("+@all %W~w*", "exists w1"), "permitted");
  EXPECT_EQ(verdict("+@all %W~w*", "type w1"), "permitted");
  EXPECT_EQ(verdict("+@all %W~w*", "exists x"), "key 1");
}

TEST(User, SetReadsOnlyWithGet) {
  constexpr std::string_view kRules = "+set %W~w";
  EXPECT_EQ(verdict(kRules, "set w v"), "permitted");
  EXPECT_EQ(verdict(kRules, "set w get"), "permitted");
  EXPECT_EQ(verdict(kRules, "set w v ex 1"), "permitted");
  EXPECT_EQ(verdict(kRules, "set w v GeT"), "key 1");
}

TEST(User, BitfieldWritesUnlessItOnlyGets) {
  constexpr std::string_view kRules = "+bitfield %R~r";
  EXPECT_EQ(verdict(kRules, "bitfield r"), "permitted");
  EXPECT_EQ(verdict(kRules, "bitfield r get u8 0 overflow sat get u8 8"), "permitted");
  EXPECT_EQ(verdict(kRules, "bitfield r get u8 0 set u8 0 1"), "key 1");
  EXPECT_EQ(verdict(kRules, "bitfield r incrby u8 0 1"), "key 1");
  EXPECT_EQ(verdict(kRules, "bitfield r get u8"), "key 1");
  EXPECT_EQ(verdict(kRules, "bitfield r nonsense"), "key 1");
}

TEST(User, AnEmptyKeyMatchesAnEmptyPatternOnly) {
  EXPECT_EQ(verdict("+get ~x*", "get ''"), "key 1");
  EXPECT_EQ(verdict("+get %RW~*", "get ''"), "key 1");
  EXPECT_EQ(verdict("+get ~", "get ''"), "permitted");
  EXPECT_EQ(verdict("+get ~*", "get ''"), "permitted");
}

TEST(User, WalkedKeysAreCheckedToo) {
  EXPECT_EQ(verdict("+sort ~a", "sort a store b"), "key 3");
  EXPECT_EQ(verdict("+sort %R~a %W~b", "sort a store b"), "permitted");
  EXPECT_EQ(verdict("+georadius ~a", "georadius a 1 2 3 m store b store a"), "key 7");
  EXPECT_EQ(verdict("+xread ~a", "xread count 1 streams a b 0 0"), "key 5");
  EXPECT_EQ(verdict("+migrate ~a", "migrate h 1 '' 0 1 keys a b"), "key 8");
  EXPECT_EQ(verdict("+xgroup ~a", "xgroup create b g 0"), "key 2");
}

TEST(User, KeysThatCannotBeToldNeedAllKeys) {
  EXPECT_EQ(verdict("+zunion ~a", "zunion 9 a"), "key 0");
  EXPECT_EQ(verdict("+zunion allkeys", "zunion 9 a"), "permitted");
  EXPECT_EQ(verdict("+mget ~a", "mget"), "permitted");  // no key is named, and the arity is refused anyway
}

TEST(User, WhatTheTableDoesNotKnowNeedsAllCommandsAndAllKeys) {
  for (const std::string_view line : {"nosuch", "config nosuch", "sentinel masters"}) {
    EXPECT_EQ(verdict("+@all ~*", line), "permitted") << line;
    EXPECT_EQ(verdict("+@all ~a", line), "command 0") << line;
    EXPECT_EQ(verdict("+@all -get ~*", line), "command 0") << line;
    EXPECT_EQ(verdict("+@all (~*)", line), "command 0") << line;
  }
}

TEST(User, ChannelsNeedAPattern) {
  constexpr std::string_view kRules = "+@all &c*";
  EXPECT_EQ(verdict(kRules, "publish c1 m"), "permitted");
  EXPECT_EQ(verdict(kRules, "publish x m"), "channel 1");
  EXPECT_EQ(verdict(kRules, "spublish x m"), "channel 1");
  EXPECT_EQ(verdict(kRules, "subscribe c1 x"), "channel 2");
  EXPECT_EQ(verdict(kRules, "ssubscribe c1 c2"), "permitted");
  EXPECT_EQ(verdict("+@all allchannels", "subscribe x"), "permitted");
  EXPECT_EQ(verdict(kRules, "unsubscribe x"), "permitted");
  EXPECT_EQ(verdict(kRules, "punsubscribe x"), "permitted");
}

TEST(User, PatternsToSubscribeToArePermittedAsAWhole) {
  EXPECT_EQ(verdict("+@all &c*", "psubscribe c*"), "permitted");
  EXPECT_EQ(verdict("+@all &c*", "psubscribe c1*"), "channel 1");
  EXPECT_EQ(verdict("+@all &c*", "psubscribe c* d*"), "channel 2");
}

TEST(User, AFirstArgumentPermitsThatOneOnly) {
  EXPECT_EQ(verdict("+select|1 +select|two", "select 1"), "permitted");
  EXPECT_EQ(verdict("+select|1 +select|two", "select TWO"), "permitted");
  EXPECT_EQ(verdict("+select|1", "select 2"), "command 0");
  EXPECT_EQ(verdict("+select|1", "select"), "command 0");
}

TEST(User, SelectorsAreAlternatives) {
  constexpr std::string_view kRules = "+get ~a (+set ~b) (+get ~c)";
  EXPECT_EQ(verdict(kRules, "get a"), "permitted");
  EXPECT_EQ(verdict(kRules, "get c"), "permitted");
  EXPECT_EQ(verdict(kRules, "set b v"), "permitted");
  EXPECT_EQ(verdict(kRules, "set a v"), "key 1");
  EXPECT_EQ(verdict(kRules, "get b"), "key 1");
  EXPECT_EQ(verdict(kRules, "del a"), "command 0");
}

TEST(User, OfSeveralReasonsTheFurthestCounts) {
  EXPECT_EQ(verdict("+mget ~a (+mget ~a ~b)", "mget a b c"), "key 3");
  EXPECT_EQ(verdict("(+publish) +get ~a", "publish c m"), "channel 1");
  EXPECT_EQ(verdict("(+mget ~x) +mget ~a ~b", "mget a b c"), "key 3");
}

TEST(User, ScriptsAreForWhoMayDoEverythingOrIsJudgedByTheUpstream) {
  for (const std::string_view line : {"eval s 1 a", "evalsha_ro s 0", "fcall f 0"}) {
    EXPECT_EQ(verdict("+@all ~*", line), "command 0") << line;
    EXPECT_EQ(verdict("+@all ~* &*", line), "permitted") << line;
    EXPECT_EQ(verdict(user_of("+@all ~a", {.user = "own", .password = "p"}), line), "permitted") << line;
  }
  EXPECT_EQ(verdict(user_of("+@all ~a", {.user = "own", .password = "p"}), "eval s 1 b"), "key 3");
}

TEST(User, SortMayFollowPatternsOnlyWithAllKeysReadable) {
  for (const std::string_view command : {"sort", "sort_ro"}) {
    const std::string sort(command);
    EXPECT_EQ(verdict("+@all ~a", sort + " a"), "permitted");
    EXPECT_EQ(verdict("+@all ~a", sort + " a limit 0 1 desc alpha asc by w_*"), "by 9");
    EXPECT_EQ(verdict("+@all ~a", sort + " a by nosort"), "permitted");
    EXPECT_EQ(verdict("+@all ~a", sort + " a by nosort get #"), "get 5");
    EXPECT_EQ(verdict("+@all ~a %R~*", sort + " a by w_*"), "permitted");
    EXPECT_EQ(verdict("+@all ~a %W~*", sort + " a by w_*"), "by 3");
    EXPECT_EQ(verdict("+@all ~a (~*)", sort + " a by w_*"), "by 3");
    EXPECT_EQ(verdict("+@all ~a (+@all ~*)", sort + " a by w_*"), "permitted");
    EXPECT_EQ(verdict("+@all ~a", sort + " a by"), "permitted");              // refused by the server
    EXPECT_EQ(verdict("+@all ~a", sort + " a nonsense get x"), "permitted");  // refused by the server
  }
  EXPECT_EQ(verdict("+@all ~a", "sort a store a get #"), "get 5");
}

TEST(User, MayRunSaysWhatIsPermittedWhateverTheArguments) {
  const User user = user_of("+get +select|1 (+config|get)");
  EXPECT_TRUE(user.may_run(*table().find_name("get")));
  EXPECT_TRUE(user.may_run(*table().find_name("config|get")));
  EXPECT_TRUE(user.may_run(*table().find_name("auth")));
  EXPECT_FALSE(user.may_run(*table().find_name("config|set")));
  EXPECT_FALSE(user.may_run(*table().find_name("select")));
}

TEST(User, ErrorsAreThoseOfRedis) {
  EXPECT_EQ(error_of(user_of(""), "CONFIG SET a b"),
            "NOPERM this user has no permissions to run the 'config|set' command");
  EXPECT_EQ(error_of(user_of("+get"), "GET k"),
            "NOPERM this user has no permissions to access one of the keys used as arguments");
  EXPECT_EQ(error_of(user_of("+publish"), "PUBLISH c m"),
            "NOPERM this user has no permissions to access one of the channels used as arguments");
  EXPECT_EQ(error_of(user_of("+sort ~a"), "SORT a BY *"),
            "ERR BY option of SORT denied due to insufficient ACL permissions.");
  EXPECT_EQ(error_of(user_of("+sort ~a"), "SORT a GET #"),
            "ERR GET option of SORT denied due to insufficient ACL permissions.");
}

TEST(User, AnUnknownNameInAnErrorIsCutAndOnOneLine) {
  EXPECT_EQ(error_of(user_of(""), "NoSuch\r\nthing"),
            "NOPERM this user has no permissions to run the 'nosuch  thing' command");
  EXPECT_EQ(error_of(user_of(""), std::string(500, 'x')).size(), error_of(user_of(""), std::string(128, 'x')).size());
}

TEST(User, KeepsWhatItWasMadeOf) {
  const User user = user_of("on >p", {.user = "up", .password = "secret"});
  EXPECT_EQ(user.name(), "u");
  EXPECT_TRUE(user.is_enabled());
  EXPECT_FALSE(user.needs_no_password());
  EXPECT_EQ(user.passwords().size(), 1U);
  EXPECT_EQ(user.upstream().user, "up");
}

}  // namespace
}  // namespace anteroom::access
