#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "base/clock.hpp"
#include "cache/types.hpp"

namespace anteroom::cache {

/// How long a reply is believed to be too large. Without word of changes it may have become small; a minute of reading
/// such a one past the cache costs less than to fetch a large one in vain, and once a minute that is bearable.
inline constexpr std::chrono::seconds kLargeValuePeriod{60};

/// A reply of so many bytes that cannot be stored is not fetched again, so that nobody collects it before it is passed
/// on. Of smaller ones, one fetch for all who ask at once is worth more.
inline constexpr std::size_t kLargeReplyBytes = 256u << 10;

/// Remembers queries whose replies were too large to be fetched, so that they do not travel twice each time. Fixed
/// size: of keys that share a place, and of queries of one key, the last one counts; the others travel twice. A drop of
/// the key ends it. Keys are known by their hashes, in all spaces: a false match costs what is cached. No locks:
/// guarded by the shard's mutex.
class LargeValues {
 public:
  /// `changes` as Owners::changes() says: what ends all that one owner has filled, ends this too.
  void note(const Query& query, base::TimePoint now, std::uint64_t changes) noexcept {
    place_of(query.key.hash) = {query.key.hash, query.request_hash, changes, now + kLargeValuePeriod};
  }
  [[nodiscard]] bool knows(const Query& query, base::TimePoint now, std::uint64_t changes) const noexcept {
    const Place& place = places_[query.key.hash % kPlaces];
    return now < place.until && place.changes == changes && place.key == query.key.hash &&
           place.request == query.request_hash;
  }
  /// The key has changed.
  void forget(std::uint64_t key_hash) noexcept {
    if (Place& place = place_of(key_hash); place.key == key_hash) place = {};
  }

 private:
  struct Place {
    std::uint64_t key = 0;
    std::uint64_t request = 0;
    std::uint64_t changes = 0;
    base::TimePoint until{};
  };
  static constexpr std::size_t kPlaces = 64;

  [[nodiscard]] Place& place_of(std::uint64_t hash) noexcept { return places_[hash % kPlaces]; }

  std::array<Place, kPlaces> places_{};
};

}  // namespace anteroom::cache
