#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/mutex.hpp"
#include "cache/cache.hpp"
#include "cache/entry_store.hpp"
#include "cache/fill_table.hpp"
#include "cache/hot_writes.hpp"
#include "cache/judge.hpp"
#include "cache/key_activity.hpp"
#include "cache/large_values.hpp"
#include "cache/owners.hpp"

namespace anteroom::cache {

/// One part of a Cache with its own mutex, entries and fills. Thread-safe; the calls mean what Cache says. Owned by the
/// Cache, whose Owners, seed and memory must outlive it.
///
/// An entry and an attached fill may exist for one name at once: while a stale entry is fetched anew, while one is kept
/// for bad times, and after start_fill(). Only commit() of the attached fill makes an entry, in the other's place.
class alignas(
    128) Shard {  // two cache lines, which the hardware fetches together: neighbours do not share a lock's line
 public:
  struct Limits {
    std::size_t entries = 1;
    std::size_t bytes = 0;        ///< 0 = no limit
    std::size_t entry_bytes = 0;  ///< name and reply of one entry
  };
  /// `number` < kShardsMax makes the fill ids of this shard differ from those of others.
  Shard(const Options& options, const Limits& limits, std::size_t number, const Owners& owners,
        const base::HashSeed& seed, SystemMemory& memory);
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;

  // shard.cpp
  [[nodiscard]] ReadResult read(const Query& query, const Asker& asker, base::ByteQueue& out) ANTEROOM_EXCLUDES(mutex_);
  [[nodiscard]] FillId start_fill(const Query& query, const Asker& asker) ANTEROOM_EXCLUDES(mutex_);
  bool commit(const Query& query, FillId fill, EntryKind kind, std::string_view reply, const Deadlines& deadlines,
              base::TimePoint now) ANTEROOM_EXCLUDES(mutex_);
  void abandon(const Query& query, FillId fill) noexcept ANTEROOM_EXCLUDES(mutex_);
  void refuse_large(const Query& query, FillId fill, base::TimePoint now) ANTEROOM_EXCLUDES(mutex_);
  [[nodiscard]] bool is_known_large(const Query& query, base::TimePoint now) const ANTEROOM_EXCLUDES(mutex_);

  /// Begins to load what a look for this hash will need; without the lock.
  void prefetch(std::uint64_t hash) const noexcept ANTEROOM_NO_THREAD_SAFETY_ANALYSIS { store_.prefetch(hash); }
  /// The same for the entry that is found there, under the lock.
  void prefetch_entry(std::uint64_t hash) const noexcept ANTEROOM_EXCLUDES(mutex_);

  // shard_drop.cpp
  /// With `detach` false fills stay attached: one of Rules is off.
  void drop(std::uint64_t hash, DropCause cause, bool detach) noexcept ANTEROOM_EXCLUDES(mutex_);
  /// The drop of a write that is forwarded. What it returns is for the one when its outcome is known, which finds
  /// nothing to do if nothing has begun meanwhile. kUnknown: there was none at first.
  [[nodiscard]] std::uint64_t begin_write(std::uint64_t hash) noexcept ANTEROOM_EXCLUDES(mutex_);
  void end_write(std::uint64_t hash, std::uint64_t activity, bool detach) noexcept ANTEROOM_EXCLUDES(mutex_);
  void invalidate(std::uint64_t hash, OwnerId owner, bool detach) noexcept ANTEROOM_EXCLUDES(mutex_);
  void answered(const Query& query, FillId fill) noexcept ANTEROOM_EXCLUDES(mutex_);
  void supersede(const Key& key, OwnerId owner) noexcept ANTEROOM_EXCLUDES(mutex_);
  void observe(const Query& query, const std::string_view* reply) noexcept ANTEROOM_EXCLUDES(mutex_);
  std::size_t drop_matching(std::string_view glob) ANTEROOM_EXCLUDES(mutex_);
  std::size_t expire(base::TimePoint now, std::size_t budget) ANTEROOM_EXCLUDES(mutex_);

  // shard_inspect.cpp
  void add_stats(Stats& sum) const ANTEROOM_EXCLUDES(mutex_);
  void inspect(const Key& key, const Asker& asker, std::vector<Inspection>& out) const ANTEROOM_EXCLUDES(mutex_);
  void check_invariants() const ANTEROOM_EXCLUDES(mutex_);

  // For Cache::read_snapshot(), which holds the locks of several shards at once, in ascending order.
  void lock() ANTEROOM_ACQUIRE(mutex_) { mutex_.lock(); }
  void unlock() ANTEROOM_RELEASE(mutex_) { mutex_.unlock(); }
  /// The key's string entry if it is fresh; null otherwise, and nothing is removed.
  [[nodiscard]] const Entry* find_fresh(const Key& key, base::TimePoint now) const ANTEROOM_REQUIRES(mutex_);
  /// The same entry again, which counts as a use of it. REQUIRES: find_fresh() has found it under this lock.
  [[nodiscard]] const Entry& use(const Key& key) ANTEROOM_REQUIRES(mutex_);
  void count_snapshot(bool hit) ANTEROOM_REQUIRES(mutex_) { ++(hit ? counts_.snapshot_hits : counts_.snapshot_misses); }

  /// Names longer than this are not cached.
  static constexpr std::size_t kNameBytesMax = 4096;

 private:
  /// An answer on its way out. Large replies are taken under the lock and appended outside.
  struct Answer {
    base::ByteQueue& out;
    ReadResult result{};
    base::SharedBytes large{};
    EntryKind kind_of_large = EntryKind::kValue;
    const View* view_of_large = nullptr;
  };

  [[nodiscard]] static Name string_name(const Key& key) noexcept {
    return {NameKind::kString, static_cast<std::uint32_t>(key.space), key.bytes, key.hash};
  }
  [[nodiscard]] static Name root_name(const Key& key) noexcept {
    return {NameKind::kRoot, static_cast<std::uint32_t>(key.space), key.bytes, key.hash};
  }
  /// Of the entry that commit() makes.
  [[nodiscard]] static Name entry_name(const Query& query) noexcept {
    if (!is_result(query)) return string_name(query.key);
    return {NameKind::kResult, static_cast<std::uint32_t>(query.key.space), query.request, query.request_hash};
  }
  [[nodiscard]] static bool is_cacheable(const Query& query) noexcept {
    return static_cast<std::uint32_t>(query.key.space) <= kSpaceMax && query.key.bytes.size() <= kNameBytesMax &&
           query.request.size() <= kNameBytesMax;
  }
  [[nodiscard]] bool is_current(const Fill& fill) const noexcept { return fill.epoch == owners_.epoch(fill.owner); }

  void prefetch(const Query& query) const noexcept { prefetch(entry_name(query).hash); }
  void drop_locked(std::uint64_t hash, DropCause cause, bool detach, Graveyard& dead,
                   FillTable::Detached& ended) noexcept ANTEROOM_REQUIRES(mutex_);
  [[nodiscard]] Slot find_plain(const Key& key, base::TimePoint now) const noexcept ANTEROOM_REQUIRES(mutex_);
  [[nodiscard]] ReadResult read_and_unlock(const Query& query, const Asker& asker, base::ByteQueue& out)
      ANTEROOM_RELEASE(mutex_);
  void find_answer(const Query& query, const Asker& asker, Answer& answer, Graveyard& dead) ANTEROOM_REQUIRES(mutex_);
  [[nodiscard]] bool read_entry(const Name& name, const Query& query, const Asker& asker, const Moment& now,
                                Answer& answer, Graveyard& dead) ANTEROOM_REQUIRES(mutex_);
  [[nodiscard]] bool serve(Slot slot, const View* view, Answer& answer) ANTEROOM_REQUIRES(mutex_);
  [[nodiscard]] bool serve_and_refresh(Slot slot, const Query& query, const Asker& asker, Answer& answer)
      ANTEROOM_REQUIRES(mutex_);
  [[nodiscard]] ReadResult join_or_start(const Query& query, const Asker& asker) ANTEROOM_REQUIRES(mutex_);
  [[nodiscard]] OwnerId filler_of(const Key& key, const Asker& asker) const ANTEROOM_REQUIRES(mutex_);
  [[nodiscard]] FillId start(const Query& query, const Asker& asker, Fill* attached, std::uint64_t& detached)
      ANTEROOM_REQUIRES(mutex_);
  [[nodiscard]] bool replace(EntryStore::Draft& draft, bool fits, const Deadlines& deadlines, const Moment& now,
                             Graveyard& dead) ANTEROOM_REQUIRES(mutex_);

  void count_detached(const FillTable::Detached& fills, DropCause cause) ANTEROOM_REQUIRES(mutex_);
  [[nodiscard]] Inspection inspect_entry(const Entry& entry, const ShardClock& clock, const Asker& asker) const;

  const std::size_t number_;
  const std::size_t entry_bytes_max_;
  const Owners& owners_;
  const Judge judge_;

  mutable base::Mutex mutex_;
  HotWrites hot_writes_ ANTEROOM_GUARDED_BY(mutex_);
  LargeValues large_values_ ANTEROOM_GUARDED_BY(mutex_);
  KeyActivity activity_ ANTEROOM_GUARDED_BY(mutex_);
  EntryStore store_ ANTEROOM_GUARDED_BY(mutex_);
  FillTable fills_ ANTEROOM_GUARDED_BY(mutex_);
  std::uint64_t fills_begun_ ANTEROOM_GUARDED_BY(mutex_) = 0;
  Stats counts_ ANTEROOM_GUARDED_BY(mutex_);  // only what the shard itself counts
};

}  // namespace anteroom::cache
