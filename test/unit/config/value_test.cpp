#include "config/value.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

namespace anteroom::config {
namespace {

const Descriptor& option(std::string_view path) { return *find_by_path(path); }

/// The value as text_of() shows it, or the error.
std::string from_text(std::string_view path, std::string_view text) {
  const auto value = value_from_text(option(path), text);
  return value ? text_of(option(path), *value) : "error: " + value.error();
}

std::string from_json(std::string_view path, const JsonValue& json) {
  const auto value = value_from_json(option(path), json);
  return value ? text_of(option(path), *value) : "error: " + value.error();
}

bool is_error(const std::string& result) { return result.starts_with("error: "); }

TEST(ValueFromText, NumbersAreWholeAndInRange) {
  EXPECT_EQ(from_text("listen.port", "0"), "0");
  EXPECT_EQ(from_text("listen.port", "65535"), "65535");
  EXPECT_EQ(from_text("listen.port", "70000"), "error: 70000 is not between 0 and 65535");
  EXPECT_EQ(from_text("listen.port", "-1"), "error: -1 is not between 0 and 65535");
  EXPECT_EQ(from_text("listen.port", "eight"), "error: \"eight\" is not a whole number");
  for (const char* bad : {"", " 1", "1 ", "+1", "01", "1.0", "0x10", "99999999999999999999", "1k"}) {
    EXPECT_TRUE(is_error(from_text("listen.port", bad))) << bad;
  }
}

TEST(ValueFromText, SizesTakeTheSuffixesOfRedis) {
  const std::string_view path = "cache.capacity_bytes";
  EXPECT_EQ(from_text(path, "0"), "0");
  EXPECT_EQ(from_text(path, "1024"), "1kb");
  EXPECT_EQ(from_text(path, "1000"), "1000");
  EXPECT_EQ(from_text(path, "1k"), "1000");
  EXPECT_EQ(from_text(path, "64mb"), "64mb");
  EXPECT_EQ(from_text(path, "64MB"), "64mb");
  EXPECT_EQ(from_text(path, "1g"), "1000000000");
  EXPECT_EQ(from_text(path, "2Gb"), "2gb");
  EXPECT_EQ(from_text(path, "5b"), "5");
  for (const char* bad : {"mb", "1tb", "1.5mb", "1 mb", "-1", "-1mb", "9223372036854775807gb", "1mbb", ""}) {
    EXPECT_TRUE(is_error(from_text(path, bad))) << bad;
  }
}

TEST(ValueFromText, ModesAreOctal) {
  EXPECT_EQ(from_text("listen.unixsocketperm", "700"), "700");
  EXPECT_EQ(from_text("listen.unixsocketperm", "0770"), "770");
  EXPECT_EQ(from_text("listen.unixsocketperm", "1777"), "error: 1777 is not between 0 and 777");
  for (const char* bad : {"", "778", "rwx", "-7", "0000000007"})
    EXPECT_TRUE(is_error(from_text("listen.unixsocketperm", bad))) << bad;
}

TEST(ValueFromText, BooleansHaveTheirUsualNames) {
  for (const char* yes : {"true", "yes", "on", "1", "TRUE"}) EXPECT_EQ(from_text("cache.enabled", yes), "true");
  for (const char* no : {"false", "no", "off", "0", "Off"}) EXPECT_EQ(from_text("cache.enabled", no), "false");
  EXPECT_EQ(from_text("cache.enabled", "maybe"), "error: \"maybe\" is neither true nor false");
}

TEST(ValueFromText, AChoiceIsOneOfItsNames) {
  EXPECT_EQ(from_text("log.format", "JSON"), "json");
  EXPECT_EQ(from_text("log.format", "xml"), "error: \"xml\" is not one of logfmt, json");
  EXPECT_EQ(from_text("cache.eviction", "random"), "error: \"random\" is not one of lru, s3fifo");
  EXPECT_EQ(from_text("cache.consistency", "strong"), "error: \"strong\" is not one of ttl, tracking");
  EXPECT_EQ(from_text("cache.mget", "PER_KEY"), "per_key");
  EXPECT_EQ(from_text("cache.mget", "all"), "error: \"all\" is not one of snapshot, per_key, off");
  EXPECT_EQ(from_text("cache.hash_commands", "true"), "error: \"true\" is not one of auto, on, off");
}

TEST(ValueFromText, ListsAreSeparatedByCommas) {
  EXPECT_EQ(from_text("listen.bind", "127.0.0.1, ::1"), "127.0.0.1,::1");
  EXPECT_EQ(from_text("listen.bind", "a,,b"), "error: has an empty item");
  EXPECT_EQ(from_text("listen.bind", "a,"), "error: has an empty item");
  EXPECT_TRUE(is_error(from_text("listen.bind", " ")));
  EXPECT_EQ(from_text("commands.deny", ""), "");
  EXPECT_EQ(from_text("gateway.listen", ""), "error: is empty");
}

TEST(ValueFromText, GlobsOfKeysAreTakenAsTheyAre) {
  EXPECT_EQ(from_text("cache.include", "User:*, cart:[a-z]?"), "User:*,cart:[a-z]?");
  EXPECT_EQ(from_text("cache.exclude", R"(a\*b)"), R"(a\*b)");
  EXPECT_EQ(from_text("cache.exclude", ""), "");
  EXPECT_EQ(from_text("cache.include", "a:*,"), "error: has an empty item");
}

TEST(ValueFromText, JitterIsAtMostHalf) {
  EXPECT_EQ(from_text("cache.ttl_jitter_percent", "0"), "0");
  EXPECT_EQ(from_text("cache.ttl_jitter_percent", "50"), "50");
  EXPECT_EQ(from_text("cache.ttl_jitter_percent", "51"), "error: 51 is not between 0 and 50");
}

TEST(ValueFromText, CommandsAreNormalised) {
  EXPECT_EQ(from_text("commands.deny", "FLUSHALL,Config|Set,module   load"), "flushall,config set,module load");
  EXPECT_TRUE(is_error(from_text("commands.deny", "a b c")));
  EXPECT_TRUE(is_error(from_text("commands.deny", "|")));
}

TEST(ValueFromText, RenamesAreNormalised) {
  EXPECT_EQ(from_text("commands.rename", "CONFIG=Secret, DEBUG= ,ft.Search = find"),
            "config=secret,debug=,ft.search=find");
  EXPECT_EQ(from_text("commands.rename", ""), "");
  EXPECT_EQ(from_text("commands.denied_as", "hidden"), "hidden");
  EXPECT_EQ(from_text("commands.denied_as", "gone"), "error: \"gone\" is not one of noperm, hidden");
}

TEST(ValueFromText, RenamesOfBadNamesAreRefused) {
  EXPECT_EQ(from_text("commands.rename", "config"), "error: \"config\" is not OLD=NEW, nor OLD= for no name at all");
  for (const char* bad : {"=new", "=", "a b=c", "config|get=c", "a=b c", "a=b|c", "a=b=c", "a=b\x01", "a=\xc3\xa4"}) {
    EXPECT_TRUE(is_error(from_text("commands.rename", bad))) << bad;
  }
  EXPECT_TRUE(is_error(from_text("commands.rename", "get=" + std::string(65, 'x'))));
  EXPECT_FALSE(is_error(from_text("commands.rename", "get=" + std::string(64, 'x'))));
}

TEST(ValueFromText, NoNameIsRenamedTwice) {
  EXPECT_EQ(from_text("commands.rename", "get=a,GET=b"), "error: \"get\" is named twice");
  EXPECT_EQ(from_text("commands.rename", "get=a,set=A"), "error: \"a\" is named twice");
  EXPECT_EQ(from_text("commands.rename", "get=set,set=x"), "error: \"set\" is named twice");
  EXPECT_EQ(from_text("commands.rename", "get=get"), "error: \"get\" is named twice");
}

TEST(ValueFromText, TextHasNoNulByte) {
  EXPECT_TRUE(is_error(from_text("log.file", std::string_view("a\0b", 3))));
  EXPECT_TRUE(is_error(from_text("listen.bind", std::string_view("a\0b", 3))));
  EXPECT_EQ(from_text("upstream.password", std::string_view("secret\0", 7)), "error: the value has a NUL byte");
}

TEST(ValueFromText, UnixPathsFitTheirSocketAddress) {
  EXPECT_FALSE(is_error(from_text("listen.unixsocket", std::string(107, 'x'))));
  EXPECT_TRUE(is_error(from_text("listen.unixsocket", std::string(108, 'x'))));
}

TEST(ValueFromJson, TakesTheTypeOfTheOption) {
  EXPECT_EQ(from_json("listen.port", std::int64_t{5}), "5");
  EXPECT_EQ(from_json("cache.enabled", false), "false");
  EXPECT_EQ(from_json("log.level", std::string("warn")), "warn");
  EXPECT_EQ(from_json("listen.bind", std::vector<std::string>{"a", "b"}), "a,b");
  EXPECT_EQ(from_json("listen.bind", std::string("a,b")), "a,b");
  EXPECT_EQ(from_json("cache.include", std::vector<std::string>{"user:*", "with,comma"}), "user:*,with,comma");
  EXPECT_EQ(from_json("cache.capacity_bytes", std::string("1mb")), "1mb");
  EXPECT_EQ(from_json("cache.capacity_bytes", std::int64_t{1024}), "1kb");
  EXPECT_EQ(from_json("listen.unixsocketperm", std::string("770")), "770");
  EXPECT_EQ(from_json("listen.unixsocketperm", std::int64_t{770}), "770");
}

TEST(ValueFromJson, RefusesOtherTypesWithoutShowingTheValue) {
  EXPECT_EQ(from_json("listen.port", std::string("8001")), "error: needs a whole number, not a string");
  EXPECT_EQ(from_json("listen.port", OtherJson{"null"}), "error: needs a whole number, not null");
  EXPECT_EQ(from_json("listen.port", true), "error: needs a whole number, not true or false");
  EXPECT_EQ(from_json("cache.enabled", std::string("true")), "error: needs true or false, not a string");
  EXPECT_EQ(from_json("cache.enabled", std::int64_t{1}), "error: needs true or false, not a number");
  EXPECT_EQ(from_json("upstream.password", std::int64_t{12345}), "error: needs a string, not a number");
  EXPECT_EQ(from_json("upstream.password", std::vector<std::string>{"secret"}), "error: needs a string, not a list");
  EXPECT_EQ(from_json("commands.deny", std::int64_t{1}), "error: needs a list of strings, not a number");
  EXPECT_EQ(from_json("cache.capacity_bytes", OtherJson{"a fraction"}),
            "error: needs a size like 1048576 or 1mb, not a fraction");
  EXPECT_TRUE(is_error(from_json("listen.unixsocketperm", std::int64_t{799})));
  EXPECT_TRUE(is_error(from_json("listen.unixsocketperm", std::int64_t{-7})));
}

TEST(ValueFromJson, RangesHoldForEveryInteger) {
  for (const Descriptor& candidate : descriptors()) {
    if (candidate.kind != Kind::kInteger || candidate.unit == Unit::kOctal) continue;
    EXPECT_TRUE(value_from_json(candidate, candidate.min).has_value()) << candidate.path;
    EXPECT_TRUE(value_from_json(candidate, candidate.max).has_value()) << candidate.path;
    EXPECT_FALSE(value_from_json(candidate, candidate.min - 1).has_value()) << candidate.path;
    EXPECT_FALSE(value_from_json(candidate, candidate.max + 1).has_value()) << candidate.path;
    EXPECT_FALSE(value_from_json(candidate, std::numeric_limits<std::int64_t>::min()).has_value()) << candidate.path;
  }
}

}  // namespace
}  // namespace anteroom::config
