#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "cache/cache.hpp"

// Several workers use one cache, with "the server" being one atomic version per key. Meant for TSan as much as for its
// own claims.
namespace anteroom::cache {
namespace {

using namespace std::chrono_literals;

constexpr int kThreads = 4;
constexpr int kStepsPerThread = 20'000;
constexpr std::size_t kKeys = 64;

class Workers {
 public:
  void run() {
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) threads.emplace_back([this, i] { work(static_cast<std::uint8_t>(i)); });
    for (std::thread& thread : threads) thread.join();
    cache.check_invariants();
  }

  Cache cache{{.capacity = 2 * Cache::kShardEntriesMin, .workers = kThreads}, base::HashSeed::fixed(1)};
  std::atomic<int> stale_reads = 0;

 private:
  // Longer than ByteQueue::kCopyMax for every fourth key, so that large replies are read while they are dropped.
  static std::string reply_of(std::size_t number, std::uint64_t version) {
    std::string reply = std::to_string(version);
    if (number % 4 == 0) reply.resize(base::ByteQueue::kCopyMax + 10, ' ');
    return reply;
  }

  void read(std::size_t number, OwnerId owner, base::TimePoint now) {
    const std::string name = std::to_string(number);
    const Key key = cache.key(Space{0}, name);
    const std::uint64_t acknowledged = acknowledged_[number].load();
    base::ByteQueue out;
    const ReadResult result = cache.read(key, owner, now, out);
    if (result.status == ReadStatus::kHit && std::stoull(out.to_string()) < acknowledged) ++stale_reads;
    if (result.status != ReadStatus::kFill) return;
    const std::string reply = reply_of(number, server_[number].load());
    std::this_thread::yield();
    cache.commit(key, result.fill, EntryKind::kValue, reply, now + 50ms, now);
  }

  void write(std::size_t number, bool keys_known) {
    const std::string name = std::to_string(number);
    const Key keys[] = {cache.key(Space{0}, name)};
    WriteGuard guard = keys_known ? cache.guard(keys) : cache.guard_all();
    const std::uint64_t version = server_[number].fetch_add(1) + 1;
    guard.release();
    std::uint64_t known = acknowledged_[number].load();
    while (known < version && !acknowledged_[number].compare_exchange_weak(known, version)) {
    }
  }

  void work(std::uint8_t worker) {
    std::minstd_rand random(worker + 1u);
    base::TimePoint now{1h};
    for (int step = 0; step < kStepsPerThread; ++step) {
      const std::size_t number = random() % kKeys;
      const auto choice = random() % 100;
      if (choice < 80) {
        read(number, OwnerId{worker}, now);
      } else if (choice < 95) {
        write(number, choice < 94);
      } else if (choice < 98) {
        now += 10ms;
        cache.expire(step % 2 == 0 ? 0 : cache.shard_count() - 1, now, 10);
      } else if (choice < 99) {
        cache.bump_epoch(OwnerId{static_cast<std::uint8_t>(random() % kThreads)});
      } else {
        EXPECT_LE(cache.stats().entries, kKeys);
      }
    }
  }

  std::array<std::atomic<std::uint64_t>, kKeys> server_{};
  std::array<std::atomic<std::uint64_t>, kKeys> acknowledged_{};
};

TEST(CacheThreads, NoReadIsOlderThanAnAcknowledgedWrite) {
  Workers workers;

  workers.run();

  EXPECT_EQ(workers.stale_reads, 0);
  const Stats stats = workers.cache.stats();
  EXPECT_GT(stats.hits, 0u);
  EXPECT_GT(stats.fills_committed, 0u);
}

}  // namespace
}  // namespace anteroom::cache
