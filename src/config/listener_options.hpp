#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace anteroom::config {

enum class ListenerType : std::uint8_t { kTcp, kUnix, kTls, kQuic };
enum class ClientCertificates : std::uint8_t { kNone, kOptional, kRequired };
/// How clients of a listener prove who they are; kInherit is as everywhere else.
enum class ListenerAuth : std::uint8_t { kInherit, kNone, kProxy, kPassthrough };

/// One place where clients connect, with its own rules. A value.
struct ListenerOptions {
  /// Where the configuration has it: "listen.listeners[0]", or "listen" for those made of the simple options.
  std::string place = "listen";
  ListenerType type = ListenerType::kTcp;
  std::vector<std::string> bind{"127.0.0.1"};  ///< tcp, tls, quic
  std::uint16_t port = 0;                      ///< tcp, tls, quic; one of UDP for quic
  std::string path{};                          ///< unix
  std::uint32_t permissions = 0700;            ///< unix
  bool proxy_protocol = false;
  std::vector<std::string> allow{};  ///< tcp, tls, quic: networks; empty: everybody
  std::string tls_cert{};            ///< tls, quic, as all that follow but the last
  std::string tls_key{};
  std::string tls_ca{};
  ClientCertificates tls_verify_client = ClientCertificates::kNone;
  ListenerAuth auth = ListenerAuth::kInherit;

  [[nodiscard]] bool has_certificate() const noexcept {
    return type == ListenerType::kTls || type == ListenerType::kQuic;
  }
  /// The full name of the option that `member` comes from: "listen.listeners[0].port", "listen.unixsocket".
  [[nodiscard]] std::string option_of(std::string_view member) const;
};

}  // namespace anteroom::config
