#include "quic/connection.hpp"

#include <gnutls/gnutls.h>
#include <ngtcp2/ngtcp2_crypto_gnutls.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.hpp"
#include "quic/endpoint.hpp"
#include "quic/time.hpp"

namespace anteroom::quic {
namespace {

// Of silence, where the network says that nobody listens.
constexpr std::chrono::seconds kRefusedPatience{1};

// Bytes for each byte of an address that has not proved to be one (RFC 9000, section 8).
constexpr std::size_t kAnswerFactorMax = 3;
// A round trip within a data centre.
constexpr std::chrono::milliseconds kShortPath{2};

// Alerts of TLS that are about a certificate (RFC 8446, section 6.2), as QUIC shows them: 0x100 and the alert.
bool is_certificate_alert(std::uint64_t error) {
  constexpr std::array<std::uint64_t, 9> kAlerts{42, 43, 44, 45, 46, 48, 49, 113, 116};
  return error >= NGTCP2_CRYPTO_ERROR && std::ranges::count(kAlerts, error - NGTCP2_CRYPTO_ERROR) > 0;
}

std::string text_of_alert(std::uint8_t alert) {
  const char* const name = gnutls_alert_get_name(static_cast<gnutls_alert_description_t>(alert));
  return name != nullptr ? std::string(name) : "alert " + std::to_string(alert);
}

std::string text_of_transport_error(std::uint64_t error) {
  if (error == NGTCP2_CONNECTION_REFUSED) {
    return "refused by the peer: it takes no more connections, or none from here, or is stopping";
  }
  return "closed by the peer: transport error " + std::to_string(error);
}

}  // namespace

net::ConnectError error_of(const CloseReason& reason, const std::string& place) {
  using Kind = CloseReason::Kind;
  net::ConnectError error{.stage = net::ConnectStage::kQuic,
                          .error = EPROTO,
                          .text = place + ": " + (reason.text.empty() ? "the connection was closed" : reason.text)};
  if (reason.kind == Kind::kTimeout) error.error = ETIMEDOUT;
  if (reason.kind == Kind::kUnreachable) error.error = ECONNREFUSED;
  if (reason.kind == Kind::kForgotten) error.error = ECONNRESET;
  if (reason.kind == Kind::kCertificate) {
    error.error = EACCES;
    error.refusal = reason.refusal;
    if (reason.refusal.empty()) error.stage = net::ConnectStage::kTls;
  }
  return error;
}

Connection::Connection(Endpoint& endpoint, ConnectionEvents* events, std::shared_ptr<const net::TlsContext> tls,
                       std::string server_name)
    : endpoint_(endpoint),
      events_(events),
      tls_(std::move(tls)),
      server_name_(std::move(server_name)),
      is_server_(endpoint.is_server()),
      timer_(endpoint.loop_, [this] { on_expiry(); }) {
  ngtcp2_ccerr_default(&error_);
}

Connection::~Connection() {
  for (auto& [id, core] : streams_) core->connection = nullptr;
  for (auto& core : finished_) core->connection = nullptr;
  if (conn_ != nullptr) ngtcp2_conn_del(conn_);
  if (session_ != nullptr) gnutls_deinit(session_);
  for (auto& [id, core] : streams_) core->out.clear();  // no longer looked at, and the pool goes too
}

void Connection::attach(ngtcp2_conn* conn, gnutls_session_int* session) {
  conn_ = conn;
  session_ = session;
  reference_ = {[](ngtcp2_crypto_conn_ref* reference) { return static_cast<Connection*>(reference->user_data)->conn_; },
                this};
  gnutls_session_set_ptr(session, &reference_);
  const int configured = is_server_ ? ngtcp2_crypto_gnutls_configure_server_session(session)
                                    : ngtcp2_crypto_gnutls_configure_client_session(session);
  ANTEROOM_CHECK(configured == 0);
  // GnuTLS verifies nothing by itself.
  gnutls_session_set_verify_function(session, [](gnutls_session_t judged) {
    auto* const reference = static_cast<ngtcp2_crypto_conn_ref*>(gnutls_session_get_ptr(judged));
    return static_cast<Connection*>(reference->user_data)->judge_peer();
  });
  if (!is_server_) {
    gnutls_handshake_set_hook_function(
        session, GNUTLS_HANDSHAKE_NEW_SESSION_TICKET, GNUTLS_HOOK_POST,
        [](gnutls_session_t ticketed, unsigned, unsigned, unsigned, const gnutls_datum_t*) {
          auto* const reference = static_cast<ngtcp2_crypto_conn_ref*>(gnutls_session_get_ptr(ticketed));
          static_cast<Connection*>(reference->user_data)->keep_ticket();
          return 0;
        });
  }
  ngtcp2_conn_set_tls_native_handle(conn, session);
}

int Connection::judge_peer() {
  refused_peer_ = tls_->judge_peer(session_, server_name_);
  return refused_peer_ ? GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR : 0;
}

// A ticket that does not fit any more makes a full handshake.
void Connection::resume(const Resumption& resumption) {
  if (resumption.ticket.empty()) return;
  if (gnutls_session_set_data(session_, resumption.ticket.data(), resumption.ticket.size()) != 0) return;
  if (endpoint_.options().early_data) begin_early_data(resumption);
}

// With the limits that the server had the last time; it may not have lower ones now (RFC 9001, section 4.6.3).
void Connection::begin_early_data(const Resumption& resumption) {
  const std::vector<std::uint8_t>& limits = resumption.limits;
  takes_early_data_ =
      !limits.empty() && ngtcp2_conn_decode_and_set_0rtt_transport_params(conn_, limits.data(), limits.size()) == 0;
}

void Connection::settle_early_data() {
  const bool was_taken = (gnutls_session_get_flags(session_) & GNUTLS_SFLAGS_EARLY_DATA) != 0;
  if (was_taken) endpoint_.metrics_.early_data_taken.add();
  if (was_taken || !takes_early_data_) return;
  endpoint_.metrics_.early_data_refused.add();
  static_cast<void>(ngtcp2_conn_tls_early_data_rejected(conn_));
  open_streams_again();
}

void Connection::keep_ticket() {
  gnutls_datum_t data{nullptr, 0};
  if (gnutls_session_get_data2(session_, &data) != 0) return;
  resumption_.ticket.assign(reinterpret_cast<const char*>(data.data), data.size);
  gnutls_memset(data.data, 0, data.size);
  gnutls_free(data.data);
  if (!endpoint_.options().early_data) return;
  std::array<std::uint8_t, 256> limits{};
  const ngtcp2_ssize size = ngtcp2_conn_encode_0rtt_transport_params(conn_, limits.data(), limits.size());
  if (size > 0) resumption_.limits.assign(limits.begin(), limits.begin() + size);
}

int Connection::finish_handshake() {
  gnutls_datum_t protocol{nullptr, 0};
  if (gnutls_alpn_get_selected_protocol(session_, &protocol) != 0) {
    has_no_protocol_ = true;
    return NGTCP2_ERR_CALLBACK_FAILURE;
  }
  is_established_ = true;
  must_write_ = true;  // the last flight of the handshake must not wait for data
  was_resumed_ = gnutls_session_is_resumed(session_) != 0;
  endpoint_.on_handshake(*this);
  note_news(established_untold_);
  settle_early_data();
  if (!is_server_) {
    fit_keep_alive();
    return 0;
  }
  if (gnutls_session_ticket_send(session_, 1, 0) != 0) return NGTCP2_ERR_CALLBACK_FAILURE;
  const ngtcp2_addr& peer = ngtcp2_conn_get_path(conn_)->remote;
  const ServerSecret& secret = endpoint_.server_.secret;
  std::array<std::uint8_t, NGTCP2_CRYPTO_MAX_REGULAR_TOKENLEN> token{};
  const ngtcp2_ssize size = ngtcp2_crypto_generate_regular_token(token.data(), secret.data(), secret.size(), peer.addr,
                                                                 peer.addrlen, endpoint_.server_.wall());
  if (size > 0) ngtcp2_conn_submit_new_token(conn_, token.data(), static_cast<std::size_t>(size));
  return 0;
}

// The peer may give up earlier than we would have asked.
void Connection::fit_keep_alive() {
  const auto wanted = static_cast<std::uint64_t>(std::chrono::nanoseconds(endpoint_.options().keep_alive).count());
  const ngtcp2_transport_params* const peer = ngtcp2_conn_get_remote_transport_params(conn_);
  if (wanted == 0 || peer == nullptr || peer->max_idle_timeout == 0) return;
  ngtcp2_conn_set_keep_alive_timeout(conn_, std::min(wanted, peer->max_idle_timeout / 3));
}

// --- What the application asks for ---

std::unique_ptr<Stream> Connection::open_stream() {
  if (state_ != State::kOpen) return nullptr;
  std::int64_t id = -1;
  if (ngtcp2_conn_open_bidi_stream(conn_, &id, nullptr) != 0) return nullptr;
  const std::shared_ptr<StreamCore> core = add_stream(id);
  return std::make_unique<Stream>(core);
}

void Connection::close(ErrorCode code, std::string_view text) {
  if (is_established_) write();
  if (state_ != State::kOpen) return;
  ngtcp2_ccerr_set_application_error(&error_, static_cast<std::uint64_t>(code),
                                     reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
  begin_closing({.kind = CloseReason::Kind::kLocal,
                 .is_application_code = true,
                 .code = static_cast<std::uint64_t>(code),
                 .text = std::string(text)});
}

void Connection::check_silence(base::Duration limit) {
  if (state_ != State::kOpen || !is_established_) return;
  const base::TimePoint now = endpoint_.loop_.now();
  if (path_figures().bytes_in_flight == 0) silent_since_ = now;  // it has nothing to answer
  if (now - silent_since_ < (is_refused_ ? std::min<base::Duration>(limit, kRefusedPatience) : limit)) return;
  ngtcp2_ccerr_set_application_error(&error_, static_cast<std::uint64_t>(ErrorCode::kCancelled), nullptr, 0);
  begin_closing({.kind = CloseReason::Kind::kTimeout, .text = "the peer is silent"});
}

std::size_t Connection::send_limit() const noexcept { return endpoint_.options().send_bytes_max; }

std::string Connection::peer_name() const {
  const ngtcp2_addr& address = ngtcp2_conn_get_path(conn_)->remote;
  return net::Address::from_sockaddr(address.addr, address.addrlen).to_string();
}

std::string Connection::local_name() const {
  const ngtcp2_addr& address = ngtcp2_conn_get_path(conn_)->local;
  return net::Address::from_sockaddr(address.addr, address.addrlen).to_string();
}

Connection::PathFigures Connection::path_figures() const {
  ngtcp2_conn_info info{};
  ngtcp2_conn_get_conn_info(conn_, &info);
  return {std::chrono::nanoseconds(info.smoothed_rtt), info.cwnd, info.bytes_in_flight};
}

bool Connection::update_keys() {
  if (state_ != State::kOpen || ngtcp2_conn_initiate_key_update(conn_, now_ns()) != 0) return false;
  must_write_ = true;
  endpoint_.mark_dirty(*this);
  return true;
}

// --- What arrives ---

int Connection::receive(const ngtcp2_path& path, const ngtcp2_pkt_info& info, std::span<const std::uint8_t> datagram) {
  if (state_ == State::kGone) return 0;
  if (state_ == State::kClosing) {
    answer_while_closing(path, datagram.size());
    return 0;
  }
  ++packets_since_write_;
  silent_since_ = endpoint_.loop_.now();
  is_refused_ = false;
  const int error = ngtcp2_conn_read_pkt(conn_, &path, &info, datagram.data(), datagram.size(), now_ns());
  if (error == 0) {
    endpoint_.mark_dirty(*this);
  } else if (error == NGTCP2_ERR_DRAINING) {
    drain();
  } else if (error == NGTCP2_ERR_DROP_CONN || error == NGTCP2_ERR_RETRY) {
    end({.kind = CloseReason::Kind::kProtocol, .text = "the first packet is not one"});
  } else {
    fail(error);
  }
  return error;
}

void Connection::receive_from_nobody(const ngtcp2_path& path, const ngtcp2_pkt_info& info,
                                     std::span<const std::uint8_t> datagram) {
  const auto silent_since = silent_since_;
  const bool is_refused = is_refused_;
  static_cast<void>(receive(path, info, datagram));
  silent_since_ = silent_since;
  is_refused_ = is_refused;
}

// The peer has closed: nothing is sent any more (RFC 9000, section 10.2.2).
void Connection::drain() {
  const ngtcp2_ccerr& error = *ngtcp2_conn_get_ccerr(conn_);
  CloseReason reason{.kind = CloseReason::Kind::kPeer, .code = error.error_code};
  reason.is_application_code = error.type == NGTCP2_CCERR_TYPE_APPLICATION;
  if (!reason.is_application_code && is_certificate_alert(error.error_code)) {
    reason.kind = CloseReason::Kind::kCertificate;
  } else if (!reason.is_application_code && error.error_code != NGTCP2_NO_ERROR) {
    reason.kind = CloseReason::Kind::kProtocol;
  }
  if (was_forgotten_) {
    reason = {.kind = CloseReason::Kind::kForgotten, .text = "the peer does not know the connection any more"};
  } else if (reason.is_application_code) {
    reason.text = "closed by the peer: " + std::string(name_of(error.error_code));
  } else if (error.error_code >= NGTCP2_CRYPTO_ERROR) {
    reason.text = "refused by the peer: " + text_of_alert(static_cast<std::uint8_t>(error.error_code));
  } else {
    reason.text = text_of_transport_error(error.error_code);
  }
  state_ = State::kClosing;
  close_packet_.clear();
  settle_end(std::move(reason));
}

// 1, 2, 4, 8, ... packets later: a peer that does not listen cannot make us talk (RFC 9000, section 10.2.1). Whose
// packets they are is not looked at any more, so that each pays for its answer (section 8).
void Connection::answer_while_closing(const ngtcp2_path& path, std::size_t size) {
  if (close_packet_.size() > kAnswerFactorMax * size) return;
  const unsigned count = ++packets_since_write_;
  if (close_packet_.empty() || (count & (count - 1)) != 0) return;
  endpoint_.send_alone(close_packet_, path);
}

// --- How it ends ---

void Connection::fail(int error) {
  if (state_ != State::kOpen) return;
  CloseReason reason{.kind = CloseReason::Kind::kProtocol, .text = ngtcp2_strerror(error)};
  if (error == NGTCP2_ERR_IDLE_CLOSE || error == NGTCP2_ERR_HANDSHAKE_TIMEOUT) {
    reason.kind = CloseReason::Kind::kTimeout;
    reason.text = error == NGTCP2_ERR_IDLE_CLOSE ? "the peer is silent" : "no handshake in time";
    end(std::move(reason));
    return;
  }
  if (error == NGTCP2_ERR_CRYPTO) {
    const std::uint8_t alert = ngtcp2_conn_get_tls_alert(conn_);
    ngtcp2_ccerr_set_tls_alert(&error_, alert, nullptr, 0);
    reason.text = text_of_alert(alert);
    if (refused_peer_) {
      reason = {.kind = CloseReason::Kind::kCertificate,
                .text = "certificate " + refused_peer_->reason,
                .refusal = refused_peer_->reason};
    }
  } else if (has_no_protocol_) {
    ngtcp2_ccerr_set_tls_alert(&error_, GNUTLS_A_NO_APPLICATION_PROTOCOL, nullptr, 0);  // RFC 9001, section 8.1
    reason.text = "the peer has no protocol in common with us";
  } else {
    ngtcp2_ccerr_set_liberr(&error_, error, nullptr, 0);
  }
  begin_closing(std::move(reason));
}

void Connection::begin_closing(CloseReason reason) {
  state_ = State::kClosing;
  packets_since_write_ = 0;
  write_close_packet();
  settle_end(std::move(reason));
}

void Connection::settle_end(CloseReason reason) {
  reason_ = std::move(reason);
  fail_streams();
  note_news(end_untold_);
  // Late packets of the peer still belong to it, and not to somebody new.
  const std::uint64_t now = now_ns();
  arm(now + 3 * ngtcp2_conn_get_pto(conn_), now);
}

void Connection::end(CloseReason reason) {
  reason_ = std::move(reason);
  fail_streams();
  note_news(end_untold_);
  state_ = State::kGone;
  endpoint_.bury(*this);
}

void Connection::fail_streams() {
  ready_.clear();
  const auto why = std::make_shared<const net::ConnectError>(error_of(reason_, peer_name()));
  for (auto& [id, core] : streams_) {
    core->is_ready = false;
    core->connection = nullptr;
    if (!std::exchange(core->is_eventful, true)) eventful_.push_back(core);
    endpoint_.metrics_.streams.add(-1);
    finished_.push_back(core);
  }
  streams_.clear();
  for (auto& core : finished_) {
    core->connection = nullptr;
    core->why_lost = why;
  }
}

void Connection::note_news(bool& news) {
  news = true;
  endpoint_.mark_dirty(*this);
}

// --- Telling ---

void Connection::deliver_events() {
  if (std::exchange(established_untold_, false)) events_->on_established(*this);
  for (const auto& core : std::exchange(opened_, {})) {
    if (core->connection == nullptr) continue;  // the end came with it, in one turn, and there is nobody to answer
    auto stream = std::make_unique<Stream>(core);
    events_->on_stream(*this, std::move(stream));
  }
  for (const auto& core : std::exchange(eventful_, {})) {
    core->is_eventful = false;
    core->tell_owner();
  }
  if (std::exchange(streams_available_untold_, false) && state_ == State::kOpen) events_->on_streams_available(*this);
  if (std::exchange(end_untold_, false)) events_->on_closed(*this, reason_);
  std::erase_if(finished_, [](const auto& core) { return !core->has_owner; });
}

// --- Time ---

void Connection::arm(std::uint64_t at, std::uint64_t now) {
  armed_at_ = at;
  timer_.start(std::chrono::nanoseconds(at > now ? at - now : 0));
}

bool Connection::is_near() const { return path_figures().rtt < kShortPath; }

// The expiry moves with almost every packet: the timer is set anew only if it became earlier, and one that comes too
// early looks again.
void Connection::update_timer(std::uint64_t now, bool may_wait) {
  std::uint64_t expiry = ngtcp2_conn_get_expiry(conn_);
  if (may_wait && is_near()) {
    const auto delay = static_cast<std::uint64_t>(endpoint_.options().acks_near.delay.count());
    expiry = std::max(expiry, now + delay * NGTCP2_MILLISECONDS);
  }
  if (expiry == UINT64_MAX) return;
  if (expiry < armed_at_ || armed_at_ <= now) arm(std::max(expiry, now), now);
}

void Connection::on_expiry() {
  armed_at_ = UINT64_MAX;
  const std::uint64_t now = now_ns();
  if (state_ == State::kClosing) {
    state_ = State::kGone;
    endpoint_.bury(*this);
    return;
  }
  if (state_ == State::kGone) return;
  if (ngtcp2_conn_get_expiry(conn_) > now) {
    update_timer(now, false);
    return;
  }
  if (const int error = ngtcp2_conn_handle_expiry(conn_, now); error != 0) {
    fail(error);
    return;
  }
  must_write_ = true;
  endpoint_.mark_dirty(*this);
}

}  // namespace anteroom::quic
