#pragma once

#include <cstdint>
#include <optional>

#include "base/clock.hpp"
#include "cache/types.hpp"

namespace anteroom::cache {

/// How long a reply may be served. Zero or less means "not cached"; Duration::max() means "no limit of ours".
struct TtlPolicy {
  base::Duration ttl{};           ///< longest life of a value
  base::Duration negative_ttl{};  ///< longest life of the knowledge that a key does not exist
  base::Duration min_ttl{};       ///< a key that the server will expire sooner than this is not worth an entry
  double jitter = 0;              ///< 0 to 0.5: by at most this part our own limits are shortened, at random, so that
                                  ///< what was filled together does not end together
};

/// What the reply said about the key.
enum class Presence : std::uint8_t { kPresent, kMissing };

/// The deadlines of a reply that was fetched together with PTTL, sent behind it, or nullopt if it must not be cached
/// (COHERENCE.md B.2, R6, R11). `sent` is when the pair was sent and `pttl_ms` the server's answer. The server reads
/// its clock after `sent`, so sent + pttl_ms is never later than the key's real end. Two answers that contradict each
/// other (a value and "no such key", or nil and a key that exists) were split by a write, and nothing is cached.
/// `jitter01` is a random number from 0 to 1.
[[nodiscard]] std::optional<Deadlines> entry_deadlines(const TtlPolicy& policy, Presence presence, base::TimePoint sent,
                                                       std::int64_t pttl_ms, base::TimePoint now,
                                                       double jitter01) noexcept;

}  // namespace anteroom::cache
