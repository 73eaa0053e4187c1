#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "net/connect_error.hpp"

namespace anteroom::net {

/// What one non-blocking operation came to.
struct IoResult {
  enum class Status : std::uint8_t {
    kOk,          ///< `bytes` were moved (more than 0)
    kWouldBlock,  ///< nothing now; the stream will say when
    kClosed,      ///< orderly end by the peer (reads only)
    kError,       ///< `error` is an errno value; the stream is of no more use
  };
  Status status = Status::kWouldBlock;
  std::size_t bytes = 0;
  int error = 0;
};

/// What a stream tells its owner, on the loop thread. The owner may close() or defer the stream's destruction to the
/// end of the turn inside a call, but must not destroy it there.
class StreamEvents {
 public:
  virtual void on_readable() = 0;
  virtual void on_writable() = 0;

 protected:
  ~StreamEvents() = default;
};

/// A connected, non-blocking, ordered stream of bytes: a TCP or UNIX socket, TLS over one, or a stream of QUIC. Buffers
/// nothing and parses nothing. One loop, one thread; its owner outlives it or closes it first.
class ByteStream {
 public:
  virtual ~ByteStream() = default;

  /// Who is told; set before anything is wanted. Null while nobody owns the stream.
  virtual void set_events(StreamEvents* events) noexcept = 0;

  [[nodiscard]] virtual IoResult read(std::span<char> into) = 0;
  /// Writes as much as is taken of `pieces` (at most IOV_MAX of them). After kWouldBlock or a short write, ask for
  /// on_writable() with want_write().
  [[nodiscard]] virtual IoResult write(std::span<const iovec> pieces) = 0;
  /// Reading is level-triggered while wanted: a pause is want_read(false). New streams want neither.
  virtual void want_read(bool on) = 0;
  virtual void want_write(bool on) = 0;
  /// Nothing more will be written: the peer reads the end behind what was. Reading goes on. Idempotent.
  virtual void finish() noexcept = 0;
  /// Ends both directions at once and stops all events. Idempotent.
  virtual void close() noexcept = 0;
  /// Numeric "address:port", or "unix:path", for logs and CLIENT INFO.
  [[nodiscard]] virtual std::string peer_name() const = 0;
  [[nodiscard]] virtual std::string local_name() const = 0;
  /// After kError, of a stream that is part of something larger: what became of that, or of the place beyond it, which
  /// is found out only after the stream was opened. None if this stream alone has failed.
  [[nodiscard]] virtual std::optional<ConnectError> trouble() const { return std::nullopt; }
};

}  // namespace anteroom::net
