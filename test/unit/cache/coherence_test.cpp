#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "unit/cache/cache_fixture.hpp"

// Snapshots, fills that are started in any case, values from elsewhere (R14), what people ask for, and the switches.
namespace anteroom::cache {
namespace {

using namespace std::chrono_literals;

class Snapshot : public CacheTest {
 protected:
  std::string snapshot(const std::vector<std::string_view>& names, SnapshotView view = SnapshotView::kMget) {
    std::vector<Key> keys;
    for (const std::string_view name : names) keys.push_back(key(name));
    base::ByteQueue out;
    const bool is_answered = cache.read_snapshot(keys, view, asker(), out);
    EXPECT_TRUE(is_answered || out.empty());
    return is_answered ? out.to_string() : "miss";
  }
};

TEST_F(Snapshot, AllHitsAreAnsweredInTheirOrder) {
  ASSERT_TRUE(put("a", "[a]"));
  ASSERT_TRUE(put("b", "[b]"));
  ASSERT_TRUE(put_nil("nil"));
  ASSERT_TRUE(put(string("hash"), "-WRONGTYPE\r\n", kOwnerA, EntryKind::kWrongType));

  EXPECT_EQ(snapshot({"b", "nil", "a", "hash", "a"}), "[b]$-1\r\n[a]$-1\r\n[a]");
  EXPECT_EQ(snapshot({"b", "nil", "a", "hash", "a"}, SnapshotView::kExists), ":4\r\n");
  EXPECT_EQ(snapshot({"nil"}, SnapshotView::kExists), ":0\r\n");
  EXPECT_EQ(cache.stats().snapshot_hits, 3u);
  EXPECT_EQ(cache.stats().hits, 0u);
}

TEST_F(Snapshot, OneMissFailsAllAndStartsNothing) {
  ASSERT_TRUE(put("a", "[a]"));

  EXPECT_EQ(snapshot({"a", "b"}), "miss");
  EXPECT_EQ(snapshot({"b", "a"}), "miss");
  EXPECT_EQ(snapshot({}), "miss");
  EXPECT_EQ(cache.stats().fills_attached, 0u);
  EXPECT_EQ(cache.stats().snapshot_misses, 2u);
}

TEST_F(Snapshot, EntriesOfTwoOwnersAreNoSnapshot) {
  ASSERT_TRUE(put(string("a"), "[a]", kOwnerA));
  ASSERT_TRUE(put(string("b"), "[b]", kOwnerB));

  EXPECT_EQ(snapshot({"a", "b"}), "miss");
  EXPECT_EQ(snapshot({"b", "b"}), "[b][b]");
}

TEST_F(Snapshot, NeedsTheLeaseAndTheEpoch) {
  ASSERT_TRUE(put("a", "[a]"));
  cache.set_lease(kOwnerA, now);
  EXPECT_EQ(snapshot({"a"}), "miss");
  cache.set_lease(kOwnerA, now + 1s);
  EXPECT_EQ(snapshot({"a"}), "[a]");
  cache.bump_epoch(kOwnerA);
  EXPECT_EQ(snapshot({"a"}), "miss");
}

TEST_F(Snapshot, EntryPastItsSoftDeadlineIsAMiss) {
  ttl = 1s;
  ASSERT_TRUE(put("a", "[a]"));
  now += 1s - 1ms;
  EXPECT_EQ(snapshot({"a"}), "[a]");
  now += 1ms;
  EXPECT_EQ(snapshot({"a"}), "miss");
  now += 24h * 30;
  EXPECT_EQ(snapshot({"a"}), "miss");
}

TEST_F(Snapshot, CountsAsUse) {
  ASSERT_TRUE(put("a", "[a]"));
  for (int i = 0; i < 1023; ++i) ASSERT_TRUE(put(std::to_string(i), "v"));
  EXPECT_EQ(snapshot({"a"}), "[a]");
  ASSERT_TRUE(put("one more", "v"));

  EXPECT_EQ(snapshot({"a"}), "[a]");
  EXPECT_FALSE(is_cached("0"));
}

TEST_F(Snapshot, LargeRepliesAreReferenced) {
  const std::string large(5000, 'r');
  ASSERT_TRUE(put("large", large));
  ASSERT_TRUE(put("small", "[s]"));

  EXPECT_EQ(snapshot({"large", "small", "large"}), large + "[s]" + large);
}

TEST(SnapshotOfManyShards, LocksEachOnce) {
  Cache cache({.capacity = 16 * Cache::kShardEntriesMin, .workers = 2}, base::HashSeed::fixed(1));
  const Asker asker{.now = base::TimePoint{1h}};
  std::vector<std::string> names;
  for (int i = 0; i < 200; ++i) names.push_back(std::to_string(i));
  std::vector<Key> keys;
  std::string expected;
  for (const std::string& name : names) {
    keys.push_back(cache.key(kDb0, name));
    const Query query = Cache::string_query(keys.back());
    ASSERT_TRUE(cache.commit(query, cache.start_fill(query, asker), EntryKind::kValue, name, {}, asker.now));
    expected += name;
  }
  base::ByteQueue out;
  EXPECT_TRUE(cache.read_snapshot(keys, SnapshotView::kMget, asker, out));
  EXPECT_EQ(out.to_string(), expected);
}

using StartFill = CacheTest;

TEST_F(StartFill, TakesTheNameOverAndLeavesTheEntry) {
  ASSERT_TRUE(put("k", "old"));
  const FillId first = cache.start_fill(string("k"), asker());
  const FillId second = cache.start_fill(string("k"), asker(kOwnerB));

  EXPECT_EQ(cache.stats().detached_superseded, 1u);
  EXPECT_EQ(read("k").bytes, "old");
  EXPECT_FALSE(commit("k", first, "first"));
  EXPECT_TRUE(commit("k", second, "second"));
  EXPECT_EQ(read("k").bytes, "second");
  EXPECT_EQ(cache.stats().fills_attached, 0u);
}

class Supersede : public CacheTest {
 protected:
  /// As MGET does, whose values must come over one connection: whoever has filled the key before.
  void put_by(OwnerId owner, const Query& query) {
    ASSERT_TRUE(cache.commit(query, cache.start_fill(query, asker(owner)), EntryKind::kValue, "v", {}, now));
  }
};

TEST_F(Supersede, R14TakesOtherOwnersEntriesAndFillsOfTheKey) {
  put_by(kOwnerB, string("k"));
  put_by(kOwnerA, result("k", "a"));
  put_by(kOwnerB, result("k", "b"));
  put_by(kOwnerB, string("other"));
  const FillId by_a = cache.start_fill(result("k", "c"), asker(kOwnerA));
  const FillId by_b = cache.start_fill(result("k", "d"), asker(kOwnerB));

  cache.supersede(key("k"), kOwnerA);

  EXPECT_FALSE(is_cached("k"));
  EXPECT_TRUE(is_cached(result("k", "a")));
  EXPECT_FALSE(is_cached(result("k", "b")));
  EXPECT_TRUE(is_cached("other"));
  EXPECT_TRUE(commit(result("k", "c"), by_a, "v"));
  EXPECT_FALSE(commit(result("k", "d"), by_b, "v"));
  EXPECT_EQ(cache.stats().dropped, 2u);
  EXPECT_EQ(cache.stats().detached_superseded, 1u);
}

using Filler = CacheTest;

TEST_F(Filler, IsWhoHasFilledTheKeyBefore) {
  ASSERT_TRUE(put(string("s"), "v", kOwnerB));
  ASSERT_TRUE(put(result("h", "a of h"), "v", kOwnerB));

  for (const Query& query : {result("s", "b of s"), result("h", "b of h")}) {
    const Outcome outcome = read(query, kOwnerA);
    EXPECT_EQ(outcome.status, ReadStatus::kFill);
    EXPECT_EQ(outcome.owner, kOwnerB);
    EXPECT_TRUE(commit(query, outcome.fill, "v"));
  }
  EXPECT_EQ(read(result("new", "a of new"), kOwnerA).owner, kOwnerA);
}

TEST_F(Filler, IsTheAskerWhereTheOtherCannotFill) {
  ASSERT_TRUE(put(result("h", "a of h"), "v", kOwnerB));
  cache.allow_fills(kOwnerB, false);
  EXPECT_EQ(read(result("h", "b of h"), kOwnerA).owner, kOwnerA);

  cache.allow_fills(kOwnerB, true);
  cache.bump_epoch(kOwnerB);
  EXPECT_EQ(read(result("h", "c of h"), kOwnerA).owner, kOwnerA);
}

TEST_F(Supersede, ConcernsItsSpaceOnly) {
  ASSERT_TRUE(put(string("k", kDb1), "by B", kOwnerB));
  const FillId fill = start_fill(string("k", Space{2}), kOwnerB);
  cache.supersede(key("k"), kOwnerA);

  EXPECT_TRUE(is_cached(string("k", kDb1)));
  EXPECT_TRUE(commit(string("k", Space{2}), fill, "v"));
}

class Observe : public CacheTest {
 protected:
  void observe(const Query& query, std::string_view reply) { cache.observe(query, &reply); }
};

TEST_F(Observe, R14SameBytesLeaveTheEntriesButNotTheFills) {
  ASSERT_TRUE(put("k", "v"));
  ASSERT_TRUE(put(result("k", "a"), "w"));
  const FillId fill = start_fill(result("k", "b"));
  observe(string("k"), "v");
  observe(result("k", "a"), "w");

  EXPECT_TRUE(is_cached("k"));
  EXPECT_TRUE(is_cached(result("k", "a")));
  EXPECT_FALSE(commit(result("k", "b"), fill, "older"));
}

TEST_F(Observe, R14OtherBytesDropTheKey) {
  for (const std::string_view reply : {"other", "$-1\r\n", ""}) {
    ASSERT_TRUE(put("k", "v"));
    ASSERT_TRUE(put(result("k", "a"), "w"));
    observe(string("k"), reply);
    EXPECT_EQ(cache.stats().entries, 0u);
  }
}

TEST_F(Observe, ReplyThatIsNotKnownOrHasNoEntryDropsTheKey) {
  ASSERT_TRUE(put("k", "v"));
  cache.observe(string("k"), nullptr);
  EXPECT_FALSE(is_cached("k"));

  ASSERT_TRUE(put("k", "v"));
  observe(result("k", "a"), "v");
  EXPECT_FALSE(is_cached("k"));
}

TEST_F(Observe, NilEntryEqualsTheNullBulk) {
  ASSERT_TRUE(put_nil("k"));
  observe(string("k"), "$-1\r\n");
  EXPECT_TRUE(is_cached("k"));
  observe(string("k"), "$0\r\n\r\n");
  EXPECT_FALSE(is_cached("k"));
}

TEST_F(Observe, LargeRepliesAreCompared) {
  const std::string large(5000, 'r');
  ASSERT_TRUE(put("k", large));
  observe(string("k"), large);
  EXPECT_TRUE(is_cached("k"));
}

using People = CacheTest;

TEST_F(People, DropMatchingTakesWholeKeysInEverySpace) {
  ASSERT_TRUE(put("user:1", "v"));
  ASSERT_TRUE(put(string("user:2", kDb1), "v"));
  ASSERT_TRUE(put(result("user:1", "HLEN user:1"), "v"));
  ASSERT_TRUE(put("item:1", "v"));
  ASSERT_TRUE(put(result("item:1", "user:x"), "v"));
  const FillId matching = start_fill("user:3");
  const FillId other = start_fill("item:3");

  EXPECT_EQ(cache.drop_matching("user:*"), 3u);

  EXPECT_TRUE(is_cached("item:1"));
  EXPECT_TRUE(is_cached(result("item:1", "user:x"))) << "the pattern is for keys";
  EXPECT_FALSE(commit("user:3", matching, "v"));
  EXPECT_TRUE(commit("item:3", other, "v"));
  EXPECT_EQ(cache.drop_matching("*"), 3u);
  EXPECT_EQ(cache.stats().detached_request, 1u);
  EXPECT_EQ(cache.stats().entries, 0u);
}

TEST_F(People, DropMatchingDoesNotCountWhatAnEpochHasEmptied) {
  ASSERT_TRUE(put("a", "v"));
  ASSERT_TRUE(put(result("b", "HLEN b"), "v"));
  cache.bump_all_epochs();
  ASSERT_TRUE(put("c", "v"));

  EXPECT_EQ(cache.drop_matching("*"), 1u);
  EXPECT_EQ(cache.stats().entries, 0u);
}

TEST_F(People, InspectTellsEverythingAboutAKey) {
  ASSERT_TRUE(put(result("k", "HLEN k"), ":1\r\n", kOwnerB));
  cache.bump_epoch(kOwnerB);
  ASSERT_TRUE(put("k", "hello"));
  now += 5s;
  start_fill(result("k", "HGETALL k"));
  now += 1s;

  const std::vector<Inspection> all = cache.inspect(key("k"), asker());

  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0].what, Inspection::What::kString);
  EXPECT_EQ(all[0].verdict, Inspection::Verdict::kServed);
  EXPECT_EQ(all[0].reply_bytes, 5u);
  EXPECT_EQ(all[0].age, 6s);
  EXPECT_EQ(all[0].deadlines.soft, now - 6s + ttl);
  EXPECT_EQ(all[0].deadlines.hard, now - 6s + hard_ttl);
  EXPECT_EQ(all[1].what, Inspection::What::kResult);
  EXPECT_EQ(all[1].verdict, Inspection::Verdict::kOldEpoch);
  EXPECT_EQ(all[1].request, "HLEN k");
  EXPECT_EQ(all[1].owner, kOwnerB);
  EXPECT_NE(all[1].epoch, all[1].current_epoch);
  EXPECT_EQ(all[2].what, Inspection::What::kFill);
  EXPECT_EQ(all[2].verdict, Inspection::Verdict::kFetching);
  EXPECT_EQ(all[2].request, "HGETALL k");
  EXPECT_EQ(all[2].age, 1s);
  EXPECT_TRUE(cache.inspect(key("k", kDb1), asker()).empty());
}

