#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "metrics/quic_metrics.hpp"
#include "net/event_loop.hpp"
#include "net/lane_source.hpp"
#include "net/mailbox.hpp"
#include "net/resolver.hpp"
#include "net/tls_context.hpp"
#include "quic/options.hpp"

namespace anteroom::server {

/// Why something of QUIC cannot be had.
inline constexpr std::string_view kNoQuic = "this build has no QUIC: it needs ngtcp2 1.11 or newer";

/// The gateway that the links of a worker go to.
struct LaneOptions {
  std::string host;
  std::uint16_t port = 0;
  std::shared_ptr<const net::TlsContextSource> contexts;
  std::string server_name;
  base::Milliseconds dns_timeout{1000};
  quic::Options quic{};
};

/// One worker's connection to the gateway, if the upstream is one. Loop thread only; outlives links and fills.
class Lanes {
 public:
  /// REQUIRES: without QUIC in this build (kHasQuic) there are no options.
  Lanes(net::EventLoop& loop, net::Resolver& resolver, net::Mailbox& mailbox, const std::optional<LaneOptions>& options,
        metrics::QuicMetrics& metrics);
  ~Lanes();
  Lanes(const Lanes&) = delete;
  Lanes& operator=(const Lanes&) = delete;

  /// Null: links are connections of their own.
  [[nodiscard]] net::LaneSource* source() const noexcept;
  /// Once a second.
  void tick();
  /// Tells the gateway. Links and fills are closed before.
  void close();

  /// QUIC needs ngtcp2 1.11, which not every system has.
  static const bool kHasQuic;

 private:
  struct Dialer;
  std::unique_ptr<Dialer> dialer_;
};

}  // namespace anteroom::server
