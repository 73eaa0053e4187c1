#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>

#include "cache/types.hpp"

namespace anteroom::cache {

/// Finds keys that are written so often that fetching them for the cache is in vain: those of which kHotWriteDetaches
/// fills in a row were detached by drops (COHERENCE.md C, hit-for-miss). They are bypassed for a while, so that the
/// server is spared the fills and the tracking of the key. Fixed size: of keys that share a place, the last one counts,
/// so some are found late or never, which costs only what they cost without it. No locks: guarded by the shard's mutex.
class HotWrites {
 public:
  /// With no period nothing is ever bypassed, and it takes no memory.
  explicit HotWrites(std::uint32_t period_ms)
      : period_ms_(period_ms), places_(period_ms > 0 ? std::make_unique<Places>() : nullptr) {}

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
  [[nodiscard]] bool is_bypassed(std::uint64_t hash, std::uint32_t now_ms) noexcept {
    if (!places_) return false;
    Place& place = place_of(hash);
    if (place.hash != check_of(hash) || place.detached < kHotWriteDetaches) return false;
    if (place.until_ms == kNotBegun) {
      const std::uint32_t most = kNotBegun - 1;
      place.until_ms = period_ms_ < most - now_ms ? now_ms + period_ms_ : most;
    }
    if (now_ms < place.until_ms) return true;
    place = {};
    return false;
  }
  /// When the shard's time starts anew.
  void clear() noexcept {
    if (places_) *places_ = {};
  }
  [[nodiscard]] std::size_t bytes() const noexcept { return places_ ? sizeof(Places) : 0; }

 private:
  static constexpr std::uint32_t kNotBegun = std::numeric_limits<std::uint32_t>::max();
  struct Place {
    std::uint32_t hash = 0;
    std::uint32_t detached = 0;
    std::uint32_t until_ms = kNotBegun;
  };
  static constexpr std::size_t kPlaces = 256;
  using Places = std::array<Place, kPlaces>;

  [[nodiscard]] static std::uint32_t check_of(std::uint64_t hash) noexcept { return static_cast<std::uint32_t>(hash); }
  [[nodiscard]] Place& place_of(std::uint64_t hash) noexcept { return (*places_)[hash % kPlaces]; }

  const std::uint32_t period_ms_;
  const std::unique_ptr<Places> places_;
};

}  // namespace anteroom::cache
