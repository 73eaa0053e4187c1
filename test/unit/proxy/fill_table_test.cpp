#include "proxy/fill_table.hpp"

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "support/session_rig.hpp"

namespace anteroom::proxy {
namespace {

using std::chrono::milliseconds;
using test::bulk;
using test::Client;

class FillTableTest : public test::ProxyTest {
 protected:
  test::FakeBackend& backend() { return rig().backend; }
  test::FakeMesh& mesh() { return shared_.mesh; }
  Client& reader_of(std::string_view key) { return reader_of(rig(), key); }
  Client& reader_of(test::ProxyRig& worker, std::string_view key) {
    Client& client = connect(worker);
    ask(client, "GET " + std::string(key));
    return client;
  }
  void expect_all(std::initializer_list<Client*> clients, std::string_view reply) {
    for (Client* client : clients) expect(*client, reply);
  }
};

// --- One worker ---

TEST_F(FillTableTest, ValueAnswersAndIsServedFromTheCacheOnceItsTimeToLiveIsKnown) {
  Client& first = reader_of("k");
  in_turn([this] { backend().value(0, "v"); });
  expect(first, bulk("v"));
  EXPECT_FALSE(is_cached("k"));

  in_turn([this] { backend().ttl(0, 60'000); });

  EXPECT_TRUE(is_cached("k"));
  expect(reader_of("k"), bulk("v"));
  EXPECT_EQ(fetches().size(), 1u);
  EXPECT_EQ(rig().fills.size(), 0u);
}

TEST_F(FillTableTest, KeyIsFetchedOnceHoweverManyAsk) {
  Client& first = reader_of("k");
  Client& second = reader_of("k");
  Client& third = reader_of("k");
  EXPECT_EQ(fetches().size(), 1u);

  in_turn([this] { backend().answer(0, "v"); });

  expect_all({&first, &second, &third}, bulk("v"));
  EXPECT_EQ(rig().metrics.fill_waiters.value(), 3u);
}

TEST_F(FillTableTest, SameClientMayWaitTwiceForOneKey) {
  Client& client = connect();
  ask(client, "GET k", "GET k");

  in_turn([this] { backend().answer(0, "v"); });

  expect(client, bulk("v") + bulk("v"));
  EXPECT_EQ(fetches().size(), 1u);
}

TEST_F(FillTableTest, LateJoinerBetweenValueAndTimeToLiveGetsTheValueAtOnce) {
  Client& first = reader_of("k");
  in_turn([this] { backend().value(0, "v"); });
  expect(first, bulk("v"));

  Client& late = reader_of("k");

  expect(late, bulk("v"));
  EXPECT_EQ(fetches().size(), 1u);
}

TEST_F(FillTableTest, ClientThatHasGoneIsSkipped) {
  Client& gone = reader_of("k");
  Client& there = reader_of("k");
  in_turn([&] { session_of(gone)->close(); });

  in_turn([this] { backend().answer(0, "v"); });

  expect(there, bulk("v"));
  EXPECT_TRUE(is_cached("k"));
}

TEST_F(FillTableTest, LargeValueIsSharedAndArrivesWhole) {
  const std::string value(100'000, 'x');
  Client& first = reader_of("k");
  Client& second = reader_of("k");

  in_turn([&] { backend().answer(0, value); });

  expect_all({&first, &second}, bulk(value));
}

TEST_F(FillTableTest, BinaryValueIsKeptAsItIs) {
  const std::string value("\0\r\n\xff-$", 7);
  Client& client = reader_of("k");

  in_turn([&] { backend().answer(0, value); });

  expect(client, bulk(value));
  expect(reader_of("k"), bulk(value));
}

TEST_F(FillTableTest, MissingKeyIsNilAndNotCachedUnlessToldSo) {
  Client& client = reader_of("k");

  in_turn([this] {
    backend().nil(0);
    backend().ttl(0, -2);
  });

  expect(client, "$-1\r\n");
  EXPECT_FALSE(is_cached("k"));
}

TEST_F(FillTableTest, MissingKeyIsCachedForTheNegativeTimeToLive) {
  options_.ttl.negative_ttl = std::chrono::minutes(1);
  Client& client = reader_of("k");
  in_turn([this] {
    backend().nil(0);
    backend().ttl(0, -2);
  });
  expect(client, "$-1\r\n");

  expect(reader_of("k"), "$-1\r\n");

  EXPECT_EQ(fetches().size(), 1u);
}

TEST_F(FillTableTest, ValueThatExpiredMeanwhileIsNotCached) {
  Client& client = reader_of("k");

  in_turn([this] {
    backend().value(0, "v");
    backend().ttl(0, -2);
  });

  expect(client, bulk("v"));
  EXPECT_FALSE(is_cached("k"));
}

TEST_F(FillTableTest, ServerErrorIsAnErrorForAllAndNotCached) {
  Client& first = reader_of("k");
  Client& second = reader_of("k");

  in_turn([this] {
    backend().server_error(0, "NOPERM no permission");
    backend().ttl(0, -1);
  });

  expect_all({&first, &second}, "-NOPERM no permission\r\n");
  EXPECT_FALSE(is_cached("k"));
  static_cast<void>(reader_of("k"));
  EXPECT_EQ(fetches().size(), 2u);
}

TEST_F(FillTableTest, ThatAKeyIsOfAnotherTypeIsCached) {
  Client& first = reader_of("k");
  in_turn([this] {
    backend().server_error(0, "WRONGTYPE Operation against a key");
    backend().ttl(0, -1);
  });
  expect(first, "-WRONGTYPE Operation against a key\r\n");

  Client& second = reader_of("k");

  expect(second, "-WRONGTYPE Operation against a key\r\n");
  EXPECT_EQ(fetches().size(), 1u);
}

TEST_F(FillTableTest, ValueWhoseTimeToLiveWasLostAnswersButIsNotCached) {
  Client& client = reader_of("k");
  in_turn([this] { backend().value(0, "v"); });
  expect(client, bulk("v"));

  in_turn([this] { backend().fail(0, base::StagedError::connection_lost(base::Executed::kUnknown)); });

  expect_nothing(client);
  EXPECT_FALSE(is_cached("k"));
  EXPECT_EQ(rig().metrics.fill_errors.value(), 0u);
}

TEST_F(FillTableTest, MoreWaitersThanMayBeReadOnTheLinkEachForItself) {
  options_.waiters_max = 2;
  Client& first = reader_of("k");
  Client& second = reader_of("k");
  Client& third = reader_of("k");

  link_with("GET k").send(bulk("v"));

  expect(third, bulk("v"));
  in_turn([this] { backend().answer(0, "v"); });
  expect_all({&first, &second}, bulk("v"));
}

TEST_F(FillTableTest, ReaderBehindAWriteDoesNotJoinTheFetchBeforeIt) {
  Client& early = reader_of("k");
  in_turn([this] { shared_.cache->drop(shared_.cache->key({}, "k").hash, cache::DropCause::kWrite); });

  Client& late = reader_of("k");
  ASSERT_EQ(fetches().size(), 2u);
  in_turn([this] {
    backend().answer(0, "old");
    backend().answer(1, "new");
  });

  expect(early, bulk("old"));
  expect(late, bulk("new"));
  expect(reader_of("k"), bulk("new"));
}

// --- Timeouts ---

TEST_F(FillTableTest, TimeoutAnswersEverybodyAndWhatComesLaterIsDropped) {
  options_.fill_timeout = milliseconds(30);
  Client& first = reader_of("k");
  Client& second = reader_of("k");
  const std::string error = "-" + base::StagedError::no_reply(milliseconds(30)).reply() + "\r\n";

  expect_all({&first, &second}, error);
  EXPECT_EQ(rig().metrics.fill_timeouts.value(), 1u);
  in_turn([this] { backend().answer(0, "late"); });

  expect_nothing(first);
  EXPECT_FALSE(is_cached("k"));
  EXPECT_EQ(rig().fills.size(), 0u);
}

TEST_F(FillTableTest, ReaderAfterATimeoutStartsAFetchOfItsOwn) {
  options_.fill_timeout = milliseconds(30);
  Client& first = reader_of("k");
  expect(first, "-" + base::StagedError::no_reply(milliseconds(30)).reply() + "\r\n");

  Client& second = reader_of("k");
  ASSERT_EQ(fetches().size(), 2u);
  in_turn([this] {
    backend().answer(0, "late");
    backend().answer(1, "new");
  });

  expect(second, bulk("new"));
  expect(reader_of("k"), bulk("new"));
}

TEST_F(FillTableTest, ValueWhoseTimeToLiveComesTooLateIsNotCached) {
  options_.fill_timeout = milliseconds(30);
  Client& client = reader_of("k");
  in_turn([this] { backend().value(0, "v"); });
  expect(client, bulk("v"));
  Client& other = reader_of("other");  // expires after the first one
  expect(other, "-" + base::StagedError::no_reply(milliseconds(30)).reply() + "\r\n");

  in_turn([this] { backend().ttl(0, -1); });

  expect_nothing(client);
  EXPECT_FALSE(is_cached("k"));
}

TEST_F(FillTableTest, FetchThatWasAnsweredInTimeIsForgottenByTheTimeout) {
  options_.fill_timeout = milliseconds(30);
  Client& quick = reader_of("quick");
  in_turn([this] { backend().answer(0, "v"); });
  Client& slow = reader_of("slow");

  expect(quick, bulk("v"));
  expect(slow, "-" + base::StagedError::no_reply(milliseconds(30)).reply() + "\r\n");
  EXPECT_EQ(rig().metrics.fill_timeouts.value(), 1u);
}

// --- Two workers ---

TEST_F(FillTableTest, FetchOfAKeyThatAnotherWorkerHasFilledIsMadeThere) {
  Client& near = connect(rig());
  ask(near, "HGET h a");
  in_turn([this] {
    backend().reply(0, bulk("A"));
    backend().ttl(0, -1);
  });
  expect(near, bulk("A"));
  Client& far = connect(second_rig());

  ask(far, "HGET h b");
  ask(near, "HGET h b");  // before the message has come
  mesh().deliver();

  EXPECT_TRUE(second_rig().backend.fetches.empty());
  ASSERT_EQ(fetches().size(), 2u);
  EXPECT_EQ(fetches()[1].command, test::resp_command("HGET h b"));
  in_turn([this] {
    backend().reply(1, bulk("B"));
    backend().ttl(1, -1);
  });
  mesh().deliver();
  expect_all({&near, &far}, bulk("B"));
  ask(far, "HGET h a");
  expect(far, bulk("A"));
}

TEST_F(FillTableTest, ReadersOfAnotherWorkerJoinItsFetch) {
  Client& near = reader_of("k");
  Client& far = reader_of(second_rig(), "k");
  Client& far_too = reader_of(second_rig(), "k");
  EXPECT_EQ(mesh().waiting(), 1u) << "one message for all readers of that worker";
  mesh().deliver();

  in_turn([this] { backend().answer(0, "v"); });
  expect(near, bulk("v"));
  expect_nothing(far);
  mesh().deliver();

  expect_all({&far, &far_too}, bulk("v"));
  EXPECT_TRUE(second_rig().backend.fetches.empty());
}

TEST_F(FillTableTest, RemoteReaderBetweenValueAndTimeToLiveGetsTheValue) {
  static_cast<void>(reader_of("k"));
  in_turn([this] { backend().value(0, "v"); });

  Client& far = reader_of(second_rig(), "k");
  mesh().deliver();

  expect(far, bulk("v"));
}

TEST_F(FillTableTest, RemoteReaderWhoseMessageComesTooLateReadsTheCache) {
  static_cast<void>(reader_of("k"));
  Client& far = reader_of(second_rig(), "k");
  in_turn([this] { backend().answer(0, "v"); });

  mesh().deliver();

  expect(far, bulk("v"));
  EXPECT_TRUE(second_rig().backend.fetches.empty());
}

TEST_F(FillTableTest, RemoteReadersWhoseFetchLeftNothingFetchOnceThemselves) {
  static_cast<void>(reader_of("k"));
  Client& far = reader_of(second_rig(), "k");
  Client& far_too = reader_of(second_rig(), "k");
  in_turn([this] {
    backend().server_error(0, "ERR gone");
    backend().ttl(0, -1);
  });

  mesh().deliver();
  ASSERT_EQ(second_rig().backend.fetches.size(), 1u);
  in_turn([this] { second_rig().backend.answer(0, "v"); });

  expect_all({&far, &far_too}, bulk("v"));
}

TEST_F(FillTableTest, RemoteReaderLearnsThatTheKeyDoesNotExistFromTheCache) {
  options_.ttl.negative_ttl = std::chrono::minutes(1);
  static_cast<void>(reader_of("k"));
  Client& far = reader_of(second_rig(), "k");
  in_turn([this] {
    backend().nil(0);
    backend().ttl(0, -2);
  });

  mesh().deliver();

  expect(far, "$-1\r\n");
}

TEST_F(FillTableTest, ErrorAndNilReachRemoteReadersAsSuch) {
  static_cast<void>(reader_of("broken"));
  static_cast<void>(reader_of("missing"));
  Client& broken = reader_of(second_rig(), "broken");
  Client& missing = reader_of(second_rig(), "missing");
  mesh().deliver();

  in_turn([this] {
    backend().server_error(0, "WRONGTYPE x");
    backend().nil(1);
  });
  mesh().deliver();

  expect(broken, "-WRONGTYPE x\r\n");
  expect(missing, "$-1\r\n");
}

TEST_F(FillTableTest, TimeoutReachesRemoteReaders) {
  options_.fill_timeout = milliseconds(30);
  static_cast<void>(reader_of("k"));
  Client& far = reader_of(second_rig(), "k");
  mesh().deliver();

  ASSERT_TRUE(await([this] { return mesh().waiting() > 0; }));
  mesh().deliver();

  expect(far, "-" + base::StagedError::no_reply(milliseconds(30)).reply() + "\r\n");
}

TEST_F(FillTableTest, RemoteReaderWhoseMessageFindsATimedOutFetchFetchesItself) {
  options_.fill_timeout = milliseconds(30);
  Client& near = reader_of("k");
  Client& far = reader_of(second_rig(), "k");
  expect(near, "-" + base::StagedError::no_reply(milliseconds(30)).reply() + "\r\n");

  mesh().deliver();
  ASSERT_EQ(second_rig().backend.fetches.size(), 1u);
  in_turn([this] { second_rig().backend.answer(0, "v"); });

  expect(far, bulk("v"));
}

TEST_F(FillTableTest, RemoteReaderBehindAWriteDoesNotJoinTheFetchBeforeIt) {
  static_cast<void>(reader_of("k"));
  in_turn([this] { shared_.cache->drop(shared_.cache->key({}, "k").hash, cache::DropCause::kWrite); });

  Client& far = reader_of(second_rig(), "k");

  ASSERT_EQ(second_rig().backend.fetches.size(), 1u);
  EXPECT_EQ(mesh().waiting(), 0u);
  in_turn([this] { second_rig().backend.answer(0, "new"); });
  expect(far, bulk("new"));
}

TEST_F(FillTableTest, MoreRemoteWaitersThanMayBeReadOnTheirOwnWorkersLink) {
  options_.waiters_max = 1;
  static_cast<void>(reader_of("k"));
  Client& far = reader_of(second_rig(), "k");
  Client& too_many = reader_of(second_rig(), "k");

  link_with("GET k").send(bulk("v"));
  expect(too_many, bulk("v"));
  mesh().deliver();
  in_turn([this] { backend().answer(0, "v"); });
  mesh().deliver();
  expect(far, bulk("v"));
}

}  // namespace
}  // namespace anteroom::proxy
