#pragma once

#include <chrono>
#include <string>
#include <utility>

#include "base/unique_fd.hpp"
#include "net/byte_stream.hpp"
#include "net/event_loop.hpp"

namespace anteroom::net {

/// How a TCP connection is tuned. UNIX sockets need none of it and ignore it.
struct SocketOptions {
  bool tcp_nodelay = true;
  std::chrono::seconds keepalive_idle{0};  ///< silence before the first probe; 0 = no keepalive
  std::chrono::seconds keepalive_interval{5};
  int keepalive_probes = 3;
  std::chrono::milliseconds user_timeout{
      0};  ///< longest time without an acknowledgement of sent data; 0 = the kernel's

  /// As Redis does for its clients: probes every third of `keepalive`, gone after three. 0 = no keepalive.
  [[nodiscard]] static SocketOptions for_client(std::chrono::seconds keepalive);
  /// Keepalive finds a dead peer on an idle connection (20 s + 3 * 5 s); while data is unacknowledged it does nothing,
  /// and TCP_USER_TIMEOUT takes over. That is no shorter, for it counts when a probe is unanswered too: one that is
  /// lost would end a connection that has been idle for longer. A peer that owes a reply is given up by the deadlines
  /// of the link, after `response_timeout` or two.
  [[nodiscard]] static SocketOptions for_upstream(std::chrono::milliseconds response_timeout);
};

/// Applies `options` to `fd`. What the kernel refuses is left as it is: a connection without it still works.
void apply(const SocketOptions& options, int fd) noexcept;

/// A ByteStream over a connected socket. Interest in reading and writing are two events that stay registered while they
/// are wanted, so steady traffic makes no epoll_ctl calls. A write to a broken connection gives EPIPE, never a signal.
class SocketStream final : public ByteStream {
 public:
  /// REQUIRES: `fd` is connected and non-blocking.
  SocketStream(EventLoop& loop, base::UniqueFd fd);
  ~SocketStream() override;
  SocketStream(const SocketStream&) = delete;
  SocketStream& operator=(const SocketStream&) = delete;

  void set_events(StreamEvents* events) noexcept override { events_ = events; }
  [[nodiscard]] IoResult read(std::span<char> into) override;
  [[nodiscard]] IoResult write(std::span<const iovec> pieces) override;
  void want_read(bool on) override;
  void want_write(bool on) override;
  void finish() noexcept override;
  void close() noexcept override;
  /// The peer of an accepted UNIX connection has no name of its own: its listener's path stands for it. Both names are
  /// "unknown" after close().
  [[nodiscard]] std::string peer_name() const override;
  [[nodiscard]] std::string local_name() const override;
  /// Whom a proxy speaks for: from now on the peer's name, also after close().
  void name_peer(std::string name) { given_peer_name_ = std::move(name); }

 private:
  struct Interest {
    event* handle = nullptr;  // made when first wanted: most streams never wait for room to write
    bool on = false;
  };
  static void on_event(evutil_socket_t, short what, void* self) noexcept;
  void want(Interest& interest, short what, bool on);

  EventLoop& loop_;
  base::UniqueFd fd_;
  StreamEvents* events_ = nullptr;
  std::string given_peer_name_;  // empty: the kernel knows
  Interest read_;
  Interest write_;
};

}  // namespace anteroom::net
