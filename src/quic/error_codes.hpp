#pragma once

#include <cstdint>
#include <string_view>

namespace anteroom::quic {

/// Application error codes of RESET_STREAM, STOP_SENDING and CONNECTION_CLOSE between our processes (RFC 9000, section
/// 20.2). Part of the protocol: numbers keep their meaning. Those of a stream say what became of its connection to
/// Redis.
enum class ErrorCode : std::uint64_t {
  kNone = 0x00,             ///< an orderly end
  kUpstreamRefused = 0x01,  ///< no connection to Redis: refused, unreachable, no such socket
  kUpstreamTimeout = 0x02,  ///< no connection to Redis in time
  kLimit = 0x03,            ///< a limit of streams or connections
  kShuttingDown = 0x04,     ///< drains, or has stopped
  kUpstreamLost = 0x05,     ///< the connection to Redis broke
  kCancelled = 0x06,        ///< the other side wants no more of it
};

/// "upstream_refused" and so on, for logs and counters; "other" for what is not ours.
[[nodiscard]] constexpr std::string_view name_of(std::uint64_t code) noexcept {
  switch (static_cast<ErrorCode>(code)) {
    case ErrorCode::kNone:
      return "none";
    case ErrorCode::kUpstreamRefused:
      return "upstream_refused";
    case ErrorCode::kUpstreamTimeout:
      return "upstream_timeout";
    case ErrorCode::kLimit:
      return "limit";
    case ErrorCode::kShuttingDown:
      return "shutting_down";
    case ErrorCode::kUpstreamLost:
      return "upstream_lost";
    case ErrorCode::kCancelled:
      return "cancelled";
  }
  return "other";
}

}  // namespace anteroom::quic
