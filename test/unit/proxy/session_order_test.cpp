// The order of what a client asks for: of its replies, and of what its commands see.
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "support/session_rig.hpp"

namespace anteroom::proxy {
namespace {

using test::bulk;
using test::Client;
using test::resp_command;

class SessionOrder : public test::ProxyTest {};

TEST_F(SessionOrder, HitBehindPendingMissWaitsForIt) {
  cache_value("hit", "new");
  Client& client = connect();

  ask(client, "GET miss", "GET hit", "PING");
  expect_nothing(client);

  in_turn([this] { rig().backend.value(1, "late"); });
  expect(client, bulk("late") + bulk("new") + "+PONG\r\n");
}

TEST_F(SessionOrder, TwoMissesMayBeFetchedInAnyOrderAndAreAnsweredInTheirs) {
  Client& client = connect();
  ask(client, "GET a", "GET b");

  in_turn([this] { rig().backend.value(1, "B"); });
  expect_nothing(client);
  in_turn([this] { rig().backend.value(0, "A"); });

  expect(client, bulk("A") + bulk("B"));
}

TEST_F(SessionOrder, LocalReplyBehindForwardedOneWaits) {
  Client& client = connect();
  ask(client, "SET k v", "PING");
  auto& link = link_with("SET k v");
  expect_nothing(client);

  link.send("+OK\r\n");

  expect(client, "+OK\r\n+PONG\r\n");
}

TEST_F(SessionOrder, WriteBehindMissIsPutOffSoThatTheGetSeesTheOldValue) {
  Client& client = connect();

  ask(client, "GET k", "SET k new", "GET k");
  EXPECT_EQ(forwarded(), 0u);
  EXPECT_EQ(fetches().size(), 1u);

  in_turn([this] { rig().backend.value(0, "old"); });
  auto& link = link_with("GET k");
  EXPECT_EQ(link.requests(), (std::vector<std::string>{"SET k new", "GET k"}));
  expect(client, bulk("old"));

  link.send("+OK\r\n" + bulk("new"));
  expect(client, "+OK\r\n" + bulk("new"));
  EXPECT_EQ(fetches().size(), 1u) << "the GET behind the SET goes to the server, not to the fill connection";
}

TEST_F(SessionOrder, HitBehindAFetchOfItsKeyWaitsForItAndShowsNothingOlder) {
  cache_value("a", "1");
  Client& client = connect();
  ask(client, "MGET a b", "GET a");
  expect_nothing(client);

  in_turn([this] {
    shared_.cache->drop(shared_.cache->key({}, "a").hash, cache::DropCause::kPush);
    rig().backend.value(1, "2");
    rig().backend.value(2, "B");
  });

  // The push has dropped "1", and what the MGET brings need not be what GET would.
  settle();
  ASSERT_EQ(fetches().size(), 4u);
  in_turn([this] { rig().backend.value(3, "2"); });
  expect(client, "*2\r\n" + bulk("2") + bulk("B") + bulk("2"));
}

TEST_F(SessionOrder, ReadOfOneFieldBehindAFetchOfItsHashWaits) {
  Client& other = connect();
  ask(other, "HGET h f");
  in_turn([this] {
    rig().backend.reply(0, bulk("1"));
    rig().backend.ttl(0, -1);
  });
  expect(other, bulk("1"));
  Client& client = connect();
  ask(client, "HGETALL h", "HGET h f");
  expect_nothing(client);

  in_turn([this] {
    shared_.cache->drop(shared_.cache->key({}, "h").hash, cache::DropCause::kPush);
    rig().backend.reply(1, "*2\r\n" + bulk("f") + bulk("2"));
  });

  settle();
  ASSERT_EQ(fetches().size(), 3u);
  in_turn([this] { rig().backend.reply(2, bulk("2")); });
  expect(client, "*2\r\n" + bulk("f") + bulk("2") + bulk("2"));
}

TEST_F(SessionOrder, HitsOfOtherKeysDoNotWaitForAFetch) {
  cache_value("hot", "1");
  Client& client = connect();
  ask(client, "GET cold", "GET hot", "GET other");
  EXPECT_EQ(fetches().size(), 3u) << "both misses are under way at once";

  in_turn([this] {
    rig().backend.answer(1, "C");
    rig().backend.answer(2, "O");
  });

  expect(client, bulk("C") + bulk("1") + bulk("O"));
}

TEST_F(SessionOrder, PutOffCommandWaitsForAllFillsOfItsSessionButForNoOthers) {
  Client& other = connect();
  ask(other, "GET foreign");
  Client& client = connect();
  ask(client, "GET a", "GET b", "DEL a");

  in_turn([this] { rig().backend.value(1, "A"); });
  settle();
  EXPECT_EQ(forwarded(), 0u);
  in_turn([this] { rig().backend.value(2, "B"); });

  link_with("DEL a").send(":1\r\n");
  expect(client, bulk("A") + bulk("B") + ":1\r\n");
  expect_nothing(other);
}

TEST_F(SessionOrder, CommandsBehindAPutOffOneStayBehindIt) {
  Client& client = connect();
  ask(client, "GET k", "SET k v", "PING", "INCR n");
  in_turn([this] { rig().backend.value(0, "old"); });

  auto& link = link_with("INCR n");
  link.send("+OK\r\n:1\r\n");

  EXPECT_EQ(link.requests(), (std::vector<std::string>{"SET k v", "INCR n"}));
  expect(client, bulk("old") + "+OK\r\n+PONG\r\n:1\r\n");
}

TEST_F(SessionOrder, ReadBehindOutstandingForwardGoesOnTheLinkThoughItIsCached) {
  cache_value("k", "cached");
  Client& client = connect();

  ask(client, "INCR other", "GET k");

  link_with("GET k").send(":1\r\n" + bulk("cached"));
  expect(client, ":1\r\n" + bulk("cached"));
  ask(client, "GET k");
  expect(client, bulk("cached"));
}

TEST_F(SessionOrder, NobodyReadsTheCachedValueOnceTheServersNewerOneWasGivenOut) {
  cache_value("k", "older");
  Client& client = connect();
  ask(client, "INCR other", "GET k");

  link_with("GET k").send(":1\r\n" + bulk("newer"));
  expect(client, ":1\r\n" + bulk("newer"));

  EXPECT_FALSE(is_cached("k"));
}

TEST_F(SessionOrder, OutstandingForwardOfAnotherSessionDoesNotKeepReadsFromTheCache) {
  cache_value("k", "cached");
  Client& writer = connect();
  ask(writer, "INCR other");
  Client& reader = connect();

  ask(reader, "GET k");

  expect(reader, bulk("cached"));
}

TEST_F(SessionOrder, NothingIsReadFromACacheThatIsOff) {
  options_.cache_enabled = false;
  Client& client = connect();

  ask(client, "GET k");

  link_with("GET k").send("$-1\r\n");
  expect(client, "$-1\r\n");
  EXPECT_TRUE(fetches().empty());
}

TEST_F(SessionOrder, CommandCutIntoSingleBytesIsStillOneCommand) {
  Client& client = connect();
  for (const char byte : resp_command("ECHO hello") + resp_command("PING")) client.peer.queue({&byte, 1});

  expect(client, bulk("hello") + "+PONG\r\n");
}

TEST_F(SessionOrder, ClientsBytesAreForwardedUnchanged) {
  Client& client = connect();
  send(client, "SET inline 'a b'\r\n");

  link_with("SET inline a b").send("+OK\r\n");

  expect(client, "+OK\r\n");
}

// --- SELECT: links are per db ---

TEST_F(SessionOrder, SelectIsDecidedByTheServerAndHoldsBackWhatFollows) {
  Client& client = connect();

  ask(client, "SELECT 3", "GET k");
  auto& link = link_with("SELECT 3", "3");
  EXPECT_TRUE(fetches().empty());
  link.send("+OK\r\n");

  expect(client, "+OK\r\n");
  ASSERT_EQ(fetches().size(), 1u);
  EXPECT_EQ(fetches()[0].db, 3);
}

TEST_F(SessionOrder, RefusedSelectLeavesTheDbAsItWas) {
  Client& client = connect();
  ask(client, "SELECT 3", "GET k");

  link_with("SELECT 3", "3").send("-ERR DB index is out of range\r\n");

  expect(client, "-ERR DB index is out of range\r\n");
  ASSERT_EQ(fetches().size(), 1u);
  EXPECT_EQ(fetches()[0].db, 0);
}

TEST_F(SessionOrder, DbThatTheServerDoesNotHaveIsRefusedInItsOwnWords) {
  server_.set_handshake([](const std::string& request) {
    return request == "SELECT 99" ? "-ERR DB index is out of range\r\n" : "+OK\r\n";
  });
  Client& client = connect();

  ask(client, "SELECT 99", "PING");

  expect(client, "-ERR DB index is out of range\r\n+PONG\r\n");
}

TEST_F(SessionOrder, SelectThatIsRefusedAtOnceDoesNotBlockTheSession) {
  options_.link.reconnect_base = options_.link.reconnect_cap = std::chrono::hours(1);
  server_.set_handshake([](const std::string& request) {
    return request == "SELECT 99" ? "-ERR DB index is out of range\r\n" : "+OK\r\n";
  });
  Client& client = connect();
  ask(client, "SELECT 99");
  expect(client, "-ERR DB index is out of range\r\n");

  ask(client, "SELECT 99", "PING");  // its link is in backoff now

  settle();
  EXPECT_EQ(client.peer.take_written(), "-ERR DB index is out of range\r\n+PONG\r\n");
}

TEST_F(SessionOrder, SelectOfOneSessionDoesNotMoveAnother) {
  Client& mover = connect();
  Client& other = connect();
  ask(mover, "SELECT 3");
  link_with("SELECT 3", "3").send("+OK\r\n");
  expect(mover, "+OK\r\n");

  ask(other, "SET k v");
  ask(mover, "SET k v");

  link_with("SET k v", "0").send("+OK\r\n");
  expect(other, "+OK\r\n");
  expect_nothing(mover);
  link_with("SET k v", "3").send("+OK\r\n");
  expect(mover, "+OK\r\n");
}

TEST_F(SessionOrder, SameKeyInTwoDbsIsTwoValues) {
  cache_value("k", "zero");
  Client& client = connect();
  ask(client, "SELECT 3");
  link_with("SELECT 3", "3").send("+OK\r\n");
  expect(client, "+OK\r\n");

  ask(client, "GET k");
  ASSERT_EQ(fetches().size(), 2u);
  in_turn([this] { rig().backend.answer(1, "three"); });

  expect(client, bulk("three"));
}

TEST_F(SessionOrder, SelectWaitsForWhatWasForwardedOnTheLinkOfTheFormerDb) {
  server_.set_answers([](const std::string& request) -> std::optional<std::string> {
    if (request == "FLUSHALL") return std::nullopt;
    return "+OK\r\n";
  });
  Client& client = connect();

  ask(client, "FLUSHALL", "SELECT 1", "SET k v");
  auto& former = link_with("FLUSHALL");
  EXPECT_TRUE(never([this] { return server_.link("1") != nullptr && server_.link("1")->has("SET k v"); }))
      << "SET ran before the FLUSHALL that the client had sent first";

  former.send("+OK\r\n");
  expect(client, "+OK\r\n+OK\r\n+OK\r\n");
}

TEST_F(SessionOrder, ResetThatLeavesADbWaitsForWhatWasForwardedThere) {
  Client& client = connect();
  ask(client, "SELECT 1");
  link_with("SELECT 1", "1").send("+OK\r\n");
  expect(client, "+OK\r\n");

  ask(client, "FLUSHALL", "RESET", "SET k v");
  auto& former = link_with("FLUSHALL", "1");
  EXPECT_EQ(forwarded(), 2u) << "SET went out before the FLUSHALL that the client had sent first was answered";
  former.send("+OK\r\n");
  link_with("SET k v", "0").send("+OK\r\n");

  expect(client, "+OK\r\n+RESET\r\n+OK\r\n");
}

TEST_F(SessionOrder, SelectOfTheDbThatTheSessionHasWaitsForNothing) {
  Client& client = connect();
  ask(client, "INCR n", "SELECT 0", "INCR m");

  auto& link = link_with("INCR m");
  EXPECT_EQ(link.requests(), (std::vector<std::string>{"INCR n", "INCR m"}));
  link.send(":1\r\n:1\r\n");

  expect(client, ":1\r\n+OK\r\n:1\r\n");
}

TEST_F(SessionOrder, SelectBehindAMissAndAWriteWaitsForBoth) {
  Client& client = connect();
  ask(client, "GET k", "SET k v", "SELECT 3", "PING");
  in_turn([this] { rig().backend.value(0, "old"); });
  auto& former = link_with("SET k v");
  settle();
  EXPECT_EQ(server_.link("3"), nullptr);
  former.send("+OK\r\n");

  link_with("SELECT 3", "3").send("+OK\r\n");

  expect(client, bulk("old") + "+OK\r\n+OK\r\n+PONG\r\n");
}

}  // namespace
}  // namespace anteroom::proxy
