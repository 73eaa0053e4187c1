#include "cache/cache.hpp"

#include <algorithm>
#include <bit>
#include <utility>

#include "base/check.hpp"
#include "cache/epochs.hpp"
#include "cache/shard.hpp"

namespace anteroom::cache {
namespace {

constexpr std::size_t kShardsPerWorker = 8;
// Where bytes are limited, one entry may take at most this part of its shard: a few large replies must not empty it.
constexpr std::size_t kEntryPartOfShard = 16;
// No entry is charged less than this, so a limit of bytes implies one of entries and the index need not be larger.
constexpr std::size_t kChargeMin = 96;
static_assert(sizeof(Entry) >= kChargeMin);

std::size_t entries_limit(const Options& options) {
  ANTEROOM_CHECK(options.capacity >= 1);
  if (options.capacity_bytes == 0) return options.capacity;
  return std::clamp<std::size_t>(options.capacity_bytes / kChargeMin, 1, options.capacity);
}

std::size_t shards_for(const Options& options) {
  const std::size_t wanted = std::clamp<std::size_t>(options.workers * kShardsPerWorker, 1, Cache::kShardsMax);
  std::size_t count = std::bit_floor(wanted);
  const auto is_too_small = [&] {
    return entries_limit(options) / count < Cache::kShardEntriesMin ||
           (options.capacity_bytes > 0 && options.capacity_bytes / count < Cache::kShardBytesMin);
  };
  while (count > 1 && is_too_small()) count /= 2;
  return count;
}

// The parts of `total` differ by at most one and add up to it.
std::size_t part_of(std::size_t total, std::size_t parts, std::size_t number) {
  return total / parts + (number < total % parts ? 1 : 0);
}

}  // namespace

Cache::Cache(const Options& options, base::HashSeed seed) : seed_(seed), epochs_(std::make_unique<Epochs>()) {
  const std::size_t count = shards_for(options);
  const std::size_t entries = entries_limit(options);
  shard_shift_ = 63u - static_cast<unsigned>(std::countr_zero(count));
  shards_.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    Shard::Limits limits{.entries = part_of(entries, count, i),
                         .bytes = part_of(options.capacity_bytes, count, i),
                         .entry_bytes = std::min<std::size_t>(options.max_entry_bytes, UINT32_MAX)};
    if (limits.bytes > 0) limits.entry_bytes = std::min(limits.entry_bytes, limits.bytes / kEntryPartOfShard);
    shards_.push_back(std::make_unique<Shard>(limits, i, *epochs_));
  }
}

Cache::~Cache() = default;

// The high bits, because the index of a shard uses the low ones. Two shifts, because one by 64 is not defined.
Shard& Cache::shard_of(std::uint64_t hash) const noexcept { return *shards_[(hash >> 1) >> shard_shift_]; }

Key Cache::key(Space space, std::string_view bytes) const noexcept {
  return {.bytes = bytes, .hash = base::hash64(seed_, bytes), .space = space};
}

ReadResult Cache::read(const Key& key, OwnerId asker, base::TimePoint now, base::ByteQueue& out) {
  return shard_of(key.hash).read(key, asker, now, out);
}

bool Cache::commit(const Key& key, FillId fill, EntryKind kind, std::string_view reply, base::TimePoint deadline,
                   base::TimePoint now) {
  return shard_of(key.hash).commit(key, fill, kind, reply, deadline, now);
}

void Cache::abandon(const Key& key, FillId fill) noexcept { shard_of(key.hash).abandon(key, fill); }

void Cache::drop(std::uint64_t key_hash) noexcept { shard_of(key_hash).drop(key_hash); }

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
    if (drop_now) drop(key.hash);
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

void Cache::bump_epoch(OwnerId owner) noexcept { epochs_->bump(owner); }

void Cache::bump_all_epochs() noexcept { epochs_->bump_all(); }

std::size_t Cache::expire(std::size_t shard, base::TimePoint now, std::size_t budget) {
  ANTEROOM_CHECK(shard < shards_.size());
  return shards_[shard]->expire(now, budget);
}

Stats Cache::stats() const {
  Stats sum;
  for (const auto& shard : shards_) shard->add_stats(sum);
  return sum;
}

void Cache::check_invariants() const {
  for (const auto& shard : shards_) shard->check_invariants();
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
    cache->bump_all_epochs();
    return;
  }
  const std::uint64_t* const hashes = more_hashes_ ? more_hashes_.get() : inline_hashes_;
  for (std::uint32_t i = 0; i < count_; ++i) cache->drop(hashes[i]);
  count_ = 0;
  more_hashes_.reset();
}

}  // namespace anteroom::cache
