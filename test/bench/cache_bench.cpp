#include <benchmark/benchmark.h>
#include <tsl/robin_map.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <list>
#include <mutex>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.hpp"
#include "cache/cache.hpp"

// What one GET hit costs inside the cache: hash, lock, lookup, use and copy of a 100-byte reply, on one thread; beside
// it a plain cache of the same machine and run, and what a miss with its fill costs.
namespace anteroom::cache {
namespace {

using namespace std::chrono_literals;

constexpr base::TimePoint kNow{1h};
constexpr std::size_t kRequests = 1u << 20;
constexpr std::size_t kNameBytes = 20;

std::string key_name(std::size_t number) {
  std::string name = "key:" + std::to_string(number);
  name.resize(kNameBytes, '_');
  return name;
}

/// Numbers below `count`, by Zipf's law with exponent .99, spread over the keys so that neighbours are not alike.
std::vector<std::uint32_t> zipf_numbers(std::size_t count) {
  std::vector<double> sums(count);
  double sum = 0;
  for (std::size_t i = 0; i < count; ++i) sums[i] = sum += std::pow(static_cast<double>(i + 1), -0.99);
  std::vector<std::uint32_t> shuffled(count);
  for (std::size_t i = 0; i < count; ++i) shuffled[i] = static_cast<std::uint32_t>(i);
  std::mt19937_64 random(1);
  std::shuffle(shuffled.begin(), shuffled.end(), random);
  std::uniform_real_distribution<double> uniform(0, sum);
  std::vector<std::uint32_t> numbers(kRequests);
  for (std::uint32_t& number : numbers) {
    const auto at = std::lower_bound(sums.begin(), sums.end(), uniform(random)) - sums.begin();
    number = shuffled[std::min(static_cast<std::size_t>(at), count - 1)];
  }
  return numbers;
}

std::string all_names(std::size_t count) {
  std::string names;
  for (std::size_t i = 0; i < count; ++i) names += key_name(i);
  return names;
}
/// The names that are asked for, in the order of asking: as in a program the request has just been read, none of them
/// is far away in memory.
std::string asked_names(const std::string& names, std::size_t count) {
  std::string asked;
  for (const std::uint32_t number : zipf_numbers(count)) asked += names.substr(number * kNameBytes, kNameBytes);
  return asked;
}
std::string_view name_at(const std::string& names, std::size_t number) {
  return std::string_view(names).substr(number * kNameBytes, kNameBytes);
}

/// Of repeated runs, the least: what others on the same cores took away is in all but that.
double least(const std::vector<double>& runs) { return *std::ranges::min_element(runs); }

void hit(benchmark::State& state) {
  const auto count = static_cast<std::size_t>(state.range(0));
  // A little room, because the shards of a large cache do not fill evenly.
  Cache cache({.capacity = count + count / 4,
               .workers = static_cast<unsigned>(state.range(1)),
               .policy = static_cast<Policy>(state.range(2))},
              base::HashSeed::fixed(1));
  const std::string reply = "$100\r\n" + std::string(100, 'v') + "\r\n";
  const Asker asker{.now = kNow};
  base::ByteQueue out;
  const std::string names = all_names(count);
  for (std::size_t i = 0; i < count; ++i) {
    const Query query = Cache::string_query(cache.key(Space{0}, name_at(names, i)));
    cache.commit(query, cache.read(query, asker, out).fill, EntryKind::kValue, reply, {.soft = kNow + 1h}, kNow);
  }
  const std::string asked = asked_names(names, count);
  std::size_t next = 0;
  for (auto _ : state) {
    const Key key = cache.key(Space{0}, name_at(asked, next++ % kRequests));
    benchmark::DoNotOptimize(cache.read(Cache::string_query(key), asker, out));
    if (out.size() > 12'000) out.consume(out.size());
  }
  const Stats stats = cache.stats();
  if (stats.hits != static_cast<std::uint64_t>(state.iterations())) state.SkipWithError("not every read was a hit");
  const std::size_t payload = count * (kNameBytes + 100);
  state.counters["overhead_per_entry"] = static_cast<double>(stats.bytes - payload) / static_cast<double>(count);
}
BENCHMARK(hit)
    ->ArgNames({"entries", "workers", "s3fifo"})
    ->ArgsProduct({{10'000, 1'000'000}, {1, 8}, {0, 1}})
    ->ComputeStatistics("least", least);

/// What a straightforward cache does for the same: a list in the order of use, a map of names into it, one mutex, and
/// the reply framed anew each time.
void hit_of_list_and_map(benchmark::State& state) {
  struct Item {
    std::string name;
    std::string value;
  };
  const auto count = static_cast<std::size_t>(state.range(0));
  std::mutex mutex;
  std::list<Item> order;
  tsl::robin_map<std::string, std::list<Item>::iterator> index;
  const std::string names = all_names(count);
  for (std::size_t i = 0; i < count; ++i) {
    order.push_front({std::string(name_at(names, i)), std::string(100, 'v')});
    index.emplace(order.front().name, order.begin());
  }
  const std::string asked = asked_names(names, count);
  base::ByteQueue out;
  std::size_t next = 0;
  for (auto _ : state) {
    const std::string name(name_at(asked, next++ % kRequests));
    {
      const std::lock_guard lock(mutex);
      const auto found = index.find(name);
      order.splice(order.begin(), order, found->second);
      const std::string& value = found->second->value;
      char header[32];
      const int size = std::snprintf(header, sizeof header, "$%zu\r\n", value.size());
      out.append({header, static_cast<std::size_t>(size)});
      out.append(value);
      out.append("\r\n");
    }
    if (out.size() > 12'000) out.consume(out.size());
  }
}
BENCHMARK(hit_of_list_and_map)->ArgName("entries")->Arg(10'000)->Arg(1'000'000)->ComputeStatistics("least", least);

void miss_and_fill(benchmark::State& state) {
  const auto count = static_cast<std::size_t>(state.range(0));
  Cache cache({.capacity = count}, base::HashSeed::fixed(1));
  const std::string reply = "$100\r\n" + std::string(100, 'v') + "\r\n";
  const Asker asker{.now = kNow};
  const std::string names = all_names(2 * count);
  base::ByteQueue out;
  std::size_t next = 0;
  for (auto _ : state) {
    const Query query = Cache::string_query(cache.key(Space{0}, name_at(names, next++ % (2 * count))));
    cache.commit(query, cache.read(query, asker, out).fill, EntryKind::kValue, reply, {.soft = kNow + 1h}, kNow);
  }
}
BENCHMARK(miss_and_fill)->ArgName("entries")->Arg(10'000)->Arg(1'000'000);

void snapshot_of_ten(benchmark::State& state) {
  Cache cache({.capacity = 100'000, .workers = 8}, base::HashSeed::fixed(1));
  const std::string reply = "$100\r\n" + std::string(100, 'v') + "\r\n";
  const Asker asker{.now = kNow};
  const std::string names = all_names(10);
  std::vector<Key> keys;
  for (std::size_t i = 0; i < 10; ++i) {
    keys.push_back(cache.key(Space{0}, name_at(names, i)));
    const Query query = Cache::string_query(keys.back());
    cache.commit(query, cache.start_fill(query, asker), EntryKind::kValue, reply, {}, kNow);
  }
  base::ByteQueue out;
  for (auto _ : state) {
    benchmark::DoNotOptimize(cache.read_snapshot(keys, SnapshotView::kMget, asker, out));
    if (out.size() > 12'000) out.consume(out.size());
  }
}
BENCHMARK(snapshot_of_ten);

void hash(benchmark::State& state) {
  const base::HashSeed seed = base::HashSeed::fixed(1);
  std::vector<std::string> names;
  for (std::size_t i = 0; i < 256; ++i) names.push_back(std::string(static_cast<std::size_t>(state.range(0)), char(i)));
  std::size_t next = 0;
  for (auto _ : state) benchmark::DoNotOptimize(base::hash64(seed, names[next++ % names.size()]));
}
BENCHMARK(hash)->ArgName("bytes")->Arg(8)->Arg(20)->Arg(100);

}  // namespace
}  // namespace anteroom::cache

BENCHMARK_MAIN();
