#include "upstream/pool.hpp"

#include <utility>

namespace anteroom::upstream {

Pool::Pool(LinkContext context, LinkOptions options, std::uint64_t jitter_seed, unsigned parallel)
    : context_(context), options_(std::move(options)), jitter_seed_(jitter_seed), parallel_(parallel) {}

Link* Pool::find_or_make(const Lane& lane) {
  recent_ = links_.find(lane);
  if (recent_ != links_.end()) return recent_->second.get();
  if (links_.size() >= kLinksMax * parallel_) drop_unused();
  if (links_.size() >= kLinksMax * parallel_) return nullptr;

  LinkOptions options = for_lane(options_, lane);
  options.stay_connected = is_main(lane);
  auto link = std::make_unique<Link>(context_, std::move(options), ++jitter_seed_);
  if (closed_) {
    link->close();
  } else {
    link->start();
  }
  recent_ = links_.emplace(lane, std::move(link)).first;
  return recent_->second.get();
}

template <class IsUnused>
void Pool::drop_if(IsUnused is_unused) {
  recent_ = links_.end();
  std::erase_if(links_, [&](const auto& entry) {
    const auto& [lane, link] = entry;
    return !is_main(lane) && link->is_quiet() && is_unused(*link);
  });
}

void Pool::reap(base::TimePoint now, base::Duration idle) {
  drop_if([&](const Link& link) { return now - link.last_used() >= idle; });
}

void Pool::drop_unused() {
  // Numbers of dbs that do not exist leave links that never come up.
  drop_if([](const Link& link) { return link.state() != Link::State::kUp; });
}

void Pool::close() {
  closed_ = true;
  for (auto& [lane, link] : links_) link->close();
}

std::size_t Pool::pending() const noexcept {
  std::size_t sum = 0;
  for (const auto& [lane, link] : links_) sum += link->pending();
  return sum;
}

std::size_t Pool::queued_bytes() const noexcept {
  std::size_t sum = 0;
  for (const auto& [lane, link] : links_) sum += link->queued_bytes();
  return sum;
}

}  // namespace anteroom::upstream
