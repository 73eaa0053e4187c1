#include <algorithm>
#include <string>

#include "cache/shard.hpp"

namespace anteroom::cache {

void Shard::add_stats(Stats& sum) const {
  const base::MutexLock lock(mutex_);
  sum.entries += store_.size();
  sum.bytes += store_.bytes();
  sum.index_bytes += store_.index_bytes();
  sum.payload_bytes += store_.payload_bytes();
  sum.fills_attached += fills_.size();
  sum.evicted_capacity += store_.counts().evicted_capacity;
  sum.evicted_bytes += store_.counts().evicted_bytes;
  sum.evicted_expired += store_.counts().evicted_expired;
  sum.evicted_epoch += store_.counts().evicted_epoch;
  sum.ghost_hits += store_.ghost_hits();
  sum.rehashes += store_.rehashes();
  sum.lock_waits.count += mutex_.waits().count;
  sum.lock_waits.total += mutex_.waits().total;
  sum.lock_waits.longest = std::max(sum.lock_waits.longest, mutex_.waits().longest);
  for (const auto count : {&Stats::hits,
                           &Stats::nil_hits,
                           &Stats::stale_hits,
                           &Stats::misses,
                           &Stats::snapshot_hits,
                           &Stats::snapshot_misses,
                           &Stats::bypass_not_coherent,
                           &Stats::bypass_lease,
                           &Stats::bypass_hot_write,
                           &Stats::bypass_name,
                           &Stats::bypass_large,
                           &Stats::bypass_many_fills,
                           &Stats::fills_started,
                           &Stats::fills_joined,
                           &Stats::fills_committed,
                           &Stats::fills_abandoned,
                           &Stats::detached_push,
                           &Stats::detached_write,
                           &Stats::detached_epoch,
                           &Stats::detached_superseded,
                           &Stats::detached_request,
                           &Stats::refused_size,
                           &Stats::drops_push,
                           &Stats::drops_push_spurious,
                           &Stats::dropped}) {
    sum.*count += counts_.*count;
  }
}

Inspection Shard::inspect_entry(const Entry& entry, const ShardClock& clock, const Asker& asker) const {
  const Moment now = clock.moment(asker.now);
  Inspection about;
  switch (clock.covers(now) ? judge_.judge(entry, now, asker.upstream_is_down) : Verdict::kExpired) {
    case Verdict::kFresh:
      about.verdict = Inspection::Verdict::kServed;
      break;
    case Verdict::kRefresh:
    case Verdict::kLastHope:
      about.verdict = Inspection::Verdict::kServedStale;
      break;
    case Verdict::kNoLease:
      about.verdict = Inspection::Verdict::kNoLease;
      break;
    case Verdict::kKept:
      about.verdict = entry.epoch == owners_.epoch(OwnerId{entry.owner}) ? Inspection::Verdict::kExpired
                                                                         : Inspection::Verdict::kOldEpoch;
      break;
    case Verdict::kExpired:
      about.verdict = Inspection::Verdict::kExpired;
      break;
    case Verdict::kOldEpoch:
      about.verdict = Inspection::Verdict::kOldEpoch;
      break;
  }
  about.owner = OwnerId{entry.owner};
  about.epoch = entry.epoch;
  about.current_epoch = owners_.epoch(about.owner);
  about.reply_bytes = reply_of(entry).size();
  about.age = base::Milliseconds{std::max(now.ms, entry.filled_ms) - entry.filled_ms};
  about.deadlines = {.soft = clock.time(entry.soft_ms), .hard = clock.time(entry.hard_ms)};
  return about;
}

void Shard::inspect(const Key& key, const Asker& asker, std::vector<Inspection>& out) const {
  const base::MutexLock lock(mutex_);
  const ShardClock clock = store_.clock();
  if (const Slot slot = store_.find(string_name(key)); slot != kNoSlot) {
    out.push_back(inspect_entry(store_.at(slot), clock, asker));
    out.back().kind = static_cast<EntryKind>(store_.at(slot).kind);
  }
  if (const Slot root = store_.find(root_name(key)); root != kNoSlot) {
    store_.for_each_result(root, [&](Slot, const Entry& entry) {
      out.push_back(inspect_entry(entry, clock, asker));
      out.back().what = Inspection::What::kResult;
      out.back().request = name_of(entry);
    });
  }
  const auto fills = fills_.by_hash().find(key.hash);
  if (fills == fills_.by_hash().end()) return;
  for (const Fill& fill : fills.value()) {
    if (fill.space != key.space) continue;
    Inspection about{.what = Inspection::What::kFill, .verdict = Inspection::Verdict::kFetching};
    if (fill.is_result) about.request = fill.name;
    about.owner = fill.owner;
    about.epoch = fill.epoch;
    about.current_epoch = owners_.epoch(fill.owner);
    about.age = std::max(asker.now - fill.start, base::Duration::zero());
    out.push_back(std::move(about));
  }
}

void Shard::check_invariants() const {
  const base::MutexLock lock(mutex_);
  store_.check_invariants();
  fills_.check_invariants();
}

}  // namespace anteroom::cache
