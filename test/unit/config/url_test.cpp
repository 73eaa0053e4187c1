#include "config/url.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace anteroom::config {

void PrintTo(const Upstream& upstream, std::ostream* out) { *out << display_url(upstream); }

namespace {

using Kind = Upstream::Kind;

std::string masked(std::string text) {
  mask_url_password(text.data(), text.size());
  return text;
}

void expect_refused(const std::string& url, const std::string& reason) {
  const auto parsed = parse_upstream_url(url);
  ASSERT_FALSE(parsed.has_value()) << url;
  EXPECT_NE(parsed.error().find(reason), std::string::npos) << url << ": " << parsed.error();
  EXPECT_EQ(parsed.error().find("secret"), std::string::npos) << url << ": " << parsed.error();
  EXPECT_EQ(parsed.error().find('\n'), std::string::npos) << url;
}

TEST(UpstreamUrl, HostAloneHasTheDefaultPortAndDatabase) {
  EXPECT_EQ(parse_upstream_url("redis://cache.example"), (Upstream{.host = "cache.example", .port = 6379}));
  EXPECT_EQ(parse_upstream_url("redis://cache.example/"), (Upstream{.host = "cache.example", .port = 6379}));
}

TEST(UpstreamUrl, AllPartsOfATcpUrlAreTaken) {
  const Upstream expected{.host = "h-1.x_y", .port = 7000, .user = "alice", .password = "secret", .db = 12};
  EXPECT_EQ(parse_upstream_url("redis://alice:secret@h-1.x_y:7000/12"), expected);
  EXPECT_EQ(parse_upstream_url("REDIS://alice:secret@h-1.x_y:7000/12"), expected);
}

TEST(UpstreamUrl, WithoutAColonTheUserPartIsThePasswordAsForRedisCli) {
  EXPECT_EQ(parse_upstream_url("redis://secret@h"), (Upstream{.host = "h", .password = "secret"}));
  EXPECT_EQ(parse_upstream_url("redis://:secret@h"), (Upstream{.host = "h", .password = "secret"}));
}

TEST(UpstreamUrl, UserAndPasswordArePercentDecoded) {
  const auto parsed = parse_upstream_url("redis://a%40b:p%3A%2f%25%20@h");
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->user, "a@b");
  EXPECT_EQ(parsed->password, "p:/% ");
}

TEST(UpstreamUrl, AnUnencodedAtSignBelongsToThePassword) {
  const auto parsed = parse_upstream_url("redis://u:p@ss:w/o?rd@h:1");
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->password, "p@ss:w/o?rd");
  EXPECT_EQ(parsed->host, "h");
}

TEST(UpstreamUrl, Ipv6AddressesStandInBrackets) {
  EXPECT_EQ(parse_upstream_url("redis://[::1]"), (Upstream{.host = "::1"}));
  EXPECT_EQ(parse_upstream_url("redis://[fe80::1%eth0]:7000/1"),
            (Upstream{.host = "fe80::1%eth0", .port = 7000, .db = 1}));
  EXPECT_EQ(parse_upstream_url("redis://[::ffff:1.2.3.4]:1"), (Upstream{.host = "::ffff:1.2.3.4", .port = 1}));
}

TEST(UpstreamUrl, UnixPathsAreAbsoluteAndMayHaveParameters) {
  EXPECT_EQ(parse_upstream_url("unix:///run/redis.sock"), (Upstream{.kind = Kind::kUnix, .path = "/run/redis.sock"}));
  EXPECT_EQ(parse_upstream_url("unix:///a%20b?db=3&user=u&password=s%26cret"),
            (Upstream{.kind = Kind::kUnix, .path = "/a b", .user = "u", .password = "s&cret", .db = 3}));
}

TEST(UpstreamUrl, TheLongestUnixPathHas107Bytes) {
  EXPECT_TRUE(parse_upstream_url("unix:///" + std::string(106, 'x')).has_value());
  expect_refused("unix:///" + std::string(107, 'x'), "107");
}

TEST(UpstreamUrl, RedissIsRedisWithTls) {
  EXPECT_EQ(parse_upstream_url("rediss://u:secret@h:1/2"),
            (Upstream{.host = "h", .port = 1, .is_tls = true, .user = "u", .password = "secret", .db = 2}));
  EXPECT_EQ(parse_upstream_url("REDISS://h"), (Upstream{.host = "h", .is_tls = true}));
  EXPECT_EQ(display_url({.host = "h", .is_tls = true, .user = "u", .password = "secret"}), "rediss://u:***@h:6379");
  expect_refused("rediss://h?ca=/x", "no '?'");
}

TEST(UpstreamUrl, QuicIsAGatewayWithItsPin) {
  const std::string pin(64, 'a');
  EXPECT_EQ(parse_upstream_url("quic://u:secret@h:1/2"),
            (Upstream{.host = "h", .port = 1, .is_quic = true, .user = "u", .password = "secret", .db = 2}));
  EXPECT_EQ(parse_upstream_url("quic://h?pin=sha256:" + std::string(64, 'A')),
            (Upstream{.host = "h", .is_quic = true, .pin = pin}));
  EXPECT_EQ(parse_upstream_url("QUIC://h/1?insecure=1"),
            (Upstream{.host = "h", .is_quic = true, .is_insecure = true, .db = 1}));
  EXPECT_EQ(display_url({.host = "h", .is_quic = true, .pin = pin, .user = "u", .password = "secret"}),
            "quic://u:***@h:6379?pin=sha256:" + pin);
  EXPECT_EQ(display_url({.host = "h", .is_quic = true, .is_insecure = true}), "quic://h:6379?insecure=1");
}

