// The `# anteroom` section of INFO.
#include <unistd.h>

#include <string>

#include "base/version.hpp"
#include "metrics/worker_metrics.hpp"
#include "server/server.hpp"

namespace anteroom::server {
namespace {

class Section {
 public:
  void add(std::string_view name, std::string_view value) {
    text_.append(name).append(":").append(value).append("\r\n");
  }
  void add(std::string_view name, std::uint64_t value) { add(name, std::to_string(value)); }
  void add_signed(std::string_view name, std::int64_t value) { add(name, std::to_string(value)); }
  [[nodiscard]] const std::string& text() const noexcept { return text_; }

 private:
  std::string text_ = "# anteroom\r\n";
};

void add_cache(Section& section, const cache::Stats& stats) {
  section.add("cache_hits", stats.hits);
  section.add("cache_nil_hits", stats.nil_hits);
  section.add("cache_misses", stats.misses);
  section.add("cache_entries", stats.entries);
  section.add("cache_bytes", stats.bytes);
  section.add("cache_fills_started", stats.fills_started);
  section.add("cache_fills_joined", stats.fills_joined);
  section.add("cache_fills_committed", stats.fills_committed);
  section.add("cache_fills_detached", stats.fills_detached);
  section.add("cache_refused_size", stats.refused_size);
  section.add("cache_evicted_capacity", stats.evicted_capacity);
  section.add("cache_evicted_expired", stats.evicted_expired);
  section.add("cache_evicted_epoch", stats.evicted_epoch);
  section.add("cache_dropped", stats.dropped);
  section.add("cache_rehashes", stats.rehashes);
}

}  // namespace

std::string Server::anteroom_section() const {
  const auto uptime = std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - started_);
  Section section;
  section.add("anteroom_version", base::kVersion);
  section.add("anteroom_process_id", static_cast<std::uint64_t>(getpid()));
  section.add("anteroom_uptime_in_seconds", static_cast<std::uint64_t>(uptime.count()));
  section.add("anteroom_tcp_port", options_.listen.port);
  section.add("anteroom_workers", worker_count_);
  section.add("anteroom_maxclients", maxclients_);
  section.add("rejected_connections", rejected_clients_.value());
  section.add("upstream", config::display_url(options_.upstream.target));
  section.add("upstream_status", outage_log_.is_up() ? "up" : "down");
  section.add("upstream_version", server_facts_.version());
  section.add("cache_enabled", std::uint64_t{options_.cache.enabled ? 1u : 0u});
  section.add("cache_consistency", "ttl");
  section.add("cache_eviction", "lru");
  section.add("cache_capacity", options_.cache.capacity);
  section.add("cache_capacity_bytes", options_.cache.capacity_bytes);
  add_cache(section, cache_.stats());
  for (const metrics::InfoField& field : metrics::info_fields()) {
    std::int64_t sum = 0;
    for (const auto& worker : workers_) sum += field.value(worker->metrics());
    section.add_signed(field.name, sum);
  }
  return section.text();
}

}  // namespace anteroom::server
