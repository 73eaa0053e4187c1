#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/read_buffer.hpp"
#include "resp/limits.hpp"

namespace anteroom::cache {
class Cache;
}
namespace anteroom::command {
class Table;
}
namespace anteroom::metrics {
struct WorkerMetrics;
}
namespace anteroom::net {
class EventLoop;
}
namespace anteroom::upstream {
class PinnedPool;
class ServerFacts;
}  // namespace anteroom::upstream

namespace anteroom::proxy {

class CachedReads;
class ClientMesh;
struct Authentication;
class Coherence;
class FillTable;
class Forwarder;
class HandlerRegistry;
class HookChain;
class MonitorFeed;
class PauseGate;
class SessionTable;
class SubscriptionHub;
class LoginQueue;
class UpstreamUsers;

/// What a session may use before it is stopped. UPSTREAM.md B1.1, ARCHITECTURE.md 6.
struct SessionLimits {
  resp::Limits parser;
  std::size_t query_buffer_bytes = 1u << 30;    ///< received and not yet run; more closes the client (Redis's default)
  std::size_t output_buffer_bytes = 1u << 30;   ///< replies not yet sent; more closes the client
  std::size_t output_pause_bytes = 1u << 20;    ///< above this the client is not read
  std::size_t pubsub_output_bytes = 32u << 20;  ///< the same of a subscriber or monitor
  std::size_t pubsub_output_soft_bytes = 8u << 20;  ///< the same, for longer than pubsub_output_soft_time
  base::Duration pubsub_output_soft_time = std::chrono::seconds(60);
  std::size_t pipeline_depth = 10000;   ///< replies owed to one client before it is not read
  std::size_t requests_per_turn = 256;  ///< then the other sessions have their turn
};

/// Text of INFO that spans all workers. Implemented by the server; thread-safe.
class InfoSource {
 public:
  /// The `# anteroom` section with its heading, CRLF line ends.
  [[nodiscard]] virtual std::string anteroom_section() const = 0;
  /// The `# cache` section, likewise.
  [[nodiscard]] virtual std::string cache_section() const = 0;
  /// One line per worker: how far its part of the cache may be trusted. LF line ends.
  [[nodiscard]] virtual std::string coherence_states() const = 0;
  /// Names and values of the options that the glob covers; secrets are masked.
  [[nodiscard]] virtual std::vector<std::pair<std::string, std::string>> options(std::string_view glob) const = 0;
  /// Changes an option while the program runs. Empty, or what is wrong; nothing has been changed then.
  [[nodiscard]] virtual std::string set_option(std::string_view name, std::string_view value) const = 0;
  /// A user of that name could be logged in here.
  [[nodiscard]] virtual bool has_user(std::string_view name) const = 0;

 protected:
  ~InfoSource() = default;
};

/// Everything a session works with. One per worker; all of it outlives the sessions.
struct Services {
  net::EventLoop& loop;
  SessionTable& sessions;
  const command::Table& commands;
  const HandlerRegistry& handlers;
  HookChain& hooks;
  cache::Cache* cache;  ///< null when caching is off
  const CachedReads& cached_reads;
  Coherence& coherence;
  FillTable& fills;
  Forwarder& forwarder;
  upstream::PinnedPool& pinned;
  SubscriptionHub& subscriptions;
  MonitorFeed& monitor;
  ClientMesh& clients;
  PauseGate& pause;
  const Authentication& auth;
  UpstreamUsers& upstream_users;
  LoginQueue& logins;
  metrics::WorkerMetrics& metrics;
  const InfoSource& info;
  const upstream::ServerFacts& server_facts;
  base::ReadBuffer& scratch;  ///< shared by the worker's sessions for reading: an idle session owns no buffer
  unsigned worker = 0;        ///< number of the one that they belong to
  int default_db = 0;         ///< of a new session, from the upstream URL
  SessionLimits limits;
};

}  // namespace anteroom::proxy
