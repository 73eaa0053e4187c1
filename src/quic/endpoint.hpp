#pragma once

#include <ngtcp2/ngtcp2.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "metrics/quic_metrics.hpp"
#include "net/event_loop.hpp"
#include "net/tls_context.hpp"
#include "net/udp_socket.hpp"
#include "quic/address_counts.hpp"
#include "quic/connection.hpp"
#include "quic/connection_id.hpp"
#include "quic/options.hpp"
#include "quic/send_buffer.hpp"
#include "quic/time.hpp"

namespace anteroom::quic {

/// Secret of a server: tokens and stateless resets of all its workers are made with it and the address it is bound to,
/// so that no place answers for the connections of another (RFC 9000, section 21.11).
using ServerSecret = std::array<std::uint8_t, 32>;

/// Who comes in at a server.
struct ServerOptions {
  std::shared_ptr<const net::TlsContextSource> contexts;
  /// Retry (RFC 9000, section 8.1.2): an address has to prove that it is one before we keep anything of it, always, or
  /// once so many handshakes are under way.
  bool always_validates = false;
  std::size_t unvalidated_max = 64;
  std::size_t connections_max = 10'000;
  /// Of one peer, as AddressCounts has it; where it was when it came is what counts.
  std::size_t connections_per_address_max = 1'000;
  /// Who may come in at all, by his address; asked before anything is kept. Empty: everybody.
  std::function<bool(const net::Address& peer)> admits{};
  unsigned worker = 0;
  unsigned workers = 1;
  ServerSecret secret{};
  /// The time of day in ns, for tokens alone. It may leap: who is then refused, or has to prove its address once more,
  /// comes in with the next try, and connections that are there do not know it.
  std::uint64_t (*wall)() = &wall_ns;
};

/// A UDP socket with the connections of QUIC over it, in one of two roles. A server's accepts whoever has the right
/// protocol (ALPN) and certificate; a client's has one connection at a time. Loop thread only.
///
/// What comes from nobody we know is answered within a budget (Retry, version negotiation, stateless reset), so that
/// garbage costs its reading alone; each kind has its counter and none is logged. Not destroyed inside an event of its
/// connections.
class Endpoint final : private net::UdpEvents {
 public:
  /// Called for each new connection of a server, before its handshake: the one who is told of its events.
  using Accept = std::move_only_function<ConnectionEvents*(Connection&, const net::Address& peer)>;
  using Created = std::expected<std::unique_ptr<Endpoint>, std::string>;

  [[nodiscard]] static Created listen(net::EventLoop& loop, const net::Address& local, const Options& options,
                                      ServerOptions server, metrics::QuicMetrics& metrics, Accept accept);
  /// The connection begins at once; `events` hears how it goes. `resumption` may be that of an earlier one.
  [[nodiscard]] static Created connect(net::EventLoop& loop, const net::Address& remote, const Options& options,
                                       const std::shared_ptr<const net::TlsContext>& tls,
                                       const std::string& server_name, const Resumption& resumption,
                                       ConnectionEvents& events, metrics::QuicMetrics& metrics);
  ~Endpoint();
  Endpoint(const Endpoint&) = delete;
  Endpoint& operator=(const Endpoint&) = delete;

  /// Of a client's; null once it has ended and late packets have had their answer.
  [[nodiscard]] Connection* connection() noexcept;
  [[nodiscard]] std::size_t connections() const noexcept { return connections_.size(); }
  [[nodiscard]] const net::Address& local() const noexcept { return socket_->local(); }
  [[nodiscard]] const Options& options() const noexcept { return options_; }
  [[nodiscard]] bool is_server() const noexcept { return is_server_; }
  /// Of a client's: goes on from another local address (RFC 9000, section 9). False: there is no other way to the peer.
  bool migrate();
  /// A server's: takes no new connections.
  void stop_accepting() noexcept { accepts_ = false; }
  void close_all(ErrorCode code, std::string_view text);
  /// Of any connection: Connection::has_unsent().
  [[nodiscard]] bool has_unsent() const noexcept;
  /// Refills budgets, takes the figures of the paths, looks for peers that are silent, and migrates where our own
  /// address has changed; once a second.
  void tick();
  /// Of several servers' with one place.
  std::expected<void, std::string> steer(unsigned workers) { return socket_->steer_by_connection_id(workers); }

