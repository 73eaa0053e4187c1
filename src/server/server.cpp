#include "server/server.hpp"

#include <malloc.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "base/hash.hpp"
#include "base/log.hpp"
#include "base/version.hpp"
#include "net/socket_stream.hpp"
#include "server/fd_limit.hpp"
#include "server/renames.hpp"
#include "server/users.hpp"
#include "server/worker_options.hpp"

namespace anteroom::server {
namespace {

// How often, and from how much on, free memory is looked for that could be given back to the system.
constexpr base::Milliseconds kMemoryPeriod{5000};
constexpr std::size_t kSlackBytesMax = 64u << 20;

unsigned count_workers(const config::Options& options) {
  const unsigned wanted = options.workers != 0 ? options.workers : std::max(1u, std::thread::hardware_concurrency());
  return std::min<unsigned>(wanted, cache::kOwnersMax);
}

proxy::Authentication authentication(const config::AuthOptions& auth, access::FailureLimiter& failures) {
  proxy::Authentication out;
  out.failures = &failures;
  out.preauth_args_max = auth.preauth_args_max;
  out.preauth_bulk_bytes_max = auth.preauth_bulk_bytes;
  switch (auth.mode) {
    case config::AuthMode::kNone:
      out.mode = proxy::ListenerAuth::kNone;
      break;
    case config::AuthMode::kProxy:
      out.mode = proxy::ListenerAuth::kProxy;
      break;
    case config::AuthMode::kPassthrough:
      out.mode = proxy::ListenerAuth::kPassthrough;
      break;
  }
  return out;
}

}  // namespace

std::expected<std::unique_ptr<Server>, std::string> Server::create(const config::Options& options) {
  auto commands = command::Table::build();
  if (!commands) return std::unexpected(commands.error());
  auto handlers = proxy::HandlerRegistry::build(*commands, proxy::built_in_handlers());
  if (!handlers) return std::unexpected(handlers.error());
  if (auto checked = check_renames(options, *commands); !checked) return std::unexpected(std::move(checked.error()));
  std::unique_ptr<Server> server(new Server(options, std::move(*handlers), std::move(*commands)));
  auto users = make_users(options.auth, server->commands_);
  if (!users) return std::unexpected(std::move(users.error()));
  server->auth_.users = std::move(*users);
  // Before anybody can connect: whoever gets an answer may also count on a graceful stop.
  server->watch_signals();
  auto tls = upstream_tls(options);
  if (!tls) return std::unexpected(std::move(tls.error()));
  server->upstream_tls_ = std::move(*tls);
  if (auto listening = server->listeners_.open(server->options_); !listening) {
    return std::unexpected(std::move(listening.error()));
  }
  if (auto made = server->make_workers(); !made) return std::unexpected(std::move(made.error()));
  return server;
}

Server::Server(const config::Options& options, proxy::HandlerRegistry handlers, command::Table commands)
    : options_(options),
      changed_(options),
      commands_(std::move(commands)),
      handlers_(std::move(handlers)),
      cached_reads_(commands_, cached_read_rules(options.cache)),
      worker_count_(count_workers(options)),
      maxclients_(fit_clients_into_fd_limit(options.listen.maxclients, worker_count_)),
      started_(std::chrono::steady_clock::now()),
      outage_log_(config::display_url(options.upstream.target)),
      failures_({.failures_max = options.auth.failures_max, .window = options.auth.failure_window}),
      auth_(authentication(options.auth, failures_)),
      cache_(cache_options(options, worker_count_), base::HashSeed::random()),
      stop_timer_(loop_, [this] { finish(); }),
      memory_timer_(loop_, [this] { give_memory_back(); }) {}

Server::~Server() = default;

std::expected<void, std::string> Server::make_workers() {
  const Shared shared{.cache = cache_,
                      .cache_enabled = options_.cache.enabled,
                      .commands = commands_,
                      .handlers = handlers_,
                      .cached_reads = cached_reads_,
                      .info = *this,
                      .mesh = *this,
                      .clients = *this,
                      .pause = pause_,
                      .auth = auth_,
                      .resolver = resolver_,
                      .outage_log = outage_log_,
                      .server_facts = server_facts_,
                      .admit = [this](proxy::ListenerAuth auth) { return admit(auth); }};
  for (unsigned i = 0; i < worker_count_; ++i) {
    WorkerOptions own = worker_options(options_, i, worker_count_, upstream_tls_);
    own.quic_front.places = listeners_.quic_places();
    own.quic_front.connections_max = maxclients_;
    own.quic_front.connections_per_address_max = options_.gateway.connections_per_address_max;
    workers_.push_back(std::make_unique<Worker>(shared, std::move(own)));
    if (auto listening = workers_.back()->listen(); !listening) return listening;
  }
  return workers_.back()->share_ports();
}

// Any thread.
proxy::ClientPermit Server::admit(proxy::ListenerAuth auth) {
  proxy::ClientPermit permit(clients_, maxclients_, ++last_client_id_, auth);
  if (!permit.is_valid()) ++rejected_clients_;
  return permit;
}

void Server::watch_signals() {
  net::Signals::Handlers handlers;
  handlers.on_stop = [this](int signal, unsigned times) { on_stop_signal(signal, times); };
  handlers.on_hangup = [this] { reload(); };
  signals_ = std::make_unique<net::Signals>(loop_, std::move(handlers));
}

/// What files say may have changed: the log may have been moved away, and certificates expire.
void Server::reload() {
  if (auto reopened = log::reopen()) {
    log::info("log reopened");
  } else {
    log::error("log not reopened", {{"reason", reopened.error()}});
  }
  listeners_.reload();
  if (!upstream_tls_) return;
  if (auto reloaded = upstream_tls_->reload(); !reloaded) {
    log::error("certificate not reloaded",
               {{"option", tls_option("upstream", reloaded.error().part)}, {"reason", reloaded.error().text}});
  } else {
    log::info("certificate reloaded", {{"option", "upstream.tls_cert"}});
  }
}

void Server::run() {
  log_start();
  warn_of_unknown_names(options_.commands, commands_);
  memory_timer_.start(kMemoryPeriod);
  for (const auto& worker : workers_) worker->start();
  loop_.run();
  for (const auto& worker : workers_) worker->join();
  log::info("stopped");
}

void Server::give_memory_back() {
  // A burst leaves free chunks all over the heap, which malloc keeps for ever by itself.
  const struct mallinfo2 heap = mallinfo2();
  if (heap.fordblks > kSlackBytesMax && heap.fordblks > heap.uordblks / 2) malloc_trim(0);
  memory_timer_.start(kMemoryPeriod);
}

void Server::log_start() const {
  log::info("started", {{"version", base::kVersion},
                        {"listen", listeners_.addresses()},
                        {"port", options_.listen.port},
                        {"upstream", config::display_url(options_.upstream.target)},
                        {"workers", worker_count_},
                        {"maxclients", maxclients_},
                        {"cache", options_.cache.enabled},
                        {"capacity", options_.cache.capacity},
                        {"capacity_bytes", options_.cache.capacity_bytes},
                        {"ttl_ms", options_.cache.ttl.count()},
                        {"consistency", consistency_name(options_.cache)},
                        {"eviction", eviction_name(options_.cache)},
                        {"pid", static_cast<std::int64_t>(getpid())}});
  if (options_.upstream.target.is_insecure) {
    log::warn("insecure=1: whoever answers in the gateway's place is believed",
              {{"upstream", config::display_url(options_.upstream.target)}});
  }
  if (maxclients_ < options_.listen.maxclients) {
    log::warn("maxclients lowered to fit the limit of open files",
              {{"wanted", options_.listen.maxclients}, {"maxclients", maxclients_}});
  }
}

void Server::on_arrival(Arrival arrival) {
  base::UniqueFd fd = std::move(arrival.fd);
  proxy::ClientPermit permit = admit(arrival.auth);
  if (!permit.is_valid()) {
    // A new socket's buffer is empty: this fits or the client is gone. To TLS it would be noise.
    if (!arrival.rules.tls) {
      static_cast<void>(::send(fd.value(), proxy::kTooManyClients.data(), proxy::kTooManyClients.size(),
                               MSG_NOSIGNAL | MSG_DONTWAIT));
    }
    return;
  }
  if (arrival.is_tcp) net::apply(net::SocketOptions::for_client(options_.listen.tcp_keepalive), fd.value());
  workers_[next_worker_]->adopt(std::move(fd), std::move(arrival.rules), std::move(permit));
  next_worker_ = (next_worker_ + 1) % workers_.size();
}

void Server::on_stop_signal(int signal, unsigned times) {
  if (times > 1) {
    finish();
    return;
  }
  log::info("stopping", {{"signal", signal}, {"clients", clients_.load()}});
  listeners_.close();
  stop_timer_.start(options_.shutdown_timeout);
  for (const auto& worker : workers_) {
    worker->drain([this] {
      mailbox_.post([this] {
        if (++drained_ == workers_.size()) finish();
      });
    });
  }
}

void Server::finish() {
  stop_timer_.cancel();
  for (const auto& worker : workers_) worker->stop();
  loop_.stop();
}

// The parts are put together on the thread that asked, so nothing of it is shared.
void Server::ask_all(unsigned asker, Question question, Answer answer) {
  struct Gathering {
    Part whole;
    std::size_t missing;
    Answer answer;
  };
  const auto gathering = std::make_shared<Gathering>(Part{}, workers_.size(), std::move(answer));
  for (const auto& worker : workers_) {
    worker->post([this, asker, question, gathering](proxy::Services& services) {
      workers_[asker]->post([gathering, part = question(services)](proxy::Services&) mutable {
        gathering->whole.count += part.count;
        std::ranges::move(part.lines, std::back_inserter(gathering->whole.lines));
        if (--gathering->missing > 0) return;
        std::ranges::sort(gathering->whole.lines);
        std::exchange(gathering->answer, nullptr)(std::move(gathering->whole));
      });
    });
  }
}

void Server::post(cache::OwnerId worker, std::move_only_function<void(proxy::FillTable&)> task) {
  workers_[static_cast<std::size_t>(worker)]->post(std::move(task));
}

}  // namespace anteroom::server
