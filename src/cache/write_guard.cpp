#include <algorithm>
#include <iterator>
#include <utility>

#include "cache/cache.hpp"
#include "cache/shard.hpp"

namespace anteroom::cache {

WriteGuard Cache::guard(std::span<const Key> keys, bool drop_now) {
  WriteGuard guard;
  guard.cache_ = this;
  guard.count_ = static_cast<std::uint32_t>(keys.size());
  std::uint64_t* hashes = guard.inline_hashes_;
  if (keys.size() > WriteGuard::kInlineHashes) {
    guard.more_hashes_ = std::make_unique_for_overwrite<std::uint64_t[]>(keys.size());
    hashes = guard.more_hashes_.get();
  }
  for (const Key& key : keys) {
    *hashes++ = key.hash;
    if (drop_now) drop(key.hash, DropCause::kWrite);
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

void Cache::end_write(std::uint64_t key_hash) noexcept {
  if (rules_.ack_drops) shard_of(key_hash).drop(key_hash, DropCause::kWrite, rules_.ack_detaches_fills);
}

void Cache::end_write_of_all() noexcept {
  if (rules_.ack_drops) bump_all_epochs();
}

WriteGuard::WriteGuard(WriteGuard&& other) noexcept { *this = std::move(other); }

WriteGuard& WriteGuard::operator=(WriteGuard&& other) noexcept {
  if (this == &other) return *this;
  release();
  cache_ = std::exchange(other.cache_, nullptr);
  all_ = std::exchange(other.all_, false);
  count_ = std::exchange(other.count_, 0u);
  std::copy(std::begin(other.inline_hashes_), std::end(other.inline_hashes_), inline_hashes_);
  more_hashes_ = std::move(other.more_hashes_);
  return *this;
}

void WriteGuard::release() noexcept {
  Cache* const cache = std::exchange(cache_, nullptr);
  if (cache == nullptr) return;
  if (std::exchange(all_, false)) {
    cache->end_write_of_all();
    return;
  }
  const std::uint64_t* const hashes = more_hashes_ ? more_hashes_.get() : inline_hashes_;
  for (std::uint32_t i = 0; i < count_; ++i) cache->end_write(hashes[i]);
  count_ = 0;
  more_hashes_.reset();
}

}  // namespace anteroom::cache
