#pragma once

#include <ngtcp2/ngtcp2.h>
#include <ngtcp2/ngtcp2_crypto.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "net/connect_error.hpp"
#include "net/event_loop.hpp"
#include "net/tls_context.hpp"
#include "quic/connection_id.hpp"
#include "quic/options.hpp"
#include "quic/stream.hpp"

struct gnutls_session_int;

namespace anteroom::quic {

class Endpoint;

/// Why a connection has ended.
struct CloseReason {
  enum class Kind : std::uint8_t {
    kLocal,        ///< close()
    kPeer,         ///< CONNECTION_CLOSE, with `code` of the application or of the transport
    kTimeout,      ///< the peer went silent, or there was no handshake in time
    kCertificate,  ///< the peer's was refused, or ours by the peer
    kUnreachable,  ///< nobody listens there
    kForgotten,    ///< the peer does not know the connection any more (RFC 9000, section 10.3), as after a restart
    kProtocol,     ///< no common version or ALPN, a broken peer
  };
  Kind kind = Kind::kLocal;
  bool is_application_code = false;
  std::uint64_t code = 0;
  std::string text{};     ///< one line
  std::string refusal{};  ///< kCertificate: in one word, what we have against the peer's; empty if it refused ours
};

/// What those are told who wanted something of it. `place` is whom it was with.
[[nodiscard]] net::ConnectError error_of(const CloseReason& reason, const std::string& place);

/// What a connection tells whoever made or accepted it, on the loop thread, never inside one of the connection's own
/// functions.
class ConnectionEvents {
 public:
  /// The handshake is done: from now on the peer is who it says.
  virtual void on_established(Connection& connection) = 0;
  /// The peer has opened a stream. Its first bytes may be there already.
  virtual void on_stream(Connection& connection, std::unique_ptr<Stream> stream) = 0;
  /// open_stream() may work again.
  virtual void on_streams_available(Connection& connection) = 0;
  /// The last call; all streams have failed. The connection lingers to answer late packets.
  virtual void on_closed(Connection& connection, const CloseReason& reason) = 0;

 protected:
  ~ConnectionEvents() = default;
};

/// What a client keeps to come back faster: a ticket of TLS, the token that validates its address, and for early data
/// the peer's limits. Secret. A ticket stands for a certificate that was good: not to be used under other rules.
struct Resumption {
  std::string ticket;
  std::vector<std::uint8_t> token;
  std::vector<std::uint8_t> limits;  ///< where early data is wanted
};

/// One connection of QUIC version 1 (RFC 9000): drives ngtcp2, whose callbacks only note what has happened; the
/// endpoint then has it told (deliver_events) and sends what there is (write) once per turn. Made and owned by its
/// Endpoint. Loop thread only.
class Connection {
 public:
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Null before the handshake is done unless takes_early_data(), while the peer allows no more streams, or when the
  /// connection is closing. Costs no round trip.
  [[nodiscard]] std::unique_ptr<Stream> open_stream();
  /// An orderly end. What was written before goes out first, once and as far as congestion control lets it: whoever
  /// wants to be sure that it arrives waits for has_unsent(). Streams fail at once; on_closed() comes later in this
  /// turn.
  void close(ErrorCode code, std::string_view text);
  [[nodiscard]] bool is_established() const noexcept { return is_established_; }
  [[nodiscard]] bool is_closing() const noexcept { return state_ != State::kOpen; }
  /// A client's: what streams say goes with the first flight. If the server does not take it so, it is sent again after
  /// the handshake, and nobody notices.
  [[nodiscard]] bool takes_early_data() const noexcept { return takes_early_data_; }
  /// The peer stops: it has refused a stream for that (ErrorCode::kShuttingDown), lets those run that it has, and takes
  /// no other.
  [[nodiscard]] bool peer_is_leaving() const noexcept { return peer_is_leaving_; }
  /// A ticket was used for the handshake, and taken.
  [[nodiscard]] bool was_resumed() const noexcept { return was_resumed_; }
  /// What the peer has given so far for the next connection.
  [[nodiscard]] const Resumption& resumption() const noexcept { return resumption_; }
  [[nodiscard]] std::size_t streams() const noexcept { return streams_.size(); }
  /// The peer has not acknowledged everything yet that streams were given, ends included; closing would cut it off.
  [[nodiscard]] bool has_unsent() const noexcept;
  /// Options::send_bytes_max.
  [[nodiscard]] std::size_t send_limit() const noexcept;
  /// Numeric "address:port".
  [[nodiscard]] std::string peer_name() const;
  [[nodiscard]] std::string local_name() const;
  struct PathFigures {
    std::chrono::nanoseconds rtt{};
    std::uint64_t cwnd_bytes = 0;
    std::uint64_t bytes_in_flight = 0;
  };
  [[nodiscard]] PathFigures path_figures() const;
  /// Encryption goes on with new keys (RFC 9001, section 6). False: not now.
  bool update_keys();

 private:
  friend class Endpoint;
  friend class Stream;
  friend struct StreamCore;
  friend struct ConnectionCallbacks;
  enum class State : std::uint8_t {
    kOpen,
    kClosing,  ///< CONNECTION_CLOSE was sent or came; lingers to answer what is still under way
    kGone,     ///< ends with this turn
  };

