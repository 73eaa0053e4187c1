#pragma once

#include <cstddef>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/clock.hpp"
#include "gateway/gateway_metrics.hpp"
#include "gateway/relay.hpp"
#include "metrics/quic_metrics.hpp"
#include "net/event_loop.hpp"
#include "net/mailbox.hpp"
#include "net/outage_log.hpp"
#include "quic/endpoint.hpp"

namespace anteroom::gateway {

struct WorkerOptions {
  std::vector<net::Address> listen;
  quic::Options quic{};
  quic::ServerOptions server{};
  net::ConnectTarget target{};
  /// Streams, each with a connection to Redis, of one worker; more are reset with ErrorCode::kLimit.
  std::size_t relays_max = 10'000;
};

/// One thread of the gateway: its loop, its UDP sockets, the connections that the kernel gives to these, and their
/// relays. Made on the main thread, where its sockets are bound too; everything else happens on its own.
class Worker final : private quic::ConnectionEvents {
 public:
  /// `resolver` and `outage_log`, which may be those of other workers too, outlive it.
  Worker(WorkerOptions options, net::Resolver& resolver, net::OutageLog& outage_log);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  /// Before start(). Of several workers with one place, in the order of their numbers.
  std::expected<void, std::string> listen();
  /// Once all have listened.
  std::expected<void, std::string> share_ports();
  void start();
  /// Any thread. New connections and streams are refused from now on. A connection on which nothing is under way is
  /// ended, in order; where something is, as far as can be told without RESP, it goes on for so long, and then the peer
  /// is told. `on_stopped`, which is not empty, is called on the worker's thread when nothing is left, and all has
  /// arrived that was to; newcomers are refused until join().
  void stop(base::Milliseconds patience, std::move_only_function<void()> on_stopped);
  /// Any thread but its own: ends it, whatever it is doing. Of no effect before start() and the second time.
  void join();

  /// Where it listens, with the ports that the kernel has chosen.
  [[nodiscard]] std::vector<net::Address> places() const;
  [[nodiscard]] const metrics::QuicMetrics& quic_metrics() const noexcept { return quic_metrics_; }
  [[nodiscard]] const GatewayMetrics& metrics() const noexcept { return metrics_; }

 private:
  using Relays = std::unordered_map<Relay*, std::unique_ptr<Relay>>;
  struct Peer {
    Relays relays;
    base::TimePoint busy_at{};  // while it stops: when something was last under way
  };

  void on_established(quic::Connection& connection) override;
  void on_stream(quic::Connection& connection, std::unique_ptr<quic::Stream> stream) override;
  void on_streams_available(quic::Connection&) override {}
  void on_closed(quic::Connection& connection, const quic::CloseReason& reason) override;

  void retire(quic::Connection& connection, Relay& relay);
  void every_second();
  void go_on_stopping();
  void end_quiet_connections();

  WorkerOptions options_;
  net::EventLoop loop_;
  net::Mailbox mailbox_;
  metrics::QuicMetrics quic_metrics_;
  GatewayMetrics metrics_;
  const RelayContext relay_context_;
  std::vector<std::unique_ptr<quic::Endpoint>> endpoints_;
  std::unordered_map<quic::Connection*, Peer> peers_;
  std::size_t relay_count_ = 0;
  net::Timer second_timer_;
  net::Timer stop_timer_;
  bool is_stopping_ = false;
  bool gave_up_ = false;
  bool has_stopped_ = false;
  base::TimePoint give_up_at_{};
  std::move_only_function<void()> on_stopped_;
  std::thread thread_;
};

}  // namespace anteroom::gateway
