#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <string>

#include "net/byte_stream.hpp"
#include "net/event_loop.hpp"
#include "net/tls_context.hpp"

namespace anteroom::net {

/// TLS over another stream, which it owns. The handshake comes first and is the caller's to end when it takes too long.
///
/// Two things differ from a socket. After a write that would block, a record may be half sent: the next write must
/// offer the same bytes again, perhaps with more behind them, as every queue does. And an end of the stream below
/// without TLS's own farewell is an orderly end, as Redis has it: RESP says by itself whether something is missing.
class TlsStream final : public ByteStream, private StreamEvents {
 public:
  using HandshakeDone = std::move_only_function<void(std::expected<void, TlsFailure>)>;

  /// Client or server, as the context is. `server_name`: whom a client wants to talk to.
  TlsStream(EventLoop& loop, std::unique_ptr<ByteStream> under, std::shared_ptr<const TlsContext> context,
            std::string server_name = {});
  ~TlsStream() override;
  TlsStream(const TlsStream&) = delete;
  TlsStream& operator=(const TlsStream&) = delete;

  /// Calls `done` once, never inside this call, unless close() comes first. Inside it the stream must not be destroyed.
  /// Until then reads and writes would block. REQUIRES: called once, before anything else.
  void start_handshake(HandshakeDone done);

  void set_events(StreamEvents* events) noexcept override { events_ = events; }
  [[nodiscard]] IoResult read(std::span<char> into) override;
  [[nodiscard]] IoResult write(std::span<const iovec> pieces) override;
  void want_read(bool on) override;
  void want_write(bool on) override;
  /// Says farewell, if the stream below takes it at once, and ends that one's direction too.
  void finish() noexcept override;
  /// Says farewell if the stream below takes it at once.
  void close() noexcept override;
  [[nodiscard]] std::string peer_name() const override { return under_->peer_name(); }
  [[nodiscard]] std::string local_name() const override { return under_->local_name(); }

  /// The largest record of TLS; small pieces are gathered up to it.
  static constexpr std::size_t kRecordBytes = 16 * 1024;

 private:
  enum class State : std::uint8_t { kNew, kShaking, kOpen, kEnded, kFailed, kClosed };
  struct Transport;

  void on_readable() override;
  void on_writable() override;
  void shake();
  void end_handshake(std::expected<void, TlsFailure> result);
  [[nodiscard]] TlsFailure handshake_failure(int error) const;
  void take_end(std::ptrdiff_t result);
  [[nodiscard]] IoResult result_of_end() const noexcept;
  [[nodiscard]] std::ptrdiff_t send_record(std::span<const iovec> pieces, std::size_t skip);
  [[nodiscard]] bool has_pending() const noexcept;
  void update_pending();

  std::unique_ptr<ByteStream> under_;
  const std::shared_ptr<const TlsContext> context_;
  const std::string server_name_;
  gnutls_session_int* const session_;
  StreamEvents* events_ = nullptr;
  HandshakeDone done_;
  /// The socket is not readable while what it has brought waits in here: then this wakes the reader.
  Timer wake_reader_;

  State state_ = State::kNew;
  bool wants_read_ = false;
  int transport_error_ = 0;  // errno of the stream below
  bool transport_ended_ = false;
  std::size_t unsent_bytes_ = 0;  // of the record that waits, half sent, in GnuTLS
  unsigned warnings_ = 0;
};

}  // namespace anteroom::net
