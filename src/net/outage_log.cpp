#include "net/outage_log.hpp"

#include "base/log.hpp"

namespace anteroom::net {
namespace {

constexpr auto kLineEvery = std::chrono::seconds(10);

std::int64_t to_ms(base::Duration duration) { return std::chrono::duration_cast<base::Milliseconds>(duration).count(); }

}  // namespace

void OutageLog::failed(const std::string& why, base::TimePoint now) {
  std::uint64_t failures = 0;
  base::TimePoint since;
  {
    const base::MutexLock lock(mutex_);
    if (!down_) {
      down_ = true;
      since_ = now;
      failures_ = 0;
      last_line_ = now - kLineEvery;
    }
    ++failures_;
    if (now - last_line_ < kLineEvery) return;
    last_line_ = now;
    failures = failures_;
    since = since_;
  }
  log::warn("upstream unreachable", {{"upstream", endpoint_},
                                     {"reason", why},
                                     {"failures", static_cast<std::int64_t>(failures)},
                                     {"down_ms", to_ms(now - since)}});
}

void OutageLog::succeeded(base::TimePoint now) {
  base::Duration down{};
  {
    const base::MutexLock lock(mutex_);
    if (!down_) return;
    down_ = false;
    down = now - since_;
  }
  log::info("upstream reachable again", {{"upstream", endpoint_}, {"down_ms", to_ms(down)}});
}

bool OutageLog::is_up() const {
  const base::MutexLock lock(mutex_);
  return !down_;
}

}  // namespace anteroom::net
