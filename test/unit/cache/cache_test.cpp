#include "cache/cache.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "unit/cache/cache_fixture.hpp"

// What a cache does with hits and tickets: the rules of COHERENCE.md A.3 by number.
namespace anteroom::cache {
namespace {

using namespace std::chrono_literals;

using Hits = CacheTest;

TEST_F(Hits, CommittedReplyIsServedAsItWasStored) {
  ASSERT_TRUE(put("k", "$5\r\nhello\r\n"));

  const Outcome outcome = read("k");

  EXPECT_EQ(outcome.status, ReadStatus::kHit);
  EXPECT_EQ(outcome.bytes, "$5\r\nhello\r\n");
}

TEST_F(Hits, ReplyIsAppendedBehindWhatIsQueued) {
  ASSERT_TRUE(put("k", "two"));
  base::ByteQueue out;
  out.append("one ");

  EXPECT_EQ(cache.read(string("k"), asker(), out).status, ReadStatus::kHit);

  EXPECT_EQ(out.to_string(), "one two");
}

TEST_F(Hits, KeysAndRepliesAreBinarySafeAndMayBeEmpty) {
  const std::string binary("a\0b\r\n\xff", 6);
  ASSERT_TRUE(put(binary, binary));
  ASSERT_TRUE(put("", "empty key"));
  ASSERT_TRUE(put("empty reply", ""));

  EXPECT_EQ(read(binary).bytes, binary);
  EXPECT_EQ(read("").bytes, "empty key");
  EXPECT_EQ(read("empty reply").status, ReadStatus::kHit);
  EXPECT_FALSE(is_cached(std::string("a\0b\r\n\xfe", 6)));
}

TEST_F(Hits, SpacesDoNotSeeEachOthersValues) {
  ASSERT_TRUE(put(string("k", kDb0), "zero"));
  ASSERT_TRUE(put(string("k", kDb1), "one"));

  EXPECT_EQ(read(string("k", kDb0)).bytes, "zero");
  EXPECT_EQ(read(string("k", kDb1)).bytes, "one");
  EXPECT_EQ(read(string("k", Space{2})).status, ReadStatus::kFill);
}

TEST_F(Hits, AnyOwnerIsServed) {
  ASSERT_TRUE(put(string("k"), "v", kOwnerA));

  EXPECT_EQ(read(string("k"), kOwnerB).bytes, "v");
}

TEST_F(Hits, NilIsRememberedWithoutBytes) {
  const FillId fill = start_fill("k");
  ASSERT_TRUE(commit(string("k"), fill, "", EntryKind::kNil));

  const Outcome outcome = read("k");

  EXPECT_EQ(outcome.status, ReadStatus::kNil);
  EXPECT_EQ(outcome.bytes, "");
  EXPECT_EQ(cache.stats().nil_hits, 1u);
  EXPECT_EQ(cache.stats().hits, 0u);
}

TEST_F(Hits, ReplyIsServedUntilItsDeadlineAndNotAtIt) {
  ttl = 100ms;
  ASSERT_TRUE(put("k", "v"));

  now += 99ms;
  EXPECT_EQ(read("k").status, ReadStatus::kHit);
  now += 1ms;
  EXPECT_EQ(read("k").status, ReadStatus::kFill);
  EXPECT_EQ(cache.stats().evicted_expired, 1u);
  EXPECT_EQ(cache.stats().entries, 0u);
}

TEST_F(Hits, ReplyThatIsPastItsDeadlineIsNotStored) {
  const FillId fill = start_fill("k");

  EXPECT_FALSE(cache.commit(string("k"), fill, EntryKind::kValue, "v", {.soft = now, .hard = now}, now));

  EXPECT_EQ(read("k").status, ReadStatus::kFill) << "the fill has ended";
}

TEST_F(Hits, NothingIsServedAtItsDeadlineAndItEndsLessThanAMillisecondEarly) {
  for (const base::Duration life : {1ns, 999'999ns, 1'000'000ns, 1'000'001ns, 5'500'000ns}) {
    for (const base::Duration fraction : {0ns, 1ns, 999'999ns}) {
      const base::TimePoint start = now + fraction;
      const base::TimePoint end = start + life;
      cache.commit(string("k"), start_fill("k"), EntryKind::kValue, "v", {.soft = end, .hard = end}, start);

      now = end - 1ms;
      if (now >= start) {
        EXPECT_TRUE(is_cached("k")) << life << fraction;
      }
      now = end;
      EXPECT_FALSE(is_cached("k")) << life << fraction;
      now = base::TimePoint(std::chrono::ceil<std::chrono::seconds>(now.time_since_epoch()));
    }
  }
}

TEST_F(Hits, ReplyWithoutDeadlineStaysForWeeks) {
  const FillId fill = start_fill("k");
  ASSERT_TRUE(cache.commit(string("k"), fill, EntryKind::kValue, "v", {}, now));

  now += 24h * 24;
  cache.expire(0, now, 1000);

  EXPECT_EQ(read("k").bytes, "v");
}

TEST_F(Hits, ShardsTimeStartsAnewBeforeItRunsOut) {
  for (int round = 0; round < 4; ++round) {
    ASSERT_TRUE(cache.commit(string("k"), start_fill("k"), EntryKind::kValue, "v", {}, now));
    EXPECT_TRUE(is_cached("k"));
    ASSERT_TRUE(cache.commit(string("short"), start_fill("short"), EntryKind::kValue, "v", {now + 5s, now + 5s}, now));
    now += 24h * 25;
    EXPECT_FALSE(is_cached("short"));
    EXPECT_EQ(cache.stats().entries, 0u);
    cache.check_invariants();
  }
}

TEST_F(Hits, WorkerWhoseClockLagsIsServed) {
  ASSERT_TRUE(put("k", "v"));
  now -= 100ms;

  EXPECT_EQ(read("k").bytes, "v");
  EXPECT_TRUE(put("other", "v"));
  EXPECT_TRUE(is_cached("other"));
}

TEST_F(Hits, LongNamesAndHighSpacesAreBypassed) {
  const std::string longest(4096, 'n');
  EXPECT_TRUE(put(longest, "v"));
  EXPECT_EQ(read(longest).bytes, "v");

  for (const Query& query : {string(longest + "n"), string("k", Space{kSpaceMax + 1})}) {
    EXPECT_EQ(read(query).status, ReadStatus::kBypass);
    EXPECT_EQ(cache.start_fill(query, asker()), 0u);
    drop("k");
    EXPECT_TRUE(cache.inspect(query.key, asker()).empty());
  }
  EXPECT_TRUE(put(string("k", Space{kSpaceMax}), "v"));
  EXPECT_EQ(cache.stats().bypass_name, 4u);
}

TEST_F(Hits, WrongTypeErrorIsServedAsItWas) {
  constexpr std::string_view kError = "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n";
  ASSERT_TRUE(put(string("k"), kError, kOwnerA, EntryKind::kWrongType));

  EXPECT_EQ(read("k").status, ReadStatus::kHit);
  EXPECT_EQ(read("k").bytes, kError);
}

using Fills = CacheTest;

TEST_F(Fills, SecondAskerJoinsTheFirst) {
  const FillId fill = start_fill(string("k"), kOwnerA);

  const Outcome second = read(string("k"), kOwnerB);

  EXPECT_EQ(second.status, ReadStatus::kJoin);
  EXPECT_EQ(second.fill, fill);
  EXPECT_EQ(second.owner, kOwnerA);
  EXPECT_EQ(cache.stats().fills_started, 1u);
  EXPECT_EQ(cache.stats().fills_joined, 1u);
}

TEST_F(Fills, NobodyJoinsWhatIsFetchedForMget) {
  const FillId of_mget = cache.start_fill(string("k"), asker());

  const Outcome reader = read("k");
  EXPECT_EQ(reader.status, ReadStatus::kFill);
  EXPECT_NE(reader.fill, of_mget);
  EXPECT_EQ(read("k").status, ReadStatus::kJoin);

  EXPECT_FALSE(commit(string("k"), of_mget, "of mget"));
  EXPECT_TRUE(commit(string("k"), reader.fill, "of get"));
  EXPECT_EQ(read("k").bytes, "of get");
}

TEST_F(Fills, SameKeyInAnotherSpaceIsAnotherFill) {
  start_fill(string("k", kDb0));

  EXPECT_EQ(read(string("k", kDb1)).status, ReadStatus::kFill);
}

TEST_F(Fills, IdsAreNeverReusedAcrossKeysAndShards) {
  Cache sharded({.capacity = 16 * Cache::kShardEntriesMin, .workers = 2}, base::HashSeed::fixed(1));
  ASSERT_EQ(sharded.shard_count(), 16u);
  std::vector<FillId> ids;
  base::ByteQueue out;
  for (int i = 0; i < 1000; ++i) {
    const std::string name = std::to_string(i % 500);
    const Query one = Cache::string_query(sharded.key(kDb0, name));
    const ReadResult result = sharded.read(one, asker(), out);
    ASSERT_EQ(result.status, ReadStatus::kFill);
    ids.push_back(result.fill);
    sharded.abandon(one, result.fill);
  }
  std::sort(ids.begin(), ids.end());
  EXPECT_EQ(std::adjacent_find(ids.begin(), ids.end()), ids.end());
  EXPECT_NE(ids.front(), 0u);
}

TEST_F(Fills, AbandonedFillLeavesNothing) {
  const FillId fill = start_fill("k");
  cache.abandon(string("k"), fill);

  EXPECT_FALSE(commit("k", fill, "v"));
  EXPECT_NE(start_fill("k"), fill);
}

TEST_F(Fills, FillEndsWithItsCommit) {
  const FillId fill = start_fill("k");
  ASSERT_TRUE(commit("k", fill, "v"));

  EXPECT_FALSE(commit("k", fill, "again"));
  EXPECT_EQ(read("k").bytes, "v");
}

TEST_F(Fills, StrangersTicketIsRefused) {
  const FillId fill = start_fill("k");

  EXPECT_FALSE(commit("k", fill + 1, "forged"));
  EXPECT_FALSE(commit("other", fill, "wrong key"));
  EXPECT_FALSE(commit(string("k", kDb1), fill, "wrong space"));
  cache.abandon(string("k"), fill + 1);

  EXPECT_TRUE(commit("k", fill, "v"));
}

TEST_F(Fills, R1DropWhileFillingMakesItsReplyUncacheable) {
  const FillId fill = start_fill("k");
  drop("k");

  EXPECT_FALSE(commit("k", fill, "older than the drop"));
  EXPECT_EQ(cache.stats().detached_push, 1u);
  EXPECT_FALSE(is_cached("k"));
}

TEST_F(Fills, R1DropReachesTheKeyInEverySpace) {
  ASSERT_TRUE(put(string("k", kDb0), "zero"));
  const FillId fill = start_fill(string("k", kDb1));

  drop("k");

  EXPECT_FALSE(is_cached(string("k", kDb0)));
  EXPECT_FALSE(commit(string("k", kDb1), fill, "one"));
  EXPECT_EQ(cache.stats().dropped, 1u);
  EXPECT_EQ(cache.stats().detached_push, 1u);
}

TEST_F(Fills, R1DropLeavesOtherKeysAlone) {
  ASSERT_TRUE(put("other", "v"));
  const FillId fill = start_fill("third");

  drop("k");

  EXPECT_TRUE(is_cached("other"));
  EXPECT_TRUE(commit("third", fill, "v"));
}

TEST_F(Fills, R2NewReaderAfterADropStartsANewFill) {
  const FillId old_fill = start_fill("k");
  drop("k");

  const Outcome next = read("k");

  EXPECT_EQ(next.status, ReadStatus::kFill);
  EXPECT_NE(next.fill, old_fill);
}

TEST_F(Fills, R2LateCommitOfADetachedFillDoesNotEndTheNewOne) {
  const FillId old_fill = start_fill("k");
  drop("k");
  const FillId new_fill = start_fill("k");

  EXPECT_FALSE(commit("k", old_fill, "old"));
  cache.abandon(string("k"), old_fill);
  EXPECT_EQ(read("k").status, ReadStatus::kJoin);
  EXPECT_TRUE(commit("k", new_fill, "new"));

  EXPECT_EQ(read("k").bytes, "new");
}

TEST_F(Fills, R4JoinIsRefusedAfterDetach) {
  const FillId before_write = start_fill("k");
  const std::uint64_t keys[] = {key("k").hash};
  {
    const WriteGuard guard = cache.guard(keys);
  }

  const Outcome after_write = read("k");

  EXPECT_EQ(after_write.status, ReadStatus::kFill);
  EXPECT_NE(after_write.fill, before_write);
}

class Collisions : public CacheTest {
 protected:
  Collisions() : names(colliding_names(cache)), a(names.first), b(names.second) {}
  const std::pair<std::string, std::string> names;
  const std::string_view a;
  const std::string_view b;
};

TEST_F(Collisions, EqualHashesKeepTheirOwnValues) {
  ASSERT_TRUE(put(a, "of a"));
  ASSERT_TRUE(put(b, "of b"));

  EXPECT_EQ(read(a).bytes, "of a");
  EXPECT_EQ(read(b).bytes, "of b");
}

TEST_F(Collisions, DropTakesEveryEntryWithThatHashInTheIndexButForeignFillsStay) {
  ASSERT_TRUE(put(a, "v"));
  ASSERT_TRUE(put(string(a, kDb1), "v"));
  ASSERT_TRUE(put(result(a, "a request"), "v"));
  ASSERT_TRUE(put(b, "v"));
  const FillId of_a = start_fill(string(a, Space{2}));
  const FillId of_b = start_fill(string(b, Space{2}));

  drop(a);

  EXPECT_EQ(cache.stats().dropped, 4u);
  EXPECT_EQ(cache.stats().detached_push, 1u);
  EXPECT_EQ(cache.stats().entries, 0u);
  EXPECT_FALSE(commit(string(a, Space{2}), of_a, "v"));
  EXPECT_TRUE(commit(string(b, Space{2}), of_b, "v"));
}

TEST_F(Collisions, EvictionTakesTheRightOneOfEqualHashes) {
  ASSERT_TRUE(put(a, "of a"));
  ASSERT_TRUE(put(b, "of b"));
  for (int i = 0; i < 1023; ++i) ASSERT_TRUE(put(std::to_string(i), "v"));

  EXPECT_FALSE(is_cached(a));
  EXPECT_EQ(read(b).bytes, "of b");
}

using Prefetch = CacheTest;

TEST_F(Prefetch, ChangesNothing) {
  ASSERT_TRUE(put("k", "v"));
  const FillId fill = start_fill("filling");
  const Stats before = cache.stats();

  for (const std::string_view name : {"k", "filling", "absent"}) {
    cache.prefetch(key(name).hash);
    cache.prefetch_entry(key(name).hash);
  }

  const Stats after = cache.stats();
  EXPECT_EQ(after.hits, before.hits);
  EXPECT_EQ(after.misses, before.misses);
  EXPECT_EQ(after.entries, before.entries);
  EXPECT_EQ(read("k").bytes, "v");
  EXPECT_TRUE(commit("filling", fill, "v"));
}

}  // namespace
}  // namespace anteroom::cache
