// MONITOR: one feed for all sessions that want to see it, from the first to the last of them.
#include "proxy/monitor_feed.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "support/session_rig.hpp"

namespace anteroom::test {
namespace {

using Requests = std::vector<std::string>;

constexpr std::string_view kOk = "+OK\r\n";
constexpr std::string_view kLine = "+1339518083.107412 [0 127.0.0.1:60866] \"GET\" \"k\"\r\n";
constexpr std::string_view kDenied = "-NOPERM this user has no permissions to run the 'monitor' command\r\n";

class MonitorFeed : public ProxyTest {
 protected:
  void tick() {
    in_turn([this] { rig().monitor.tick(); });
  }
  /// The first watcher, and the connection of the feed.
  ScriptedConnection& begin(Client& client) {
    ask(client, "MONITOR");
    ScriptedConnection& server = link_with("MONITOR");
    server.send(kOk);
    expect(client, kOk);
    return server;
  }
  [[nodiscard]] std::int64_t watchers() { return rig().metrics.monitors.value(); }
};

// --- Beginning and ending ---

TEST_F(MonitorFeed, WatcherIsToldWhenTheServerHasBegun) {
  Client& client = connect();
  ask(client, "MONITOR");
  ScriptedConnection& server = link_with("MONITOR");
  expect_nothing(client);

  server.send(std::string(kOk) + std::string(kLine));

  expect(client, std::string(kOk) + std::string(kLine));
  EXPECT_EQ(watchers(), 1);
}

TEST_F(MonitorFeed, SecondWatcherIsToldAtOnceAndSeesTheSame) {
  Client& first = connect();
  ScriptedConnection& server = begin(first);
  Client& second = connect();

  ask(second, "MONITOR");
  EXPECT_EQ(second.peer.take_written(), kOk);
  server.send(kLine);

  expect(first, kLine);
  expect(second, kLine);
  EXPECT_EQ(server_.accepted(), 1u);
  EXPECT_EQ(server.requests(), Requests{"MONITOR"});
}

TEST_F(MonitorFeed, WatchersWhoWaitAreToldTogether) {
  Client& first = connect();
  Client& second = connect();
  ask(first, "MONITOR");
  ask(second, "MONITOR");
  ScriptedConnection& server = link_with("MONITOR");
  expect_nothing(second);

  server.send(kOk);

  expect(first, kOk);
  expect(second, kOk);
  EXPECT_EQ(server.requests(), Requests{"MONITOR"});
}

TEST_F(MonitorFeed, FeedEndsWithTheLastWatcher) {
  Client& first = connect();
  ScriptedConnection& server = begin(first);
  Client& second = connect();
  ask(second, "MONITOR");
  expect(second, kOk);

  kill(first);
  server.send(kLine);
  expect(second, kLine);
  EXPECT_FALSE(server.is_closed_by_peer());
  ask(second, "RESET");

  expect(second, "+RESET\r\n");
  EXPECT_TRUE(await([&] { return server.is_closed_by_peer(); }));
  EXPECT_EQ(watchers(), 0);
}

TEST_F(MonitorFeed, NextWatcherAfterTheLastBeginsANewFeed) {
  Client& first = connect();
  ScriptedConnection& old = begin(first);
  kill(first);
  EXPECT_TRUE(await([&] { return old.is_closed_by_peer(); }));
  tick();
  Client& second = connect();

  ask(second, "MONITOR");
  ScriptedConnection& server = link_number(1, "MONITOR");
  expect_nothing(second);
  server.send(kOk);

  expect(second, kOk);
}

TEST_F(MonitorFeed, WatcherThatGoesBeforeItBeginsEndsIt) {
  Client& client = connect();
  ask(client, "MONITOR");
  ScriptedConnection& server = link_with("MONITOR");

  kill(client);

  EXPECT_TRUE(await([&] { return server.is_closed_by_peer(); }));
  EXPECT_EQ(watchers(), 0);
}

TEST_F(MonitorFeed, SecondMonitorOfOneClientIsNotAnswered) {
  Client& client = connect();
  ScriptedConnection& server = begin(client);

  ask(client, "MONITOR", "PING");

  expect(client, "+PONG\r\n");
  server.send(kLine);
  expect(client, kLine);
  EXPECT_EQ(watchers(), 1);
}

TEST_F(MonitorFeed, WhatComesBehindWaitsForIt) {
  Client& client = connect();
  ask(client, "MONITOR", "PING");
  ScriptedConnection& server = link_with("MONITOR");
  expect_nothing(client);

  server.send(kOk);

  expect(client, std::string(kOk) + "+PONG\r\n");
}

// --- What a watcher may do ---

TEST_F(MonitorFeed, WatcherMayNotTouchKeysUntilItHasReset) {
  Client& client = connect();
  begin(client);
  for (const std::string command : {"GET k", "SET k v", "PUBLISH c x", "EVAL return 0"}) {
    ask(client, command);
    EXPECT_EQ(client.peer.take_written(), "-ERR Replica can't interact with the keyspace\r\n") << command;
  }
  ask(client, "ECHO x", "RESET", "GET k");

  EXPECT_EQ(client.peer.take_written(), bulk("x") + "+RESET\r\n");
  EXPECT_EQ(fetches().size(), 1u);
}

// --- Trouble ---

TEST_F(MonitorFeed, RefusalIsToldToAllWhoWaitAndNobodyWatches) {
  Client& first = connect();
  Client& second = connect();
  ask(first, "MONITOR");
  ask(second, "MONITOR");
  ScriptedConnection& server = link_with("MONITOR");

  server.send(kDenied);

  expect(first, kDenied);
  expect(second, kDenied);
  EXPECT_TRUE(await([&] { return server.is_closed_by_peer(); }));
  EXPECT_EQ(watchers(), 0);
  ask(first, "GET k");
  EXPECT_EQ(fetches().size(), 1u) << "it is no watcher";
}

TEST_F(MonitorFeed, LossWhileAskedIsAnError) {
  Client& client = connect();
  ask(client, "MONITOR");
  link_with("MONITOR").close();

  expect_error(client, {"stage=response", "executed=unknown"});
  EXPECT_EQ(watchers(), 0);
  settle();
  EXPECT_EQ(server_.accepted(), 1u) << "nobody wants a new one";
}

TEST_F(MonitorFeed, LossIsFollowedByANewFeedAndNobodyIsTold) {
  Client& client = connect();
  begin(client).close();
  ScriptedConnection& server = link_number(1, "MONITOR");

  server.send(std::string(kOk) + std::string(kLine));

  expect(client, kLine);
}

TEST_F(MonitorFeed, WatcherAfterALossIsToldWhenTheFeedIsThereAgain) {
  Client& first = connect();
  begin(first).close();
  ScriptedConnection& server = link_number(1, "MONITOR");
  Client& second = connect();

  ask(second, "MONITOR");
  expect_nothing(second);
  server.send(kOk);

  expect(second, kOk);
  expect_nothing(first);
}

TEST_F(MonitorFeed, WatcherIsRefusedWhereTheFeedWasNotRenewed) {
  Client& first = connect();
  begin(first).close();
  ScriptedConnection& server = link_number(1, "MONITOR");
  server.send(kDenied);
  settle();
  Client& second = connect();
  ask(second, "MONITOR");

  tick();
  EXPECT_TRUE(await([&] { return server.count() == 2; }));
  server.send(kDenied);

  expect(second, kDenied);
  EXPECT_EQ(watchers(), 1);
}

TEST_F(MonitorFeed, RefusedRenewalIsTriedAgain) {
  Client& client = connect();
  begin(client).close();
  ScriptedConnection& server = link_number(1, "MONITOR");
  server.send(kDenied);
  settle();

  tick();
  EXPECT_TRUE(await([&] { return server.count() == 2; }));
  tick();  // asked already
  settle();
  EXPECT_EQ(server.requests(), (Requests{"MONITOR", "MONITOR"}));
  server.send(std::string(kOk) + std::string(kLine));

  expect(client, kLine);
}

TEST_F(MonitorFeed, ServerThatIsNotThereIsAnError) {
  options_.link.reconnect_base = std::chrono::minutes(10);
  static_cast<void>(rig());
  server_.stop_listening();
  Client& client = connect();
  ask(client, "MONITOR");
  EXPECT_TRUE(await([&] { return rig().metrics.upstream_dial_errors.value() == 1; }));
  expect_nothing(client);  // its request was never submitted

  tick();

  expect_error(client, {"-MASTERDOWN", "executed=no"});
  EXPECT_EQ(watchers(), 0);
}

TEST_F(MonitorFeed, WatcherDuringAPauseIsRefusedAndTheOthersStay) {
  options_.link.reconnect_base = std::chrono::minutes(10);
  Client& first = connect();
  ScriptedConnection& lost = begin(first);
  server_.stop_listening();
  lost.close();
  EXPECT_TRUE(await([&] { return rig().metrics.upstream_dial_errors.value() == 1; }));
  Client& second = connect();

  ask(second, "MONITOR");

  expect_error(second, {"-MASTERDOWN", "executed=no"});
  expect_nothing(first);
  EXPECT_EQ(watchers(), 1);
}

TEST_F(MonitorFeed, AnythingButLinesOfTheFeedIsNotShown) {
  Client& client = connect();
  ScriptedConnection& server = begin(client);

  server.send(">2\r\n" + bulk("invalidate") + "*1\r\n" + bulk("k") + ":1\r\n" + std::string(kLine));

  expect(client, kLine);
}

}  // namespace
}  // namespace anteroom::test
