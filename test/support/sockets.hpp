#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <string>
#include <utility>

#include "base/unique_fd.hpp"
#include "net/address.hpp"
#include "support/deadline.hpp"

namespace anteroom::test {

// Bare sockets for the far end of what is tested.

/// Two connected UNIX sockets, both non-blocking.
inline std::pair<base::UniqueFd, base::UniqueFd> socket_pair() {
  std::array<int, 2> fds{};
  EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds.data()), 0);
  return {base::UniqueFd(fds[0]), base::UniqueFd(fds[1])};
}

/// A socket that listens on `address`, nobody accepting. Connections that ended there lately (TIME_WAIT) do not matter.
inline base::UniqueFd listen_on(const net::Address& address, int backlog = 16) {
  base::UniqueFd fd(socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  EXPECT_EQ(setsockopt(fd.value(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), 0);
  EXPECT_EQ(bind(fd.value(), address.data(), address.size()), 0) << address.to_string() << ": " << errno;
  EXPECT_EQ(listen(fd.value(), backlog), 0);
  return fd;
}

/// A blocking connection; not open, with errno set, if it failed.
inline base::UniqueFd connect_to(const net::Address& address) {
  base::UniqueFd fd(socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (connect(fd.value(), address.data(), address.size()) != 0) {
    const int error = errno;
    fd.reset();
    errno = error;
  }
  return fd;
}

inline net::Address loopback(std::uint16_t port = 0) { return *net::Address::from_numeric("127.0.0.1", port); }

/// A port of 127.0.0.1 that was free a moment ago.
inline std::uint16_t closed_port() {
  const base::UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const net::Address any = loopback();
  EXPECT_EQ(bind(fd.value(), any.data(), any.size()), 0);
  return net::local_address(fd.value()).port();
}

/// A connected pair over TCP: the connecting end and the accepted one, both non-blocking.
inline std::pair<base::UniqueFd, base::UniqueFd> tcp_pair() {
  const base::UniqueFd listener = listen_on(loopback());
  base::UniqueFd near = connect_to(net::local_address(listener.value()));
  base::UniqueFd far(accept4(listener.value(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  EXPECT_TRUE(near.is_open() && far.is_open());
  EXPECT_EQ(fcntl(near.value(), F_SETFL, O_NONBLOCK), 0);
  return {std::move(near), std::move(far)};
}

/// True once `fd` can be read (data, end or error).
inline bool becomes_readable(int fd, milliseconds patience = kPatience) {
  pollfd one{fd, POLLIN, 0};
  return poll(&one, 1, static_cast<int>(patience.count())) == 1;
}

}  // namespace anteroom::test
