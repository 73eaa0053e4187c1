#pragma once

#include <expected>
#include <memory>
#include <string>
#include <string_view>

#include "cache/cache.hpp"
#include "config/options.hpp"
#include "net/tls_context.hpp"
#include "proxy/cached_reads.hpp"
#include "server/worker.hpp"

namespace anteroom::server {

using TlsContexts = std::shared_ptr<net::TlsContextSource>;

/// By what the upstream is spoken to; null if it is without TLS. The error names the option that is at fault.
[[nodiscard]] std::expected<TlsContexts, std::string> upstream_tls(const config::Options& options);
/// What a worker needs of the configuration, in the types of those who use it.
[[nodiscard]] WorkerOptions worker_options(const config::Options& options, unsigned number, unsigned workers,
                                           const TlsContexts& upstream_tls = nullptr);
/// For links and for the gateway.
[[nodiscard]] quic::Options quic_options(const config::QuicOptions& options);
[[nodiscard]] cache::Options cache_options(const config::Options& options, unsigned workers);
/// As in the configuration file.
[[nodiscard]] std::string_view consistency_name(const config::CacheOptions& cache) noexcept;
[[nodiscard]] std::string_view eviction_name(const config::CacheOptions& cache) noexcept;
[[nodiscard]] proxy::CachedReads::Rules cached_read_rules(const config::CacheOptions& cache);

[[nodiscard]] proxy::SessionLimits session_limits(const config::LimitOptions& limits);

}  // namespace anteroom::server
