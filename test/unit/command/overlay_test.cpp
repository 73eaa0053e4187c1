#include "command/overlay.hpp"

#include <gtest/gtest.h>

#include <array>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "command/key_extraction.hpp"
#include "resp/value.hpp"

namespace anteroom::command {
namespace {

using Words = std::vector<std::string_view>;
using Link = Overlay::Link;

const Table& built_in() {
  static const Table built = Table::build().value();
  return built;
}

/// Knows GET and CONFIG GET only, so that the real reply is full of strangers.
const Table& small_table() {
  static constexpr std::array kRows{
      Facts{.name = "get", .arity = 2, .flags = kReadonly, .command_class = Class::kKeyRead},
      Facts{.name = "config", .arity = -2, .command_class = Class::kContainer},
      Facts{.name = "config|get", .arity = -3, .command_class = Class::kAnyNode}};
  static const Table built = Table::build(kRows).value();
  return built;
}

std::string recorded(const std::string& name) {
  std::ifstream file("test/fuzz/corpus/command_overlay/" + name, std::ios::binary);
  EXPECT_TRUE(file) << "run from the top folder";
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::string bulk(std::string_view text) {
  return "$" + std::to_string(text.size()) + "\r\n" + std::string(text) + "\r\n";
}

std::string array(const std::vector<std::string>& items) {
  std::string out = "*" + std::to_string(items.size()) + "\r\n";
  for (const std::string& item : items) out += item;
  return out;
}

std::string number(long value) { return ":" + std::to_string(value) + "\r\n"; }

std::string flags(const std::vector<std::string>& names) {
  std::vector<std::string> items;
  for (const std::string& name : names) items.push_back("+" + name + "\r\n");
  return array(items);
}

/// As a server before 6.0 has it.
std::string row(std::string_view name, const std::vector<std::string>& flag_names, long first = 0, long last = 0,
                long step = 0) {
  return array({bulk(name), number(-2), flags(flag_names), number(first), number(last), number(step)});
}

/// With key specifications, as since 7.0.
std::string row_with_specs(std::string_view name, const std::vector<std::string>& flag_names,
                           const std::vector<std::string>& specs) {
  return array({bulk(name), number(-2), flags(flag_names), number(1), number(1), number(1), array({}), array({}),
                array(specs), array({})});
}

std::string spec(const std::vector<std::string>& spec_flags, std::string_view search, const std::string& where,
                 std::string_view find, const std::string& rule) {
  return array({bulk("flags"), flags(spec_flags), bulk("begin_search"),
                array({bulk("type"), bulk(search), bulk("spec"), where}), bulk("find_keys"),
                array({bulk("type"), bulk(find), bulk("spec"), rule})});
}

std::string index_at(long at) { return array({bulk("index"), number(at)}); }
std::string range_of(long last, long step, long limit) {
  return array({bulk("lastkey"), number(last), bulk("keystep"), number(step), bulk("limit"), number(limit)});
}
std::string count_of(long at, long first, long step) {
  return array({bulk("keynumidx"), number(at), bulk("firstkey"), number(first), bulk("keystep"), number(step)});
}

/// What the request may change: "-" nothing, "*" anything, else its keys; "?" is no entry.
std::string written(const Overlay& overlay, const Words& args) {
  const Overlay::Entry* const entry = overlay.find(args);
  if (entry == nullptr) return "?";
  KeyList keys;
  switch (cache_effect(entry->facts, args)) {
    case CacheEffect::kNone:
      return "-";
    case CacheEffect::kMayWriteAnything:
      return "*";
    case CacheEffect::kWritesKeys:
      break;
  }
  if (extract_written_keys(entry->facts, args, keys) == Extraction::kUnknown) return "*";
  std::string out;
  for (const std::uint32_t key : keys) out.append(out.empty() ? "" : " ").append(args[key]);
  return out;
}

Overlay parsed(const std::string& reply, const Table& table = built_in()) {
  auto overlay = Overlay::parse(reply, table);
  EXPECT_TRUE(overlay.has_value()) << (overlay ? "" : overlay.error());
  return overlay ? std::move(*overlay) : Overlay{};
}

TEST(Overlay, HasNothingThatTheTableHas) {
  const Overlay overlay = parsed(recorded("redis_7_0_15"));

  EXPECT_EQ(overlay.size(), 0U);
  EXPECT_EQ(overlay.find(Words{"get", "k"}), nullptr);
  EXPECT_TRUE(overlay.knows("GET"));
  EXPECT_FALSE(overlay.knows("waitaof")) << "newer than this server";
  EXPECT_FALSE(overlay.knows(""));
}

class Recorded : public testing::TestWithParam<const char*> {
 protected:
  const Overlay overlay_ = parsed(recorded(GetParam()), small_table());
};

INSTANTIATE_TEST_SUITE_P(In, Recorded, testing::Values("redis_7_0_15", "redis_7_0_15_resp3"));

TEST_P(Recorded, CommandsWriteWhatTheServerSays) {
  EXPECT_EQ(written(overlay_, {"SET", "k", "v"}), "k");
  EXPECT_EQ(written(overlay_, {"mset", "k", "v", "l", "w"}), "k l");
  EXPECT_EQ(written(overlay_, {"BitOp", "AND", "dst", "a", "b"}), "dst");
  EXPECT_EQ(written(overlay_, {"blpop", "a", "b", "0"}), "a b");
  EXPECT_EQ(written(overlay_, {"object", "encoding", "k"}), "-");
  EXPECT_EQ(written(overlay_, {"eval_ro", "return 1", "0"}), "-");
  EXPECT_EQ(written(overlay_, {"get", "k"}), "?") << "the table has it";
}

TEST_P(Recorded, KeysThatMoveAreAnyKey) {
  for (const Words& args : {Words{"eval", "return 1", "1", "k"}, Words{"sort", "k", "STORE", "dst"},
                            Words{"zunionstore", "dst", "2", "a", "b"}, Words{"lmpop", "1", "k", "LEFT"},
                            Words{"migrate", "host", "1", "k", "0", "1"}}) {
    EXPECT_EQ(written(overlay_, args), "*") << args[0];
  }
}

TEST_P(Recorded, WhatIsNeitherReadNorWriteMayWriteAnything) {
  EXPECT_EQ(written(overlay_, {"publish", "c", "m"}), "*");
  EXPECT_EQ(written(overlay_, {"debug", "sleep", "0"}), "*");
}

TEST_P(Recorded, SubcommandsAreTheirOwn) {
  EXPECT_EQ(written(overlay_, {"XGROUP", "Create", "k", "g", "$"}), "k");
  EXPECT_EQ(written(overlay_, {"config", "set", "a", "b"}), "*");
  EXPECT_EQ(written(overlay_, {"config", "get", "a"}), "?") << "the table has it";
  EXPECT_EQ(written(overlay_, {"xgroup", "nonsense"}), "?");
  EXPECT_EQ(written(overlay_, {"xgroup|create", "k"}), "?") << "no name that the server takes";
  EXPECT_EQ(written(overlay_, {"xgroup"}), "*");
}

TEST_P(Recorded, ConnectionsThatWouldChangeAreTold) {
  const auto link = [this](const Words& args) { return overlay_.find(args)->link; };
  EXPECT_EQ(link({"blpop", "k", "0"}), Link::kPinned);
  EXPECT_EQ(link({"subscribe", "c"}), Link::kNone);
  EXPECT_EQ(link({"select", "1"}), Link::kNone);
  EXPECT_EQ(link({"multi"}), Link::kNone);
  EXPECT_EQ(link({"publish", "c", "m"}), Link::kShared);
  EXPECT_EQ(link({"set", "k", "v"}), Link::kShared);
}

TEST(Overlay, RulesOfOldServersAreEnough) {
  const Overlay overlay = parsed(recorded("redis_5"));

  EXPECT_EQ(overlay.size(), 2U);
  EXPECT_EQ(written(overlay, {"BIG", "a", "b"}), "a b");
  EXPECT_EQ(written(overlay, {"read", "a"}), "-");
}

TEST(Overlay, FactsAreThoseOfTheReply) {
  const Overlay overlay = parsed(array({row("Mod.Cmd", {"write", "denyoom", "fast", "unheard_of"}, 1, 1, 1)}));

  const Facts& facts = overlay.find(Words{"MOD.CMD", "k"})->facts;
  EXPECT_EQ(facts.name, "mod.cmd");
  EXPECT_EQ(facts.arity, -2);
  EXPECT_EQ(facts.flags, kWrite | kDenyOom | kFast);
}

TEST(Overlay, MovingItKeepsWhatItsEntriesPointTo) {
  Overlay first = parsed(array({row("m.set", {"write"}, 1, 1, 1)}));

  const Overlay second = std::move(first);

  EXPECT_EQ(written(second, {"m.set", "k"}), "k");
  EXPECT_EQ(second.find(Words{"m.set"})->facts.name, "m.set");
}

TEST(Overlay, KeyRulesThatItCannotSayMeanAnyKey) {
  const std::string first = index_at(1);
  const std::string one = range_of(0, 1, 0);
  const struct {
    const char* what;
    std::string spec;
    const char* written;
  } cases[] = {
      {"one key", spec({"RW"}, "index", first, "range", one), "a"},
      {"no flag", spec({}, "index", first, "range", one), "a"},
      {"removed", spec({"RM"}, "index", first, "range", range_of(-1, 1, 0)), "a 2 b c d"},
      {"every other", spec({"OW"}, "index", first, "range", range_of(-1, 2, 0)), "a b d"},
      {"counted", spec({"RW"}, "index", index_at(2), "keynum", count_of(0, 1, 1)), "b c"},
      {"variable", spec({"RO", "variable_flags"}, "index", first, "range", one), "a"},
      {"only read", spec({"RO"}, "index", first, "range", one), "*"},
      {"a channel", spec({"OW", "not_key"}, "index", first, "range", one), "*"},
      {"incomplete", spec({"RW", "incomplete"}, "index", first, "range", one), "*"},
      {"half of them", spec({"RW"}, "index", first, "range", range_of(-1, 1, 2)), "*"},
      {"keyword",
       spec({"RW"}, "keyword", array({bulk("keyword"), bulk("STORE"), bulk("startfrom"), number(1)}), "range", one),
       "*"},
      {"unknown", spec({"RW"}, "index", first, "unknown", array({})), "*"},
      {"gap behind the count", spec({"RW"}, "index", first, "keynum", count_of(0, 2, 1)), "*"},
      {"counted in steps", spec({"RW"}, "index", first, "keynum", count_of(0, 1, 2)), "*"},
      {"count before the name", spec({"RW"}, "index", first, "keynum", count_of(-1, 0, 1)), "*"},
      {"at the name", spec({"RW"}, "index", index_at(0), "range", one), "*"},
      {"far away", spec({"RW"}, "index", index_at(256), "range", one), "*"},
      {"further away", spec({"RW"}, "index", index_at(9223372036854775807), "range", range_of(127, 1, 0)), "*"},
      {"too far to", spec({"RW"}, "index", first, "range", range_of(9223372036854775807, 1, 0)), "*"},
      {"too far back", spec({"RW"}, "index", first, "range", range_of(-9223372036854775807, 1, 0)), "*"},
      {"no step", spec({"RW"}, "index", first, "range", range_of(-1, 0, 0)), "*"},
      {"back in steps", spec({"RW"}, "index", first, "range", range_of(-1, -1, 0)), "*"},
      {"without a limit", spec({"RW"}, "index", first, "range", array({bulk("lastkey"), number(0)})), "*"},
      {"text for a number", spec({"RW"}, "index", array({bulk("index"), bulk("1")}), "range", one), "*"},
      {"no map", bulk("index"), "*"},
      {"empty", array({}), "*"},
  };
  for (const auto& each : cases) {
    const Overlay overlay = parsed(array({row_with_specs("m.cmd", {"write"}, {each.spec})}));
    EXPECT_EQ(written(overlay, {"m.cmd", "a", "2", "b", "c", "d"}), each.written) << each.what;
  }
}

TEST(Overlay, OneRuleThatItCannotSaySpoilsTheOthers) {
  const std::string good = spec({"RW"}, "index", index_at(1), "range", range_of(0, 1, 0));
  const std::string bad = spec({"RO"}, "unknown", array({}), "unknown", array({}));

  EXPECT_EQ(written(parsed(array({row_with_specs("m.cmd", {"write"}, {good, bad})})), {"m.cmd", "a"}), "*");
  EXPECT_EQ(written(parsed(array({row_with_specs("m.cmd", {"readonly"}, {bad})})), {"m.cmd", "a"}), "-");
}

TEST(Overlay, OldRangesThatMakeNoSenseMeanAnyKey) {
  const struct {
    long first, last, step;
  } cases[] = {{0, 0, 0}, {-1, 1, 1}, {2, 1, 1}, {1, 1, 0}, {1, 1, -1}, {1, 128, 1}, {256, -1, 1}, {1, -129, 1}};
  for (const auto& each : cases) {
    const Overlay overlay = parsed(array({row("m.cmd", {"write"}, each.first, each.last, each.step)}));
    EXPECT_EQ(written(overlay, {"m.cmd", "a", "b"}), "*") << each.first << ' ' << each.last << ' ' << each.step;
  }
}

TEST(Overlay, WritesThatClaimToBeReadsAreWrites) {
  EXPECT_EQ(written(parsed(array({row("m.cmd", {"readonly", "write"}, 1, 1, 1)})), {"m.cmd", "a"}), "a");
}

TEST(Overlay, RequestWithTooFewArgumentsIsAnyKey) {
  EXPECT_EQ(written(parsed(array({row("m.cmd", {"write"}, 2, 2, 1)})), {"m.cmd", "a"}), "*");
}

TEST(Overlay, MalformedElementsAreLeftOutAndTheRestIsTaken) {
  const std::string good = row("m.good", {"write"}, 1, 1, 1);
  for (const std::string& bad :
       {std::string("*-1\r\n"), std::string("$-1\r\n"), bulk("m.bad"), array({}), array({bulk("m.bad")}),
        array({number(7), number(1), flags({}), number(0), number(0), number(0)}),
        array({bulk("m.bad"), bulk("1"), flags({}), number(0), number(0), number(0)}),
        array({bulk("m.bad"), number(3'000'000'000), flags({}), number(0), number(0), number(0)}),
        array({bulk("m.bad"), number(1), bulk("write"), number(0), number(0), number(0)}),
        array({bulk("m.bad"), number(1), flags({}), bulk("0"), number(0), number(0)}),
        array({bulk("m.bad"), number(1), flags({}), number(0), number(0)}),
        array({bulk(""), number(1), flags({}), number(0), number(0), number(0)}),
        array({bulk("m|bad"), number(1), flags({}), number(0), number(0), number(0)}),
        row(std::string(Overlay::kNameBytesMax + 1, 'x'), {"write"})}) {
    const Overlay overlay = parsed(array({bad, good}));
    EXPECT_EQ(overlay.size(), 1U) << bad;
    EXPECT_FALSE(overlay.knows("m.bad")) << bad;
    EXPECT_EQ(written(overlay, {"m.good", "k"}), "k") << bad;
  }
}

TEST(Overlay, MalformedSubcommandsAreLeftOut) {
  const auto container = [](const std::string& subcommand) {
    return array({array({bulk("m"), number(-2), flags({}), number(0), number(0), number(0), array({}), array({}),
                         array({}), array({subcommand, row("m|good", {"write"}, 2, 2, 1)})})});
  };
  for (const std::string& bad : {number(1), row("m|", {"write"}), row("other|sub", {"write"}), row("m", {"write"}),
                                 row("m|" + std::string(Overlay::kNameBytesMax + 1, 'x'), {"write"})}) {
    const Overlay overlay = parsed(container(bad));
    EXPECT_EQ(overlay.size(), 2U) << bad;
    EXPECT_EQ(written(overlay, {"m", "good", "k"}), "k") << bad;
  }
}

TEST(Overlay, FirstOfTwoWithOneNameCounts) {
  const Overlay overlay = parsed(array({row("m.cmd", {"write"}, 1, 1, 1), row("M.CMD", {"readonly"}, 1, 1, 1)}));

  EXPECT_EQ(overlay.size(), 1U);
  EXPECT_EQ(written(overlay, {"m.cmd", "k"}), "k");
}

TEST(Overlay, NamesOfAnyBytesAndSizesAreLookedUp) {
  const std::string longest(Overlay::kNameBytesMax, 'a');
  const Overlay overlay = parsed(array({row(longest, {"write"}, 1, 1, 1)}));

  EXPECT_NE(overlay.find(Words{longest, "k"}), nullptr);
  EXPECT_TRUE(overlay.knows(longest));
  EXPECT_EQ(overlay.find(Words{longest + "a", "k"}), nullptr);
  EXPECT_FALSE(overlay.knows(longest + "a"));
  EXPECT_EQ(overlay.find(Words{""}), nullptr);
  EXPECT_EQ(overlay.find(Words{std::string_view("\0\xff", 2), std::string(100'000, 'x')}), nullptr);
  EXPECT_EQ(overlay.find(Words{}), nullptr);
}

TEST(Overlay, WhatIsNoListIsAnError) {
  EXPECT_EQ(Overlay::parse("-NOPERM not for you\r\n", built_in()).error(), "NOPERM not for you");
  for (const char* reply : {"", "*1\r\n", ":1\r\n", "+OK\r\n", "*-1\r\n", "%1\r\n+a\r\n+b\r\n", "nonsense"}) {
    EXPECT_FALSE(Overlay::parse(reply, built_in())) << reply;
  }
  EXPECT_EQ(parsed("*0\r\n").size(), 0U);
}

TEST(Overlay, HugeReplyIsRefusedAndALargeOneTaken) {
  std::vector<std::string> rows;
  std::size_t bytes = 0;
  for (int i = 0; bytes < Overlay::kReplyBytesMax - 1000; ++i) {
    rows.push_back(row("m.cmd" + std::to_string(i), {"write"}, 1, 1, 1));
    bytes += rows.back().size();
  }
  EXPECT_EQ(parsed(array(rows)).size(), rows.size());
  const std::size_t few = rows.size();
  for (std::size_t i = 0; i < 100; ++i) rows.push_back(rows[i]);

  const auto refused = Overlay::parse(array(rows), built_in());

  EXPECT_GT(rows.size(), few);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error(), "longer than 1048576 bytes");
}

TEST(Overlay, DeeplyNestedReplyIsRefused) {
  std::string deep;
  for (int i = 0; i < 10'000; ++i) deep += "*1\r\n";
  EXPECT_FALSE(Overlay::parse(deep + ":1\r\n", built_in()));
}

}  // namespace
}  // namespace anteroom::command