TEST_F(People, InspectChangesNothing) {
  ttl = 1s;
  ASSERT_TRUE(put("k", "v"));
  cache.set_lease(kOwnerA, now);
  EXPECT_EQ(cache.inspect(key("k"), asker()).at(0).verdict, Inspection::Verdict::kNoLease);
  cache.set_lease(kOwnerA, base::kNever);
  now += 1s;
  EXPECT_EQ(cache.inspect(key("k"), asker()).at(0).verdict, Inspection::Verdict::kExpired);
  EXPECT_EQ(cache.stats().entries, 1u);
  EXPECT_EQ(cache.stats().hits, 0u);
}

TEST_F(People, PushesThatFindNothingAreCounted) {
  ASSERT_TRUE(put("a", "v"));
  start_fill("b");
  drop("a");
  drop("b");
  drop("c");
  drop("d", DropCause::kWrite);

  EXPECT_EQ(cache.stats().drops_push, 3u);
  EXPECT_EQ(cache.stats().drops_push_spurious, 1u);
}

// Each rule can be switched off, so that other tests can show that they would notice.
class WithoutPushDetach : public CacheTest {
 protected:
  WithoutPushDetach() : CacheTest({.rules = {.push_detaches_fills = false}}) {}
};
TEST_F(WithoutPushDetach, PushDropsEntriesOnly) {
  ASSERT_TRUE(put("k", "v"));
  const FillId fill = start_fill(result("k", "a"));
  drop("k");
  EXPECT_FALSE(is_cached("k"));
  EXPECT_TRUE(commit(result("k", "a"), fill, "v"));
}

