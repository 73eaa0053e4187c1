#include "server/quic_front.hpp"

#include <algorithm>
#include <utility>

#include "base/check.hpp"
#include "base/log.hpp"
#ifdef ANTEROOM_QUIC
#include "quic/endpoint.hpp"
#endif

namespace anteroom::server {

#ifdef ANTEROOM_QUIC

struct QuicFront::Impl {
  /// Takes the streams that come in at one place.
  struct Door final : quic::ConnectionEvents {
    Door(Impl& its_impl, const QuicPlace& its_place) : impl(its_impl), place(its_place) {}

    void on_established(quic::Connection& connection) override {
      log::debug("quic peer connected", {{"peer", connection.peer_name()}});
    }
    void on_stream(quic::Connection&, std::unique_ptr<quic::Stream> stream) override {
      if (impl.is_draining) {
        stream->reset(quic::ErrorCode::kShuttingDown);
        return;
      }
      impl.on_client(std::move(stream), place.auth);
    }
    void on_streams_available(quic::Connection&) override {}
    void on_closed(quic::Connection& connection, const quic::CloseReason& reason) override {
      log::debug("quic peer gone", {{"peer", connection.peer_name()}, {"reason", reason.text}});
    }

    Impl& impl;
    const QuicPlace& place;
  };

  Impl(net::EventLoop& its_loop, const QuicFrontOptions& its_options, metrics::QuicMetrics& its_metrics,
       OnClient its_on_client)
      : loop(its_loop), options(its_options), metrics(its_metrics), on_client(std::move(its_on_client)) {}

  std::expected<void, std::string> listen(const QuicPlace& place);

  net::EventLoop& loop;
  const QuicFrontOptions options;
  metrics::QuicMetrics& metrics;
  OnClient on_client;
  bool is_draining = false;
  std::vector<std::unique_ptr<Door>> doors;
  std::vector<std::unique_ptr<quic::Endpoint>> endpoints;
};

std::expected<void, std::string> QuicFront::Impl::listen(const QuicPlace& place) {
  Door* const door = doors.emplace_back(std::make_unique<Door>(*this, place)).get();
  const quic::ServerOptions server{.contexts = place.tls,
                                   .connections_max = options.connections_max,
                                   .connections_per_address_max = options.connections_per_address_max,
                                   .admits = [&place](const net::Address& peer) { return place.allow.allows(peer); },
                                   .worker = options.worker,
                                   .workers = options.workers,
                                   .secret = place.secret};
  for (const net::Address& address : place.bind) {
    auto endpoint = quic::Endpoint::listen(
        loop, address, options.quic, server, metrics,
        [door](quic::Connection&, const net::Address&) -> quic::ConnectionEvents* { return door; });
    if (!endpoint) return std::unexpected(place.option + ": " + endpoint.error());
    endpoints.push_back(std::move(*endpoint));
  }
  return {};
}

QuicFront::QuicFront(net::EventLoop& loop, const QuicFrontOptions& options, metrics::QuicMetrics& metrics,
                     OnClient on_client) {
  if (options.places.empty()) return;
  impl_ = std::make_unique<Impl>(loop, options, metrics, std::move(on_client));
}

std::expected<void, std::string> QuicFront::listen() {
  if (impl_ == nullptr) return {};
  for (const QuicPlace& place : impl_->options.places) {
    if (auto listening = impl_->listen(place); !listening) return listening;
  }
  return {};
}

std::expected<void, std::string> QuicFront::share_ports() {
  if (impl_ == nullptr || impl_->options.workers < 2) return {};
  for (auto& endpoint : impl_->endpoints) {
    if (auto shared = endpoint->steer(impl_->options.workers); !shared) return shared;
  }
  return {};
}

void QuicFront::tick() {
  if (impl_ == nullptr) return;
  for (auto& endpoint : impl_->endpoints) endpoint->tick();
}

void QuicFront::drain() {
  if (impl_ == nullptr) return;
  impl_->is_draining = true;
  for (auto& endpoint : impl_->endpoints) endpoint->stop_accepting();
}

bool QuicFront::has_unsent() const {
  return impl_ != nullptr && std::ranges::any_of(impl_->endpoints, &quic::Endpoint::has_unsent);
}

void QuicFront::close() {
  if (impl_ == nullptr) return;
  drain();
  for (auto& endpoint : impl_->endpoints) endpoint->close_all(quic::ErrorCode::kShuttingDown, "the front-end stops");
}

#else

struct QuicFront::Impl {};

QuicFront::QuicFront(net::EventLoop&, const QuicFrontOptions& options, metrics::QuicMetrics&, OnClient) {
  ANTEROOM_CHECK(options.places.empty());
}

std::expected<void, std::string> QuicFront::listen() { return {}; }
std::expected<void, std::string> QuicFront::share_ports() { return {}; }
void QuicFront::tick() {}
void QuicFront::drain() {}
bool QuicFront::has_unsent() const { return false; }
void QuicFront::close() {}

#endif

QuicFront::~QuicFront() = default;

}  // namespace anteroom::server
