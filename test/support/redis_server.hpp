#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/process.hpp"
#include "support/resp_client.hpp"
#include "support/temp_dir.hpp"

namespace anteroom::test {

/// A real, private redis-server: own folder, a loopback port and a UNIX socket, no persistence. Its addresses stay the
/// same over stop() and start(). The program is redis-server from PATH, or what REDIS_SERVER_BINARY names.
class RedisServer {
 public:
  struct Options {
    std::string password{};
    std::vector<std::string> arguments{};  ///< added to the command line
  };

  RedisServer() : RedisServer(Options{}) {}
  explicit RedisServer(Options options);
  ~RedisServer();

  /// Starts it and waits until it answers PING. False, with a test failure, when that does not happen.
  bool start();
  /// Of the next start().
  void set_arguments(std::vector<std::string> arguments) { options_.arguments = std::move(arguments); }
  void stop();    ///< SIGTERM, then SIGKILL
  void kill();    ///< SIGKILL
  void pause();   ///< SIGSTOP: the kernel goes on accepting connections and bytes
  void resume();  ///< SIGCONT

  [[nodiscard]] Address address(Transport transport) const;
  /// redis://[user:password@]127.0.0.1:port or unix://path[?user=..&password=..]; no credentials when they are empty.
  [[nodiscard]] std::string url(Transport transport, std::string_view user = {}, std::string_view password = {}) const;
  /// A client that has authenticated itself if the server asks for a password.
  [[nodiscard]] RespClient connect(Transport transport = Transport::kUnix) const;

  /// How often `command` (lower case) was called since the start or CONFIG RESETSTAT.
  [[nodiscard]] std::int64_t calls(std::string_view command) const;

 private:
  Options options_;
  TempDir dir_;
  std::uint16_t port_;
  Process process_;
};

/// The value of `field` in an INFO-like text of "field:value" lines; empty when it is not there.
[[nodiscard]] std::string info_field(std::string_view info, std::string_view field);

}  // namespace anteroom::test
