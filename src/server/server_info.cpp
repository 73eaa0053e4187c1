// What INFO and ANTEROOM say of the whole process.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <string>

#include "base/version.hpp"
#include "metrics/worker_metrics.hpp"
#include "proxy/coherence.hpp"
#include "server/server.hpp"
#include "server/worker_options.hpp"

namespace anteroom::server {
namespace {

class Section {
 public:
  explicit Section(std::string_view heading) : text_("# " + std::string(heading) + "\r\n") {}

  void add(std::string_view name, std::string_view value) {
    text_.append(name).append(":").append(value).append("\r\n");
  }
  void add(std::string_view name, std::uint64_t value) { add(name, std::to_string(value)); }
  void add_signed(std::string_view name, std::int64_t value) { add(name, std::to_string(value)); }
  [[nodiscard]] const std::string& text() const noexcept { return text_; }

 private:
  std::string text_;
};

std::uint64_t microseconds_of(std::chrono::nanoseconds time) {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(time).count());
}

void add_contents(Section& section, const cache::Stats& stats) {
  section.add("cache_entries", stats.entries);
  section.add("cache_bytes", stats.bytes);
  section.add("cache_payload_bytes", stats.payload_bytes);
  section.add("cache_overhead_bytes", stats.bytes - std::min(stats.bytes, stats.payload_bytes));
  section.add("cache_index_bytes", stats.index_bytes);
  section.add("cache_fills_attached", stats.fills_attached);
}

void add_reads(Section& section, const cache::Stats& stats) {
  section.add("cache_hits", stats.hits);
  section.add("cache_nil_hits", stats.nil_hits);
  section.add("cache_stale_hits", stats.stale_hits);
  section.add("cache_misses", stats.misses);
  section.add("cache_snapshot_hits", stats.snapshot_hits);
  section.add("cache_snapshot_misses", stats.snapshot_misses);
  section.add("cache_bypass_not_coherent", stats.bypass_not_coherent);
  section.add("cache_bypass_lease", stats.bypass_lease);
  section.add("cache_bypass_hot_write", stats.bypass_hot_write);
  section.add("cache_bypass_large", stats.bypass_large);
  section.add("cache_bypass_name", stats.bypass_name);
  section.add("cache_bypass_many_fills", stats.bypass_many_fills);
}

void add_changes(Section& section, const cache::Stats& stats) {
  section.add("cache_fills_started", stats.fills_started);
  section.add("cache_fills_joined", stats.fills_joined);
  section.add("cache_fills_committed", stats.fills_committed);
  section.add("cache_fills_abandoned", stats.fills_abandoned);
  section.add("cache_fills_detached_push", stats.detached_push);
  section.add("cache_fills_detached_write", stats.detached_write);
  section.add("cache_fills_detached_epoch", stats.detached_epoch);
  section.add("cache_fills_detached_superseded", stats.detached_superseded);
  section.add("cache_fills_detached_request", stats.detached_request);
  section.add("cache_refused_size", stats.refused_size);
  section.add("cache_evicted_capacity", stats.evicted_capacity);
  section.add("cache_evicted_bytes", stats.evicted_bytes);
  section.add("cache_evicted_expired", stats.evicted_expired);
  section.add("cache_evicted_epoch", stats.evicted_epoch);
  section.add("cache_drops_push", stats.drops_push);
  section.add("cache_drops_push_spurious", stats.drops_push_spurious);
  section.add("cache_dropped", stats.dropped);
  section.add("cache_epoch_bumps", stats.epoch_bumps);
  section.add("cache_ghost_hits", stats.ghost_hits);
  section.add("cache_rehashes", stats.rehashes);
  section.add("cache_lock_waits", stats.lock_waits.count);
  section.add("cache_lock_wait_us_total", microseconds_of(stats.lock_waits.total));
  section.add("cache_lock_wait_us_max", microseconds_of(stats.lock_waits.longest));
}

using M = metrics::WorkerMetrics;

/// Of the connections to the gateway, or of those that clients come by.
void add_quic(Section& section, const std::string& prefix, const std::vector<std::unique_ptr<Worker>>& workers,
              metrics::QuicMetrics M::* which) {
  std::vector<const metrics::QuicMetrics*> all;
  all.reserve(workers.size());
  for (const auto& worker : workers) all.push_back(&(worker->metrics().*which));
  for (const auto& [name, value] : metrics::quic_figures(all)) section.add_signed(prefix + std::string(name), value);
}

/// How many workers are in each state, and how often one came into it.
void add_coherence(Section& section, const std::vector<std::unique_ptr<Worker>>& workers) {
  for (std::size_t i = 0; i < proxy::kCoherenceStates; ++i) {
    std::int64_t now = 0;
    std::uint64_t times = 0;
    for (const auto& worker : workers) {
      now += worker->metrics().coherence_state.value() == static_cast<std::int64_t>(i) ? 1 : 0;
      times += worker->metrics().coherence_transitions[i].value();
    }
    const std::string name(proxy::name_of(static_cast<proxy::CoherenceState>(i)));
    section.add_signed("coherence_workers_" + name, now);
    section.add("coherence_transitions_" + name, times);
  }
}

}  // namespace

