#include <gtest/gtest.h>

#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string_view>

#include "base/byte_queue.hpp"
#include "base/hash.hpp"
#include "cache/cache.hpp"
#include "property/hit_ratios.hpp"
#include "support/trace.hpp"

// A cache of one shard misses as seldom in recorded traces as its eviction policy does alone.
namespace anteroom::cache {
namespace {

constexpr base::TimePoint kNow{std::chrono::hours(1)};

/// Asks for `object`, and stores it if it was not there. True if it was.
bool request(Cache& cache, std::uint32_t object) {
  char digits[16];
  const auto end = std::to_chars(std::begin(digits), std::end(digits), object).ptr;
  const Query query = Cache::string_query(cache.key(Space{0}, {digits, end}));
  base::ByteQueue out;
  const ReadResult result = cache.read(query, {.owner = OwnerId{0}, .now = kNow}, out);
  if (result.status == ReadStatus::kHit) return true;
  EXPECT_EQ(result.status, ReadStatus::kFill);
  EXPECT_TRUE(cache.commit(query, result.fill, EntryKind::kValue, "$1\r\nx\r\n", {}, kNow));
  return false;
}

class CacheHitRatio : public ::testing::TestWithParam<ExpectedMisses> {};

TEST_P(CacheHitRatio, IsThatOfTheAlgorithm) {
  const test::Trace trace = test::read_trace(GetParam().trace);
  for (const Policy policy : {Policy::kLru, Policy::kS3Fifo}) {
    Cache cache({.capacity = GetParam().capacity, .policy = policy}, base::HashSeed::fixed(1));
    ASSERT_EQ(cache.shard_count(), 1u);

    std::size_t misses = 0;
    for (const std::uint32_t object : trace.requests) misses += request(cache, object) ? 0 : 1;

    expect_misses(GetParam(), policy, misses, trace.requests.size());
    EXPECT_EQ(cache.stats().misses, misses);
    EXPECT_EQ(cache.stats().entries, GetParam().capacity);
    cache.check_invariants();
  }
}

INSTANTIATE_TEST_SUITE_P(Traces, CacheHitRatio, ::testing::ValuesIn(kExpectedMisses), name_of_expected_misses);

}  // namespace
}  // namespace anteroom::cache
