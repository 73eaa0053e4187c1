#include "server/worker_options.hpp"

#include <utility>

#include "base/pin.hpp"
#include "server/lanes.hpp"
#include "server/listeners.hpp"
#include "server/renames.hpp"

namespace anteroom::server {
namespace {

const std::string& server_name(const config::UpstreamOptions& upstream) {
  return upstream.tls_server_name.empty() ? upstream.target.host : upstream.tls_server_name;
}

net::ConnectTarget connect_target(const config::UpstreamOptions& upstream, const TlsContexts& tls) {
  net::ConnectTarget target;
  if (upstream.target.kind == config::Upstream::Kind::kUnix) {
    target.unix_path = upstream.target.path;
  } else {
    target.host = upstream.target.host;
    target.port = upstream.target.port;
  }
  target.dns_timeout = upstream.dns_timeout;
  target.connect_timeout = upstream.connect_timeout;
  // A local socket answers at once or not at all; patience is for networks.
  target.connect_unix_timeout = std::min(upstream.connect_timeout, target.connect_unix_timeout);
  if (upstream.target.is_tls) {
    target.tls = {.contexts = tls, .server_name = server_name(upstream), .timeout = upstream.tls_timeout};
  }
  target.socket = net::SocketOptions::for_upstream(upstream.response_timeout);
  return target;
}

upstream::LinkOptions link_options(const config::UpstreamOptions& upstream, const TlsContexts& tls) {
  upstream::LinkOptions link;
  link.target = connect_target(upstream, tls);
  link.credentials = {upstream.target.user, upstream.target.password};
  link.db = upstream.target.db;
  const bool is_resp3 = upstream.protocol == config::LinkProtocol::kResp3;
  link.protocol = is_resp3 ? resp::Protocol::kResp3 : resp::Protocol::kResp2;
  link.handshake_timeout = upstream.handshake_timeout;
  link.response_timeout = upstream.response_timeout;
  link.reconnect_base = upstream.reconnect_base;
  link.reconnect_cap = upstream.reconnect_cap;
  link.queue_bytes_max = upstream.queue_bytes_max;
  link.queue_requests_max = upstream.queue_requests_max;
  return link;
}

backend::HiredisBackend::Options backend_options(const config::UpstreamOptions& upstream,
                                                 const config::CacheOptions& cache, const TlsContexts& tls) {
  backend::HiredisBackend::Options backend;
  backend.target = connect_target(upstream, tls);
  backend.user = upstream.target.user;
  backend.password = upstream.target.password;
  backend.tracking = cache.consistency == config::Consistency::kTracking;
  backend.bulk_bytes_max = cache.max_entry_bytes;
  backend.handshake_timeout = upstream.handshake_timeout;
  backend.response_timeout = upstream.response_timeout;
  backend.reconnect_base = upstream.reconnect_base;
  backend.reconnect_cap = upstream.reconnect_cap;
  backend.queue_max = upstream.queue_requests_max;
  return backend;
}

proxy::Coherence::Options coherence_options(const config::CacheOptions& cache, unsigned number) {
  return {.owner = cache::OwnerId{static_cast<std::uint8_t>(number)},
          .wants_tracking = cache.consistency == config::Consistency::kTracking,
          .fence_interval = cache.fence_interval,
          .max_staleness = cache.max_staleness,
          .serves_stale_on_error = cache.stale_if_error > base::Milliseconds::zero()};
}

cache::TtlPolicy ttl_policy(const config::CacheOptions& cache) {
  return {.ttl = cache.ttl,
          .negative_ttl = cache.negative_ttl,
          .min_ttl = cache.min_ttl,
          .jitter = cache.ttl_jitter_percent / 100.0};
}

std::optional<LaneOptions> lane_options(const config::Options& options, const TlsContexts& tls) {
  const config::UpstreamOptions& upstream = options.upstream;
  if (!upstream.target.is_quic) return std::nullopt;
  return LaneOptions{.host = upstream.target.host,
                     .port = upstream.target.port,
                     .contexts = tls,
                     .server_name = server_name(upstream),
                     .dns_timeout = upstream.dns_timeout,
                     .quic = quic_options(options.quic)};
}

}  // namespace

quic::Options quic_options(const config::QuicOptions& options) {
  quic::Options quic;
  static_assert(static_cast<int>(config::Congestion::kBbr) == static_cast<int>(quic::Congestion::kBbr) &&
                static_cast<int>(config::Congestion::kReno) == static_cast<int>(quic::Congestion::kReno));
  quic.congestion = static_cast<quic::Congestion>(options.congestion);
  quic.pacing = options.pacing;
  quic.stream_window = options.stream_window_bytes;
  quic.connection_window = options.connection_window_bytes;
  quic.unread_bytes_max = 4 * options.connection_window_bytes;
  quic.send_bytes_max = options.send_buffer_bytes;
  quic.streams_max = options.streams_max;
  quic.handshake_timeout = options.handshake_timeout;
  quic.idle_timeout = options.idle_timeout;
  quic.silence_timeout = options.silence_timeout;
  quic.keep_alive = options.keep_alive;
  quic.early_data = options.early_data;
  quic.datagram_bytes_max = options.datagram_bytes;
  quic.socket = {.segmentation = options.offload, .coalescing = options.offload, .batches = options.offload};
  return quic;
}

proxy::SessionLimits session_limits(const config::LimitOptions& limits) {
  proxy::SessionLimits session;
  session.parser.inline_bytes_max = limits.inline_bytes;
  session.parser.args_max = limits.args;
  session.parser.bulk_bytes_max = limits.bulk_bytes;
  session.parser.command_bytes_max = limits.query_buffer_bytes;
  session.query_buffer_bytes = limits.query_buffer_bytes;
  session.output_buffer_bytes = limits.output_buffer_bytes;
  session.pubsub_output_bytes = limits.pubsub_output_bytes;
  session.pubsub_output_soft_bytes = limits.pubsub_output_soft_bytes;
  session.pubsub_output_soft_time = limits.pubsub_output_soft_time;
  session.output_pause_bytes = limits.output_pause_bytes;
  session.pipeline_depth = limits.pipeline_depth;
  session.requests_per_turn = limits.requests_per_turn;
  return session;
}

std::expected<TlsContexts, std::string> upstream_tls(const config::Options& options) {
  const config::UpstreamOptions& upstream = options.upstream;
  if (!upstream.target.has_certificate()) return nullptr;
  if (upstream.target.is_quic && !Lanes::kHasQuic) {
    return std::unexpected(config::name_and_source(options, "upstream.url") + ": " + std::string(kNoQuic));
  }
  auto tls = net::TlsContextSource::create(
      {.role = net::TlsOptions::Role::kClient,
       .certificate_file = upstream.tls_cert,
       .key_file = upstream.tls_key,
       .ca_file = upstream.tls_ca,
       .verify = upstream.tls_verify && !upstream.target.is_insecure ? net::TlsOptions::Verify::kRequired
                                                                     : net::TlsOptions::Verify::kNone,
       .protocols = upstream.target.is_quic ? std::vector<std::string>{"redis"} : std::vector<std::string>{},
       .pinned_key = base::bytes_of_pin(upstream.target.pin).value_or(""),
       .for_quic = upstream.target.is_quic,
       .early_data = options.quic.early_data});
  if (tls) return std::move(*tls);
  const std::string option = tls_option("upstream", tls.error().part);
  return std::unexpected(config::name_and_source(options, option) + ": " + tls.error().text);
}

WorkerOptions worker_options(const config::Options& options, unsigned number, unsigned workers,
                             const TlsContexts& upstream_tls) {
  WorkerOptions worker;
  worker.number = cache::OwnerId{static_cast<std::uint8_t>(number)};
  worker.workers = workers;
  worker.link = link_options(options.upstream, upstream_tls);
  worker.pinned = {.links_max = options.upstream.pinned_links_max,
                   .waiters_max = options.upstream.queue_requests_max,
                   .wait_max = options.upstream.pinned_wait_max,
                   .idle_max = options.upstream.pinned_idle_max,
                   .age_max = options.upstream.pinned_age_max,
                   .idle_min = options.upstream.pinned_links_min};
  worker.backend = backend_options(options.upstream, options.cache, upstream_tls);
  worker.lanes = lane_options(options, upstream_tls);
  if (worker.lanes) worker.shared_links = options.quic.lanes;
  worker.quic_front.quic = quic_options(options.quic);
  worker.quic_front.worker = number;
  worker.quic_front.workers = workers;
  worker.coherence = coherence_options(options.cache, number);
  worker.ttl = ttl_policy(options.cache);
  worker.untracked_ttl = worker.ttl;
  // Without word from the server a missing key may have come to be: remembered as missing only where that is wanted.
  if (!options.sources.contains("cache.negative_ttl_ms")) worker.untracked_ttl.negative_ttl = {};
  worker.fill_timeout = options.cache.fill_timeout;
  worker.fill_waiters_max = options.cache.coalesce_max_waiters;
  worker.cache_period = options.cache.period;
  worker.idle_timeout = options.listen.idle_timeout;
  worker.preauth_timeout = options.auth.preauth_timeout;
  worker.limits = session_limits(options.limits);
  worker.renames = renames(options.commands);
  worker.denied_commands = options.commands.deny;
  worker.denied_as =
      options.commands.denied_as == config::DeniedAs::kHidden ? proxy::DeniedAs::kHidden : proxy::DeniedAs::kNoPerm;
  worker.access_log_every_n = options.log.every_n;
  return worker;
}

cache::Options cache_options(const config::Options& options, unsigned workers) {
  cache::Options cache;
  cache.capacity = options.cache.capacity;
  cache.capacity_bytes = options.cache.capacity_bytes;
  cache.max_entry_bytes = options.cache.max_entry_bytes;
  cache.workers = workers;
  cache.policy = options.cache.eviction == config::Eviction::kS3Fifo ? cache::Policy::kS3Fifo : cache::Policy::kLru;
  cache.stale_while_revalidate = options.cache.stale_while_revalidate;
  cache.stale_if_error = options.cache.stale_if_error;
  cache.hot_write_bypass = options.cache.hot_write_bypass;
  return cache;
}

proxy::CachedReads::Rules cached_read_rules(const config::CacheOptions& cache) {
  proxy::CachedReads::Rules rules{.include = base::GlobList(cache.include),
                                  .exclude = base::GlobList(cache.exclude),
                                  .results = cache.result_commands};
  switch (cache.hash_commands) {
    case config::HashCommands::kAuto:
      rules.hashes = proxy::HashCommands::kAuto;
      break;
    case config::HashCommands::kOn:
      rules.hashes = proxy::HashCommands::kOn;
      break;
    case config::HashCommands::kOff:
      rules.hashes = proxy::HashCommands::kOff;
      break;
  }
  switch (cache.mget) {
    case config::MgetMode::kSnapshot:
      rules.mget = proxy::MgetMode::kSnapshot;
      break;
    case config::MgetMode::kPerKey:
      rules.mget = proxy::MgetMode::kPerKey;
      break;
    case config::MgetMode::kOff:
      rules.mget = proxy::MgetMode::kOff;
      break;
  }
  return rules;
}

std::string_view consistency_name(const config::CacheOptions& cache) noexcept {
  return cache.consistency == config::Consistency::kTracking ? "tracking" : "ttl";
}

std::string_view eviction_name(const config::CacheOptions& cache) noexcept {
  return cache.eviction == config::Eviction::kS3Fifo ? "s3fifo" : "lru";
}

}  // namespace anteroom::server
