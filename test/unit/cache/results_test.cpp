#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "unit/cache/cache_fixture.hpp"

// Result entries, which hang under their key, and what a string entry answers besides GET.
namespace anteroom::cache {
namespace {

using namespace std::chrono_literals;

using Results = CacheTest;

TEST_F(Results, AreServedByTheirWholeRequest) {
  ASSERT_TRUE(put(result("h", "HGET h a"), "of a"));
  ASSERT_TRUE(put(result("h", "HGET h b"), "of b"));

  EXPECT_EQ(read(result("h", "HGET h a")).bytes, "of a");
  EXPECT_EQ(read(result("h", "HGET h b")).bytes, "of b");
  EXPECT_EQ(read(result("h", "HGET h c")).status, ReadStatus::kFill);
  EXPECT_EQ(read(string("h")).status, ReadStatus::kFill);
  EXPECT_EQ(cache.stats().entries, 3u) << "the key's root counts";
}

TEST_F(Results, RequestThatSpellsAKeyIsNotThatKey) {
  ASSERT_TRUE(put(string("name"), "string"));
  ASSERT_TRUE(put(result("k", "name"), "result"));
  ASSERT_TRUE(put(result("name", "k"), "result of the other"));

  EXPECT_EQ(read("name").bytes, "string");
  EXPECT_EQ(read(result("k", "name")).bytes, "result");
  drop("name");
  EXPECT_EQ(read(result("k", "name")).bytes, "result");
  EXPECT_FALSE(is_cached(result("name", "k")));
}

TEST_F(Results, SpacesDoNotSeeEachOthers) {
  ASSERT_TRUE(put(result("h", "HLEN h", {}, kDb0), "zero"));
  ASSERT_TRUE(put(result("h", "HLEN h", {}, kDb1), "one"));

  EXPECT_EQ(read(result("h", "HLEN h", {}, kDb0)).bytes, "zero");
  EXPECT_EQ(read(result("h", "HLEN h", {}, kDb1)).bytes, "one");
}

TEST_F(Results, R1DropOfTheKeyTakesStringAndResultsInEverySpace) {
  ASSERT_TRUE(put(string("k"), "v"));
  for (const Space space : {kDb0, kDb1}) {
    for (const char* request : {"a", "b", "c"}) ASSERT_TRUE(put(result("k", request, {}, space), "v"));
  }
  ASSERT_TRUE(put(result("other", "d"), "v"));
  const FillId fill = start_fill(result("k", "e"));

  drop("k");

  EXPECT_EQ(cache.stats().dropped, 7u);
  EXPECT_EQ(cache.stats().entries, 2u);
  EXPECT_TRUE(is_cached(result("other", "d")));
  EXPECT_FALSE(commit(result("k", "e"), fill, "v"));
}

TEST_F(Results, LastOneTakesTheRootAlong) {
  ttl = 100ms;
  ASSERT_TRUE(put(result("k", "a"), "v"));
  ASSERT_TRUE(put(result("k", "b"), "v"));
  now += 200ms;

  EXPECT_FALSE(is_cached(result("k", "a")));
  EXPECT_EQ(cache.stats().entries, 2u);
  EXPECT_FALSE(is_cached(result("k", "b")));
  EXPECT_EQ(cache.stats().entries, 0u);
}

TEST_F(Results, SweepRemovesChainsFromAnyEnd) {
  ttl = 100ms;
  for (int i = 0; i < 50; ++i) {
    for (int j = 0; j < 5; ++j) {
      const std::string request = "HGET " + std::to_string(i) + " " + std::to_string(j);
      ttl = j % 2 == 0 ? 100ms : 300ms;
      ASSERT_TRUE(put(result(std::to_string(i), request), "v"));
    }
  }
  now += 200ms;
  EXPECT_EQ(cache.expire(0, now, 100'000), 150u);
  cache.check_invariants();
  EXPECT_EQ(cache.stats().entries, 150u);
  now += 200ms;
  EXPECT_EQ(cache.expire(0, now, 100'000), 100u);
  EXPECT_EQ(cache.stats().entries, 0u);
}

TEST_F(Results, RefillReplacesTheOldOne) {
  ASSERT_TRUE(put(result("k", "a"), "old"));
  const FillId fill = cache.start_fill(result("k", "a"), asker());
  EXPECT_EQ(read(result("k", "a")).bytes, "old");
  EXPECT_TRUE(commit(result("k", "a"), fill, "new"));

  EXPECT_EQ(read(result("k", "a")).bytes, "new");
  EXPECT_EQ(cache.stats().entries, 2u);
}

TEST_F(Results, RequestThatComesBackUnderAnotherKeyMovesThere) {
  ASSERT_TRUE(put(result("one", "r"), "v"));
  const FillId fill = cache.start_fill(result("two", "r"), asker());
  ASSERT_TRUE(commit(result("two", "r"), fill, "w"));
  cache.check_invariants();
  drop("one");
  EXPECT_EQ(read(result("two", "r")).bytes, "w");
  drop("two");
  EXPECT_EQ(cache.stats().entries, 0u);
}

TEST_F(Results, TooManyFillsOfOneKeyAreBypassed) {
  std::vector<std::string> requests;
  for (int i = 0; i < 65; ++i) requests.push_back(std::to_string(i));
  for (int i = 0; i < 64; ++i) start_fill(result("k", requests[static_cast<std::size_t>(i)]));

  EXPECT_EQ(read(result("k", requests[64])).status, ReadStatus::kBypass);
  EXPECT_EQ(read(result("k", requests[3])).status, ReadStatus::kJoin);
  EXPECT_EQ(cache.start_fill(result("k", requests[64]), asker()), 0u);
  EXPECT_NE(cache.start_fill(result("k", requests[3]), asker()), 0u);
  EXPECT_EQ(cache.stats().bypass_many_fills, 2u);
}

TEST(ResultsOfTinyCaches, CapacityOfOneStoresStringsOnly) {
  Cache cache({.capacity = 1}, base::HashSeed::fixed(1));
  const Asker asker{.now = base::TimePoint{1h}};
  base::ByteQueue out;
  const Query query = cache.result_query(cache.key(kDb0, "k"), "HLEN k");
  const FillId fill = cache.read(query, asker, out).fill;
  EXPECT_FALSE(cache.commit(query, fill, EntryKind::kValue, ":1\r\n", {}, asker.now));
  cache.check_invariants();
}

TEST(ResultsOfTinyCaches, CapacityOfTwoStoresOneResult) {
  Cache cache({.capacity = 2}, base::HashSeed::fixed(1));
  const Asker asker{.now = base::TimePoint{1h}};
  base::ByteQueue out;
  for (const char* name : {"a", "b", "b", "c"}) {
    for (const char* request : {"HLEN", "HGETALL"}) {
      const std::string whole = std::string(request) + " " + name;
      const Query query = cache.result_query(cache.key(kDb0, name), whole);
      const FillId fill = cache.start_fill(query, asker);
      EXPECT_TRUE(cache.commit(query, fill, EntryKind::kValue, ":1\r\n", {}, asker.now));
      EXPECT_EQ(cache.read(query, asker, out).status, ReadStatus::kHit);
      EXPECT_EQ(cache.stats().entries, 2u);
      cache.check_invariants();
    }
  }
}

class SmallResults : public CacheTest {
 protected:
  SmallResults() : CacheTest({.capacity = 100'000, .capacity_bytes = 256 * 1024}) {}
};

TEST_F(SmallResults, MovesAndEvictionsKeepTheChainsWhole) {
  std::uint32_t state = 1;
  std::vector<std::string> requests;
  for (int i = 0; i < 3000; ++i) {
    state = state * 1664525 + 1013904223;
    const std::string name = "key" + std::to_string((state >> 8) % 40);
    const std::string request = "HGET " + name + " " + std::to_string((state >> 16) % 50);
    const Query query = result(name, request);
    const std::string reply(state >> 24 == 0 ? 5000 : (state >> 4) % 1500, 'r');
    const FillId fill = cache.start_fill(query, asker());
    EXPECT_TRUE(commit(query, fill, reply));
    EXPECT_EQ(read(query).bytes, reply);
    if (i % 100 == 99) {
      cache.check_invariants();
      drop(name);
    }
  }
  EXPECT_GT(cache.stats().evicted_bytes, 0u);
}

class Views : public CacheTest {
 protected:
  Query strlen_of(std::string_view name) { return result(name, "STRLEN k", {View::Kind::kLength}); }
  Query type_of(std::string_view name) { return result(name, "TYPE k", {View::Kind::kType}); }
};

TEST_F(Views, StringEntryAnswersAndCountsAsAHit) {
  ASSERT_TRUE(put("k", "$5\r\nhello\r\n"));

  const Outcome outcome = read(strlen_of("k"));

  EXPECT_EQ(outcome.status, ReadStatus::kHit);
  EXPECT_EQ(outcome.bytes, ":5\r\n");
  EXPECT_EQ(cache.stats().hits, 1u);
}

TEST_F(Views, NilEntryAnswersToo) {
  ASSERT_TRUE(put_nil("k"));

  EXPECT_EQ(read(strlen_of("k")).status, ReadStatus::kHit);
  EXPECT_EQ(read(strlen_of("k")).bytes, ":0\r\n");
  EXPECT_EQ(cache.stats().nil_hits, 2u);
}

TEST_F(Views, LargeValueAnswersOutsideTheLock) {
  const std::string value(5000, 'v');
  ASSERT_TRUE(put("k", "$5000\r\n" + value + "\r\n"));

  EXPECT_EQ(read(strlen_of("k")).bytes, ":5000\r\n");
  EXPECT_EQ(read(result("k", "GETRANGE k 1 2", {View::Kind::kRange, 1, 2})).bytes, "$2\r\nvv\r\n");
}

TEST_F(Views, LargeErrorAnswersAsItIs) {
  const std::string error = "-WRONGTYPE " + std::string(5000, 'e') + "\r\n";
  ASSERT_TRUE(put(string("k"), error, kOwnerA, EntryKind::kWrongType));

  EXPECT_EQ(read(strlen_of("k")).bytes, error);
}

TEST_F(Views, WhatTheStringDoesNotTellComesFromTheResult) {
  ASSERT_TRUE(put(string("k"), "-WRONGTYPE\r\n", kOwnerA, EntryKind::kWrongType));
  EXPECT_EQ(read(strlen_of("k")).bytes, "-WRONGTYPE\r\n");

  ASSERT_TRUE(put(type_of("k"), "+hash\r\n"));

  EXPECT_EQ(read(type_of("k")).bytes, "+hash\r\n");
}

TEST_F(Views, WithoutAStringEntryTheResultAnswers) {
  ASSERT_TRUE(put(strlen_of("k"), ":7\r\n"));

  EXPECT_EQ(read(strlen_of("k")).bytes, ":7\r\n");
}

TEST_F(Views, RequestWithoutAViewIsNotAnsweredFromTheString) {
  ASSERT_TRUE(put("k", "$5\r\nhello\r\n"));

  EXPECT_EQ(read(result("k", "BITCOUNT k")).status, ReadStatus::kFill);
}

TEST_F(Views, StringOfAnotherSpaceDoesNotAnswer) {
  ASSERT_TRUE(put(string("k", kDb1), "$5\r\nhello\r\n"));

  EXPECT_EQ(read(strlen_of("k")).status, ReadStatus::kFill);
}

}  // namespace
}  // namespace anteroom::cache
