#pragma once

#include <string_view>

#include "cache/cache.hpp"
#include "config/options.hpp"
#include "proxy/cached_reads.hpp"
#include "server/worker.hpp"

namespace anteroom::server {

/// What a worker needs of the configuration, in the types of those who use it.
[[nodiscard]] WorkerOptions worker_options(const config::Options& options, unsigned number, unsigned workers);
[[nodiscard]] cache::Options cache_options(const config::Options& options, unsigned workers);
/// As in the configuration file.
[[nodiscard]] std::string_view consistency_name(const config::CacheOptions& cache) noexcept;
[[nodiscard]] std::string_view eviction_name(const config::CacheOptions& cache) noexcept;
[[nodiscard]] proxy::CachedReads::Rules cached_read_rules(const config::CacheOptions& cache);

}  // namespace anteroom::server
