#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "base/clock.hpp"
#include "cache/types.hpp"

namespace anteroom::cache {

/// What the cache knows of each owner: its epoch, its lease, whether it may fill, and what may be served although it
/// was lost. Thread-safe without locks; each owner's state is in a cache line of its own, which its worker changes and
/// all read.
///
/// An epoch is the sum of the owner's own count and a common one, so that bumping one owner and bumping all of them are
/// both one addition. Both counts only grow, so a sum read while a bump is under way is at most the newest and at least
/// the oldest epoch of that moment: whatever was recorded before a bump differs from every sum that is read after it
/// (until 2^32 bumps have passed over one entry).
class Owners {
 public:
  Owners(const Rules& rules, base::Duration stale_if_error) noexcept : rules_(rules), stale_if_error_(stale_if_error) {}

  [[nodiscard]] std::uint32_t epoch(OwnerId owner) const noexcept {
    return common_.load(std::memory_order_acquire) + at(owner).epoch.load(std::memory_order_acquire);
  }
  /// Also takes away what lose() has allowed.
  void bump(OwnerId owner) noexcept {
    at(owner).stale_until.store(kNone, std::memory_order_release);
    at(owner).epoch.fetch_add(1, std::memory_order_acq_rel);
    note_bump();
  }
  void bump_all() noexcept {
    common_.fetch_add(1, std::memory_order_acq_rel);
    note_bump();
  }

  /// Bumps, and allows what was valid just before to be served for a while. A second loss before recover() adds
  /// nothing: what counts is when the entries were last known to be true.
  void lose(OwnerId owner, base::TimePoint now) noexcept;
  void recover(OwnerId owner) noexcept {
    at(owner).stale_until.store(kNone, std::memory_order_release);
    changes_.fetch_add(1, std::memory_order_acq_rel);
  }
  /// Whether an entry of the old `entry_epoch` may still be served to those for whom the upstream is down.
  [[nodiscard]] bool may_serve_lost(OwnerId owner, std::uint32_t entry_epoch, base::TimePoint now) const noexcept {
    const Owner& state = at(owner);
    if (count_of(now) >= state.stale_until.load(std::memory_order_acquire)) return false;
    const std::uint32_t lost_common = state.lost_common.load(std::memory_order_acquire);
    return entry_epoch == state.lost_epoch.load(std::memory_order_acquire) + lost_common &&
           lost_common == common_.load(std::memory_order_acquire);
  }
  /// The same while the connection is not lost but silent: its lease is over, though not for too long.
  [[nodiscard]] bool may_serve_unleased(OwnerId owner, base::TimePoint now) const noexcept {
    const base::TimePoint lease_until{base::Duration{at(owner).lease_until.load(std::memory_order_acquire)}};
    return now < lease_until || now - lease_until < stale_if_error_;
  }
  [[nodiscard]] base::TimePoint stale_until(OwnerId owner) const noexcept {
    return base::TimePoint{base::Duration{at(owner).stale_until.load(std::memory_order_acquire)}};
  }

  void set_lease(OwnerId owner, base::TimePoint until) noexcept {
    if (rules_.lease_limits_hits) at(owner).lease_until.store(count_of(until), std::memory_order_release);
  }
  [[nodiscard]] bool has_lease(OwnerId owner, base::TimePoint now) const noexcept {
    return count_of(now) < at(owner).lease_until.load(std::memory_order_acquire);
  }

  void allow_fills(OwnerId owner, bool allowed) noexcept {
    at(owner).fills_allowed.store(allowed, std::memory_order_release);
  }
  [[nodiscard]] bool may_fill(OwnerId owner) const noexcept {
    return at(owner).fills_allowed.load(std::memory_order_acquire);
  }

  [[nodiscard]] std::uint64_t bumps() const noexcept { return bumps_.load(std::memory_order_relaxed); }
  /// Grows with everything that may have made entries worthless at once: then a sweep is due.
  [[nodiscard]] std::uint64_t changes() const noexcept { return changes_.load(std::memory_order_acquire); }

 private:
  using Count = base::Duration::rep;
  static constexpr Count kNone = std::numeric_limits<Count>::min();

  struct alignas(64) Owner {
    std::atomic<std::uint32_t> epoch{0};
    std::atomic<bool> fills_allowed{true};
    std::atomic<Count> lease_until{std::numeric_limits<Count>::max()};
    // Written before stale_until, which is what gives them a meaning.
    std::atomic<std::uint32_t> lost_epoch{0};
    std::atomic<std::uint32_t> lost_common{0};
    std::atomic<Count> stale_until{kNone};
  };

  [[nodiscard]] static Count count_of(base::TimePoint time) noexcept { return time.time_since_epoch().count(); }
  [[nodiscard]] const Owner& at(OwnerId owner) const noexcept { return owners_[static_cast<std::size_t>(owner)]; }
  [[nodiscard]] Owner& at(OwnerId owner) noexcept { return owners_[static_cast<std::size_t>(owner)]; }
  void note_bump() noexcept {
    bumps_.fetch_add(1, std::memory_order_relaxed);
    changes_.fetch_add(1, std::memory_order_acq_rel);
  }

  const Rules rules_;
  const base::Duration stale_if_error_;
  alignas(64) std::atomic<std::uint32_t> common_{0};
  std::atomic<std::uint64_t> bumps_{0};
  std::atomic<std::uint64_t> changes_{0};
  std::array<Owner, kOwnersMax> owners_{};
};

inline void Owners::lose(OwnerId owner, base::TimePoint now) noexcept {
  if (!rules_.loss_bumps_epoch) return;
  Owner& state = at(owner);
  const std::uint32_t common = common_.load(std::memory_order_acquire);
  const bool is_lost = count_of(now) < state.stale_until.load(std::memory_order_acquire) &&
                       state.lost_common.load(std::memory_order_acquire) == common;
  if (!is_lost && stale_if_error_ > base::Duration::zero()) {
    state.stale_until.store(kNone, std::memory_order_release);
    state.lost_epoch.store(state.epoch.load(std::memory_order_acquire), std::memory_order_release);
    state.lost_common.store(common, std::memory_order_release);
    const bool is_endless = now.time_since_epoch() > base::Duration::zero() && stale_if_error_ > base::kNever - now;
    state.stale_until.store(count_of(is_endless ? base::kNever : now + stale_if_error_), std::memory_order_release);
  }
  state.epoch.fetch_add(1, std::memory_order_acq_rel);
  note_bump();
}

}  // namespace anteroom::cache
