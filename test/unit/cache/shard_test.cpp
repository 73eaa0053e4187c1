#include "cache/shard.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "unit/cache/cache_fixture.hpp"

// Limits, eviction order, reclamation and how a cache is cut into shards.
namespace anteroom::cache {
namespace {

using namespace std::chrono_literals;

using Lru = CacheTest;

TEST_F(Lru, LastCapacityKeysRemainOfTwiceAsMany) {
  for (int i = 0; i < 2048; ++i) ASSERT_TRUE(put("key" + std::to_string(i), std::to_string(i)));

  EXPECT_EQ(cache.stats().entries, 1024u);
  EXPECT_EQ(cache.stats().evicted_capacity, 1024u);
  for (int i = 0; i < 1024; ++i) EXPECT_FALSE(is_cached("key" + std::to_string(i)));
  for (int i = 1024; i < 2048; ++i) EXPECT_EQ(read("key" + std::to_string(i)).bytes, std::to_string(i));
}

TEST_F(Lru, EvictionFollowsTheOrderOfUseExactly) {
  for (int i = 0; i < 1024; ++i) ASSERT_TRUE(put("key" + std::to_string(i), "v"));
  for (int i = 0; i < 1024; i += 2) ASSERT_TRUE(is_cached("key" + std::to_string(i)));

  for (int i = 0; i < 512; ++i) {
    const Stats before = cache.stats();
    ASSERT_TRUE(put("new" + std::to_string(i), "v"));
    EXPECT_EQ(cache.stats().evicted_capacity, before.evicted_capacity + 1);
    EXPECT_FALSE(is_cached("key" + std::to_string(2 * i + 1))) << "the oldest odd key goes first";
  }
  for (int i = 0; i < 1024; i += 2) EXPECT_TRUE(is_cached("key" + std::to_string(i)));
}

TEST_F(Lru, NilEntriesAreUsedAndEvictedLikeOthers) {
  ASSERT_TRUE(cache.commit(key("nil"), start_fill("nil"), EntryKind::kNil, "", now + ttl, now));
  for (int i = 0; i < 1023; ++i) ASSERT_TRUE(put(std::to_string(i), "v"));
  EXPECT_EQ(read("nil").status, ReadStatus::kNil);

  ASSERT_TRUE(put("one more", "v"));
  EXPECT_TRUE(is_cached("nil"));
  EXPECT_FALSE(is_cached("0"));
}

TEST_F(Lru, VictimIsCountedByWhyItWasWorthless) {
  ttl = 1s;
  ASSERT_TRUE(put(key("expired"), "v", kOwnerB));
  ttl = 300s;
  ASSERT_TRUE(put(key("old epoch"), "v", kOwnerA));
  cache.bump_epoch(kOwnerA);
  now += 1s;
  for (int i = 0; i < 1025; ++i) ASSERT_TRUE(put(key(std::to_string(i)), "v", kOwnerB));

  EXPECT_EQ(cache.stats().evicted_expired, 1u);
  EXPECT_EQ(cache.stats().evicted_epoch, 1u);
  EXPECT_EQ(cache.stats().evicted_capacity, 1u);
}

TEST_F(Lru, IndexDoesNotRehashWhileServing) {
  for (int i = 0; i < 20'000; ++i) ASSERT_TRUE(put(std::to_string(i), "v"));
  EXPECT_EQ(cache.stats().rehashes, 0u);
}

TEST(Capacity, OfOneHoldsTheNewest) {
  Cache cache({.capacity = 1}, base::HashSeed::fixed(1));
  const base::TimePoint now{1h};
  base::ByteQueue out;
  for (const char* name : {"a", "b", "a", "c"}) {
    const Key key = cache.key(kDb0, name);
    const ReadResult result = cache.read(key, kOwnerA, now, out);
    ASSERT_EQ(result.status, ReadStatus::kFill);
    ASSERT_TRUE(cache.commit(key, result.fill, EntryKind::kValue, "v", now + 1s, now));
    cache.check_invariants();
  }
  EXPECT_EQ(cache.stats().entries, 1u);
  EXPECT_EQ(cache.read(cache.key(kDb0, "c"), kOwnerA, now, out).status, ReadStatus::kHit);
}

// Every number of entries must find its place without a rehash: the table's own rounding is by floats.
TEST(Capacity, EveryNumberOfEntriesFitsTheReservedIndex) {
  const Epochs epochs;
  const base::TimePoint now{1h};
  base::ByteQueue out;
  for (std::size_t capacity = 1; capacity < 3500; capacity += capacity < 64 ? 1 : 29) {
    Shard shard({.entries = capacity, .entry_bytes = 100}, 0, epochs);
    for (std::size_t i = 0; i < 2 * capacity + 2; ++i) {
      const std::string name = std::to_string(i);
      const Key key{.bytes = name, .hash = base::hash64(base::HashSeed::fixed(1), name)};
      const FillId fill = shard.read(key, kOwnerA, now, out).fill;
      ASSERT_TRUE(shard.commit(key, fill, EntryKind::kValue, "v", now + 1s, now));
    }
    Stats stats;
    shard.add_stats(stats);
    EXPECT_EQ(stats.entries, capacity);
    EXPECT_EQ(stats.rehashes, 0u) << "capacity " << capacity;
  }
}

TEST(Sharding, SmallCachesHaveOneShardAndLargeOnesEightPerWorker) {
  const auto shards = [](const Options& options) { return Cache(options, base::HashSeed::fixed(1)).shard_count(); };
  EXPECT_EQ(shards({.capacity = 1024, .workers = 16}), 1u);
  EXPECT_EQ(shards({.capacity = 2 * Cache::kShardEntriesMin - 1, .workers = 16}), 1u);
  EXPECT_EQ(shards({.capacity = 2 * Cache::kShardEntriesMin, .workers = 16}), 2u);
  EXPECT_EQ(shards({.capacity = 1'000'000, .workers = 1}), 8u);
  EXPECT_EQ(shards({.capacity = 1'000'000, .workers = 3}), 16u);
  EXPECT_EQ(shards({.capacity = 1'500'000, .workers = 500}), 256u);
  EXPECT_EQ(shards({.capacity = 1'000'000, .workers = 0}), 1u);
}

TEST(Sharding, LimitOfBytesKeepsShardsLargeEnough) {
  const auto shards = [](const Options& options) { return Cache(options, base::HashSeed::fixed(1)).shard_count(); };
  EXPECT_EQ(shards({.capacity = 1'000'000, .capacity_bytes = 100'000, .workers = 8}), 1u);
  EXPECT_EQ(shards({.capacity = 1'000'000, .capacity_bytes = 1u << 30, .workers = 2}), 16u);
  EXPECT_EQ(shards({.capacity = 1'000'000'000'000, .capacity_bytes = 1u << 20, .workers = 8}), 2u)
      << "no more entries than the bytes can hold";
}

TEST(Sharding, SumOfAllShardsIsExactlyTheCapacity) {
  constexpr std::size_t kCapacity = 4 * Cache::kShardEntriesMin + 3;
  Cache cache({.capacity = kCapacity, .workers = 1}, base::HashSeed::fixed(1));
  ASSERT_EQ(cache.shard_count(), 4u);
  const base::TimePoint now{1h};
  base::ByteQueue out;
  for (std::size_t i = 0; i < 3 * kCapacity; ++i) {
    const std::string name = std::to_string(i);
    const Key key = cache.key(kDb0, name);
    ASSERT_TRUE(cache.commit(key, cache.read(key, kOwnerA, now, out).fill, EntryKind::kValue, "v", now + 1s, now));
  }
  EXPECT_EQ(cache.stats().entries, kCapacity);
  EXPECT_EQ(cache.stats().rehashes, 0u);
  cache.check_invariants();
}

class LimitedBytes : public CacheTest {
 protected:
  static constexpr std::size_t kLimit = 64 * 1024;
  LimitedBytes() : CacheTest({.capacity = 1'000'000, .capacity_bytes = kLimit}) {}
};

TEST_F(LimitedBytes, BytesStayBelowTheLimitAndTheNewestStay) {
  const std::string reply(1000, 'r');
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(put(std::to_string(i), reply));
    ASSERT_LE(cache.stats().bytes, kLimit);
  }
  EXPECT_GT(cache.stats().bytes, kLimit * 9 / 10);
  EXPECT_TRUE(is_cached("999"));
  EXPECT_FALSE(is_cached("0"));
  EXPECT_EQ(cache.stats().evicted_capacity + cache.stats().entries, 1000u);
}

TEST_F(LimitedBytes, ReplyAboveASixteenthIsRefusedAndItsFillEnds) {
  const std::string largest(kLimit / 16 - 1, 'r');
  EXPECT_TRUE(put("k", largest));
  EXPECT_FALSE(put("l", largest + "r" + "r"));
  EXPECT_EQ(cache.stats().refused_size, 1u);
  EXPECT_EQ(read("l").status, ReadStatus::kFill);
}

TEST_F(LimitedBytes, BytesAreZeroAgainWhenEverythingIsDropped) {
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(put(std::to_string(i), std::string(static_cast<std::size_t>(i) * 150, 'r')));
  EXPECT_GT(cache.stats().bytes, 20u * 19 / 2 * 150);
  for (int i = 0; i < 20; ++i) cache.drop(key(std::to_string(i)).hash);

  EXPECT_EQ(cache.stats().bytes, 0u);
}

TEST(LimitedBytesTooSmall, ForOneEntryStoresNothing) {
  Cache cache({.capacity_bytes = 60}, base::HashSeed::fixed(1));
  const base::TimePoint now{1h};
  base::ByteQueue out;
  const Key key = cache.key(kDb0, "k");

  EXPECT_FALSE(cache.commit(key, cache.read(key, kOwnerA, now, out).fill, EntryKind::kValue, "v", now + 1s, now));
  EXPECT_EQ(cache.stats().refused_size, 1u);
  EXPECT_EQ(cache.stats().bytes, 0u);
}

class LimitedEntry : public CacheTest {
 protected:
  LimitedEntry() : CacheTest({.max_entry_bytes = 100}) {}
};

TEST_F(LimitedEntry, KeyAndReplyTogetherMayBeAsLargeAsTheLimit) {
  EXPECT_TRUE(put("k", std::string(99, 'r')));
  EXPECT_FALSE(put("l", std::string(100, 'r')));
  EXPECT_TRUE(put(std::string(100, 'n'), ""));
  EXPECT_FALSE(put(std::string(101, 'n'), ""));

  EXPECT_EQ(cache.stats().refused_size, 2u);
  EXPECT_EQ(cache.stats().entries, 2u);
}

using Bytes = CacheTest;

TEST_F(Bytes, OverwritingOneKeyKeepsMemoryFlat) {
  ASSERT_TRUE(put("k", "value"));
  const std::uint64_t bytes = cache.stats().bytes;
  for (int i = 0; i < 100'000; ++i) {
    cache.drop(key("k").hash);
    ASSERT_TRUE(put("k", "value"));
  }
  EXPECT_EQ(cache.stats().bytes, bytes);
  EXPECT_EQ(cache.stats().entries, 1u);
}

TEST_F(Bytes, ChargeCoversKeyReplyHeaderAndIndex) {
  const std::string name(1000, 'n');
  ASSERT_TRUE(put(name, std::string(1000, 'r')));
  EXPECT_GE(cache.stats().bytes, 2000 + sizeof(Entry) + 16);
  EXPECT_LE(cache.stats().bytes, 2000 + sizeof(Entry) + 16 * 4 + 32);
}

TEST_F(Bytes, LargeReplyIsChargedAndSurvivesEvictionWhileReferenced) {
  const std::string large(100'000, 'r');
  ASSERT_TRUE(put("k", large));
  EXPECT_GE(cache.stats().bytes, large.size());
  base::ByteQueue out;
  ASSERT_EQ(cache.read(key("k"), kOwnerA, now, out).status, ReadStatus::kHit);

  cache.drop(key("k").hash);

  EXPECT_EQ(cache.stats().bytes, 0u);
  EXPECT_EQ(out.to_string(), large);
}

TEST_F(Bytes, RepliesAtTheBorderOfCopyingAreServedWhole) {
  for (const std::size_t size : {base::ByteQueue::kCopyMax - 1, base::ByteQueue::kCopyMax,
                                 base::ByteQueue::kCopyMax + 1, 3 * base::ByteQueue::kCopyMax}) {
    const std::string name = std::to_string(size);
    const std::string reply(size, 'r');
    ASSERT_TRUE(put(name, reply));
    EXPECT_EQ(read(name).bytes, reply);
  }
}

using Expire = CacheTest;

TEST_F(Expire, ReclaimsWhatIsPastItsDeadlineOnly) {
  ttl = 100ms;
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(put("short" + std::to_string(i), "v"));
  ttl = 10s;
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(put("long" + std::to_string(i), "v"));

  now += 99ms;
  EXPECT_EQ(cache.expire(0, now, 1000), 0u);
  now += 1ms + TimingWheel::kTick;
  EXPECT_EQ(cache.expire(0, now, 1000), 10u);

  EXPECT_EQ(cache.stats().entries, 10u);
  EXPECT_EQ(cache.stats().evicted_expired, 10u);
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(is_cached("long" + std::to_string(i)));
}

TEST_F(Expire, StopsAtItsBudgetAndGoesOnNextTime) {
  ttl = 100ms;
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(put(std::to_string(i), "v"));
  now += 200ms;

  EXPECT_EQ(cache.expire(0, now, 300), 300u);
  EXPECT_EQ(cache.stats().entries, 700u);
  EXPECT_EQ(cache.expire(0, now, 0), 0u);
  EXPECT_EQ(cache.expire(0, now, 1000), 700u);
  EXPECT_EQ(cache.stats().bytes, 0u);
}

TEST_F(Expire, ReclaimsEntriesOfOldEpochsAtTheirDeadline) {
  ASSERT_TRUE(put("k", "v"));
  cache.bump_all_epochs();
  now += ttl + TimingWheel::kTick;

  EXPECT_EQ(cache.expire(0, now, 10), 1u);
  EXPECT_EQ(cache.stats().evicted_expired, 1u);
}

TEST_F(Expire, GivesBackLargeCachesInBoundedSteps) {
  ttl = 2h;  // far enough to wait in the overflow of the wheel
  for (int i = 0; i < 1024; ++i) ASSERT_TRUE(put(std::to_string(i), "v"));
  now += 3h;
  int calls = 0;
  while (cache.stats().entries > 0) {
    ASSERT_LE(cache.expire(0, now, 16), 16u);
    ASSERT_LT(++calls, 1000);
  }
}

TEST_F(Expire, DoesNotTouchFills) {
  const FillId fill = start_fill("k");
  now += 24h;

  EXPECT_EQ(cache.expire(0, now, 10), 0u);

  EXPECT_TRUE(commit("k", fill, "v"));
}

using ExpireDeathTest = CacheTest;

TEST_F(ExpireDeathTest, ShardThatDoesNotExistIsAMisuse) { EXPECT_DEATH(cache.expire(1, now, 1), "shards_"); }

}  // namespace
}  // namespace anteroom::cache
