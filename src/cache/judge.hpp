#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <limits>

#include "base/clock.hpp"
#include "cache/entry.hpp"
#include "cache/owners.hpp"

namespace anteroom::cache {

/// A time of the clock, and the same in a shard's milliseconds.
struct Moment {
  base::TimePoint time{};
  std::uint32_t ms = 0;
};

/// A shard's own time: 32 bits of milliseconds since a start that moves at most once in 24 days. Every time is rounded
/// down, `now` and deadlines alike: floor(now) < floor(deadline) implies now < deadline, so nothing is taken for valid
/// at or past its deadline at the full resolution of the clock, and it ends less than 1 ms early.
class ShardClock {
 public:
  /// A deadline that 32 bits cannot hold. The entry then lives until the start moves.
  static constexpr std::uint32_t kForever = std::numeric_limits<std::uint32_t>::max();

  /// False once `now` is so far from the start that deadlines would soon not fit: the owner must forget all times that
  /// it has stored, and call restart().
  [[nodiscard]] bool covers(const Moment& now) const noexcept { return now.ms <= kSpanMs; }
  void restart(base::TimePoint now) noexcept {
    start_ = base::TimePoint{std::chrono::floor<base::Milliseconds>(now.time_since_epoch())} - kLag;
  }

  /// Saturates at both ends.
  [[nodiscard]] std::uint32_t ms(base::TimePoint time) const noexcept {
    if (time <= start_) return 0;
    // Unsigned, since the distance of two times may not fit into a Duration.
    const std::uint64_t since = count_of(time) - count_of(start_);
    return static_cast<std::uint32_t>(std::min<std::uint64_t>(since / kCountsPerMs, kForever));
  }
  [[nodiscard]] Moment moment(base::TimePoint time) const noexcept { return {.time = time, .ms = ms(time)}; }
  [[nodiscard]] base::TimePoint time(std::uint32_t ms) const noexcept {
    return ms == kForever ? base::kNever : start_ + base::Milliseconds{ms};
  }

 private:
  static constexpr std::uint32_t kSpanMs = std::uint32_t{1} << 31;
  // Workers read the clock once per turn of their loops, so the one that starts a shard's time may be ahead of others.
  static constexpr std::chrono::minutes kLag{1};
  static constexpr std::uint64_t kCountsPerMs = base::Duration{base::Milliseconds{1}}.count();

  [[nodiscard]] static std::uint64_t count_of(base::TimePoint time) noexcept {
    return static_cast<std::uint64_t>(time.time_since_epoch().count());
  }

  base::TimePoint start_ = base::TimePoint::min();  // covers nothing; else whole milliseconds
};

/// What may be done with an entry.
enum class Verdict : std::uint8_t {
  kFresh,
  kRefresh,   ///< past its soft deadline: served while one fill fetches it anew
  kLastHope,  ///< served because the upstream is down
  kNoLease,   ///< the owner's lease is over: not served, but it may come to count again
  kKept,      ///< not served now; kept for a time when the upstream is down
  kExpired,   ///< to be removed
  kOldEpoch,  ///< to be removed
};

/// Tells the verdict on entries (COHERENCE.md R7, R8, R11 and section C). Pure but for the owners it reads, which
/// outlive it.
class Judge {
 public:
  Judge(const Owners& owners, base::Duration stale_while_revalidate, base::Duration stale_if_error) noexcept
      : owners_(owners), refresh_ms_(span_ms(stale_while_revalidate)), error_ms_(span_ms(stale_if_error)) {}

  [[nodiscard]] Verdict judge(const Entry& entry, const Moment& now, bool upstream_is_down) const noexcept {
    if (now.ms < entry.hard_ms && now.ms < entry.soft_ms && is_current(entry)) [[likely]] {
      if (owners_.has_lease(OwnerId{entry.owner}, now.time)) [[likely]]
        return Verdict::kFresh;
      return judge_unleased(entry, now, upstream_is_down);
    }
    return judge_old(entry, now, upstream_is_down);
  }
  /// kFresh, or why the entry is of no use to anybody any more. Leases do not matter, since they can be renewed.
  [[nodiscard]] Verdict judge_life(const Entry& entry, const Moment& now) const noexcept {
    if (now.ms >= entry.hard_ms) return Verdict::kExpired;
    if (!is_current(entry)) {
      return owners_.may_serve_lost(OwnerId{entry.owner}, entry.epoch, now.time) ? Verdict::kFresh : Verdict::kOldEpoch;
    }
    return now.ms < kept_until(entry) ? Verdict::kFresh : Verdict::kExpired;
  }
  /// When judge_life() may first condemn it, if no epoch changes.
  [[nodiscard]] std::uint32_t due_ms(const Entry& entry, const ShardClock& clock) const noexcept {
    if (is_current(entry)) return std::min(entry.hard_ms, kept_until(entry));
    return std::min(entry.hard_ms, clock.ms(owners_.stale_until(OwnerId{entry.owner})));
  }
  /// Neither its connection was lost nor everything invalidated since it was filled.
  [[nodiscard]] bool is_current(const Entry& entry) const noexcept {
    return entry.epoch == owners_.epoch(OwnerId{entry.owner});
  }
  [[nodiscard]] const Owners& owners() const noexcept { return owners_; }

 private:
  static std::uint32_t span_ms(base::Duration span) noexcept {
    const auto ms = std::chrono::duration_cast<base::Milliseconds>(span).count();
    return static_cast<std::uint32_t>(std::clamp<std::int64_t>(ms, 0, ShardClock::kForever));
  }
  [[nodiscard]] std::uint32_t kept_until(const Entry& entry) const noexcept {
    const std::uint32_t span = std::max(refresh_ms_, error_ms_);
    return span < ShardClock::kForever - entry.soft_ms ? entry.soft_ms + span : ShardClock::kForever;
  }
  // A silent connection is as good as a lost one to those who cannot reach the server either.
  [[nodiscard]] Verdict judge_unleased(const Entry& entry, const Moment& now, bool may_be_stale) const noexcept {
    return may_be_stale && owners_.may_serve_unleased(OwnerId{entry.owner}, now.time) ? Verdict::kLastHope
                                                                                      : Verdict::kNoLease;
  }
  [[nodiscard]] Verdict judge_old(const Entry& entry, const Moment& now, bool upstream_is_down) const noexcept {
    const Verdict life = judge_life(entry, now);
    if (life != Verdict::kFresh) return life;
    if (!is_current(entry)) return upstream_is_down ? Verdict::kLastHope : Verdict::kKept;
    const std::uint32_t late_ms = now.ms - entry.soft_ms;
    if (!owners_.has_lease(OwnerId{entry.owner}, now.time)) {
      return judge_unleased(entry, now, upstream_is_down && late_ms < error_ms_);
    }
    if (upstream_is_down && late_ms < error_ms_) return Verdict::kLastHope;
    return late_ms < refresh_ms_ ? Verdict::kRefresh : Verdict::kKept;
  }

  const Owners& owners_;
  const std::uint32_t refresh_ms_;
  const std::uint32_t error_ms_;
};

}  // namespace anteroom::cache
