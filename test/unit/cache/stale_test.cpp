#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "unit/cache/cache_fixture.hpp"

// Soft deadlines, lost owners, leases, and when the server is asked without a fill (COHERENCE.md R7, R8, section C).
namespace anteroom::cache {
namespace {

using namespace std::chrono_literals;

class StaleWhileRevalidate : public CacheTest {
 protected:
  StaleWhileRevalidate() : CacheTest({.stale_while_revalidate = 10s}) {
    ttl = 1s;
    EXPECT_TRUE(put("k", "old"));
  }
};

TEST_F(StaleWhileRevalidate, FirstReaderGetsTheOldValueAndTheFill) {
  now += 1s;
  const Outcome first = read("k");
  const Outcome second = read("k");

  EXPECT_EQ(first.status, ReadStatus::kHit);
  EXPECT_EQ(first.bytes, "old");
  EXPECT_NE(first.fill, 0u);
  EXPECT_EQ(second.bytes, "old");
  EXPECT_EQ(second.fill, 0u);
  EXPECT_EQ(cache.stats().stale_hits, 2u);
  EXPECT_EQ(cache.stats().hits, 2u);
  EXPECT_EQ(cache.stats().misses, 1u) << "that of the first fill";
  EXPECT_TRUE(commit("k", first.fill, "new"));
  EXPECT_EQ(read("k").bytes, "new");
  EXPECT_EQ(read("k").fill, 0u);
}

TEST_F(StaleWhileRevalidate, AbandonedRefreshIsTakenUpByTheNextReader) {
  now += 1s;
  cache.abandon(string("k"), read("k").fill);

  EXPECT_NE(read("k").fill, 0u);
}

TEST_F(StaleWhileRevalidate, EndsWithItsSpan) {
  now += 11s - 1ms;
  EXPECT_EQ(read("k").status, ReadStatus::kHit);
  cache.abandon(string("k"), read("k").fill);
  now += 1ms;
  EXPECT_FALSE(is_cached("k"));
}

TEST_F(StaleWhileRevalidate, R11NothingIsServedPastItsHardDeadline) {
  hard_ttl = 1500ms;
  ASSERT_TRUE(put("short", "v"));
  now += 1499ms;
  EXPECT_EQ(read("short").bytes, "v");
  now += 1ms;
  EXPECT_NE(read("short").status, ReadStatus::kHit);
}

TEST_F(StaleWhileRevalidate, DroppedEntryIsGone) {
  now += 1s;
  const FillId fill = read("k").fill;
  drop("k");

  EXPECT_FALSE(commit("k", fill, "maybe old"));
  EXPECT_EQ(read("k").status, ReadStatus::kFill);
}

TEST_F(StaleWhileRevalidate, OwnerThatMayNotFillBypasses) {
  cache.allow_fills(kOwnerA, false);
  now += 1s;

  EXPECT_EQ(read("k").status, ReadStatus::kBypass);
  const Outcome by_other = read(string("k"), kOwnerB);
  EXPECT_EQ(by_other.bytes, "old");
  EXPECT_NE(by_other.fill, 0u);
  EXPECT_EQ(by_other.owner, kOwnerB);
  EXPECT_EQ(read("k").bytes, "old") << "it is being fetched";
  EXPECT_EQ(cache.stats().bypass_not_coherent, 1u);
}

TEST_F(StaleWhileRevalidate, RefreshWhoseOwnerWasLostIsReplaced) {
  now += 1s;
  const FillId first = read(string("k"), kOwnerB).fill;
  cache.bump_epoch(kOwnerB);
  const FillId second = read("k").fill;

  EXPECT_NE(second, 0u);
  EXPECT_NE(second, first);
  EXPECT_FALSE(commit("k", first, "lost"));
  EXPECT_TRUE(commit("k", second, "new"));
}

TEST_F(StaleWhileRevalidate, NilEntriesAreRefreshedToo) {
  ASSERT_TRUE(put_nil("nil"));
  now += 1s;
  const Outcome outcome = read("nil");

  EXPECT_EQ(outcome.status, ReadStatus::kNil);
  EXPECT_NE(outcome.fill, 0u);
}

TEST_F(StaleWhileRevalidate, ViewIsAnsweredFromFreshStringsOnly) {
  ASSERT_TRUE(put("v", "$1\r\nx\r\n"));
  const Query query = result("v", "STRLEN v", {View::Kind::kLength});
  EXPECT_EQ(read(query).bytes, ":1\r\n");
  now += 1s;

  EXPECT_EQ(read(query).status, ReadStatus::kFill);
}

TEST_F(StaleWhileRevalidate, SweepLeavesWhatMayStillBeServed) {
  now += 5s;
  EXPECT_EQ(cache.expire(0, now, 100'000), 0u);
  now += 6s;
  EXPECT_EQ(cache.expire(0, now, 100'000), 1u);
}

class StaleIfError : public CacheTest {
 protected:
  StaleIfError() : CacheTest({.stale_if_error = 10s}) {
    ttl = 1s;
    EXPECT_TRUE(put("k", "old"));
  }
  void expect_served(bool served) {
    upstream_is_down = true;
    EXPECT_EQ(is_cached("k"), served);
    upstream_is_down = false;
  }
};

TEST_F(StaleIfError, ServesPastTheSoftDeadlineOnlyWhileTheUpstreamIsDown) {
  now += 1s;
  EXPECT_FALSE(is_cached("k")) << "kept, but a miss";
  expect_served(true);
  EXPECT_EQ(cache.stats().stale_hits, 1u);
  now += 10s - 1ms;
  expect_served(true);
  now += 1ms;
  expect_served(false);
  EXPECT_EQ(cache.stats().entries, 0u);
}

TEST_F(StaleIfError, KeptEntryIsReplacedByTheNextFill) {
  now += 1s;
  ASSERT_TRUE(put("k", "new"));

  EXPECT_EQ(read("k").bytes, "new");
  EXPECT_EQ(cache.stats().entries, 1u);
}

TEST_F(StaleIfError, R7LostEntriesAreServedOnlyWhileTheUpstreamIsDown) {
  cache.lose(kOwnerA, now);

  EXPECT_FALSE(is_cached("k"));
  expect_served(true);
  now += 10s - 1ms;
  expect_served(true);
  now += 1ms;
  expect_served(false);
  EXPECT_EQ(cache.stats().evicted_epoch, 1u);
}

TEST_F(StaleIfError, FlushBeforeOrAfterTheLossTakesThePermissionAway) {
  cache.bump_epoch(kOwnerA);
  cache.lose(kOwnerA, now);
  expect_served(false);

  ASSERT_TRUE(put(string("k"), "v", kOwnerB));
  cache.lose(kOwnerB, now);
  expect_served(true);
  cache.bump_epoch(kOwnerB);
  expect_served(false);
}

TEST_F(StaleIfError, WriteOfUnknownKeysTakesThePermissionAway) {
  cache.lose(kOwnerA, now);
  const WriteGuard guard = cache.guard_all();

  expect_served(false);
}

TEST_F(StaleIfError, RecoveryEndsIt) {
  cache.lose(kOwnerA, now);
  expect_served(true);
  cache.recover(kOwnerA);

  expect_served(false);
}

TEST_F(StaleIfError, DroppedKeyIsNotServed) {
  cache.lose(kOwnerA, now);
  drop("k");

  expect_served(false);
}

TEST_F(StaleIfError, R11LostEntryEndsAtItsHardDeadline) {
  hard_ttl = 2s;
  ASSERT_TRUE(put("short", "v"));
  cache.lose(kOwnerA, now);
  upstream_is_down = true;
  now += 2s - 1ms;
  EXPECT_TRUE(is_cached("short"));
  now += 1ms;
  EXPECT_FALSE(is_cached("short"));
}

TEST_F(StaleIfError, FillsOfTheLostOwnerAreDetached) {
  const FillId fill = start_fill("other");
  cache.lose(kOwnerA, now);

  EXPECT_FALSE(commit("other", fill, "v"));
}

TEST_F(StaleIfError, SweepWaitsForTheEndOfThePermission) {
  cache.lose(kOwnerA, now);
  EXPECT_EQ(cache.expire(0, now, 100'000), 0u);
  now += 9s;
  EXPECT_EQ(cache.expire(0, now, 100'000), 0u);
  now += 1s;
  EXPECT_EQ(cache.expire(0, now, 100'000), 1u);
}

TEST_F(StaleIfError, SweepTakesLostEntriesAfterARecovery) {
  cache.lose(kOwnerA, now);
  EXPECT_EQ(cache.expire(0, now, 100'000), 0u);
  cache.recover(kOwnerA);

  EXPECT_EQ(cache.expire(0, now, 100'000), 1u);
}

using Lease = CacheTest;

TEST_F(Lease, R8NothingIsServedAfterItAndAllAgainWhenItIsRenewed) {
  cache.set_lease(kOwnerA, now + 1s);
  ASSERT_TRUE(put("k", "v"));
  EXPECT_TRUE(is_cached("k"));
  now += 1s;

  EXPECT_EQ(read("k").status, ReadStatus::kBypass);
  EXPECT_EQ(cache.stats().bypass_lease, 1u);
  cache.set_lease(kOwnerA, now + 1s);
  EXPECT_EQ(read("k").bytes, "v");
}

TEST_F(Lease, OfOneOwnerDoesNotConcernOthersEntries) {
  ASSERT_TRUE(put(string("k"), "v", kOwnerB));
  cache.set_lease(kOwnerA, now);

  EXPECT_EQ(read("k").bytes, "v");
}

TEST_F(Lease, MissIsNotLimitedByIt) {
  cache.set_lease(kOwnerA, now);

  EXPECT_EQ(read("k").status, ReadStatus::kFill);
}

using Bypass = CacheTest;

TEST_F(Bypass, OwnerThatMayNotFillGetsNoTicketButJoinsOthers) {
  cache.allow_fills(kOwnerA, false);

  EXPECT_EQ(read("k").status, ReadStatus::kBypass);
  EXPECT_EQ(cache.start_fill(string("k"), asker(kOwnerA)), 0u);
  const FillId fill = start_fill(string("k"), kOwnerB);
  EXPECT_EQ(read("k").status, ReadStatus::kJoin);
  EXPECT_EQ(read("k").fill, fill);
  cache.allow_fills(kOwnerA, true);
  start_fill("other");
  EXPECT_EQ(cache.stats().bypass_not_coherent, 2u);
}

TEST_F(Bypass, HitsAreServedThoughTheAskerMayNotFill) {
  ASSERT_TRUE(put("k", "v"));
  cache.allow_fills(kOwnerA, false);

  EXPECT_EQ(read("k").bytes, "v");
}

class HotWrites : public CacheTest {
 protected:
  HotWrites() : CacheTest({.hot_write_bypass = 10s}) {}
  void detach(DropCause cause, unsigned times = 1) {
    for (unsigned i = 0; i < times; ++i) {
      start_fill("k");
      drop("k", cause);
    }
  }
};

TEST_F(HotWrites, KeyWhoseFillsAreAllDetachedIsBypassedForAWhile) {
  detach(DropCause::kPush, kHotWriteDetaches - 1);
  detach(DropCause::kWrite);

  EXPECT_EQ(read("k").status, ReadStatus::kBypass);
  now += 10s - 1ms;
  EXPECT_EQ(read("k").status, ReadStatus::kBypass);
  EXPECT_EQ(read("other").status, ReadStatus::kFill);
  now += 1ms;
  detach(DropCause::kPush, kHotWriteDetaches);
  EXPECT_EQ(read("k").status, ReadStatus::kBypass) << "it is counted anew";
  EXPECT_EQ(cache.stats().bypass_hot_write, 3u);
}

TEST_F(HotWrites, StoredFillBreaksTheRow) {
  detach(DropCause::kPush, kHotWriteDetaches - 1);
  ASSERT_TRUE(put("k", "v"));
  drop("k");
  detach(DropCause::kPush);

  EXPECT_EQ(read("k").status, ReadStatus::kFill);
}

TEST_F(HotWrites, OnlyWritesCount) {
  detach(DropCause::kRequest, 2 * kHotWriteDetaches);
  detach(DropCause::kObserved, 2 * kHotWriteDetaches);

  EXPECT_EQ(read("k").status, ReadStatus::kFill);
}

TEST_F(HotWrites, DropsWithoutAFillDoNotCount) {
  for (unsigned i = 0; i < 2 * kHotWriteDetaches; ++i) drop("k");

  EXPECT_EQ(read("k").status, ReadStatus::kFill);
}

TEST_F(HotWrites, KeyThatIsFetchedForMgetIsBypassedAllTheSame) {
  detach(DropCause::kPush, kHotWriteDetaches - 1);
  start_fill("k");
  drop("k");
  EXPECT_NE(cache.start_fill(string("k"), asker()), 0u);

  EXPECT_EQ(read("k").status, ReadStatus::kBypass);
}

TEST_F(CacheTest, WithoutAPeriodNoKeyIsBypassed) {
  for (unsigned i = 0; i < 2 * kHotWriteDetaches; ++i) {
    start_fill("k");
    drop("k");
  }
  EXPECT_EQ(read("k").status, ReadStatus::kFill);
}

}  // namespace
}  // namespace anteroom::cache
