#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <functional>
#include <iostream>
#include <random>
#include <string>
#include <string_view>

#include "cache/cache.hpp"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ANTEROOM_TEST_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define ANTEROOM_TEST_SANITIZED 1
#endif
#endif

// What the cache costs in memory of the process, not only by its own account. Each measurement is made in a process of
// its own, which no other test has left memory in. The allocators of sanitizers keep and add memory as they like, so
// there only the account is checked, with less work.
namespace anteroom::cache {
namespace {

using namespace std::chrono_literals;

#ifdef ANTEROOM_TEST_SANITIZED
constexpr bool kMeasures = false;
constexpr std::size_t kDivisor = 50;
#else
constexpr bool kMeasures = true;
constexpr std::size_t kDivisor = 1;
#endif

constexpr Asker kAsker{.now = base::TimePoint{1h}};

std::int64_t resident_bytes() {
  std::int64_t total_pages = 0;
  std::int64_t resident_pages = 0;
  std::ifstream("/proc/self/statm") >> total_pages >> resident_pages;
  return resident_pages * sysconf(_SC_PAGESIZE);
}

/// Runs `measure` in a child and passes on what it claims.
bool holds_in_a_child(const std::function<bool()>& measure) {
  std::cout.flush();
  const pid_t child = fork();
  if (child == 0) {
    const bool holds = measure();
    std::cout.flush();
    _exit(holds ? 0 : 1);
  }
  int status = 0;
  return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

std::string key_name(std::size_t number) {
  std::string name = "key:" + std::to_string(number);
  name.resize(20, '_');
  return name;
}

bool put(Cache& cache, std::string_view name, std::string_view reply) {
  const Query query = Cache::string_query(cache.key(Space{0}, name));
  const FillId fill = cache.start_fill(query, kAsker);
  return cache.commit(query, fill, EntryKind::kValue, reply, {.soft = kAsker.now + 1h}, kAsker.now);
}

bool overhead_of_a_million_entries(Policy policy, double bytes_max) {
  constexpr std::size_t kEntries = 1'000'000 / kDivisor;
  constexpr std::size_t kPayload = 20 + 100;
  const std::string reply = "$100\r\n" + std::string(100, 'v') + "\r\n";
  const std::int64_t before = resident_bytes();
  Cache cache({.capacity = kEntries, .policy = policy}, base::HashSeed::fixed(1));
  // A little more than there is room for, so that every shard is full.
  for (std::size_t i = 0; i < kEntries + kEntries / 20; ++i) {
    if (!put(cache, key_name(i), reply)) return false;
  }
  const Stats stats = cache.stats();
  const double by_account = static_cast<double>(stats.bytes) / kEntries - kPayload;
  const double by_measure = static_cast<double>(resident_bytes() - before) / kEntries - kPayload;
  std::cout << "overhead per entry: " << by_measure << " bytes of resident memory, " << by_account << " by account\n";
  return stats.entries == kEntries && stats.rehashes == 0 && (!kMeasures || by_measure <= bytes_max);
}

TEST(CacheMemory, AMillionSmallEntriesCostLittleBesideKeyAndValue) {
  EXPECT_TRUE(holds_in_a_child([] { return overhead_of_a_million_entries(Policy::kLru, 58); }));
}

TEST(CacheMemory, S3FifoCostsItsGhostsInAddition) {
  EXPECT_TRUE(holds_in_a_child([] { return overhead_of_a_million_entries(Policy::kS3Fifo, 64); }));
}

struct Churn {
  Policy policy = Policy::kLru;
  unsigned large_per_mille = 0;  // replies that are so large that they are not in the cache's own pages
  double resident_max = 0;       // as a part of the limit
};

// Sizes change over time, from mostly small to mostly large and back, so that pages have to change their size class.
std::size_t reply_size(std::minstd_rand& random, std::size_t phase, const Churn& churn) {
  if (random() % 1000 < churn.large_per_mille) return base::ByteQueue::kCopyMax + 1 + random() % 20'000;
  const std::size_t largest = phase % 2 == 0 ? 200 : 2000;
  return random() % largest;
}

bool stays_below_its_limit(const Churn& churn) {
  const std::size_t limit = (std::size_t{32} << 20) / std::min<std::size_t>(kDivisor, 16);
  const std::int64_t before = resident_bytes();
  Cache cache({.capacity = 10'000'000, .capacity_bytes = limit, .policy = churn.policy}, base::HashSeed::fixed(1));
  std::minstd_rand random(1);
  const std::string bytes(base::ByteQueue::kCopyMax + 20'001, 'v');
  std::size_t written = 0;
  std::int64_t most = 0;
  for (std::size_t i = 0; written < 10 * limit; ++i) {
    const std::size_t size = reply_size(random, written / limit, churn);
    put(cache, key_name(random() % 10'000'000), std::string_view(bytes).substr(0, size));
    written += 20 + size;
    if (i % 1000 != 0) continue;
    if (cache.stats().bytes > limit) return false;
    most = std::max(most, resident_bytes() - before);
  }
  cache.check_invariants();
  const Stats stats = cache.stats();
  const auto part = [limit](auto size) { return static_cast<double>(size) / static_cast<double>(limit); };
  std::cout << "after 10 times its limit: " << part(most) << " of it resident at most, " << part(stats.bytes)
            << " by account, " << part(stats.payload_bytes) << " payload, " << stats.entries << " entries\n";
  return part(stats.payload_bytes) > 0.5 && (!kMeasures || part(most) <= churn.resident_max);
}

TEST(CacheMemory, ChurnStaysWithinTheLimitOfBytes) {
  EXPECT_TRUE(holds_in_a_child([] { return stays_below_its_limit({Policy::kLru, 0, 1.05}); }));
}

TEST(CacheMemory, ChurnStaysWithinTheLimitOfBytesWithS3Fifo) {
  EXPECT_TRUE(holds_in_a_child([] { return stays_below_its_limit({Policy::kS3Fifo, 0, 1.05}); }));
}

// Large replies are in the heap, because they may outlive their entries. What they leave there when small ones take
// their place is not always given back to the system, which no account of ours can prevent.
TEST(CacheMemory, ChurnOfLargeRepliesCostsTheHeapsGapsInAddition) {
  EXPECT_TRUE(holds_in_a_child([] { return stays_below_its_limit({Policy::kLru, 5, 1.35}); }));
}

bool overwriting_stays_flat() {
  constexpr std::size_t kTimes = 10'000'000 / kDivisor;
  Cache cache({.capacity = 1'000'000}, base::HashSeed::fixed(1));
  const std::string reply = "$100\r\n" + std::string(100, 'v') + "\r\n";
  const auto overwrite = [&](std::size_t times) {
    for (std::size_t i = 0; i < times; ++i) {
      if (i % 2 == 0) cache.drop(cache.key(Space{0}, "k").hash, DropCause::kPush);
      put(cache, "k", reply);
    }
  };
  overwrite(1000);
  const std::int64_t before = resident_bytes();
  const std::uint64_t accounted = cache.stats().bytes;
  overwrite(kTimes);
  const std::int64_t growth = resident_bytes() - before;
  std::cout << "growth after " << kTimes << " times the same key: " << growth << " bytes\n";
  return cache.stats().bytes == accounted && cache.stats().entries == 1 && (!kMeasures || growth <= 256 * 1024);
}

TEST(CacheMemory, OneKeyOverwrittenTenMillionTimesStaysFlat) { EXPECT_TRUE(holds_in_a_child(overwriting_stays_flat)); }

}  // namespace
}  // namespace anteroom::cache
