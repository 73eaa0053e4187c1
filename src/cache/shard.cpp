#include "cache/shard.hpp"

#include <memory>
#include <string>
#include <utility>

#include "base/check.hpp"
#include "cache/view.hpp"

namespace anteroom::cache {
namespace {

EntryStore::Limits store_limits(const Options& options, const Shard::Limits& limits, std::size_t other_bytes) {
  return {.entries = limits.entries, .bytes = limits.bytes, .other_bytes = other_bytes, .policy = options.policy};
}

}  // namespace

Shard::Shard(const Options& options, const Limits& limits, std::size_t number, const Owners& owners,
             const base::HashSeed& seed, SystemMemory& memory)
    : number_(number),
      entry_bytes_max_(limits.entry_bytes),
      owners_(owners),
      judge_(owners, options.stale_while_revalidate, options.stale_if_error),
      hot_writes_(options.hot_write_bypass),
      store_(store_limits(options, limits, sizeof(Shard) + hot_writes_.bytes()), judge_, seed, memory) {
  ANTEROOM_CHECK(number < Cache::kShardsMax);
}

void Shard::prefetch_entry(std::uint64_t hash) const noexcept {
  mutex_.lock();
  const char* const entry = store_.probable_entry(hash);
  mutex_.unlock();
  if (entry == nullptr) return;
  // It may be gone by now: its place is still there, and nobody reads it here.
  __builtin_prefetch(entry);
  __builtin_prefetch(entry + Index::kCacheLineBytes);
}

// Nearly every read is GET of a fresh value that is copied, which needs none of what the rest does.
ReadResult Shard::read(const Query& query, const Asker& asker, base::ByteQueue& out) {
  prefetch(query);
  mutex_.lock();
  const Slot slot = is_result(query) ? kNoSlot : find_plain(query.key, asker.now);
  if (slot == kNoSlot) return read_and_unlock(query, asker, out);
  const Entry& entry = store_.at(slot);
  const ReadResult hit{.status = ReadStatus::kHit, .owner = OwnerId{entry.owner}};
  store_.touch(slot);
  ++counts_.hits;
  out.append(inline_reply_of(entry));
  mutex_.unlock();
  return hit;
}

// The string entry of the key, if it is a fresh value whose reply is inline.
Slot Shard::find_plain(const Key& key, base::TimePoint now) const noexcept {
  const Moment moment = store_.clock().moment(now);
  if (static_cast<std::uint32_t>(key.space) > kSpaceMax || !store_.clock().covers(moment)) return kNoSlot;
  const Slot slot = store_.find(string_name(key));
  if (slot == kNoSlot) return kNoSlot;
  const Entry& entry = store_.at(slot);
  const bool is_plain = entry.kind == static_cast<std::uint8_t>(EntryKind::kValue) && !entry.large;
  return is_plain && judge_.judge(entry, moment, false) == Verdict::kFresh ? slot : kNoSlot;
}

ReadResult Shard::read_and_unlock(const Query& query, const Asker& asker, base::ByteQueue& out) {
  Graveyard dead;
  Answer answer{.out = out};
  find_answer(query, asker, answer, dead);
  mutex_.unlock();
  if (!answer.large) return answer.result;
  if (answer.view_of_large == nullptr) {
    out.append_shared(std::move(answer.large));
  } else {
    append_view(answer.kind_of_large, *answer.large, *answer.view_of_large, out);
  }
  return answer.result;
}

void Shard::find_answer(const Query& query, const Asker& asker, Answer& answer, Graveyard& dead) {
  if (!is_cacheable(query)) {
    ++counts_.bypass_name;
    return;
  }
  const Moment now = store_.moment(asker.now, dead);
  const bool asks_string = !is_result(query) || query.view.kind != View::Kind::kNone;
  if (asks_string && read_entry(string_name(query.key), query, asker, now, answer, dead)) return;
  if (is_result(query) && read_entry(entry_name(query), query, asker, now, answer, dead)) return;
  answer.result = join_or_start(query, asker);
}

const Entry* Shard::find_fresh(const Key& key, base::TimePoint now) const {
  const Moment moment = store_.clock().moment(now);
  if (static_cast<std::uint32_t>(key.space) > kSpaceMax || !store_.clock().covers(moment)) return nullptr;
  const Slot slot = store_.find(string_name(key));
  if (slot == kNoSlot) return nullptr;
  const Entry& entry = store_.at(slot);
  return judge_.judge(entry, moment, false) == Verdict::kFresh ? &entry : nullptr;
}

const Entry& Shard::use(const Key& key) {
  const Slot slot = store_.find(string_name(key));
  store_.touch(slot);
  return store_.at(slot);
}

// Whether the entry of `name` decides about `query`. The name is the query's own or, for a view, that of the key's
// string.
bool Shard::read_entry(const Name& name, const Query& query, const Asker& asker, const Moment& now, Answer& answer,
                       Graveyard& dead) {
  const Slot slot = store_.find(name);
  if (slot == kNoSlot) return false;
  const bool is_view = is_result(query) && name.kind == NameKind::kString;
  const View* const view = is_view ? &query.view : nullptr;
  const Verdict verdict = judge_.judge(store_.at(slot), now, asker.upstream_is_down);
  switch (verdict) {
    case Verdict::kFresh:
      return serve(slot, view, answer);
    case Verdict::kLastHope:
      if (!serve(slot, view, answer)) return false;
      ++counts_.stale_hits;
      return true;
    case Verdict::kRefresh:
      // The fill would be the query's and not refresh the string, which therefore does not answer others any more.
      return !is_view && serve_and_refresh(slot, query, asker, answer);
    case Verdict::kNoLease:
      ++counts_.bypass_lease;
      return true;
    case Verdict::kKept:
      return false;
    case Verdict::kExpired:
    case Verdict::kOldEpoch:
      store_.discard(slot, verdict, dead);
      return false;
  }
  return false;
}

// False only if the entry does not tell what the view asks for.
bool Shard::serve(Slot slot, const View* view, Answer& answer) {
  const Entry& entry = store_.at(slot);
  const EntryKind kind = entry.kind == kResultKind ? EntryKind::kValue : static_cast<EntryKind>(entry.kind);
  if (view != nullptr && !answers_view(kind, reply_of(entry), view->kind)) return false;

  store_.touch(slot);
  ++(kind == EntryKind::kNil ? counts_.nil_hits : counts_.hits);
  answer.result.status = ReadStatus::kHit;
  answer.result.owner = OwnerId{entry.owner};
  if (kind == EntryKind::kNil && view == nullptr) {
    answer.result.status = ReadStatus::kNil;
  } else if (entry.large) {
    answer.large = shared_of(entry);
    answer.kind_of_large = kind;
    answer.view_of_large = view;
  } else if (view != nullptr) {
    append_view(kind, reply_of(entry), *view, answer.out);
  } else {
    answer.out.append(reply_of(entry));
  }
  return true;
}

bool Shard::serve_and_refresh(Slot slot, const Query& query, const Asker& asker, Answer& answer) {
  Fill* const attached = fills_.find(query);
  const bool is_fetched = attached != nullptr && is_current(*attached);
  if (!is_fetched && !owners_.may_fill(asker.owner)) {
    ++counts_.bypass_not_coherent;
    return true;
  }
  if (!serve(slot, nullptr, answer)) return false;
  ++counts_.stale_hits;
  if (is_fetched) return true;
  // None if the key has too many fills: then one of its next readers starts it.
  answer.result.fill = start(query, asker, attached, counts_.detached_epoch);
  if (answer.result.fill != 0) answer.result.owner = asker.owner;
  return true;
}

ReadResult Shard::join_or_start(const Query& query, const Asker& asker) {
  Fill* const attached = fills_.find(query);
  const bool is_under_way = attached != nullptr && is_current(*attached);
  if (is_under_way && attached->is_joinable) {
    // Its value may have come long ago, with the rest of the stream held up since (R8).
    if (!owners_.has_lease(attached->owner, asker.now)) {
      ++counts_.bypass_lease;
      return {};
    }
    ++counts_.misses;
    ++counts_.fills_joined;
    return {.status = ReadStatus::kJoin, .owner = attached->owner, .fill = attached->id};
  }
  if (!owners_.may_fill(asker.owner)) {
    ++counts_.bypass_not_coherent;
    return {};
  }
  if (hot_writes_.is_bypassed(query.key.hash, asker.now)) {
    ++counts_.bypass_hot_write;
    return {};
  }
  if (large_values_.knows(query, asker.now, owners_.changes())) {
    ++counts_.bypass_large;
    return {};
  }
  const OwnerId filler = filler_of(query.key, asker);
  std::uint64_t& detached = is_under_way ? counts_.detached_superseded : counts_.detached_epoch;
  const FillId id = start(query, {.owner = filler, .now = asker.now}, attached, detached);
  if (id == 0) {
    ++counts_.bypass_many_fills;
    return {};
  }
  ++counts_.misses;
  return {.status = ReadStatus::kFill, .owner = filler, .fill = id};
}

// Whoever has filled other entries of the key, if it still can: entries of two owners under one key would take turns in
// superseding each other.
OwnerId Shard::filler_of(const Key& key, const Asker& asker) const {
  Slot slot = store_.find(string_name(key));
  if (slot == kNoSlot) {
    const Slot root = store_.find(root_name(key));
    if (root != kNoSlot) slot = store_.first_result(root);
  }
  if (slot == kNoSlot) return asker.owner;
  const Entry& entry = store_.at(slot);
  const OwnerId owner{entry.owner};
  const bool can_fill = entry.epoch == owners_.epoch(owner) && owners_.may_fill(owner);
  return can_fill && owners_.has_lease(owner, asker.now) ? owner : asker.owner;
}

// Attaches a new fill, in the place of the one that is `attached` to the name, which is counted in `detached`. 0 if the
// key has too many.
FillId Shard::start(const Query& query, const Asker& asker, Fill* attached, std::uint64_t& detached) {
  Fill fill{.id = (fills_begun_ + 1) * Cache::kShardsMax + number_,
            .start = asker.now,
            .epoch = owners_.epoch(asker.owner),
            .owner = asker.owner};
  const FillId id = fill.id;
  if (attached != nullptr) {
    ++detached;
    attached->id = fill.id;
    attached->start = fill.start;
    attached->epoch = fill.epoch;
    attached->owner = fill.owner;
    attached->is_joinable = true;
    attached->is_answered = false;
  } else if (!fills_.attach(query, std::move(fill))) {
    return 0;
  }
  ++fills_begun_;
  ++counts_.fills_started;
  activity_.note(query.key.hash);
  return id;
}

FillId Shard::start_fill(const Query& query, const Asker& asker) {
  const base::MutexLock lock(mutex_);
  if (!is_cacheable(query)) {
    ++counts_.bypass_name;
    return 0;
  }
  if (!owners_.may_fill(asker.owner)) {
    ++counts_.bypass_not_coherent;
    return 0;
  }
  if (large_values_.knows(query, asker.now, owners_.changes())) {
    ++counts_.bypass_large;
    return 0;
  }
  const FillId id = start(query, asker, fills_.find(query), counts_.detached_superseded);
  if (id == 0) {
    ++counts_.bypass_many_fills;
    return 0;
  }
  fills_.find(query)->is_joinable = false;
  return id;
}

bool Shard::commit(const Query& query, FillId fill, EntryKind kind, std::string_view reply, const Deadlines& deadlines,
                   base::TimePoint now) {
  ANTEROOM_CHECK(kind == EntryKind::kValue || !is_result(query));
  Graveyard dead;
  FillTable::Detached ended;
  EntryStore::Draft draft{.name = entry_name(query), .root = root_name(query.key), .reply = reply};
  draft.header.kind = is_result(query) ? kResultKind : static_cast<std::uint8_t>(kind) & 7;
  // The sum cannot overflow: both are sizes of objects in memory.
  const bool fits = draft.name.bytes.size() + reply.size() <= entry_bytes_max_;
  if (fits && reply.size() > base::ByteQueue::kCopyMax) draft.shared = std::make_shared<const std::string>(reply);

  const base::MutexLock lock(mutex_);
  ended = fills_.detach(query, fill);
  if (ended.empty()) return false;
  const Fill& mine = ended.front();
  if (!is_current(mine)) {
    ++counts_.detached_epoch;
    return false;
  }
  if (!fits && reply.size() >= kLargeReplyBytes) large_values_.note(query, now, owners_.changes());
  draft.header.owner = static_cast<std::uint8_t>(mine.owner);
  draft.header.epoch = mine.epoch;
  activity_.note(query.key.hash);
  fills_.recycle(ended);
  if (!replace(draft, fits, deadlines, store_.moment(now, dead), dead)) return false;
  hot_writes_.note_stored(query.key.hash);
  ++counts_.fills_committed;
  return true;
}

bool Shard::replace(EntryStore::Draft& draft, bool fits, const Deadlines& deadlines, const Moment& now,
                    Graveyard& dead) {
  // Also if the new reply cannot be stored: it goes out to those who wait, and what is older must not be served after.
  if (const Slot old = store_.find(draft.name); old != kNoSlot) store_.remove(old, dead);
  draft.header.filled_ms = now.ms;
  draft.header.soft_ms = store_.clock().ms(deadlines.soft);
  draft.header.hard_ms = store_.clock().ms(deadlines.hard);
  if (judge_.judge_life(draft.header, now) != Verdict::kFresh) return false;
  if (fits && store_.insert(draft, now, dead)) return true;
  ++counts_.refused_size;
  return false;
}

void Shard::refuse_large(const Query& query, FillId fill, base::TimePoint now) {
  FillTable::Detached ended;
  const base::MutexLock lock(mutex_);
  ended = fills_.detach(query, fill);
  if (!ended.empty()) ++counts_.fills_abandoned;
  ++counts_.refused_size;
  large_values_.note(query, now, owners_.changes());
  activity_.note(query.key.hash);
}

bool Shard::is_known_large(const Query& query, base::TimePoint now) const {
  const base::MutexLock lock(mutex_);
  return large_values_.knows(query, now, owners_.changes());
}

void Shard::abandon(const Query& query, FillId fill) noexcept {
  FillTable::Detached ended;
  const base::MutexLock lock(mutex_);
  ended = fills_.detach(query, fill);
  if (!ended.empty()) ++counts_.fills_abandoned;
}

}  // namespace anteroom::cache
