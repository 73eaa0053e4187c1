#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <initializer_list>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/log.hpp"
#include "cache/cache.hpp"
#include "command/table.hpp"
#include "metrics/worker_metrics.hpp"
#include "net/mailbox.hpp"
#include "net/outage_log.hpp"
#include "net/resolver.hpp"
#include "proxy/authentication.hpp"
#include "proxy/cached_reads.hpp"
#include "proxy/client_mesh.hpp"
#include "proxy/client_pause.hpp"
#include "proxy/coherence.hpp"
#include "proxy/fill_table.hpp"
#include "proxy/forwarder.hpp"
#include "proxy/handler_registry.hpp"
#include "proxy/hooks.hpp"
#include "proxy/login_queue.hpp"
#include "proxy/monitor_feed.hpp"
#include "proxy/services.hpp"
#include "proxy/session.hpp"
#include "proxy/session_table.hpp"
#include "proxy/subscription_hub.hpp"
#include "support/fake_backend.hpp"
#include "support/fake_stream.hpp"
#include "support/loop_fixture.hpp"
#include "support/scripted_server.hpp"
#include "upstream/pool.hpp"
#include "upstream/server_facts.hpp"

namespace anteroom::test {

/// A command as a client sends it; words are split at spaces.
inline std::string resp_command(std::string_view words) {
  std::vector<std::string> args{""};
  for (const char c : words) {
    if (c == ' ') {
      args.emplace_back();
    } else {
      args.back().push_back(c);
    }
  }
  std::string encoded = "*" + std::to_string(args.size()) + "\r\n";
  for (const std::string& arg : args) encoded += "$" + std::to_string(arg.size()) + "\r\n" + arg + "\r\n";
  return encoded;
}

inline std::string bulk(std::string_view text) {
  return "$" + std::to_string(text.size()) + "\r\n" + std::string(text) + "\r\n";
}

/// An array of strings, or with another mark a push.
inline std::string array_of(std::initializer_list<std::string_view> texts, char mark = '*') {
  std::string encoded = mark + std::to_string(texts.size()) + "\r\n";
  for (const std::string_view text : texts) encoded += bulk(text);
  return encoded;
}

/// What a server that speaks RESP3 answers to a link's first flight; for ScriptedServer::set_handshake().
inline std::optional<std::string> resp3_handshake(const std::string& request) {
  if (!request.starts_with("HELLO ")) return "+OK\r\n";
  const std::string fields = bulk("version") + bulk("7.0.15") + bulk("id") + ":7\r\n";
  return (request == "HELLO 3" ? "%2\r\n" : "*4\r\n") + fields;
}

inline testing::AssertionResult contains_all(std::string_view text, std::initializer_list<std::string_view> parts) {
  for (const std::string_view part : parts) {
    if (text.find(part) == std::string_view::npos) {
      return testing::AssertionFailure() << '"' << text << "\" does not contain \"" << part << '"';
    }
  }
  return testing::AssertionSuccess();
}

/// What a ProxyRig is made with; a test changes it before the rig is first used.
struct ProxyRigOptions {
  proxy::SessionLimits limits{};
  upstream::LinkOptions link{};
  upstream::PinnedPool::Options pinned{};
  bool cache_enabled = true;
  cache::TtlPolicy ttl{std::chrono::minutes(5), {}, {}, 0};
  bool has_other_workers = false;
  proxy::Coherence::Options coherence{.wants_tracking = false};
  proxy::CachedReads::Rules cached_reads{};
  base::Milliseconds fill_timeout{0};
  std::size_t waiters_max = 65536;
};

/// What the rigs of one test share.
struct SharedParts {
  /// Before a rig is made.
  void use_cache(const cache::Options& options) {
    cache = std::make_unique<cache::Cache>(options, base::HashSeed::fixed(1));
  }

