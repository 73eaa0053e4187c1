#pragma once

#include <poll.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/unique_fd.hpp"
#include "support/deadline.hpp"

namespace anteroom::test {

/// A bad network: hands TCP connections on to a server on a loopback port, and delays or holds their bytes when told
/// to. The order of the bytes stays, and none is lost while both ends are open. Has a thread of its own; the functions
/// may be called from any.
class Relay {
 public:
  enum class Toward : std::uint8_t { kClient, kServer };
  /// Connections by the port from which the relay reached the server, as CLIENT LIST shows it. Empty: all, also those
  /// that come later.
  using Ports = std::set<std::uint16_t>;

  explicit Relay(std::uint16_t server_port);
  ~Relay();

  [[nodiscard]] std::uint16_t port() const { return port_; }

  /// From now on bytes in one direction arrive so much later.
  void delay(Toward toward, milliseconds delay, Ports ports);
  /// From now on nothing moves, not even the end of a connection; both sides still see it open.
  void freeze(Ports ports);
  /// Neither delay nor freeze any more. What was held moves at once.
  void clear();

 private:
  struct Trouble {
    Toward toward{};
    milliseconds delay{0};
    bool is_frozen = false;
    Ports ports;
    [[nodiscard]] bool concerns(std::uint16_t port) const { return ports.empty() || ports.contains(port); }
  };
  struct Chunk {
    Clock::time_point due;
    std::string bytes;
  };
  /// The bytes on their way in one direction.
  struct Flow {
    Toward toward;
    std::deque<Chunk> chunks{};
    std::size_t bytes = 0;
    bool has_ended = false;  ///< the sender says no more
    bool has_passed_end = false;
  };
  struct Connection {
    base::UniqueFd client;
    base::UniqueFd server;
    std::uint16_t port = 0;
    Flow to_client{.toward = Toward::kClient};
    Flow to_server{.toward = Toward::kServer};
    bool is_broken = false;
  };

  void run();
  [[nodiscard]] static bool is_frozen(const Connection& connection, const std::vector<Trouble>& troubles);
  static void watch(int fd, const Flow& from, const Flow& to, std::vector<pollfd>& watched);
  void accept_one();
  void serve(Connection& connection, const std::vector<Trouble>& troubles);
  void take_in(int fd, Flow& flow, Connection& connection, const std::vector<Trouble>& troubles);
  void pass_on(int fd, Flow& flow, Connection& connection, bool is_delayed);
  [[nodiscard]] std::vector<Trouble> troubles();
  void wake();

  const std::uint16_t server_port_;
  std::uint16_t port_ = 0;
  base::UniqueFd listener_;
  base::UniqueFd wake_up_;
  std::vector<std::unique_ptr<Connection>> connections_;  // of the relay's thread
  std::mutex mutex_;
  std::vector<Trouble> troubles_;  // guarded by mutex_
  std::atomic<bool> is_stopping_{false};
  std::thread thread_;
};

}  // namespace anteroom::test
