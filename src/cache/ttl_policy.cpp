#include "cache/ttl_policy.hpp"

#include <algorithm>
#include <chrono>

namespace anteroom::cache {
namespace {

// What PTTL answers instead of a time.
constexpr std::int64_t kPttlNoExpiry = -1;
constexpr std::int64_t kPttlNoKey = -2;

// REQUIRES: span >= 0. Saturates at kNever.
base::TimePoint after(base::TimePoint start, base::Duration span) noexcept {
  if (start.time_since_epoch() <= base::Duration::zero()) return start + span;
  return span < base::kNever - start ? start + span : base::kNever;
}

base::Duration from_ms(std::int64_t ms) noexcept {
  constexpr auto kMax = std::chrono::duration_cast<base::Milliseconds>(base::Duration::max()).count();
  return ms < kMax ? base::Duration{base::Milliseconds{ms}} : base::Duration::max();
}

// Never longer than `span`, and at least half of it.
base::Duration shortened(base::Duration span, double jitter, double jitter01) noexcept {
  const double part = std::clamp(jitter, 0.0, 0.5) * std::clamp(jitter01, 0.0, 1.0);
  // Subtracted, so that without jitter nothing is rounded; the difference is at most half of what a Duration holds.
  return span - base::Duration{static_cast<base::Duration::rep>(static_cast<double>(span.count()) * part)};
}

}  // namespace

std::optional<Deadlines> entry_deadlines(const TtlPolicy& policy, Presence presence, base::TimePoint sent,
                                         std::int64_t pttl_ms, base::TimePoint now, double jitter01) noexcept {
  const bool is_missing = presence == Presence::kMissing;
  if (is_missing != (pttl_ms == kPttlNoKey)) return std::nullopt;
  const base::Duration longest = is_missing ? policy.negative_ttl : policy.ttl;
  if (longest <= base::Duration::zero()) return std::nullopt;

  Deadlines deadlines{.soft = after(now, shortened(longest, policy.jitter, jitter01))};
  if (is_missing || pttl_ms == kPttlNoExpiry) return deadlines;
  if (pttl_ms < 0 || from_ms(pttl_ms) < policy.min_ttl) return std::nullopt;
  deadlines.hard = after(sent, from_ms(pttl_ms));
  if (deadlines.hard <= now) return std::nullopt;
  deadlines.soft = std::min(deadlines.soft, deadlines.hard);
  return deadlines;
}

}  // namespace anteroom::cache
