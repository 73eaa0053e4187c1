#pragma once

#include <chrono>
#include <cstdint>

namespace anteroom::quic {

/// The monotonic clock as ngtcp2 wants it. Read anew, not once per turn: round trips are measured with it.
[[nodiscard]] inline std::uint64_t now_ns() noexcept {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
          .count());
}

/// The time of day, for tokens, which outlive the process that made them.
[[nodiscard]] inline std::uint64_t wall_ns() noexcept {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch())
          .count());
}

}  // namespace anteroom::quic
