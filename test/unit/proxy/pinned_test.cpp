// Transactions: what a session does on a link of its own.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "support/session_rig.hpp"

namespace anteroom::proxy {
namespace {

using std::chrono::milliseconds;
using test::bulk;
using test::Client;

constexpr std::string_view kQueued = "+QUEUED\r\n";
constexpr std::string_view kLost =
    "-TRYAGAIN anteroom: upstream connection lost before the request was sent (stage=response executed=no)\r\n";
constexpr std::string_view kAborted = "-EXECABORT Transaction discarded because of previous errors.\r\n";

class Pinned : public test::ProxyTest {
 protected:
  using Requests = std::vector<std::string>;
  upstream::PinnedPool& pool() { return rig().pinned; }
  /// A client after MULTI, and the connection that it has for itself.
  test::ScriptedConnection& open(Client& client) {
    ask(client, "MULTI");
    auto& server = link_with("MULTI");
    server.send("+OK\r\n");
    expect(client, "+OK\r\n");
    return server;
  }
};

TEST_F(Pinned, TransactionRunsOnALinkOfItsOwnAndGivesItBack) {
  Client& client = connect();
  auto& server = open(client);
  ask(client, "SET a 1", "GET a", "EXEC");
  static_cast<void>(link_with("EXEC"));
  EXPECT_EQ(server.requests(), (Requests{"MULTI", "SET a 1", "GET a", "EXEC"}));
  EXPECT_EQ(pool().idle(), 0u);

  server.send(std::string(kQueued) + std::string(kQueued) + "*2\r\n+OK\r\n" + bulk("1"));

  expect(client, std::string(kQueued) + std::string(kQueued) + "*2\r\n+OK\r\n" + bulk("1"));
  EXPECT_EQ(pool().idle(), 1u);
}

TEST_F(Pinned, OtherSessionsDoNotShareTheLink) {
  Client& client = connect();
  auto& own = open(client);
  Client& other = connect();
  ask(other, "INCR n");

  EXPECT_FALSE(own.has("INCR n"));
  ask(client, "INCR m");
  EXPECT_TRUE(await([&] { return own.has("INCR m"); }));
}

TEST_F(Pinned, LinkIsUsedAgainByTheNextTransaction) {
  Client& client = connect();
  auto& server = open(client);
  ask(client, "DISCARD");
  static_cast<void>(link_with("DISCARD"));
  server.send("+OK\r\n");
  expect(client, "+OK\r\n");

  Client& next = connect();
  ask(next, "WATCH k");

  EXPECT_TRUE(await([&] { return server.has("WATCH k"); }));
  EXPECT_EQ(pool().links(), 1u);
}

TEST_F(Pinned, WatchedReadsComeFromTheServerAndNotFromTheCache) {
  cache_value("k", "cached");
  Client& client = connect();
  ask(client, "WATCH k", "GET k");

  auto& server = link_with("GET k");
  server.send("+OK\r\n" + bulk("newer"));
  expect(client, "+OK\r\n" + bulk("newer"));

  ask(client, "GET k");
  EXPECT_TRUE(await([&] { return server.count() == 3; }));
  server.send(bulk("newer"));
  ask(client, "UNWATCH");
  static_cast<void>(link_with("UNWATCH"));
  server.send("+OK\r\n");
  expect(client, bulk("newer") + "+OK\r\n");
  EXPECT_EQ(pool().idle(), 1u);
}

TEST_F(Pinned, TransactionWaitsForWhatWasSentBeforeOnTheSharedLink) {
  Client& client = connect();
  ask(client, "INCR n", "MULTI");
  auto& shared = link_with("INCR n");
  EXPECT_EQ(pool().links(), 0u);

  shared.send(":1\r\n");

  link_with("MULTI").send("+OK\r\n");
  expect(client, ":1\r\n+OK\r\n");
}

TEST_F(Pinned, WriteInATransactionDropsItsKeyWhenItIsExecuted) {
  Client& client = connect();
  auto& server = open(client);
  ask(client, "SET k new");
  static_cast<void>(link_with("SET k new"));
  server.send(kQueued);
  expect(client, kQueued);
  cache_value("k", "old");
  cache_value("other", "kept");
  ask(client, "EXEC");
  static_cast<void>(link_with("EXEC"));
  EXPECT_FALSE(is_cached("k"));
  cache_value("k", "old");  // fetched before the server ran it

  server.send("*1\r\n+OK\r\n");

  expect(client, "*1\r\n+OK\r\n");
  EXPECT_FALSE(is_cached("k"));
  EXPECT_TRUE(is_cached("other"));
}

TEST_F(Pinned, ScriptInATransactionDropsEverythingWhenItIsExecuted) {
  Client& client = connect();
  auto& server = open(client);
  ask(client, "EVAL return 0");
  static_cast<void>(link_with("EVAL return 0"));
  server.send(kQueued);
  expect(client, kQueued);
  cache_value("k", "old");

  ask(client, "EXEC");
  static_cast<void>(link_with("EXEC"));
  server.send("*1\r\n:0\r\n");

  expect(client, "*1\r\n:0\r\n");
  EXPECT_FALSE(is_cached("k"));
}

TEST_F(Pinned, ServerJudgesAlsoWhatIsUnknownOrWrong) {
  Client& client = connect();
  auto& server = open(client);
  ask(client, "NONSENSE", "GET", "MULTI", "WATCH k");

  EXPECT_TRUE(await([&] { return server.count() == 5; }));
  EXPECT_EQ(server.requests(), (Requests{"MULTI", "NONSENSE", "GET", "MULTI", "WATCH k"}));
}

TEST_F(Pinned, WhatIsRefusedHereMakesExecFailAsAWhole) {
  for (const std::string refused : {"SUBSCRIBE c", "CLIENT ID", "ANTEROOM CACHE STATS", "HELLO 2", "MONITOR"}) {
    Client& client = connect();
    auto& server = open(client);
    ask(client, "SET a 1");
    EXPECT_TRUE(await([&] { return server.requests().back() == "SET a 1"; }));
    server.send(kQueued);
    expect(client, kQueued);
    ask(client, refused);
    EXPECT_TRUE(await([&] { return !client.peer.written().empty(); }));
    EXPECT_TRUE(client.peer.take_written().starts_with("-ERR anteroom: '")) << refused;

    ask(client, "EXEC");

    expect(client, kAborted);
    EXPECT_TRUE(await([&] { return server.requests().back() == "DISCARD"; })) << refused;
    server.send("+OK\r\n");
    settle();
  }
  EXPECT_EQ(pool().links(), 1u) << "the link is fit to be used again";
}

TEST_F(Pinned, ExecAndDiscardWithoutMultiAreToldHere) {
  Client& client = connect();
  ask(client, "EXEC", "DISCARD", "UNWATCH");
  expect(client, "-ERR EXEC without MULTI\r\n-ERR DISCARD without MULTI\r\n+OK\r\n");
  EXPECT_EQ(pool().links(), 0u);
}

TEST_F(Pinned, SelectInATransactionCountsOnlyOnceItWasExecuted) {
  Client& client = connect();
  auto& server = open(client);
  ask(client, "SELECT 3", "EXEC", "GET k");
  static_cast<void>(link_with("EXEC"));
  server.send(std::string(kQueued) + "*1\r\n+OK\r\n");
  expect(client, std::string(kQueued) + "*1\r\n+OK\r\n");

  ASSERT_EQ(fetches().size(), 1u);
  EXPECT_EQ(fetches()[0].db, 3);
  EXPECT_EQ(pool().links(), 0u) << "the link is in another db now";
}

TEST_F(Pinned, SelectOfATransactionThatDoesNotRunChangesNothing) {
  Client& client = connect();
  auto& server = open(client);
  ask(client, "SELECT 3", "EXEC", "GET k");
  static_cast<void>(link_with("EXEC"));
  server.send(std::string(kQueued) + "*-1\r\n");
  expect(client, std::string(kQueued) + "*-1\r\n");

  ASSERT_EQ(fetches().size(), 1u);
  EXPECT_EQ(fetches()[0].db, 0);
}

// --- An error of ours in the place of a reply ---

TEST_F(Pinned, QueuedCommandThatWasNotSentMakesExecFail) {
  options_.link.queue_bytes_max = 4096;
  Client& client = connect();
  auto& server = open(client);
  const std::string first = "SET a " + std::string(1500, 'x');
  ask(client, first, "SET b " + std::string(3000, 'y'));
  static_cast<void>(link_with(first));
  server.send(kQueued);
  expect(client, std::string(kQueued) + "-" + base::StagedError::overloaded().reply() + "\r\n");

  ask(client, "EXEC");

  expect(client, kAborted);
  EXPECT_TRUE(await([&] { return server.has("DISCARD"); }));
  EXPECT_FALSE(server.has("EXEC"));
}

TEST_F(Pinned, QueuedCommandWhoseReplyWasNotAwaitedMakesExecFail) {
  options_.link.response_timeout = milliseconds(200);
  Client& client = connect();
  auto& server = open(client);
  ask(client, "SET a 1");
  EXPECT_TRUE(await([&] { return client.peer.written().starts_with("-TIMEOUT"); }));
  static_cast<void>(client.peer.take_written());
  server.send(kQueued);

  ask(client, "EXEC");

  expect(client, kAborted);
  EXPECT_TRUE(await([&] { return server.has("DISCARD"); }));
  EXPECT_FALSE(server.has("EXEC"));
}

TEST_F(Pinned, MultiWhoseReplyWasNotAwaitedEndsTheSessionSoThatNothingIsQueuedUnknowingly) {
  options_.link.response_timeout = milliseconds(50);
  Client& client = connect();
  ask(client, "MULTI");
  static_cast<void>(link_with("MULTI"));

  EXPECT_TRUE(await([&] { return client.peer.is_closed(); }));

  EXPECT_TRUE(client.peer.written().starts_with("-TIMEOUT")) << client.peer.written();
}

// Its link speaks of another db now, and is closed when the session's last reply of it is an error of ours: in the
// middle of the requests whose time is over.
TEST_F(Pinned, TransactionWhoseRepliesAreNotAwaitedMayEndItsLink) {
  options_.link.response_timeout = milliseconds(200);
  Client& other = connect();
  ask(other, "INCR n");
  link_with("INCR n").send(":1\r\n");
  expect(other, ":1\r\n");
  Client& client = connect();
  ask(client, "WATCH k");
  auto& server = link_with("WATCH k");
  server.send("+OK\r\n");
  expect(client, "+OK\r\n");
  ask(client, "SELECT 3");
  static_cast<void>(link_with("SELECT 3"));
  server.send("+OK\r\n");
  expect(client, "+OK\r\n");

  ask(client, "MULTI", "SET a 1", "SUBSCRIBE c", "EXEC");
  EXPECT_TRUE(await([&] { return client.peer.written().ends_with(kAborted); }));

  EXPECT_TRUE(client.peer.written().starts_with("-TIMEOUT")) << client.peer.written();
  EXPECT_TRUE(await([&] { return server.is_closed_by_peer(); }));
  expect_nothing(other);
  EXPECT_EQ(rig().metrics.upstream_pending.value(), 0);
}

TEST_F(Pinned, ReadBeforeMultiThatFailsDoesNotMakeExecFail) {
  options_.link.response_timeout = milliseconds(200);
  Client& client = connect();
  ask(client, "WATCH k");
  auto& server = link_with("WATCH k");
  server.send("+OK\r\n");
  expect(client, "+OK\r\n");
  ask(client, "GET k");
  EXPECT_TRUE(await([&] { return client.peer.written().starts_with("-TIMEOUT"); }));
  static_cast<void>(client.peer.take_written());
  server.send(bulk("late"));

  ask(client, "MULTI", "EXEC");

  static_cast<void>(link_with("EXEC"));
  server.send("+OK\r\n*0\r\n");
  expect(client, "+OK\r\n*0\r\n");
}

TEST_F(Pinned, TransactionThatWritesTooManyKeysToRememberDropsEverything) {
  Client& client = connect();
  auto& server = open(client);
  std::string many = "MSET";
  for (int i = 0; i <= 65536; ++i) many += " " + std::to_string(i) + " v";
  ask(client, many);
  EXPECT_TRUE(await([&] { return server.count() == 2; }));
  server.send(kQueued);
  expect(client, kQueued);
  EXPECT_TRUE(session_of(client)->transaction().written.empty());
  cache_value("other", "old");

  ask(client, "EXEC");
  static_cast<void>(link_with("EXEC"));
  server.send("*1\r\n+OK\r\n");

  expect(client, "*1\r\n+OK\r\n");
  EXPECT_FALSE(is_cached("other"));
}

// --- The link is lost ---

TEST_F(Pinned, SessionWhoseKeysNobodyWatchesAnyMoreIsClosedAlsoIfItAsksForNothing) {
  Client& client = connect();
  ask(client, "CLIENT TRACKING ON NOLOOP");
  auto& server = link_with("CLIENT TRACKING ON NOLOOP");
  server.send("+OK\r\n");
  expect(client, "+OK\r\n");
  session_of(client)->check_redirect();
  ASSERT_TRUE(is_alive(client));
  server.close();
  EXPECT_TRUE(await([&] { return rig().metrics.upstream_losses.value() == 1; }));

  session_of(client)->check_redirect();

  expect_closed(client);
}

TEST_F(Pinned, LossInATransactionIsAnErrorAndNothingOfItRunsElsewhere) {
  Client& client = connect();
  auto& server = open(client);
  server.close();
  EXPECT_TRUE(await([&] { return rig().metrics.upstream_losses.value() == 1; }));

  ask(client, "SET a 1", "INCR b", "EXEC", "PING");

  expect(client, std::string(kLost) + std::string(kLost) + std::string(kAborted) + "+PONG\r\n");
  EXPECT_EQ(pool().links(), 0u);
  EXPECT_EQ(forwarded(), 1u) << "MULTI alone";
}

TEST_F(Pinned, LossBeforeExecAnswersIsAnErrorOfUnknownOutcome) {
  Client& client = connect();
  auto& server = open(client);
  ask(client, "SET a 1", "EXEC");
  static_cast<void>(link_with("EXEC"));

  server.close();

  const std::string lost = "-" + base::StagedError::connection_lost(base::Executed::kUnknown).reply() + "\r\n";
  expect(client, lost + lost);
  ask(client, "INCR n");
  EXPECT_FALSE(link_with("INCR n").has("EXEC"));
}

TEST_F(Pinned, WatchThatIsLostMakesTheTransactionFail) {
  Client& client = connect();
  ask(client, "WATCH k");
  auto& server = link_with("WATCH k");
  server.send("+OK\r\n");
  expect(client, "+OK\r\n");
  server.close();
  EXPECT_TRUE(await([&] { return rig().metrics.upstream_losses.value() == 1; }));

  ask(client, "MULTI", "SET k 1", "EXEC");

  EXPECT_TRUE(await([&] { return client.peer.written().ends_with(kAborted); })) << client.peer.written();
  EXPECT_EQ(client.peer.take_written(), "+OK\r\n" + std::string(kLost) + std::string(kAborted));
  EXPECT_EQ(forwarded(), 1u);
}

TEST_F(Pinned, LinkTakenAfterWhatWasWatchedIsLostIsGivenBack) {
  Client& client = connect();
  ask(client, "WATCH k");
  auto& server = link_with("WATCH k");
  server.send("+OK\r\n");
  expect(client, "+OK\r\n");
  server.close();
  EXPECT_TRUE(await([&] { return rig().metrics.upstream_losses.value() == 1; }));

  ask(client, "BLPOP q 0");
  link_with("BLPOP q 0").send("*-1\r\n");
  expect(client, "*-1\r\n");
  EXPECT_EQ(pool().idle(), 1u);
  ask(client, "MULTI", "EXEC");

  expect(client, "+OK\r\n" + std::string(kAborted));
  EXPECT_EQ(pool().idle(), 1u);
}

TEST_F(Pinned, ServerThatIsNotThereFailsTheTransactionAsAWhole) {
  static_cast<void>(rig());
  server_.stop_listening();
  Client& client = connect();
  ask(client, "MULTI", "SET a 1");

  EXPECT_TRUE(await([&] { return client.peer.is_closed(); }));
  EXPECT_TRUE(client.peer.written().starts_with("-MASTERDOWN")) << client.peer.written();
  EXPECT_EQ(forwarded(), 2u) << "on the link that could not be made";
}

TEST_F(Pinned, MultiThatGetsNoLinkEndsTheSessionSoThatNothingRunsOutsideIt) {
  options_.pinned = {.links_max = 1, .wait_max = milliseconds(20)};
  Client& first = connect();
  ask(first, "BLPOP q 0");
  static_cast<void>(link_with("BLPOP q 0"));
  Client& second = connect();

  ask(second, "MULTI", "SET a 1", "EXEC");

  EXPECT_TRUE(await([&] { return second.peer.is_closed(); }));
  EXPECT_TRUE(second.peer.written().starts_with("-TRYAGAIN"));
  EXPECT_EQ(second.peer.written().find("OK"), std::string::npos);
  EXPECT_EQ(forwarded(), 1u);
}

TEST_F(Pinned, MultiThatTheServerRefusesBeginsNothing) {
  Client& client = connect();
  ask(client, "MULTI");
  auto& server = link_with("MULTI");
  server.send("-NOPERM no multi\r\n");
  expect(client, "-NOPERM no multi\r\n");

  ask(client, "CLIENT GETNAME", "EXEC");

  expect(client, "$-1\r\n-ERR EXEC without MULTI\r\n");
  EXPECT_EQ(pool().idle(), 1u);
}

TEST_F(Pinned, LateRefusalOfOneTransactionDoesNotEndTheNext) {
  Client& client = connect();
  ask(client, "MULTI", "EXEC", "MULTI", "INCR n");
  auto& server = link_with("INCR n");

  server.send("-NOPERM no multi\r\n-ERR EXEC without MULTI\r\n+OK\r\n" + std::string(kQueued));

  expect(client, "-NOPERM no multi\r\n-ERR EXEC without MULTI\r\n+OK\r\n" + std::string(kQueued));
  ask(client, "EXEC");
  EXPECT_TRUE(await([&] { return server.requests().back() == "EXEC"; }));
}

TEST_F(Pinned, RedirectedTrackingWhoseLinkIsLostMeanwhileIsAnError) {
  Client& target = connect();
  ask(target, "CLIENT ID");
  expect(target, ":1\r\n");
  Client& client = connect();
  ask(client, "WATCH k");
  auto& server = link_with("WATCH k");
  server.send("+OK\r\n");
  expect(client, "+OK\r\n");
  ask(client, "GET a");
  static_cast<void>(link_with("GET a"));

  // The workers are asked whether there is such a client; the link is lost before they have answered.
  client.peer.queue(test::resp_command("CLIENT TRACKING ON REDIRECT 1"));
  in_turn([&] {
    client.peer.deliver();
    server.close();
  });

  const std::string lost = "-" + base::StagedError::connection_lost(base::Executed::kUnknown).reply() + "\r\n";
  expect(client, lost + std::string(kLost));
  EXPECT_TRUE(is_alive(client));
}

// --- The client goes ---

TEST_F(Pinned, TransactionOfAClientThatGoesIsDiscardedAndItsLinkUsedAgain) {
  Client& client = connect();
  auto& server = open(client);
  ask(client, "SET a 1");
  static_cast<void>(link_with("SET a 1"));
  server.send(kQueued);
  expect(client, kQueued);

  client.peer.end_input();
  expect_closed(client);

  EXPECT_TRUE(await([&] { return server.has("DISCARD"); }));
  EXPECT_EQ(pool().idle(), 1u);
}

TEST_F(Pinned, ResetEndsTheTransaction) {
  Client& client = connect();
  auto& server = open(client);

  ask(client, "RESET", "EXEC");

  expect(client, "+RESET\r\n-ERR EXEC without MULTI\r\n");
  EXPECT_TRUE(await([&] { return server.has("DISCARD"); }));
}

TEST_F(Pinned, BlockingCommandInATransactionDoesNotBlockTheClient) {
  Client& client = connect();
  auto& server = open(client);
  ask(client, "BLPOP q 0", "EXEC");
  EXPECT_TRUE(await([&] { return server.has("EXEC"); }));
}

}  // namespace
}  // namespace anteroom::proxy