 private:
  friend class Connection;
  friend struct ConnectionCallbacks;
  /// To what is of no connection. One kind must not be silenced by a flood that asks for another; a Retry, which is
  /// smaller than what it answers and keeps nothing, has no limit, as who needs it could not come in otherwise.
  enum class Answer : std::uint8_t { kVersionNegotiation, kRefusal, kStatelessReset, kCount };

  Endpoint(net::EventLoop& loop, const Options& options, metrics::QuicMetrics& metrics);
  static net::UdpSocket::Options socket_options(const Options& options, bool shares_port);

  void on_datagram(const net::Datagram& datagram) override;
  void on_datagrams_end() override { schedule(); }
  void on_room() override;
  void on_refused();
  void follow_the_way();

  // For Connection.
  void schedule();
  void mark_dirty(Connection& connection);
  void on_handshake(Connection& connection);
  void remember(Connection& connection, const ngtcp2_cid& id);
  void forget(Connection& connection, const ngtcp2_cid& id);
  void make_id(ngtcp2_cid& id, std::size_t size) const;
  void bury(Connection& connection);

  void begin_as_client(const std::shared_ptr<const net::TlsContext>& tls, const std::string& server_name,
                       const Resumption& resumption, ConnectionEvents& events);
  void adopt(std::unique_ptr<Connection> connection);
  void run();
  void settings(ngtcp2_settings& settings, ngtcp2_transport_params& params) const;
  [[nodiscard]] static ngtcp2_path path_between(const net::Address& local, const net::Address& remote);
  [[nodiscard]] static ngtcp2_path path_of(const net::Datagram& datagram) {
    return path_between(datagram.to, datagram.from);
  }
  void on_unknown(const net::Datagram& datagram, const ngtcp2_version_cid& ids);
  void begin_connection(const net::Datagram& datagram, const ngtcp2_pkt_hd& first);
  [[nodiscard]] bool has_room_for(const net::Address& from) const;
  Connection* accept(const net::Datagram& datagram, const ngtcp2_pkt_hd& header, const ngtcp2_cid* original,
                     ngtcp2_token_type token_type);
  [[nodiscard]] bool spend(Answer kind);
  void bind_secret();
  void send_alone(std::span<const std::uint8_t> datagram, const ngtcp2_path& path);
  void send_version_negotiation(const net::Datagram& datagram, const ngtcp2_version_cid& ids);
  void send_retry(const net::Datagram& datagram, const ngtcp2_pkt_hd& header);
  void send_refusal(const net::Datagram& datagram, const ngtcp2_pkt_hd& header, std::uint64_t error);
  void send_stateless_reset(const net::Datagram& datagram, const ngtcp2_version_cid& ids);

  net::EventLoop& loop_;
  const Options options_;
  metrics::QuicMetrics& metrics_;
  const std::vector<std::uint16_t> probes_;  // of the path's MTU
  bool is_server_ = false;
  bool accepts_ = true;
  ServerOptions server_;
  Accept accept_;
  net::Address remote_;  // a client's
  const std::shared_ptr<ChunkPool> chunks_ = std::make_shared<ChunkPool>();
  std::unique_ptr<net::UdpSocket> socket_;
  std::unordered_map<ConnectionId, Connection*, ConnectionIdHash> ids_;
  std::unordered_map<Connection*, std::unique_ptr<Connection>> connections_;
  std::vector<Connection*> dirty_;
  std::vector<Connection*> gone_;
  AddressCounts peers_;  // a server's
  std::size_t handshaking_ = 0;
  std::array<unsigned, static_cast<std::size_t>(Answer::kCount)> budgets_{};  // left until the next tick()
  bool scheduled_ = false;
  std::shared_ptr<Endpoint*> self_ = std::make_shared<Endpoint*>(this);  // for what is deferred
};

}  // namespace anteroom::quic
