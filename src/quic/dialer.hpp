#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "metrics/quic_metrics.hpp"
#include "net/event_loop.hpp"
#include "net/lane_source.hpp"
#include "net/resolver.hpp"
#include "net/tls_context.hpp"
#include "quic/endpoint.hpp"

namespace anteroom::quic {

/// Whom a Dialer connects to and how patiently.
struct DialTarget {
  std::string host;
  std::uint16_t port = 6379;
  std::shared_ptr<const net::TlsContextSource> contexts;
  std::string server_name;  ///< whom the certificate must name
  base::Milliseconds dns_timeout{1000};
  Options options{};  ///< options.handshake_timeout is for each address that the host has
};

/// The one QUIC connection of a worker to a gateway, made when the first lane is wanted, and again when it has ended,
/// or the gateway stops, and another one is. A lane is a stream: opening it costs no round trip once the connection is
/// there. Keeps tickets, so that coming back costs no certificates. Lanes at a gateway that stops are left to end
/// there, unless kLeftMax others have been left since.
///
/// Whoever waits when the connection cannot be made hears why, with stage quic; when to try again is his business. Loop
/// thread only; the references outlive it.
class Dialer final : public net::LaneSource, private ConnectionEvents {
 public:
  Dialer(net::EventLoop& loop, net::Resolver& resolver, net::Mailbox& mailbox, DialTarget target,
         metrics::QuicMetrics& metrics);
  ~Dialer();
  Dialer(const Dialer&) = delete;
  Dialer& operator=(const Dialer&) = delete;

  [[nodiscard]] Ticket open(Done done) override;
  void cancel(Ticket ticket) noexcept override;

  /// Budgets, figures, and a look at whether the way to the gateway is still the same; once a second.
  void tick();
  /// An orderly end. Who waits is told.
  void close();
  [[nodiscard]] bool is_up() const noexcept { return state_ == State::kUp; }

  /// Lanes that wait for the peer to allow more streams do so for this long.
  static constexpr base::Milliseconds kStreamPatience{1000};
  /// Connections that were left and still have lanes; with one more the oldest is closed.
  static constexpr std::size_t kLeftMax = 8;

 private:
  enum class State : std::uint8_t { kDown, kResolving, kConnecting, kUp };
  struct Waiter {
    Ticket ticket{};
    Done done;
    base::TimePoint since{};
  };

  void on_established(Connection& connection) override;
  void on_stream(Connection& connection, std::unique_ptr<Stream> stream) override;
  void on_streams_available(Connection& connection) override;
  void on_closed(Connection& connection, const CloseReason& reason) override;

  [[nodiscard]] bool is_current(const Connection& connection) const;
  void leave_if_stopping();
  void dial();
  void on_resolved(net::Resolved resolved);
  void try_address();
  [[nodiscard]] bool may_open() const;
  void serve();
  void schedule_serve();
  void on_deadline();
  void give_up(net::ConnectError error);
  [[nodiscard]] std::string place() const;
  void retire_endpoint();
  void limit_left();
  void close_idle();

  net::EventLoop& loop_;
  net::Resolver& resolver_;
  net::Mailbox& mailbox_;
  const DialTarget target_;
  metrics::QuicMetrics& metrics_;

  State state_ = State::kDown;
  std::deque<Waiter> waiters_;  // the oldest first
  std::uint64_t tickets_ = 0;
  bool serve_scheduled_ = false;
  net::Resolver::Handle lookup_;
  std::vector<net::Address> addresses_;
  std::size_t next_address_ = 0;
  std::unique_ptr<Endpoint> endpoint_;
  std::vector<std::unique_ptr<Endpoint>> former_;  // until their last lane and late packets have had their answer
  Resumption resumption_;
  std::shared_ptr<const net::TlsContext> context_;  // under whose rules resumption_ came about
  net::Timer deadline_;                             // of the lookup, or of the oldest waiter
  std::shared_ptr<Dialer*> self_ = std::make_shared<Dialer*>(this);
};

}  // namespace anteroom::quic
