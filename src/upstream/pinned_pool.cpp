#include "upstream/pinned_pool.hpp"

#include <algorithm>
#include <utility>

#include "base/check.hpp"

namespace anteroom::upstream {
namespace {

LinkOptions pinned(LinkOptions options) {
  options.once = true;
  options.takes_pushes = true;  // CLIENT TRACKING
  options.stay_connected = false;
  return options;
}

}  // namespace

PinnedPool::PinnedPool(LinkContext context, LinkOptions link, const Options& options, std::uint64_t jitter_seed)
    : context_(context),
      link_options_(pinned(std::move(link))),
      options_(options),
      jitter_seed_(jitter_seed),
      timer_(context.loop, [this] { expire_waiters(); }) {
  ANTEROOM_CHECK(options.links_max >= 1);
}

PinnedLink* PinnedPool::take(const Lane& lane) {
  if (closed_ || !waiters_.empty()) return nullptr;
  for (;;) {
    const auto best =
        std::find_if(idle_.rbegin(), idle_.rend(), [&lane](const PinnedLink* link) { return link->lane == lane; });
    if (best == idle_.rend()) break;
    PinnedLink* const link = *best;
    idle_.erase(std::next(best).base());
    if (link->is_alive()) return link;
    bury(*link);  // it was lost while nobody used it
  }
  if (links_.size() >= options_.links_max && !idle_.empty()) {
    PinnedLink* const other = idle_.front();
    idle_.erase(idle_.begin());
    bury(*other);
  }
  return may_dial() ? make(lane) : nullptr;
}

PinnedLink* PinnedPool::take_spare(const Lane& lane) {
  const std::size_t used = links_.size() - idle_.size();
  return 2 * (used + 1) <= options_.links_max ? take(lane) : nullptr;
}

bool PinnedPool::may_dial() const {
  if (links_.size() >= options_.links_max) return false;
  const auto is_dialing = [](const auto& each) {
    return each->link.state() == Link::State::kDialing || each->link.state() == Link::State::kHandshaking;
  };
  return static_cast<std::size_t>(std::ranges::count_if(links_, is_dialing)) < options_.connecting_max;
}

PinnedLink* PinnedPool::make(const Lane& lane) {
  links_.push_back(
      std::make_unique<PinnedLink>(context_, for_lane(link_options_, lane), lane, ++jitter_seed_, context_.loop.now()));
  links_.back()->link.start();
  return links_.back().get();
}

bool PinnedPool::wait(const Lane& lane, Granted granted, Ticket& ticket) {
  if (closed_ || waiters_.size() >= options_.waiters_max) return false;
  ticket = Ticket{++tickets_};
  waiters_.push_back({ticket, lane, context_.loop.now(), std::move(granted)});
  if (options_.wait_max > base::Milliseconds::zero() && !timer_.is_running()) timer_.start(options_.wait_max);
  return true;
}

void PinnedPool::cancel(Ticket ticket) noexcept {
  std::erase_if(waiters_, [ticket](const Waiter& waiter) { return waiter.ticket == ticket; });
}

void PinnedPool::release(PinnedLink& link, bool reusable) {
  link.released = context_.loop.now();
  if (closed_ || !reusable || !link.is_alive()) {
    bury(link);
  } else {
    idle_.push_back(&link);
  }
  serve_waiters();
}

void PinnedPool::bury(PinnedLink& link) {
  const auto place = std::ranges::find_if(links_, [&](const auto& each) { return each.get() == &link; });
  ANTEROOM_CHECK(place != links_.end());
  buried_.push_back(std::move(*place));
  links_.erase(place);
  link.link.close();
}

void PinnedPool::serve_waiters() {
  while (!waiters_.empty() && !closed_) {
    // take() has nothing while somebody waits: that is for newcomers.
    Waiter first = std::move(waiters_.front());
    waiters_.pop_front();
    std::deque<Waiter> others = std::exchange(waiters_, {});
    PinnedLink* const link = take(first.lane);
    waiters_ = std::move(others);
    if (link == nullptr) {
      waiters_.push_front(std::move(first));
      return;
    }
    grant(std::move(first.granted), link);
  }
}

// The caller may be in the middle of something else.
void PinnedPool::grant(Granted granted, PinnedLink* link) {
  context_.loop.at_turn_end([granted = std::move(granted), link]() mutable { granted(link); });
}

void PinnedPool::expire_waiters() {
  const base::TimePoint now = context_.loop.now();
  while (!waiters_.empty() && waiters_.front().since + options_.wait_max <= now) {
    Granted granted = std::move(waiters_.front().granted);
    waiters_.pop_front();
    grant(std::move(granted), nullptr);
  }
  if (!waiters_.empty()) timer_.start(waiters_.front().since + options_.wait_max - now);
}

void PinnedPool::reap(base::TimePoint now) {
  const auto is_over = [now](base::TimePoint since, base::Milliseconds span) {
    return span > base::Milliseconds::zero() && now - since >= span;
  };
  // The oldest unused ones are at the front.
  std::vector<PinnedLink*> kept;
  std::size_t left = idle_.size();
  for (PinnedLink* link : idle_) {
    const bool is_spare = left > options_.idle_min;
    if (!link->is_alive() || is_over(link->made, options_.age_max) ||
        (is_spare && is_over(link->released, options_.idle_max))) {
      bury(*link);
      --left;
    } else {
      kept.push_back(link);
    }
  }
  idle_ = std::move(kept);
  const Lane lane(link_options_.db, link_options_.protocol);
  while (idle_.size() < options_.idle_min && may_dial()) {
    idle_.insert(idle_.begin(), make(lane));
    idle_.front()->released = now;
  }
  serve_waiters();  // a link may have ended while it dialed
  std::erase_if(buried_, [](const auto& link) { return link->link.is_quiet(); });
}

void PinnedPool::close() {
  closed_ = true;
  timer_.cancel();
  for (Waiter& waiter : std::exchange(waiters_, {})) grant(std::move(waiter.granted), nullptr);
  for (const auto& link : links_) link->link.close();
}

}  // namespace anteroom::upstream
