#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/clock.hpp"
#include "cache/types.hpp"

namespace anteroom::cache {

/// Finds keys that are written so often that fetching them for the cache is in vain: those of which kHotWriteDetaches
/// fills in a row were detached by drops (COHERENCE.md C, hit-for-miss). They are bypassed for a while, so that the
/// server is spared the fills and the tracking of the key. Fixed size: of keys that share a place, the last one counts,
/// so some are found late or never, which costs only what they cost without it. No locks: guarded by the shard's mutex.
class HotWrites {
 public:
  /// With no period nothing is ever bypassed, and it takes no memory.
  explicit HotWrites(base::Duration period)
      : period_(period), places_(period > base::Duration::zero() ? std::make_unique<Places>() : nullptr) {}

  /// A drop has detached fills of the key.
  void note_detached(std::uint64_t hash) noexcept {
    if (!places_) return;
    Place& place = place_of(hash);
    if (place.hash != check_of(hash)) place = {.hash = check_of(hash)};
    if (place.detached < kHotWriteDetaches) ++place.detached;
  }
  /// A fill of the key was stored.
  void note_stored(std::uint64_t hash) noexcept {
    if (!places_) return;
    if (Place& place = place_of(hash); place.hash == check_of(hash)) place = {};
  }
  /// Whether the key is bypassed now. The first such question after the last detached fill begins the period.
  [[nodiscard]] bool is_bypassed(std::uint64_t hash, base::TimePoint now) noexcept {
    if (!places_) return false;
    Place& place = place_of(hash);
    if (place.hash != check_of(hash) || place.detached < kHotWriteDetaches) return false;
    if (place.begin > now) place.begin = now;
    if (now - place.begin < period_) return true;
    place = {};
    return false;
  }
  [[nodiscard]] std::size_t bytes() const noexcept { return places_ ? sizeof(Places) : 0; }

 private:
  struct Place {
    std::uint32_t hash = 0;
    std::uint32_t detached = 0;
    base::TimePoint begin = base::kNever;  ///< of the period
  };
  static constexpr std::size_t kPlaces = 256;
  using Places = std::array<Place, kPlaces>;

  [[nodiscard]] static std::uint32_t check_of(std::uint64_t hash) noexcept { return static_cast<std::uint32_t>(hash); }
  [[nodiscard]] Place& place_of(std::uint64_t hash) noexcept { return (*places_)[hash % kPlaces]; }

  const base::Duration period_;
  const std::unique_ptr<Places> places_;
};

}  // namespace anteroom::cache
