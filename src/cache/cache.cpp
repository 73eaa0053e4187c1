#include "cache/cache.hpp"

#include <algorithm>
#include <bit>
#include <utility>

#include "base/check.hpp"
#include "cache/index.hpp"
#include "cache/owners.hpp"
#include "cache/shard.hpp"
#include "cache/system_memory.hpp"

namespace anteroom::cache {
namespace {

constexpr std::size_t kShardsPerWorker = 8;
// Where bytes are limited, one entry may take at most this part of its shard: a few large replies must not empty it.
constexpr std::size_t kEntryPartOfShard = 16;
// Entries are expected to take at least this, so that a limit of bytes implies one of entries and the index need not be
// larger: an eighth of all memory.
constexpr std::size_t kSlotBytesExpected = 96;
// Entries of every size class have pages of their own, so a shard should have many more pages than there are classes.
constexpr std::size_t kPageBytes = 64 * 1024;
constexpr std::size_t kPagesWanted = 1024;
// One huge page may be all but empty, which a small limit would not bear.
constexpr std::size_t kHugeBytesMin = 64 * kHugePageBytes;
constexpr std::size_t kHugeEntriesMin = 8 * 1024;  // where there is no limit of bytes

std::size_t entries_limit(const Options& options) {
  ANTEROOM_CHECK(options.capacity >= 1);
  if (options.capacity_bytes == 0) return options.capacity;
  constexpr std::size_t kBytesPerEntry = kSlotBytesExpected + Index::buckets_for(17) * Index::kBucketBytes / 17;
  return std::clamp<std::size_t>(options.capacity_bytes / kBytesPerEntry, 1, options.capacity);
}

std::size_t shards_for(const Options& options) {
  const std::size_t wanted = std::clamp<std::size_t>(options.workers * kShardsPerWorker, 1, Cache::kShardsMax);
  std::size_t count = std::min(std::bit_floor(wanted), entries_limit(options) / Cache::kShardEntriesMin);
  if (options.capacity_bytes > 0) count = std::min(count, options.capacity_bytes / Cache::kShardBytesMin);
  return std::max<std::size_t>(count, 1);
}

// The parts of `total` differ by at most one and add up to it.
std::size_t part_of(std::size_t total, std::size_t parts, std::size_t number) {
  return total / parts + (number < total % parts ? 1 : 0);
}

Shard::Limits limits_of_shard(const Options& options, std::size_t count, std::size_t number) {
  Shard::Limits limits{.entries = part_of(entries_limit(options), count, number),
                       .bytes = part_of(options.capacity_bytes, count, number),
                       .entry_bytes = options.max_entry_bytes};
  if (limits.bytes > 0) limits.entry_bytes = std::min(limits.entry_bytes, limits.bytes / kEntryPartOfShard);
  return limits;
}

std::size_t page_bytes_for(std::size_t shard_bytes) {
  if (shard_bytes == 0) return kPageBytes;
  return std::clamp(std::bit_floor(shard_bytes / kPagesWanted), PageSource::kPageBytesMin, kPageBytes);
}

bool wants_huge_pages(const Options& options) {
  if (options.capacity_bytes > 0) return options.capacity_bytes >= kHugeBytesMin;
  return options.capacity >= kHugeEntriesMin;
}

std::unique_ptr<SystemMemory> memory_for(const Options& options) {
  const std::size_t count = shards_for(options);
  const std::size_t entries = entries_limit(options);
  std::size_t table_bytes = 0;
  for (std::size_t i = 0; i < count; ++i) table_bytes += Index::bytes_for(part_of(entries, count, i));
  return std::make_unique<SystemMemory>(page_bytes_for(options.capacity_bytes / count), wants_huge_pages(options),
                                        table_bytes);
}

}  // namespace

Cache::Cache(const Options& options, base::HashSeed seed)
    : seed_(seed),
      rules_(options.rules),
      owners_(std::make_unique<Owners>(options.rules, options.stale_if_error)),
      memory_(memory_for(options)) {
  const std::size_t count = shards_for(options);
  shards_.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    shards_.push_back(
        std::make_unique<Shard>(options, limits_of_shard(options, count, i), i, *owners_, seed_, *memory_));
  }
}

