#include "cache/cache.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "unit/cache/cache_fixture.hpp"

// What a cache does with hits, tickets, epochs and guards: the rules of COHERENCE.md A.3 by number.
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

  EXPECT_EQ(cache.read(key("k"), kOwnerA, now, out).status, ReadStatus::kHit);

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
  ASSERT_TRUE(put(key("k", kDb0), "zero"));
  ASSERT_TRUE(put(key("k", kDb1), "one"));

  EXPECT_EQ(read(key("k", kDb0)).bytes, "zero");
  EXPECT_EQ(read(key("k", kDb1)).bytes, "one");
  EXPECT_EQ(read(key("k", Space{2})).status, ReadStatus::kFill);
}

TEST_F(Hits, AnyOwnerIsServed) {
  ASSERT_TRUE(put(key("k"), "v", kOwnerA));

  EXPECT_EQ(read(key("k"), kOwnerB).bytes, "v");
}

TEST_F(Hits, NilIsRememberedWithoutBytes) {
  const FillId fill = start_fill("k");
  ASSERT_TRUE(cache.commit(key("k"), fill, EntryKind::kNil, "", now + 1s, now));

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

  EXPECT_FALSE(cache.commit(key("k"), fill, EntryKind::kValue, "v", now, now));

  EXPECT_EQ(read("k").status, ReadStatus::kFill) << "the fill has ended";
}

TEST_F(Hits, ReplyWithoutDeadlineStays) {
  const FillId fill = start_fill("k");
  ASSERT_TRUE(cache.commit(key("k"), fill, EntryKind::kValue, "v", base::kNever, now));

  now += 24h * 3650;
  cache.expire(0, now, 1000);

  EXPECT_EQ(read("k").bytes, "v");
}

using Fills = CacheTest;

TEST_F(Fills, SecondAskerJoinsTheFirst) {
  const FillId fill = start_fill(key("k"), kOwnerA);

  const Outcome second = read(key("k"), kOwnerB);

  EXPECT_EQ(second.status, ReadStatus::kJoin);
  EXPECT_EQ(second.fill, fill);
  EXPECT_EQ(second.owner, kOwnerA);
  EXPECT_EQ(cache.stats().fills_started, 1u);
  EXPECT_EQ(cache.stats().fills_joined, 1u);
}

TEST_F(Fills, SameKeyInAnotherSpaceIsAnotherFill) {
  start_fill(key("k", kDb0));

  EXPECT_EQ(read(key("k", kDb1)).status, ReadStatus::kFill);
}

