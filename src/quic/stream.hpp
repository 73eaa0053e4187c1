#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "base/byte_queue.hpp"
#include "net/byte_stream.hpp"
#include "net/event_loop.hpp"
#include "quic/error_codes.hpp"
#include "quic/send_buffer.hpp"

namespace anteroom::quic {

class Connection;

/// What connection and owner share of one stream. The connection keeps it until ngtcp2 has done with the stream,
/// because what was sent may have to be sent again; the owner as long as it wants to read.
struct StreamCore : std::enable_shared_from_this<StreamCore> {
  StreamCore(net::EventLoop& its_loop, std::shared_ptr<ChunkPool> its_pool)
      : loop(its_loop), pool(std::move(its_pool)), out(*pool) {}

  net::EventLoop& loop;
  const std::shared_ptr<ChunkPool> pool;  ///< streams may outlive the endpoint
  Connection* connection = nullptr;       ///< null once it is gone
  std::int64_t id = -1;
  std::shared_ptr<const net::ConnectError> why_lost{};  ///< then: what became of it
  bool is_known = true;                                 ///< to ngtcp2

  SendBuffer out;
  bool wants_fin = false;
  bool fin_sent = false;
  bool is_ready = false;          ///< in the connection's list of those that have something to send
  std::size_t sent_in_a_row = 0;  ///< bytes, since it came to the front of that list
  bool is_blocked = false;        ///< by the peer's window
  bool was_reset = false;         ///< by its owner
  bool must_probe = false;        ///< to be offered to ngtcp2 even with nothing to send
  std::uint64_t losses_counted = 0;

  base::ByteQueue in;
  std::uint64_t credit_untold = 0;  ///< given back, and perhaps not yet sent
  bool fin_received = false;
  bool ignores_input = false;                   ///< its owner reads no more
  std::optional<std::uint64_t> peer_reset{};    ///< RESET_STREAM: what the peer sends is over
  std::optional<std::uint64_t> peer_refusal{};  ///< STOP_SENDING: what we send is; without its code

  // Of the owner.
  net::StreamEvents* events = nullptr;
  bool has_owner = false;
  bool wants_read = false;
  bool wants_write = false;
  bool is_eventful = false;  ///< in the connection's list of those whose owner may have to be told

  /// Bytes, or the end.
  [[nodiscard]] bool has_to_send() const noexcept { return out.unsent_bytes() > 0 || (wants_fin && !fin_sent); }
  [[nodiscard]] bool is_readable() const noexcept;
  [[nodiscard]] bool is_writable() const noexcept;
  /// Tells the owner what it wants to hear, if it is so, and goes on to in later turns.
  void tell_owner();
  void look_again();
};

/// One bidirectional stream as a ByteStream: read() gives flow-control credit back, so that a peer cannot send more
/// than is taken; write() takes what Options::send_bytes_max allows. Loop thread only; may outlive its connection, and
/// then gives what had arrived before errors.
class Stream final : public net::ByteStream {
 public:
  explicit Stream(std::shared_ptr<StreamCore> core);
  ~Stream() override;
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  void set_events(net::StreamEvents* events) noexcept override { core_->events = events; }
  /// kClosed: the peer has finished. kError: ECONNRESET after the peer's reset or the connection's end.
  [[nodiscard]] net::IoResult read(std::span<char> into) override;
  /// kError: EPIPE after finish() or close(), if the peer wants no more, or the connection is gone.
  [[nodiscard]] net::IoResult write(std::span<const iovec> pieces) override;
  void want_read(bool on) override;
  void want_write(bool on) override;
  void finish() noexcept override;
  /// As with a socket: what was written is still delivered, what comes is no longer wanted.
  void close() noexcept override;
  [[nodiscard]] std::string peer_name() const override { return peer_name_; }
  [[nodiscard]] std::string local_name() const override { return local_name_; }
  /// The connection is gone, or a gateway has told by its ErrorCode why it does not serve the stream.
  [[nodiscard]] std::optional<net::ConnectError> trouble() const override;

  /// Ends both directions at once; what has not arrived is lost.
  void reset(ErrorCode code);
  /// No more will be read, and the peer is told why. Writing goes on.
  void stop_reading(ErrorCode code);

  /// Room for bytes that come from elsewhere, at least `wanted_min` of it, without a copy; then commit(). Empty where
  /// write() would not take any.
  [[nodiscard]] std::span<char> prepare(std::size_t wanted_min);
  void commit(std::size_t size);

  [[nodiscard]] std::int64_t id() const noexcept { return core_->id; }
  /// With which code the peer has ended its direction or ours.
  [[nodiscard]] std::optional<std::uint64_t> peer_error() const noexcept {
    return core_->peer_reset ? core_->peer_reset : core_->peer_refusal;
  }
  [[nodiscard]] bool has_connection() const noexcept { return core_->connection != nullptr; }
  /// Neither sent nor acknowledged yet.
  [[nodiscard]] std::size_t held_bytes() const noexcept { return core_->out.held_bytes(); }

 private:
  [[nodiscard]] bool can_write() const noexcept;
  void look_again();
  [[nodiscard]] std::size_t room() const noexcept;

  const std::shared_ptr<StreamCore> core_;
  const std::string peer_name_;
  const std::string local_name_;
  bool is_closed_ = false;
};

}  // namespace anteroom::quic