  std::unique_ptr<cache::Cache> cache =
      std::make_unique<cache::Cache>(cache::Options{.capacity = 100}, base::HashSeed::fixed(1));
  FakeMesh mesh;
};

/// One worker's parts, all real but for the clients' streams, the source of missed keys and the server.
class ProxyRig final : private proxy::InfoSource, private proxy::ClientMesh {
 public:
  ProxyRig(net::EventLoop& loop, ScriptedServer& server, SharedParts& shared, ProxyRigOptions options)
      : loop_(loop),
        mailbox(loop),
        cache(*shared.cache),
        commands(*command::Table::build()),
        handlers(*proxy::HandlerRegistry::build(commands, proxy::built_in_handlers())),
        sessions(loop),
        forwarder(sessions, options.cache_enabled ? &cache : nullptr),
        pool({loop, resolver, mailbox, outages, facts, metrics, forwarder}, link_options(server, options), 1),
        pinned({loop, resolver, mailbox, outages, facts, metrics, forwarder}, link_options(server, options),
               options.pinned, 1),
        subscriptions(sessions, {loop, resolver, mailbox, outages, facts, metrics, forwarder},
                      link_options(server, options), 1),
        monitor(sessions, {loop, resolver, mailbox, outages, facts, metrics, forwarder}, link_options(server, options),
                1),
        pause_gate(loop, sessions, pause),
        upstream_users(commands),
        logins(sessions),
        cached_reads(commands, options.cached_reads),
        coherence(loop, cache, metrics, options.coherence),
        fills({loop, sessions, cache, coherence, shared.mesh, forwarder, metrics},
              {options.has_other_workers, options.ttl, options.ttl, options.fill_timeout, options.waiters_max}),
        services{.loop = loop,
                 .sessions = sessions,
                 .commands = commands,
                 .handlers = handlers,
                 .hooks = hooks,
                 .cache = options.cache_enabled ? &cache : nullptr,
                 .cached_reads = cached_reads,
                 .coherence = coherence,
                 .fills = fills,
                 .forwarder = forwarder,
                 .pinned = pinned,
                 .subscriptions = subscriptions,
                 .monitor = monitor,
                 .clients = *this,
                 .pause = pause_gate,
                 .auth = auth,
                 .upstream_users = upstream_users,
                 .logins = logins,
                 .metrics = metrics,
                 .info = *this,
                 .server_facts = facts,
                 .scratch = scratch,
                 .default_db = options.link.db,
                 .limits = options.limits} {
    forwarder.set_pool(pool);
    fills.set_backend(backend);
    coherence.set_backend(backend);
    coherence.set_on_suspect([this] { fills.leave_connection(); });
    backend.set_events(fills);
    shared.mesh.add(fills);
  }
  ~ProxyRig() {
    sessions.for_each([](proxy::Session& session) { session.close(); });
    pool.close();
    pinned.close();
    subscriptions.close();
    monitor.close();
    loop_.next_turn([this] { loop_.stop(); });
    loop_.run();  // what was closed is destroyed while it can still use the rest
  }
  ProxyRig(const ProxyRig&) = delete;
  ProxyRig& operator=(const ProxyRig&) = delete;

  /// `asks` is how the client's listener wants it to prove who it is.
  proxy::SessionId open(FakePeer& peer, const std::string& address = "192.0.2.1:1234",
                        proxy::ListenerAuth asks = proxy::ListenerAuth::kInherit) {
    const proxy::SessionId id = sessions.allocate();
    auto session = std::make_unique<proxy::Session>(id, proxy::ClientPermit(clients, 1000, ++last_client_id, asks),
                                                    FakeStream::make(peer, address), services);
    proxy::Session& started = *session;
    sessions.put(id, std::move(session));
    started.start();
    return id;
  }

 private:
  net::EventLoop& loop_;

