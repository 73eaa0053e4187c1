#include "cache/fill_table.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/check.hpp"

namespace anteroom::cache {

Fill* FillTable::find(const Query& query) noexcept {
  const auto found = by_hash_.find(query.key.hash);
  if (found == by_hash_.end()) return nullptr;
  for (Fill& fill : found.value()) {
    if (matches(fill, query)) return &fill;
  }
  return nullptr;
}

bool FillTable::attach(const Query& query, Fill fill) {
  Detached& fills = by_hash_[query.key.hash];
  if (static_cast<std::size_t>(std::distance(fills.begin(), fills.end())) >= kFillsPerHashMax) return false;
  Detached made;
  if (spares_ > 0) {
    made.splice_after(made.before_begin(), spare_, spare_.before_begin());
    --spares_;
  } else {
    made.emplace_front();
  }
  Fill& mine = made.front();
  fill.name.swap(mine.name);
  fill.space = query.key.space;
  fill.is_result = is_result(query);
  fill.name = name_of(query);
  mine = std::move(fill);
  fills.splice_after(fills.before_begin(), made);
  ++size_;
  return true;
}

void FillTable::recycle(Detached& ended) noexcept {
  if (ended.empty() || spares_ >= kSparesMax || ended.front().name.capacity() > kSpareNameBytesMax) return;
  spare_.splice_after(spare_.before_begin(), ended, ended.before_begin());
  ++spares_;
}

Fill* FillTable::find(std::uint64_t hash, FillId id) noexcept {
  const auto found = by_hash_.find(hash);
  if (found == by_hash_.end()) return nullptr;
  for (Fill& fill : found.value()) {
    if (fill.id == id) return &fill;
  }
  return nullptr;
}

FillTable::Detached FillTable::detach(const Query& query, FillId id) noexcept {
  return detach_if(query.key.hash, [&](const Fill& fill) { return fill.id == id && matches(fill, query); });
}

FillTable::Detached FillTable::detach_all(std::uint64_t hash) noexcept {
  return detach_if(hash, [](const Fill&) { return true; });
}

void FillTable::check_invariants() const {
  std::size_t fills = 0;
  for (const auto& [hash, same_hash] : by_hash_) {
    const auto count = static_cast<std::size_t>(std::distance(same_hash.begin(), same_hash.end()));
    ANTEROOM_CHECK(count > 0 && count <= kFillsPerHashMax);
    fills += count;
  }
  ANTEROOM_CHECK(fills == size_);
  ANTEROOM_CHECK(static_cast<std::size_t>(std::distance(spare_.begin(), spare_.end())) == spares_);
  ANTEROOM_CHECK(spares_ <= kSparesMax);
  ANTEROOM_CHECK(
      std::ranges::all_of(spare_, [](const Fill& spare) { return spare.name.capacity() <= kSpareNameBytesMax; }));
}

}  // namespace anteroom::cache
