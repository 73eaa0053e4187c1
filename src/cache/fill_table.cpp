#include "cache/fill_table.hpp"

#include <iterator>
#include <utility>

namespace anteroom::cache {

Fill* FillTable::find(const Key& key) noexcept {
  const auto found = by_hash_.find(key.hash);
  if (found == by_hash_.end()) return nullptr;
  for (Fill& fill : found.value()) {
    if (matches(fill, key)) return &fill;
  }
  return nullptr;
}

void FillTable::attach(const Key& key, FillId id, OwnerId owner, std::uint64_t epoch) {
  by_hash_[key.hash].push_front(
      Fill{.id = id, .epoch = epoch, .owner = owner, .space = key.space, .key = std::string(key.bytes)});
  ++size_;
}

FillTable::Detached FillTable::detach(const Key& key, FillId id) noexcept {
  Detached out;
  const auto found = by_hash_.find(key.hash);
  if (found == by_hash_.end()) return out;
  Detached& fills = found.value();
  for (auto before = fills.before_begin(); std::next(before) != fills.end(); ++before) {
    const Fill& fill = *std::next(before);
    if (fill.id != id || !matches(fill, key)) continue;
    out.splice_after(out.before_begin(), fills, before);
    --size_;
    break;
  }
  if (fills.empty()) by_hash_.erase(found);
  return out;
}

FillTable::Detached FillTable::detach_all(std::uint64_t hash) noexcept {
  Detached out;
  const auto found = by_hash_.find(hash);
  if (found == by_hash_.end()) return out;
  out = std::move(found.value());
  size_ -= static_cast<std::size_t>(std::distance(out.begin(), out.end()));
  by_hash_.erase(found);
  return out;
}

}  // namespace anteroom::cache
