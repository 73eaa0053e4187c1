#include "net/proxy_protocol.hpp"

#include <netinet/in.h>

#include <algorithm>
#include <cstring>

namespace anteroom::net {
namespace {

constexpr std::string_view kSignature("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr std::size_t kFixedBytes = 16;  // signature, version and command, family and transport, length

// Bytes of the two addresses and, but for UNIX sockets, the two ports.
constexpr std::size_t kIpv4Bytes = 12;
constexpr std::size_t kIpv6Bytes = 36;
constexpr std::size_t kUnixBytes = 216;
constexpr std::size_t kUnixPathBytes = 108;

constexpr unsigned kLocal = 0x20;  // version 2
constexpr unsigned kProxy = 0x21;

unsigned byte_at(std::string_view bytes, std::size_t at) { return static_cast<unsigned char>(bytes[at]); }

ProxyHeader failed(std::string_view why) { return {.step = ProxyHeader::Step::kError, .bytes = 0, .error = why}; }

Address ipv4(std::string_view addresses) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  std::memcpy(&address.sin_addr, addresses.data(), 4);
  std::memcpy(&address.sin_port, addresses.data() + 8, 2);
  return Address::from_sockaddr(reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

Address ipv6(std::string_view addresses) {
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  std::memcpy(&address.sin6_addr, addresses.data(), 16);
  std::memcpy(&address.sin6_port, addresses.data() + 32, 2);
  return Address::from_sockaddr(reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

/// Nothing for a socket without a name.
std::optional<Address> unix_socket(std::string_view addresses) {
  const std::string_view path = addresses.substr(0, kUnixPathBytes);
  return Address::from_unix_path(path.substr(0, path.find('\0')));
}

/// `payload` is all that the header's length covers.
ProxyHeader with_addresses(unsigned family_and_transport, std::string_view payload) {
  constexpr std::string_view kTooShort = "the header is too short for its addresses";
  ProxyHeader header{.step = ProxyHeader::Step::kDone, .bytes = kFixedBytes + payload.size()};
  switch (family_and_transport) {
    case 0x00:  // the proxy does not know
      return header;
    case 0x11:
      if (payload.size() < kIpv4Bytes) return failed(kTooShort);
      header.client = ipv4(payload);
      return header;
    case 0x21:
      if (payload.size() < kIpv6Bytes) return failed(kTooShort);
      header.client = ipv6(payload);
      return header;
    case 0x31:
      if (payload.size() < kUnixBytes) return failed(kTooShort);
      header.client = unix_socket(payload);
      return header;
    default:
      return failed("not the addresses of a stream");
  }
}

}  // namespace

ProxyHeader parse_proxy_header(std::string_view bytes) {
  const std::size_t known = std::min(bytes.size(), kSignature.size());
  if (bytes.substr(0, known) != kSignature.substr(0, known)) return failed("no PROXY header of version 2");
  if (bytes.size() < kFixedBytes) return {.bytes = kFixedBytes};

  const unsigned version_and_command = byte_at(bytes, 12);
  if (version_and_command != kLocal && version_and_command != kProxy) return failed("unknown version or command");
  const std::size_t size = kFixedBytes + (byte_at(bytes, 14) << 8 | byte_at(bytes, 15));
  if (size > kProxyHeaderBytesMax) return failed("the header is too long");
  if (bytes.size() < size) return {.bytes = size};
  // What the proxy itself asks for has no client, whatever stands in the header.
  if (version_and_command == kLocal) return {.step = ProxyHeader::Step::kDone, .bytes = size};
  return with_addresses(byte_at(bytes, 13), bytes.substr(kFixedBytes, size - kFixedBytes));
}

}  // namespace anteroom::net
