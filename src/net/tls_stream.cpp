#include "net/tls_stream.hpp"

#include <gnutls/gnutls.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <numeric>
#include <system_error>
#include <utility>

#include "base/check.hpp"
#include "base/log.hpp"

namespace anteroom::net {
namespace {

// A peer may warn; one that only warns keeps us busy for nothing.
constexpr unsigned kWarningsMax = 8;

bool is_about_our_certificate(gnutls_alert_description_t alert) {
  switch (alert) {
    case GNUTLS_A_BAD_CERTIFICATE:
    case GNUTLS_A_UNSUPPORTED_CERTIFICATE:
    case GNUTLS_A_CERTIFICATE_REVOKED:
    case GNUTLS_A_CERTIFICATE_EXPIRED:
    case GNUTLS_A_CERTIFICATE_UNKNOWN:
    case GNUTLS_A_UNKNOWN_CA:
    case GNUTLS_A_ACCESS_DENIED:
    case GNUTLS_A_CERTIFICATE_REQUIRED:
      return true;
    default:
      return false;
  }
}

std::string_view name_of(gnutls_alert_description_t alert) {
  const char* const name = gnutls_alert_get_name(alert);
  return name != nullptr ? name : "unknown alert";
}

IoResult failure(int error) noexcept { return {IoResult::Status::kError, 0, error}; }

std::size_t size_of(std::span<const iovec> pieces) {
  return std::accumulate(pieces.begin(), pieces.end(), std::size_t{0},
                         [](std::size_t sum, const iovec& piece) { return sum + piece.iov_len; });
}

}  // namespace

/// What GnuTLS calls to move encrypted bytes.
struct TlsStream::Transport {
  static ssize_t pull(gnutls_transport_ptr_t self, void* into, std::size_t size) noexcept {
    TlsStream& stream = *static_cast<TlsStream*>(self);
    const IoResult result = stream.under_->read({static_cast<char*>(into), size});
    if (result.status == IoResult::Status::kClosed) stream.transport_ended_ = true;
    return stream.transport_ended_ ? 0 : taken(stream, result);
  }
  static ssize_t push(gnutls_transport_ptr_t self, const giovec_t* pieces, int count) noexcept {
    TlsStream& stream = *static_cast<TlsStream*>(self);
    return taken(stream, stream.under_->write({pieces, static_cast<std::size_t>(count)}));
  }

