#include "command/table.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>
#include <initializer_list>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/ascii.hpp"

namespace anteroom::command {
namespace {

using namespace std::string_view_literals;

const Table& table() {
  static const Table built = Table::build().value();
  return built;
}

Lookup find(std::initializer_list<std::string_view> args) { return table().find({args.begin(), args.size()}); }

/// "CONFIG GET" is "config|get" in the table.
std::string table_name(std::string_view listed) {
  std::string name = base::lowercase(listed);
  std::ranges::replace(name, ' ', '|');
  return name;
}

/// How the class list words each class.
Class class_of(std::string_view listed) {
  static const std::map<std::string_view, Class> wordings = {
      {"K1 one key read", Class::kKeyRead},
      {"K1 one key write", Class::kKeyWrite},
      {"K2 several keys, one slot required read", Class::kKeysRead},
      {"K2 several keys, one slot required write", Class::kKeysWrite},
      {"M multi_shard split", Class::kMultiShard},
      {"E scripts (numkeys; may be keyless)", Class::kScript},
      {"F1 fan-out all_nodes", Class::kAllNodes},
      {"F2 fan-out all_shards", Class::kAllShards},
      {"F3 special (SCAN)", Class::kScan},
      {"D1 dedicated: blocking", Class::kBlocking},
      {"D2 dedicated: transaction", Class::kTransaction},
      {"D3 subscription (dedicated in RESP2, demultiplexed in RESP3)", Class::kSubscription},
      {"D4 dedicated stream / replication", Class::kStream},
      {"P session state, emulated by the proxy", Class::kSession},
      {"L cluster introspection, answered by the proxy from its own map", Class::kClusterInfo},
      {"N keyless, any one node", Class::kAnyNode},
      {"A admin: refused by default (opt-in pass-through to a named node)", Class::kAdmin},
      {"S sentinel-only (22: only our sentinel client sends them)", Class::kSentinel},
      {"Z container name only (not callable alone)", Class::kContainer},
  };
  const auto found = wordings.find(listed);
  EXPECT_NE(found, wordings.end()) << listed;
  return found == wordings.end() ? Class::kAdmin : found->second;
}

Facts row(std::string_view name, int arity = 1) {
  Facts facts;
  facts.name = name;
  facts.arity = arity;
  return facts;
}

std::string build_error(std::initializer_list<std::string_view> names) {
  std::vector<Facts> rows;
  for (const std::string_view name : names) rows.push_back(row(name));
  const auto built = Table::build(rows);
  return built ? "" : built.error();
}

TEST(Table, OnlyBothCasesOfALetterStandForIt) {
  for (const std::string_view name : {"get"sv, "exists"sv, "flushall"sv}) {
    const Facts* const facts = table().find_name(name);
    ASSERT_NE(facts, nullptr);
    for (std::size_t at = 0; at < name.size(); ++at) {
      for (int byte = 0; byte < 256; ++byte) {
        std::string spelled(name);
        spelled[at] = static_cast<char>(byte);
        EXPECT_EQ(find({spelled}).facts == facts, base::to_lower(spelled[at]) == name[at]) << name << at << '/' << byte;
      }
    }
  }
}

TEST(Table, NameWithBytesBehindItIsAnother) {
  for (const std::string_view spelled : {"GET "sv, "GET\0"sv, "GET\r"sv, " GET"sv, "GET     "sv, "GET      "sv}) {
    EXPECT_EQ(find({spelled, "k"}).match, Match::kUnknownCommand) << spelled;
  }
}

TEST(Table, HasEveryListedCommandInItsListedClassAndNoOther) {
  std::ifstream file("test/unit/command/command_classes.json");
  ASSERT_TRUE(file) << "run from the top folder";
  const auto listed = nlohmann::json::parse(file);

  for (const auto& [name, wording] : listed.items()) {
    const Facts* const facts = table().find_name(table_name(name));
    ASSERT_NE(facts, nullptr) << name;
    EXPECT_EQ(facts->name, table_name(name));
    EXPECT_EQ(facts->command_class, class_of(wording.get<std::string>())) << name;
  }
  const auto own = std::ranges::count_if(table(), [](const Facts& row) { return row.name.starts_with("anteroom"); });
  EXPECT_EQ(table().size(), listed.size() + static_cast<std::size_t>(own));
}

TEST(Table, IdsAreIndexes) {
  for (std::size_t id = 0; id < table().size(); ++id) EXPECT_EQ(table().at(id).id, id);
}

TEST(Table, EveryRowIsFoundByItsOwnArgumentsInAnyCase) {
  for (const Facts& facts : table()) {
    if (facts.has(kOnlySentinel)) continue;
    const std::string name = base::uppercase(facts.name);
    const std::size_t bar = name.find('|');
    std::vector<std::string_view> args = {std::string_view(name).substr(0, bar)};
    if (bar != std::string::npos) args.push_back(std::string_view(name).substr(bar + 1));
    if (facts.is_container && args.size() == 1 && facts.arity == -2) {
      EXPECT_EQ(table().find(args).match, Match::kWrongArity) << facts.name;
      continue;
    }
    while (args.size() < static_cast<std::size_t>(std::abs(facts.arity))) args.emplace_back("x");

    const Lookup lookup = table().find(args);

    EXPECT_EQ(lookup.match, Match::kFound) << facts.name;
    EXPECT_EQ(lookup.facts, &facts) << facts.name;
  }
}

TEST(Table, WhatOnlyASentinelKnowsIsUnknownInRequestsButNotByName) {
  EXPECT_EQ(find({"SENTINEL", "masters"}).match, Match::kUnknownCommand);
  EXPECT_EQ(find({"sentinel"}).facts, nullptr);
  EXPECT_NE(table().find_name("sentinel|masters"), nullptr);
}

TEST(Table, LookupTellsWhetherASecondWordHasPartInIt) {
  for (const auto& args : {std::vector{"get"sv, "k"sv}, {"get"sv}, {"nosuch"sv, "get"sv}, {"config"sv}}) {
    EXPECT_TRUE(table().find(args).is_by_name) << args[0];
  }
  for (const auto& args : {std::vector{"config"sv, "get"sv, "x"sv}, {"config"sv, "get"sv}, {"config"sv, "nosuch"sv}}) {
    EXPECT_FALSE(table().find(args).is_by_name) << args[1];
  }
}

TEST(Table, ArityIsExactOrAMinimum) {
  EXPECT_EQ(find({"get"}).match, Match::kWrongArity);
  EXPECT_EQ(find({"get", "k"}).match, Match::kFound);
  EXPECT_EQ(find({"get", "k", "x"}).match, Match::kWrongArity);
  EXPECT_EQ(find({"del"}).match, Match::kWrongArity);
  EXPECT_EQ(find({"del", "a", "b", "c"}).match, Match::kFound);
  EXPECT_EQ(find({"config", "get"}).match, Match::kWrongArity);
  EXPECT_STREQ(find({"config", "get"}).facts->name.data(), "config|get");
}

TEST(Table, ContainersNeedASubcommandThatTheyKnow) {
  EXPECT_EQ(find({"CONFIG"}).match, Match::kWrongArity);
  EXPECT_EQ(find({"CONFIG", "get", "x"}).match, Match::kFound);
  EXPECT_EQ(find({"CONFIG", "nope"}).match, Match::kUnknownSubcommand);
  EXPECT_EQ(find({"CONFIG", "nope"}).facts->name, "config");
  EXPECT_EQ(find({"CONFIG", "usage", "k"}).match, Match::kUnknownSubcommand) << "MEMORY has it";
  EXPECT_EQ(find({"CONFIG", ""}).match, Match::kUnknownSubcommand);
  EXPECT_EQ(find({"COMMAND"}).match, Match::kFound) << "the one container that can be called";
  EXPECT_EQ(find({"COMMAND", "nope"}).match, Match::kUnknownSubcommand);
}

TEST(Table, SubcommandsAreNoCommands) {
  EXPECT_EQ(find({"usage", "k"}).match, Match::kUnknownCommand);
  EXPECT_EQ(find({"config|get", "x"}).match, Match::kUnknownCommand);
}

TEST(Table, OnlyTheWholeNameMatches) {
  const std::string long_name(1'000'000, 'g');
  for (const std::string_view name :
       {""sv, "g"sv, "ge"sv, "gett"sv, "get "sv, " get"sv, "get\0"sv, "\0get"sv, "get\r"sv, "g\xe5t"sv, "{et"sv,
        "'et"sv, "subscribesubscribesubscri"sv, std::string_view(long_name)}) {
    EXPECT_EQ(find({name, "k"}).match, Match::kUnknownCommand) << name.substr(0, 30);
  }
}

// The lower case of '[' and '@', the neighbours of the letters, is themselves; bytes above 127 have none.
TEST(Table, OnlyLettersFold) {
  const std::vector<Facts> rows = {row("get@"), row("get["), row("get{"), row("get`"), row("get\xc1"), row("az")};
  const Table own = Table::build(rows).value();
  const auto id_of = [&](std::string_view name) {
    const Facts* const facts = own.find_name(name);
    return facts == nullptr ? -1 : static_cast<int>(facts->id);
  };

  EXPECT_EQ(id_of("GET@"), 0);
  EXPECT_EQ(id_of("GET["), 1);
  EXPECT_EQ(id_of("GET{"), 2);
  EXPECT_EQ(id_of("GET`"), 3);
  EXPECT_EQ(id_of("GET\xc1"), 4);
  EXPECT_EQ(id_of("GET\xe1"), -1);
  EXPECT_EQ(id_of("AZ"), 5);
}

TEST(Table, NamesOfEveryLengthDifferByAnyOneByte) {
  for (std::size_t size = 1; size <= Table::kNameBytesMax; ++size) {
    const std::string name(size, 'a');
    const std::vector<Facts> rows = {row(name)};
    const Table own = Table::build(rows).value();

    EXPECT_NE(own.find_name(base::uppercase(name)), nullptr) << size;
    EXPECT_EQ(own.find_name(name + "a"), nullptr) << size;
    EXPECT_EQ(own.find_name(std::string_view(name).substr(1)), nullptr) << size;
    for (std::size_t at = 0; at < size; ++at) {
      std::string other = name;
      other[at] = 'b';
      EXPECT_EQ(own.find_name(other), nullptr) << size << " " << at;
    }
  }
}

TEST(Table, FactsStayWhenTheTableMoves) {
  Table first = Table::build().value();
  const Facts* const facts = first.find_name("get");

  const Table second = std::move(first);

  EXPECT_EQ(second.find_name("GET"), facts);
}

TEST(Table, FaultyRowsAreRefusedAndNamed) {
  EXPECT_EQ(build_error({"a", "b", "a"}), "command table: duplicate 'a'");
  EXPECT_EQ(build_error({"a", "a|b", "a|b"}), "command table: duplicate 'a|b'");
  EXPECT_EQ(build_error({"a|b", "a"}), "command table: no container before 'a|b'");
  EXPECT_EQ(build_error({"A"}), "command table: bad name 'A'");
  EXPECT_EQ(build_error({""}), "command table: bad name ''");
  EXPECT_EQ(build_error({"a", "a|"}), "command table: bad name 'a|'");
  EXPECT_EQ(build_error({"a b"}), "command table: bad name 'a b'");
  EXPECT_EQ(build_error({"abcdefghijklmnopqrstuvwxy"}), "command table: bad name 'abcdefghijklmnopqrstuvwxy'");
  EXPECT_EQ(build_error({"abcdefghijklmnopqrstuvwx"}), "");
  EXPECT_EQ(build_error({"a", "b", "a|b", "b|a"}), "");
  EXPECT_NE(Table::build(std::vector<Facts>(70'000, row("a"))).error().find("too many"), std::string::npos);
}

TEST(Table, AnEmptyTableKnowsNothing) {
  const Table empty = Table::build(std::span<const Facts>{}).value();
  const std::array args = {"get"sv};

  EXPECT_EQ(empty.find(args).match, Match::kUnknownCommand);
}

// A write that is taken for none would leave old values in the cache.
TEST(TableData, EveryWriteHasAnEffect) {
  for (const Facts& facts : table()) {
    if (!facts.has(kWrite)) continue;
    EXPECT_NE(facts.effect, CacheEffect::kNone) << facts.name;
  }
}

TEST(TableData, OnlyTheseChangeValuesWithoutBeingFlaggedAsWrites) {
  std::set<std::string_view> names;
  for (const Facts& facts : table()) {
    if (facts.has(kWrite) || facts.effect == CacheEffect::kNone || facts.command_class == Class::kAdmin) continue;
    names.insert(facts.name);
  }

  EXPECT_EQ(names, (std::set<std::string_view>{"eval", "evalsha", "exec", "fcall", "pfcount"}));
}

TEST(TableData, EveryWriterOfKeysNamesThem) {
  for (const Facts& facts : table()) {
    if (facts.effect != CacheEffect::kWritesKeys) continue;
    EXPECT_TRUE(!facts.keys.empty() || facts.key_walk != KeyWalk::kNone) << facts.name;
  }
}

TEST(TableData, ReadsAndWritesAreFlaggedAsTheirClassSays) {
  for (const Facts& facts : table()) {
    const Class c = facts.command_class;
    if (c == Class::kKeyRead || c == Class::kKeysRead) {
      EXPECT_TRUE(facts.has(kReadonly)) << facts.name;
    }
    if (c == Class::kKeyWrite || c == Class::kKeysWrite) {
      EXPECT_EQ(facts.has(kWrite), facts.name != "spublish") << facts.name;
    }
    if (c == Class::kBlocking) {
      EXPECT_TRUE(facts.has(kBlocking) || facts.name == "wait") << facts.name;
    }
    EXPECT_FALSE(facts.has(kReadonly) && facts.has(kWrite)) << facts.name;
  }
}

}  // namespace
}  // namespace anteroom::command
