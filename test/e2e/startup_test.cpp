// Command line, environment and configuration file of the running program: what is refused and how, and what wins.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "support/ports.hpp"
#include "support/rig.hpp"

namespace anteroom::test {
namespace {

struct BadStart {
  std::string name;
  std::vector<std::string> arguments;  ///< DIR stands for a temporary folder
  std::vector<std::string> expected;   ///< each of these must stand in one and the same line of the error output
  std::string config{};                ///< written to DIR/c.json
  std::map<std::string, std::string> environment{};
};

std::vector<BadStart> bad_starts() {
  return {
      {"UnknownOption", {"serve", "--no-such-option", "1"}, {"--no-such-option"}},
      {"UnknownSubcommand", {"srve"}, {"srve"}},
      {"PortOutOfRange", {"serve", "--port", "70000"}, {"70000", "--port"}},
      {"PortNoNumber", {"serve", "--port", "eight"}, {"eight", "--port"}},
      {"PortNegative", {"serve", "--port", "-1"}, {"-1", "--port"}},
      {"PortFromTheEnvironment", {"serve"}, {"70000", "PORT"}, "", {{"PORT", "70000"}}},
      {"PortFromTheFile",
       {"serve", "--config", "DIR/c.json"},
       {"70000", "listen.port", "c.json"},
       R"({"listen":{"port":70000}})"},
      {"OptionWithoutValue", {"serve", "--port"}, {"--port"}},
      {"BadUrlScheme", {"serve", "--upstream", "http://localhost:1"}, {"--upstream"}},
      {"UrlWithoutScheme", {"serve", "--upstream", "localhost"}, {"--upstream"}},
      {"UrlWithABadPort", {"serve", "--upstream", "redis://localhost:99999"}, {"--upstream"}},
      {"UrlWithABadDatabase", {"serve", "--upstream", "redis://localhost:6379/x"}, {"--upstream"}},
      {"UrlFromTheEnvironment", {"serve"}, {"REDIS_HOSTNAME"}, "", {{"REDIS_HOSTNAME", "bad:port:name"}}},
      {"PeriodZero", {"serve", "--cache-period", "0"}, {"--cache-period"}},
      {"TtlNegative", {"serve", "--cache-ttl", "-5"}, {"--cache-ttl"}},
      {"BadLogFormat", {"serve", "--log-format", "xml"}, {"xml", "--log-format"}},
      {"BadConsistency", {"serve", "--consistency", "strong"}, {"strong", "--consistency"}},
      {"BadEviction", {"serve", "--eviction", "random"}, {"random", "--eviction"}},
      {"ConfigMissing", {"serve", "--config", "DIR/none.json"}, {"none.json", "No such file"}},
      {"ConfigIsAFolder", {"serve", "--config", "DIR"}, {"DIR"}},
      {"ConfigIsNotJson", {"serve", "--config", "DIR/c.json"}, {"c.json"}, "{\"listen\": {\"port\": 1,,}}"},
      {"ConfigUnknownKey",
       {"serve", "--config", "DIR/c.json"},
       {"cache.capcity", "c.json"},
       R"({"cache":{"capcity":5}})"},
      {"ConfigUnknownSection",
       {"serve", "--config", "DIR/c.json"},
       {"caching", "c.json"},
       R"({"caching":{"capacity":5}})"},
      {"ConfigWrongType",
       {"serve", "--config", "DIR/c.json"},
       {"cache.capacity", "c.json"},
       R"({"cache":{"capacity":"many"}})"},
      {"ConfigIsAnArray", {"serve", "--config", "DIR/c.json"}, {"c.json"}, "[]"},
      {"HostnameAndUpstreamTogether",
       {"serve", "--upstream", "redis://localhost:1", "--redis_hostname", "localhost:2"},
       {"--upstream", "redis"}},
      {"PasswordFileMissing", {"serve", "--upstream-password-file", "DIR/none"}, {"none"}},
      {"LogFileInAMissingFolder",
       {"serve", "--port", "0", "--unixsocket", "DIR/s", "--log-file", "DIR/no/x.log"},
       {"no/x.log"}},
      {"UnixSocketInAMissingFolder", {"serve", "--port", "0", "--unixsocket", "DIR/no/s"}, {"no/s"}},
      {"CheckFindsTheSame", {"check", "--port", "70000"}, {"70000", "--port"}},
  };
}

class BadStarts : public testing::TestWithParam<BadStart> {};

std::string bad_start_name(const testing::TestParamInfo<BadStart>& info) { return info.param.name; }

std::ostream& operator<<(std::ostream& out, const BadStart& bad) { return out << bad.name; }

INSTANTIATE_TEST_SUITE_P(Of, BadStarts, testing::ValuesIn(bad_starts()), bad_start_name);

std::string with_folder(std::string text, const std::string& folder) {
  const std::size_t at = text.find("DIR");
  return at == std::string::npos ? text : text.replace(at, 3, folder);
}

/// True when one line of `text` has all of `parts`.
bool has_line_with(std::string_view text, const std::vector<std::string>& parts) {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    if (std::ranges::all_of(parts, [&](const std::string& part) { return line.find(part) != std::string_view::npos; }))
      return true;
    text.remove_prefix(std::min(line.size() + 1, text.size()));
  }
  return false;
}

TEST_P(BadStarts, IsOneClearLineThatNamesOptionAndSourceAndExitStatus2) {
  const TempDir dir;
  if (!GetParam().config.empty()) dir.write("c.json", GetParam().config);
  std::vector<std::string> arguments;
  for (const std::string& argument : GetParam().arguments) arguments.push_back(with_folder(argument, dir.path()));
  std::vector<std::string> expected;
  for (const std::string& part : GetParam().expected) expected.push_back(with_folder(part, dir.path()));

  const Finished finished = run_anteroom(arguments, {.environment = GetParam().environment});

  EXPECT_EQ(finished.status, ExitStatus{.code = 2}) << to_string(finished.status);
  EXPECT_TRUE(has_line_with(finished.errors, expected)) << finished.errors;
  EXPECT_LE(std::ranges::count(finished.errors, '\n'), 2) << finished.errors;
}

TEST(Startup, APortInUseIsNamedWithItsOption) {
  RedisServer occupant;
  ASSERT_TRUE(occupant.start());
  const std::string port = std::to_string(occupant.address(Transport::kTcp).port);
  const Finished finished =
      run_anteroom({"serve", "--port", port, "--bind", "127.0.0.1", "--upstream", occupant.url(Transport::kUnix)});
  EXPECT_EQ(finished.status, ExitStatus{.code = 2});
  EXPECT_TRUE(has_line_with(finished.errors, {port, "--port"})) << finished.errors;
}

TEST(Startup, AnAddressThatIsNotOursIsNamedWithItsOption) {
  for (const std::string address : {"zzz", "192.0.2.1"}) {
    const Finished finished = run_anteroom({"serve", "--bind", address, "--port", std::to_string(free_port())});
    EXPECT_EQ(finished.status, ExitStatus{.code = 2});
    EXPECT_TRUE(has_line_with(finished.errors, {"--bind", address})) << finished.errors;
  }
}

TEST(Startup, WithoutStandardStreamsTheLogGoesNowhere) {
  // Before the program runs, the process is a copy of the shell with the shell's streams; and before main() begins, a
  // sanitizer may have a file of its own open there.
  const Finished finished = run({"/bin/sh", "-c",
                                 "\"$0\" serve --port \"$1\" --upstream unix:///nowhere 0<&- >&- 2>&- & pid=$!; "
                                 "until [ \"$(readlink /proc/$pid/exe)\" = \"$(readlink -f \"$0\")\" ]; do :; done; "
                                 "tries=0; until [ \"$(readlink /proc/$pid/fd/2)\" = /dev/null ] || [ $tries = 3000 ]; "
                                 "do tries=$((tries + 1)); done; readlink /proc/$pid/fd/2; kill $pid; wait $pid",
                                 anteroom_binary(), std::to_string(free_port())},
                                {});
  EXPECT_EQ(finished.output, "/dev/null\n");
}

TEST(Startup, ADeniedCommandThatDoesNotExistIsWarnedOf) {
  AnteroomProcess front{{.upstream = "unix:///nowhere", .arguments = {"--deny", "flushal,config set"}}};
  ASSERT_TRUE(front.start());
  EXPECT_TRUE(eventually([&] { return contains(front.output(), "command=flushal"); })) << front.output();
  EXPECT_FALSE(contains(front.output(), "command=\"config set\""));
}

TEST(Startup, AllErrorsAreReportedAtOnce) {
  const TempDir dir;
  const std::string config = dir.write("c.json", R"({"cache":{"capcity":5,"ttl_ms":-1},"log":{"format":"xml"}})");
  const Finished finished =
      run_anteroom({"serve", "--config", config, "--port", "70000"}, {.environment = {{"CACHE_PERIOD", "0"}}});
  EXPECT_EQ(finished.status, ExitStatus{.code = 2});
  EXPECT_TRUE(has_line_with(finished.errors, {"cache.capcity"})) << finished.errors;
  EXPECT_TRUE(has_line_with(finished.errors, {"ttl"})) << finished.errors;
  EXPECT_TRUE(has_line_with(finished.errors, {"xml"})) << finished.errors;
  EXPECT_TRUE(has_line_with(finished.errors, {"70000", "--port"})) << finished.errors;
  EXPECT_TRUE(has_line_with(finished.errors, {"CACHE_PERIOD"})) << finished.errors;
}

TEST(Startup, CheckPrintsTheEffectiveConfigurationWithoutSecrets) {
  const TempDir dir;
  const std::string config = dir.write("c.json", R"({"cache":{"capacity":777},"upstream":{"password":"file-secret"}})");
  const Finished finished =
      run_anteroom({"check", "--config", config, "--cache-ttl", "4321", "--upstream", "redis://u:url-secret@h:1/3"},
                   {.environment = {{"PORT", "9876"}}});
  EXPECT_EQ(finished.status, ExitStatus{.code = 0}) << finished.errors;
  for (const char* expected : {"777", "4321", "9876"}) EXPECT_TRUE(contains(finished.output, expected));
  for (const char* secret : {"file-secret", "url-secret"}) {
    EXPECT_FALSE(contains(finished.output, secret));
    EXPECT_FALSE(contains(finished.errors, secret));
  }
}

TEST(Startup, DefaultsAreThoseOfTheOriginalTool) {
  const Finished finished = run_anteroom({"check"});
  EXPECT_EQ(finished.status, ExitStatus{.code = 0}) << finished.errors;
  for (const char* expected : {"8001", "1024", "300000", "100", "localhost:6379"})
    EXPECT_TRUE(contains(finished.output, expected));
}

TEST(Startup, ErrorsNeverShowASecret) {
  const TempDir dir;
  const std::string config = dir.write("c.json", R"({"upstream":{"password":["list-secret"]}})");
  const Finished finished =
      run_anteroom({"serve", "--config", config, "--upstream", "redis://user:url-secret@host:99999", "--redis_password",
                    "flag-secret", "--cache-period", "0"},
                   {.environment = {{"REDIS_PASSWORD", "environment-secret"}}});
  EXPECT_EQ(finished.status, ExitStatus{.code = 2});
  EXPECT_FALSE(contains(finished.output + finished.errors, "-secret")) << finished.errors;
}

TEST(Startup, OptionsIsTheReferenceInTheTree) {
  const Finished finished = run_anteroom({"options"});
  EXPECT_EQ(finished.status, ExitStatus{.code = 0});
  EXPECT_GT(finished.output.size(), 1'000U);
  EXPECT_TRUE(finished.output == read_file("conf/OPTIONS.md")) << "run: build/anteroom options > conf/OPTIONS.md";
}

TEST(Startup, TheExampleConfigurationIsValid) {
  const Finished finished = run_anteroom({"check", "--config", "conf/anteroom.json"});
  EXPECT_EQ(finished.status, ExitStatus{.code = 0}) << finished.errors;
}

TEST(Startup, VersionAndHelpAreShort) {
  const Finished version = run_anteroom({"--version"});
  EXPECT_EQ(version.status, ExitStatus{.code = 0});
  EXPECT_EQ(std::ranges::count(version.output, '\n'), 1) << version.output;
  const Finished help = run_anteroom({"--help"});
  EXPECT_EQ(help.status, ExitStatus{.code = 0});
  for (const char* flag : {"--port", "--upstream", "--cache-ttl", "--config"}) EXPECT_TRUE(contains(help.output, flag));
}

/// Four numbers; the listening port tells which source won.
class Precedence : public testing::Test {
 protected:
  void expect_listens_on(std::uint16_t port, AnteroomProcess::Options options) {
    options.has_own_listeners = false;
    options.upstream = "unix:///nowhere";
    AnteroomProcess front{std::move(options)};
    ASSERT_TRUE(front.launch());
    EXPECT_TRUE(eventually([&] { return !front.is_running() || RespClient{{.port = port}}.is_connected(); }));
    EXPECT_TRUE(front.is_running()) << front.output();
    EXPECT_EQ(RespClient{{.port = port}}.ask("PING"), kPong);
  }

  static std::string text(std::uint16_t port) { return std::to_string(port); }

  const std::uint16_t flag_port_ = free_port();
  const std::uint16_t environment_port_ = free_port();
  const std::string file_ = R"({"listen":{"port":)" + std::to_string(free_port()) + "}}";
};

TEST_F(Precedence, FlagBeatsEnvironmentAndFile) {
  expect_listens_on(flag_port_, {.arguments = {"--port", text(flag_port_)},
                                 .environment = {{"ANTEROOM_PORT", text(environment_port_)}},
                                 .config = file_});
}

TEST_F(Precedence, EnvironmentBeatsFile) {
  expect_listens_on(environment_port_, {.environment = {{"ANTEROOM_PORT", text(environment_port_)}}, .config = file_});
}

TEST_F(Precedence, FileBeatsDefault) {
  const std::uint16_t port = free_port();
  expect_listens_on(port, {.config = R"({"listen":{"port":)" + text(port) + "}}"});
}

TEST_F(Precedence, TheOldEnvironmentNameWorks) {
  expect_listens_on(environment_port_, {.environment = {{"PORT", text(environment_port_)}}, .config = file_});
}

TEST_F(Precedence, AnEmptyEnvironmentVariableCountsAsUnset) {
  const std::uint16_t port = free_port();
  expect_listens_on(port, {.environment = {{"PORT", ""}, {"ANTEROOM_PORT", ""}},
                           .config = R"({"listen":{"port":)" + text(port) + "}}"});
}

TEST_F(Precedence, TheOldTopLevelKeyInTheFileWorks) {
  const std::uint16_t port = free_port();
  expect_listens_on(port, {.config = R"({"port":)" + text(port) + "}"});
}

/// The original tool's way to name the server, in all places.
class OldNames : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(redis_.start());
    RespClient backend = redis_.connect();
    backend.ask("SELECT", "3");
    backend.ask("SET", "k", "three");
    host_ = "127.0.0.1:" + std::to_string(redis_.address(Transport::kTcp).port);
  }

