#include "access/acl_rules.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace anteroom::access {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

const AclCommands& commands() {
  static const command::Table table = command::Table::build().value();
  static const AclCommands built = AclCommands::build(table).value();
  return built;
}

Rules parsed(std::string_view text) {
  auto rules = parse_rules(commands(), text);
  EXPECT_TRUE(rules.has_value()) << text << ": " << (rules ? "" : rules.error());
  return rules ? std::move(*rules) : Rules{};
}

std::string error_of(std::string_view text) {
  const auto rules = parse_rules(commands(), text);
  return rules ? "no error" : rules.error();
}

std::string modifier_error(std::string_view word, std::string_view why) {
  return "Error in ACL SETUSER modifier '" + std::string(word) + "': " + std::string(why);
}

bool has(const Rules& rules, std::string_view name, std::size_t selector = 0) {
  const command::Facts* facts = commands().find(name);
  EXPECT_NE(facts, nullptr) << name;
  const auto& bits = rules.selectors.at(selector).commands;
  return facts != nullptr && facts->id < bits.size() && bits[facts->id];
}

constexpr std::string_view kHash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";  // of "abc"

TEST(AclRules, ANewUserMayDoNothing) {
  const Rules rules = parsed("");
  EXPECT_FALSE(rules.is_enabled);
  EXPECT_FALSE(rules.needs_no_password);
  EXPECT_THAT(rules.passwords, IsEmpty());
  ASSERT_EQ(rules.selectors.size(), 1U);
  EXPECT_FALSE(has(rules, "get"));
  EXPECT_FALSE(rules.selectors[0].has_all_commands || rules.selectors[0].has_all_keys);
  EXPECT_FALSE(rules.selectors[0].has_all_channels);
}

TEST(AclRules, WordsAreSeparatedByAnySpaceAndHaveAnyCase) {
  const Rules rules = parsed(" \tON\n AllKeys  ALLCHANNELS +GET +Config|Get ");
  EXPECT_TRUE(rules.is_enabled);
  EXPECT_TRUE(rules.selectors[0].has_all_keys && rules.selectors[0].has_all_channels);
  EXPECT_TRUE(has(rules, "get") && has(rules, "config|get"));
  EXPECT_FALSE(has(rules, "config|set") || has(rules, "config"));
}

TEST(AclRules, OnAndOffTheLastOneCounts) {
  EXPECT_FALSE(parsed("on off").is_enabled);
  EXPECT_TRUE(parsed("off on").is_enabled);
}

TEST(AclRules, PasswordsAreHashedAndKeptOnce) {
  EXPECT_THAT(parsed(">abc #" + std::string(kHash) + " >x").passwords, ElementsAre(digest_of("abc"), digest_of("x")));
  EXPECT_THAT(parsed(">abc >x <abc").passwords, ElementsAre(digest_of("x")));
  EXPECT_THAT(parsed(">abc !" + std::string(kHash)).passwords, IsEmpty());
  EXPECT_THAT(parsed(">abc resetpass").passwords, IsEmpty());
}

TEST(AclRules, NopassForgetsPasswordsAndAPasswordEndsNopass) {
  const Rules open = parsed(">abc nopass");
  EXPECT_TRUE(open.needs_no_password);
  EXPECT_THAT(open.passwords, IsEmpty());
  EXPECT_FALSE(parsed("nopass >abc").needs_no_password);
  EXPECT_FALSE(parsed("nopass resetpass").needs_no_password);
}

TEST(AclRules, KeyPatternsKeepTheirAccess) {
  const Rules rules = parsed("~a* %R~b %W~c %RW~d %wr~e %R");
  std::vector<std::string> shown;
  for (const KeyPattern& pattern : rules.selectors[0].keys) {
    shown.push_back(pattern.glob + (pattern.may_read ? ":r" : ":") + (pattern.may_write ? "w" : ""));
  }
  EXPECT_THAT(shown, ElementsAre("a*:rw", "b:r", "c:w", "d:rw", "e:rw", ":r"));
}

TEST(AclRules, TheSamePatternTwiceAddsItsAccess) {
  const Rules rules = parsed("%R~a %W~a &c &c");
  ASSERT_EQ(rules.selectors[0].keys.size(), 1U);
  EXPECT_TRUE(rules.selectors[0].keys[0].may_read && rules.selectors[0].keys[0].may_write);
  EXPECT_THAT(rules.selectors[0].channels, ElementsAre("c"));
}

TEST(AclRules, AReadWriteStarIsNotAllKeys) {
  EXPECT_FALSE(parsed("%RW~*").selectors[0].has_all_keys);
  EXPECT_TRUE(parsed("~*").selectors[0].has_all_keys);
  EXPECT_TRUE(parsed("&*").selectors[0].has_all_channels);
}

TEST(AclRules, AllReplacesPatternsAndResetRemovesThem) {
  const Rules all = parsed("~a allkeys &c allchannels");
  EXPECT_TRUE(all.selectors[0].has_all_keys && all.selectors[0].has_all_channels);
  EXPECT_THAT(all.selectors[0].keys, IsEmpty());
  EXPECT_THAT(all.selectors[0].channels, IsEmpty());
  const Rules none = parsed("allkeys ALLCHANNELS resetkeys resetchannels");
  EXPECT_FALSE(none.selectors[0].has_all_keys || none.selectors[0].has_all_channels);
}

TEST(AclRules, CategoriesAndCommandsApplyInTheirOrder) {
  EXPECT_FALSE(has(parsed("+get -@read"), "get"));
  EXPECT_TRUE(has(parsed("-@read +get"), "get"));
  EXPECT_TRUE(has(parsed("+@all -@write"), "get"));
  EXPECT_FALSE(has(parsed("+@all -@write"), "set"));
  EXPECT_TRUE(has(parsed("+@STRING"), "set"));
}

