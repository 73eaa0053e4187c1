#include "server/worker.hpp"

#include <pthread.h>

#include <utility>

#include "base/random.hpp"
#include "proxy/session.hpp"

namespace anteroom::server {
namespace {

// Entries reclaimed per shard and period: bounds the time of a tick to well under a millisecond.
constexpr std::size_t kExpireBudget = 1000;
// A link to a db that nobody uses is worth keeping this long.
constexpr auto kLinkIdle = std::chrono::seconds(60);
constexpr base::Milliseconds kSecond{1000};
// How often a stopping worker looks whether its last session has gone.
constexpr base::Milliseconds kDrainPoll{10};

}  // namespace

Worker::Worker(const Shared& shared, WorkerOptions options)
    : shared_(shared),
      options_(std::move(options)),
      services_{.loop = loop_,
                .sessions = sessions_,
                .commands = shared.commands,
                .handlers = shared.handlers,
                .hooks = hooks_,
                .cache = shared.cache_enabled ? &shared.cache : nullptr,
                .cached_reads = shared.cached_reads,
                .coherence = coherence_,
                .fills = fills_,
                .forwarder = forwarder_,
                .pinned = pinned_,
                .subscriptions = subscriptions_,
                .monitor = monitor_,
                .clients = shared.clients,
                .pause = pause_,
                .auth = shared.auth,
                .upstream_users = upstream_users_,
                .logins = logins_,
                .metrics = metrics_,
                .info = shared.info,
                .server_facts = shared.server_facts,
                .scratch = scratch_,
                .worker = static_cast<unsigned>(options_.number),
                .default_db = options_.link.db,
                .limits = options_.limits},
      quic_front_(loop_, options_.quic_front, metrics_.quic_clients,
                  [this](std::unique_ptr<net::ByteStream> stream, proxy::ListenerAuth auth) {
                    on_quic_client(std::move(stream), auth);
                  }),
      lanes_(loop_, shared.resolver, mailbox_, options_.lanes, metrics_.quic_upstream),
      forwarder_(sessions_, shared.cache_enabled ? &shared.cache : nullptr),
      pool_({loop_, shared.resolver, mailbox_, shared.outage_log, shared.server_facts, metrics_, forwarder_},
            over_lanes(options_.link), base::random_seed(), options_.shared_links),
      pinned_({loop_, shared.resolver, mailbox_, shared.outage_log, shared.server_facts, metrics_, forwarder_},
              over_lanes(options_.link), options_.pinned, base::random_seed()),
      subscriptions_(sessions_,
                     {loop_, shared.resolver, mailbox_, shared.outage_log, shared.server_facts, metrics_, forwarder_},
                     over_lanes(options_.link), base::random_seed()),
      monitor_(sessions_,
               {loop_, shared.resolver, mailbox_, shared.outage_log, shared.server_facts, metrics_, forwarder_},
               over_lanes(options_.link), base::random_seed()),
      pause_(loop_, sessions_, shared.pause),
      upstream_users_(shared.commands),
      logins_(sessions_),
      upstream_commands_(shared.commands),
      coherence_(loop_, shared.cache, metrics_, options_.coherence),
      fills_({loop_, sessions_, shared.cache, coherence_, shared.mesh, forwarder_, metrics_},
             {options_.workers > 1, options_.ttl, options_.untracked_ttl, options_.fill_timeout,
              options_.fill_waiters_max}),
      backend_({loop_, shared.resolver, mailbox_, shared.outage_log, metrics_, fills_, coherence_},
               over_lanes(options_.backend), base::random_seed()),
      cache_timer_(loop_, [this] { expire_entries(); }),
      second_timer_(loop_, [this] { every_second(); }) {
  forwarder_.set_pool(pool_);
  forwarder_.set_on_link_up([this] { pinned_.on_link_up(); });
  forwarder_.set_upstream_commands(upstream_commands_);
  upstream_users_.set_on_change(
      [this] { sessions_.for_each([](proxy::Session& session) { session.review_rights(); }); });
  fills_.set_backend(backend_);
  coherence_.set_backend(backend_);
  coherence_.set_on_suspect([this] { fills_.leave_connection(); });
  if (!options_.renames.empty()) hooks_.add(proxy::make_rename_hook(shared.commands, options_.renames));
  if (!options_.denied_commands.empty()) {
    hooks_.add(proxy::make_deny_hook(shared.commands, options_.denied_commands, options_.denied_as));
  }
  if (options_.access_log_every_n > 0) hooks_.add(proxy::make_access_log_hook(options_.access_log_every_n));
}

Worker::~Worker() { join(); }

void Worker::start() {
  thread_ = std::thread([this] { run(); });
}

void Worker::join() {
  if (thread_.joinable()) thread_.join();
}

void Worker::run() {
  pthread_setname_np(pthread_self(), ("worker-" + std::to_string(static_cast<int>(options_.number))).c_str());
  // The first link and the fill connection are made now, so that an upstream that is down shows at start.
  static_cast<void>(pool_.shared(pool_.main_lane()));
  if (shared_.cache_enabled) {
    backend_.start();
    cache_timer_.start(options_.cache_period);
  }
  second_timer_.start(kSecond);
  loop_.run();
}

void Worker::adopt(base::UniqueFd fd, net::EntryRules rules, proxy::ClientPermit permit) {
  mailbox_.post([this, fd = std::move(fd), rules = std::move(rules), permit = std::move(permit)]() mutable {
    reception_.receive(std::move(fd), rules,
                       [this, permit = std::move(permit)](std::unique_ptr<net::ByteStream> stream) mutable {
                         start_session(std::move(stream), std::move(permit));
                       });
  });
}

void Worker::start_session(std::unique_ptr<net::ByteStream> stream, proxy::ClientPermit permit) {
  const proxy::SessionId id = sessions_.allocate();
  auto session = std::make_unique<proxy::Session>(id, std::move(permit), std::move(stream), services_);
  proxy::Session& started = *session;
  sessions_.put(id, std::move(session));
  started.start();
}

void Worker::on_quic_client(std::unique_ptr<net::ByteStream> stream, proxy::ListenerAuth auth) {
  proxy::ClientPermit permit = shared_.admit(auth);
  if (permit.is_valid()) {
    start_session(std::move(stream), std::move(permit));
    return;
  }
  const std::string_view refusal = proxy::kTooManyClients;
  const iovec answer{const_cast<char*>(refusal.data()), refusal.size()};
  static_cast<void>(stream->write({&answer, 1}));
  stream->close();
}

void Worker::post(std::move_only_function<void(proxy::FillTable&)> task) {
  mailbox_.post([this, task = std::move(task)]() mutable { task(fills_); });
}

void Worker::post(std::move_only_function<void(proxy::Services&)> task) {
  mailbox_.post([this, task = std::move(task)]() mutable { task(services_); });
}

void Worker::drain(net::EventLoop::Task on_drained) {
  mailbox_.post([this, on_drained = std::move(on_drained)]() mutable {
    on_drained_ = std::move(on_drained);
    reception_.close();  // who is not a client yet has asked for nothing
    quic_front_.drain();
    sessions_.for_each([](proxy::Session& session) { session.drain(); });
    second_timer_.start(kDrainPoll);
  });
}

void Worker::stop() {
  mailbox_.post([this] {
    reception_.close();
    sessions_.for_each([](proxy::Session& session) { session.close(); });
    pool_.close();
    pinned_.close();
    subscriptions_.close();
    monitor_.close();
    backend_.close();
    lanes_.close();
    quic_front_.close();
    loop_.stop();
  });
}

void Worker::expire_entries() {
  const auto first = static_cast<std::size_t>(options_.number);
  for (std::size_t shard = first; shard < shared_.cache.shard_count(); shard += options_.workers) {
    shared_.cache.expire(shard, loop_.now(), kExpireBudget);
  }
  cache_timer_.start(options_.cache_period);
}

void Worker::every_second() {
  lanes_.tick();
  quic_front_.tick();
  pool_.reap(loop_.now(), kLinkIdle);
  pinned_.reap(loop_.now());
  subscriptions_.tick(loop_.now());
  monitor_.tick();
  upstream_users_.tick(forwarder_);
  upstream_commands_.tick(forwarder_);
  metrics_.pinned_links.set(static_cast<std::int64_t>(pinned_.links()));
  std::size_t input_bytes = 0;
  std::size_t output_bytes = 0;
  sessions_.for_each([&](proxy::Session& session) {
    session.release_idle_memory();
    session.check_redirect();
    input_bytes += session.input_bytes();
    output_bytes += session.output_bytes();
  });
  metrics_.client_input_bytes.set(static_cast<std::int64_t>(input_bytes));
  metrics_.client_output_bytes.set(static_cast<std::int64_t>(output_bytes));
  metrics_.link_queue_bytes.set(static_cast<std::int64_t>(pool_.queued_bytes()));
  close_idle_sessions();
  check_drained();
  second_timer_.start(on_drained_ ? kDrainPoll : kSecond);
}

void Worker::close_idle_sessions() {
  const bool has_timeout = options_.idle_timeout > base::Milliseconds::zero();
  const bool has_login_limit = options_.preauth_timeout > base::Milliseconds::zero();
  sessions_.for_each([&](proxy::Session& session) {
    if (session.is_stuck()) {
      metrics_.clients_closed_output_stall.add();
    } else if (has_timeout && session.is_idle_for(options_.idle_timeout)) {
      metrics_.clients_closed_idle.add();
    } else if (has_login_limit && session.is_stranger_for(options_.preauth_timeout)) {
      metrics_.clients_closed_preauth.add();
    } else {
      return;
    }
    session.close();
  });
}

void Worker::check_drained() {
  // A session has gone once its last reply is in its stream; the client has it a round trip later at the earliest.
  if (on_drained_ && sessions_.size() == 0 && !quic_front_.has_unsent()) std::exchange(on_drained_, nullptr)();
}

}  // namespace anteroom::server