Cache::~Cache() = default;

// By the high bits, because the index of a shard uses the low ones.
std::size_t Cache::shard_number(std::uint64_t hash) const noexcept { return (hash >> 32) * shards_.size() >> 32; }

Query Cache::result_query(const Key& key, std::string_view request, View view) const noexcept {
  return {.key = key, .request = request, .request_hash = base::hash64(seed_, request), .view = view};
}

// --- Reading and filling ---

void Cache::prefetch(std::uint64_t key_hash) const noexcept { shard_of(key_hash).prefetch(key_hash); }

void Cache::prefetch_entry(std::uint64_t key_hash) const noexcept { shard_of(key_hash).prefetch_entry(key_hash); }

ReadResult Cache::read(const Query& query, const Asker& asker, base::ByteQueue& out) {
  return shard_of(query.key.hash).read(query, asker, out);
}

FillId Cache::start_fill(const Query& query, const Asker& asker) {
  return shard_of(query.key.hash).start_fill(query, asker);
}

bool Cache::commit(const Query& query, FillId fill, EntryKind kind, std::string_view reply, const Deadlines& deadlines,
                   base::TimePoint now) {
  return shard_of(query.key.hash).commit(query, fill, kind, reply, deadlines, now);
}

void Cache::refuse_large(const Query& query, FillId fill, base::TimePoint now) {
  shard_of(query.key.hash).refuse_large(query, fill, now);
}

bool Cache::is_known_large(const Query& query, base::TimePoint now) const {
  return shard_of(query.key.hash).is_known_large(query, now);
}

void Cache::abandon(const Query& query, FillId fill) noexcept { shard_of(query.key.hash).abandon(query, fill); }

// --- Invalidation ---

void Cache::drop(std::uint64_t key_hash, DropCause cause) noexcept {
  shard_of(key_hash).drop(key_hash, cause, cause != DropCause::kPush || rules_.push_detaches_fills);
}

void Cache::invalidate(std::uint64_t key_hash, OwnerId owner) noexcept {
  shard_of(key_hash).invalidate(key_hash, owner, rules_.push_detaches_fills);
}

void Cache::answered(const Query& query, FillId fill) noexcept { shard_of(query.key.hash).answered(query, fill); }

void Cache::supersede(const Key& key, OwnerId owner) noexcept { shard_of(key.hash).supersede(key, owner); }

void Cache::observe(const Query& query, const std::string_view* reply) noexcept {
  shard_of(query.key.hash).observe(query, reply);
}

std::size_t Cache::drop_matching(std::string_view glob) {
  std::size_t removed = 0;
  for (const auto& shard : shards_) removed += shard->drop_matching(glob);
  return removed;
}

// --- Owners ---

void Cache::bump_epoch(OwnerId owner) noexcept { owners_->bump(owner); }
void Cache::bump_all_epochs() noexcept { owners_->bump_all(); }
void Cache::lose(OwnerId owner, base::TimePoint now) noexcept { owners_->lose(owner, now); }
void Cache::recover(OwnerId owner) noexcept { owners_->recover(owner); }
void Cache::set_lease(OwnerId owner, base::TimePoint until) noexcept { owners_->set_lease(owner, until); }
void Cache::allow_fills(OwnerId owner, bool allowed) noexcept { owners_->allow_fills(owner, allowed); }
std::uint32_t Cache::epoch(OwnerId owner) const noexcept { return owners_->epoch(owner); }

// --- Upkeep and introspection ---

std::size_t Cache::expire(std::size_t shard, base::TimePoint now, std::size_t budget) {
  ANTEROOM_CHECK(shard < shards_.size());
  return shards_[shard]->expire(now, budget);
}

Stats Cache::stats() const {
  Stats sum;
  for (const auto& shard : shards_) shard->add_stats(sum);
  sum.epoch_bumps = owners_->bumps();
  return sum;
}

std::vector<Inspection> Cache::inspect(const Key& key, const Asker& asker) const {
  std::vector<Inspection> out;
  shard_of(key.hash).inspect(key, asker, out);
  return out;
}

void Cache::check_invariants() const {
  for (const auto& shard : shards_) shard->check_invariants();
}

}  // namespace anteroom::cache
