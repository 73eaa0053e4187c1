#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "support/deadline.hpp"
#include "support/reply.hpp"

namespace anteroom::test {

enum class Transport : std::uint8_t { kTcp, kUnix };

std::string to_string(Transport transport);

/// Where a server listens: 127.0.0.1:port, or a UNIX socket path when `transport` says so.
struct Address {
  Transport transport = Transport::kTcp;
  std::uint16_t port = 0;
  std::string path{};
};

/// A client over one socket that waits at most `patience` for anything. Trouble is not thrown but returned as a reply
/// in angle brackets ("<closed>", "<timeout>", "<malformed>", "<refused>"); after a time-out all later reads say so at
/// once. One thread at a time.
class RespClient {
 public:
  explicit RespClient(const Address& address, milliseconds patience = kPatience);
  ~RespClient();
  RespClient(RespClient&& other) noexcept;
  RespClient& operator=(RespClient&& other) noexcept;

  [[nodiscard]] bool is_connected() const { return fd_ >= 0; }

  /// Sends all of `bytes`. Replies that arrive while the peer does not take more are kept, so that a long pipeline
  /// cannot end in both sides waiting. False when the connection broke or the time was over.
  bool send_raw(std::string_view bytes);

  bool send(const std::vector<std::string_view>& args) { return send_raw(encode(args)); }

  /// Takes exactly one reply off the stream.
  [[nodiscard]] Reply read();
  [[nodiscard]] std::vector<Reply> read_many(std::size_t count);

  /// Sends one command and reads one reply.
  Reply ask(const std::vector<std::string_view>& args);
  template <typename... Rest>
  Reply ask(std::string_view name, const Rest&... rest) {
    return ask(std::vector<std::string_view>{name, std::string_view{rest}...});
  }

  /// All bytes up to the peer's close, or up to and with the first `stop_after` (if not empty). The suffix "<timeout>"
  /// is added when neither came; `is_closed` says which it was.
  struct Rest {
    std::string bytes{};
    bool is_closed = false;
  };
  [[nodiscard]] Rest read_rest(std::string_view stop_after = {});

  /// True when the peer closes within the patience given; bytes before that are dropped.
  [[nodiscard]] bool is_closed_by_peer(milliseconds patience = kPatience);

  /// True when any unread byte or the end of the stream is there within `patience`.
  [[nodiscard]] bool has_input(milliseconds patience);

  void close();
  void close_with_reset();  ///< RST instead of FIN (TCP)
  void shut_down_writing() const;

  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] const Address& address() const { return address_; }

 private:
  enum class Fill : std::uint8_t { kMore, kClosed, kTimeout };

  bool connect_to(const Address& address);
  Fill fill(const Deadline& deadline);
  [[nodiscard]] static Reply trouble(std::string_view what);

  Address address_;
  milliseconds patience_;
  int fd_ = -1;
  bool is_timed_out_ = false;
  std::string input_;  // received, from used_ on not yet handed out
  std::size_t used_ = 0;
  std::size_t parse_at_ = 0;  // while more input is at hand, parse no earlier than at this many unused bytes
};

/// Bytes that the clients sent and the server process has not read from its sockets yet, over all of `clients` (which
/// are all connected to the same address).
[[nodiscard]] std::size_t bytes_not_read_by_server(const std::vector<RespClient>& clients);

}  // namespace anteroom::test
