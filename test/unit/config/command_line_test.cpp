#include "config/command_line.hpp"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace anteroom::config {
namespace {

using Strings = std::vector<std::string>;

/// "path=value" of each flag.
Strings flags_of(const CommandLine& line) {
  Strings out;
  for (const Flag& flag : line.flags) out.push_back(std::string(flag.option->path) + '=' + flag.value);
  return out;
}

Strings errors_of(const Strings& arguments) {
  Strings out;
  for (const Error& error : parse_command_line(arguments).errors) out.push_back(error.to_string());
  return out;
}

TEST(CommandLine, ServeIsTheDefaultSubcommand) {
  EXPECT_EQ(parse_command_line({}).subcommand, Subcommand::kServe);
  EXPECT_EQ(parse_command_line({"--port", "1"}).subcommand, Subcommand::kServe);
  EXPECT_EQ(parse_command_line({"serve"}).subcommand, Subcommand::kServe);
  EXPECT_EQ(parse_command_line({"check"}).subcommand, Subcommand::kCheck);
  EXPECT_EQ(parse_command_line({"options"}).subcommand, Subcommand::kOptions);
}

TEST(CommandLine, FlagsStandBeforeAndAfterTheSubcommand) {
  const CommandLine line = parse_command_line({"--port", "1", "check", "--cache-ttl=5"});
  EXPECT_EQ(line.subcommand, Subcommand::kCheck);
  EXPECT_EQ(flags_of(line), (Strings{"listen.port=1", "cache.ttl_ms=5"}));
  EXPECT_TRUE(line.errors.empty());
}

TEST(CommandLine, HyphensAndUnderscoresAreTheSame) {
  const CommandLine line =
      parse_command_line({"--cache_ttl", "1", "--cache-ttl", "2", "--redis-password=x", "--redis_password=y"});
  EXPECT_EQ(flags_of(line),
            (Strings{"cache.ttl_ms=1", "cache.ttl_ms=2", "upstream.password=x", "upstream.password=y"}));
  EXPECT_EQ(line.flags[0].name, "--cache_ttl");
}

TEST(CommandLine, ValuesMayBeNegativeEmptyOrHoldAnEqualsSign) {
  const CommandLine line =
      parse_command_line({"--port", "-1", "--log-file=", "--unixsocket", "", "--upstream=unix:///s?db=1"});
  EXPECT_EQ(flags_of(line),
            (Strings{"listen.port=-1", "log.file=", "listen.unixsocket=", "upstream.url=unix:///s?db=1"}));
  EXPECT_TRUE(line.errors.empty());
}

TEST(CommandLine, AMissingValueIsAnErrorAndSwallowsNoFlag) {
  EXPECT_EQ(errors_of({"serve", "--port"}), Strings{"--port: needs a value"});
  const CommandLine line = parse_command_line({"--port", "--cache-ttl", "5"});
  EXPECT_EQ(flags_of(line), Strings{"cache.ttl_ms=5"});
  EXPECT_EQ(line.errors.size(), 1U);
}

TEST(CommandLine, ASwitchMayStandAlone) {
  EXPECT_EQ(flags_of(parse_command_line({"--tls-self-signed"})), Strings{"gateway.tls_self_signed=true"});
  EXPECT_EQ(flags_of(parse_command_line({"--tls-self-signed", "--port", "1"})),
            (Strings{"gateway.tls_self_signed=true", "listen.port=1"}));
  EXPECT_EQ(flags_of(parse_command_line({"--tls-self-signed", "off", "gateway"})),
            Strings{"gateway.tls_self_signed=off"});
  const CommandLine line = parse_command_line({"--tls-self-signed", "gateway"});
  EXPECT_EQ(flags_of(line), Strings{"gateway.tls_self_signed=true"});
  EXPECT_EQ(line.subcommand, Subcommand::kGateway);
}

TEST(CommandLine, TheGatewayHasTheShortFlagsOfTheOriginal) {
  const auto flags = [](Strings arguments) {
    arguments.insert(arguments.begin(), "gateway");
    return flags_of(parse_command_line(arguments));
  };
  EXPECT_EQ(flags({"-l", "0.0.0.0:1", "-r", "h:2"}), (Strings{"gateway.listen=0.0.0.0:1", "upstream.url=redis://h:2"}));
  EXPECT_EQ(flags({"-r", "h:2", "-u", "tcp"}), Strings{"upstream.url=redis://h:2"});
  EXPECT_EQ(flags({"-u", "unix", "-r", "/run/s"}), Strings{"upstream.url=unix:///run/s"});
  EXPECT_EQ(flags({"-r", "unix:///run/s"}), Strings{"upstream.url=unix:///run/s"});
  EXPECT_EQ(flags({"-u", "redis://h:2"}), Strings{"upstream.url=redis://h:2"});
  EXPECT_EQ(errors_of({"gateway", "-u", "unix"}), Strings{"-u: unix needs -r with the path of the socket"});
  EXPECT_EQ(errors_of({"gateway", "-r", "h:2", "-u", "redis://h:3"}),
            Strings{"-u: is a URL, and so has no room for -r"});
  EXPECT_EQ(errors_of({"gateway", "-u", "udp"}), Strings{"-u: \"udp\" is not tcp or unix, nor a URL"});
  EXPECT_EQ(errors_of({"gateway", "-r"}), Strings{"-r: needs a value"});
  EXPECT_EQ(errors_of({"serve", "-l", "x"}), Strings{"-l: is only for `anteroom gateway`"});
}

TEST(CommandLine, ConfigNamesAFile) {
  EXPECT_EQ(parse_command_line({"--config", "a.json"}).config_file, "a.json");
  EXPECT_EQ(parse_command_line({"--config=b.json"}).config_file, "b.json");
  EXPECT_EQ(errors_of({"--config="}), Strings{"--config: needs the name of a file"});
  EXPECT_EQ(errors_of({"--config"}), Strings{"--config: needs a value"});
}

TEST(CommandLine, HelpAndVersion) {
  EXPECT_TRUE(parse_command_line({"-h"}).wants_help);
  EXPECT_TRUE(parse_command_line({"serve", "--help"}).wants_help);
  EXPECT_TRUE(parse_command_line({"--version"}).wants_version);
  EXPECT_EQ(errors_of({"--version=2"}), Strings{"--version: takes no value"});
}

TEST(CommandLine, UnknownFlagsAreOneLineEachWithoutTheirValue) {
  EXPECT_EQ(errors_of({"--no-such-option", "1"}), Strings{"--no-such-option: unknown option"});
  EXPECT_EQ(errors_of({"--redis_pasword", "secret"}),
            Strings{"--redis_pasword: unknown option, did you mean --redis-password?"});
  EXPECT_EQ(errors_of({"--prt=secret", "check"}), Strings{"--prt: unknown option, did you mean --port?"});
  EXPECT_EQ(errors_of({"-psecret"}), Strings{"-p: unknown option"});
  EXPECT_EQ(errors_of({"--"}), Strings{"--: unknown option"});
  EXPECT_EQ(errors_of({"--x\n\x1b=1"}), Strings{"--x??: unknown option"});
}

TEST(CommandLine, UnknownWordsAreOneLineEach) {
  EXPECT_EQ(errors_of({"srve"}), Strings{"\"srve\": unknown subcommand, did you mean serve? (there are serve, gateway, "
                                         "cli, check, options and hash-password)"});
  EXPECT_EQ(errors_of({"serve", "now"}), Strings{"\"now\": unexpected argument"});
  EXPECT_EQ(errors_of({"serve", "check"}), Strings{"check: is a second subcommand"});
  EXPECT_EQ(errors_of({"-"}).size(), 1U);
  EXPECT_EQ(errors_of({""}).size(), 1U);
}

TEST(CommandLine, UnknownFlagWithItsValueDoesNotSwallowTheNextWord) {
  EXPECT_EQ(errors_of({"serve", "--foo=1", "now"}).size(), 2U);
  EXPECT_EQ(errors_of({"serve", "--foo", "1"}).size(), 1U);
}

TEST(CommandLine, AllErrorsAreFound) { EXPECT_EQ(errors_of({"srve", "--foo", "1", "--port"}).size(), 3U); }

/// What is left of the arguments after scrub_argv().
Strings scrubbed(Strings arguments) {
  arguments.insert(arguments.begin(), "anteroom");
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  scrub_argv(static_cast<int>(argv.size()), argv.data());
  return {arguments.begin() + 1, arguments.end()};
}

TEST(ScrubArgv, SecretFlagsLoseTheirValuesInEveryForm) {
  EXPECT_EQ(scrubbed({"--redis_password", "secret", "--port", "1"}),
            (Strings{"--redis_password", "******", "--port", "1"}));
  EXPECT_EQ(scrubbed({"--redis-password=secret"}), Strings{"--redis-password=******"});
  EXPECT_EQ(scrubbed({"--upstream_password=se=cret"}), Strings{"--upstream_password=*******"});
  EXPECT_EQ(scrubbed({"serve", "--upstream-password", "-secret"}),
            (Strings{"serve", "--upstream-password", "*******"}));
}

TEST(ScrubArgv, UrlsLoseTheirPasswords) {
  EXPECT_EQ(scrubbed({"--upstream", "redis://u:secret@h:1"}), (Strings{"--upstream", "redis://u:******@h:1"}));
  EXPECT_EQ(scrubbed({"--upstream=unix:///s?password=secret"}), Strings{"--upstream=unix:///s?password=******"});
  EXPECT_EQ(scrubbed({"redis://:secret@h"}), Strings{"redis://:******@h"});
}

TEST(ScrubArgv, LeavesTheRestAndTakesAnyArguments) {
  const Strings harmless{"check", "--config", "a.json", "--port=1", "--", "-", "", "--bind"};
  EXPECT_EQ(scrubbed(harmless), harmless);
  scrub_argv(0, nullptr);
}

}  // namespace
}  // namespace anteroom::config
