#include "config/descriptor.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "config/value.hpp"

namespace anteroom::config {
namespace {

TEST(Descriptors, PathsFlagsAndVariablesAreUnique) {
  std::set<std::string> paths;
  std::set<std::string> flags{"config", "help", "version"};
  std::set<std::string> variables{"ANTEROOM_CONFIG"};
  for (const Descriptor& option : descriptors()) {
    EXPECT_TRUE(paths.emplace(option.path).second) << option.path;
    EXPECT_TRUE(flags.emplace(option.flag).second) << option.flag;
    EXPECT_TRUE(variables.insert(option.environment_name()).second) << option.path;
    const bool has_old_name = !option.old_name.empty() && option.old_name != option.path;
    EXPECT_TRUE(!has_old_name || paths.emplace(option.old_name).second) << option.old_name;
  }
}

TEST(Descriptors, DefaultsAreValidValues) {
  for (const Descriptor& option : descriptors()) {
    const Value usual = option.default_value();
    if (option.path == "redis_hostname") continue;
    const auto value = value_from_text(option, text_of(option, usual));
    ASSERT_TRUE(value.has_value()) << option.path << ": " << value.error();
    EXPECT_EQ(*value, usual) << option.path;
  }
}

TEST(Descriptors, LimitsFitTheirMembers) {
  for (const Descriptor& option : descriptors()) {
    if (option.kind != Kind::kInteger) continue;
    EXPECT_LT(option.min, option.max) << option.path;
    for (const std::int64_t number : {option.min, option.max}) {
      Options options;
      option.store(options, number);
      EXPECT_EQ(option.read(options), Value(number)) << option.path;
    }
  }
}

TEST(Descriptors, EveryChoiceIsStoredAndReadBack) {
  for (const Descriptor& option : descriptors()) {
    EXPECT_EQ(option.kind == Kind::kChoice, !option.choices.empty()) << option.path;
    for (const std::string_view choice : option.choices) {
      Options options;
      option.store(options, std::string(choice));
      EXPECT_EQ(option.read(options), Value(std::string(choice))) << option.path;
    }
  }
}

TEST(Descriptors, EachOptionIsExplainedInOneSentence) {
  for (const Descriptor& option : descriptors()) {
    EXPECT_GT(option.doc.size(), 8U) << option.path;
    EXPECT_FALSE(option.doc.ends_with('.') && !option.doc.ends_with("...")) << option.path;
    EXPECT_EQ(option.doc.find_first_of("\n|"), std::string_view::npos) << option.path;
  }
}

TEST(Descriptors, DefaultsAreThoseOfTheOriginalToolAndOfRedis) {
  const Options options;
  EXPECT_EQ(options.listen.port, 8001);
  EXPECT_EQ(options.cache.capacity, 1024U);
  EXPECT_EQ(options.cache.ttl.count(), 300'000);
  EXPECT_EQ(options.cache.period.count(), 100);
  EXPECT_EQ(options.listen.backlog, 511);
  EXPECT_EQ(options.listen.maxclients, 10'000U);
  EXPECT_EQ(options.upstream.target, Upstream{});
}

TEST(Descriptors, TheCacheIsCoherentUnlessToldOtherwise) {
  const CacheOptions cache;
  EXPECT_EQ(cache.consistency, Consistency::kTracking);
  EXPECT_EQ(cache.fence_interval.count(), 250);
  EXPECT_EQ(cache.max_staleness.count(), 1'000);
  EXPECT_EQ(cache.hot_write_bypass.count(), 100);
  EXPECT_EQ(cache.mget, MgetMode::kSnapshot);
  EXPECT_EQ(cache.hash_commands, HashCommands::kAuto);
  EXPECT_TRUE(cache.result_commands);
  EXPECT_EQ(cache.negative_ttl.count(), 10'000);
  EXPECT_EQ(cache.ttl_jitter_percent, 10U);
  EXPECT_EQ(cache.stale_while_revalidate.count(), 0);
  EXPECT_EQ(cache.stale_if_error.count(), 0);
  EXPECT_EQ(cache.eviction, Eviction::kLru);
}

TEST(FindByFlag, TakesHyphensAndUnderscoresAndOldNames) {
  for (const char* name : {"cache-ttl", "cache_ttl"}) EXPECT_EQ(find_by_flag(name)->path, "cache.ttl_ms");
  for (const char* name : {"redis_password", "redis-password", "upstream-password", "upstream_password"}) {
    EXPECT_EQ(find_by_flag(name)->path, "upstream.password");
  }
  EXPECT_EQ(find_by_flag("redis_hostname")->path, "redis_hostname");
  EXPECT_EQ(find_by_flag("nothing"), nullptr);
  EXPECT_EQ(find_by_flag(""), nullptr);
}

TEST(FindByPath, TakesOldNames) {
  EXPECT_EQ(find_by_path("port"), find_by_path("listen.port"));
  EXPECT_EQ(find_by_path("capacity"), find_by_path("cache.capacity"));
  EXPECT_EQ(find_by_path("cache_period"), find_by_path("cache.period_ms"));
  EXPECT_EQ(find_by_path("listen"), nullptr);
  EXPECT_EQ(find_by_path(""), nullptr);
}

TEST(NameAndSource, SaysWhereAValueCameFrom) {
  Options options;
  EXPECT_EQ(name_and_source(options, "listen.port"), "listen.port (from default)");
  options.sources["listen.port"] = "flag --port";
  EXPECT_EQ(name_and_source(options, "listen.port"), "listen.port (from flag --port)");
}

}  // namespace
}  // namespace anteroom::config
