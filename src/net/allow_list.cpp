#include "net/allow_list.hpp"

#include <netinet/in.h>

#include <algorithm>
#include <cstring>
#include <string_view>

#include "base/parse_int.hpp"

namespace anteroom::net {
namespace {

constexpr unsigned kIpv4OffsetBits = 96;  // of an IPv4 address in its IPv6 form
constexpr unsigned kBits = 128;

std::unexpected<std::string> no_network(std::string_view text, std::string_view why) {
  return std::unexpected('"' + std::string(text) + "\" " + std::string(why));
}

}  // namespace

std::expected<AllowList, std::string> AllowList::parse(const std::vector<std::string>& networks) {
  AllowList list;
  for (const std::string& text : networks) {
    const std::size_t slash = text.find('/');
    const std::string_view host = std::string_view(text).substr(0, slash);
    const auto address =
        host.find_first_of("[%") == std::string_view::npos ? Address::from_numeric(host, 0) : std::optional<Address>{};
    if (!address) return no_network(text, "is neither an address nor a network like 10.0.0.0/8");
    // ::ffff:10.0.0.0/104 is written with the bits of IPv6, and kept as IPv4.
    const bool counts_as_ipv4 = host.find(':') == std::string_view::npos;
    Network network{.address = bytes_of(*address), .prefix_bits = kBits};
    if (slash != std::string::npos) {
      const unsigned offset = counts_as_ipv4 ? kIpv4OffsetBits : 0;
      const auto prefix = base::parse_int(std::string_view(text).substr(slash + 1), 0, kBits - offset);
      if (!prefix) return no_network(text, "has no prefix from 0 to " + std::to_string(kBits - offset));
      network.prefix_bits = offset + static_cast<unsigned>(*prefix);
    }
    Bytes kept{};  // what the prefix covers
    for (unsigned bit = 0; bit < network.prefix_bits; ++bit) {
      kept[bit / 8] |= static_cast<std::uint8_t>(network.address[bit / 8] & (0x80u >> (bit % 8)));
    }
    if (kept != network.address) return no_network(text, "has bits set behind its prefix");
    list.networks_.push_back(network);
  }
  return list;
}

bool AllowList::allows(const Address& peer) const noexcept {
  if (networks_.empty()) return true;
  if (peer.family() != AF_INET && peer.family() != AF_INET6) return false;
  const Bytes address = bytes_of(peer);
  return std::ranges::any_of(networks_, [&](const Network& network) { return is_in(address, network); });
}

bool AllowList::is_in(const Bytes& address, const Network& network) noexcept {
  const std::size_t whole = network.prefix_bits / 8;
  if (!std::equal(address.begin(), address.begin() + static_cast<std::ptrdiff_t>(whole), network.address.begin())) {
    return false;
  }
  const unsigned left = network.prefix_bits % 8;
  if (left == 0) return true;
  const unsigned differing = address[whole] ^ network.address[whole];
  return (differing >> (8 - left)) == 0;
}

AllowList::Bytes AllowList::bytes_of(const Address& address) noexcept {
  Bytes bytes{};
  if (address.family() == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, address.data(), sizeof v4);
    bytes[10] = bytes[11] = 0xFF;
    std::memcpy(bytes.data() + 12, &v4.sin_addr, 4);
  } else {
    sockaddr_in6 v6{};
    std::memcpy(&v6, address.data(), sizeof v6);
    std::memcpy(bytes.data(), &v6.sin6_addr, bytes.size());
  }
  return bytes;
}

}  // namespace anteroom::net