 public:
  net::Resolver resolver;
  net::Mailbox mailbox;
  net::OutageLog outages{"test"};
  upstream::ServerFacts facts;
  metrics::WorkerMetrics metrics;
  cache::Cache& cache;
  const command::Table commands;
  const proxy::HandlerRegistry handlers;
  base::ReadBuffer scratch;
  proxy::HookChain hooks{commands};
  std::atomic<std::size_t> clients{0};
  std::uint64_t last_client_id = 0;
  FakeBackend backend;
  proxy::SessionTable sessions;
  proxy::Forwarder forwarder;
  upstream::Pool pool;
  upstream::PinnedPool pinned;
  proxy::SubscriptionHub subscriptions;
  proxy::MonitorFeed monitor;
  proxy::ClientPause pause;
  proxy::PauseGate pause_gate;
  proxy::Authentication auth;
  proxy::UpstreamUsers upstream_users;
  proxy::LoginQueue logins;
  const proxy::CachedReads cached_reads;
  proxy::Coherence coherence;
  proxy::FillTable fills;
  proxy::Services services;

 private:
  static upstream::LinkOptions link_options(ScriptedServer& server, const ProxyRigOptions& options) {
    upstream::LinkOptions link = options.link;
    link.target = server.target();
    return link;
  }
  // As from another worker: later.
  void ask_all(unsigned, Question question, Answer answer) override {
    loop_.next_turn(
        [this, question = std::move(question), answer = std::move(answer)]() mutable { answer(question(services)); });
  }
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> options(std::string_view) const override {
    return {{"log.level", "info"}};
  }
  [[nodiscard]] std::string set_option(std::string_view, std::string_view) const override { return {}; }
  [[nodiscard]] bool has_user(std::string_view name) const override { return name == "default"; }
  [[nodiscard]] std::string anteroom_section() const override { return "# anteroom\r\nanswer:42\r\n"; }
  [[nodiscard]] std::string cache_section() const override { return "# cache\r\nhits:7\r\n"; }
  [[nodiscard]] std::string coherence_states() const override { return "worker=0 state=coherent\n"; }
};

/// A client of the rig: the far end of its session's stream.
struct Client {
  FakePeer peer;
  proxy::SessionId id;
};

/// Tests over a ProxyRig with a ScriptedServer behind it. Set options_ before the first use of rig() or connect().
class ProxyTest : public LoopFixture {
 protected:
  void TearDown() override { shared_.cache->check_invariants(); }

  ProxyRig& rig() {
    if (!rig_) rig_ = std::make_unique<ProxyRig>(loop_, server_, shared_, options_);
    return *rig_;
  }
  /// Another worker.
  ProxyRig& second_rig() {
    if (!second_rig_) {
      ProxyRigOptions options = options_;
      options.coherence.owner = cache::OwnerId{1};
      second_rig_ = std::make_unique<ProxyRig>(loop_, server_, shared_, options);
    }
    return *second_rig_;
  }

  Client& connect() { return connect(rig()); }
  Client& connect(ProxyRig& worker) {
    Client& client = *clients_.emplace_back(std::make_unique<Client>());
    client.id = worker.open(client.peer);
    return client;
  }
  Client& connect_from(const std::string& address, proxy::ListenerAuth asks = proxy::ListenerAuth::kInherit) {
    Client& client = *clients_.emplace_back(std::make_unique<Client>());
    client.id = rig().open(client.peer, address, asks);
    return client;
  }
  /// A client that speaks RESP3.
  Client& connect_resp3() {
    Client& client = connect();
    ask(client, "HELLO 3");
    EXPECT_TRUE(client.peer.take_written().starts_with("%7\r\n"));
    return client;
  }
  /// The client is closed from our side, as by CLIENT KILL.
  void kill(Client& client) {
    in_turn([&] { session_of(client)->close(); });
  }
  proxy::Session* session_of(const Client& client) { return rig().sessions.find(client.id); }
  [[nodiscard]] bool is_alive(const Client& client) { return session_of(client) != nullptr; }

