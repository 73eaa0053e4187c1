#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/unique_fd.hpp"
#include "net/address.hpp"
#include "support/sockets.hpp"

namespace anteroom::test {

/// A bare UDP socket on loopback, that says to a server whatever it is told to, and counts what comes back.
class UdpPeer {
 public:
  explicit UdpPeer(std::uint16_t server_port) : UdpPeer() {
    const net::Address server = loopback(server_port);
    EXPECT_EQ(::connect(fd_.value(), server.data(), server.size()), 0);
  }
  /// Bound, and connected to nobody: what comes from anywhere is received.
  UdpPeer() : fd_(::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
    const net::Address any = loopback();
    EXPECT_EQ(::bind(fd_.value(), any.data(), any.size()), 0);
  }

  void send(std::string_view datagram) {
    EXPECT_EQ(::send(fd_.value(), datagram.data(), datagram.size(), 0), static_cast<ssize_t>(datagram.size()));
    sent_bytes += datagram.size();
  }
  /// What has come since the last call, and waits for it not at all.
  std::vector<std::string> received() {
    std::vector<std::string> out;
    std::array<char, 65'536> bytes;
    for (;;) {
      const ssize_t got = ::recv(fd_.value(), bytes.data(), bytes.size(), 0);
      if (got < 0) return out;
      out.emplace_back(bytes.data(), static_cast<std::size_t>(got));
      received_bytes += static_cast<std::size_t>(got);
    }
  }
  /// The next datagram; empty if none comes.
  [[nodiscard]] std::string next(milliseconds patience = kPatience) {
    if (!becomes_readable(fd_.value(), patience)) return {};
    std::array<char, 65'536> bytes;
    const ssize_t got = ::recv(fd_.value(), bytes.data(), bytes.size(), 0);
    if (got < 0) return {};
    received_bytes += static_cast<std::size_t>(got);
    return {bytes.data(), static_cast<std::size_t>(got)};
  }
  [[nodiscard]] int fd() const { return fd_.value(); }
  [[nodiscard]] std::uint16_t port() const { return net::local_address(fd_.value()).port(); }
  /// RFC 9000, section 8: what an address that has not proved to be one may be sent at most.
  [[nodiscard]] bool is_amplified() {
    static_cast<void>(received());
    return received_bytes > 3 * sent_bytes;
  }

  std::size_t sent_bytes = 0;
  std::size_t received_bytes = 0;

 private:
  base::UniqueFd fd_;
};

}  // namespace anteroom::test
