// Subscriptions whose link is lost, late, silent or not needed any more.
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "support/subscription_rig.hpp"

namespace anteroom::test {
namespace {

using std::chrono::seconds;
using Requests = std::vector<std::string>;

// --- Losses ---

TEST_F(SubscriptionHub, EverythingIsSubscribedToAnewAfterALossAndNobodyIsTold) {
  Client& client = connect();
  ScriptedConnection& lost = subscribe(client, "c");
  ask(client, "PSUBSCRIBE p*");
  static_cast<void>(link_with("PSUBSCRIBE p*"));
  lost.send(confirmed("psubscribe", "p*", 2, '>'));
  ask(client, "SSUBSCRIBE s");
  static_cast<void>(link_with("SSUBSCRIBE s"));
  lost.send(confirmed("ssubscribe", "s", 1, '>'));
  expect(client, confirmed("psubscribe", "p*", 2) + confirmed("ssubscribe", "s", 1));

  lost.close();
  ScriptedConnection& server = link_number(1, "SSUBSCRIBE s");
  EXPECT_EQ(server.requests(), (Requests{"SUBSCRIBE c", "PSUBSCRIBE p*", "SSUBSCRIBE s"}));
  server.send(subscribed("c") + confirmed("psubscribe", "p*", 2, '>') + confirmed("ssubscribe", "s", 1, '>'));
  server.send(message("c", "1") + array_of({"pmessage", "p*", "pq", "2"}, '>') + array_of({"smessage", "s", "3"}, '>'));

  expect(client, message("c", "1", '*') + array_of({"pmessage", "p*", "pq", "2"}) + array_of({"smessage", "s", "3"}));
  EXPECT_EQ(rig().metrics.pubsub_resubscriptions.value(), 1u);
}

TEST_F(SubscriptionHub, SubscriberDuringALossIsToldWhenItIsRenewed) {
  Client& first = connect();
  ScriptedConnection& lost = subscribe(first, "c");
  lost.close();
  EXPECT_TRUE(await([&] { return rig().metrics.upstream_losses.value() == 1; }));
  Client& second = connect();

  ask(second, "SUBSCRIBE c");
  ScriptedConnection& server = link_number(1, "SUBSCRIBE c");
  expect_nothing(second);
  EXPECT_EQ(server.requests(), Requests{"SUBSCRIBE c"});
  server.send(subscribed("c"));

  expect(second, confirmed("subscribe", "c", 1));
  expect_nothing(first);
}

TEST_F(SubscriptionHub, LossWhileAskedIsAnError) {
  Client& client = connect();
  ask(client, "SUBSCRIBE c");
  link_with("SUBSCRIBE c").close();

  expect_error(client, {"stage=response", "executed=unknown"});
  EXPECT_EQ(hub().topics(), 0u);
  ask(client, "ECHO x");
  expect(client, bulk("x"));
}

TEST_F(SubscriptionHub, ServerThatIsNotThereIsAnErrorAndNobodyIsASubscriber) {
  options_.link.reconnect_base = std::chrono::minutes(10);
  static_cast<void>(rig());
  server_.stop_listening();
  Client& client = connect();
  ask(client, "SUBSCRIBE a b");
  expect_error(client, {"-MASTERDOWN", "executed=no"});

  ask(client, "SUBSCRIBE a");  // in the pause

  expect_error(client, {"-MASTERDOWN", "executed=no"});
  EXPECT_EQ(hub().topics(), 0u);
  EXPECT_EQ(subscribers(), 0);
}

TEST_F(SubscriptionHub, WhoWaitsForARenewalThatFailsIsToldAndTheOthersStay) {
  options_.link.reconnect_base = std::chrono::minutes(10);
  Client& first = connect();
  ScriptedConnection& lost = subscribe(first, "c");
  server_.stop_listening();
  lost.close();
  EXPECT_TRUE(await([&] { return rig().metrics.upstream_dial_errors.value() == 1; }));
  Client& second = connect();
  ask(second, "SUBSCRIBE c");
  expect_nothing(second);

  tick();

  expect_error(second, {"-MASTERDOWN", "executed=no"});
  expect_nothing(first);
  EXPECT_EQ(hub().topics(), 1u);
  EXPECT_EQ(subscribers(), 1);
}

TEST_F(SubscriptionHub, RefusedRenewalIsTriedAgain) {
  Client& client = connect();
  subscribe(client, "c").close();
  ScriptedConnection& server = link_number(1, "SUBSCRIBE c");
  server.send("-LOADING the server is loading\r\n");
  EXPECT_TRUE(await([&] { return log_.has("subscription not renewed"); }));

  tick();
  EXPECT_TRUE(await([&] { return server.count() == 2; }));
  tick();  // asked already
  server.send(subscribed("c") + message("c", "hi"));

  expect(client, message("c", "hi", '*'));
  EXPECT_EQ(server.requests(), (Requests{"SUBSCRIBE c", "SUBSCRIBE c"}));
}

TEST_F(SubscriptionHub, LateConfirmationIsTakenBack) {
  options_.link.response_timeout = std::chrono::milliseconds(20);
  Client& client = connect();
  ask(client, "SUBSCRIBE c");
  ScriptedConnection& server = link_with("SUBSCRIBE c");
  expect_error(client, {"-TIMEOUT", "executed=unknown"});

  EXPECT_TRUE(await([&] { return server.has("UNSUBSCRIBE c") || server.is_closed_by_peer(); }));
  server.send(subscribed("c") + message("c", "hi") + unsubscribed("c"));

  expect_nothing(client);
  EXPECT_EQ(hub().topics(), 0u);
}

TEST_F(SubscriptionHub, LeavingDuringALossIsAnsweredAllTheSame) {
  options_.link.reconnect_base = std::chrono::minutes(10);
  Client& client = connect();
  ScriptedConnection& lost = subscribe(client, "c");
  server_.stop_listening();
  lost.close();
  EXPECT_TRUE(await([&] { return rig().metrics.upstream_dial_errors.value() == 1; }));

  ask(client, "UNSUBSCRIBE c");

  expect(client, confirmed("unsubscribe", "c", 0));
  EXPECT_EQ(hub().topics(), 0u);
}

// --- The link ---

TEST_F(SubscriptionHub, SilentLinkIsAskedWhetherItStillIsOne) {
  Client& client = connect();
  ScriptedConnection& server = subscribe(client, "c");
  tick(seconds(4));
  settle();
  EXPECT_EQ(server.count(), 1u);

  tick(seconds(6));
  static_cast<void>(link_with("PING"));
  tick(seconds(6));  // is still to be answered
  settle();

  EXPECT_EQ(server.requests(), (Requests{"SUBSCRIBE c", "PING"}));
  server.send("+PONG\r\n" + message("c", "hi"));
  expect(client, message("c", "hi", '*'));
}

TEST_F(SubscriptionHub, LinkThatDoesNotAnswerIsReplaced) {
  options_.link.response_timeout = std::chrono::milliseconds(20);
  Client& client = connect();
  ScriptedConnection& silent = subscribe(client, "c");

  tick(seconds(6));

  static_cast<void>(link_number(1, "SUBSCRIBE c"));
  EXPECT_TRUE(silent.is_closed_by_peer());
}

TEST_F(SubscriptionHub, LinkThatNobodyNeedsIsClosedAfterAMinute) {
  Client& client = connect();
  ScriptedConnection& server = subscribe(client, "c");
  tick();
  ask(client, "UNSUBSCRIBE c");
  static_cast<void>(link_with("UNSUBSCRIBE c"));
  server.send(unsubscribed("c"));
  expect(client, confirmed("unsubscribe", "c", 0));

  tick(seconds(50));
  settle();
  EXPECT_FALSE(server.is_closed_by_peer());
  tick(seconds(70));

  EXPECT_TRUE(await([&] { return server.is_closed_by_peer(); }));
  EXPECT_NE(&subscribe(client, "d"), &server);
}

TEST_F(SubscriptionHub, LinkOfAShortSubscriptionIsKeptAsLong) {
  Client& client = connect();
  ScriptedConnection& server = subscribe(client, "c");
  ask(client, "UNSUBSCRIBE c");  // before any tick
  static_cast<void>(link_with("UNSUBSCRIBE c"));
  server.send(unsubscribed("c"));
  expect(client, confirmed("unsubscribe", "c", 0));

  tick(seconds(50));

  EXPECT_EQ(&subscribe(client, "d"), &server);
}

TEST_F(SubscriptionHub, NothingIsSubscribedToOnceItIsClosed) {
  Client& client = connect();
  in_turn([&] { hub().close(); });

  ask(client, "SUBSCRIBE c");

  expect_error(client, {"shutting down", "executed=no"});
  EXPECT_EQ(server_.accepted(), 0u);
}

}  // namespace
}  // namespace anteroom::test