class WithoutAckDrop : public CacheTest {
 protected:
  WithoutAckDrop() : CacheTest({.rules = {.ack_drops = false}}) {}
};
TEST_F(WithoutAckDrop, EndOfAWriteDoesNothing) {
  const std::uint64_t keys[] = {key("k").hash};
  WriteGuard guard = cache.guard(keys);
  WriteGuard of_all = cache.guard_all();
  ASSERT_TRUE(put("k", "v"));
  guard.release();
  of_all.release();
  EXPECT_TRUE(is_cached("k"));
}

class WithoutAckDetach : public CacheTest {
 protected:
  WithoutAckDetach() : CacheTest({.rules = {.ack_detaches_fills = false}}) {}
};
TEST_F(WithoutAckDetach, EndOfAWriteDropsEntriesOnly) {
  const std::uint64_t keys[] = {key("k").hash};
  WriteGuard guard = cache.guard(keys);
  ASSERT_TRUE(put("k", "v"));
  const FillId fill = start_fill(result("k", "a"));
  guard.release();
  EXPECT_FALSE(is_cached("k"));
  EXPECT_TRUE(commit(result("k", "a"), fill, "v"));
}

using Invalidate = CacheTest;

TEST_F(Invalidate, R1DropsEntriesAndDetachesTheFillThatIsAnswered) {
  ASSERT_TRUE(put("k", "v"));
  cache.invalidate(key("k").hash, kOwnerA);
  EXPECT_FALSE(is_cached("k"));

  const FillId fill = start_fill("k");
  cache.answered(string("k"), fill);
  cache.invalidate(key("k").hash, kOwnerA);

  EXPECT_FALSE(commit("k", fill, "old"));
  EXPECT_EQ(cache.stats().detached_push, 1u);
}

