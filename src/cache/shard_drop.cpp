#include <iterator>
#include <string_view>
#include <vector>

#include "base/glob.hpp"
#include "cache/shard.hpp"
#include "cache/view.hpp"

namespace anteroom::cache {

void Shard::drop(std::uint64_t hash, DropCause cause, bool detach) noexcept {
  Graveyard dead;
  FillTable::Detached ended;
  const base::MutexLock lock(mutex_);
  drop_locked(hash, cause, detach, dead, ended);
}

std::uint64_t Shard::begin_write(std::uint64_t hash) noexcept {
  Graveyard dead;
  FillTable::Detached ended;
  const base::MutexLock lock(mutex_);
  drop_locked(hash, DropCause::kWrite, true, dead, ended);
  return activity_.of(hash);
}

void Shard::end_write(std::uint64_t hash, std::uint64_t activity, bool detach) noexcept {
  Graveyard dead;
  FillTable::Detached ended;
  const base::MutexLock lock(mutex_);
  // begin_write() has left neither entry nor fill nor note, and activity_ is told of all that make one.
  if (activity_.of(hash) != activity) drop_locked(hash, DropCause::kWrite, detach, dead, ended);
}

void Shard::drop_locked(std::uint64_t hash, DropCause cause, bool detach, Graveyard& dead,
                        FillTable::Detached& ended) noexcept {
  if (cause != DropCause::kObserved) large_values_.forget(hash);
  const std::size_t removed = store_.remove_key(hash, dead);
  const bool had_fills = fills_.has_any(hash);
  counts_.dropped += removed;
  if (cause == DropCause::kPush) {
    ++counts_.drops_push;
    if (removed == 0 && !had_fills) ++counts_.drops_push_spurious;
  }
  if (!detach || !had_fills) return;
  ended = fills_.detach_all(hash);
  count_detached(ended, cause);
  if (cause == DropCause::kPush || cause == DropCause::kWrite) hot_writes_.note_detached(hash);
}

void Shard::invalidate(std::uint64_t hash, OwnerId owner, bool detach) noexcept {
  Graveyard dead;
  FillTable::Detached ended;
  const base::MutexLock lock(mutex_);
  large_values_.forget(hash);
  const std::size_t removed = store_.remove_key(hash, dead);
  counts_.dropped += removed;
  ++counts_.drops_push;
  if (detach) {
    ended = fills_.detach_if(hash, [owner](const Fill& fill) { return fill.owner == owner && fill.is_answered; });
  }
  if (removed == 0 && ended.empty()) ++counts_.drops_push_spurious;
  if (ended.empty()) return;
  count_detached(ended, DropCause::kPush);
  hot_writes_.note_detached(hash);
}

void Shard::answered(const Query& query, FillId fill) noexcept {
  const base::MutexLock lock(mutex_);
  Fill* const attached = fills_.find(query.key.hash, fill);
  if (attached != nullptr) attached->is_answered = true;
}

void Shard::count_detached(const FillTable::Detached& fills, DropCause cause) {
  const auto count = static_cast<std::uint64_t>(std::distance(fills.begin(), fills.end()));
  switch (cause) {
    case DropCause::kPush:
      counts_.detached_push += count;
      break;
    case DropCause::kWrite:
      counts_.detached_write += count;
      break;
    case DropCause::kRequest:
      counts_.detached_request += count;
      break;
    case DropCause::kObserved:
      counts_.detached_superseded += count;
      break;
  }
}

void Shard::supersede(const Key& key, OwnerId owner) noexcept {
  Graveyard dead;
  FillTable::Detached ended;
  const auto is_foreign = [owner](const Entry& entry) { return OwnerId{entry.owner} != owner; };

  const base::MutexLock lock(mutex_);
  if (const Slot slot = store_.find(string_name(key)); slot != kNoSlot && is_foreign(store_.at(slot))) {
    store_.remove(slot, dead);
    ++counts_.dropped;
  }
  if (const Slot root = store_.find(root_name(key)); root != kNoSlot) {
    counts_.dropped += store_.remove_results_if(root, is_foreign, dead);
  }
  ended = fills_.detach_if(key.hash, [&](const Fill& fill) { return fill.owner != owner && fill.space == key.space; });
  count_detached(ended, DropCause::kObserved);
}

void Shard::observe(const Query& query, const std::string_view* reply) noexcept {
  Graveyard dead;
  FillTable::Detached ended;
  const base::MutexLock lock(mutex_);
  ended = fills_.detach_all(query.key.hash);
  count_detached(ended, DropCause::kObserved);
  const Slot slot = store_.find(entry_name(query));
  if (slot != kNoSlot && reply != nullptr) {
    const Entry& entry = store_.at(slot);
    const bool is_nil = entry.kind == static_cast<std::uint8_t>(EntryKind::kNil);
    if (*reply == (is_nil ? kNullBulk : reply_of(entry))) return;
  }
  counts_.dropped += store_.remove_key(query.key.hash, dead);
}

std::size_t Shard::drop_matching(std::string_view glob) {
  Graveyard dead;
  FillTable::Detached ended;
  std::vector<Slot> slots;
  std::vector<std::uint64_t> hashes;
  std::size_t removed = 0;
  // What an epoch has emptied is still there, but nobody would miss it.
  const auto count = [&](const Entry& entry) { removed += judge_.is_current(entry) ? 1 : 0; };
  const base::MutexLock lock(mutex_);
  store_.for_each([&](Slot slot, const Entry& entry) {
    if (entry.kind != kResultKind && base::glob_matches(glob, name_of(entry))) slots.push_back(slot);
  });
  hashes.reserve(slots.size());
  for (const Slot slot : slots) {
    hashes.push_back(store_.hash_of(slot));
    if (store_.at(slot).kind != kRootKind) {
      count(store_.at(slot));
    } else {
      store_.for_each_result(slot, [&](Slot, const Entry& result) { count(result); });
    }
  }
  for (const std::uint64_t hash : hashes) counts_.dropped += store_.remove_key(hash, dead);
  // The key of a result that is being fetched is not known here; that some others are not stored does no harm.
  ended = fills_.detach_if([&](const Fill& fill) { return fill.is_result || base::glob_matches(glob, fill.name); });
  count_detached(ended, DropCause::kRequest);
  return removed;
}

std::size_t Shard::expire(base::TimePoint now, std::size_t budget) {
  Graveyard dead;
  const base::MutexLock lock(mutex_);
  return store_.sweep(budget, store_.moment(now, dead), dead);
}

}  // namespace anteroom::cache
