#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace anteroom::net {

/// Where a socket is: an IPv4 or IPv6 address with a port, or the path of a UNIX socket. A value; no name lookups.
/// An IPv4 address that comes wrapped in IPv6 (::ffff:127.0.0.1, from a dual-stack listener) is kept as IPv4.
class Address {
 public:
  /// Of no family; prints as "unknown".
  Address() = default;

  /// "127.0.0.1", "::1", "[::1]" or "fe80::1%eth0". Nothing for everything else, host names among it.
  [[nodiscard]] static std::optional<Address> from_numeric(std::string_view host, std::uint16_t port);
  /// Nothing if the path is empty, contains a NUL, or is longer than kUnixPathMax.
  [[nodiscard]] static std::optional<Address> from_unix_path(std::string_view path);
  /// From accept(), getaddrinfo() and their like. An unnamed UNIX socket has an empty path.
  [[nodiscard]] static Address from_sockaddr(const sockaddr* address, socklen_t size);

  [[nodiscard]] int family() const noexcept { return storage_.ss_family; }
  [[nodiscard]] bool is_unix() const noexcept { return family() == AF_UNIX; }
  /// 127.0.0.0/8 or ::1.
  [[nodiscard]] bool is_loopback() const noexcept;
  /// 0 for a UNIX socket.
  [[nodiscard]] std::uint16_t port() const noexcept;
  /// Empty for everything but a named UNIX socket. An abstract name is shown with '@' for its first byte.
  [[nodiscard]] std::string unix_path() const;
  /// For connect() and bind(). Valid as long as this object.
  [[nodiscard]] const sockaddr* data() const noexcept { return reinterpret_cast<const sockaddr*>(&storage_); }
  [[nodiscard]] socklen_t size() const noexcept { return size_; }

  /// "127.0.0.1:6379", "[::1]:6379", "unix:/path".
  [[nodiscard]] std::string to_string() const;
  bool operator==(const Address& other) const noexcept;
  /// The same but perhaps for the port.
  [[nodiscard]] bool is_same_host(const Address& other) const noexcept;

  /// What sockaddr_un has room for, without the terminating NUL.
  static constexpr std::size_t kUnixPathMax = 107;

 private:
  sockaddr_storage storage_{};
  socklen_t size_ = 0;
};

/// "host:port" as people write it, with brackets around an IPv6 address.
[[nodiscard]] std::string host_and_port(std::string_view host, std::uint16_t port);

/// Which of our addresses datagrams to `remote` leave from, as routes are now; nothing if there is no way to it.
[[nodiscard]] std::optional<Address> source_toward(const Address& remote) noexcept;

/// The two ends of a connected socket; of no family if the kernel does not say.
[[nodiscard]] Address peer_address(int fd) noexcept;
[[nodiscard]] Address local_address(int fd) noexcept;

}  // namespace anteroom::net
