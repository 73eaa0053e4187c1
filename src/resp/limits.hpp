#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

namespace anteroom::resp {

/// What one client may send. The defaults are Redis's (networking.c, 7.0), so a client notices no difference.
struct Limits {
  /// Longest inline request, and longest "*n" or "$n" line: PROTO_INLINE_MAX_SIZE. A person types it, no client does.
  std::size_t inline_bytes_max = 64 * 1024;
  /// Most arguments of one command. Redis only refuses what its int cannot hold; command_bytes_max stops earlier.
  std::int64_t args_max = std::numeric_limits<std::int32_t>::max();
  /// Largest argument: proto-max-bulk-len, which is the size of the largest string Redis stores.
  std::int64_t bulk_bytes_max = std::int64_t{512} * 1024 * 1024;
  /// Largest command with its framing: client-query-buffer-limit. Bounds the memory of one connection.
  std::size_t command_bytes_max = std::size_t{1024} * 1024 * 1024;
  /// False applies the two limits below on top, so that a stranger cannot make us hold much.
  bool is_authenticated = true;

  std::int64_t unauthenticated_args_max = 10;
  std::int64_t unauthenticated_bulk_bytes_max = 16 * 1024;

  /// The defaults for a client that must still authenticate.
  [[nodiscard]] static constexpr Limits unauthenticated() noexcept {
    Limits limits;
    limits.is_authenticated = false;
    return limits;
  }
};

}  // namespace anteroom::resp
