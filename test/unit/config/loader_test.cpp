#include "config/loader.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "support/temp_dir.hpp"

namespace anteroom::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Strings = std::vector<std::string>;

/// The three sources of a load, files in memory.
struct Given {
  Strings flags{};
  Environment environment{};
  std::string file{};  ///< content of c.json, which --config names; empty: no --config
  std::map<std::string, std::string> files{};
};

std::expected<Options, Errors> load_from(Given given) {
  if (!given.file.empty()) {
    given.files["c.json"] = given.file;
    given.flags.insert(given.flags.end(), {"--config", "c.json"});
  }
  const FileReader read = [&given](const std::string& path,
                                   std::size_t /*bytes_max*/) -> std::expected<std::string, std::string> {
    const auto found = given.files.find(path);
    if (found == given.files.end()) return std::unexpected("No such file or directory");
    return found->second;
  };
  return load(parse_command_line(given.flags), given.environment, read);
}

Options loaded(Given given) {
  auto options = load_from(std::move(given));
  if (options) return std::move(*options);
  for (const Error& error : options.error()) ADD_FAILURE() << error.to_string();
  return {};
}

Strings errors_of(Given given) {
  const auto options = load_from(std::move(given));
  Strings out;
  if (!options) std::ranges::transform(options.error(), std::back_inserter(out), &Error::to_string);
  return out;
}

TEST(Loader, NothingGivenMeansDefaults) {
  const Options options = loaded({});
  EXPECT_EQ(options.listen.port, 8001);
  EXPECT_EQ(options.upstream.target, (Upstream{.host = "localhost", .port = 6379}));
  EXPECT_THAT(options.sources, IsEmpty());
  EXPECT_EQ(options.config_file, "");
}

TEST(Loader, AFlagBeatsTheEnvironmentWhichBeatsTheFile) {
  const std::string file = R"({"listen":{"port":1}})";
  EXPECT_EQ(loaded({.file = file}).listen.port, 1);
  EXPECT_EQ(loaded({.environment = {{"ANTEROOM_PORT", "2"}}, .file = file}).listen.port, 2);
  EXPECT_EQ(loaded({.flags = {"--port", "3"}, .environment = {{"ANTEROOM_PORT", "2"}}, .file = file}).listen.port, 3);
}

TEST(Loader, TheLastOfTwoFlagsWins) { EXPECT_EQ(loaded({.flags = {"--port", "3", "--port", "4"}}).listen.port, 4); }

TEST(Loader, EveryOptionCanBeGivenInAllThreeWays) {
  for (const Descriptor& option : descriptors()) {
    if (option.kind != Kind::kInteger || option.unit == Unit::kOctal || option.path == "redis_database") continue;
    if (option.path == "listen.tls_port") continue;  // needs a certificate as well
    // Small enough for pairs of limits to agree.
    const bool is_upper_of_pair = option.path.ends_with("cap_ms") || option.path.ends_with("buffer_bytes") ||
                                  option.path.ends_with("staleness_ms");
    const bool is_above_min = option.path == "cache.capacity_bytes";  // of its values, 0 stands apart
    const std::int64_t number = is_upper_of_pair || is_above_min ? option.max : option.min + 1;
    const std::string text = std::to_string(number);
    const Value expected{number};
    EXPECT_EQ(option.read(loaded({.flags = {"--" + std::string(option.flag), text}})), expected) << option.path;
    EXPECT_EQ(option.read(loaded({.environment = {{option.environment_name(), text}}})), expected) << option.path;
    const std::size_t dot = option.path.find('.');
    const std::string path(option.path);
    const std::string file = dot == path.npos
                                 ? "{\"" + path + "\":" + text + '}'
                                 : "{\"" + path.substr(0, dot) + "\":{\"" + path.substr(dot + 1) + "\":" + text + "}}";
    EXPECT_EQ(option.read(loaded({.file = file})), expected) << option.path;
  }
}

TEST(Loader, EachValueRemembersItsSource) {
  const Options options = loaded({.flags = {"--cache_ttl", "5"},
                                  .environment = {{"PORT", "2"}},
                                  .file = R"({"capacity":7,"log":{"level":"debug"},"listen":{"port":1}})"});
  EXPECT_EQ(options.sources.at("cache.ttl_ms"), "flag --cache_ttl");
  EXPECT_EQ(options.sources.at("listen.port"), "environment PORT");
  EXPECT_EQ(options.sources.at("cache.capacity"), "c.json: capacity");
  EXPECT_EQ(options.sources.at("log.level"), "c.json: log.level");
  EXPECT_FALSE(options.sources.contains("workers"));
  EXPECT_EQ(options.config_file, "c.json");
}