TEST_F(Invalidate, LeavesTheFillThatWillBeAnsweredLaterInTheSameStream) {
  const FillId fill = start_fill("k");

  cache.invalidate(key("k").hash, kOwnerA);

  EXPECT_EQ(read("k").status, ReadStatus::kJoin);
  EXPECT_TRUE(commit("k", fill, "new"));
}

TEST_F(Invalidate, LeavesFillsOfOtherOwnersToTheirOwnConnections) {
  const FillId fill = start_fill(string("k"), kOwnerB);
  cache.answered(string("k"), fill);

  cache.invalidate(key("k").hash, kOwnerA);

  EXPECT_TRUE(commit("k", fill, "v"));
}

TEST_F(Invalidate, WithoutR1TheAnsweredFillStays) {
  Cache ablated({.rules = {.push_detaches_fills = false}}, base::HashSeed::fixed(1));
  const Query query = Cache::string_query(ablated.key(kDb0, "k"));
  base::ByteQueue out;
  const FillId fill = ablated.read(query, asker(), out).fill;
  ablated.answered(query, fill);

  ablated.invalidate(query.key.hash, kOwnerA);

  EXPECT_TRUE(ablated.commit(query, fill, EntryKind::kValue, "old", {}, now));
}

}  // namespace
}  // namespace anteroom::cache
