#include "cache/timing_wheel.hpp"

#include <algorithm>
#include <bit>

#include "base/check.hpp"

namespace anteroom::cache {

void TimingWheel::Level::add(std::uint64_t position, WheelNode& node) noexcept {
  const std::uint64_t index = position % kBuckets;
  buckets[index].push_back(node);
  maybe_used[index / 64] |= std::uint64_t{1} << (index % 64);
}

void TimingWheel::Level::mark_empty(std::uint64_t position) noexcept {
  const std::uint64_t index = position % kBuckets;
  maybe_used[index / 64] &= ~(std::uint64_t{1} << (index % 64));
}

std::uint64_t TimingWheel::Level::distance_to_used(std::uint64_t position) const noexcept {
  const std::uint64_t start = position % kBuckets;
  // The first word is looked at twice: its bits from `start` on come first, those before it last.
  for (std::uint64_t i = 0; i <= maybe_used.size(); ++i) {
    const std::uint64_t word = (start / 64 + i) % maybe_used.size();
    std::uint64_t bits = maybe_used[word];
    const std::uint64_t from_start = ~std::uint64_t{0} << (start % 64);
    if (i == 0) bits &= from_start;
    if (i == maybe_used.size()) bits &= ~from_start;
    if (bits == 0) continue;
    const std::uint64_t index = word * 64 + static_cast<std::uint64_t>(std::countr_zero(bits));
    return (index + kBuckets - start) % kBuckets;
  }
  return kBuckets;
}

std::uint64_t TimingWheel::tick_of(base::TimePoint time) noexcept {
  const auto ticks = time.time_since_epoch() / base::Duration{kTick};
  return ticks < 0 ? 0 : static_cast<std::uint64_t>(ticks);
}

void TimingWheel::insert(WheelNode& node, base::TimePoint now) noexcept {
  ANTEROOM_CHECK(node.deadline != base::kNever);
  if (size_ == 0) {
    // Nothing to catch up with: without this the first node of a wheel would lie days ahead, in the overflow.
    current_ = std::max(current_, tick_of(now));
    sorted_turn_ = current_ >> (2 * kBits);
  }
  ++size_;
  place(node);
}

void TimingWheel::remove(WheelNode& node) noexcept {
  Bucket::unlink(node);
  --size_;
}

void TimingWheel::place(WheelNode& node) noexcept {
  const std::uint64_t tick = std::max(tick_of(node.deadline), current_);
  if (tick - current_ < kBuckets) {
    near_.add(tick, node);
  } else if ((tick >> kBits) - (current_ >> kBits) < kBuckets) {
    far_.add(tick >> kBits, node);
  } else {
    overflow_.push_back(node);
  }
}

bool TimingWheel::cascade(Bucket& from, std::size_t& steps) noexcept {
  while (!from.empty()) {
    if (steps == 0) return false;
    --steps;
    place(*from.pop_front());
  }
  return true;
}

// Brings down to level 0 what belongs to the turn that current_ is in. Nothing placed meanwhile can land in the buckets
// being emptied: it is less than a turn away from current_ and goes to the level below.
bool TimingWheel::prepare_current(std::size_t& steps) noexcept {
  const std::uint64_t turn = current_ >> (2 * kBits);
  if (sorted_turn_ != turn) {
    sorting_.splice_back(overflow_);
    sorted_turn_ = turn;
  }
  if (!cascade(sorting_, steps)) return false;
  const std::uint64_t position = current_ >> kBits;
  if (!cascade(far_.buckets[position % kBuckets], steps)) return false;
  far_.mark_empty(position);
  return true;
}

// The next tick at which there may be something to do. REQUIRES: prepare_current() is done for current_.
std::uint64_t TimingWheel::next_stop() const noexcept {
  std::uint64_t stop = ~std::uint64_t{0};
  if (const auto distance = near_.distance_to_used(current_); distance < kBuckets) stop = current_ + distance;
  const std::uint64_t turn = current_ >> kBits;
  if (const auto distance = far_.distance_to_used(turn); distance < kBuckets) {
    stop = std::min(stop, (turn + distance) << kBits);
  }
  if (!overflow_.empty()) stop = std::min(stop, ((current_ >> (2 * kBits)) + 1) << (2 * kBits));
  return stop;
}

WheelNode* TimingWheel::pop_due(base::TimePoint now, std::size_t& steps) noexcept {
  const std::uint64_t end = tick_of(now);
  while (size_ > 0 && current_ < end) {
    if (!prepare_current(steps)) return nullptr;
    if (WheelNode* const node = near_.buckets[current_ % kBuckets].pop_front()) {
      --size_;
      return node;
    }
    near_.mark_empty(current_);
    if (steps == 0) return nullptr;
    --steps;
    current_ = std::min(next_stop(), end);
  }
  return nullptr;
}

std::size_t TimingWheel::count_linked() const noexcept {
  std::size_t count = 0;
  const auto add = [&count](const Bucket& bucket) {
    for (const WheelNode* node = bucket.front(); node != nullptr; node = bucket.next(*node)) ++count;
  };
  for (const Bucket& bucket : near_.buckets) add(bucket);
  for (const Bucket& bucket : far_.buckets) add(bucket);
  add(overflow_);
  add(sorting_);
  return count;
}

}  // namespace anteroom::cache
