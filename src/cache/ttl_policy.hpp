#pragma once

#include <cstdint>
#include <optional>

#include "base/clock.hpp"
#include "cache/cache.hpp"

namespace anteroom::cache {

/// How long a reply may be served. Zero or less means "not cached"; Duration::max() means "no limit of ours".
struct TtlPolicy {
  base::Duration ttl{};           ///< longest life of a value
  base::Duration negative_ttl{};  ///< longest life of the knowledge that a key does not exist
  base::Duration min_ttl{};       ///< a key that the server will expire sooner than this is not worth an entry
};

/// The deadline of a reply fetched by GET and then PTTL, or nullopt if it must not be cached (COHERENCE.md B.2, R6,
/// R11). `sent` is when the pair was sent and `pttl_ms` the server's answer. The server reads its clock after `sent`,
/// so sent + pttl_ms is never later than the key's real end. Two answers that contradict each other (a value and "no
/// such key", or nil and a key that exists) were split by a write, and nothing is cached.
[[nodiscard]] std::optional<base::TimePoint> entry_deadline(const TtlPolicy& policy, EntryKind kind,
                                                            base::TimePoint sent, std::int64_t pttl_ms,
                                                            base::TimePoint now) noexcept;

}  // namespace anteroom::cache
