#pragma once

#include <atomic>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "backend/hiredis_backend.hpp"
#include "base/read_buffer.hpp"
#include "base/unique_fd.hpp"
#include "cache/cache.hpp"
#include "metrics/worker_metrics.hpp"
#include "net/event_loop.hpp"
#include "net/mailbox.hpp"
#include "net/reception.hpp"
#include "proxy/authentication.hpp"
#include "proxy/cached_reads.hpp"
#include "proxy/client_mesh.hpp"
#include "proxy/client_pause.hpp"
#include "proxy/client_permit.hpp"
#include "proxy/coherence.hpp"
#include "proxy/fill_table.hpp"
#include "proxy/forwarder.hpp"
#include "proxy/hooks.hpp"
#include "proxy/login_queue.hpp"
#include "proxy/monitor_feed.hpp"
#include "proxy/services.hpp"
#include "proxy/session_table.hpp"
#include "proxy/subscription_hub.hpp"
#include "proxy/upstream_commands.hpp"
#include "server/lanes.hpp"
#include "server/quic_front.hpp"
#include "upstream/pinned_pool.hpp"
#include "upstream/pool.hpp"

namespace anteroom::server {

/// What one worker is made with. Copied; the times are those of the configuration.
struct WorkerOptions {
  cache::OwnerId number{};
  unsigned workers = 1;
  upstream::LinkOptions link;
  std::optional<LaneOptions> lanes;  ///< none: every link is a connection
  unsigned shared_links = 1;         ///< that are alike
  QuicFrontOptions quic_front;
  upstream::PinnedPool::Options pinned;
  backend::HiredisBackend::Options backend;
  proxy::Coherence::Options coherence;
  cache::TtlPolicy ttl;            ///< while the server announces changes
  cache::TtlPolicy untracked_ttl;  ///< while it does not
  base::Milliseconds fill_timeout{3000};
  std::size_t fill_waiters_max = 65536;
  base::Milliseconds cache_period{100};
  base::Milliseconds idle_timeout{0};     ///< 0 = never
  base::Milliseconds preauth_timeout{0};  ///< 0 = never
  proxy::SessionLimits limits;
  std::vector<proxy::Rename> renames;
  std::vector<std::string> denied_commands;
  proxy::DeniedAs denied_as = proxy::DeniedAs::kNoPerm;
  std::uint64_t access_log_every_n = 0;  ///< 0 = off
};

/// What the workers share. All of it is thread-safe or immutable and outlives them.
struct Shared {
  cache::Cache& cache;
  bool cache_enabled;
  const command::Table& commands;
  const proxy::HandlerRegistry& handlers;
  const proxy::CachedReads& cached_reads;
  const proxy::InfoSource& info;
  proxy::FillMesh& mesh;
  proxy::ClientMesh& clients;
  proxy::ClientPause& pause;
  const proxy::Authentication& auth;
  net::Resolver& resolver;
  net::OutageLog& outage_log;
  upstream::ServerFacts& server_facts;
  /// A place for a client that did not come in at the listeners of the main thread, if there is one. Any thread.
  std::function<proxy::ClientPermit(proxy::ListenerAuth)> admit;
};

/// One thread with one loop: its sessions, its links, its fill connection, its share of the cache's periodic work.
/// Made and joined on the main thread; everything inside runs on its own.
class Worker {
 public:
  Worker(const Shared& shared, WorkerOptions options);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  /// For clients who come by QUIC; before start(), of all workers in the order of their numbers. The error names the
  /// option.
  std::expected<void, std::string> listen() { return quic_front_.listen(); }
  /// Before start(), of the last one.
  std::expected<void, std::string> share_ports() { return quic_front_.share_ports(); }
  void start();

  // Any thread.
  /// Takes over an accepted, non-blocking connection; it becomes a session when it has done what `rules` ask of it.
  void adopt(base::UniqueFd fd, net::EntryRules rules, proxy::ClientPermit permit);
  void post(std::move_only_function<void(proxy::FillTable&)> task);
  void post(std::move_only_function<void(proxy::Services&)> task);
  /// Lets every session finish what it has asked for; calls `on_drained` on this thread when all are gone, and those
  /// who came by QUIC have their replies.
  void drain(net::EventLoop::Task on_drained);
  /// Ends the loop after closing what is left.
  void stop();
  void join();

  [[nodiscard]] const metrics::WorkerMetrics& metrics() const noexcept { return metrics_; }

 private:
  void run();
  void start_session(std::unique_ptr<net::ByteStream> stream, proxy::ClientPermit permit);
  void on_quic_client(std::unique_ptr<net::ByteStream> stream, proxy::ListenerAuth auth);
  void expire_entries();
  /// With the streams of a gateway in the place of connections, if that is the upstream.
  template <class WithTarget>
  [[nodiscard]] WithTarget over_lanes(WithTarget options) const {
    options.target.lanes = lanes_.source();
    return options;
  }
  void every_second();
  void close_idle_sessions();
  void check_drained();

  const Shared shared_;
  const WorkerOptions options_;

  metrics::WorkerMetrics metrics_;
  net::EventLoop loop_;
  net::Mailbox mailbox_{loop_};
  net::Reception reception_{loop_, metrics_};
  base::ReadBuffer scratch_;
  proxy::HookChain hooks_{shared_.commands};
  proxy::Services services_;  // before the sessions, which use it to the end
  QuicFront quic_front_;      // before the sessions, whose streams may be its own
  proxy::SessionTable sessions_{loop_};
  Lanes lanes_;  // before those that have links
  proxy::Forwarder forwarder_;
  upstream::Pool pool_;
  upstream::PinnedPool pinned_;
  proxy::SubscriptionHub subscriptions_;
  proxy::MonitorFeed monitor_;
  proxy::PauseGate pause_;
  proxy::UpstreamUsers upstream_users_;
  proxy::LoginQueue logins_;
  proxy::UpstreamCommands upstream_commands_;
  proxy::Coherence coherence_;
  proxy::FillTable fills_;
  backend::HiredisBackend backend_;
  net::Timer cache_timer_;
  net::Timer second_timer_;
  net::EventLoop::Task on_drained_;
  std::thread thread_;
};

}  // namespace anteroom::server
