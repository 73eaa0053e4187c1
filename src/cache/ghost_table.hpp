#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace anteroom::cache {

/// Remembers the fingerprints of entries that were evicted lately: 4 bytes for each and nothing else. A fingerprint has
/// one line where it can be, and a full line forgets its oldest, so the table as a whole is nearly a FIFO. Entries with
/// equal fingerprints are taken for each other: at a million of them that is one wrong answer in 4000, and costs no
/// more than a bad guess. Guarded by the shard's mutex. All calls are O(1).
class GhostTable {
 public:
  /// Room for at least `capacity` fingerprints.
  explicit GhostTable(std::size_t capacity);

  /// As the newest of its line.
  void insert(std::uint32_t fingerprint) noexcept;
  /// Whether it was there.
  bool remove(std::uint32_t fingerprint) noexcept;

  [[nodiscard]] std::size_t capacity() const noexcept { return lines_.size() * kWays; }
  [[nodiscard]] std::size_t bytes() const noexcept { return lines_.size() * sizeof(Line); }

 private:
  static constexpr std::size_t kWays = 16;
  // The newest first; 0 stands for nothing, so the fingerprint 0 is taken for 1. One cache line of the processor.
  struct alignas(64) Line {
    std::array<std::uint32_t, kWays> fingerprints{};
  };

  [[nodiscard]] static std::uint32_t stored(std::uint32_t fingerprint) noexcept {
    return fingerprint == 0 ? 1 : fingerprint;
  }
  [[nodiscard]] Line& line_of(std::uint32_t fingerprint) noexcept {
    return lines_[static_cast<std::uint64_t>(fingerprint) * lines_.size() >> 32];
  }

  std::vector<Line> lines_;
};

}  // namespace anteroom::cache
