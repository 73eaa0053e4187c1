#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "metrics/quic_metrics.hpp"
#include "net/address.hpp"
#include "net/allow_list.hpp"
#include "net/byte_stream.hpp"
#include "net/event_loop.hpp"
#include "net/tls_context.hpp"
#include "proxy/listener_auth.hpp"
#include "quic/options.hpp"

namespace anteroom::server {

/// A listener of type quic, as all workers have it.
struct QuicPlace {
  std::vector<net::Address> bind;
  net::AllowList allow;
  std::shared_ptr<const net::TlsContextSource> tls;
  proxy::ListenerAuth auth = proxy::ListenerAuth::kInherit;
  std::array<std::uint8_t, 32> secret{};  ///< for tokens and resets
  std::string option;                     ///< "listen.listeners[0].port", for errors
};

/// How one worker listens for them.
struct QuicFrontOptions {
  std::vector<QuicPlace> places;
  quic::Options quic{};
  std::size_t connections_max = 10'000;
  std::size_t connections_per_address_max = 1'000;
  unsigned worker = 0;
  unsigned workers = 1;
};

/// The quic listeners of one worker. Each stream that a peer opens is a client of its own, with its own session. Every
/// worker has a socket for each place, and the kernel deals connections out between them. Loop thread only, but for
/// what is said; outlives the sessions, whose streams are its own.
class QuicFront {
 public:
  using OnClient = std::function<void(std::unique_ptr<net::ByteStream>, proxy::ListenerAuth)>;

  /// REQUIRES: without QUIC in this build (Lanes::kHasQuic) there are no places.
  QuicFront(net::EventLoop& loop, const QuicFrontOptions& options, metrics::QuicMetrics& metrics, OnClient on_client);
  ~QuicFront();
  QuicFront(const QuicFront&) = delete;
  QuicFront& operator=(const QuicFront&) = delete;

  /// Main thread, before the loop runs; of several workers in the order of their numbers. The error names the option.
  std::expected<void, std::string> listen();
  /// Main thread, of the last worker to listen: datagrams reach the worker whose connection they belong to.
  std::expected<void, std::string> share_ports();
  /// Once a second.
  void tick();
  /// No new connections and streams; clients that are there go on.
  void drain();
  /// Some of what clients were told is still under way to them.
  [[nodiscard]] bool has_unsent() const;
  /// Ends what is left, and tells the peers.
  void close();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace anteroom::server
