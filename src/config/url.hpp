#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace anteroom::config {

/// Bytes of a UNIX socket's path: what sockaddr_un has room for, without its NUL.
inline constexpr std::size_t kUnixPathMax = 107;

/// Where Redis is and as whom we go there: a parsed upstream URL. A value. Holds a secret: print it with display_url().
struct Upstream {
  enum class Kind : std::uint8_t { kTcp, kUnix };

  Kind kind = Kind::kTcp;
  std::string host = "localhost";  ///< kTcp: a name or an address, IPv6 without its brackets
  std::uint16_t port = 6379;       ///< kTcp
  bool is_tls = false;             ///< kTcp: rediss://
  bool is_quic = false;            ///< kTcp: quic://, a gateway; the port is one of UDP
  std::string pin{};               ///< quic: SHA-256 of the gateway's public key, 64 hexadecimal digits; or empty
  bool is_insecure = false;        ///< quic: nothing is asked of its certificate
  std::string path{};              ///< kUnix: absolute, at most kUnixPathMax bytes
  std::string user{};              ///< empty: the default user
  std::string password{};          ///< empty: no authentication
  int db = 0;

  /// The other side proves who it is by a certificate.
  [[nodiscard]] bool has_certificate() const noexcept { return is_tls || is_quic; }
  bool operator==(const Upstream&) const = default;
};

/// Parses `redis://[[user:]password@]host[:port][/db]`, the same with `rediss://` for TLS and with `quic://` for a
/// gateway, this one with `[?pin=sha256:HEX|&insecure=1]` behind it, and `unix:///path[?db=N&user=...&password=...]`;
/// user, password and path may be percent-encoded. The error is one line that never repeats what could be a password.
[[nodiscard]] std::expected<Upstream, std::string> parse_upstream_url(std::string_view url);

/// `host[:port]`, the host perhaps an IPv6 address in brackets; the original caching tool's way to name its server.
[[nodiscard]] std::expected<Upstream, std::string> parse_host_and_port(std::string_view text);

/// The URL in its canonical form with `***` for the password; parse_upstream_url() reads it back.
[[nodiscard]] std::string display_url(const Upstream& upstream);

/// Overwrites with `*`, keeping the length, what stands where a URL has its password. Works on any text, also on URLs
/// that parse_upstream_url() refuses.
void mask_url_password(char* text, std::size_t size) noexcept;

}  // namespace anteroom::config
