// Subscriptions: one of each channel at the server, and what the sessions that share it are told.
#include "proxy/subscription_hub.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/subscription_rig.hpp"

namespace anteroom::test {
namespace {

using Requests = std::vector<std::string>;

constexpr std::string_view kDenied = "-NOPERM this user has no permissions to access one of the channels\r\n";

// --- One at the server for all ---

TEST_F(SubscriptionHub, SubscriberIsToldWhenTheServerHasConfirmed) {
  Client& client = connect();
  ask(client, "SUBSCRIBE c");
  ScriptedConnection& server = link_with("SUBSCRIBE c");
  expect_nothing(client);

  server.send(subscribed("c"));

  expect(client, confirmed("subscribe", "c", 1));
  EXPECT_EQ(server.handshake_requests()[0], "HELLO 3");
  EXPECT_EQ(hub().topics(), 1u);
  EXPECT_EQ(subscribers(), 1);
}

TEST_F(SubscriptionHub, SecondSubscriberIsToldAtOnce) {
  Client& first = connect();
  ScriptedConnection& server = subscribe(first, "c");
  Client& second = connect_resp3();

  ask(second, "SUBSCRIBE c");

  EXPECT_EQ(second.peer.take_written(), confirmed("subscribe", "c", 1, '>'));
  EXPECT_EQ(server.requests(), Requests{"SUBSCRIBE c"});
}

TEST_F(SubscriptionHub, SecondSubscriberOfWhatIsAskedWaitsForTheSameAnswer) {
  Client& first = connect();
  Client& second = connect();
  ask(first, "SUBSCRIBE c");
  ask(second, "SUBSCRIBE c");
  ScriptedConnection& server = link_with("SUBSCRIBE c");
  expect_nothing(second);

  server.send(subscribed("c"));

  expect(first, confirmed("subscribe", "c", 1));
  expect(second, confirmed("subscribe", "c", 1));
  EXPECT_EQ(server.requests(), Requests{"SUBSCRIBE c"});
}

TEST_F(SubscriptionHub, MessageGoesToAllWhoHaveTheChannelInTheirProtocol) {
  Client& two = connect();
  ScriptedConnection& server = subscribe(two, "c");
  Client& three = connect_resp3();
  ask(three, "SUBSCRIBE c");
  expect(three, confirmed("subscribe", "c", 1, '>'));
  Client& other = connect();
  subscribe(other, "d");

  server.send(message("c", "hi"));

  expect(two, message("c", "hi", '*'));
  expect(three, message("c", "hi"));
  expect_nothing(other);
  EXPECT_EQ(rig().metrics.pubsub_messages.value(), 1u);
}

TEST_F(SubscriptionHub, PatternsAndShardChannelsHaveNothingToDoWithChannelsOfTheirName) {
  Client& client = connect();
  ScriptedConnection& server = subscribe(client, "c");
  ask(client, "PSUBSCRIBE c", "SSUBSCRIBE c");
  static_cast<void>(link_with("PSUBSCRIBE c"));
  server.send(confirmed("psubscribe", "c", 2, '>'));
  static_cast<void>(link_with("SSUBSCRIBE c"));
  server.send(confirmed("ssubscribe", "c", 1, '>'));
  expect(client, confirmed("psubscribe", "c", 2) + confirmed("ssubscribe", "c", 1));
  EXPECT_EQ(hub().topics(), 3u);
  ask(client, "UNSUBSCRIBE c");
  static_cast<void>(link_with("UNSUBSCRIBE c"));
  server.send(unsubscribed("c"));
  expect(client, confirmed("unsubscribe", "c", 1));

  server.send(message("c", "left") + array_of({"pmessage", "c", "c", "1"}, '>') +
              array_of({"smessage", "c", "2"}, '>'));

  expect(client, array_of({"pmessage", "c", "c", "1"}) + array_of({"smessage", "c", "2"}));
}

TEST_F(SubscriptionHub, PushThatIsNoMessageGoesToNobody) {
  Client& client = connect();
  ScriptedConnection& server = subscribe(client, "c");

  server.send(">2\r\n" + bulk("invalidate") + "*1\r\n" + bulk("c") + ">1\r\n" + bulk("message") + ">2\r\n:1\r\n:2\r\n" +
              message("c", "hi"));

  expect(client, message("c", "hi", '*'));
}

// --- Commands of several channels ---

TEST_F(SubscriptionHub, CommandIsAnsweredWhenTheLastOfItsChannelsIsConfirmed) {
  Client& client = connect();
  ask(client, "SUBSCRIBE a b a");
  ScriptedConnection& server = link_with("SUBSCRIBE b");
  EXPECT_EQ(server.requests(), (Requests{"SUBSCRIBE a", "SUBSCRIBE b"}));
  server.send(subscribed("a"));
  expect_nothing(client);

  server.send(subscribed("b"));

  expect(client, confirmed("subscribe", "a", 1) + confirmed("subscribe", "b", 2) + confirmed("subscribe", "a", 2));
}

// Of a server the client would get it after both confirmations or not at all.
TEST_F(SubscriptionHub, MessageBeforeTheConfirmationIsOneFromBeforeTheSubscription) {
  Client& client = connect();
  ask(client, "SUBSCRIBE a b");
  ScriptedConnection& server = link_with("SUBSCRIBE b");

  server.send(subscribed("a") + message("a", "early"));
  expect_nothing(client);
  server.send(subscribed("b") + message("a", "late"));

  expect(client, confirmed("subscribe", "a", 1) + confirmed("subscribe", "b", 2) + message("a", "late", '*'));
}

TEST_F(SubscriptionHub, MessagesOfWhatWasConfirmedBeforeGoOnMeanwhile) {
  Client& client = connect();
  ScriptedConnection& server = subscribe(client, "a");
  ask(client, "SUBSCRIBE a b");
  static_cast<void>(link_with("SUBSCRIBE b"));

  server.send(message("a", "hi"));

  expect(client, message("a", "hi", '*'));
}

TEST_F(SubscriptionHub, RefusedChannelTakesTheWholeCommandBack) {
  Client& client = connect();
  ask(client, "SUBSCRIBE a b");
  ScriptedConnection& server = link_with("SUBSCRIBE b");

  server.send(subscribed("a") + std::string(kDenied));

  expect(client, kDenied);
  EXPECT_TRUE(await([&] { return server.has("UNSUBSCRIBE a"); }));
  EXPECT_EQ(hub().topics(), 0u);
  EXPECT_EQ(subscribers(), 0);
  server.send(message("a", "late"));
  expect_nothing(client);
}

TEST_F(SubscriptionHub, RefusedCommandLeavesWhatItsSessionHadBefore) {
  Client& client = connect();
  ScriptedConnection& server = subscribe(client, "a");
  ask(client, "SUBSCRIBE a b");
  static_cast<void>(link_with("SUBSCRIBE b"));

  server.send(kDenied);

  expect(client, kDenied);
  server.send(message("a", "still"));
  expect(client, message("a", "still", '*'));
  EXPECT_EQ(subscribers(), 1);
}

TEST_F(SubscriptionHub, RefusalIsToldToAllWhoWait) {
  Client& first = connect();
  Client& second = connect();
  ask(first, "SUBSCRIBE c");
  ask(second, "SUBSCRIBE c");

  link_with("SUBSCRIBE c").send(kDenied);

  expect(first, kDenied);
  expect(second, kDenied);
  EXPECT_EQ(hub().topics(), 0u);
}

TEST_F(SubscriptionHub, WhatComesBehindASubscribeWaitsForIt) {
  Client& client = connect();
  ask(client, "SUBSCRIBE c", "PING", "UNSUBSCRIBE c", "PING");
  ScriptedConnection& server = link_with("SUBSCRIBE c");
  expect_nothing(client);

  server.send(subscribed("c"));
  static_cast<void>(link_with("UNSUBSCRIBE c"));
  expect(client, confirmed("subscribe", "c", 1) + array_of({"pong", ""}));
  server.send(unsubscribed("c"));

  expect(client, confirmed("unsubscribe", "c", 0) + "+PONG\r\n");
}

// --- Leaving ---

TEST_F(SubscriptionHub, OnlyTheLastToLeaveEndsItAtTheServer) {
  Client& first = connect();
  ScriptedConnection& server = subscribe(first, "c");
  Client& second = connect();
  ask(second, "SUBSCRIBE c");
  expect(second, confirmed("subscribe", "c", 1));

  ask(first, "UNSUBSCRIBE c");
  expect(first, confirmed("unsubscribe", "c", 0));
  server.send(message("c", "hi"));
  expect(second, message("c", "hi", '*'));
  expect_nothing(first);
  EXPECT_EQ(server.count(), 1u);
  ask(second, "UNSUBSCRIBE c");
  static_cast<void>(link_with("UNSUBSCRIBE c"));
  expect_nothing(second);
  server.send(unsubscribed("c"));

  expect(second, confirmed("unsubscribe", "c", 0));
  EXPECT_EQ(hub().topics(), 0u);
  EXPECT_EQ(subscribers(), 0);
}

TEST_F(SubscriptionHub, NothingIsDeliveredOnceItIsLeft) {
  Client& client = connect();
  ScriptedConnection& server = subscribe(client, "c");
  ask(client, "UNSUBSCRIBE c");
  static_cast<void>(link_with("UNSUBSCRIBE c"));

  server.send(message("c", "crossed") + unsubscribed("c"));

  expect(client, confirmed("unsubscribe", "c", 0));
  EXPECT_EQ(rig().metrics.pubsub_messages.value(), 0u);
}

TEST_F(SubscriptionHub, UnsubscribeWithoutNamesLeavesAllOfItsKind) {
  Client& client = connect();
  ScriptedConnection& server = subscribe(client, "a");
  subscribe(client, "b", 2);
  ask(client, "PSUBSCRIBE p*");
  static_cast<void>(link_with("PSUBSCRIBE p*"));
  server.send(confirmed("psubscribe", "p*", 3, '>'));
  expect(client, confirmed("psubscribe", "p*", 3));

  ask(client, "UNSUBSCRIBE");
  static_cast<void>(link_with("UNSUBSCRIBE b"));
  server.send(unsubscribed("a") + unsubscribed("b"));

  expect(client, confirmed("unsubscribe", "a", 2) + confirmed("unsubscribe", "b", 1));
  EXPECT_EQ(hub().topics(), 1u);
}

TEST_F(SubscriptionHub, LeavingWhatOneDoesNotHaveIsAnsweredHere) {
  Client& client = connect();

  ask(client, "UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE x", "UNSUBSCRIBE x y");

  EXPECT_EQ(client.peer.take_written(), "*3\r\n" + bulk("unsubscribe") + "$-1\r\n:0\r\n*3\r\n" + bulk("punsubscribe") +
                                            "$-1\r\n:0\r\n" + confirmed("sunsubscribe", "x", 0) +
                                            confirmed("unsubscribe", "x", 0) + confirmed("unsubscribe", "y", 0));
  EXPECT_EQ(server_.accepted(), 0u);
}

TEST_F(SubscriptionHub, SessionThatGoesWhileAskedLeavesNothingAtTheServer) {
  Client& client = connect();
  ask(client, "SUBSCRIBE a b");
  ScriptedConnection& server = link_with("SUBSCRIBE b");

  kill(client);

  EXPECT_TRUE(await([&] { return server.has("UNSUBSCRIBE a") && server.has("UNSUBSCRIBE b"); }));
  server.send(subscribed("a") + subscribed("b") + unsubscribed("a") + unsubscribed("b"));
  settle();
  EXPECT_EQ(hub().topics(), 0u);
  EXPECT_EQ(subscribers(), 0);
}

TEST_F(SubscriptionHub, SessionThatGoesWhileAskedDoesNotTakeTheOthersWithIt) {
  Client& first = connect();
  Client& second = connect();
  ask(first, "SUBSCRIBE c");
  ask(second, "SUBSCRIBE c");
  ScriptedConnection& server = link_with("SUBSCRIBE c");
  kill(first);

  server.send(subscribed("c") + message("c", "hi"));

  expect(second, confirmed("subscribe", "c", 1) + message("c", "hi", '*'));
  EXPECT_EQ(server.requests(), Requests{"SUBSCRIBE c"});
}

// The server will still end what the first one has begun.
TEST_F(SubscriptionHub, ConfirmationOfWhatWasLeftIsNotTheNextOnes) {
  Client& first = connect();
  ask(first, "SUBSCRIBE c");
  ScriptedConnection& server = link_with("SUBSCRIBE c");
  kill(first);
  Client& second = connect();
  ask(second, "SUBSCRIBE c");
  EXPECT_TRUE(await([&] { return server.count() == 3; }));
  EXPECT_EQ(server.requests(), (Requests{"SUBSCRIBE c", "UNSUBSCRIBE c", "SUBSCRIBE c"}));

  server.send(subscribed("c") + unsubscribed("c"));
  expect_nothing(second);
  server.send(subscribed("c"));

  expect(second, confirmed("subscribe", "c", 1));
}

TEST_F(SubscriptionHub, MessageOfWhatWasLeftIsNotTheNextOnes) {
  Client& first = connect();
  ask(first, "SUBSCRIBE c");
  ScriptedConnection& server = link_with("SUBSCRIBE c");
  kill(first);
  Client& second = connect();
  ask(second, "SUBSCRIBE c");
  EXPECT_TRUE(await([&] { return server.count() == 3; }));

  server.send(subscribed("c") + message("c", "early"));

  expect_nothing(second);
}

TEST_F(SubscriptionHub, RefusalOfWhatWasLeftIsNotTheNextOnes) {
  Client& first = connect();
  ask(first, "SUBSCRIBE c");
  ScriptedConnection& server = link_with("SUBSCRIBE c");
  kill(first);
  Client& second = connect();
  ask(second, "SUBSCRIBE c");
  EXPECT_TRUE(await([&] { return server.count() == 3; }));

  server.send(std::string(kDenied) + unsubscribed("c") + subscribed("c"));

  expect(second, confirmed("subscribe", "c", 1));
}

TEST_F(SubscriptionHub, SecondLookAtAChannelThatIsBeingLeftAsksAnew) {
  Client& client = connect();
  ScriptedConnection& server = subscribe(client, "c");

  ask(client, "UNSUBSCRIBE c", "SUBSCRIBE c");
  static_cast<void>(link_with("UNSUBSCRIBE c"));
  server.send(unsubscribed("c"));
  EXPECT_TRUE(await([&] { return server.count() == 3; }));
  server.send(subscribed("c"));

  expect(client, confirmed("unsubscribe", "c", 0) + confirmed("subscribe", "c", 1));
}

TEST_F(SubscriptionHub, ResetLeavesEverything) {
  Client& client = connect();
  ScriptedConnection& server = subscribe(client, "a");
  subscribe(client, "b", 2);

  ask(client, "RESET", "ECHO x");

  EXPECT_EQ(client.peer.take_written(), "+RESET\r\n" + bulk("x"));
  EXPECT_TRUE(await([&] { return server.has("UNSUBSCRIBE a") && server.has("UNSUBSCRIBE b"); }));
  server.send(message("a", "late"));
  expect_nothing(client);
  EXPECT_EQ(subscribers(), 0);
}

// --- What a subscriber may do ---

TEST_F(SubscriptionHub, Resp2SubscriberMayDoLittleElse) {
  Client& client = connect();
  ScriptedConnection& server = subscribe(client, "c");
  for (const auto& [command, name] : std::vector<std::pair<std::string, std::string>>{{"GET k", "get"},
                                                                                      {"SET k v", "set"},
                                                                                      {"PUBLISH c x", "publish"},
                                                                                      {"ECHO x", "echo"},
                                                                                      {"MULTI", "multi"},
                                                                                      {"MONITOR", "monitor"},
                                                                                      {"HELLO 3", "hello"},
                                                                                      {"CLIENT ID", "client|id"}}) {
    ask(client, command);
    EXPECT_EQ(client.peer.take_written(), "-ERR Can't execute '" + name +
                                              "': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are "
                                              "allowed in this context\r\n");
  }
  ask(client, "PING", "PING x");
  EXPECT_EQ(client.peer.take_written(), array_of({"pong", ""}) + array_of({"pong", "x"}));
  EXPECT_EQ(forwarded(), 0u);

  ask(client, "UNSUBSCRIBE");
  static_cast<void>(link_with("UNSUBSCRIBE c"));
  server.send(unsubscribed("c"));
  expect(client, confirmed("unsubscribe", "c", 0));

  ask(client, "ECHO x", "PING");
  EXPECT_EQ(client.peer.take_written(), bulk("x") + "+PONG\r\n");
}

TEST_F(SubscriptionHub, Resp2SubscriberOfAPatternOrAShardChannelIsOneToo) {
  for (const std::string what : {"psubscribe", "ssubscribe"}) {
    Client& client = connect();
    ask(client, what + " x");
    link_with(what == "psubscribe" ? "PSUBSCRIBE x" : "SSUBSCRIBE x").send(confirmed(what, "x", 1, '>'));
    expect(client, confirmed(what, "x", 1));

    ask(client, "ECHO x");

    EXPECT_TRUE(client.peer.take_written().starts_with("-ERR Can't execute 'echo'")) << what;
  }
}

TEST_F(SubscriptionHub, Resp3SubscriberMayDoEverything) {
  Client& client = connect_resp3();
  ask(client, "SUBSCRIBE c");
  ScriptedConnection& server = link_with("SUBSCRIBE c");
  server.send(subscribed("c"));
  expect(client, subscribed("c"));

  ask(client, "PING", "ECHO x");
  EXPECT_EQ(client.peer.take_written(), "+PONG\r\n" + bulk("x"));
  ask(client, "INCR n");
  link_with("INCR n").send(":1\r\n");
  expect(client, ":1\r\n");
  server.send(message("c", "hi"));
  expect(client, message("c", "hi"));
}

TEST_F(SubscriptionHub, MessageDoesNotComeBeforeTheRepliesThatAreOwed) {
  Client& client = connect_resp3();
  ask(client, "SUBSCRIBE c");
  ScriptedConnection& server = link_with("SUBSCRIBE c");
  server.send(subscribed("c"));
  expect(client, subscribed("c"));
  ask(client, "GETDEL big");
  ScriptedConnection& shared = link_with("GETDEL big");
  const std::string half(40'000, 'x');
  shared.send("$80000\r\n" + half);
  EXPECT_TRUE(await([&] { return !client.peer.written().empty(); }));

  server.send(message("c", "hi"));
  settle();
  shared.send(half + "\r\n");

  expect(client, "$80000\r\n" + half + half + "\r\n" + message("c", "hi"));
}

TEST_F(SubscriptionHub, ServerWithoutResp3HasNoSubscriptions) {
  Client& client = connect();
  rig().facts.set_speaks_resp3(false);

  ask(client, "SUBSCRIBE c");

  EXPECT_EQ(client.peer.take_written(),
            "-ERR anteroom: subscriptions need a server that speaks RESP3 (stage=policy executed=no)\r\n");
  EXPECT_EQ(hub().topics(), 0u);
}

}  // namespace
}  // namespace anteroom::test