std::uint64_t Server::rejected_by_allow_list() const {
  std::uint64_t sum = listeners_.refused();
  for (const auto& worker : workers_) sum += worker->metrics().quic_clients.connections_not_admitted.value();
  return sum;
}

std::string Server::anteroom_section() const {
  const auto uptime = std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - started_);
  Section section("anteroom");
  section.add("anteroom_version", base::kVersion);
  section.add("anteroom_process_id", static_cast<std::uint64_t>(getpid()));
  section.add("anteroom_uptime_in_seconds", static_cast<std::uint64_t>(uptime.count()));
  section.add("anteroom_tcp_port", options_.listen.port);
  section.add("anteroom_workers", worker_count_);
  section.add("anteroom_maxclients", maxclients_);
  section.add("rejected_connections", rejected_clients_.load());
  section.add("auth_failures", failures_.failures());
  section.add("rejected_by_allow_list", rejected_by_allow_list());
  section.add("upstream", config::display_url(options_.upstream.target));
  section.add("upstream_status", outage_log_.is_up() ? "up" : "down");
  section.add("upstream_version", server_facts_.version());
  if (options_.upstream.target.is_quic) add_quic(section, "quic_upstream_", workers_, &M::quic_upstream);
  if (!listeners_.quic_places().empty()) add_quic(section, "quic_clients_", workers_, &M::quic_clients);
  for (const metrics::InfoField& field : metrics::info_fields()) {
    std::int64_t sum = 0;
    for (const auto& worker : workers_) sum += field.value(worker->metrics());
    section.add_signed(field.name, sum);
  }
  return section.text();
}

std::string Server::cache_section() const {
  Section section("cache");
  section.add("cache_enabled", std::uint64_t{options_.cache.enabled ? 1u : 0u});
  section.add("cache_consistency", consistency_name(options_.cache));
  section.add("cache_eviction", eviction_name(options_.cache));
  section.add("cache_capacity", options_.cache.capacity);
  section.add("cache_capacity_bytes", options_.cache.capacity_bytes);
  if (options_.cache.enabled) add_coherence(section, workers_);
  const cache::Stats stats = cache_.stats();
  add_contents(section, stats);
  add_reads(section, stats);
  std::uint64_t left_out = 0;
  for (const auto& worker : workers_) left_out += worker->metrics().reads_left_out.value();
  section.add("cache_bypass_rules", left_out);
  add_changes(section, stats);
  return section.text();
}

std::string Server::coherence_states() const {
  const auto now = std::chrono::duration_cast<base::Milliseconds>(std::chrono::steady_clock::now().time_since_epoch());
  std::string text;
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    const metrics::WorkerMetrics& metrics = workers_[i]->metrics();
    const auto state = static_cast<proxy::CoherenceState>(metrics.coherence_state.value());
    text += "worker=" + std::to_string(i) + " state=";
    if (!options_.cache.enabled) {
      text += "off\n";
      continue;
    }
    text += proxy::name_of(state);
    text += " epoch=" + std::to_string(cache_.epoch(cache::OwnerId{static_cast<std::uint8_t>(i)}));
    if (state == proxy::CoherenceState::kCoherent || state == proxy::CoherenceState::kSuspect) {
      text += " lease_left_ms=" + std::to_string(metrics.lease_until_ms.value() - now.count());
      text += " fence_rtt_us=" + std::to_string(metrics.fence_rtt_us.value());
    }
    text += "\n";
  }
  return text;
}

}  // namespace anteroom::server