TEST_F(Fills, IdsAreNeverReusedAcrossKeysAndShards) {
  Cache sharded({.capacity = 16 * Cache::kShardEntriesMin, .workers = 2}, base::HashSeed::fixed(1));
  ASSERT_EQ(sharded.shard_count(), 16u);
  std::vector<FillId> ids;
  base::ByteQueue out;
  for (int i = 0; i < 1000; ++i) {
    const std::string name = std::to_string(i % 500);
    const Key one = sharded.key(kDb0, name);
    const ReadResult result = sharded.read(one, kOwnerA, now, out);
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
  cache.abandon(key("k"), fill);

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
  EXPECT_FALSE(commit(key("k", kDb1), fill, "wrong space"));
  cache.abandon(key("k"), fill + 1);

  EXPECT_TRUE(commit("k", fill, "v"));
}

TEST_F(Fills, R1DropWhileFillingMakesItsReplyUncacheable) {
  const FillId fill = start_fill("k");
  cache.drop(key("k").hash);

  EXPECT_FALSE(commit("k", fill, "older than the drop"));
  EXPECT_EQ(cache.stats().fills_detached, 1u);
  EXPECT_FALSE(is_cached("k"));
}

TEST_F(Fills, R1DropReachesTheKeyInEverySpace) {
  ASSERT_TRUE(put(key("k", kDb0), "zero"));
  const FillId fill = start_fill(key("k", kDb1));

  cache.drop(key("k").hash);

  EXPECT_FALSE(is_cached(key("k", kDb0)));
  EXPECT_FALSE(commit(key("k", kDb1), fill, "one"));
  EXPECT_EQ(cache.stats().dropped, 1u);
  EXPECT_EQ(cache.stats().fills_detached, 1u);
}

TEST_F(Fills, R1DropLeavesOtherKeysAlone) {
  ASSERT_TRUE(put("other", "v"));
  const FillId fill = start_fill("third");

  cache.drop(key("k").hash);

  EXPECT_TRUE(is_cached("other"));
  EXPECT_TRUE(commit("third", fill, "v"));
}

TEST_F(Fills, R2NewReaderAfterADropStartsANewFill) {
  const FillId old_fill = start_fill("k");
  cache.drop(key("k").hash);

  const Outcome next = read("k");

  EXPECT_EQ(next.status, ReadStatus::kFill);
  EXPECT_NE(next.fill, old_fill);
}

TEST_F(Fills, R2LateCommitOfADetachedFillDoesNotEndTheNewOne) {
  const FillId old_fill = start_fill("k");
  cache.drop(key("k").hash);
  const FillId new_fill = start_fill("k");

  EXPECT_FALSE(commit("k", old_fill, "old"));
  cache.abandon(key("k"), old_fill);
  EXPECT_EQ(read("k").status, ReadStatus::kJoin);
  EXPECT_TRUE(commit("k", new_fill, "new"));

  EXPECT_EQ(read("k").bytes, "new");
}

TEST_F(Fills, R4JoinIsRefusedAfterDetach) {
  const FillId before_write = start_fill("k");
  const Key keys[] = {key("k")};
  {
    const WriteGuard guard = cache.guard(keys);
  }

  const Outcome after_write = read("k");

  EXPECT_EQ(after_write.status, ReadStatus::kFill);
  EXPECT_NE(after_write.fill, before_write);
}

using Epoch = CacheTest;

TEST_F(Epoch, R7BumpInvalidatesTheOwnersEntriesOnly) {
  ASSERT_TRUE(put(key("a"), "by A", kOwnerA));
  ASSERT_TRUE(put(key("b"), "by B", kOwnerB));

  cache.bump_epoch(kOwnerA);

  EXPECT_FALSE(is_cached("a"));
  EXPECT_EQ(read("b").bytes, "by B");
  EXPECT_EQ(cache.stats().evicted_epoch, 1u);
}

TEST_F(Epoch, R7FillStartedBeforeABumpIsNotStored) {
  const FillId fill = start_fill("k");
  cache.bump_epoch(kOwnerA);

  EXPECT_FALSE(commit("k", fill, "v"));
  EXPECT_EQ(cache.stats().fills_detached, 1u);
  EXPECT_FALSE(is_cached("k"));
}

TEST_F(Epoch, R7FillStartedBeforeABumpIsNotJoinedButReplaced) {
  const FillId old_fill = start_fill(key("k"), kOwnerA);
  cache.bump_epoch(kOwnerA);

  const Outcome next = read(key("k"), kOwnerB);

  EXPECT_EQ(next.status, ReadStatus::kFill);
  EXPECT_EQ(next.owner, kOwnerB);
  EXPECT_FALSE(commit("k", old_fill, "old"));
  EXPECT_EQ(cache.stats().fills_detached, 1u) << "counted once";
  EXPECT_TRUE(commit("k", next.fill, "new"));
  cache.bump_epoch(kOwnerA);
  EXPECT_EQ(read("k").bytes, "new") << "it belongs to B now";
}

TEST_F(Epoch, R7ReplacedFillCanBeAbandonedWithoutHarm) {
  const FillId old_fill = start_fill("k");
  cache.bump_epoch(kOwnerA);
  const FillId new_fill = start_fill("k");

  cache.abandon(key("k"), old_fill);

  EXPECT_TRUE(commit("k", new_fill, "v"));
}

TEST_F(Epoch, R15BumpOfAllEmptiesTheCache) {
  ASSERT_TRUE(put(key("a"), "v", kOwnerA));
  ASSERT_TRUE(put(key("b"), "v", OwnerId{255}));
  const FillId fill = start_fill("c");

  cache.bump_all_epochs();

  EXPECT_FALSE(is_cached("a"));
  EXPECT_FALSE(is_cached("b"));
  EXPECT_FALSE(commit("c", fill, "v"));
  EXPECT_EQ(cache.stats().evicted_epoch, 2u);
}

TEST_F(Epoch, FillsAfterABumpAreStored) {
  cache.bump_epoch(kOwnerA);
  cache.bump_all_epochs();

  ASSERT_TRUE(put("k", "v"));

  EXPECT_EQ(read("k").bytes, "v");
}

using Guards = CacheTest;

TEST_F(Guards, R3EntryIsDroppedWhenTheWriteIsForwarded) {
  ASSERT_TRUE(put("k", "before"));
  const Key keys[] = {key("k")};

  const WriteGuard guard = cache.guard(keys);

  EXPECT_TRUE(guard.active());
  EXPECT_FALSE(is_cached("k"));
}

TEST_F(Guards, R3FillStartedBeforeTheWriteIsNotStored) {
  const FillId fill = start_fill("k");
  const Key keys[] = {key("k")};

  const WriteGuard guard = cache.guard(keys);

  EXPECT_FALSE(commit("k", fill, "before"));
}

TEST_F(Guards, R3EverythingFilledDuringTheWriteIsDroppedAtItsEnd) {
  const Key keys[] = {key("stored"), key("filling")};
  WriteGuard guard = cache.guard(keys);
  ASSERT_TRUE(put("stored", "before or after"));
  const FillId fill = start_fill("filling");
  EXPECT_EQ(read("stored").bytes, "before or after");

  guard.release();

  EXPECT_FALSE(is_cached("stored"));
  EXPECT_FALSE(commit("filling", fill, "before or after"));
  EXPECT_FALSE(guard.active());
}

TEST_F(Guards, DeathIsARelease) {
  const Key keys[] = {key("k")};
  {
    const WriteGuard guard = cache.guard(keys);
    ASSERT_TRUE(put("k", "v"));
  }
  EXPECT_FALSE(is_cached("k"));
}

TEST_F(Guards, ReleasedGuardGuardsNothing) {
  const Key keys[] = {key("k")};
  {
    WriteGuard guard = cache.guard(keys);
    guard.release();
    ASSERT_TRUE(put("k", "v"));
    guard.release();
  }
  EXPECT_TRUE(is_cached("k"));
}

TEST_F(Guards, EmptyGuardsAreHarmless) {
  WriteGuard nothing;
  EXPECT_FALSE(nothing.active());
  nothing.release();

  const WriteGuard no_keys = cache.guard({});
  EXPECT_TRUE(no_keys.active());
}

TEST_F(Guards, MovedGuardKeepsThePromiseAndTheOldOneForgetsIt) {
  const Key keys[] = {key("k")};
  WriteGuard first = cache.guard(keys);
  WriteGuard second = std::move(first);
  ASSERT_TRUE(put("k", "v"));

  first.release();  // NOLINT(bugprone-use-after-move): that it does nothing is the claim
  EXPECT_TRUE(is_cached("k"));
  second.release();
  EXPECT_FALSE(is_cached("k"));
}

TEST_F(Guards, AssignmentReleasesWhatWasGuardedBefore) {
  const Key a[] = {key("a")};
  const Key b[] = {key("b")};
  WriteGuard guard = cache.guard(a);
  WriteGuard other = cache.guard(b);
  ASSERT_TRUE(put("a", "v"));
  ASSERT_TRUE(put("b", "v"));

  guard = std::move(other);
  EXPECT_FALSE(is_cached("a"));
  EXPECT_TRUE(is_cached("b"));
  guard = WriteGuard();
  EXPECT_FALSE(is_cached("b"));
}

TEST_F(Guards, SelfAssignmentKeepsTheGuard) {
  const Key keys[] = {key("k")};
  WriteGuard guard = cache.guard(keys);
  WriteGuard& same = guard;

  guard = std::move(same);

  EXPECT_TRUE(guard.active());
}

TEST_F(Guards, ManyKeysAreGuardedAtBothEndsAlsoAfterAMove) {
  for (const std::size_t count : {1u, 2u, 3u, 100u}) {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < count; ++i) names.push_back("key" + std::to_string(i));
    std::vector<Key> keys;
    for (const std::string& name : names) keys.push_back(key(name));
    for (const Key& one : keys) ASSERT_TRUE(put(one, "before"));

    WriteGuard guard = cache.guard(keys);
    WriteGuard moved = std::move(guard);
    for (const Key& one : keys) EXPECT_FALSE(is_cached(one));
    for (const Key& one : keys) ASSERT_TRUE(put(one, "during"));
    moved.release();

    for (const Key& one : keys) EXPECT_FALSE(is_cached(one));
  }
}