TEST(Loader, TheOriginalToolsNamesWorkEverywhere) {
  const auto expect_old = [](const Options& options) {
    EXPECT_EQ(options.upstream.target, (Upstream{.host = "h", .port = 7, .password = "secret", .db = 3}));
    EXPECT_EQ(options.cache.ttl.count(), 11);
    EXPECT_EQ(options.cache.period.count(), 12);
    EXPECT_EQ(options.cache.capacity, 13U);
    EXPECT_EQ(options.listen.port, 14);
  };
  expect_old(loaded({.flags = {"--redis_hostname", "h:7", "--redis_password", "secret", "--redis_database", "3",
                               "--cache_ttl", "11", "--cache_period", "12", "--capacity", "13", "--port", "14"}}));
  expect_old(loaded({.environment = {{"REDIS_HOSTNAME", "h:7"},
                                     {"REDIS_PASSWORD", "secret"},
                                     {"REDIS_DATABASE", "3"},
                                     {"CACHE_TTL", "11"},
                                     {"CACHE_PERIOD", "12"},
                                     {"CAPACITY", "13"},
                                     {"PORT", "14"}}}));
  expect_old(loaded({.file = R"({"redis_hostname":"h:7","redis_password":"secret","redis_database":3,"cache_ttl":11,
                                 "cache_period":12,"capacity":13,"port":14})"}));
}

TEST(Loader, CachedKeysAndCommandsCanBeGivenInAllThreeWays) {
  const auto expect_scope = [](const CacheOptions& cache) {
    EXPECT_THAT(cache.include, ElementsAre("user:*", "cart:*"));
    EXPECT_THAT(cache.exclude, ElementsAre("user:tmp:*"));
    EXPECT_EQ(cache.mget, MgetMode::kPerKey);
    EXPECT_FALSE(cache.result_commands);
    EXPECT_EQ(cache.hash_commands, HashCommands::kOn);
    EXPECT_EQ(cache.eviction, Eviction::kS3Fifo);
    EXPECT_EQ(cache.consistency, Consistency::kTtl);
  };
  expect_scope(loaded({.flags = {"--cache-include", "user:*,cart:*", "--cache-exclude", "user:tmp:*", "--mget",
                                 "per_key", "--result-commands", "off", "--hash-commands", "on", "--eviction", "s3fifo",
                                 "--consistency", "ttl"}})
                   .cache);
  expect_scope(loaded({.environment = {{"ANTEROOM_CACHE_INCLUDE", "user:*,cart:*"},
                                       {"ANTEROOM_CACHE_EXCLUDE", "user:tmp:*"},
                                       {"ANTEROOM_MGET", "per_key"},
                                       {"ANTEROOM_RESULT_COMMANDS", "false"},
                                       {"ANTEROOM_HASH_COMMANDS", "on"},
                                       {"ANTEROOM_EVICTION", "s3fifo"},
                                       {"ANTEROOM_CONSISTENCY", "ttl"}}})
                   .cache);
  expect_scope(loaded({.file = R"({"cache":{"include":["user:*","cart:*"],"exclude":["user:tmp:*"],"mget":"per_key",
                                  "result_commands":false,"hash_commands":"on","eviction":"s3fifo",
                                  "consistency":"ttl"}})"})
                   .cache);
}

TEST(Loader, AnEmptyVariableCountsAsUnset) {
  EXPECT_EQ(
      loaded({.environment = {{"ANTEROOM_PORT", ""}, {"PORT", ""}, {"ANTEROOM_CONFIG", ""}}, .file = R"({"port":1})"})
          .listen.port,
      1);
}

TEST(Loader, OurVariableBeatsTheOldOne) {
  EXPECT_EQ(loaded({.environment = {{"ANTEROOM_PORT", "1"}, {"PORT", "2"}}}).listen.port, 1);
}

TEST(Loader, TheFileIsNamedByFlagOrVariable) {
  const std::map<std::string, std::string> files{{"a.json", R"({"port":1})"}, {"b.json", R"({"port":2})"}};
  EXPECT_EQ(loaded({.environment = {{"ANTEROOM_CONFIG", "a.json"}}, .files = files}).listen.port, 1);
  EXPECT_EQ(loaded({.flags = {"--config", "b.json"}, .environment = {{"ANTEROOM_CONFIG", "a.json"}}, .files = files})
                .listen.port,
            2);
}

TEST(Loader, AnUnreadableFileIsNamedWithItsReason) {
  EXPECT_THAT(errors_of({.flags = {"--config", "none.json"}}),
              ElementsAre("none.json: No such file or directory (from flag --config)"));
  EXPECT_THAT(errors_of({.environment = {{"ANTEROOM_CONFIG", "none.json"}}}),
              ElementsAre("none.json: No such file or directory (from environment ANTEROOM_CONFIG)"));
}

