#include "quic/endpoint.hpp"

#include <gnutls/crypto.h>
#include <ngtcp2/ngtcp2_crypto.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <iterator>
#include <utility>

#include "base/check.hpp"
#include "base/random.hpp"
#include "quic/connection_callbacks.hpp"
#include "quic/time.hpp"

namespace anteroom::quic {
namespace {

// Answers of one kind to what is of no connection, for each second.
constexpr unsigned kBudget = 100;
// Of the ids that the peer issues and we keep.
constexpr std::uint64_t kPeerIdsMax = 4;
constexpr std::size_t kFirstIdBytes = 18;  // of a client's first destination id: random, and not to be guessed

void fill_random(std::span<std::uint8_t> out) { base::fill_random(std::as_writable_bytes(out)); }

ngtcp2_cc_algo algorithm(Congestion congestion) {
  switch (congestion) {
    case Congestion::kCubic:
      return NGTCP2_CC_ALGO_CUBIC;
    case Congestion::kBbr:
      return NGTCP2_CC_ALGO_BBR;
    case Congestion::kReno:
      return NGTCP2_CC_ALGO_RENO;
  }
  return NGTCP2_CC_ALGO_CUBIC;
}

// In the order in which they are tried; what is not larger than one that has passed is left out by ngtcp2. Ethernet
// with IPv6 first, then what is larger, and at last tunnels.
std::vector<std::uint16_t> probes_up_to(std::size_t limit) {
  constexpr std::array<std::uint16_t, 5> kSizes{1452, 8900, 32'000, 1390, 1280};
  std::vector<std::uint16_t> out;
  std::ranges::copy_if(kSizes, std::back_inserter(out), [limit](std::uint16_t size) { return size < limit; });
  // The largest has to be among them.
  if (limit > NGTCP2_MAX_UDP_PAYLOAD_SIZE) {
    out.insert(std::ranges::find_if(out, [](std::uint16_t size) { return size == 1390; }),
               static_cast<std::uint16_t>(limit));
  }
  return out;
}

std::uint64_t nanoseconds(base::Milliseconds time) {
  return static_cast<std::uint64_t>(std::chrono::nanoseconds(time).count());
}

}  // namespace

// --- Making one ---

Endpoint::Endpoint(net::EventLoop& loop, const Options& options, metrics::QuicMetrics& metrics)
    : loop_(loop),
      options_(options),
      metrics_(metrics),
      probes_(probes_up_to(options.datagram_bytes_max)),
      ids_(16, ConnectionIdHash{base::HashSeed::random()}) {
  budgets_.fill(kBudget);
}

Endpoint::~Endpoint() {
  *self_ = nullptr;
  // Those that are there end with it, and tell nobody.
  for (const auto& [connection, owned] : connections_) {
    if (!std::ranges::count(gone_, connection)) metrics_.connections.add(-1);
    metrics_.streams.add(-static_cast<std::int64_t>(connection->streams()));
  }
}

net::UdpSocket::Options Endpoint::socket_options(const Options& options, bool shares_port) {
  net::UdpSocket::Options out;
  out.features = options.socket;
  out.shares_port = shares_port;
  return out;
}

Endpoint::Created Endpoint::listen(net::EventLoop& loop, const net::Address& local, const Options& options,
                                   ServerOptions server, metrics::QuicMetrics& metrics, Accept accept) {
  if (server.workers > 1 && server.worker == 0) {
    if (auto free = net::UdpSocket::check_free(local); !free) return std::unexpected(std::move(free.error()));
  }
  auto socket = net::UdpSocket::bind(loop, local, socket_options(options, server.workers > 1), metrics);
  if (!socket) return std::unexpected(std::move(socket.error()));
  std::unique_ptr<Endpoint> endpoint(new Endpoint(loop, options, metrics));
  endpoint->is_server_ = true;
  endpoint->server_ = std::move(server);
  endpoint->accept_ = std::move(accept);
  endpoint->socket_ = std::move(*socket);
  endpoint->bind_secret();
  endpoint->socket_->start(*endpoint);
  return endpoint;
}

void Endpoint::bind_secret() {
  const std::string place = socket_->local().to_string();
  const ServerSecret secret = server_.secret;
  ANTEROOM_CHECK(gnutls_hmac_fast(GNUTLS_MAC_SHA256, secret.data(), secret.size(), place.data(), place.size(),
                                  server_.secret.data()) == 0);
}

Endpoint::Created Endpoint::connect(net::EventLoop& loop, const net::Address& remote, const Options& options,
                                    const std::shared_ptr<const net::TlsContext>& tls, const std::string& server_name,
                                    const Resumption& resumption, ConnectionEvents& events,
                                    metrics::QuicMetrics& metrics) {
  auto socket = net::UdpSocket::connect(loop, remote, socket_options(options, false), metrics);
  if (!socket) return std::unexpected(std::move(socket.error()));
  std::unique_ptr<Endpoint> endpoint(new Endpoint(loop, options, metrics));
  endpoint->remote_ = remote;
  endpoint->socket_ = std::move(*socket);
  endpoint->socket_->start(*endpoint);
  fill_random(endpoint->server_.secret);
  endpoint->begin_as_client(tls, server_name, resumption, events);
  return endpoint;
}

// Of addresses that outlive it.
ngtcp2_path Endpoint::path_between(const net::Address& local, const net::Address& remote) {
  const auto end = [](const net::Address& address) {
    return ngtcp2_addr{const_cast<sockaddr*>(address.data()), address.size()};  // ngtcp2 only reads it
  };
  return {end(local), end(remote), nullptr};
}

void Endpoint::settings(ngtcp2_settings& settings, ngtcp2_transport_params& params) const {
  ngtcp2_settings_default(&settings);
  settings.initial_ts = now_ns();
  settings.cc_algo = algorithm(options_.congestion);
  settings.max_tx_udp_payload_size = options_.datagram_bytes_max;
  settings.pmtud_probes = probes_.data();
  settings.pmtud_probeslen = probes_.size();
  settings.no_pmtud = probes_.empty() ? 1 : 0;
  settings.handshake_timeout = nanoseconds(options_.handshake_timeout);
  ngtcp2_transport_params_default(&params);
  params.initial_max_stream_data_bidi_local = options_.stream_window;
  params.initial_max_stream_data_bidi_remote = options_.stream_window;
  params.initial_max_data = options_.connection_window;
  params.initial_max_streams_bidi = is_server_ ? options_.streams_max : 0;
  params.initial_max_streams_uni = 0;
  params.max_idle_timeout = nanoseconds(options_.idle_timeout);
  params.max_ack_delay = nanoseconds(kAckDelayAnnounced);
  params.active_connection_id_limit = kPeerIdsMax;
  params.grease_quic_bit = 1;
}

void Endpoint::begin_as_client(const std::shared_ptr<const net::TlsContext>& tls, const std::string& server_name,
                               const Resumption& resumption, ConnectionEvents& events) {
  std::unique_ptr<Connection> connection(new Connection(*this, &events, tls, server_name));
  ngtcp2_settings set{};
  ngtcp2_transport_params params{};
  settings(set, params);
  set.token = resumption.token.data();
  set.tokenlen = resumption.token.size();
  ngtcp2_cid first{};
  ngtcp2_cid own{};
  make_id(first, kFirstIdBytes);
  make_id(own, kOwnIdBytes);
  const ngtcp2_path path = path_between(socket_->local(), remote_);
  ngtcp2_conn* conn = nullptr;
  ANTEROOM_CHECK(ngtcp2_conn_client_new(&conn, &first, &own, &path, NGTCP2_PROTO_VER_V1, &connection_callbacks(false),
                                        &set, &params, nullptr, connection.get()) == 0);
  connection->attach(conn, tls->new_session(server_name));
  connection->resume(resumption);
  if (options_.keep_alive > base::Milliseconds::zero()) {
    ngtcp2_conn_set_keep_alive_timeout(conn, nanoseconds(options_.keep_alive));
  }
  remember(*connection, own);
  adopt(std::move(connection));
}

void Endpoint::adopt(std::unique_ptr<Connection> connection) {
  Connection& adopted = *connection;
  connections_.emplace(&adopted, std::move(connection));
  metrics_.connections.add(1);
  ++handshaking_;
  mark_dirty(adopted);
}

Connection* Endpoint::connection() noexcept { return connections_.empty() ? nullptr : connections_.begin()->first; }

// --- Ids ---

void Endpoint::make_id(ngtcp2_cid& id, std::size_t size) const {
  id.datalen = size;
  fill_random({id.data, size});
  if (is_server_ && server_.workers > 1) id.data[0] = mark_worker(id.data[0], server_.worker, server_.workers);
}

void Endpoint::remember(Connection& connection, const ngtcp2_cid& id) {
  ids_[ConnectionId(id)] = &connection;
  connection.ids_.emplace_back(id);
}

void Endpoint::forget(Connection& connection, const ngtcp2_cid& id) {
  const ConnectionId key(id);
  ids_.erase(key);
  std::erase(connection.ids_, key);
}

// --- Turns ---

void Endpoint::schedule() {
  if (std::exchange(scheduled_, true)) return;
  loop_.at_turn_end([self = self_] {
    if (*self != nullptr) (*self)->run();
  });
}

void Endpoint::mark_dirty(Connection& connection) {
  schedule();
  if (std::exchange(connection.is_dirty_, true)) return;
  dirty_.push_back(&connection);
}

// First everybody hears what has come, and then what they have said to it goes out, together.
void Endpoint::run() {
  scheduled_ = false;
  const auto dirty = std::exchange(dirty_, {});
  for (Connection* connection : dirty) {
    connection->is_dirty_ = false;
    connection->deliver_events();
  }
  for (Connection* connection : dirty) connection->write();
  socket_->flush();
  // Those that still have something to tell are in the next list.
  for (Connection* connection : std::exchange(gone_, {})) {
    if (connection->is_dirty_) {
      gone_.push_back(connection);
    } else {
      connections_.erase(connection);
    }
  }
  if (socket_->take_refused()) on_refused();
}

// Anybody can say so. But a handshake that fails at once is begun again soon, as one of TCP; and who is established and
// yet says nothing is believed to have gone a little sooner.
void Endpoint::on_refused() {
  Connection* const one = connection();
  if (is_server_ || one == nullptr || one->is_closing()) return;
  if (one->is_established()) {
    one->is_refused_ = true;
    return;
  }
  one->end({.kind = CloseReason::Kind::kUnreachable, .text = "nobody listens there"});
}

void Endpoint::on_room() {
  for (auto& [connection, owned] : connections_) mark_dirty(*connection);
}

void Endpoint::on_handshake(Connection& connection) {
  --handshaking_;
  metrics_.handshakes.add();
  if (connection.was_resumed()) metrics_.resumptions.add();
}

void Endpoint::bury(Connection& connection) {
  for (const ConnectionId& id : connection.ids_) ids_.erase(id);
  connection.ids_.clear();
  if (is_server_) peers_.remove(connection.peer_);
  gone_.push_back(&connection);
  mark_dirty(connection);
  metrics_.connections.add(-1);
  const CloseReason::Kind kind = connection.reason_.kind;
  if (!connection.is_established()) {
    --handshaking_;
    metrics_.handshake_failures.add();
  } else if (kind == CloseReason::Kind::kTimeout || kind == CloseReason::Kind::kProtocol ||
             kind == CloseReason::Kind::kForgotten) {
    metrics_.connections_lost.add();
  }
}

void Endpoint::close_all(ErrorCode code, std::string_view text) {
  for (auto& [connection, owned] : connections_) connection->close(code, text);
  socket_->flush();
}

bool Endpoint::has_unsent() const noexcept {
  return std::ranges::any_of(connections_, [](const auto& entry) { return entry.first->has_unsent(); });
}

void Endpoint::tick() {
  budgets_.fill(kBudget);
  std::int64_t rtt_us = 0;
  std::int64_t cwnd = 0;
  for (auto& [connection, owned] : connections_) {
    const Connection::PathFigures figures = connection->path_figures();
    rtt_us += std::chrono::duration_cast<std::chrono::microseconds>(figures.rtt).count();
    cwnd += static_cast<std::int64_t>(figures.cwnd_bytes);
    connection->count_losses();
    connection->probe_writers();
    if (!is_server_ && options_.silence_timeout > base::Milliseconds::zero()) {
      connection->check_silence(options_.silence_timeout);
    }
  }
  follow_the_way();
  metrics_.rtt_us.set(rtt_us);
  metrics_.cwnd_bytes.set(cwnd);
}

// --- Migration ---

// Our address has changed: another network, or another way out of this machine. Nobody tells a socket.
void Endpoint::follow_the_way() {
  const Connection* const one = connection();
  if (is_server_ || one == nullptr || !one->is_established()) return;
  const auto source = net::source_toward(remote_);
  if (source && !source->is_same_host(socket_->local())) static_cast<void>(migrate());
}

bool Endpoint::migrate() {
  Connection* const one = connection();
  if (is_server_ || one == nullptr || one->is_closing() || !one->is_established()) return false;
  auto socket = net::UdpSocket::connect(loop_, remote_, socket_options(options_, false), metrics_);
  if (!socket) return false;
  const ngtcp2_path path = path_between((*socket)->local(), remote_);
  if (ngtcp2_conn_initiate_immediate_migration(one->conn_, &path, now_ns()) != 0) return false;
  socket_ = std::move(*socket);
  socket_->start(*this);
  metrics_.migrations.add();
  one->must_write_ = true;
  mark_dirty(*one);
  return true;
}

}  // namespace anteroom::quic