TEST_F(Guards, R15GuardOfEverythingDropsAtBothEnds) {
  ASSERT_TRUE(put("a", "before"));
  const FillId early = start_fill("b");

  WriteGuard guard = cache.guard_all();
  EXPECT_FALSE(is_cached("a"));
  EXPECT_FALSE(commit("b", early, "before"));
  ASSERT_TRUE(put("a", "during"));
  const FillId late = start_fill("b");
  WriteGuard moved = std::move(guard);
  EXPECT_EQ(read("a").bytes, "during");
  moved.release();

  EXPECT_FALSE(is_cached("a"));
  EXPECT_FALSE(commit("b", late, "during"));
}

// Keys whose hashes are equal, made by hand: a real seed gives none.
class Collisions : public CacheTest {
 protected:
  static Key crafted(std::string_view bytes, std::uint64_t hash, Space space = kDb0) {
    return {.bytes = bytes, .hash = hash, .space = space};
  }
};

TEST_F(Collisions, EqualHashesKeepTheirOwnValues) {
  ASSERT_TRUE(put(crafted("a", 42), "of a"));
  ASSERT_TRUE(put(crafted("b", 42), "of b"));

  EXPECT_EQ(read(crafted("a", 42)).bytes, "of a");
  EXPECT_EQ(read(crafted("b", 42)).bytes, "of b");
}

