#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

/// Redis over QUIC for programs: to a gateway (`anteroom gateway`), or to a front-end with a listener of type quic.
namespace anteroom::client {

/// Whom to trust is one of: whom the system trusts, a CA file, a pinned key, or, only if asked for, anybody.
struct QuicOptions {
  std::string host = "127.0.0.1";  ///< a name or an address
  std::uint16_t port = 6379;       ///< of UDP
  std::string server_name{};       ///< whom the certificate must name; empty: `host`
  std::string ca_file{};           ///< PEM
  std::string pin{};               ///< SHA-256 of the server's public key, 64 hexadecimal digits
  bool insecure = false;           ///< nothing is asked of the certificate
  std::string certificate_file{};  ///< ours, for servers that want one; PEM
  std::string key_file{};
  /// To connect: one for the lookup and all addresses, of which four are tried at most.
  std::chrono::milliseconds timeout{5000};
};

struct QuicError {
  std::string text;                           ///< one line
  std::optional<std::uint64_t> reset_code{};  ///< the other side has ended the stream with it (quic/error_codes.hpp)
};

/// One connection, whose streams are independent of each other: each has a connection to Redis of its own, with its own
/// protocol, db and transaction. Everything happens on the thread that calls connect() and run(), inside these calls;
/// callbacks must destroy neither the connection nor the stream that calls them, and not run().
class QuicConnection {
 public:
  /// One whole reply as it came, of RESP2 or RESP3 as the stream's HELLO has it.
  using OnReply = std::function<void(std::expected<std::string, QuicError>)>;
  using Command = std::vector<std::string>;

  /// Requests of one stream are answered in their order. One that outlives its connection does nothing any more, and
  /// its callbacks are not called.
  class Stream {
   public:
    virtual ~Stream() = default;
    /// May be called again before the reply has come, also by callbacks. `on_reply` is called inside run(), once, but
    /// for (P|S)SUBSCRIBE and (P|S)UNSUBSCRIBE once for each channel, as each is confirmed; an error, of Redis or of
    /// the stream, is the last call. MONITOR and CLIENT REPLY, which break this order, are not for it.
    virtual void query(const Command& command, OnReply on_reply) = 0;
    /// What comes unasked: pushes of RESP3 (messages, invalidations), in RESP2 the messages of channels; at last the
    /// error that has ended the stream. Without it they are dropped.
    virtual void set_on_push(OnReply on_push) = 0;
    /// No more requests; replies that are due still come. A destroyed stream drops them.
    virtual void finish() = 0;
  };

  /// Waits for the handshake. The error is one line.
  [[nodiscard]] static std::expected<std::unique_ptr<QuicConnection>, QuicError> connect(const QuicOptions& options);
  virtual ~QuicConnection() = default;

  /// Costs no round trip. Null if the connection is gone or the other side allows no more streams for now.
  [[nodiscard]] virtual std::unique_ptr<Stream> open_stream() = 0;
  /// Until every query has had its reply or error, or for so long. True: nothing is due any more.
  virtual bool run(std::chrono::milliseconds timeout) = 0;
  /// The same until `is_done` says so, which is asked again after replies and pushes, and when the other side
  /// allows more streams: for who waits for messages, or for a stream.
  /// False: the time is over, or nothing can come any more because all streams have ended, or the connection.
  virtual bool run_until(const std::function<bool()>& is_done, std::chrono::milliseconds timeout) = 0;
};

}  // namespace anteroom::client