  Connection(Endpoint& endpoint, ConnectionEvents* events, std::shared_ptr<const net::TlsContext> tls,
             std::string server_name);
  void attach(ngtcp2_conn* conn, gnutls_session_int* session);

  // For Endpoint.
  /// What ngtcp2 says of it.
  int receive(const ngtcp2_path& path, const ngtcp2_pkt_info& info, std::span<const std::uint8_t> datagram);
  /// The same of what is addressed to nobody: perhaps a stateless reset, and no sign of life.
  void receive_from_nobody(const ngtcp2_path& path, const ngtcp2_pkt_info& info,
                           std::span<const std::uint8_t> datagram);
  void deliver_events();
  void write();
  /// Ends if the peer has been silent for `limit` while something is under way to it; once a second.
  void check_silence(base::Duration limit);

  // For Stream.
  void mark_ready(StreamCore& core);
  void mark_eventful(StreamCore& core);
  void give_credit(StreamCore& core, std::size_t size);
  void stop(StreamCore& core, ErrorCode code);
  void reset(StreamCore& core, ErrorCode code);

  // Streams.
  std::shared_ptr<StreamCore> add_stream(std::int64_t id);
  void take_input(StreamCore& core, std::span<const std::uint8_t> bytes, bool is_last);
  void discard_input(StreamCore& core);
  void forget_stream(StreamCore& core);
  void extend_connection_credit(std::uint64_t size);
  void drop_ready(StreamCore& core) noexcept;
  void note_peer_reset(std::uint64_t code);
  void count_losses();
  void count_losses_of(StreamCore& core);

  // TLS.
  int judge_peer();
  void resume(const Resumption& resumption);
  void keep_ticket();
  void begin_early_data(const Resumption& resumption);
  void settle_early_data();
  void open_streams_again();
  [[nodiscard]] int finish_handshake();
  void fit_keep_alive();

  // Sending.
  [[nodiscard]] bool may_wait(std::uint64_t now) const;
  [[nodiscard]] StreamCore* next_offer(std::span<iovec> pieces, std::size_t& count, bool& with_fin);
  [[nodiscard]] std::ptrdiff_t write_packet(std::span<std::uint8_t> room, ngtcp2_path& path, ngtcp2_pkt_info& info,
                                            std::uint64_t now);
  void settle_offer(StreamCore& core, std::ptrdiff_t result, std::ptrdiff_t taken, bool with_fin);
  void probe_writers();
  void write_close_packet();
  void answer_while_closing(const ngtcp2_path& path, std::size_t size);

  // The end, and time.
  void fail(int error);
  void drain();
  void begin_closing(CloseReason reason);
  void settle_end(CloseReason reason);
  void end(CloseReason reason);
  void fail_streams();
  void note_news(bool& news);
  void on_expiry();
  void arm(std::uint64_t at, std::uint64_t now);
  void update_timer(std::uint64_t now, bool may_wait);
  [[nodiscard]] bool is_near() const;

  Endpoint& endpoint_;
  ConnectionEvents* events_;
  const std::shared_ptr<const net::TlsContext> tls_;
  const std::string server_name_;
  std::string peer_;  // whom a server's endpoint counts it to
  bool is_server_ = false;

  State state_ = State::kOpen;
  ngtcp2_conn* conn_ = nullptr;
  gnutls_session_int* session_ = nullptr;
  ngtcp2_crypto_conn_ref reference_{};
  ngtcp2_ccerr error_{};
  std::optional<net::TlsFailure> refused_peer_;
  bool has_no_protocol_ = false;  // in common with the peer (ALPN)
  bool was_forgotten_ = false;    // by the peer
  net::Timer timer_;
  std::uint64_t armed_at_ = UINT64_MAX;

  std::unordered_map<std::int64_t, std::shared_ptr<StreamCore>> streams_;
  std::deque<StreamCore*> ready_;  // have something to send; round robin
  std::vector<std::shared_ptr<StreamCore>> eventful_;
  std::vector<std::shared_ptr<StreamCore>> opened_;
  std::vector<std::shared_ptr<StreamCore>> finished_;  // ngtcp2 has done with them, their owners perhaps not
  std::vector<ConnectionId> ids_;                      // under which the endpoint knows it
  std::vector<std::uint8_t> close_packet_;
  Resumption resumption_;
  CloseReason reason_;

  std::uint64_t unread_bytes_ = 0;
  std::uint64_t owed_credit_ = 0;  // of the connection's window, held back because too much is unread
  unsigned packets_since_write_ = 0;
  base::TimePoint silent_since_{};
  bool is_refused_ = false;  // the network says since then that nobody listens there
  bool must_write_ = false;  // control frames that may not wait
  bool is_dirty_ = false;    // in the endpoint's list of those that write at the end of the turn
  bool is_established_ = false;
  bool was_resumed_ = false;
  bool takes_early_data_ = false;
  bool peer_is_leaving_ = false;
  bool established_untold_ = false;
  bool streams_available_untold_ = false;
  bool end_untold_ = false;
};

}  // namespace anteroom::quic
