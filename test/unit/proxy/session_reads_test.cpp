// Reads through the cache other than GET: MGET, EXISTS, views of strings, results.
#include <gtest/gtest.h>

#include <string>

#include "support/session_rig.hpp"

namespace anteroom::proxy {
namespace {

using test::bulk;
using test::Client;
using test::resp_command;

class SessionReads : public test::ProxyTest {
 protected:
  test::FakeBackend& backend() { return rig().backend; }
  Client& client() {
    if (client_ == nullptr) client_ = &connect();
    return *client_;
  }
  /// What `words` is answered with at once.
  std::string reply_to(std::string_view words) {
    ask(client(), words);
    return client().peer.take_written();
  }
  void answer_result(std::size_t fetch, std::string_view encoded, std::int64_t pttl_ms = -1) {
    in_turn([=, this] {
      backend().reply(fetch, encoded);
      backend().ttl(fetch, pttl_ms);
    });
  }

 private:
  Client* client_ = nullptr;
};

TEST_F(SessionReads, CachedStringAnswersWhatIsAskedOfIt) {
  cache_value("k", "hello");
  EXPECT_EQ(reply_to("STRLEN k"), ":5\r\n");
  EXPECT_EQ(reply_to("EXISTS k"), ":1\r\n");
  EXPECT_EQ(reply_to("TYPE k"), "+string\r\n");
  EXPECT_EQ(reply_to("GETRANGE k 1 -2"), bulk("ell"));
  EXPECT_EQ(reply_to("SUBSTR k 0 0"), bulk("h"));
  EXPECT_EQ(fetches().size(), 1u);
}

TEST_F(SessionReads, RangeThatIsNoNumberIsForTheServerToJudge) {
  cache_value("k", "hello");
  ask(client(), "GETRANGE k one 2");
  ASSERT_EQ(fetches().size(), 2u);
  EXPECT_EQ(fetches()[1].command, resp_command("GETRANGE k one 2"));
  in_turn([this] {
    backend().server_error(1, "ERR value is not an integer or out of range");
    backend().ttl(1, -1);
  });
  expect(client(), "-ERR value is not an integer or out of range\r\n");
}

TEST_F(SessionReads, ResultsAreKeptByTheWholeRequest) {
  ask(client(), "LRANGE l 0 1");
  answer_result(0, "*2\r\n$1\r\na\r\n$1\r\nb\r\n");
  expect(client(), "*2\r\n$1\r\na\r\n$1\r\nb\r\n");

  EXPECT_EQ(reply_to("LRANGE l 0 1"), "*2\r\n$1\r\na\r\n$1\r\nb\r\n");
  ask(client(), "LRANGE l 0 2");
  EXPECT_EQ(fetches().size(), 2u);
  answer_result(1, "*0\r\n");
  expect(client(), "*0\r\n");
}

TEST_F(SessionReads, DropOfTheKeyDropsItsResults) {
  ask(client(), "HGET h f");
  answer_result(0, bulk("v"));
  expect(client(), bulk("v"));

  in_turn([this] { rig().cache.invalidate(rig().cache.key({}, "h").hash, cache::OwnerId{0}); });
  ask(client(), "HGET h f");

  EXPECT_EQ(fetches().size(), 2u);
}

TEST_F(SessionReads, ResultOfAMissingKeyIsKeptAsMissing) {
  options_.ttl.negative_ttl = std::chrono::minutes(1);
  ask(client(), "HLEN h");
  answer_result(0, ":0\r\n", -2);
  expect(client(), ":0\r\n");
  EXPECT_EQ(reply_to("HLEN h"), ":0\r\n");
}

TEST_F(SessionReads, ValueWhoseKeyWentBeforeItsTimeToLiveIsNotKept) {
  options_.ttl.negative_ttl = std::chrono::minutes(1);
  ask(client(), "HLEN h");
  answer_result(0, ":3\r\n", -2);
  expect(client(), ":3\r\n");
  ask(client(), "HLEN h");
  EXPECT_EQ(fetches().size(), 2u);
}

TEST_F(SessionReads, MgetFetchesAllItsKeysAsOneAndIsThenAnsweredFromTheCache) {
  cache_value("a", "older");
  ask(client(), "MGET a b c");
  ASSERT_EQ(fetches().size(), 4u);
  for (std::size_t i = 1; i <= 3; ++i) EXPECT_EQ(fetches()[i].group, 1u);
  in_turn([this] {
    backend().value(1, "A");
    backend().nil(2);
    backend().value(3, "C");
    backend().ttl(1, -1);
    backend().ttl(2, -1);  // of another type: not known to be missing
    backend().ttl(3, -1);
  });
  expect(client(), "*3\r\n" + bulk("A") + "$-1\r\n" + bulk("C"));

  EXPECT_EQ(reply_to("MGET c a"), "*2\r\n" + bulk("C") + bulk("A"));
  EXPECT_EQ(reply_to("GET a"), bulk("A"));
  EXPECT_EQ(fetches().size(), 4u);
}

TEST_F(SessionReads, MgetWithTheSameKeyTwiceIsAnsweredTwice) {
  ask(client(), "MGET a a");
  in_turn([this] {
    backend().value(0, "A");
    backend().value(1, "A");
    backend().ttl(0, -1);
    backend().ttl(1, -1);
  });
  expect(client(), "*2\r\n" + bulk("A") + bulk("A"));
  EXPECT_TRUE(is_cached("a"));
}

TEST_F(SessionReads, WhatMgetBringsAnswersNoGet) {
  ask(client(), "MGET list other");
  Client& reader = connect();
  ask(reader, "GET list");
  ASSERT_EQ(fetches().size(), 3u);

  in_turn([this] {
    backend().nil(0);  // so MGET has a key of another type
    backend().value(1, "o");
    backend().server_error(2, "WRONGTYPE Operation against a key");
  });

  expect(client(), "*2\r\n$-1\r\n" + bulk("o"));
  expect(reader, "-WRONGTYPE Operation against a key\r\n");
}

TEST_F(SessionReads, MgetPerKeyFetchesOnlyWhatIsMissing) {
  options_.cached_reads.mget = MgetMode::kPerKey;
  cache_value("a", "A");
  ask(client(), "MGET a b a");
  ASSERT_EQ(fetches().size(), 2u);
  EXPECT_EQ(fetches()[1].key, "b");
  EXPECT_EQ(fetches()[1].group, 0u);
  in_turn([this] { backend().answer(1, "B"); });
  expect(client(), "*3\r\n" + bulk("A") + bulk("B") + bulk("A"));
}

TEST_F(SessionReads, MgetBehindAnotherReadIsAnsweredInOrder) {
  options_.cached_reads.mget = MgetMode::kPerKey;
  cache_value("a", "A");
  ask(client(), "GET cold", "MGET a a", "PING");
  expect_nothing(client());
  in_turn([this] { backend().answer(1, "C"); });
  expect(client(), bulk("C") + "*2\r\n" + bulk("A") + bulk("A") + "+PONG\r\n");
}

TEST_F(SessionReads, MgetThatIsForwardedTakesItsKeysOutOfTheCache) {
  options_.cached_reads.mget = MgetMode::kOff;
  cache_value("a", "older");
  ask(client(), "MGET a b");
  link_with("MGET a b").send("*2\r\n" + bulk("newer") + "$-1\r\n");
  expect(client(), "*2\r\n" + bulk("newer") + "$-1\r\n");
  EXPECT_FALSE(is_cached("a"));
}

TEST_F(SessionReads, ExistsOfManyIsAnsweredFromOneMomentOrForwarded) {
  cache_value("a", "A");
  cache_value("b", "B");
  EXPECT_EQ(reply_to("EXISTS a b a"), ":3\r\n");
  ask(client(), "EXISTS a cold");
  link_with("EXISTS a cold").send(":1\r\n");
  expect(client(), ":1\r\n");
}

TEST_F(SessionReads, MgetWithAKeyThatIsLeftOutTakesItsKeysOutOfTheCache) {
  options_.cached_reads.exclude = base::GlobList({"tmp:*"});
  cache_value("a", "older");
  ask(client(), "MGET a tmp:1");
  link_with("MGET a tmp:1").send("*2\r\n" + bulk("newer") + "$-1\r\n");
  expect(client(), "*2\r\n" + bulk("newer") + "$-1\r\n");
  EXPECT_FALSE(is_cached("a"));
}

TEST_F(SessionReads, MgetPerKeyGoesToTheServerWhereTheFillConnectionIsLost) {
  options_.cached_reads.mget = MgetMode::kPerKey;
  options_.coherence.wants_tracking = true;
  backend::CoherenceEvents& events = rig().coherence;
  events.on_connected({.tracks = true, .why_not = {}, .fence_sent = loop_.now()});
  events.on_lost();
  ask(client(), "MGET a b");
  link_with("MGET a b").send("*2\r\n$-1\r\n$-1\r\n");
  expect(client(), "*2\r\n$-1\r\n$-1\r\n");
  EXPECT_TRUE(fetches().empty());
}

TEST_F(SessionReads, RangeWithLeadingZerosIsForTheServerToRefuse) {
  cache_value("k", "hello");
  ask(client(), "GETRANGE k 00 01");
  EXPECT_EQ(fetches().size(), 2u);
}

TEST_F(SessionReads, CoherenceLostMakesReadsGoToTheServer) {
  options_.coherence.wants_tracking = true;
  backend::CoherenceEvents& events = rig().coherence;
  events.on_connected({.tracks = true, .why_not = {}, .fence_sent = loop_.now()});
  cache_value("k", "v");
  events.on_lost();

  ask(client(), "GET k");
  link_with("GET k").send(bulk("w"));
  expect(client(), bulk("w"));
  ask(client(), "MGET k k");
  link_with("MGET k k").send("*2\r\n" + bulk("w") + bulk("w"));
  expect(client(), "*2\r\n" + bulk("w") + bulk("w"));
  EXPECT_EQ(fetches().size(), 1u);
}

TEST_F(SessionReads, ReadsOfKeysThatAreLeftOutGoToTheServer) {
  options_.cached_reads.exclude = base::GlobList({"tmp:*"});
  ask(client(), "GET tmp:1");
  link_with("GET tmp:1").send(bulk("v"));
  expect(client(), bulk("v"));
  EXPECT_TRUE(fetches().empty());
}

TEST_F(SessionReads, HashesAreLeftOutWhereTheirFieldsExpire) {
  options_.coherence.wants_tracking = true;
  static_cast<backend::CoherenceEvents&>(rig().coherence)
      .on_connected({.tracks = true, .why_not = {}, .expires_hash_fields = true, .fence_sent = loop_.now()});
  ask(client(), "HGET h f");
  link_with("HGET h f").send(bulk("v"));
  expect(client(), bulk("v"));
  ask(client(), "LLEN l");
  EXPECT_EQ(fetches().size(), 1u);
}

TEST_F(SessionReads, StaleValueIsServedOnceMoreWhileItIsFetchedAnew) {
  shared_.use_cache({.capacity = 100, .stale_while_revalidate = std::chrono::hours(1)});
  options_.ttl.ttl = std::chrono::milliseconds(20);
  cache_value("k", "old");
  ASSERT_TRUE(await([&, due = loop_.now() + std::chrono::milliseconds(30)] { return loop_.now() > due; }));

  EXPECT_EQ(reply_to("GET k"), bulk("old"));
  ASSERT_EQ(fetches().size(), 2u);
  EXPECT_EQ(reply_to("GET k"), bulk("old"));
  ASSERT_EQ(fetches().size(), 2u) << "one fetch is enough";
  in_turn([this] { backend().answer(1, "new"); });
  EXPECT_EQ(reply_to("GET k"), bulk("new"));
}

}  // namespace
}  // namespace anteroom::proxy
