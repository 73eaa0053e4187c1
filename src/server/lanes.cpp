#include "server/lanes.hpp"

#include <utility>

#include "base/check.hpp"
#ifdef ANTEROOM_QUIC
#include "quic/dialer.hpp"
#endif

namespace anteroom::server {

#ifdef ANTEROOM_QUIC

const bool Lanes::kHasQuic = true;

struct Lanes::Dialer {
  Dialer(net::EventLoop& loop, net::Resolver& resolver, net::Mailbox& mailbox, quic::DialTarget target,
         metrics::QuicMetrics& metrics)
      : dialer(loop, resolver, mailbox, std::move(target), metrics) {}
  quic::Dialer dialer;
};

Lanes::Lanes(net::EventLoop& loop, net::Resolver& resolver, net::Mailbox& mailbox,
             const std::optional<LaneOptions>& options, metrics::QuicMetrics& metrics) {
  if (!options) return;
  dialer_ = std::make_unique<Dialer>(loop, resolver, mailbox,
                                     quic::DialTarget{.host = options->host,
                                                      .port = options->port,
                                                      .contexts = options->contexts,
                                                      .server_name = options->server_name,
                                                      .dns_timeout = options->dns_timeout,
                                                      .options = options->quic},
                                     metrics);
}

net::LaneSource* Lanes::source() const noexcept { return dialer_ != nullptr ? &dialer_->dialer : nullptr; }

void Lanes::tick() {
  if (dialer_ != nullptr) dialer_->dialer.tick();
}

void Lanes::close() {
  if (dialer_ != nullptr) dialer_->dialer.close();
}

#else

const bool Lanes::kHasQuic = false;

struct Lanes::Dialer {};

Lanes::Lanes(net::EventLoop&, net::Resolver&, net::Mailbox&, const std::optional<LaneOptions>& options,
             metrics::QuicMetrics&) {
  ANTEROOM_CHECK(!options);
}

net::LaneSource* Lanes::source() const noexcept { return nullptr; }
void Lanes::tick() {}
void Lanes::close() {}

#endif

Lanes::~Lanes() = default;

}  // namespace anteroom::server
