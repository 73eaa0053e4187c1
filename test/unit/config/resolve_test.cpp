#include "config/resolve.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "config/describe.hpp"

namespace anteroom::config {
namespace {

using Strings = std::vector<std::string>;

const FileReader kFiles = [](const std::string& path,
                             std::size_t bytes_max) -> std::expected<std::string, std::string> {
  if (path == "pw") return "file-secret\n";
  if (path == "crlf") return "file-secret\r\n";
  if (path == "empty") return "\n";
  if (path == "nul") return std::string("a\0b", 3);
  if (path == "size") return std::to_string(bytes_max);
  return std::unexpected("Permission denied");
};

class Resolve : public testing::Test {
 protected:
  /// The place of what is given by flags and variables; fails the test on errors.
  Upstream target(const Strings& flags, const Environment& environment = {}) {
    const auto options = load(parse_command_line(flags), environment, kFiles);
    if (options) return options->upstream.target;
    for (const Error& error : options.error()) ADD_FAILURE() << error.to_string();
    return {};
  }

  /// The one error.
  std::string error(const Strings& flags, const Environment& environment = {}) {
    const auto options = load(parse_command_line(flags), environment, kFiles);
    if (options || options.error().size() != 1) return "not one error";
    return options.error().front().to_string();
  }
};

TEST_F(Resolve, AUrlSaysEverything) {
  EXPECT_EQ(target({"--upstream", "redis://u:secret@h:1/2"}),
            (Upstream{.host = "h", .port = 1, .user = "u", .password = "secret", .db = 2}));
  EXPECT_EQ(target({"--upstream", "unix:///s"}), (Upstream{.kind = Upstream::Kind::kUnix, .path = "/s"}));
}

TEST_F(Resolve, OptionsOfTlsNeedAUrlWithTls) {
  EXPECT_TRUE(target({"--upstream", "rediss://h", "--upstream-tls-ca", "ca"}).is_tls);
  EXPECT_TRUE(target({"--upstream", "quic://h", "--upstream-tls-ca", "ca"}).is_quic);
  for (const std::string name : {"ca", "cert", "key", "server_name"}) {
    std::string flag = "--upstream-tls-" + name;
    EXPECT_EQ(
        error({flag, "x"}),
        "upstream.tls_" + name + ": is given, but upstream.url is not rediss:// or quic:// (from flag " + flag + ")");
  }
}

TEST_F(Resolve, NothingButTheUrlMakesAGatewayInsecure) {
  const std::string pin = "pin=sha256:" + std::string(64, 'a');
  EXPECT_EQ(error({"--upstream", "quic://h?" + pin, "--upstream-tls-verify", "false"}),
            "upstream.tls_verify: is for rediss://; a quic:// URL says ?insecure=1 (from flag --upstream-tls-verify)");
  EXPECT_EQ(error({"--upstream", "quic://h?" + pin, "--upstream-tls-ca", "ca"}),
            "upstream.tls_ca: is of no use beside the pin of upstream.url (from flag --upstream-tls-ca)");
  EXPECT_FALSE(error({"--upstream", "rediss://h", "--upstream-tls-verify", "false"}).contains("tls_verify"));
}

TEST_F(Resolve, ACertificateForTheUpstreamNeedsItsKey) {
  EXPECT_EQ(error({"--upstream", "rediss://h", "--upstream-tls-cert", "c"}),
            "upstream.tls_cert: needs upstream.tls_key beside it (from flag --upstream-tls-cert)");
  EXPECT_EQ(error({"--upstream", "rediss://h", "--upstream-tls-key", "k"}),
            "upstream.tls_key: needs upstream.tls_cert beside it (from flag --upstream-tls-key)");
}

TEST_F(Resolve, UrlAndHostnameAtTheSameLevelContradictEachOther) {
  EXPECT_EQ(error({"--upstream", "redis://a", "--redis_hostname", "b"}),
            "upstream.url: redis_hostname is given as well, by flag --redis_hostname (from flag --upstream)");
  EXPECT_EQ(error({}, {{"ANTEROOM_UPSTREAM", "redis://a"}, {"REDIS_HOSTNAME", "b"}}),
            "upstream.url: redis_hostname is given as well, by environment REDIS_HOSTNAME (from environment "
            "ANTEROOM_UPSTREAM)");
}

TEST_F(Resolve, TheStrongerOfUrlAndHostnameWins) {
  EXPECT_EQ(target({"--upstream", "redis://a/1"}, {{"REDIS_HOSTNAME", "b"}, {"REDIS_DATABASE", "5"}}),
            (Upstream{.host = "a", .db = 1}));
  EXPECT_EQ(target({"--redis_hostname", "b"}, {{"ANTEROOM_UPSTREAM", "redis://:secret@a/1"}}), (Upstream{.host = "b"}));
  EXPECT_EQ(target({"--redis_hostname", "b"}, {{"REDIS_DATABASE", "5"}}), (Upstream{.host = "b", .db = 5}));
}

TEST_F(Resolve, ADatabaseAloneAppliesToTheDefaultOrAWeakerUrl) {
  EXPECT_EQ(target({"--redis_database", "5"}).db, 5);
  EXPECT_EQ(target({"--redis_database", "5"}, {{"ANTEROOM_UPSTREAM", "redis://a/1"}}).db, 5);
  EXPECT_EQ(error({"--redis_database", "5", "--upstream", "redis://a"}),
            "upstream.url: redis_database is given as well, by flag --redis_database (from flag --upstream)");
}

TEST_F(Resolve, APasswordComesFromItsStrongestSource) {
  const std::string url = "redis://u:url-secret@h";
  EXPECT_EQ(target({"--upstream", "redis://h"}, {{"REDIS_PASSWORD", "secret"}}).password, "secret");
  EXPECT_EQ(target({"--upstream", url}, {{"REDIS_PASSWORD", "secret"}}).password, "url-secret");
  EXPECT_EQ(target({"--upstream-password", "secret"}, {{"ANTEROOM_UPSTREAM", url}}).password, "secret");
  EXPECT_EQ(target({"--upstream-password-file", "pw"}, {{"REDIS_PASSWORD", "secret"}}).password, "file-secret");
  EXPECT_EQ(target({"--upstream-password", "secret"}, {{"ANTEROOM_UPSTREAM_PASSWORD_FILE", "none"}}).password,
            "secret");
  EXPECT_EQ(target({"--upstream-password="}, {{"ANTEROOM_UPSTREAM", url}}).password, "");
}

TEST_F(Resolve, PasswordsAtTheSameLevelContradictEachOther) {
  EXPECT_EQ(error({"--upstream", "redis://u:secret@h", "--redis_password", "other-secret"}),
            "upstream.url: has a password, and upstream.password is given as well, by flag --redis_password (from flag "
            "--upstream)");
  EXPECT_EQ(
      error({"--upstream", "redis://u:secret@h", "--upstream-password-file", "pw"}),
      "upstream.url: has a password, and upstream.password_file is given as well, by flag --upstream-password-file "
      "(from flag --upstream)");
  EXPECT_EQ(error({"--redis_password", "secret", "--upstream-password-file", "pw"}),
            "upstream.password: upstream.password_file is given as well, by flag --upstream-password-file (from flag "
            "--redis_password)");
}

TEST_F(Resolve, WhatIsGivenAsEmptyContradictsNothing) {
  EXPECT_EQ(target({"--redis_password", "secret", "--upstream-password-file", ""}).password, "secret");
  EXPECT_EQ(target({"--redis_password", "", "--upstream-password-file", "pw"}).password, "file-secret");
  EXPECT_EQ(target({"--upstream-password-file", ""}, {{"REDIS_PASSWORD", "secret"}}).password, "secret");
  EXPECT_EQ(target({"--upstream", "redis://u:secret@h", "--upstream-user", "", "--redis_password", ""}),
            (Upstream{.host = "h", .user = "u", .password = "secret"}));
}

TEST_F(Resolve, AUserComesFromItsStrongestSource) {
  EXPECT_EQ(target({"--upstream-user", "v"}).user, "v");
  EXPECT_EQ(target({"--upstream-user", "v"}, {{"ANTEROOM_UPSTREAM", "redis://u:p@h"}}).user, "v");
  EXPECT_EQ(target({"--upstream", "redis://u:p@h"}, {{"ANTEROOM_UPSTREAM_USER", "v"}}).user, "u");
  EXPECT_EQ(
      error({"--upstream", "redis://u:secret@h", "--upstream-user", "v"}),
      "upstream.url: has a user, and upstream.user is given as well, by flag --upstream-user (from flag --upstream)");
}

TEST_F(Resolve, OneLineEndAfterThePasswordInAFileIsLeftOut) {
  EXPECT_EQ(target({"--upstream-password-file", "pw"}).password, "file-secret");
  EXPECT_EQ(target({"--upstream-password-file", "crlf"}).password, "file-secret");
  EXPECT_EQ(target({"--upstream-password-file", "size"}).password, "4096");
}

TEST_F(Resolve, AUselessPasswordFileIsNamedWithTheReason) {
  const std::string source = " (from flag --upstream-password-file)";
  EXPECT_EQ(error({"--upstream-password-file", "none"}), "upstream.password_file: none: Permission denied" + source);
  EXPECT_EQ(error({"--upstream-password-file", "empty"}), "upstream.password_file: empty: is empty" + source);
  EXPECT_EQ(error({"--upstream-password-file", "nul"}), "upstream.password_file: nul: has a NUL byte" + source);
}

TEST_F(Resolve, SourcesFollowTheEffectiveValue) {
  const auto options =
      load(parse_command_line({"--redis_hostname", "h", "--upstream-password-file", "pw"}), {}, kFiles);
  ASSERT_TRUE(options.has_value());
  EXPECT_EQ(options->sources.at("upstream.url"), "flag --redis_hostname");
  EXPECT_EQ(options->sources.at("upstream.password"), "flag --upstream-password-file");
}

TEST_F(Resolve, NoPasswordStaysWhereOthersPrintIt) {
  const auto options = load(parse_command_line({"--upstream", "redis://u:url-secret@h:1/3"}), {}, kFiles);
  ASSERT_TRUE(options.has_value());
  EXPECT_EQ(options->upstream.given.url, "redis://h:1/3");
  EXPECT_EQ(options->upstream.given.user, "u");
  EXPECT_EQ(options->upstream.given.password, "***");
  EXPECT_EQ(effective_json(*options).find("secret"), std::string::npos);
}

TEST_F(Resolve, LimitsThatContradictEachOtherAreRefused) {
  EXPECT_EQ(error({"--port", "0"}),
            "listen.port: is 0 and there is no listen.unixsocket, so nobody could connect (from flag --port)");
  EXPECT_EQ(error({"--reconnect-base", "100", "--reconnect-cap", "50"}),
            "upstream.reconnect_base_ms: is more than upstream.reconnect_cap_ms (from flag --reconnect-base)");
  EXPECT_EQ(error({"--output-buffer-bytes", "1kb"}),
            "limits.output_pause_bytes: is more than limits.output_buffer_bytes");
  EXPECT_EQ(error({"--capacity-bytes", "65535"}),
            "cache.capacity_bytes: is less than 64kb, which would hold next to nothing; 0 is no limit (from flag "
            "--capacity-bytes)");
  EXPECT_EQ(error({"--capacity-bytes", "1x"}).find("64kb"), std::string::npos);
  for (const std::string_view bytes : {"0", "64kb"}) {
    EXPECT_TRUE(load(parse_command_line({"--capacity-bytes", std::string(bytes)}), {}, kFiles).has_value()) << bytes;
  }
}

TEST_F(Resolve, DeniedCommandHasNoOtherName) {
  EXPECT_EQ(error({"--rename-command", "get=fetch,DEBUG=mydebug"}),
            "commands.rename: names 'debug', which commands.deny denies by any name (from flag --rename-command)");
  for (const Strings& flags :
       {Strings{"--rename-command", "debug="}, Strings{"--rename-command", "debug=mydebug", "--deny", "debug object"},
        Strings{"--rename-command", "config=myconfig", "--deny", "config set"}}) {
    EXPECT_TRUE(load(parse_command_line(flags), {}, kFiles).has_value()) << testing::PrintToString(flags);
  }
}

TEST_F(Resolve, StalenessIsAtLeastTwiceTheFenceInterval) {
  EXPECT_EQ(error({"--fence-interval", "100", "--max-staleness", "199"}),
            "cache.max_staleness_ms: 199 is less than twice cache.fence_interval_ms, which is 100 by flag "
            "--fence-interval (from flag --max-staleness)");
  EXPECT_EQ(error({}, {{"ANTEROOM_FENCE_INTERVAL", "501"}}),
            "cache.max_staleness_ms: 1000 is less than twice cache.fence_interval_ms, which is 501 by environment "
            "ANTEROOM_FENCE_INTERVAL (from default)");
  EXPECT_EQ(error({"--max-staleness", "499"}),
            "cache.max_staleness_ms: 499 is less than twice cache.fence_interval_ms, which is 250 by default (from "
            "flag --max-staleness)");
  EXPECT_EQ(error({"--fence-interval", "x", "--max-staleness", "1"}),
            "cache.fence_interval_ms: \"x\" is not a whole number (from flag --fence-interval)");
  for (const Strings& flags : {Strings{"--fence-interval", "500"}, Strings{"--max-staleness", "500"},
                               Strings{"--fence-interval", "1", "--max-staleness", "2"}}) {
    EXPECT_TRUE(load(parse_command_line(flags), {}, kFiles).has_value()) << testing::PrintToString(flags);
  }
}

TEST_F(Resolve, APairIsNotJudgedWhenOneOfItIsWrongAlready) {
  EXPECT_EQ(error({"--reconnect-base", "5000", "--reconnect-cap", "x"}),
            "upstream.reconnect_cap_ms: \"x\" is not a whole number (from flag --reconnect-cap)");
}

}  // namespace
}  // namespace anteroom::config
