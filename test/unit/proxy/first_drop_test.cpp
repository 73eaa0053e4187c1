// When the keys of a forwarded write are dropped for the first time, and when they are not.
#include <gtest/gtest.h>

#include <string>

#include "support/session_rig.hpp"

namespace anteroom::proxy {
namespace {

using test::bulk;
using test::Client;

class FirstDropTest : public test::ProxyTest {
 protected:
  void SetUp() override {
    bring_up("0");
    cache_value("k", "old");
  }
  /// The link of this db works.
  Client& bring_up(const std::string& db) {
    Client& client = connect();
    if (db != "0") {
      ask(client, "SELECT " + db);
      link_with("SELECT " + db, db).send("+OK\r\n");
      expect(client, "+OK\r\n");
    }
    ask(client, "DBSIZE");
    link_with("DBSIZE", db).send(":0\r\n");
    expect(client, ":0\r\n");
    return client;
  }
  upstream::Link& link() { return *rig().pool.shared(0); }
  test::ScriptedConnection& server_link() { return *server_.link("0"); }
  /// The bytes arrive and are handled; the turn goes on.
  static void deliver(Client& client, std::string_view words) {
    client.peer.queue(test::resp_command(words));
    client.peer.deliver();
  }
  /// The link is full: what is sent on it stays here.
  void block_link() {
    ask(connect(), "INCR n");
    static_cast<void>(link_with("INCR n"));
    server_link().pause_reading();
    ask(connect(), "SET large " + std::string(8 << 20, 'x'));
    EXPECT_GT(link().queued_bytes(), 0u);
  }
};

TEST_F(FirstDropTest, ComesBeforeTheWriteLeaves) {
  Client& reader = connect();
  Client& writer = connect();
  in_turn([&] {
    deliver(reader, "TTL other");
    deliver(writer, "SET k v");
    EXPECT_TRUE(is_cached("k")) << "not yet, for the sake of those that come with it";
    EXPECT_GT(link().queued_bytes(), 0u);

    static_cast<upstream::LinkEvents&>(rig().forwarder).before_write(link());

    EXPECT_FALSE(is_cached("k"));
  });
}

TEST_F(FirstDropTest, HasComeWhenTheTurnIsOver) {
  Client& writer = connect();
  in_turn([&] { deliver(writer, "SET k v"); });

  EXPECT_FALSE(server_link().has("SET k v"));
  EXPECT_FALSE(is_cached("k"));
}

TEST_F(FirstDropTest, OfManyWritesInATurnComesForAFullBatchAtOnce) {
  constexpr int kBatch = 32;
  for (int i = 0; i <= kBatch; ++i) cache_value("k" + std::to_string(i), "old");
  Client& writer = connect();
  const auto cached = [&] {
    int count = 0;
    for (int i = 0; i <= kBatch; ++i) count += is_cached("k" + std::to_string(i)) ? 1 : 0;
    return count;
  };

  in_turn([&] {
    for (int i = 0; i < kBatch - 1; ++i) deliver(writer, "SET k" + std::to_string(i) + " v");
    EXPECT_EQ(cached(), kBatch + 1);
    deliver(writer, "SET k" + std::to_string(kBatch - 1) + " v");
    EXPECT_EQ(cached(), 1);
    deliver(writer, "SET k" + std::to_string(kBatch) + " v");
    EXPECT_EQ(cached(), 1);
  });

  EXPECT_EQ(cached(), 0);
}

TEST_F(FirstDropTest, OfMoreKeysThanTwoComesAtOnce) {
  Client& writer = connect();
  in_turn([&] {
    deliver(writer, "DEL k a b");
    EXPECT_FALSE(is_cached("k"));
  });
}

TEST_F(FirstDropTest, IsNotMadeIfTheLinkEndsInTheSameTurn) {
  Client& elsewhere = bring_up("3");
  Client& writer = connect();
  in_turn([&] {
    deliver(writer, "SET k v");
    link().close();
  });
  expect_error(writer, {"executed=no"});
  EXPECT_TRUE(is_cached("k"));

  // Whose request has the number of the one that failed.
  ask(elsewhere, "TTL other");
  link_with("TTL other", "3").send(":5\r\n");
  expect(elsewhere, ":5\r\n");

  EXPECT_TRUE(is_cached("k"));
}

TEST_F(FirstDropTest, FetchBegunBeforeItInTheSameTurnAnswersButIsNotStored) {
  Client& writer = connect();
  Client& reader = connect();
  in_turn([&] {
    deliver(writer, "SET absent v");
    deliver(reader, "GET absent");
  });
  in_turn([this] { rig().backend.answer(fetches().size() - 1, "old"); });

  expect(reader, bulk("old"));
  EXPECT_FALSE(is_cached("absent"));
}

TEST_F(FirstDropTest, ReadBehindTheWriteInTheSameTurnDoesNotGetTheOldValue) {
  Client& client = connect();
  in_turn([&] {
    deliver(client, "SET k v");
    deliver(client, "GET k");
    EXPECT_EQ(client.peer.written(), "");
  });

  link_with("GET k").send("+OK\r\n" + bulk("v"));
  expect(client, "+OK\r\n" + bulk("v"));
}

TEST_F(FirstDropTest, WaitsForALinkThatTakesNothing) {
  block_link();
  Client& writer = connect();
  ask(writer, "SET k v");
  EXPECT_TRUE(is_cached("k"));

  server_link().go_on_reading();

  EXPECT_TRUE(await([this] { return server_link().has("SET k v"); }));
  EXPECT_FALSE(is_cached("k"));
}

TEST_F(FirstDropTest, OfAWriteThatWaitsComesWithThoseOfOtherLinks) {
  Client& elsewhere = bring_up("3");
  block_link();
  ask(connect(), "SET k v");
  EXPECT_TRUE(is_cached("k"));

  ask(elsewhere, "TTL other");

  EXPECT_FALSE(is_cached("k"));
}

TEST_F(FirstDropTest, IsNotMadeOfATransactionWhoseLinkDoesNotComeUp) {
  server_.stop_listening();
  Client& client = connect();

  ask(client, "MULTI", "SET k v", "EXEC");

  EXPECT_TRUE(await([&] { return client.peer.written().find("executed=no") != std::string::npos; }));
  EXPECT_TRUE(is_cached("k"));
}

class StalledWriteTest : public FirstDropTest {
 protected:
  StalledWriteTest() { options_.link.response_timeout = std::chrono::milliseconds(300); }
};

TEST_F(StalledWriteTest, LinkThatTakesNothingForTooLongLeavesNoWriteBehind) {
  block_link();
  Client& writer = connect();
  ask(writer, "SET k v");

  expect_error(writer, {"-TRYAGAIN ", "executed=no"});

  EXPECT_TRUE(is_cached("k"));
  Client& next = connect();
  ask(next, "TTL other");
  server_.last().go_on_reading();
  link_number(1, "TTL other").send(":5\r\n");
  expect(next, ":5\r\n");
  EXPECT_TRUE(is_cached("k"));
}

}  // namespace
}  // namespace anteroom::proxy
