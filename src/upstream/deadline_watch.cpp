#include "upstream/deadline_watch.hpp"

#include <algorithm>

namespace anteroom::upstream {

std::optional<base::Duration> DeadlineWatch::look(base::TimePoint now, base::Duration limit) noexcept {
  was_late_ = !was_late_ && now - due_ >= kLate;
  if (!was_late_) return std::nullopt;
  const base::Duration grace = std::min<base::Duration>(kGrace, limit);
  due_ = now + grace;
  return grace;
}

}  // namespace anteroom::upstream
