#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <string>

#include "base/clock.hpp"
#include "base/unique_fd.hpp"
#include "net/address.hpp"
#include "net/event_loop.hpp"

namespace anteroom::net {

/// Accepts connections on one socket and hands them out. Loop thread only; the loop outlives it. Destroying it closes
/// the socket and removes the file of a UNIX socket, unless another one has taken its place.
class Listener {
 public:
  /// The descriptor is non-blocking and close-on-exec. May close the listener but not destroy it.
  using OnAccept = std::move_only_function<void(base::UniqueFd, const Address& peer)>;
  /// One line that names the place: "cannot listen on 127.0.0.1:8001: Address already in use".
  using Created = std::expected<std::unique_ptr<Listener>, std::string>;

  /// `bind` is a numeric address, or "*" for all IPv6 and IPv4 addresses (IPv4 alone where there is no IPv6). Port 0
  /// takes a free one; see address(). Accepting begins with the loop's next turn.
  [[nodiscard]] static Created tcp(EventLoop& loop, const std::string& bind, std::uint16_t port, int backlog,
                                   OnAccept on_accept);
  /// A socket file that nobody listens on any more is replaced; any other file, or a live socket, is an error. Nobody
  /// can connect before the file has the `permissions`.
  [[nodiscard]] static Created unix_socket(EventLoop& loop, const std::string& path, mode_t permissions, int backlog,
                                           OnAccept on_accept);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  /// Accepts no more and frees the place. Idempotent.
  void close() noexcept;
  [[nodiscard]] const Address& address() const noexcept { return address_; }

  /// Then others have their turn; the rest waits in the backlog.
  static constexpr std::size_t kAcceptsPerTurn = 64;
  /// Without a free descriptor the backlog stays readable: accepting pauses instead of spinning.
  static constexpr base::Milliseconds kExhaustedPause{100};

 private:
  Listener(EventLoop& loop, base::UniqueFd fd, OnAccept on_accept);
  static void on_readable(evutil_socket_t, short, void* self) noexcept;
  void accept_batch();
  void pause(int error);

  EventLoop& loop_;
  base::UniqueFd fd_;
  Address address_;
  OnAccept on_accept_;
  event* event_ = nullptr;
  Timer resume_;
  base::TimePoint next_log_{};
  std::string unix_path_;  // empty: no file to remove
  dev_t file_device_ = 0;  // with the inode: the file that is ours
  ino_t file_inode_ = 0;
};

}  // namespace anteroom::net
