#include "cache/fill_table.hpp"

#include <iterator>
#include <utility>

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
  fill.space = query.key.space;
  fill.is_result = is_result(query);
  fill.name = name_of(query);
  fills.push_front(std::move(fill));
  ++size_;
  return true;
}

FillTable::Detached FillTable::detach(const Query& query, FillId id) noexcept {
  return detach_if(query.key.hash, [&](const Fill& fill) { return fill.id == id && matches(fill, query); });
}

FillTable::Detached FillTable::detach_all(std::uint64_t hash) noexcept {
  return detach_if(hash, [](const Fill&) { return true; });
}

}  // namespace anteroom::cache
