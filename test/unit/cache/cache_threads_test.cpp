#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <mutex>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "cache/cache.hpp"

// Several workers use one cache, with "the server" being one atomic version per key. Meant for TSan as much as for its
// own claims. Under TSan no more than 64 locks may be held at once, so there are fewer shards.
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

  Cache cache{{.capacity = 8 * Cache::kShardEntriesMin, .workers = kThreads}, base::HashSeed::fixed(1)};
  std::atomic<int> stale_reads = 0;
  std::atomic<int> snapshots = 0;
  std::atomic<int> torn_snapshots = 0;

 private:
  // Longer than ByteQueue::kCopyMax for every fourth key, so that large replies are read while they are dropped.
  static std::string reply_of(std::size_t number, std::uint64_t version) {
    std::string reply = std::to_string(version);
    if (number % 4 == 0) reply.resize(base::ByteQueue::kCopyMax + 10, ' ');
    return reply;
  }
  // Every third read is of a result under the key.
  Query query_of(std::size_t number, std::string_view name, std::string_view request) const {
    const Key key = cache.key(Space{0}, name);
    return number % 3 == 0 ? cache.result_query(key, request) : Cache::string_query(key);
  }

  void read(std::size_t number, const Asker& asker) {
    const std::string name = std::to_string(number);
    const std::string request = "STRLEN " + name;
    const Query query = query_of(number, name, request);
    const std::uint64_t acknowledged = acknowledged_[number].load();
    base::ByteQueue out;
    const ReadResult result = cache.read(query, asker, out);
    if (result.status == ReadStatus::kHit && std::stoull(out.to_string()) < acknowledged) ++stale_reads;
    if (result.status != ReadStatus::kFill) return;
    const std::string reply = reply_of(number, server_[number].load());
    std::this_thread::yield();
    const Deadlines deadlines{.soft = asker.now + 50ms, .hard = asker.now + 50ms};
    cache.commit(query, result.fill, EntryKind::kValue, reply, deadlines, asker.now);
  }

  // Two keys that are always written together: with one owner, whose entries are filled and dropped in the order of its
  // stream, no snapshot may show them at different versions.
  void read_pair(const Asker& asker) {
    const Key keys[] = {cache.key(Space{0}, "left"), cache.key(Space{0}, "right")};
    base::ByteQueue out;
    if (cache.read_snapshot(keys, SnapshotView::kMget, asker, out)) {
      const std::string both = out.to_string();
      ++snapshots;
      if (both.substr(0, both.size() / 2) != both.substr(both.size() / 2)) ++torn_snapshots;
      return;
    }
    const std::lock_guard lock(stream_);
    for (const Key& key : keys) {
      const Query query = Cache::string_query(key);
      const FillId fill = cache.start_fill(query, {.owner = kPairOwner, .now = asker.now});
      const std::string reply = std::to_string(1'000'000 + pair_version_);
      cache.commit(query, fill, EntryKind::kValue, reply, {}, asker.now);
    }
  }
  void write_pair() {
    const std::lock_guard lock(stream_);
    // Two pushes, as the server sends them for one MSET. Whoever reads between them finds one key only.
    cache.drop(cache.key(Space{0}, "left").hash, DropCause::kPush);
    cache.drop(cache.key(Space{0}, "right").hash, DropCause::kPush);
    ++pair_version_;
  }

  void write(std::size_t number, bool keys_known) {
    const std::string name = std::to_string(number);
    const std::uint64_t keys[] = {cache.key(Space{0}, name).hash};
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
      const Asker asker{.owner = OwnerId{worker}, .now = now};
      if (choice < 65) {
        read(number, asker);
      } else if (choice < 75) {
        read_pair(asker);
      } else if (choice < 78) {
        write_pair();
      } else if (choice < 90) {
        write(number, choice < 89);
      } else if (choice < 94) {
        now += 10ms;
        cache.expire(step % 2 == 0 ? 0 : cache.shard_count() - 1, now, 10);
      } else {
        upkeep(choice, number, random() % kThreads, now);
      }
    }
  }
  void upkeep(std::uint_fast32_t choice, std::size_t number, std::uint_fast32_t owner, base::TimePoint now) {
    const OwnerId other{static_cast<std::uint8_t>(owner)};
    const std::string name = std::to_string(number);
    const Key key = cache.key(Space{0}, name);
    switch (choice) {
      case 94:
        return cache.bump_epoch(other);
      case 95:
        cache.lose(other, now);
        return cache.recover(other);
      case 96:
        cache.set_lease(other, now + 20ms);
        return cache.supersede(key, other);
      case 97:
        EXPECT_LE(cache.inspect(key, {.now = now}).size(), 4u);
        return cache.observe(Cache::string_query(key), nullptr);
      case 98:
        cache.drop_matching(name);
        return;
      default:
        EXPECT_LE(cache.stats().entries, 2 * kKeys + 2);
    }
  }

  static constexpr OwnerId kPairOwner{kThreads};
  std::array<std::atomic<std::uint64_t>, kKeys> server_{};
  std::array<std::atomic<std::uint64_t>, kKeys> acknowledged_{};
  std::mutex stream_;  // what one connection's order is
  int pair_version_ = 0;
};

TEST(CacheThreads, NoReadIsOlderThanAnAcknowledgedWriteAndNoSnapshotIsTorn) {
  Workers workers;

  workers.run();

  EXPECT_EQ(workers.stale_reads, 0);
  EXPECT_EQ(workers.torn_snapshots, 0);
  EXPECT_GT(workers.snapshots, 0);
  const Stats stats = workers.cache.stats();
  EXPECT_GT(stats.hits, 0u);
  EXPECT_GT(stats.fills_committed, 0u);
}

}  // namespace
}  // namespace anteroom::cache
