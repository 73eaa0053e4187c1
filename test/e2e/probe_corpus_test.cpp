// Replies to every kind of command: in RESP3, turned into RESP2, and through the front-end, against those of a server.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include "support/probe_corpus.hpp"
#include "support/probe_run.hpp"
#include "support/rig.hpp"

namespace anteroom::test {
namespace {

RedisServer::Options server_options() { return {.arguments = {"--enable-debug-command", "yes"}}; }

enum class Protocol : std::uint8_t { kResp2, kResp3 };

RespClient connected(RespClient client, Protocol protocol) {
  if (protocol == Protocol::kResp2) return client;
  const Reply hello = client.ask("HELLO", "3");
  EXPECT_EQ(hello.type, '%') << "no RESP3: " << hello;
  return client;
}

TEST(ProbeCorpus, ConvertedResp3RepliesEqualResp2Replies) {
  RedisServer server(server_options());
  ASSERT_TRUE(server.start());
  // What no probe needs the shape of: a Sentinel's command, and an option that is younger than this server.
  std::set<std::string_view> with_shape{"sentinel|get-master-addr-by-name", "zrank", "zrevrank", ""};
  for (const ProbeGroup& group : probe_corpus()) {
    for (const Probe& probe : group.probes) {
      RespClient resp2 = connected(server.connect(), Protocol::kResp2);
      set_up(resp2, group, probe);
      const std::string expected = ask_line(resp2, probe.command);
      resp2.close();
      RespClient resp3 = connected(server.connect(), Protocol::kResp3);
      set_up(resp3, group, probe);
      const std::string reply = ask_line(resp3, probe.command);
      resp3.close();

      EXPECT_EQ(comparable(probe, converted_to_resp2(probe, reply)), comparable(probe, expected))
          << describe(group, probe) << "\n  RESP3: " << escaped(reply) << "\n  RESP2: " << escaped(expected);
      with_shape.insert(command_with_shape(probe, reply));
    }
  }
  with_shape.erase("");
  EXPECT_EQ(with_shape, commands_with_shape()) << "a shape is not needed by any reply, or wrong";
}

/// Two servers in the same state, a front-end before one of them.
struct FrontAndServer {
  explicit FrontAndServer(bool has_cache, std::string_view link_protocol = "match")
      : rig({.front = {.arguments = {"--cache", has_cache ? "true" : "false", "--upstream-protocol",
                                     std::string(link_protocol)}},
             .redis = server_options()}),
        reference(server_options()) {}

  bool start() { return rig.is_ready() && reference.start(); }

  Rig rig;
  RedisServer reference;
};

/// Asks each probe through the front-end what it asks the server; what only reads is asked again, when it may be
/// cached.
void expect_replies_of_the_server(FrontAndServer& pair, Protocol protocol) {
  ASSERT_TRUE(pair.start());
  ASSERT_TRUE(connected(pair.rig.front.connect(), protocol).is_connected() && !testing::Test::HasFailure());
  for (const ProbeGroup& group : probe_corpus()) {
    for (const Probe& probe : group.probes) {
      if ((probe.flags & Probe::kDirect) != 0) continue;
      // New connections for each probe, because some leave them in a state of their own.
      RespClient direct = connected(pair.reference.connect(), protocol);
      RespClient through = connected(pair.rig.front.connect(), protocol);
      set_up(direct, group, probe);
      set_up(through, group, probe);
      for (int round = only_reads(probe) ? 2 : 1; round > 0; --round) {
        const std::string expected = ask_line(direct, probe.command);
        const std::string actual = ask_line(through, probe.command);

        EXPECT_EQ(comparable(probe, actual), comparable(probe, expected)) << describe(group, probe);
      }
    }
  }
}

std::string cache_hits(Rig& rig) { return info_field(rig.front.connect().ask("INFO").text, "cache_hits"); }

TEST(ProbeCorpus, ThroughTheFrontEndResp2) {
  FrontAndServer pair(false);
  expect_replies_of_the_server(pair, Protocol::kResp2);
}

TEST(ProbeCorpus, ThroughTheFrontEndWithCacheResp2) {
  FrontAndServer pair(true);
  expect_replies_of_the_server(pair, Protocol::kResp2);
  EXPECT_NE(cache_hits(pair.rig), "0");
}

TEST(ProbeCorpus, ThroughTheFrontEndConvertedForResp2) {
  for (const bool has_cache : {false, true}) {
    FrontAndServer pair(has_cache, "resp3");
    expect_replies_of_the_server(pair, Protocol::kResp2);
    const std::string links = pair.rig.redis.connect().ask("CLIENT", "LIST").text;
    for (std::size_t at = links.find("name=anteroom "); at != std::string::npos;
         at = links.find("name=anteroom ", at + 1)) {
      const std::string_view line = std::string_view(links).substr(at, links.find('\n', at) - at);
      EXPECT_NE(line.find(" resp=3"), std::string_view::npos) << line;
    }
  }
}

TEST(ProbeCorpus, ThroughTheFrontEndResp3) {
  FrontAndServer pair(false);
  expect_replies_of_the_server(pair, Protocol::kResp3);
}

TEST(ProbeCorpus, ThroughTheFrontEndWithCacheResp3) {
  FrontAndServer pair(true);
  expect_replies_of_the_server(pair, Protocol::kResp3);
  EXPECT_NE(cache_hits(pair.rig), "0");
}

}  // namespace
}  // namespace anteroom::test
