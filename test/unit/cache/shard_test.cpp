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
  ASSERT_TRUE(put_nil("nil"));
  for (int i = 0; i < 1023; ++i) ASSERT_TRUE(put(std::to_string(i), "v"));
  EXPECT_EQ(read("nil").status, ReadStatus::kNil);

  ASSERT_TRUE(put("one more", "v"));
  EXPECT_TRUE(is_cached("nil"));
  EXPECT_FALSE(is_cached("0"));
}

TEST_F(Lru, VictimIsCountedByWhyItWasWorthless) {
  ttl = 1s;
  ASSERT_TRUE(put(string("expired"), "v", kOwnerB));
  ttl = 300s;
  ASSERT_TRUE(put(string("old epoch"), "v", kOwnerA));
  cache.bump_epoch(kOwnerA);
  now += 1s;
  for (int i = 0; i < 1025; ++i) ASSERT_TRUE(put(string(std::to_string(i)), "v", kOwnerB));

  EXPECT_EQ(cache.stats().evicted_expired, 1u);
  EXPECT_EQ(cache.stats().evicted_epoch, 1u);
  EXPECT_EQ(cache.stats().evicted_capacity, 1u);
}

TEST_F(Lru, IndexDoesNotRehashWhileServing) {
  for (int i = 0; i < 20'000; ++i) ASSERT_TRUE(put(std::to_string(i), "v"));
  EXPECT_EQ(cache.stats().rehashes, 0u);
}

constexpr base::TimePoint kNow{1h};

bool put_into(Cache& cache, std::string_view name, std::string_view reply) {
  const Query query = Cache::string_query(cache.key(kDb0, name));
  base::ByteQueue out;
  const ReadResult result = cache.read(query, {.owner = kOwnerA, .now = kNow}, out);
  EXPECT_EQ(result.status, ReadStatus::kFill) << name;
  return cache.commit(query, result.fill, EntryKind::kValue, reply, {.soft = kNow + 1s}, kNow);
}

TEST(Capacity, OfOneHoldsTheNewest) {
  Cache cache({.capacity = 1}, base::HashSeed::fixed(1));
  for (const char* name : {"a", "b", "a", "c"}) {
    ASSERT_TRUE(put_into(cache, name, "v"));
    cache.check_invariants();
  }
  base::ByteQueue out;
  const Query last = Cache::string_query(cache.key(kDb0, "c"));
  EXPECT_EQ(cache.stats().entries, 1u);
  EXPECT_EQ(cache.read(last, {.owner = kOwnerA, .now = kNow}, out).status, ReadStatus::kHit);
}

// Every number of entries must find its place without a rehash: the table's own rounding is by floats.
TEST(Capacity, EveryNumberOfEntriesFitsTheReservedIndex) {
  for (std::size_t capacity = 1; capacity < 3500; capacity += capacity < 64 ? 1 : 29) {
    Cache cache({.capacity = capacity}, base::HashSeed::fixed(1));
    for (std::size_t i = 0; i < 2 * capacity + 2; ++i) ASSERT_TRUE(put_into(cache, std::to_string(i), "v"));
    EXPECT_EQ(cache.stats().entries, capacity);
    EXPECT_EQ(cache.stats().rehashes, 0u) << "capacity " << capacity;
  }
}

TEST(Sharding, SmallCachesHaveOneShardAndLargeOnesEightPerWorker) {
  const auto shards = [](const Options& options) { return Cache(options, base::HashSeed::fixed(1)).shard_count(); };
  EXPECT_EQ(shards({.capacity = 1024, .workers = 16}), 1u);
  EXPECT_EQ(shards({.capacity = 2 * Cache::kShardEntriesMin - 1, .workers = 16}), 1u);
  EXPECT_EQ(shards({.capacity = 2 * Cache::kShardEntriesMin, .workers = 16}), 2u);
  EXPECT_EQ(shards({.capacity = 7 * Cache::kShardEntriesMin, .workers = 16}), 7u);
  EXPECT_EQ(shards({.capacity = 1'000'000, .workers = 1}), 8u);
  EXPECT_EQ(shards({.capacity = 1'000'000, .workers = 3}), 16u);
  EXPECT_EQ(shards({.capacity = 1'500'000, .workers = 500}), 256u);
  EXPECT_EQ(shards({.capacity = 1'000'000, .workers = 0}), 1u);
}

TEST(Sharding, LimitOfBytesKeepsShardsLargeEnough) {
  const auto shards = [](const Options& options) { return Cache(options, base::HashSeed::fixed(1)).shard_count(); };
  EXPECT_EQ(shards({.capacity = 1'000'000, .capacity_bytes = 100'000, .workers = 8}), 1u);
  EXPECT_EQ(shards({.capacity = 1'000'000, .capacity_bytes = 1u << 30, .workers = 2}), 16u);
  EXPECT_EQ(shards({.capacity = 1'000'000'000'000, .capacity_bytes = 20u << 20, .workers = 8}), 5u);
  EXPECT_EQ(shards({.capacity = 1'000'000'000'000, .capacity_bytes = 1u << 20, .workers = 8}), 1u);
}

TEST(Sharding, SumOfAllShardsIsExactlyTheCapacity) {
  constexpr std::size_t kCapacity = 5 * Cache::kShardEntriesMin + 3;
  Cache cache({.capacity = kCapacity, .workers = 1}, base::HashSeed::fixed(1));
  ASSERT_EQ(cache.shard_count(), 5u);
  for (std::size_t i = 0; i < 3 * kCapacity; ++i) ASSERT_TRUE(put_into(cache, std::to_string(i), "v"));
  EXPECT_EQ(cache.stats().entries, kCapacity);
  EXPECT_EQ(cache.stats().rehashes, 0u);
  cache.check_invariants();
}

class LimitedBytes : public CacheTest {
 protected:
  static constexpr std::size_t kLimit = 1024 * 1024;
  LimitedBytes() : CacheTest({.capacity = 1'000'000, .capacity_bytes = kLimit}) {}
};

TEST_F(LimitedBytes, BytesStayBelowTheLimitAndTheNewestStay) {
  const std::string reply(1000, 'r');
  for (int i = 0; i < 5000; ++i) {
    ASSERT_TRUE(put(std::to_string(i), reply));
    ASSERT_LE(cache.stats().bytes, kLimit);
  }
  const Stats stats = cache.stats();
  EXPECT_GT(stats.bytes, kLimit * 9 / 10);
  EXPECT_GT(stats.payload_bytes, kLimit * 6 / 10);
  EXPECT_TRUE(is_cached("4999"));
  EXPECT_FALSE(is_cached("0"));
  EXPECT_EQ(stats.evicted_bytes + stats.entries, 5000u);
  EXPECT_EQ(stats.evicted_capacity, 0u);
}

TEST_F(LimitedBytes, EntriesOfAllSizesShareTheMemory) {
  std::uint32_t state = 1;
  for (int i = 0; i < 20'000; ++i) {
    state = state * 1664525 + 1013904223;
    // Mostly small ones; every 64th is larger than what is copied.
    const std::size_t size = i % 64 == 0 ? 2049 + state % 20'000 : (state >> 8) % (16u << (state >> 29));
    ASSERT_TRUE(put("key" + std::to_string(i), std::string(size, 'r')));
    ASSERT_LE(cache.stats().bytes, kLimit);
    if (i % 1000 == 0) cache.check_invariants();
  }
  EXPECT_GT(cache.stats().payload_bytes, kLimit / 3);
  EXPECT_TRUE(is_cached("key19999"));
}

TEST_F(LimitedBytes, PagesOfOneSizeAreEmptiedForAnother) {
  for (int i = 0; i < 10'000; ++i) ASSERT_TRUE(put("small" + std::to_string(i), "v"));
  // Gaps everywhere: what is left would fit into half of the pages.
  for (int i = 0; i < 10'000; i += 2) drop("small" + std::to_string(i));
  const Stats before = cache.stats();
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(put("large" + std::to_string(i), std::string(1500, 'r')));
  cache.check_invariants();

  EXPECT_EQ(cache.stats().evicted_bytes, before.evicted_bytes) << "moving was enough";
  EXPECT_EQ(cache.stats().entries, before.entries + 20);
  for (int i = 9'999; i > 9'900; i -= 2) EXPECT_EQ(read("small" + std::to_string(i)).bytes, "v");
}

TEST_F(LimitedBytes, ReplyAboveASixteenthIsRefusedAndItsFillEnds) {
  const std::string largest(kLimit / 16 - 1, 'r');
  EXPECT_TRUE(put("k", largest));
  EXPECT_FALSE(put("l", largest + "r" + "r"));
  EXPECT_EQ(cache.stats().refused_size, 1u);
  EXPECT_EQ(read("l").status, ReadStatus::kFill);
}

TEST_F(LimitedBytes, LargeRepliesCountAndAreGivenBack) {
  const std::uint64_t empty = cache.stats().bytes;
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(put(std::to_string(i), std::string(20'000, 'r')));
    ASSERT_LE(cache.stats().bytes, kLimit);
  }
  EXPECT_GT(cache.stats().entries, 10u);
  EXPECT_GT(cache.stats().bytes, cache.stats().entries * 20'000);
  for (int i = 0; i < 100; ++i) drop(std::to_string(i));

  EXPECT_LE(cache.stats().bytes, empty + 20 * 1024) << "one page is kept";
  EXPECT_EQ(cache.stats().payload_bytes, 0u);
}

TEST(LimitedBytesTooSmall, ForAPageStoresNothing) {
  for (const std::size_t bytes : {1u, 60u, 1000u, 10'000u}) {
    Cache cache({.capacity_bytes = bytes}, base::HashSeed::fixed(1));
    EXPECT_FALSE(put_into(cache, "k", "v"));
    EXPECT_EQ(cache.stats().refused_size, 1u);
    EXPECT_EQ(cache.stats().entries, 0u);
    cache.check_invariants();
  }
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

TEST_F(LimitedEntry, RefusedReplyTakesTheOldEntryWithIt) {
  ASSERT_TRUE(put("k", "old"));
  const FillId fill = cache.start_fill(string("k"), asker());
  EXPECT_FALSE(commit("k", fill, std::string(100, 'r')));

  EXPECT_FALSE(is_cached("k")) << "the newer reply has been given out";
}

using Bytes = CacheTest;

TEST_F(Bytes, OverwritingOneKeyKeepsMemoryFlat) {
  ASSERT_TRUE(put("k", "value"));
  const std::uint64_t bytes = cache.stats().bytes;
  for (int i = 0; i < 100'000; ++i) {
    drop("k");
    ASSERT_TRUE(put("k", "value"));
  }
  EXPECT_EQ(cache.stats().bytes, bytes);
  EXPECT_EQ(cache.stats().entries, 1u);
}

TEST_F(Bytes, PartsAddUp) {
  const Stats empty = cache.stats();
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(put("key" + std::to_string(1000 + i), std::string(93, 'r')));
  const Stats stats = cache.stats();

  EXPECT_EQ(stats.payload_bytes, 1000u * 100);
  EXPECT_EQ(stats.index_bytes, empty.index_bytes);
  EXPECT_GE(stats.bytes, stats.index_bytes + 1000 * (32 + 100));
  EXPECT_LE(stats.bytes, empty.bytes + 1000 * 144 + 70'000) << "a slot each, and a page that is not full";
}

TEST_F(Bytes, LargeReplyIsChargedAndSurvivesEvictionWhileReferenced) {
  const std::string large(100'000, 'r');
  ASSERT_TRUE(put("k", large));
  const std::uint64_t with = cache.stats().bytes;
  base::ByteQueue out;
  ASSERT_EQ(cache.read(string("k"), asker(), out).status, ReadStatus::kHit);

  drop("k");

  EXPECT_GE(with - cache.stats().bytes, large.size());
  EXPECT_EQ(out.to_string(), large);
}

TEST_F(Bytes, RepliesAtTheBorderOfCopyingAreServedWhole) {
  for (const std::size_t size : {base::ByteQueue::kCopyMax - 1, base::ByteQueue::kCopyMax,
                                 base::ByteQueue::kCopyMax + 1, 3 * base::ByteQueue::kCopyMax}) {
    for (std::size_t name_size = 1; name_size < 20; ++name_size) {
      const std::string name(name_size, 'n');
      const std::string reply(size, 'r');
      ASSERT_TRUE(put(name, reply));
      EXPECT_EQ(read(name).bytes, reply);
      drop(name);
    }
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
  now += 1ms;
  EXPECT_EQ(cache.expire(0, now, 100'000), 10u);

  EXPECT_EQ(cache.stats().entries, 10u);
  EXPECT_EQ(cache.stats().evicted_expired, 10u);
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(is_cached("long" + std::to_string(i)));
}

TEST_F(Expire, StopsAtItsBudgetAndGoesOnNextTime) {
  ttl = 100ms;
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(put(std::to_string(i), "v"));
  now += 200ms;

  const std::size_t first = cache.expire(0, now, 300);
  EXPECT_GT(first, 250u);
  EXPECT_LE(first, 300u);
  EXPECT_EQ(cache.expire(0, now, 0), 0u);
  EXPECT_EQ(first + cache.expire(0, now, 100'000), 1000u);
  EXPECT_EQ(cache.stats().entries, 0u);
}

TEST_F(Expire, FindsWhatWasInsertedOrExpiredWhileASweepIsUnderWay) {
  ttl = 100ms;
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(put("first" + std::to_string(i), "v"));
  now += 200ms;
  EXPECT_GT(cache.expire(0, now, 500), 0u);
  for (int i = 0; i < 500; ++i) ASSERT_TRUE(put("second" + std::to_string(i), "v"));
  now += 100ms;
  for (int calls = 0; calls < 20; ++calls) cache.expire(0, now, 500);

  EXPECT_EQ(cache.stats().entries, 0u);
}

TEST_F(Expire, ReclaimsEntriesOfOldEpochsAtOnce) {
  ASSERT_TRUE(put("k", "v"));
  EXPECT_EQ(cache.expire(0, now, 100'000), 0u);
  cache.bump_all_epochs();

  EXPECT_EQ(cache.expire(0, now, 100'000), 1u);
  EXPECT_EQ(cache.stats().evicted_epoch, 1u);
}

TEST_F(Expire, EntryWhoseOwnerHasNoLeaseStays) {
  ASSERT_TRUE(put("k", "v"));
  cache.set_lease(kOwnerA, now);
  EXPECT_EQ(cache.expire(0, now, 100'000), 0u);
  cache.set_lease(kOwnerA, base::kNever);

  EXPECT_TRUE(is_cached("k"));
}

TEST_F(Expire, GivesBackLargeCachesInBoundedSteps) {
  ttl = 2h;
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
