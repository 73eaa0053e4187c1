#include "net/replay_guard.hpp"

#include <utility>

namespace anteroom::net {

bool ReplayGuard::is_new(std::string_view flight, base::TimePoint now) {
  const std::uint64_t mark = base::hash64(seed_, flight);
  const base::MutexLock lock(mutex_);
  if (now - began_ >= window_) {
    former_ = std::exchange(current_, {});
    if (now - began_ >= 2 * window_) former_.clear();
    began_ = now;
  }
  if (former_.contains(mark) || current_.size() >= kFlightsMax) return false;
  return current_.insert(mark).second;
}

}  // namespace anteroom::net
