#pragma once

#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "kv_load/program.hpp"

// The little of POSIX and epoll that the bench's own programs need. They stand on nothing of anteroom's, since they
// measure it. Each object is of one thread; what cannot work ends the program in words.
namespace anteroom::kv_load {

/// Of the monotonic clock, which has no date.
inline std::int64_t now_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

/// Owns an open file, or none (-1).
class Fd {
 public:
  explicit Fd(int fd = -1) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] int value() const { return fd_; }

 private:
  int fd_;
};

/// Where a server is: a UNIX socket if there is a path. A host may be a name.
struct Place {
  std::string host = "127.0.0.1";
  int port = 6379;
  std::string path;
  [[nodiscard]] std::string text() const { return path.empty() ? host + ":" + std::to_string(port) : path; }
};

/// A path has at most 107 bytes.
inline sockaddr_un unix_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) die(path + " is too long for a socket's path");
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

/// Of a UNIX socket it changes nothing.
inline void set_no_delay(int fd) {
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}
inline void set_non_blocking(int fd) {
  if (::fcntl(fd, F_SETFL, O_NONBLOCK) != 0) die_of_errno("fcntl");
}

using AddressList = std::unique_ptr<addrinfo, decltype([](addrinfo* list) { ::freeaddrinfo(list); })>;

inline AddressList look_up(const Place& place) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int status = ::getaddrinfo(place.host.c_str(), std::to_string(place.port).c_str(), &hints, &found);
  if (status != 0) die(place.text() + ": " + ::gai_strerror(status));
  return AddressList(found);
}

/// Waits for the connection; what comes back does not block any more.
inline Fd connect_to(const Place& place) {
  Fd fd;
  if (place.path.empty()) {
    const AddressList found = look_up(place);
    fd = Fd(::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::connect(fd.value(), found->ai_addr, found->ai_addrlen) != 0) die_of_errno("connect to " + place.text());
    set_no_delay(fd.value());
  } else {
    const sockaddr_un address = unix_address(place.path);
    fd = Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::connect(fd.value(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      die_of_errno("connect to " + place.text());
    }
  }
  set_non_blocking(fd.value());
  return fd;
}

/// A level-triggered epoll, with a number of the caller's for each fd. The fds stay the caller's; one that is closed
/// leaves by itself.
class Poller {
 public:
  Poller() : fd_(::epoll_create1(EPOLL_CLOEXEC)) {
    if (fd_.value() < 0) die_of_errno("epoll_create1");
  }
  void add(int fd, std::uint64_t number, std::uint32_t events = EPOLLIN) { control(EPOLL_CTL_ADD, fd, number, events); }
  void change(int fd, std::uint64_t number, std::uint32_t events) { control(EPOLL_CTL_MOD, fd, number, events); }
  /// For at most `timeout_ns`; negative: until there is something. At most 1024 events, good until the next call; none
  /// if the time is over or a signal came.
  std::span<const epoll_event> wait(std::int64_t timeout_ns = -1) {
    const timespec timeout{.tv_sec = timeout_ns / 1'000'000'000, .tv_nsec = timeout_ns % 1'000'000'000};
    const int count = ::epoll_pwait2(fd_.value(), events_.data(), static_cast<int>(events_.size()),
                                     timeout_ns < 0 ? nullptr : &timeout, nullptr);
    if (count < 0 && errno != EINTR) die_of_errno("epoll_pwait2");
    return std::span(events_).first(count < 0 ? 0 : static_cast<std::size_t>(count));
  }

 private:
  void control(int operation, int fd, std::uint64_t number, std::uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.u64 = number;
    if (::epoll_ctl(fd_.value(), operation, fd, &event) != 0) die_of_errno("epoll_ctl");
  }

  Fd fd_;
  std::array<epoll_event, 1024> events_{};
};

}  // namespace anteroom::kv_load
