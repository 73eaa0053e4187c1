#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include <tsl/robin_set.h>

#include "base/mutex.hpp"
#include "cache/cache.hpp"
#include "cache/entry.hpp"
#include "cache/epochs.hpp"
#include "cache/fill_table.hpp"
#include "cache/timing_wheel.hpp"

namespace anteroom::cache {

/// One part of a Cache with its own mutex, index, LRU order, timing wheel and fills. Thread-safe; the calls mean what
/// Cache says. Owned by the Cache, whose Epochs must outlive it.
///
/// Every entry is in the index and in the LRU list, and in the wheel if it has a deadline. A key never has an entry and
/// an attached fill at once: read() starts a fill only where it found no valid entry and removed an invalid one, and
/// only commit() of the attached fill makes an entry.
class alignas(
    128) Shard {  // two cache lines, which the hardware fetches together: neighbours do not share a lock's line
 public:
  struct Limits {
    std::size_t entries = 1;
    std::size_t bytes = 0;        ///< 0 = no limit
    std::size_t entry_bytes = 0;  ///< key and reply of one entry
  };
  /// `number` < kShardsMax makes the fill ids of this shard differ from those of others.
  Shard(const Limits& limits, std::size_t number, const Epochs& epochs);
  ~Shard();
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;

  [[nodiscard]] ReadResult read(const Key& key, OwnerId asker, base::TimePoint now, base::ByteQueue& out)
      ANTEROOM_EXCLUDES(mutex_);
  bool commit(const Key& key, FillId fill, EntryKind kind, std::string_view reply, base::TimePoint deadline,
              base::TimePoint now) ANTEROOM_EXCLUDES(mutex_);
  void abandon(const Key& key, FillId fill) noexcept ANTEROOM_EXCLUDES(mutex_);
  void drop(std::uint64_t hash) noexcept ANTEROOM_EXCLUDES(mutex_);
  std::size_t expire(base::TimePoint now, std::size_t budget) ANTEROOM_EXCLUDES(mutex_);
  void add_stats(Stats& sum) const ANTEROOM_EXCLUDES(mutex_);
  void check_invariants() const ANTEROOM_EXCLUDES(mutex_);

 private:
  struct NameRef {
    Space space{};
    std::string_view bytes;
  };
  struct HashRef {
    std::uint64_t hash = 0;
  };
  struct StoredHash {
    std::size_t operator()(const Entry* entry) const noexcept { return entry->hash(); }
  };
  // The index compares 32 stored bits of the hash before it asks here.
  struct Same {
    using is_transparent = void;
    bool operator()(const Entry* a, const NameRef& b) const noexcept {
      return a->space() == b.space && a->key() == b.bytes;
    }
    bool operator()(const Entry* a, const HashRef& b) const noexcept { return a->hash() == b.hash; }
    bool operator()(const Entry* a, const Entry* b) const noexcept {
      return a == b || (*this)(a, NameRef{b->space(), b->key()});
    }
  };
  using Index = tsl::robin_set<Entry*, StoredHash, Same, std::allocator<Entry*>, /*StoreHash=*/true>;

  [[nodiscard]] bool is_current(const Entry& entry) const noexcept {
    return entry.epoch == epochs_.current(entry.owner);
  }
  [[nodiscard]] std::size_t charge(const Entry& entry) const noexcept;
  [[nodiscard]] Entry* find_valid(const Key& key, base::TimePoint now, Graveyard& dead) ANTEROOM_REQUIRES(mutex_);
  [[nodiscard]] ReadResult join_or_start_fill(const Key& key, OwnerId asker) ANTEROOM_REQUIRES(mutex_);
  void insert(Entry& entry, base::TimePoint now, Graveyard& dead) ANTEROOM_REQUIRES(mutex_);
  void make_room(std::size_t size, base::TimePoint now, Graveyard& dead) ANTEROOM_REQUIRES(mutex_);
  void count_removal(const Entry& entry, base::TimePoint now) ANTEROOM_REQUIRES(mutex_);
  void remove(Index::const_iterator place, Graveyard& dead) ANTEROOM_REQUIRES(mutex_);

  const Limits limits_;
  const std::size_t number_;
  const Epochs& epochs_;
  std::size_t index_share_ = 0;  // bytes of the index per entry, when full; constant after construction

  mutable base::Mutex mutex_;
  Index index_ ANTEROOM_GUARDED_BY(mutex_);
  std::size_t buckets_ ANTEROOM_GUARDED_BY(mutex_) = 0;  // of the index; changes only if it had to rehash
  LruList lru_ ANTEROOM_GUARDED_BY(mutex_);              // most recently used first
  TimingWheel wheel_ ANTEROOM_GUARDED_BY(mutex_);
  FillTable fills_ ANTEROOM_GUARDED_BY(mutex_);
  std::uint64_t fills_begun_ ANTEROOM_GUARDED_BY(mutex_) = 0;
  std::size_t bytes_ ANTEROOM_GUARDED_BY(mutex_) = 0;
  Stats counts_ ANTEROOM_GUARDED_BY(mutex_);  // its entries and bytes are not used
};

}  // namespace anteroom::cache