TEST(AclRules, OnlyPureAllCommandsCoversUnknownOnes) {
  EXPECT_TRUE(parsed("+@all").selectors[0].has_all_commands);
  EXPECT_TRUE(parsed("-get allcommands").selectors[0].has_all_commands);
  EXPECT_FALSE(parsed("+@all -get").selectors[0].has_all_commands);
  EXPECT_FALSE(parsed("+@all -get +get").selectors[0].has_all_commands);
  EXPECT_FALSE(parsed("+@all nocommands").selectors[0].has_all_commands);
  EXPECT_FALSE(has(parsed("+@all -@all"), "get"));
}

TEST(AclRules, AContainerStandsForItsSubcommands) {
  const Rules rules = parsed("+config -config|set");
  EXPECT_TRUE(has(rules, "config") && has(rules, "config|get"));
  EXPECT_FALSE(has(rules, "config|set"));
  EXPECT_FALSE(has(parsed("+@all -config"), "config|get"));
  EXPECT_TRUE(has(parsed("+@all -config"), "command|info"));
}

TEST(AclRules, AFirstArgumentIsKeptUntilTheCommandChanges) {
  const auto args_of = [](std::string_view text) {
    const Rules rules = parsed(text);
    const auto found = rules.selectors[0].first_args.find(commands().find("select")->id);
    return found == rules.selectors[0].first_args.end() ? std::vector<std::string>{} : found->second;
  };
  EXPECT_THAT(args_of("+select|0 +SELECT|1 +select|1"), ElementsAre("0", "1"));
  EXPECT_THAT(args_of("+select|0 -select"), IsEmpty());
  EXPECT_THAT(args_of("+select|0 +select"), IsEmpty());
  EXPECT_THAT(args_of("+select|0 +@all"), IsEmpty());
}

TEST(AclRules, SelectorsStandApartAndMayHaveSpaces) {
  const Rules rules = parsed("on +get ~a (+set  %W~b) (~c) ( +@read )");
  ASSERT_EQ(rules.selectors.size(), 4U);
  EXPECT_TRUE(has(rules, "get", 0) && has(rules, "set", 1) && has(rules, "get", 3));
  EXPECT_FALSE(has(rules, "set", 0) || has(rules, "get", 1));
  EXPECT_EQ(rules.selectors[1].keys.at(0).glob, "b");
  EXPECT_EQ(parsed("(+get) (+set) clearselectors").selectors.size(), 1U);
}

TEST(AclRules, ResetForgetsEverything) {
  const Rules rules = parsed("on >x +@all ~* &* (+get) reset");
  EXPECT_FALSE(rules.is_enabled);
  EXPECT_THAT(rules.passwords, IsEmpty());
  ASSERT_EQ(rules.selectors.size(), 1U);
  EXPECT_FALSE(has(rules, "get") || rules.selectors[0].has_all_commands || rules.selectors[0].has_all_keys);
}

TEST(AclRules, ErrorsAreThoseOfRedis) {
  constexpr std::string_view kSyntax = "Syntax error";
  constexpr std::string_view kUnknown = "Unknown command or category name in ACL";
  for (const std::string_view word : {"foo", "+get|", "+config|", "%~x", "%RR~x", "%Rx", "%", "(foo)", "(on)", ")"}) {
    EXPECT_EQ(error_of(word), modifier_error(word, kSyntax));
  }
  for (const std::string_view word :
       {"+nosuch", "+@nosuch", "-@nosuch", "+config|nosuch", "-config|get|x", "-get|x", "-get|", "+get|x|y", "+", "-",
        "+@", "-@", "+|x", "-|", "+sentinel", "-sentinel|masters", "(~a +nosuch)", "+select|0|1"}) {
    EXPECT_EQ(error_of(word), modifier_error(word, kUnknown));
  }
  EXPECT_EQ(error_of("+config|get|x"),
            modifier_error("+config|get|x", "Allowing first-arg of a subcommand is not supported"));
  EXPECT_EQ(error_of("~* ~x"),
            modifier_error("~x",
                           "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not "
                           "have any effect. Try 'resetkeys' to start with an empty list of patterns"));
  EXPECT_EQ(error_of("&* &x"),
            modifier_error("&x",
                           "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not "
                           "have any effect. Try 'resetchannels' to start with an empty list of channels"));
  EXPECT_EQ(error_of("on (+get"), "Unmatched parenthesis in acl selector starting at '(+get'.");
  EXPECT_EQ(error_of("(+get (+set ~a"), "Unmatched parenthesis in acl selector starting at '(+get'.");
}

TEST(AclRules, ErrorsShowNoSecretAndNoControlCharacter) {
  EXPECT_EQ(error_of("#secret"), modifier_error("#***",
                                                "The password hash must be exactly 64 characters and contain only "
                                                "lowercase hexadecimal characters"));
  EXPECT_EQ(error_of("!secret").find("secret"), std::string::npos);
  EXPECT_EQ(error_of("<secret"),
            modifier_error("<***", "The password you are trying to remove from the user does not exist"));
  EXPECT_EQ(error_of("(+get >secret)"), modifier_error("(+get >***)", "Syntax error"));
  EXPECT_EQ(error_of("(>secret x)").find("secret"), std::string::npos);
  EXPECT_EQ(error_of("a\x01z"), modifier_error("a?z", "Syntax error"));
}

TEST(AclRules, ATableWithoutCategoriesIsRefused) {
  static constexpr command::Facts kRows[] = {{.name = "brandnew", .arity = 1}};
  const auto table = command::Table::build(kRows).value();
  EXPECT_EQ(AclCommands::build(table).error(), "access rules: no categories for 'brandnew'");
}

}  // namespace
}  // namespace anteroom::access
