#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "support/deadline.hpp"
#include "support/reply.hpp"

namespace anteroom::test {

/// A RESP client over TLS, with its trouble in angle brackets as RespClient has it. Verifies nothing but what `ca`
/// asks for. One thread at a time.
class TlsClient {
 public:
  struct Options {
    std::uint16_t port = 0;
    std::string ca{};           ///< empty: any certificate will do
    std::string certificate{};  ///< shown when asked; empty: none
    std::string key{};
    std::string preamble{};  ///< sent before the handshake
  };

  explicit TlsClient(const Options& options);
  ~TlsClient();
  TlsClient(const TlsClient&) = delete;
  TlsClient& operator=(const TlsClient&) = delete;

  /// The handshake went well; in TLS 1.3 the server may still refuse our certificate.
  [[nodiscard]] bool is_connected() const { return is_connected_; }
  bool send_raw(std::string_view bytes);
  [[nodiscard]] Reply read();
  Reply ask(const std::vector<std::string_view>& args);
  template <typename... Rest>
  Reply ask(std::string_view name, const Rest&... rest) {
    return ask(std::vector<std::string_view>{name, std::string_view{rest}...});
  }
  /// Common name in the server's certificate.
  [[nodiscard]] std::string server_name() const;

 private:
  struct Session;
  [[nodiscard]] bool wait(bool for_write, const Deadline& deadline) const;
  bool shake_hands();

  std::unique_ptr<Session> session_;
  bool is_connected_ = false;
  std::string input_;
};

}  // namespace anteroom::test
