#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "base/hash.hpp"
#include "cache/cache.hpp"

// What one GET hit costs inside the cache: hash, lock, lookup, LRU move and copy of a 100-byte reply, on one thread.
namespace anteroom::cache {
namespace {

using namespace std::chrono_literals;

constexpr base::TimePoint kNow{1h};
constexpr std::size_t kRequests = 1u << 20;

std::string key_name(std::size_t number) {
  std::string name = "key:" + std::to_string(number);
  name.resize(20, '_');
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

void hit(benchmark::State& state) {
  const auto count = static_cast<std::size_t>(state.range(0));
  // A little room, because the shards of a large cache do not fill evenly.
  Cache cache({.capacity = count + count / 4, .workers = static_cast<unsigned>(state.range(1))},
              base::HashSeed::fixed(1));
  const std::string reply = "$100\r\n" + std::string(100, 'v') + "\r\n";
  base::ByteQueue out;
  std::string names;
  for (std::size_t i = 0; i < count; ++i) {
    const std::string name = key_name(i);
    names += name;
    const Key key = cache.key(Space{0}, name);
    const FillId fill = cache.read(key, OwnerId{0}, kNow, out).fill;
    cache.commit(key, fill, EntryKind::kValue, reply, kNow + 1h, kNow);
  }
  const std::vector<std::uint32_t> numbers = zipf_numbers(count);
  std::size_t next = 0;
  for (auto _ : state) {
    const std::string_view name(names.data() + std::size_t{numbers[next++ % kRequests]} * 20, 20);
    benchmark::DoNotOptimize(cache.read(cache.key(Space{0}, name), OwnerId{0}, kNow, out));
    if (out.size() > 12'000) out.consume(out.size());
  }
  const Stats stats = cache.stats();
  if (stats.hits != static_cast<std::uint64_t>(state.iterations())) state.SkipWithError("not every read was a hit");
  state.counters["bytes_per_entry"] = static_cast<double>(stats.bytes) / static_cast<double>(stats.entries);
}
BENCHMARK(hit)->ArgNames({"entries", "workers"})->Args({10'000, 1})->Args({1'000'000, 1})->Args({1'000'000, 8});

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
