#include "net/socket_stream.hpp"

#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <utility>

#include "base/check.hpp"
#include "net/address.hpp"

namespace anteroom::net {
namespace {

void set_option(int fd, int level, int name, int value) noexcept { setsockopt(fd, level, name, &value, sizeof value); }

IoResult failure(int error) noexcept {
  if (error == EAGAIN || error == EWOULDBLOCK) return {IoResult::Status::kWouldBlock, 0, 0};
  return {IoResult::Status::kError, 0, error};
}

// Most writes are one piece, for which the kernel needs not copy a list first.
ssize_t send_some(int fd, std::span<const iovec> pieces) noexcept {
  if (pieces.size() == 1) return send(fd, pieces[0].iov_base, pieces[0].iov_len, MSG_NOSIGNAL);
  msghdr message{};
  // sendmsg takes a non-const pointer but only reads through it.
  message.msg_iov = const_cast<iovec*>(pieces.data());
  message.msg_iovlen = std::min<std::size_t>(pieces.size(), IOV_MAX);
  return sendmsg(fd, &message, MSG_NOSIGNAL);
}

}  // namespace

SocketOptions SocketOptions::for_client(std::chrono::seconds keepalive) {
  SocketOptions options;
  options.keepalive_idle = keepalive;
  options.keepalive_interval = std::max(keepalive / 3, std::chrono::seconds(1));
  options.keepalive_probes = 3;
  return options;
}

SocketOptions SocketOptions::for_upstream(std::chrono::milliseconds response_timeout) {
  SocketOptions options;
  options.keepalive_idle = std::chrono::seconds(20);
  options.keepalive_interval = std::chrono::seconds(5);
  options.keepalive_probes = 3;
  const std::chrono::milliseconds until_dead =
      options.keepalive_idle + options.keepalive_interval * options.keepalive_probes;
  options.user_timeout = std::max(response_timeout, until_dead);
  return options;
}

void apply(const SocketOptions& options, int fd) noexcept {
  int domain = AF_UNSPEC;
  socklen_t size = sizeof domain;
  getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size);
  if (domain != AF_INET && domain != AF_INET6) return;
  if (options.tcp_nodelay) set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  if (options.keepalive_idle.count() > 0) {
    set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, static_cast<int>(options.keepalive_idle.count()));
    set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, static_cast<int>(options.keepalive_interval.count()));
    set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, options.keepalive_probes);
  }
  if (options.user_timeout.count() > 0) {
    set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, static_cast<int>(options.user_timeout.count()));
  }
}

SocketStream::SocketStream(EventLoop& loop, base::UniqueFd fd) : loop_(loop), fd_(std::move(fd)) {
  ANTEROOM_CHECK(fd_.is_open());
}

SocketStream::~SocketStream() { close(); }

IoResult SocketStream::read(std::span<char> into) {
  ANTEROOM_CHECK(!into.empty());
  if (!fd_.is_open()) return failure(EBADF);
  ssize_t got = 0;
  do {
    got = recv(fd_.value(), into.data(), into.size(), 0);
  } while (got < 0 && errno == EINTR);
  if (got < 0) return failure(errno);
  if (got == 0) return {IoResult::Status::kClosed, 0, 0};
  return {IoResult::Status::kOk, static_cast<std::size_t>(got), 0};
}

IoResult SocketStream::write(std::span<const iovec> pieces) {
  ANTEROOM_CHECK(!pieces.empty());
  if (!fd_.is_open()) return failure(EBADF);
  ssize_t sent = 0;
  do {
    sent = send_some(fd_.value(), pieces);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0) return failure(errno);
  return {IoResult::Status::kOk, static_cast<std::size_t>(sent), 0};
}

void SocketStream::want_read(bool on) { want(read_, EV_READ, on); }

void SocketStream::want_write(bool on) { want(write_, EV_WRITE, on); }

void SocketStream::want(Interest& interest, short what, bool on) {
  if (interest.on == on || !fd_.is_open()) return;
  if (interest.handle == nullptr) {
    interest.handle = event_new(loop_.base(), fd_.value(), static_cast<short>(what | EV_PERSIST), on_event, this);
    ANTEROOM_CHECK(interest.handle != nullptr);
  }
  ANTEROOM_CHECK((on ? event_add(interest.handle, nullptr) : event_del(interest.handle)) == 0);
  interest.on = on;
}

void SocketStream::on_event(evutil_socket_t, short what, void* self) noexcept {
  StreamEvents* const events = static_cast<SocketStream*>(self)->events_;
  ANTEROOM_CHECK(events != nullptr);
  if ((what & EV_READ) != 0) {
    events->on_readable();
  } else {
    events->on_writable();
  }
}

void SocketStream::finish() noexcept {
  if (fd_.is_open()) ::shutdown(fd_.value(), SHUT_WR);
}

void SocketStream::close() noexcept {
  for (Interest* const interest : {&read_, &write_}) {
    if (interest->handle != nullptr) event_free(interest->handle);
    *interest = {};
  }
  fd_.reset();
}

std::string SocketStream::peer_name() const {
  if (!given_peer_name_.empty()) return given_peer_name_;
  const Address peer = peer_address(fd_.value());
  const bool is_unnamed = peer.is_unix() && peer.unix_path().empty();
  return is_unnamed ? local_name() : peer.to_string();
}

std::string SocketStream::local_name() const { return local_address(fd_.value()).to_string(); }

}  // namespace anteroom::net
