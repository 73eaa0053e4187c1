#include "upstream/pool.hpp"

#include <utility>

namespace anteroom::upstream {

Pool::Pool(LinkContext context, LinkOptions options, std::uint64_t jitter_seed, unsigned parallel)
    : context_(context), options_(std::move(options)), jitter_seed_(jitter_seed), parallel_(parallel) {}

Link* Pool::shared(const Lane& lane) {
  if (const auto found = links_.find(lane); found != links_.end()) return found->second.get();
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
  return links_.emplace(lane, std::move(link)).first->second.get();
}

void Pool::reap(base::TimePoint now, base::Duration idle) {
  std::erase_if(links_, [&](const auto& entry) {
    const auto& [lane, link] = entry;
    return !is_main(lane) && link->is_quiet() && now - link->last_used() >= idle;
  });
}

void Pool::drop_unused() {
  // Numbers of dbs that do not exist leave links that never come up.
  std::erase_if(links_, [&](const auto& entry) {
    const auto& [lane, link] = entry;
    return !is_main(lane) && link->is_quiet() && link->state() != Link::State::kUp;
  });
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
