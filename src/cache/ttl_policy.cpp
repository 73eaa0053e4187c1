#include "cache/ttl_policy.hpp"

#include <algorithm>

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

}  // namespace

std::optional<base::TimePoint> entry_deadline(const TtlPolicy& policy, EntryKind kind, base::TimePoint sent,
                                              std::int64_t pttl_ms, base::TimePoint now) noexcept {
  const base::Duration longest = kind == EntryKind::kNil ? policy.negative_ttl : policy.ttl;
  if (longest <= base::Duration::zero()) return std::nullopt;
  base::TimePoint deadline = after(now, longest);
  if (kind == EntryKind::kNil) return pttl_ms == kPttlNoKey ? std::optional{deadline} : std::nullopt;

  if (pttl_ms == kPttlNoExpiry) return deadline;
  if (pttl_ms < 0) return std::nullopt;
  const base::Duration left = from_ms(pttl_ms);
  if (left < policy.min_ttl) return std::nullopt;
  deadline = std::min(deadline, after(sent, left));
  return deadline > now ? std::optional{deadline} : std::nullopt;
}

}  // namespace anteroom::cache
