#pragma once

#include <netinet/in.h>

#include <cstddef>
#include <cstring>
#include <string>
#include <unordered_map>

#include "base/hash.hpp"
#include "net/address.hpp"

namespace anteroom::quic {

/// How many connections each peer has. One is an IPv4 address, or the first 64 bits of an IPv6 address: whoever has one
/// of these has all the others of its network as well. As large as there are peers with a connection.
class AddressCounts {
 public:
  /// Whom `address` belongs to, as the other functions want it: the ports of one host are one peer.
  [[nodiscard]] static std::string peer_of(const net::Address& address) {
    constexpr std::size_t kNetworkBytes = 8;
    if (address.family() == AF_INET6) {
      sockaddr_in6 six{};
      std::memcpy(&six, address.data(), sizeof six);
      return {reinterpret_cast<const char*>(six.sin6_addr.s6_addr), kNetworkBytes};
    }
    sockaddr_in four{};
    std::memcpy(&four, address.data(), sizeof four);
    return {reinterpret_cast<const char*>(&four.sin_addr), sizeof four.sin_addr};
  }

  [[nodiscard]] std::size_t of(const std::string& peer) const {
    const auto found = counts_.find(peer);
    return found == counts_.end() ? 0 : found->second;
  }
  void add(const std::string& peer) { ++counts_[peer]; }
  void remove(const std::string& peer) {
    const auto found = counts_.find(peer);
    if (found != counts_.end() && --found->second == 0) counts_.erase(found);
  }

 private:
  /// Keyed, because peers have some choice of their addresses.
  struct Hash {
    base::HashSeed seed;
    [[nodiscard]] std::size_t operator()(const std::string& peer) const noexcept { return base::hash64(seed, peer); }
  };

  std::unordered_map<std::string, std::size_t, Hash> counts_{16, Hash{base::HashSeed::random()}};
};

}  // namespace anteroom::quic
