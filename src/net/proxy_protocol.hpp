#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "net/address.hpp"

namespace anteroom::net {

/// What the first bytes of a connection from a proxy come to.
struct ProxyHeader {
  enum class Step : std::uint8_t { kNeedMore, kDone, kError };

  Step step = Step::kNeedMore;
  /// kNeedMore: how many bytes to have before the next call; never beyond the header's end, so that who reads no more
  /// has nothing of what follows it. kDone: the header's own size.
  std::size_t bytes = 0;
  /// kDone: whom the proxy speaks for. Nothing when it speaks for itself (LOCAL, as in health checks) or does not know.
  std::optional<Address> client{};
  std::string_view error{};  ///< kError: static, what is wrong
};

/// Reads a header of the PROXY protocol, version 2 (haproxy's proxy-protocol.txt, section 2.2), at the beginning of
/// `bytes`. What follows the addresses in it is skipped unread. Pure.
[[nodiscard]] ProxyHeader parse_proxy_header(std::string_view bytes);

/// Of a whole header: the addresses and a few hundred bytes of extensions; more is no header.
inline constexpr std::size_t kProxyHeaderBytesMax = 4096;

}  // namespace anteroom::net