 private:
  static ssize_t taken(TlsStream& stream, const IoResult& result) noexcept {
    if (result.status == IoResult::Status::kOk) return static_cast<ssize_t>(result.bytes);
    const bool would_block = result.status == IoResult::Status::kWouldBlock;
    if (!would_block) stream.transport_error_ = result.error != 0 ? result.error : EPIPE;
    gnutls_transport_set_errno(stream.session_, would_block ? EAGAIN : stream.transport_error_);
    return -1;
  }
};

TlsStream::TlsStream(EventLoop& loop, std::unique_ptr<ByteStream> under, std::shared_ptr<const TlsContext> context,
                     std::string server_name)
    : under_(std::move(under)),
      context_(std::move(context)),
      server_name_(std::move(server_name)),
      session_(context_->new_session(server_name_)),
      wake_reader_(loop, [this] {
        if (wants_read_ && events_ != nullptr) events_->on_readable();
      }) {
  gnutls_transport_set_ptr(session_, this);
  gnutls_transport_set_pull_function(session_, Transport::pull);
  gnutls_transport_set_vec_push_function(session_, Transport::push);
  under_->set_events(this);
}

TlsStream::~TlsStream() {
  close();
  gnutls_deinit(session_);
}

void TlsStream::start_handshake(HandshakeDone done) {
  ANTEROOM_CHECK(state_ == State::kNew);
  state_ = State::kShaking;
  done_ = std::move(done);
  // The client begins as soon as it can write, the server when there is something to read; both not in here.
  under_->want_read(true);
  under_->want_write(true);
}

void TlsStream::on_readable() {
  if (state_ == State::kShaking) {
    shake();
  } else if (events_ != nullptr) {
    events_->on_readable();
  }
}

void TlsStream::on_writable() {
  if (state_ == State::kShaking) {
    shake();
  } else if (events_ != nullptr) {
    events_->on_writable();
  }
}

void TlsStream::shake() {
  int result = 0;
  do {
    result = gnutls_handshake(session_);
    if (result == GNUTLS_E_WARNING_ALERT_RECEIVED && ++warnings_ > kWarningsMax) break;
  } while (result == GNUTLS_E_INTERRUPTED || result == GNUTLS_E_WARNING_ALERT_RECEIVED);
  if (result == GNUTLS_E_AGAIN) {
    const bool waits_for_room = gnutls_record_get_direction(session_) == 1;
    under_->want_write(waits_for_room);
    under_->want_read(!waits_for_room);
    return;
  }
  if (result < 0) {
    const TlsFailure why = handshake_failure(result);
    static_cast<void>(gnutls_alert_send_appropriate(session_, result));
    end_handshake(std::unexpected(why));
    return;
  }
  if (auto why = context_->judge_peer(session_, server_name_)) {
    static_cast<void>(gnutls_alert_send(session_, GNUTLS_AL_FATAL, GNUTLS_A_BAD_CERTIFICATE));
    end_handshake(std::unexpected(std::move(*why)));
    return;
  }
  end_handshake({});
}

void TlsStream::end_handshake(std::expected<void, TlsFailure> result) {
  under_->want_read(false);
  under_->want_write(false);
  state_ = result ? State::kOpen : State::kFailed;
  HandshakeDone done = std::move(done_);
  done(std::move(result));
}

TlsFailure TlsStream::handshake_failure(int error) const {
  if (transport_error_ != 0) {
    return {TlsFailure::Kind::kOther, std::generic_category().message(transport_error_)};
  }
  if (error == GNUTLS_E_FATAL_ALERT_RECEIVED) {
    const gnutls_alert_description_t alert = gnutls_alert_get(session_);
    if (is_about_our_certificate(alert)) return {TlsFailure::Kind::kCertificate, "refused_by_peer"};
    return {TlsFailure::Kind::kOther, "alert from the peer: " + std::string(name_of(alert))};
  }
  if (error == GNUTLS_E_NO_CERTIFICATE_FOUND || error == GNUTLS_E_CERTIFICATE_REQUIRED) {
    return {TlsFailure::Kind::kCertificate, "missing"};
  }
  if (transport_ended_) return {TlsFailure::Kind::kClosed, "closed by peer"};
  return {TlsFailure::Kind::kOther, gnutls_strerror(error)};
}

IoResult TlsStream::read(std::span<char> into) {
  ANTEROOM_CHECK(!into.empty());
  if (state_ != State::kOpen) return result_of_end();
  std::size_t total = 0;
  while (total < into.size() && state_ == State::kOpen) {
    const ssize_t got = gnutls_record_recv(session_, into.data() + total, into.size() - total);
    if (got == GNUTLS_E_AGAIN) break;
    if (got > 0) {
      total += static_cast<std::size_t>(got);
    } else if (got != GNUTLS_E_INTERRUPTED && (got != GNUTLS_E_WARNING_ALERT_RECEIVED || ++warnings_ > kWarningsMax)) {
      take_end(got);
    }
  }
  update_pending();
  if (total > 0) return {IoResult::Status::kOk, total, 0};
  return result_of_end();
}

/// The end of what can be read, or of everything. A request for another handshake is answered by the latter: it is not
/// needed, and has been a way to wear servers out.
void TlsStream::take_end(std::ptrdiff_t result) {
  if (result == 0 || result == GNUTLS_E_PREMATURE_TERMINATION) {
    state_ = State::kEnded;
    return;
  }
  state_ = State::kFailed;
  if (transport_error_ != 0) return;
  const bool is_alert = result == GNUTLS_E_FATAL_ALERT_RECEIVED;
  log::debug("TLS connection failed",
             {{"peer", peer_name()},
              {"reason", is_alert ? name_of(gnutls_alert_get(session_)) : gnutls_strerror(static_cast<int>(result))}});
}

IoResult TlsStream::result_of_end() const noexcept {
  switch (state_) {
    case State::kNew:
    case State::kShaking:
    case State::kOpen:
      return {IoResult::Status::kWouldBlock, 0, 0};
    case State::kEnded:
      return {IoResult::Status::kClosed, 0, 0};
    case State::kFailed:
      return failure(transport_error_ != 0 ? transport_error_ : EPROTO);
    case State::kClosed:
      break;
  }
  return failure(EBADF);
}

IoResult TlsStream::write(std::span<const iovec> pieces) {
  ANTEROOM_CHECK(!pieces.empty());
  // The peer's farewell ends only what it sends.
  if (state_ != State::kOpen && state_ != State::kEnded) return result_of_end();
  const std::size_t offered = size_of(pieces);
  ANTEROOM_CHECK(offered >= unsent_bytes_);
  std::size_t total = 0;
  while (total < offered) {
    const ssize_t sent = send_record(pieces, total);
    if (sent == GNUTLS_E_AGAIN) break;
    if (sent == GNUTLS_E_INTERRUPTED) continue;
    if (sent < 0) return failure(transport_error_ != 0 ? transport_error_ : EPROTO);
    total += static_cast<std::size_t>(sent);
  }
  if (total > 0) return {IoResult::Status::kOk, total, 0};
  return {IoResult::Status::kWouldBlock, 0, 0};
}

/// Sends the rest of the record that waits, or one record with what stands behind the first `skip` bytes of `pieces`.
std::ptrdiff_t TlsStream::send_record(std::span<const iovec> pieces, std::size_t skip) {
  std::array<char, kRecordBytes> gathered;
  std::string_view record;
  if (unsent_bytes_ == 0) {
    std::size_t size = 0;
    for (const iovec& piece : pieces) {
      const std::size_t left_out = std::min(skip, piece.iov_len);
      skip -= left_out;
      const std::string_view rest(static_cast<const char*>(piece.iov_base) + left_out, piece.iov_len - left_out);
      if (size == 0 && rest.size() >= kRecordBytes) {
        record = rest.substr(0, kRecordBytes);  // without a copy
        break;
      }
      const std::size_t fits = std::min(rest.size(), gathered.size() - size);
      std::memcpy(gathered.data() + size, rest.data(), fits);
      size += fits;
      if (size == gathered.size()) break;
    }
    if (record.empty()) record = {gathered.data(), size};
    unsent_bytes_ = record.size();
  }
  const ssize_t sent = gnutls_record_send(session_, record.data(), record.size());
  if (sent >= 0) unsent_bytes_ = 0;
  return sent;
}

bool TlsStream::has_pending() const noexcept {
  return state_ == State::kEnded || state_ == State::kFailed ||
         (state_ == State::kOpen && gnutls_record_check_pending(session_) > 0);
}

void TlsStream::update_pending() {
  if (!wants_read_ || !has_pending()) {
    wake_reader_.cancel();
  } else if (!wake_reader_.is_running()) {
    wake_reader_.start(base::Duration::zero());
  }
}

void TlsStream::want_read(bool on) {
  if (state_ == State::kClosed) return;
  wants_read_ = on;
  under_->want_read(on);
  update_pending();
}

void TlsStream::want_write(bool on) { under_->want_write(on); }

void TlsStream::finish() noexcept {
  if (state_ == State::kOpen || state_ == State::kEnded) static_cast<void>(gnutls_bye(session_, GNUTLS_SHUT_WR));
  under_->finish();
}

void TlsStream::close() noexcept {
  if (state_ == State::kClosed) return;
  if (state_ == State::kOpen || state_ == State::kEnded) static_cast<void>(gnutls_bye(session_, GNUTLS_SHUT_WR));
  state_ = State::kClosed;
  wants_read_ = false;
  wake_reader_.cancel();
  under_->close();
}

}  // namespace anteroom::net
