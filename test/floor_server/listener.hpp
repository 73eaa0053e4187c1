#pragma once

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "kv_load/posix.hpp"

namespace anteroom::floor_server {

using kv_load::Fd;

// How both servers listen and accept: of one thread, each fd its caller's. What cannot work ends the program in words.

/// `fd` is a socket of the address's family, `place` what the words say.
inline void bind_and_listen(int fd, const sockaddr* address, socklen_t size, const kv_load::Place& place) {
  constexpr int kBacklog = 4096;
  if (::bind(fd, address, size) != 0 || ::listen(fd, kBacklog) != 0) {
    kv_load::die_of_errno("cannot listen at " + place.text());
  }
}

/// Does not block; up to 4096 connections wait to be accepted. A UNIX socket that is there already is replaced, and
/// left there at the end.
inline Fd listen_at(const kv_load::Place& place) {
  if (!place.path.empty()) {
    const sockaddr_un address = kv_load::unix_address(place.path);
    struct stat status{};
    if (::stat(place.path.c_str(), &status) == 0 && S_ISSOCK(status.st_mode)) ::unlink(place.path.c_str());
    Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    bind_and_listen(fd.value(), reinterpret_cast<const sockaddr*>(&address), sizeof address, place);
    return fd;
  }
  const kv_load::AddressList found = kv_load::look_up(place);
  Fd fd(::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int on = 1;
  ::setsockopt(fd.value(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  bind_and_listen(fd.value(), found->ai_addr, found->ai_addrlen, place);
  return fd;
}

/// The next connection that waits, which does not block either; its value is -1 if there is none. One that has gone
/// before it was accepted counts as none: the poller names the listener again.
inline Fd accept_from(const Fd& listener) {
  Fd fd(::accept4(listener.value(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (fd.value() < 0 && errno != EAGAIN && errno != ECONNABORTED && errno != EINTR) kv_load::die_of_errno("accept");
  if (fd.value() >= 0) kv_load::set_no_delay(fd.value());
  return fd;
}

}  // namespace anteroom::floor_server
