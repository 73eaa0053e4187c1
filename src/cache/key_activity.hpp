#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace anteroom::cache {

/// Whether anything that a drop undoes has begun for a key since the drop before: counts for groups of keys, so that
/// the answer may be yes because of another key, and costs no look into the index, which seldom is in the processor's
/// cache. Guarded by the shard's mutex.
class KeyActivity {
 public:
  /// Equal to none that of() gives.
  static constexpr std::uint64_t kUnknown = ~std::uint64_t{0};

  [[nodiscard]] std::uint64_t of(std::uint64_t hash) const noexcept { return counts_[group(hash)]; }
  /// A fill has begun or was stored, or something was noted of the key.
  void note(std::uint64_t hash) noexcept { ++counts_[group(hash)]; }

 private:
  static constexpr std::size_t kGroups = 64;
  // The lowest bits: keys that the index cannot tell apart, by half of their hashes, are in one group.
  static std::size_t group(std::uint64_t hash) noexcept { return hash % kGroups; }

  std::array<std::uint64_t, kGroups> counts_{};
};

}  // namespace anteroom::cache
