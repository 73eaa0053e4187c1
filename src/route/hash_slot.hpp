#pragma once

#include <cstdint>
#include <string_view>

namespace anteroom::route {

/// Parts that a cluster's key space has.
inline constexpr std::uint16_t kHashSlots = 16384;

/// What of a key decides its hash slot: what stands between the first '{' and the first '}' behind it, if that is
/// anything; else all of it. A slice of `key`.
[[nodiscard]] std::string_view hashed_part(std::string_view key) noexcept;
/// The hash slot of a key, or of a shard channel: CRC16 (XMODEM) of that part. Pure; any bytes.
[[nodiscard]] std::uint16_t hash_slot(std::string_view key) noexcept;

}  // namespace anteroom::route
