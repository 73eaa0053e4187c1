// What becomes of readers whose fill connection is lost: their reads are repeated on the worker's link.
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "support/session_rig.hpp"

namespace anteroom::proxy {
namespace {

using std::chrono::milliseconds;
using test::bulk;
using test::Client;

class LostFill : public test::ProxyTest {
 protected:
  void lose(std::size_t first, std::size_t count = 1) {
    in_turn([=, this] {
      const auto error = base::StagedError::connection_lost(base::Executed::kUnknown);
      for (std::size_t i = first; i < first + count; ++i) rig().backend.fail(i, error);
    });
  }
  Client& reader_of(test::ProxyRig& worker, std::string_view key) {
    Client& client = connect(worker);
    ask(client, "GET " + std::string(key));
    return client;
  }
};

TEST_F(LostFill, ReadIsRepeatedOnTheLinkForAllWhoWait) {
  Client& first = reader_of(rig(), "k");
  Client& second = reader_of(rig(), "k");
  lose(0);

  auto& link = link_with("GET k");
  link.send(bulk("v"));

  expect(first, bulk("v"));
  expect(second, bulk("v"));
  EXPECT_EQ(link.requests(), std::vector<std::string>{"GET k"});
  EXPECT_FALSE(is_cached("k"));
  EXPECT_EQ(rig().fills.size(), 0u);
  EXPECT_EQ(rig().metrics.fill_errors.value(), 1u);
  EXPECT_EQ(rig().metrics.fills_repeated.value(), 1u);
}

TEST_F(LostFill, ReadersLeaveAConnectionThatHasFallenSilent) {
  Client& one = reader_of(rig(), "k");
  Client& several = connect();
  ask(several, "MGET a b");

  in_turn([this] { rig().fills.leave_connection(); });
  static_cast<void>(link_with("GET k"));
  auto& link = link_with("MGET a b");
  for (const std::string& request : link.requests()) {
    link.send(request == "GET k" ? bulk("v") : "*2\r\n$1\r\nA\r\n$-1\r\n");
  }

  expect(one, bulk("v"));
  expect(several, "*2\r\n$1\r\nA\r\n$-1\r\n");
  in_turn([this] {
    rig().backend.answer(0, "late");
    rig().backend.answer(1, "late");
  });
  lose(2);
  expect_nothing(one);
  EXPECT_FALSE(is_cached("k"));
  EXPECT_EQ(rig().fills.size(), 0u);
}

TEST_F(LostFill, FetchNobodyWaitsForAnyMoreIsDueWithTheOthers) {
  Client& left = reader_of(rig(), "left");
  Client& answered = reader_of(rig(), "answered");
  in_turn([this] {
    rig().backend.value(1, "v");
    rig().fills.leave_connection();
  });
  Client& there = reader_of(rig(), "there");
  ASSERT_EQ(fetches().size(), 3u);

  in_turn([this] {
    rig().backend.due({0, 1, 2});
    rig().backend.answer(0, "late");
    rig().backend.ttl(1, -1);
    rig().backend.answer(2, "w");
  });

  link_with("GET left").send(bulk("u"));
  expect(left, bulk("u"));
  expect(answered, bulk("v"));
  expect(there, bulk("w"));
  EXPECT_FALSE(is_cached("left"));
  EXPECT_TRUE(is_cached("there"));
  EXPECT_EQ(rig().fills.size(), 0u);
}

TEST_F(LostFill, ValueThatHasComeIsNotFetchedAgainForItsTimeToLive) {
  Client& client = reader_of(rig(), "k");
  in_turn([this] { rig().backend.value(0, "v"); });
  expect(client, bulk("v"));

  in_turn([this] { rig().fills.leave_connection(); });
  in_turn([this] { rig().backend.ttl(0, -1); });

  EXPECT_EQ(server_.link("0"), nullptr);
  EXPECT_TRUE(is_cached("k"));
}

TEST_F(LostFill, OtherReadsAreRepeatedAsTheyWereAsked) {
  Client& client = connect();
  ask(client, "HGETALL h");
  lose(0);

  link_with("HGETALL h").send("*2\r\n$1\r\nf\r\n$1\r\nv\r\n");

  expect(client, "*2\r\n$1\r\nf\r\n$1\r\nv\r\n");
}

TEST_F(LostFill, ReadIsRepeatedInItsDb) {
  options_.link.db = 0;
  Client& client = connect();
  ask(client, "SELECT 3");
  link_with("SELECT 3", "3").send("+OK\r\n");
  expect(client, "+OK\r\n");
  ask(client, "GET k");
  lose(0);

  link_with("GET k", "3").send(bulk("v"));

  expect(client, bulk("v"));
}

TEST_F(LostFill, LargeValueInPiecesArrivesWhole) {
  Client& client = reader_of(rig(), "k");
  lose(0);
  const std::string value(300'000, 'v');

  link_with("GET k").send(bulk(value));

  expect(client, bulk(value));
}

TEST_F(LostFill, NoAnswerThereEitherIsAnError) {
  Client& client = reader_of(rig(), "k");
  lose(0);

  link_with("GET k").close();

  expect(client, "-" + base::StagedError::connection_lost(base::Executed::kUnknown).reply() + "\r\n");
  EXPECT_EQ(rig().fills.size(), 0u);
}

TEST_F(LostFill, NoServerAtAllIsAnErrorAndNeverNil) {
  Client& client = reader_of(rig(), "k");
  server_.stop_listening();
  lose(0);

  ASSERT_TRUE(await([&] { return !client.peer.written().empty(); }));
  EXPECT_TRUE(client.peer.written().starts_with("-MASTERDOWN")) << client.peer.written();
  EXPECT_FALSE(is_cached("k"));
}

TEST_F(LostFill, LinkThatDoesNotAnswerInTimeIsAnError) {
  options_.link.response_timeout = milliseconds(30);
  Client& client = reader_of(rig(), "k");
  lose(0);
  auto& link = link_with("GET k");

  expect(client, "-" + base::StagedError::no_reply(milliseconds(30)).reply() + "\r\n");
  link.send(bulk("late"));

  expect_nothing(client);
  EXPECT_TRUE(await([this] { return rig().fills.size() == 0; }));
}

TEST_F(LostFill, FetchThatNobodyWaitsForIsNotRepeated) {
  const auto query = cache::Cache::string_query(rig().cache.key(cache::Space{0}, "k"));
  in_turn([&] { rig().fills.refresh({.query = query}, rig().cache.start_fill(query, rig().coherence.asker(true))); });

  lose(0);

  settle();
  EXPECT_EQ(server_.link("0"), nullptr);
  EXPECT_EQ(rig().fills.size(), 0u);
}

TEST_F(LostFill, WhatTheLinkBringsIsNewerThanWhatIsCached) {
  Client& client = reader_of(rig(), "k");
  lose(0);
  auto& link = link_with("GET k");
  cache_value("k", "old");

  link.send(bulk("new"));

  expect(client, bulk("new"));
  EXPECT_FALSE(is_cached("k"));
}

TEST_F(LostFill, WriteBehindTheReadStaysBehindTheRepeatedRead) {
  Client& client = connect();
  ask(client, "GET k", "SET k new");
  lose(0);

  auto& link = link_with("SET k new");
  EXPECT_EQ(link.requests(), (std::vector<std::string>{"GET k", "SET k new"}));
  link.send(bulk("old") + "+OK\r\n");

  expect(client, bulk("old") + "+OK\r\n");
}

TEST_F(LostFill, ReadersOfAnotherWorkerAreAnsweredToo) {
  Client& near = reader_of(rig(), "k");
  Client& far = reader_of(second_rig(), "k");
  shared_.mesh.deliver();
  lose(0);
  link_with("GET k").send(bulk("v"));
  expect(near, bulk("v"));

  shared_.mesh.deliver();

  expect(far, bulk("v"));
}

// --- MGET ---

TEST_F(LostFill, MgetIsRepeatedAsOneCommand) {
  Client& client = connect();
  ask(client, "MGET a b c");
  lose(0, 3);

  auto& link = link_with("MGET a b c");
  link.send("*3\r\n$1\r\nA\r\n$-1\r\n$0\r\n\r\n");

  expect(client, "*3\r\n$1\r\nA\r\n$-1\r\n$0\r\n\r\n");
  EXPECT_EQ(link.requests(), std::vector<std::string>{"MGET a b c"});
  EXPECT_EQ(rig().fills.size(), 0u);
}

TEST_F(LostFill, ErrorInsteadOfTheRepeatedMgetIsOneError) {
  Client& client = connect();
  ask(client, "MGET a b");
  lose(0, 2);

  link_with("MGET a b").send("-LOADING in memory\r\n");

  expect(client, "-LOADING in memory\r\n");
}

TEST_F(LostFill, ArrayOfAnotherLengthAnswersNobodyWithAForeignValue) {
  Client& client = connect();
  ask(client, "MGET a b");
  lose(0, 2);

  link_with("MGET a b").send("*1\r\n$1\r\nA\r\n");

  expect(client, "-ERR anteroom: MGET was answered with another number of values\r\n");
}

}  // namespace
}  // namespace anteroom::proxy