TEST(UpstreamUrl, WrongPartsOfAQuicUrlAreNamed) {
  expect_refused("quic://h?pin=sha256:12", "64 hexadecimal digits");
  expect_refused("quic://h?pin=" + std::string(64, 'a'), "sha256:");
  expect_refused("quic://h?pin=sha256:" + std::string(64, 'g'), "64 hexadecimal digits");
  expect_refused("quic://h?insecure=0", "insecure=1");
  expect_refused("quic://h?ca=/x", "pin=sha256:");
  expect_refused("quic://h?insecure=1&pin=sha256:" + std::string(64, 'a'), "both");
  expect_refused("quic://", "host is missing");
  expect_refused("redis://h?insecure=1", "no '?'");
}

TEST(UpstreamUrl, EveryMistakeHasItsReason) {
  expect_refused("", "empty");
  expect_refused("localhost", "redis://");
  expect_refused("localhost:6379", "redis://");
  expect_refused("http://h", "redis://");
  expect_refused("redis://", "host is missing");
  expect_refused("redis://:6379", "host is missing");
  expect_refused("redis://u:secret@", "host is missing");
  expect_refused("redis://u:secret@:1", "host is missing");
  expect_refused("redis://h:", "port");
  expect_refused("redis://h:0", "port");
  expect_refused("redis://h:65536", "port");
  expect_refused("redis://h:+1", "port");
  expect_refused("redis://h:06", "port");
  expect_refused("redis://user:secret", "port");
  expect_refused("redis://h/x", "database");
  expect_refused("redis://h/-1", "database");
  expect_refused("redis://h/1/2", "database");
  expect_refused("redis://h/2147483648", "database");
  expect_refused("redis://h?db=1", "'?'");
  expect_refused("redis://h#1", "'#'");
  expect_refused("redis://h h", "character");
  expect_refused("redis://h\r\nx", "character");
  expect_refused("redis://::1", "brackets");
  expect_refused("redis://[::1", "']'");
  expect_refused("redis://[::1]x", "port");
  expect_refused("redis://[localhost]", "IPv6");
  expect_refused("redis://[::1%]", "IPv6");
  expect_refused("redis://" + std::string(254, 'h'), "253");
  expect_refused("redis://u%4:secret@h", "user");
  expect_refused("redis://u:secret%zz@h", "password");
  expect_refused("redis://u:secret%00@h", "NUL");
  expect_refused("unix://relative", "absolute");
  expect_refused("unix://", "absolute");
  expect_refused("unix:///s%00", "NUL");
  expect_refused("unix:///s?", "db=");
  expect_refused("unix:///s?db=1&", "db=");
  expect_refused("unix:///s?secret=1", "db=");
  expect_refused("unix:///s?db=", "database");
  expect_refused("unix:///s?password=secret%2", "password");
}

TEST(HostAndPort, TakesWhatTheOriginalToolTook) {
  EXPECT_EQ(parse_host_and_port("localhost:6380"), (Upstream{.host = "localhost", .port = 6380}));
  EXPECT_EQ(parse_host_and_port("10.0.0.1"), (Upstream{.host = "10.0.0.1", .port = 6379}));
  EXPECT_EQ(parse_host_and_port("[::1]:7"), (Upstream{.host = "::1", .port = 7}));
  for (const char* bad : {"", ":1", "h:", "h:x", "a:b:c", "::1", "u:p@h", "redis://h", "h/1"}) {
    EXPECT_FALSE(parse_host_and_port(bad).has_value()) << bad;
  }
}

TEST(DisplayUrl, HidesThePasswordAndReadsBack) {
  const std::vector<std::string> urls{"redis://h:1",
                                      "redis://:***@h:6379/3",
                                      "redis://u:***@[::1]:2",
                                      "redis://a%40b:@h:1",
                                      "unix:///s",
                                      "unix:///s%20t%3F?db=3&user=u&password=***"};
  for (const std::string& url : urls) {
    const auto parsed = parse_upstream_url(url);
    ASSERT_TRUE(parsed.has_value()) << url << ": " << parsed.error();
    EXPECT_EQ(display_url(*parsed), url);
  }
  EXPECT_EQ(display_url({.host = "h", .user = "u", .password = "secret"}), "redis://u:***@h:6379");
}

TEST(MaskUrlPassword, KeepsTheLengthAndEverythingElse) {
  EXPECT_EQ(masked("redis://u:secret@h:1/2"), "redis://u:******@h:1/2");
  EXPECT_EQ(masked("redis://:secret@h"), "redis://:******@h");
  EXPECT_EQ(masked("redis://secret@h"), "redis://******@h");
  EXPECT_EQ(masked("unix:///s?password=secret&db=1"), "unix:///s?password=******&db=1");
  EXPECT_EQ(masked("redis://h:1"), "redis://h:1");
  EXPECT_EQ(masked("8001"), "8001");
  EXPECT_EQ(masked(""), "");
}

TEST(MaskUrlPassword, WorksOnUrlsThatAreWrong) {
  EXPECT_EQ(masked("http://u:sec@ret@h:99999"), "http://u:*******@h:99999");
  EXPECT_EQ(masked("unix:///s?password=secret"), "unix:///s?password=******");
  EXPECT_EQ(masked("unix:///s?db=1&password=se=cret&password=x"), "unix:///s?db=1&password=*******&password=*");
}

}  // namespace
}  // namespace anteroom::config
