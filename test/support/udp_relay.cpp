#include "support/udp_relay.hpp"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <map>
#include <vector>

namespace anteroom::test {

namespace {

constexpr int kPollMs = 20;

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

base::UniqueFd open_udp() { return base::UniqueFd(::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)); }

base::UniqueFd connected_to(std::uint16_t port) {
  base::UniqueFd fd = open_udp();
  const sockaddr_in server = loopback(port);
  EXPECT_EQ(::connect(fd.value(), reinterpret_cast<const sockaddr*>(&server), sizeof server), 0);
  return fd;
}

}  // namespace

UdpRelay::UdpRelay(std::uint16_t server_port) : server_port_(server_port), front_(open_udp()) {
  sockaddr_in own = loopback(0);
  EXPECT_EQ(::bind(front_.value(), reinterpret_cast<const sockaddr*>(&own), sizeof own), 0);
  socklen_t size = sizeof own;
  EXPECT_EQ(::getsockname(front_.value(), reinterpret_cast<sockaddr*>(&own), &size), 0);
  port_ = ntohs(own.sin_port);
  thread_ = std::thread([this] { run(); });
}

UdpRelay::~UdpRelay() {
  is_stopping_ = true;
  thread_.join();
}

// A socket toward the server for each client.
void UdpRelay::run() {
  std::map<std::uint16_t, base::UniqueFd> backs;  // by the client's port
  std::array<char, 65536> bytes{};
  while (!is_stopping_) {
    if (must_rebind_.exchange(false)) {
      for (auto& [port, back] : backs) back = connected_to(server_port_);
    }
    std::vector<pollfd> watched{{.fd = front_.value(), .events = POLLIN, .revents = 0}};
    for (const auto& [port, back] : backs) watched.push_back({.fd = back.value(), .events = POLLIN, .revents = 0});
    ::poll(watched.data(), watched.size(), kPollMs);
    sockaddr_in from{};
    socklen_t size = sizeof from;
    for (;;) {
      const ssize_t got =
          ::recvfrom(front_.value(), bytes.data(), bytes.size(), 0, reinterpret_cast<sockaddr*>(&from), &size);
      if (got < 0) break;
      base::UniqueFd& back = backs[ntohs(from.sin_port)];
      if (!back.is_open()) back = connected_to(server_port_);
      if (!is_losing_) static_cast<void>(::send(back.value(), bytes.data(), static_cast<std::size_t>(got), 0));
    }
    for (const auto& [port, back] : backs) {
      const sockaddr_in client = loopback(port);
      for (;;) {
        const ssize_t got = ::recv(back.value(), bytes.data(), bytes.size(), 0);
        if (got < 0) break;
        if (is_losing_) continue;
        static_cast<void>(::sendto(front_.value(), bytes.data(), static_cast<std::size_t>(got), 0,
                                   reinterpret_cast<const sockaddr*>(&client), sizeof client));
      }
    }
  }
}

}  // namespace anteroom::test
