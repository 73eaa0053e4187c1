// Blocking commands and WAIT, on a link of the session's own, and what becomes of those who get none.
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "support/session_rig.hpp"

namespace anteroom::proxy {
namespace {

using std::chrono::milliseconds;
using test::bulk;
using test::Client;

class Blocking : public test::ProxyTest {
 protected:
  using Requests = std::vector<std::string>;
  upstream::PinnedPool& pool() { return rig().pinned; }
};

// --- Blocking commands ---

TEST_F(Blocking, BlockedClientWaitsAndOthersDoNot) {
  Client& blocked = connect();
  ask(blocked, "BLPOP q 0", "INCR n");
  auto& own = link_with("BLPOP q 0");
  Client& other = connect();
  ask(other, "INCR m");
  link_with("INCR m").send(":1\r\n");
  expect(other, ":1\r\n");
  EXPECT_EQ(own.requests(), Requests{"BLPOP q 0"}) << "what comes behind waits";
  expect_nothing(blocked);

  own.send("*2\r\n" + bulk("q") + bulk("v"));

  link_with("INCR n").send(":1\r\n");
  expect(blocked, "*2\r\n" + bulk("q") + bulk("v") + ":1\r\n");
  EXPECT_EQ(pool().idle(), 1u);
}

TEST_F(Blocking, UsersTimeoutIsNotOurs) {
  options_.link.response_timeout = milliseconds(20);
  Client& client = connect();
  ask(client, "BLPOP q 0");
  auto& server = link_with("BLPOP q 0");

  EXPECT_FALSE(run_until([&] { return !client.peer.written().empty(); }, milliseconds(200)));

  server.send("*-1\r\n");
  expect(client, "*-1\r\n");
}

TEST_F(Blocking, ClientThatLeavesIsUnblockedAtTheServerAtOnce) {
  Client& client = connect();
  ask(client, "BRPOP q 0");
  auto& server = link_with("BRPOP q 0");

  client.peer.end_input();

  expect_closed(client);
  EXPECT_TRUE(await([&] { return server.is_closed_by_peer(); }));
  EXPECT_EQ(pool().links(), 0u);
}

TEST_F(Blocking, LossWhileBlockedIsAnErrorOfUnknownOutcome) {
  Client& client = connect();
  ask(client, "BLPOP q 0");
  link_with("BLPOP q 0").close();

  expect(client, "-" + base::StagedError::connection_lost(base::Executed::kUnknown).reply() + "\r\n");
  ask(client, "PING");
  expect(client, "+PONG\r\n");
}

TEST_F(Blocking, PopDropsItsKey) {
  Client& client = connect();
  ask(client, "BLMOVE a b LEFT LEFT 0");
  auto& server = link_with("BLMOVE a b LEFT LEFT 0");
  cache_value("b", "old");

  server.send(bulk("v"));

  expect(client, bulk("v"));
  EXPECT_FALSE(is_cached("b"));
}

TEST_F(Blocking, WrongTimeoutIsForTheServerToTell) {
  Client& client = connect();
  ask(client, "BLPOP q nonsense");
  link_with("BLPOP q nonsense").send("-ERR timeout is not a float or out of range\r\n");
  expect(client, "-ERR timeout is not a float or out of range\r\n");
  EXPECT_EQ(pool().links(), 0u);
}

// --- WAIT ---

TEST_F(Blocking, WaitAsksForWhatItsSessionHasWritten) {
  Client& client = connect();
  ask(client, "SET k v", "WAIT 1 100");
  link_with("SET k v").send("+OK\r\n");
  auto& server = link_with("WAIT 1 100");
  EXPECT_EQ(server.requests(), (Requests{"PUBLISH __anteroom:wait ", "WAIT 1 100"}));

  server.send(":0\r\n:1\r\n");

  expect(client, "+OK\r\n:1\r\n");
  EXPECT_EQ(pool().idle(), 1u);
}

TEST_F(Blocking, WaitThatCannotKnowIsAnError) {
  Client& client = connect();
  ask(client, "SET k v", "WAIT 1 100");
  link_with("SET k v").send("+OK\r\n");

  link_with("WAIT 1 100").send("-NOPERM no publish\r\n:1\r\n");

  expect(client, "+OK\r\n-NOPERM no publish\r\n");
}

TEST_F(Blocking, WaitOfASessionThatHasWrittenNothingIsPassedOn) {
  Client& client = connect();
  ask(client, "GETBIT k 0", "WAIT 0 100");
  link_with("GETBIT k 0").send(":0\r\n");
  auto& server = link_with("WAIT 0 100");
  EXPECT_EQ(server.requests(), Requests{"WAIT 0 100"});
  server.send(":0\r\n");
  expect(client, ":0\r\n:0\r\n");
}

// --- Too few links ---

TEST_F(Blocking, ClientsWaitInLineForALink) {
  options_.pinned.links_max = 1;
  Client& first = connect();
  ask(first, "BLPOP q 0");
  auto& server = link_with("BLPOP q 0");
  Client& second = connect();
  ask(second, "MULTI", "PING");
  Client& third = connect();
  ask(third, "WATCH k");
  expect_nothing(second);
  EXPECT_EQ(pool().waiters(), 2u);

  server.send("*-1\r\n");

  expect(first, "*-1\r\n");
  EXPECT_TRUE(await([&] { return server.has("PING"); }));
  EXPECT_FALSE(server.has("WATCH k"));
  server.send("+OK\r\n+QUEUED\r\n");
  expect(second, "+OK\r\n+QUEUED\r\n");
}

TEST_F(Blocking, WaitThatIsTooLongIsAnErrorAndTheSessionGoesOn) {
  options_.pinned = {.links_max = 1, .wait_max = milliseconds(20)};
  Client& first = connect();
  ask(first, "BLPOP q 0");
  static_cast<void>(link_with("BLPOP q 0"));
  Client& second = connect();

  ask(second, "BLPOP p 0", "PING");

  expect(second,
         "-TRYAGAIN anteroom: no upstream connection within max_wait (stage=pool_acquire executed=no "
         "after=20ms)\r\n+PONG\r\n");
}

TEST_F(Blocking, ClientThatLeavesTheLineIsPassedOver) {
  options_.pinned.links_max = 1;
  Client& first = connect();
  ask(first, "BLPOP q 0");
  auto& server = link_with("BLPOP q 0");
  Client& second = connect();
  ask(second, "MULTI");
  in_turn([&] { session_of(second)->close(); });

  server.send("*-1\r\n");

  expect(first, "*-1\r\n");
  settle();
  EXPECT_EQ(pool().idle(), 1u);
  EXPECT_FALSE(server.has("MULTI"));
}

}  // namespace
}  // namespace anteroom::proxy
