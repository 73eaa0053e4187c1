#include "cache/shard.hpp"

#include <iterator>
#include <utility>

#include "base/check.hpp"

namespace anteroom::cache {
namespace {

// At this load an index costs 19 to 38 bytes an entry and a probe stays within one or two cache lines.
constexpr float kIndexLoadMax = 0.85f;
// A bucket of the index: an entry pointer, 32 bits of its hash and the probe distance.
constexpr std::size_t kBucketBytes = 16;
// Steps of the timing wheel per reclaimed entry: each is moved down at most twice, and buckets are visited besides.
constexpr std::size_t kWheelStepsPerEntry = 4;
constexpr std::size_t kWheelStepsMin = 64;

}  // namespace

Shard::Shard(const Limits& limits, std::size_t number, const Epochs& epochs)
    : limits_(limits), number_(number), epochs_(epochs) {
  ANTEROOM_CHECK(limits.entries >= 1 && number < Cache::kShardsMax);
  index_.max_load_factor(kIndexLoadMax);
  // One more than needed, so that rounding inside the table cannot cost the last place and with it a rehash.
  index_.reserve(limits.entries + 1);
  buckets_ = index_.bucket_count();
  index_share_ = kBucketBytes * buckets_ / limits.entries;
}

Shard::~Shard() {
  Graveyard dead;
  const base::MutexLock lock(mutex_);
  while (Entry* const entry = lru_.pop_front()) {
    if (entry->deadline != base::kNever) wheel_.remove(*entry);
    dead.add(*entry);
  }
}

ReadResult Shard::read(const Key& key, OwnerId asker, base::TimePoint now, base::ByteQueue& out) {
  Graveyard dead;
  base::SharedBytes large;
  {
    const base::MutexLock lock(mutex_);
    const Entry* const entry = find_valid(key, now, dead);
    if (entry == nullptr) return join_or_start_fill(key, asker);
    if (entry->kind() == EntryKind::kNil) {
      ++counts_.nil_hits;
      return {.status = ReadStatus::kNil, .owner = entry->owner};
    }
    ++counts_.hits;
    if (entry->shared()) {
      large = entry->shared();
    } else {
      out.append(entry->reply());
    }
  }
  out.append_shared(std::move(large));
  return {.status = ReadStatus::kHit};
}

// The valid entry of `key`, made the most recently used; an invalid one is removed and null returned.
Entry* Shard::find_valid(const Key& key, base::TimePoint now, Graveyard& dead) {
  const auto place = index_.find(NameRef{key.space, key.bytes}, key.hash);
  if (place == index_.end()) return nullptr;
  Entry& entry = **place;
  if (now < entry.deadline && is_current(entry)) {
    lru_.move_to_front(entry);
    return &entry;
  }
  count_removal(entry, now);
  remove(place, dead);
  return nullptr;
}

ReadResult Shard::join_or_start_fill(const Key& key, OwnerId asker) {
  ++counts_.misses;
  Fill* const attached = fills_.find(key);
  if (attached != nullptr && attached->epoch == epochs_.current(attached->owner)) {
    ++counts_.fills_joined;
    return {.status = ReadStatus::kJoin, .owner = attached->owner, .fill = attached->id};
  }
  ++counts_.fills_started;
  const FillId id = ++fills_begun_ * Cache::kShardsMax + number_;
  const std::uint64_t epoch = epochs_.current(asker);
  if (attached == nullptr) {
    fills_.attach(key, id, asker, epoch);
  } else {
    // Its owner was invalidated after it had started: whoever reads from now on needs a newer answer.
    ++counts_.fills_detached;
    attached->id = id;
    attached->owner = asker;
    attached->epoch = epoch;
  }
  return {.status = ReadStatus::kFill, .owner = asker, .fill = id};
}

bool Shard::commit(const Key& key, FillId fill, EntryKind kind, std::string_view reply, base::TimePoint deadline,
                   base::TimePoint now) {
  Graveyard dead;
  FillTable::Detached ended;
  // The sum cannot overflow: both are sizes of objects in memory.
  bool fits = key.bytes.size() + reply.size() <= limits_.entry_bytes;
  Entry::Ptr entry;
  if (fits && now < deadline) {
    entry = Entry::make(key, kind, reply, deadline);
    fits = limits_.bytes == 0 || charge(*entry) <= limits_.bytes;
  }

  const base::MutexLock lock(mutex_);
  ended = fills_.detach(key, fill);
  if (ended.empty()) return false;
  const Fill& mine = ended.front();
  if (mine.epoch != epochs_.current(mine.owner)) {
    ++counts_.fills_detached;
    return false;
  }
  if (!fits) ++counts_.refused_size;
  if (!fits || !entry) return false;
  entry->owner = mine.owner;
  entry->epoch = mine.epoch;
  insert(*entry.release(), now, dead);
  ++counts_.fills_committed;
  return true;
}

void Shard::abandon(const Key& key, FillId fill) noexcept {
  FillTable::Detached ended;
  const base::MutexLock lock(mutex_);
  ended = fills_.detach(key, fill);
}

void Shard::drop(std::uint64_t hash) noexcept {
  Graveyard dead;
  FillTable::Detached ended;
  const base::MutexLock lock(mutex_);
  for (auto place = index_.find(HashRef{hash}, hash); place != index_.end(); place = index_.find(HashRef{hash}, hash)) {
    remove(place, dead);
    ++counts_.dropped;
  }
  ended = fills_.detach_all(hash);
  counts_.fills_detached += static_cast<std::uint64_t>(std::distance(ended.begin(), ended.end()));
}

std::size_t Shard::expire(base::TimePoint now, std::size_t budget) {
  Graveyard dead;
  const base::MutexLock lock(mutex_);
  std::size_t steps = kWheelStepsPerEntry * budget + kWheelStepsMin;
  std::size_t reclaimed = 0;
  while (reclaimed < budget) {
    WheelNode* const node = wheel_.pop_due(now, steps);
    if (node == nullptr) break;
    Entry* const entry = static_cast<Entry*>(node);
    remove(index_.find(entry, entry->hash()), dead);
    ++reclaimed;
  }
  counts_.evicted_expired += reclaimed;
  return reclaimed;
}

std::size_t Shard::charge(const Entry& entry) const noexcept { return entry.allocated_bytes() + index_share_; }

void Shard::insert(Entry& entry, base::TimePoint now, Graveyard& dead) {
  const std::size_t size = charge(entry);
  make_room(size, now, dead);
  const bool is_new = index_.insert(&entry).second;
  ANTEROOM_CHECK(is_new);
  lru_.push_front(entry);
  if (entry.deadline != base::kNever) wheel_.insert(entry, now);
  bytes_ += size;
  if (index_.bucket_count() != buckets_) {
    buckets_ = index_.bucket_count();
    ++counts_.rehashes;
  }
}

void Shard::make_room(std::size_t size, base::TimePoint now, Graveyard& dead) {
  while (index_.size() >= limits_.entries || (limits_.bytes > 0 && bytes_ + size > limits_.bytes)) {
    Entry* const victim = lru_.back();
    if (victim == nullptr) return;
    count_removal(*victim, now);
    remove(index_.find(victim, victim->hash()), dead);
  }
}

// Why an entry that nobody dropped goes. The least recently used one goes in any case, so no victim is searched for.
void Shard::count_removal(const Entry& entry, base::TimePoint now) {
  if (now >= entry.deadline) {
    ++counts_.evicted_expired;
  } else if (!is_current(entry)) {
    ++counts_.evicted_epoch;
  } else {
    ++counts_.evicted_capacity;
  }
}

void Shard::remove(Index::const_iterator place, Graveyard& dead) {
  ANTEROOM_CHECK(place != index_.cend());
  Entry& entry = **place;
  index_.erase(place);
  LruList::unlink(entry);
  if (static_cast<base::ListHook<WheelTag>&>(entry).is_linked()) wheel_.remove(entry);
  bytes_ -= charge(entry);
  dead.add(entry);
}

void Shard::add_stats(Stats& sum) const {
  const base::MutexLock lock(mutex_);
  sum.hits += counts_.hits;
  sum.nil_hits += counts_.nil_hits;
  sum.misses += counts_.misses;
  sum.entries += index_.size();
  sum.bytes += bytes_;
  sum.fills_started += counts_.fills_started;
  sum.fills_joined += counts_.fills_joined;
  sum.fills_committed += counts_.fills_committed;
  sum.fills_detached += counts_.fills_detached;
  sum.refused_size += counts_.refused_size;
  sum.evicted_capacity += counts_.evicted_capacity;
  sum.evicted_expired += counts_.evicted_expired;
  sum.evicted_epoch += counts_.evicted_epoch;
  sum.dropped += counts_.dropped;
  sum.rehashes += counts_.rehashes;
}

void Shard::check_invariants() const {
  const base::MutexLock lock(mutex_);
  std::size_t entries = 0;
  std::size_t with_deadline = 0;
  std::size_t bytes = 0;
  for (Entry* entry = lru_.front(); entry != nullptr; entry = lru_.next(*entry)) {
    ++entries;
    bytes += charge(*entry);
    const auto place = index_.find(NameRef{entry->space(), entry->key()}, entry->hash());
    ANTEROOM_CHECK(place != index_.end() && *place == entry);
    const bool in_wheel = static_cast<const base::ListHook<WheelTag>&>(*entry).is_linked();
    ANTEROOM_CHECK(in_wheel == (entry->deadline != base::kNever));
    if (in_wheel) ++with_deadline;
  }
  ANTEROOM_CHECK(entries == index_.size() && entries <= limits_.entries);
  ANTEROOM_CHECK(bytes == bytes_ && (limits_.bytes == 0 || bytes <= limits_.bytes));
  ANTEROOM_CHECK(with_deadline == wheel_.size() && with_deadline == wheel_.count_linked());
  std::size_t fills = 0;
  for (const auto& [hash, same_hash] : fills_.by_hash()) {
    for (const Fill& fill : same_hash) {
      ++fills;
      ANTEROOM_CHECK(index_.find(NameRef{fill.space, fill.key}, hash) == index_.end());
    }
  }
  ANTEROOM_CHECK(fills == fills_.size());
}

}  // namespace anteroom::cache
