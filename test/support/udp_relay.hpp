#pragma once

#include <atomic>
#include <cstdint>
#include <thread>

#include "base/unique_fd.hpp"

namespace anteroom::test {

/// A network for datagrams between one client and a server on a loopback port: can lose all of them, and can give the
/// client another address as a NAT does. Has a thread of its own; the functions may be called from any.
class UdpRelay {
 public:
  explicit UdpRelay(std::uint16_t server_port);
  ~UdpRelay();
  UdpRelay(const UdpRelay&) = delete;
  UdpRelay& operator=(const UdpRelay&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }
  /// From now on nothing passes, or everything does again.
  void lose_everything(bool on) { is_losing_ = on; }
  /// From now on the server sees the clients at other ports.
  void rebind() { must_rebind_ = true; }

 private:
  void run();

  std::uint16_t server_port_;
  std::uint16_t port_ = 0;
  base::UniqueFd front_;
  std::atomic<bool> is_losing_{false};
  std::atomic<bool> must_rebind_{false};
  std::atomic<bool> is_stopping_{false};
  std::thread thread_;
};

}  // namespace anteroom::test
