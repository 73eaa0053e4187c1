#include "net/address.hpp"

#include <arpa/inet.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstring>

#include "base/unique_fd.hpp"

namespace anteroom::net {
namespace {

constexpr std::size_t kUnixPathOffset = offsetof(sockaddr_un, sun_path);
static_assert(sizeof(sockaddr_un::sun_path) == Address::kUnixPathMax + 1);

template <typename Sockaddr>
Address from(const Sockaddr& address) {
  return Address::from_sockaddr(reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

/// Number of the interface behind '%' in an IPv6 address: its name or the number itself. 0 if there is none.
unsigned scope_id(const std::string& scope) {
  const unsigned index = if_nametoindex(scope.c_str());
  if (index != 0) return index;
  unsigned number = 0;
  const auto [end, error] = std::from_chars(scope.data(), scope.data() + scope.size(), number);
  return error == std::errc{} && end == scope.data() + scope.size() ? number : 0;
}

std::optional<Address> from_numeric_v6(std::string_view host, std::uint16_t port) {
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(port);
  if (const std::size_t percent = host.find('%'); percent != std::string_view::npos) {
    address.sin6_scope_id = scope_id(std::string(host.substr(percent + 1)));
    if (address.sin6_scope_id == 0) return std::nullopt;
    host = host.substr(0, percent);
  }
  if (inet_pton(AF_INET6, std::string(host).c_str(), &address.sin6_addr) != 1) return std::nullopt;
  return from(address);
}

template <typename Sockaddr>
Sockaddr copy_as(const void* from) {
  Sockaddr copy{};
  std::memcpy(&copy, from, sizeof copy);
  return copy;
}

}  // namespace

std::optional<Address> Address::from_numeric(std::string_view host, std::uint16_t port) {
  if (host.contains('\0')) return std::nullopt;
  if (host.starts_with('[')) {
    if (!host.ends_with(']')) return std::nullopt;
    return from_numeric_v6(host.substr(1, host.size() - 2), port);
  }
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  if (inet_pton(AF_INET, std::string(host).c_str(), &address.sin_addr) == 1) return from(address);
  return from_numeric_v6(host, port);
}

std::optional<Address> Address::from_unix_path(std::string_view path) {
  if (path.empty() || path.size() > kUnixPathMax || path.contains('\0')) return std::nullopt;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::copy(path.begin(), path.end(), address.sun_path);
  return from_sockaddr(reinterpret_cast<const sockaddr*>(&address),
                       static_cast<socklen_t>(kUnixPathOffset + path.size() + 1));
}

Address Address::from_sockaddr(const sockaddr* address, socklen_t size) {
  Address result;
  if (size < sizeof address->sa_family || size > sizeof result.storage_) return result;
  std::memcpy(&result.storage_, address, size);
  result.size_ = size;
  if (result.family() != AF_INET6 || size < sizeof(sockaddr_in6)) return result;

  const auto v6 = copy_as<sockaddr_in6>(address);
  if (!IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) return result;
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_port = v6.sin6_port;
  std::memcpy(&v4.sin_addr, v6.sin6_addr.s6_addr + 12, sizeof v4.sin_addr);
  return from(v4);
}

bool Address::is_same_host(const Address& other) const noexcept {
  if (family() != other.family()) return false;
  if (family() == AF_INET) {
    return copy_as<sockaddr_in>(&storage_).sin_addr.s_addr == copy_as<sockaddr_in>(&other.storage_).sin_addr.s_addr;
  }
  if (family() != AF_INET6) return *this == other;
  const auto one = copy_as<sockaddr_in6>(&storage_).sin6_addr;
  const auto another = copy_as<sockaddr_in6>(&other.storage_).sin6_addr;
  return IN6_ARE_ADDR_EQUAL(&one, &another);
}

bool Address::is_loopback() const noexcept {
  constexpr std::uint32_t kFirstByte = 24;
  if (family() == AF_INET) {
    return ntohl(copy_as<sockaddr_in>(&storage_).sin_addr.s_addr) >> kFirstByte == IN_LOOPBACKNET;
  }
  if (family() != AF_INET6) return false;
  const auto address = copy_as<sockaddr_in6>(&storage_);
  return IN6_IS_ADDR_LOOPBACK(&address.sin6_addr);
}

std::uint16_t Address::port() const noexcept {
  if (family() == AF_INET) return ntohs(copy_as<sockaddr_in>(&storage_).sin_port);
  if (family() == AF_INET6) return ntohs(copy_as<sockaddr_in6>(&storage_).sin6_port);
  return 0;
}

std::string Address::unix_path() const {
  if (!is_unix() || size_ <= kUnixPathOffset) return {};
  const char* const begin = reinterpret_cast<const char*>(&storage_) + kUnixPathOffset;
  const std::size_t size = size_ - kUnixPathOffset;
  if (*begin == '\0') return "@" + std::string(begin + 1, size - 1);
  return {begin, strnlen(begin, size)};
}

std::string Address::to_string() const {
  if (is_unix()) return "unix:" + unix_path();
  std::array<char, NI_MAXHOST> host{};
  if (getnameinfo(data(), size_, host.data(), host.size(), nullptr, 0, NI_NUMERICHOST) != 0) return "unknown";
  return host_and_port(host.data(), port());
}

bool Address::operator==(const Address& other) const noexcept {
  return size_ == other.size_ && std::memcmp(&storage_, &other.storage_, size_) == 0;
}

std::string host_and_port(std::string_view host, std::uint16_t port) {
  std::string text;
  const bool needs_brackets = host.contains(':') && !host.starts_with('[');
  if (needs_brackets) text += '[';
  text += host;
  if (needs_brackets) text += ']';
  return text + ':' + std::to_string(port);
}

Address peer_address(int fd) noexcept {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  auto* const pointer = reinterpret_cast<sockaddr*>(&address);
  return getpeername(fd, pointer, &size) == 0 ? Address::from_sockaddr(pointer, size) : Address{};
}

// Connecting a socket of UDP sends nothing: it only chooses.
std::optional<Address> source_toward(const Address& remote) noexcept {
  const base::UniqueFd fd(::socket(remote.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd.is_open() || ::connect(fd.value(), remote.data(), remote.size()) != 0) return std::nullopt;
  return local_address(fd.value());
}

Address local_address(int fd) noexcept {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  auto* const pointer = reinterpret_cast<sockaddr*>(&address);
  return getsockname(fd, pointer, &size) == 0 ? Address::from_sockaddr(pointer, size) : Address{};
}

}  // namespace anteroom::net