TEST_F(Collisions, EqualHashesHaveTheirOwnFills) {
  const FillId a = start_fill(crafted("a", 42));
  const FillId b = start_fill(crafted("b", 42));
  const FillId c = start_fill(crafted("c", 42));

  EXPECT_FALSE(commit(crafted("a", 42), b, "mixed up"));
  EXPECT_TRUE(commit(crafted("b", 42), b, "of b"));
  EXPECT_EQ(read(crafted("a", 42)).status, ReadStatus::kJoin);
  EXPECT_TRUE(commit(crafted("a", 42), a, "of a"));
  EXPECT_TRUE(commit(crafted("c", 42), c, "of c"));
}

TEST_F(Collisions, DropTakesEveryEntryAndFillWithThatHash) {
  ASSERT_TRUE(put(crafted("a", 42), "v"));
  ASSERT_TRUE(put(crafted("b", 42), "v"));
  ASSERT_TRUE(put(crafted("a", 42, kDb1), "v"));
  const FillId c = start_fill(crafted("c", 42));
  const FillId d = start_fill(crafted("d", 42));

  cache.drop(42);

  EXPECT_EQ(cache.stats().dropped, 3u);
  EXPECT_EQ(cache.stats().fills_detached, 2u);
  EXPECT_EQ(cache.stats().entries, 0u);
  EXPECT_FALSE(commit(crafted("c", 42), c, "v"));
  EXPECT_FALSE(commit(crafted("d", 42), d, "v"));
}

// The index keeps 32 bits of each hash; the other half must count as well.
TEST_F(Collisions, DropLeavesHashesThatAreEqualInTheLowHalfOnly) {
  constexpr std::uint64_t kOther = 42 + (std::uint64_t{1} << 32);
  ASSERT_TRUE(put(crafted("a", 42), "v"));
  ASSERT_TRUE(put(crafted("b", kOther), "v"));

  cache.drop(42);

  EXPECT_FALSE(is_cached(crafted("a", 42)));
  EXPECT_TRUE(is_cached(crafted("b", kOther)));
}

TEST_F(Collisions, EvictionTakesTheRightOneOfEqualHashes) {
  std::vector<std::string> names;
  for (int i = 0; i < 1025; ++i) names.push_back(std::to_string(i));
  for (const std::string& name : names) ASSERT_TRUE(put(crafted(name, 42), name));

  EXPECT_FALSE(is_cached(crafted("0", 42)));
  for (std::size_t i = 1; i < names.size(); ++i) EXPECT_EQ(read(crafted(names[i], 42)).bytes, names[i]);
}

}  // namespace
}  // namespace anteroom::cache
