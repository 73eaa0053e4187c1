#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "cache/cache.hpp"

namespace anteroom::cache {

/// The epoch of every owner, as the sum of the owner's own count and a common one, so that bumping one owner and
/// bumping all of them are both one addition. Thread-safe without locks.
///
/// Both counts only grow, so a sum read while a bump is under way is at most the newest and at least the oldest epoch
/// of that moment: whatever was recorded before a bump differs from every sum that is read after it.
class Epochs {
 public:
  [[nodiscard]] std::uint64_t current(OwnerId owner) const noexcept {
    return common_.load(std::memory_order_acquire) + owners_[index(owner)].load(std::memory_order_acquire);
  }
  void bump(OwnerId owner) noexcept { owners_[index(owner)].fetch_add(1, std::memory_order_acq_rel); }
  void bump_all() noexcept { common_.fetch_add(1, std::memory_order_acq_rel); }

 private:
  [[nodiscard]] static std::size_t index(OwnerId owner) noexcept { return static_cast<std::size_t>(owner); }

  std::atomic<std::uint64_t> common_{0};
  std::array<std::atomic<std::uint64_t>, kOwnersMax> owners_{};
};

}  // namespace anteroom::cache