TEST(Loader, ErrorsNameOptionAndSource) {
  EXPECT_THAT(errors_of({.flags = {"--port", "70000"}}),
              ElementsAre("listen.port: 70000 is not between 0 and 65535 (from flag --port)"));
  EXPECT_THAT(errors_of({.environment = {{"PORT", "70000"}}}),
              ElementsAre("listen.port: 70000 is not between 0 and 65535 (from environment PORT)"));
  EXPECT_THAT(errors_of({.file = R"({"listen":{"port":70000}})"}),
              ElementsAre("listen.port: 70000 is not between 0 and 65535 (from c.json: listen.port)"));
}

TEST(Loader, AllErrorsAreReportedAtOnce) {
  const Strings errors = errors_of({.flags = {"--port", "70000", "--foo", "1"},
                                    .environment = {{"CACHE_PERIOD", "0"}},
                                    .file = R"({"cache":{"capcity":5,"ttl_ms":-1},"log":{"format":"xml"}})"});
  EXPECT_EQ(errors.size(), 6U) << testing::PrintToString(errors);
}

TEST(Loader, AnOverriddenValueIsJudgedToo) {
  EXPECT_EQ(errors_of({.flags = {"--port", "1"}, .environment = {{"ANTEROOM_PORT", "x"}}}).size(), 1U);
}

TEST(Loader, UnknownKeysAreErrorsWithASuggestion) {
  EXPECT_THAT(errors_of({.file = R"({"cache":{"capcity":5}})"}),
              ElementsAre("cache.capcity: unknown key, did you mean cache.capacity? (from c.json)"));
  EXPECT_THAT(errors_of({.file = R"({"cahce":{"capacity":5,"ttl_ms":1}})"}),
              ElementsAre("cahce: unknown key, did you mean cache? (from c.json)"));
  EXPECT_THAT(errors_of({.file = R"({"zzz":{}})"}), ElementsAre("zzz: unknown key (from c.json)"));
  EXPECT_THAT(errors_of({.file = R"({"listen.port":1})"}),
              ElementsAre("\"listen.port\": unknown key, did you mean listen.port? (from c.json)"));
  EXPECT_THAT(errors_of({.file = R"({"config":"x.json"})"}), ElementsAre(HasSubstr("config: unknown key")));
}

TEST(Loader, SectionsAndValuesAreNotMixedUp) {
  EXPECT_THAT(errors_of({.file = R"({"listen":5})"}), ElementsAre("listen: needs an object (from c.json)"));
  EXPECT_THAT(errors_of({.file = R"({"listen":[]})"}), ElementsAre("listen: needs an object (from c.json)"));
  EXPECT_THAT(errors_of({.file = R"({"listen":{"port":{"a":1,"b":2}}})"}),
              ElementsAre("listen.port: needs a value, not an object (from c.json: listen.port)"));
  EXPECT_THAT(errors_of({.file = R"({"listen":{"port":{}}})"}),
              ElementsAre("listen.port: needs a whole number, not an object (from c.json: listen.port)"));
  EXPECT_THAT(errors_of({.file = R"({"listen":{},"cache":{}})"}), IsEmpty());
}

TEST(Loader, AKeyGivenTwiceIsAnError) {
  EXPECT_THAT(errors_of({.file = R"({"listen":{"port":1,"port":2}})"}),
              ElementsAre("listen.port: is given twice (from c.json)"));
  EXPECT_THAT(errors_of({.file = R"({"port":1,"listen":{"port":2}})"}),
              ElementsAre("listen.port: is given twice, as port and as listen.port (from c.json)"));
}

TEST(Loader, SyntaxErrorsHaveFileLineAndColumn) {
  EXPECT_THAT(errors_of({.file = "{\n,}"}), ElementsAre(testing::StartsWith("c.json: line 2, column 1: syntax error")));
}

TEST(ReadFile, ReadsFilesAndSaysWhyNot) {
  const test::TempDir dir;
  const std::string path = dir.write("file", "content\n");
  EXPECT_EQ(read_file(path, 8), "content\n");
  EXPECT_EQ(read_file(path, 7), std::unexpected(std::string("it is larger than 7 bytes")));
  EXPECT_EQ(read_file(dir.file("none"), 8), std::unexpected(std::string("No such file or directory")));
  EXPECT_EQ(read_file(dir.path(), 8), std::unexpected(std::string("Is a directory")));
}

TEST(ProcessEnvironment, HasTheVariablesOfTheProcess) {
  ASSERT_EQ(::setenv("ANTEROOM_LOADER_TEST", "a=b", 1), 0);
  EXPECT_EQ(process_environment().at("ANTEROOM_LOADER_TEST"), "a=b");
  ::unsetenv("ANTEROOM_LOADER_TEST");
}

}  // namespace
}  // namespace anteroom::config
