#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/unique_fd.hpp"
#include "config/options.hpp"
#include "metrics/counter.hpp"
#include "net/allow_list.hpp"
#include "net/event_loop.hpp"
#include "net/listener.hpp"
#include "net/reception.hpp"
#include "net/tls_context.hpp"
#include "proxy/listener_auth.hpp"
#include "server/quic_front.hpp"

namespace anteroom::server {

/// A connection that was accepted, with the rules of the place where it came in.
struct Arrival {
  base::UniqueFd fd;
  bool is_tcp = true;
  net::EntryRules rules{};
  proxy::ListenerAuth auth = proxy::ListenerAuth::kInherit;
};

/// All places where clients connect. Main thread only; the loop outlives it.
class Listeners {
 public:
  using OnArrival = std::function<void(Arrival)>;

  Listeners(net::EventLoop& loop, OnArrival on_arrival) : loop_(loop), on_arrival_(std::move(on_arrival)) {}
  Listeners(const Listeners&) = delete;
  Listeners& operator=(const Listeners&) = delete;

  /// The error names the option that is at fault, and where it comes from. Called once.
  [[nodiscard]] std::expected<void, std::string> open(const config::Options& options);
  /// Reads the certificates again. What is wrong is logged, and the old ones stay.
  void reload();
  /// Accepts no more and frees the places.
  void close();

  /// "127.0.0.1:8001,unix:/run/anteroom.sock", for logs.
  [[nodiscard]] std::string addresses() const;
  /// Where clients come in by QUIC: the workers listen there themselves.
  [[nodiscard]] const std::vector<QuicPlace>& quic_places() const noexcept { return quic_places_; }
  /// Connections that were closed because no network of their listener has them; those of QUIC are the workers'.
  [[nodiscard]] std::uint64_t refused() const noexcept { return refused_.value(); }

 private:
  struct Place {
    config::ListenerOptions options;
    net::AllowList allow;
    std::shared_ptr<net::TlsContextSource> tls;  // null: no TLS
    std::vector<std::unique_ptr<net::Listener>> listeners;
  };
  using Opened = std::expected<void, std::string>;
  [[nodiscard]] Opened prepare(const config::Options& options, Place& place);
  [[nodiscard]] Opened listen(const config::Options& options, Place& place);
  void on_accept(const Place& place, base::UniqueFd fd, const net::Address& peer);

  [[nodiscard]] Opened add_quic_place(const config::Options& options, const Place& place);

  net::EventLoop& loop_;
  const OnArrival on_arrival_;
  std::vector<std::unique_ptr<Place>> places_;  // what accepts holds a reference
  std::vector<QuicPlace> quic_places_;
  metrics::Counter refused_;
};

/// "listen.tls_key" of `prefix` "listen", by the part of the options of TLS that is at fault.
[[nodiscard]] std::string tls_option(const std::string& prefix, net::TlsConfigError::Part part);

}  // namespace anteroom::server
