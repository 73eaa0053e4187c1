#include "access/failure_limiter.hpp"

#include <iterator>

namespace anteroom::access {

FailureLimiter::Entry* FailureLimiter::find(std::string_view address, base::TimePoint now, Entries& gone) {
  const auto found = by_address_.find(address);
  if (found == by_address_.end()) return nullptr;
  const Entries::iterator entry = found->second;
  if (now >= entry->until) {
    by_address_.erase(found);
    gone.splice(gone.end(), entries_, entry);
    return nullptr;
  }
  entries_.splice(entries_.begin(), entries_, entry);
  return &*entry;
}

bool FailureLimiter::may_try(std::string_view address, base::TimePoint now) {
  if (options_.failures_max == 0) return true;
  Entries gone;
  const base::MutexLock lock(mutex_);
  const Entry* entry = find(address, now, gone);
  return entry == nullptr || entry->failures < options_.failures_max;
}

void FailureLimiter::count_failure(std::string_view address, base::TimePoint now) {
  Entries made;
  made.push_back({.address = std::string(address), .failures = 0, .until = now + options_.window});
  Entries gone;
  const base::MutexLock lock(mutex_);
  ++failures_;
  if (options_.failures_max == 0 || options_.addresses_max == 0) return;
  Entry* entry = find(address, now, gone);
  if (entry == nullptr) {
    if (entries_.size() >= options_.addresses_max) {
      by_address_.erase(entries_.back().address);
      gone.splice(gone.end(), entries_, std::prev(entries_.end()));
    }
    entries_.splice(entries_.begin(), made);
    by_address_.emplace(entries_.front().address, entries_.begin());
    entry = &entries_.front();
  }
  // Several workers may have let attempts through at once; only the first over the limit sets the time.
  if (entry->failures >= options_.failures_max) return;
  if (++entry->failures == options_.failures_max) entry->until = now + options_.window;
}

std::uint64_t FailureLimiter::failures() const {
  const base::MutexLock lock(mutex_);
  return failures_;
}

std::size_t FailureLimiter::addresses() const {
  const base::MutexLock lock(mutex_);
  return entries_.size();
}

}  // namespace anteroom::access
