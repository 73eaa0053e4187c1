#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <string>
#include <vector>

#include "net/address.hpp"

namespace anteroom::net {

/// Networks from which connections are accepted. Immutable; an empty list allows everybody.
class AllowList {
 public:
  AllowList() = default;
  /// Each as "10.0.0.0/8", "fd00::/8" or an address alone. The error names the one that is none; bits set behind the
  /// prefix are an error too, as they are most likely a mistyped prefix.
  [[nodiscard]] static std::expected<AllowList, std::string> parse(const std::vector<std::string>& networks);

  /// A UNIX socket is in no network: it is allowed only where everybody is.
  [[nodiscard]] bool allows(const Address& peer) const noexcept;
  [[nodiscard]] bool is_empty() const noexcept { return networks_.empty(); }

 private:
  /// An address as 16 bytes, IPv4 as ::ffff:a.b.c.d, so that there is one kind of comparison.
  using Bytes = std::array<std::uint8_t, 16>;
  struct Network {
    Bytes address{};
    unsigned prefix_bits = 0;  // of the 128
  };
  [[nodiscard]] static bool is_in(const Bytes& address, const Network& network) noexcept;
  [[nodiscard]] static Bytes bytes_of(const Address& address) noexcept;

  std::vector<Network> networks_;
};

}  // namespace anteroom::net
