#include "config/descriptor_builder.hpp"

namespace anteroom::config {
namespace {

using G = CacheOptions;
constexpr auto kGroup = &Options::cache;

std::vector<Descriptor> storage() {
  return {
      option<kGroup, &G::enabled>({.path = "cache.enabled",
                                   .flag = "cache",
                                   .doc = "Whether reads are answered from the cache; false forwards everything"}),
      // The index is reserved for the whole capacity at the start.
      option<kGroup, &G::capacity>({.path = "cache.capacity",
                                    .flag = "capacity",
                                    .old_name = "capacity",
                                    .min = 1,
                                    .max = 1'000'000'000,
                                    .doc = "Most keys in the cache"}),
      option<kGroup, &G::capacity_bytes>({.path = "cache.capacity_bytes",
                                          .flag = "capacity-bytes",
                                          .unit = Unit::kBytes,
                                          .max = 16 * kTerabyte,
                                          .doc = "Most memory of the cache, at least 64kb; 0 is no such limit"}),
      option<kGroup, &G::eviction>({.path = "cache.eviction",
                                    .flag = "eviction",
                                    .doc =
                                        "Which entry goes when the cache is full: `lru`, the least recently used; "
                                        "`s3fifo`, as S3-FIFO has it, which keeps what is asked for more than once"}),
      option<kGroup, &G::period>({.path = "cache.period_ms",
                                  .flag = "cache-period",
                                  .old_name = "cache_period",
                                  .unit = Unit::kMilliseconds,
                                  .min = 1,
                                  .max = kHourMs,
                                  .doc = "How often the memory of expired entries is reclaimed"}),
      option<kGroup, &G::max_entry_bytes>({.path = "cache.max_entry_bytes",
                                           .flag = "max-entry-bytes",
                                           .unit = Unit::kBytes,
                                           .min = 1,
                                           .max = kKilobyte * kKilobyte * kKilobyte,
                                           .doc = "A larger reply is passed on but not cached"}),
  };
}

std::vector<Descriptor> scope() {
  return {
      option<kGroup, &G::include>({.path = "cache.include",
                                   .flag = "cache-include",
                                   .doc = "Only keys that match one of these globs are cached; empty is all"}),
      option<kGroup, &G::exclude>({.path = "cache.exclude",
                                   .flag = "cache-exclude",
                                   .doc = "Keys that match one of these globs are not cached"}),
      option<kGroup, &G::mget>({.path = "cache.mget",
                                .flag = "mget",
                                .doc = "MGET from the cache: `snapshot`, only if all values are of one moment; "
                                       "`per_key`, key by key; `off`, not at all"}),
      option<kGroup, &G::result_commands>(
          {.path = "cache.result_commands",
           .flag = "result-commands",
           .doc = "Whether replies of commands on hashes, lists, sets and sorted sets are cached"}),
      option<kGroup, &G::hash_commands>(
          {.path = "cache.hash_commands",
           .flag = "hash-commands",
           .doc = "Whether those of commands on hashes are among them; `auto`: not with a server that can expire "
                  "single hash fields"}),
  };
}

std::vector<Descriptor> coherence() {
  return {
      option<kGroup, &G::consistency>(
          {.path = "cache.consistency",
           .flag = "consistency",
           .doc = "`tracking`: Redis says when a value changes; a server that cannot track is served with `ttl`; "
                  "`ttl`: a value may be stale until its TTL"}),
      option<kGroup, &G::fence_interval>(
          {.path = "cache.fence_interval_ms",
           .flag = "fence-interval",
           .unit = Unit::kMilliseconds,
           .min = 1,
           .max = kHourMs,
           .doc = "How often Redis is asked whether all its invalidations have arrived"}),
      option<kGroup, &G::max_staleness>({.path = "cache.max_staleness_ms",
                                         .flag = "max-staleness",
                                         .unit = Unit::kMilliseconds,
                                         .min = 1,
                                         .max = kHourMs,
                                         .doc = "Longest time that a value may be served without such an answer; at "
                                                "least twice `cache.fence_interval_ms`"}),
      option<kGroup, &G::hot_write_bypass>({.path = "cache.hot_write_bypass_ms",
                                            .flag = "hot-write-bypass",
                                            .unit = Unit::kMilliseconds,
                                            .max = kHourMs,
                                            .doc = "How long a key that is written faster than it can be fetched is "
                                                   "left out of the cache; 0 is not at all"}),
  };
}

std::vector<Descriptor> lifetimes() {
  const auto lifetime = [](std::string_view path, std::string_view flag, std::string_view doc) {
    return Descriptor{.path = path, .flag = flag, .unit = Unit::kMilliseconds, .max = kYearMs, .doc = doc};
  };
  return {
      option<kGroup, &G::ttl>({.path = "cache.ttl_ms",
                               .flag = "cache-ttl",
                               .old_name = "cache_ttl",
                               .unit = Unit::kMilliseconds,
                               .min = 1,
                               .max = kYearMs,
                               .doc = "Longest time for which a value is served from the cache"}),
      option<kGroup, &G::ttl_jitter_percent>(
          {.path = "cache.ttl_jitter_percent",
           .flag = "cache-ttl-jitter",
           .max = 50,
           .doc = "`cache.ttl_ms` is shortened at random by up to so much of it, so that values fetched together do "
                  "not end together"}),
      option<kGroup, &G::negative_ttl>(
          lifetime("cache.negative_ttl_ms", "negative-ttl",
                   "Longest time for which a missing key is remembered as missing; 0 is not at all (with consistency "
                   "`ttl`: not at all unless set)")),
      option<kGroup, &G::min_ttl>(
          lifetime("cache.min_ttl_ms", "min-ttl", "A key that Redis expires sooner than this is not cached")),
      option<kGroup, &G::stale_while_revalidate>(
          lifetime("cache.stale_while_revalidate_ms", "stale-while-revalidate",
                   "How long a value past `cache.ttl_ms` is still served while it is fetched anew; never one that was "
                   "invalidated or that Redis expired")),
      option<kGroup, &G::stale_if_error>(lifetime("cache.stale_if_error_ms", "stale-if-error",
                                                  "How long values are still served while Redis cannot be reached")),
  };
}

std::vector<Descriptor> fills() {
  return {
      option<kGroup, &G::coalesce_max_waiters>(
          {.path = "cache.coalesce_max_waiters",
           .flag = "coalesce-max-waiters",
           .min = 1,
           .max = 10'000'000,
           .doc = "Requests of each worker that may wait for one and the same fill; more are read "
                  "from Redis each for itself"}),
      option<kGroup, &G::fill_timeout>({.path = "cache.fill_timeout_ms",
                                        .flag = "fill-timeout",
                                        .unit = Unit::kMilliseconds,
                                        .min = 1,
                                        .max = kHourMs,
                                        .doc = "Time for a missing key to come from Redis"}),
  };
}

}  // namespace

std::vector<Descriptor> cache_options() {
  std::vector<Descriptor> all;
  for (const auto group : {storage, scope, coherence, lifetimes, fills}) {
    const std::vector<Descriptor> part = group();
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

}  // namespace anteroom::config
