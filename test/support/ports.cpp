#include "support/ports.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>

namespace anteroom::test {
namespace {

constexpr std::uint16_t kLowest = 12'000;
constexpr std::uint16_t kHighest = 31'999;  // Linux hands out 32768 and up to outgoing connections
constexpr int kTries = 1'000;

/// Reserves the number among test processes by the name of an abstract UNIX socket, which vanishes with the process.
bool reserve(std::uint16_t port) {
  const std::string name = "anteroom-test-port-" + std::to_string(port);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path + 1, name.data(), name.size());
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address), length) == 0) return true;
  close(fd);
  return false;
}

bool can_listen_on(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const bool ok = bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 && listen(fd, 1) == 0;
  close(fd);
  return ok;
}

}  // namespace

std::uint16_t free_port() {
  static std::mt19937 random{std::random_device{}()};
  std::uniform_int_distribution<std::uint16_t> any{kLowest, kHighest};
  for (int i = 0; i < kTries; ++i) {
    const std::uint16_t port = any(random);
    if (reserve(port) && can_listen_on(port)) return port;
  }
  std::fputs("no free loopback port\n", stderr);
  std::abort();
}

}  // namespace anteroom::test
