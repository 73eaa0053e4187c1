#pragma once

#include <atomic>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.hpp"
#include "cache/cache.hpp"
#include "command/table.hpp"
#include "config/options.hpp"
#include "net/event_loop.hpp"
#include "net/mailbox.hpp"
#include "net/outage_log.hpp"
#include "net/resolver.hpp"
#include "net/signals.hpp"
#include "proxy/authentication.hpp"
#include "proxy/client_mesh.hpp"
#include "proxy/client_pause.hpp"
#include "proxy/fill_table.hpp"
#include "proxy/handler_registry.hpp"
#include "proxy/services.hpp"
#include "server/listeners.hpp"
#include "server/worker.hpp"
#include "server/worker_options.hpp"
#include "upstream/server_facts.hpp"

namespace anteroom::server {

/// The front-end as a process: listeners, signals, workers, and what the workers share. Lives on the main thread, which
/// accepts connections and deals them out in turn, so that every worker gets its share whatever the transport.
///
/// Stopping: SIGTERM or SIGINT closes the listeners and lets every client have what it has asked for; after
/// shutdown_timeout, or at the second signal, what is left is closed.
class Server final : private proxy::FillMesh, private proxy::ClientMesh, private proxy::InfoSource {
 public:
  /// Everything that can fail is done here, before a thread runs: one line that names the option and what is wrong.
  static std::expected<std::unique_ptr<Server>, std::string> create(const config::Options& options);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Serves until it is stopped by a signal.
  void run();

 private:
  Server(const config::Options& options, proxy::HandlerRegistry handlers, command::Table commands);
  void watch_signals();
  void reload();
  [[nodiscard]] std::expected<void, std::string> make_workers();
  [[nodiscard]] proxy::ClientPermit admit(proxy::ListenerAuth auth);
  void log_start() const;
  void give_memory_back();
  void on_arrival(Arrival arrival);
  void on_stop_signal(int signal, unsigned times);
  void finish();

  void post(cache::OwnerId worker, std::move_only_function<void(proxy::FillTable&)> task) override;
  void ask_all(unsigned asker, Question question, Answer answer) override;
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> options(std::string_view glob) const override;
  [[nodiscard]] std::string set_option(std::string_view name, std::string_view value) const override;
  [[nodiscard]] bool has_user(std::string_view name) const override {
    return name == "default" || (auth_.users && auth_.users->find(name) != nullptr);
  }
  [[nodiscard]] std::string anteroom_section() const override;
  [[nodiscard]] std::uint64_t rejected_by_allow_list() const;
  [[nodiscard]] std::string cache_section() const override;
  [[nodiscard]] std::string coherence_states() const override;

  const config::Options options_;
  mutable base::Mutex changes_mutex_;
  /// The options with what was changed while the program runs; what can be is in server_options.cpp.
  mutable config::Options changed_ ANTEROOM_GUARDED_BY(changes_mutex_);
  const command::Table commands_;
  const proxy::HandlerRegistry handlers_;
  const proxy::CachedReads cached_reads_;
  const unsigned worker_count_;
  const std::size_t maxclients_;
  const base::TimePoint started_;

  net::EventLoop loop_;
  net::Mailbox mailbox_{loop_};
  net::Resolver resolver_;
  net::OutageLog outage_log_;
  upstream::ServerFacts server_facts_;
  proxy::ClientPause pause_;
  access::FailureLimiter failures_;
  proxy::Authentication auth_;
  cache::Cache cache_;

  std::atomic<std::size_t> clients_{0};
  std::atomic<std::uint64_t> rejected_clients_{0};  // for want of a place
  std::atomic<std::uint64_t> last_client_id_{0};

  TlsContexts upstream_tls_;  // null: without TLS
  Listeners listeners_{loop_, [this](Arrival arrival) { on_arrival(std::move(arrival)); }};
  std::vector<std::unique_ptr<Worker>> workers_;
  std::size_t next_worker_ = 0;
  std::size_t drained_ = 0;
  net::Timer stop_timer_;
  net::Timer memory_timer_;
  std::unique_ptr<net::Signals> signals_;
};

}  // namespace anteroom::server
