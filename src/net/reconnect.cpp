#include "net/reconnect.hpp"

#include <utility>

namespace anteroom::net {

base::Duration Reconnect::pause_after_loss(base::TimePoint now) {
  const bool is_early = now - up_since_ < kStableAfter;
  const bool was_early = std::exchange(lost_early_, is_early);
  if (is_early && was_early) return backoff_.next();
  backoff_.reset();
  return base::Duration::zero();
}

}  // namespace anteroom::net
