#include "gateway/worker.hpp"

#include <pthread.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/log.hpp"

namespace anteroom::gateway {
namespace {

constexpr base::Milliseconds kSecond{1000};
constexpr base::Milliseconds kStopPoll{10};
// Nothing has been under way on a connection for so long: its peer has no more to ask. One who asks again as soon as he
// has an answer is silent for a round trip, and a little more.
constexpr base::Milliseconds kQuietMin{100};
constexpr base::Milliseconds kThinkingMax{50};
constexpr std::string_view kWhyItStops = "the gateway stops";

}  // namespace

Worker::Worker(WorkerOptions options, net::Resolver& resolver, net::OutageLog& outage_log)
    : options_(std::move(options)),
      mailbox_(loop_),
      relay_context_{loop_, resolver, mailbox_, options_.target, outage_log, metrics_},
      second_timer_(loop_, [this] { every_second(); }),
      stop_timer_(loop_, [this] { go_on_stopping(); }) {}

Worker::~Worker() {
  join();
  peers_.clear();
  endpoints_.clear();
}

std::expected<void, std::string> Worker::listen() {
  for (const net::Address& place : options_.listen) {
    auto endpoint = quic::Endpoint::listen(loop_, place, options_.quic, options_.server, quic_metrics_,
                                           [this](quic::Connection&, const net::Address&) -> quic::ConnectionEvents* {
                                             return is_stopping_ ? nullptr : this;
                                           });
    if (!endpoint) return std::unexpected(std::move(endpoint.error()));
    endpoints_.push_back(std::move(*endpoint));
  }
  return {};
}

std::expected<void, std::string> Worker::share_ports() {
  if (options_.server.workers < 2) return {};
  for (auto& endpoint : endpoints_) {
    if (auto shared = endpoint->steer(options_.server.workers); !shared) return shared;
  }
  return {};
}

std::vector<net::Address> Worker::places() const {
  std::vector<net::Address> out;
  out.reserve(endpoints_.size());
  for (const auto& endpoint : endpoints_) out.push_back(endpoint->local());
  return out;
}

void Worker::start() {
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), ("gateway-" + std::to_string(options_.server.worker)).c_str());
    second_timer_.start(kSecond);
    loop_.run();
  });
}

void Worker::join() {
  if (!thread_.joinable()) return;
  mailbox_.post([this] { loop_.stop(); });
  thread_.join();
}

// --- Connections and streams ---

void Worker::on_established(quic::Connection& connection) {
  peers_.try_emplace(&connection);
  // Anybody can connect, so the log is not theirs to fill; the counters have them.
  log::debug("peer connected",
             {{"peer", connection.peer_name()}, {"resumed", connection.was_resumed() ? "yes" : "no"}});
}

void Worker::on_stream(quic::Connection& connection, std::unique_ptr<quic::Stream> stream) {
  if (is_stopping_ || relay_count_ >= options_.relays_max) {
    metrics_.relays_refused.add();
    stream->reset(is_stopping_ ? quic::ErrorCode::kShuttingDown : quic::ErrorCode::kLimit);
    return;
  }
  auto relay = std::make_unique<Relay>(relay_context_, std::move(stream),
                                       [this, &connection](Relay& done) { retire(connection, done); });
  Relay& started = *relay;
  peers_[&connection].relays.emplace(&started, std::move(relay));
  ++relay_count_;
  started.start();
}

// A relay ends inside calls of its own, or of its connection, so it goes when they are over.
void Worker::retire(quic::Connection& connection, Relay& relay) {
  const auto found = peers_.find(&connection);
  if (found == peers_.end()) return;
  Relays& relays = found->second.relays;
  const auto entry = relays.find(&relay);
  if (entry == relays.end()) return;
  --relay_count_;
  loop_.at_turn_end([kept = std::shared_ptr<Relay>(std::move(entry->second))] {});
  relays.erase(entry);
}

void Worker::on_closed(quic::Connection& connection, const quic::CloseReason& reason) {
  if (connection.is_established()) {
    log::debug("peer disconnected", {{"peer", connection.peer_name()}, {"reason", reason.text}});
  } else {
    log::debug("handshake failed", {{"peer", connection.peer_name()}, {"reason", reason.text}});
  }
  const auto found = peers_.find(&connection);
  if (found == peers_.end()) return;
  relay_count_ -= found->second.relays.size();
  loop_.at_turn_end([kept = std::make_shared<Relays>(std::move(found->second.relays))] {});
  peers_.erase(found);
}

// --- Time ---

void Worker::every_second() {
  for (auto& endpoint : endpoints_) endpoint->tick();
  for (auto& [connection, peer] : peers_) {
    for (auto each = peer.relays.begin(); each != peer.relays.end();) (each++)->second->tick();  // which may retire it
  }
  second_timer_.start(kSecond);
}

void Worker::stop(base::Milliseconds patience, std::move_only_function<void()> on_stopped) {
  mailbox_.post([this, patience, on_stopped = std::move(on_stopped)]() mutable {
    if (has_stopped_) return;  // and has said so
    on_stopped_ = std::move(on_stopped);
    is_stopping_ = true;
    for (auto& endpoint : endpoints_) endpoint->stop_accepting();
    give_up_at_ = loop_.now() + patience;
    stop_timer_.start(base::Milliseconds::zero());
  });
}

// At the end the peers are told, a little later the gateway. Its socket is refusing newcomers until join(): the kernel
// goes on giving it its share of them while other workers have something to finish.
void Worker::go_on_stopping() {
  if (gave_up_) {
    peers_.clear();
    has_stopped_ = true;
    std::exchange(on_stopped_, nullptr)();
    return;
  }
  const bool has_unsent = std::ranges::any_of(endpoints_, &quic::Endpoint::has_unsent);
  if ((relay_count_ == 0 && !has_unsent) || loop_.now() >= give_up_at_) {
    gave_up_ = true;
    for (auto& endpoint : endpoints_) endpoint->close_all(quic::ErrorCode::kShuttingDown, kWhyItStops);
  } else {
    end_quiet_connections();
  }
  stop_timer_.start(kStopPoll);
}

// A peer that has nothing under way can go to another gateway now. A connection ends as a whole, because new streams of
// one that stays are refused; so whoever is blocked or busy on one keeps the whole of it until our patience is over.
void Worker::end_quiet_connections() {
  const base::TimePoint now = loop_.now();
  for (auto& [connection, peer] : peers_) {
    if (connection->has_unsent()) peer.busy_at = now;
    for (const auto& [key, relay] : peer.relays) {
      peer.busy_at = std::max(peer.busy_at, relay->awaits_redis() ? now : relay->last_passage());
    }
    const base::Duration quiet = std::max<base::Duration>(kQuietMin, connection->path_figures().rtt + kThinkingMax);
    if (now - peer.busy_at >= quiet) connection->close(quic::ErrorCode::kShuttingDown, kWhyItStops);
  }
}

}  // namespace anteroom::gateway
