#include <algorithm>
#include <utility>

#include "cache/cache.hpp"
#include "cache/shard.hpp"

namespace anteroom::cache {

WriteGuard Cache::guard(std::span<const std::uint64_t> key_hashes, bool drop_now) {
  WriteGuard guard;
  guard.cache_ = this;
  guard.count_ = static_cast<std::uint32_t>(key_hashes.size());
  if (key_hashes.size() > WriteGuard::kInlineKeys) {
    guard.more_hashes_ = std::make_unique_for_overwrite<std::uint64_t[]>(key_hashes.size());
    std::ranges::copy(key_hashes, guard.more_hashes_.get());
    for (const std::uint64_t hash : key_hashes) {
      if (drop_now) drop(hash, DropCause::kWrite);
    }
    return guard;
  }
  for (std::size_t i = 0; i < key_hashes.size(); ++i) {
    const std::uint64_t hash = key_hashes[i];
    guard.hashes_[i] = hash;
    guard.activities_[i] = drop_now ? shard_of(hash).begin_write(hash) : KeyActivity::kUnknown;
  }
  return guard;
}

WriteGuard Cache::guard_all(bool drop_now) noexcept {
  WriteGuard guard;
  guard.cache_ = this;
  guard.all_ = true;
  if (drop_now) bump_all_epochs();
  return guard;
}

void Cache::end_write(std::uint64_t key_hash, std::uint64_t activity) noexcept {
  if (rules_.ack_drops) shard_of(key_hash).end_write(key_hash, activity, rules_.ack_detaches_fills);
}

void Cache::end_write_of_all() noexcept {
  if (rules_.ack_drops) bump_all_epochs();
}

void WriteGuard::end() noexcept {
  Cache* const cache = std::exchange(cache_, nullptr);
  if (std::exchange(all_, false)) {
    cache->end_write_of_all();
    return;
  }
  for (std::uint32_t i = 0; i < count_; ++i) {
    if (more_hashes_) {
      cache->end_write(more_hashes_[i], KeyActivity::kUnknown);
    } else {
      cache->end_write(hashes_[i], activities_[i]);
    }
  }
  count_ = 0;
  more_hashes_.reset();
}

}  // namespace anteroom::cache
