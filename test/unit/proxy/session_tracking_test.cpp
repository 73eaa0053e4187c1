// CLIENT TRACKING: a session that is told of changes, or has another one told.
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "support/session_rig.hpp"

namespace anteroom::test {
namespace {

using Requests = std::vector<std::string>;

constexpr std::string_view kOk = "+OK\r\n";

std::string invalidation(std::string_view key) { return ">2\r\n" + bulk("invalidate") + "*1\r\n" + bulk(key); }
/// What RESP2 has for it.
std::string invalidation_message(std::string_view key) {
  return "*3\r\n" + bulk("message") + bulk("__redis__:invalidate") + "*1\r\n" + bulk(key);
}

class SessionTracking : public ProxyTest {
 protected:
  void SetUp() override { server_.set_handshake(resp3_handshake); }

  upstream::PinnedPool& pool() { return rig().pinned; }
  /// The client's own link, on which the server has turned tracking on.
  ScriptedConnection& turn_on(Client& client, const std::string& options = " NOLOOP") {
    const std::string command = "CLIENT TRACKING ON" + options;
    ask(client, command);
    ScriptedConnection& server = link_with(command);
    server.send(kOk);
    expect(client, kOk);
    return server;
  }
  std::string id_of(const Client& client) { return std::to_string(session_of(client)->client_id()); }
  /// Where the invalidations come in, and where the client reads, of the first two connections.
  struct Redirected {
    ScriptedConnection& own;
    ScriptedConnection& sink;
  };
  Redirected redirect(Client& client, const Client& target) {
    ask(client, "CLIENT TRACKING ON REDIRECT " + id_of(target));
    ScriptedConnection& sink = link_number(1, "CLIENT ID");
    sink.send(":77\r\n");
    ScriptedConnection& own = link_number(0, "CLIENT TRACKING ON REDIRECT 77");
    own.send(kOk);
    expect(client, kOk);
    return {own, sink};
  }
  /// As once a second.
  void check(const Client& client) {
    in_turn([&] { session_of(client)->check_redirect(); });
  }
};

// --- For itself ---

TEST_F(SessionTracking, ClientIsToldOnALinkOfItsOwn) {
  Client& client = connect_resp3();
  ScriptedConnection& server = turn_on(client);

  server.send(invalidation("k") + ">2\r\n" + bulk("invalidate") + "_\r\n");

  expect(client, invalidation("k") + ">2\r\n" + bulk("invalidate") + "_\r\n");
  EXPECT_EQ(server.handshake_requests()[0], "HELLO 3");
  EXPECT_EQ(pool().links(), 1u);
  EXPECT_EQ(pool().idle(), 0u);
}

TEST_F(SessionTracking, OthersAreNotTold) {
  Client& client = connect_resp3();
  Client& other = connect_resp3();
  ScriptedConnection& server = turn_on(client);

  server.send(invalidation("k"));

  expect(client, invalidation("k"));
  expect_nothing(other);
}

TEST_F(SessionTracking, ReadsAreTheServersBecauseItTracksWhatItIsAsked) {
  cache_value("k", "cached");
  Client& client = connect_resp3();
  ScriptedConnection& server = turn_on(client);

  ask(client, "GET k");
  EXPECT_TRUE(await([&] { return server.has("GET k"); }));
  server.send(bulk("v"));

  expect(client, bulk("v"));
}

TEST_F(SessionTracking, ClientOfResp2IsSentNothingUnasked) {
  Client& client = connect();
  ScriptedConnection& server = turn_on(client);

  server.send(invalidation("k"));
  settle();
  ask(client, "INCR n");
  EXPECT_TRUE(await([&] { return server.has("INCR n"); }));
  server.send(":1\r\n");

  expect(client, ":1\r\n");
}

TEST_F(SessionTracking, OffGivesTheLinkUpAndReadsAreCachedAgain) {
  cache_value("k", "cached");
  Client& client = connect_resp3();
  ScriptedConnection& server = turn_on(client);

  ask(client, "CLIENT TRACKING OFF");
  EXPECT_TRUE(await([&] { return server.has("CLIENT TRACKING OFF"); }));
  server.send(std::string(kOk) + invalidation("late"));
  expect(client, kOk);

  ask(client, "GET k");
  expect(client, bulk("cached"));
  EXPECT_EQ(pool().links(), 0u) << "nobody knows what else it is set to";
}

TEST_F(SessionTracking, RefusalOfTheServerChangesNothing) {
  cache_value("k", "cached");
  Client& client = connect_resp3();
  ask(client, "CLIENT TRACKING ON BCAST OPTIN");
  link_with("CLIENT TRACKING ON BCAST OPTIN").send("-ERR OPTIN and OPTOUT are not compatible with BCAST\r\n");
  expect(client, "-ERR OPTIN and OPTOUT are not compatible with BCAST\r\n");

  ask(client, "GET k");

  expect(client, bulk("cached"));
  EXPECT_EQ(pool().idle(), 1u) << "and the link is fit to be used again";
}

TEST_F(SessionTracking, ResetEndsIt) {
  Client& client = connect_resp3();
  ScriptedConnection& server = turn_on(client);

  ask(client, "RESET");

  expect(client, "+RESET\r\n");
  EXPECT_TRUE(await([&] { return server.is_closed_by_peer(); }));
  ask(client, "CLIENT TRACKINGINFO", "CLIENT GETREDIR");
  EXPECT_EQ(client.peer.take_written(), "*6\r\n" + bulk("flags") + "*1\r\n" + bulk("off") + bulk("redirect") +
                                            ":-1\r\n" + bulk("prefixes") + "*0\r\n:-1\r\n");
}

TEST_F(SessionTracking, LinkOfAClientThatGoesIsNotUsedAgain) {
  Client& client = connect_resp3();
  ScriptedConnection& server = turn_on(client);

  kill(client);

  EXPECT_TRUE(await([&] { return server.is_closed_by_peer(); }));
  EXPECT_EQ(pool().links(), 0u);
}

TEST_F(SessionTracking, WhatIsAboutTrackingGoesToTheServerWhileItIsOn) {
  Client& client = connect_resp3();
  ask(client, "CLIENT CACHING YES");
  EXPECT_TRUE(client.peer.take_written().starts_with("-ERR CLIENT CACHING can be called only when"));
  ScriptedConnection& server = turn_on(client, " OPTIN");

  ask(client, "CLIENT CACHING YES", "CLIENT GETREDIR");
  EXPECT_TRUE(await([&] { return server.has("CLIENT GETREDIR"); }));
  server.send("+OK\r\n:0\r\n");

  expect(client, "+OK\r\n:0\r\n");
}

TEST_F(SessionTracking, TransactionLeavesItOn) {
  Client& client = connect_resp3();
  ScriptedConnection& server = turn_on(client);
  ask(client, "MULTI", "EXEC");
  EXPECT_TRUE(await([&] { return server.has("EXEC"); }));
  server.send("+OK\r\n*0\r\n");
  expect(client, "+OK\r\n*0\r\n");

  server.send(invalidation("k"));

  expect(client, invalidation("k"));
}

// --- Losses ---

TEST_F(SessionTracking, LossIsHeardWithTheNextCommand) {
  Client& client = connect_resp3();
  turn_on(client).close();
  EXPECT_TRUE(await([&] { return rig().metrics.upstream_losses.value() == 1; }));

  ask(client, "PING");

  expect_closed(client);
  EXPECT_EQ(client.peer.take_written(), "+PONG\r\n");
}

TEST_F(SessionTracking, LossIsHeardByAClientThatAsksForNothing) {
  Client& client = connect_resp3();
  turn_on(client).close();
  EXPECT_TRUE(await([&] { return rig().metrics.upstream_losses.value() == 1; }));

  check(client);

  expect_closed(client);
}

TEST_F(SessionTracking, LossDoesNotCutWhatIsStillOwed) {
  Client& client = connect_resp3();
  ScriptedConnection& server = turn_on(client);
  ask(client, "GET k");
  EXPECT_TRUE(await([&] { return server.has("GET k"); }));
  server.close();

  EXPECT_TRUE(await([&] { return client.peer.is_closed(); }));

  EXPECT_TRUE(contains_all(client.peer.take_written(), {"-CONNLOST", "executed=unknown)\r\n"}));
}

TEST_F(SessionTracking, ClientWithALivingLinkIsLeftAlone) {
  Client& client = connect_resp3();
  turn_on(client);

  check(client);

  settle();
  EXPECT_TRUE(is_alive(client));
}

// --- For another client ---

TEST_F(SessionTracking, InvalidationsAreRedirectedToAClientOfResp3) {
  Client& client = connect_resp3();
  Client& target = connect_resp3();
  const auto [own, sink] = redirect(client, target);

  sink.send(invalidation("k"));

  expect(target, invalidation("k"));
  expect_nothing(client);
  EXPECT_EQ(own.requests(), Requests{"CLIENT TRACKING ON REDIRECT 77"}) << "the id is the server's";
}

TEST_F(SessionTracking, ClientOfResp2IsToldOnlyWhereItHasSubscribedToIt) {
  Client& client = connect();
  Client& target = connect();
  const auto [own, sink] = redirect(client, target);
  sink.send(invalidation("early"));
  expect_nothing(target);
  ask(target, "SUBSCRIBE __redis__:invalidate");
  const std::string confirmation = "3\r\n" + bulk("subscribe") + bulk("__redis__:invalidate") + ":1\r\n";
  link_number(2, "SUBSCRIBE __redis__:invalidate").send(">" + confirmation);
  expect(target, "*" + confirmation);

  sink.send(invalidation("k") + ">2\r\n" + bulk("invalidate") + "_\r\n");

  expect(target, invalidation_message("k") + "*3\r\n" + bulk("message") + bulk("__redis__:invalidate") + "$-1\r\n");
}

TEST_F(SessionTracking, ClientMayNameItself) {
  Client& client = connect_resp3();
  const auto [own, sink] = redirect(client, client);

  sink.send(invalidation("k"));

  expect(client, invalidation("k"));
}

TEST_F(SessionTracking, TargetThatIsNotThereIsRefused) {
  Client& client = connect_resp3();

  ask(client, "CLIENT TRACKING ON REDIRECT 4711");

  expect(client, "-ERR The client ID you want redirect to does not exist\r\n");
  EXPECT_EQ(pool().idle(), pool().links()) << "both links are given back";
  ask(client, "CLIENT GETREDIR");
  expect(client, ":-1\r\n");
}

TEST_F(SessionTracking, RefusalOfARedirectionGivesItsLinksBack) {
  Client& client = connect_resp3();
  Client& target = connect_resp3();
  ask(client, "CLIENT TRACKING ON BCAST OPTIN REDIRECT " + id_of(target));
  link_number(1, "CLIENT ID").send(":77\r\n");

  link_number(0, "CLIENT TRACKING ON BCAST OPTIN REDIRECT 77").send("-ERR not compatible\r\n");

  expect(client, "-ERR not compatible\r\n");
  EXPECT_EQ(pool().idle(), 2u);
}

TEST_F(SessionTracking, ClientSeesOurIdsAndNotTheServers) {
  Client& client = connect_resp3();
  Client& target = connect_resp3();
  const auto [own, sink] = redirect(client, target);

  ask(client, "CLIENT GETREDIR");
  EXPECT_TRUE(await([&own] { return own.has("CLIENT GETREDIR"); }));
  own.send(":77\r\n");

  expect(client, ":" + id_of(target) + "\r\n");
}

TEST_F(SessionTracking, LostSinkIsHeardByTheClientThatReliesOnIt) {
  Client& client = connect_resp3();
  Client& target = connect_resp3();
  const auto [own, sink] = redirect(client, target);
  sink.close();
  EXPECT_TRUE(await([&] { return rig().metrics.upstream_losses.value() == 1; }));

  check(client);

  expect_closed(client);
  EXPECT_TRUE(is_alive(target));
}

TEST_F(SessionTracking, TrackerIsToldThatItsTargetIsGone) {
  Client& client = connect_resp3();
  Client& target = connect_resp3();
  const auto [own, sink] = redirect(client, target);
  kill(target);

  sink.send(invalidation("k"));

  expect(client, ">2\r\n$21\r\ntracking-redir-broken\r\n:2\r\n");
  EXPECT_TRUE(is_alive(client));
}

TEST_F(SessionTracking, OffEndsTheRedirectionToo) {
  Client& client = connect_resp3();
  Client& target = connect_resp3();
  const auto [own, sink] = redirect(client, target);

  ask(client, "CLIENT TRACKING OFF");
  EXPECT_TRUE(await([&own] { return own.has("CLIENT TRACKING OFF"); }));
  own.send(kOk);
  expect(client, kOk);
  sink.send(invalidation("late"));

  expect_nothing(target);
  EXPECT_EQ(pool().links(), 1u) << "the sink, which has kept nothing";
  EXPECT_EQ(pool().idle(), 1u);
}

TEST_F(SessionTracking, NextRedirectionTakesThePlaceOfTheFirst) {
  Client& client = connect_resp3();
  Client& first = connect_resp3();
  Client& second = connect_resp3();
  const auto [own, old_sink] = redirect(client, first);
  ask(client, "CLIENT TRACKING ON REDIRECT " + id_of(second));
  ScriptedConnection& sink = link_number(2, "CLIENT ID");
  sink.send(":78\r\n");
  static_cast<void>(link_number(0, "CLIENT TRACKING ON REDIRECT 78"));
  own.send(kOk);
  expect(client, kOk);

  old_sink.send(invalidation("old"));
  sink.send(invalidation("new"));

  expect(second, invalidation("new"));
  expect_nothing(first);
}

}  // namespace
}  // namespace anteroom::test