  /// Runs `task` inside one turn of the loop, and the turn to its end.
  void in_turn(net::EventLoop::Task task) {
    loop_.next_turn([this, task = std::move(task)]() mutable {
      task();
      loop_.stop();
    });
    loop_.run();
  }
  /// The client's bytes arrive; returns when they have been handled as far as possible without waiting.
  void send(Client& client, std::string_view bytes) {
    client.peer.queue(bytes);
    settle();
  }
  /// One command, or several: each is a text with spaces between its words.
  template <class... Words>
  void ask(Client& client, const Words&... commands) {
    std::string bytes;
    (bytes.append(resp_command(commands)), ...);
    send(client, bytes);
  }
  /// The bytes of all clients arrive where they are wanted, for some turns without waiting for anything else.
  void settle() {
    for (int turn = 0; turn < 4; ++turn) in_turn([this] { deliver_all(); });
  }
  /// Runs the loop, delivering to clients, until `is_true()`.
  template <class Predicate>
  [[nodiscard]] bool await(Predicate is_true) {
    return run_until([&] {
      deliver_all();
      return is_true();
    });
  }
  /// Waits until the client has been sent as many bytes as `expected` has, and compares.
  void expect(Client& client, std::string_view expected) {
    static_cast<void>(
        await([&] { return client.peer.written().size() >= expected.size() || client.peer.is_closed(); }));
    settle();
    EXPECT_EQ(client.peer.take_written(), expected);
  }
  /// What the client has been sent is an error with these parts.
  void expect_error(Client& client, std::initializer_list<std::string_view> parts) {
    EXPECT_TRUE(await([&] { return client.peer.written().ends_with("\r\n"); }));
    const std::string written = client.peer.take_written();
    EXPECT_TRUE(written.starts_with('-')) << written;
    EXPECT_TRUE(contains_all(written, parts));
  }
  void expect_nothing(Client& client) {
    settle();
    EXPECT_EQ(client.peer.take_written(), "");
  }
  void expect_closed(Client& client) {
    EXPECT_TRUE(await([&] { return client.peer.is_closed(); }));
    EXPECT_FALSE(is_alive(client));
  }

  /// The link of `db` when it has received `request` (and everything before it).
  ScriptedConnection& link_with(std::string_view request, std::string_view db = "0") {
    const bool came = await([&] { return server_.link(db) != nullptr && server_.link(db)->has(request); });
    EXPECT_TRUE(came) << request;
    if (!came) throw std::runtime_error("the server did not get: " + std::string(request));
    return *server_.link(db);
  }
  /// The same of the link that the server has accepted as the `number`th, from 0.
  ScriptedConnection& link_number(std::size_t number, std::string_view request) {
    const bool came = await([&] { return server_.accepted() > number && server_.connection(number).has(request); });
    EXPECT_TRUE(came) << request;
    if (!came) throw std::runtime_error("the server did not get: " + std::string(request));
    return server_.connection(number);
  }
  [[nodiscard]] std::uint64_t forwarded() { return rig().metrics.commands_forwarded.value(); }
  [[nodiscard]] std::vector<FakeBackend::Fetch>& fetches() { return rig().backend.fetches; }
  /// Puts a value into the cache by a GET of some client.
  void cache_value(std::string_view key, std::string_view value) {
    Client& other = connect();
    ask(other, "GET " + std::string(key));
    const std::size_t number = fetches().size() - 1;
    in_turn([&] { rig().backend.answer(number, value); });
    expect(other, bulk(value));
  }
  /// True if a GET now would be answered from the cache; leaves no fetch behind.
  [[nodiscard]] bool is_cached(std::string_view key) {
    base::ByteQueue out;
    const auto wanted = cache::Cache::string_query(rig().cache.key(cache::Space{0}, key));
    const auto result = rig().cache.read(wanted, {.owner = cache::OwnerId{0}, .now = loop_.now()}, out);
    if (result.status == cache::ReadStatus::kFill) rig().cache.abandon(wanted, result.fill);
    return result.status == cache::ReadStatus::kHit || result.status == cache::ReadStatus::kNil;
  }

  ProxyRigOptions options_;
  log::ScopedCapture log_{log::Level::kInfo};
  ScriptedServer server_{loop_};
  SharedParts shared_;

 private:
  void deliver_all() {
    for (std::size_t i = 0; i < clients_.size(); ++i) clients_[i]->peer.deliver();
  }

  std::vector<std::unique_ptr<Client>> clients_;
  std::unique_ptr<ProxyRig> rig_;
  std::unique_ptr<ProxyRig> second_rig_;
};

}  // namespace anteroom::test
