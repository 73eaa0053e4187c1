#pragma once

#include <ngtcp2/ngtcp2.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/hash.hpp"

namespace anteroom::quic {

/// A connection id as the key of a table (RFC 9000, section 5.1).
struct ConnectionId {
  ConnectionId() = default;
  /// What is longer than version 1 allows is cut.
  ConnectionId(const std::uint8_t* data, std::size_t length)
      : size(static_cast<std::uint8_t>(std::min(length, bytes.size()))) {
    std::memcpy(bytes.data(), data, size);
  }
  explicit ConnectionId(const ngtcp2_cid& id) : ConnectionId(id.data, id.datalen) {}
  bool operator==(const ConnectionId&) const = default;

  std::array<std::uint8_t, NGTCP2_MAX_CIDLEN> bytes{};
  std::uint8_t size = 0;
};

/// Keyed, because peers choose ids: without the key nobody can make them collide.
struct ConnectionIdHash {
  base::HashSeed seed;

  [[nodiscard]] std::size_t operator()(const ConnectionId& id) const noexcept {
    return base::hash64(seed, {reinterpret_cast<const char*>(id.bytes.data()), id.size});
  }
};

/// Those that we issue: their first byte names the worker, so that the kernel can hand datagrams to the right socket
/// (net::UdpSocket::steer_by_connection_id).
inline constexpr std::size_t kOwnIdBytes = 12;

/// `random` with its value modulo `workers` made `worker`. REQUIRES: worker < workers <= 256.
[[nodiscard]] constexpr std::uint8_t mark_worker(std::uint8_t random, unsigned worker, unsigned workers) noexcept {
  unsigned marked = random - random % workers + worker;
  if (marked > 255) marked -= workers;
  return static_cast<std::uint8_t>(marked);
}
static_assert(mark_worker(255, 2, 3) % 3 == 2);
static_assert(mark_worker(254, 255, 256) == 255);

}  // namespace anteroom::quic