  void expect_reads_database_3(AnteroomProcess::Options options) {
    AnteroomProcess front{std::move(options)};
    ASSERT_TRUE(front.start());
    EXPECT_EQ(front.connect().ask("GET", "k"), bulk("three"));
  }

  RedisServer redis_;
  std::string host_;
};

TEST_F(OldNames, AsFlagsWithUnderscores) {
  expect_reads_database_3({.arguments = {"--redis_hostname", host_, "--redis_database", "3", "--cache_ttl", "5000",
                                         "--cache_period", "50", "--capacity", "10"}});
}

TEST_F(OldNames, AsFlagsWithHyphens) {
  expect_reads_database_3({.arguments = {"--redis-hostname", host_, "--redis-database", "3", "--cache-ttl", "5000"}});
}

TEST_F(OldNames, AsFlagsWithAnEqualsSign) {
  expect_reads_database_3({.arguments = {"--redis_hostname=" + host_, "--redis_database=3"}});
}

TEST_F(OldNames, InTheEnvironment) {
  expect_reads_database_3({.environment = {{"REDIS_HOSTNAME", host_},
                                           {"REDIS_DATABASE", "3"},
                                           {"CACHE_TTL", "5000"},
                                           {"CACHE_PERIOD", "50"},
                                           {"CAPACITY", "10"}}});
}

TEST_F(OldNames, AtTheTopOfTheFile) {
  expect_reads_database_3({.config = R"({"redis_hostname":")" + host_ +
                                     R"(","redis_database":3,"cache_ttl":5000,"cache_period":50,"capacity":10})"});
}

TEST_F(OldNames, AFlagOfTheOldNameBeatsAUrlInTheFile) {
  expect_reads_database_3({.arguments = {"--redis_hostname", host_, "--redis_database", "3"},
                           .config = R"({"upstream":{"url":"redis://localhost:1"}})"});
}

TEST(Startup, ServeIsTheDefaultSubcommand) {
  const std::uint16_t port = free_port();
  auto process =
      Process::spawn({.argv = {anteroom_binary(), "--port", std::to_string(port), "--upstream", "unix:///nowhere"}});
  ASSERT_TRUE(process.has_value()) << process.error();
  EXPECT_TRUE(eventually([&] { return !process->is_running() || RespClient{{.port = port}}.is_connected(); }));
  EXPECT_EQ(RespClient{{.port = port}}.ask("PING"), kPong);
  EXPECT_EQ(process->stop(), ExitStatus{.code = 0});
}

}  // namespace
}  // namespace anteroom::test
