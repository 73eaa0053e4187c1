#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/byte_queue.hpp"
#include "base/clock.hpp"
#include "base/hash.hpp"

namespace anteroom::cache {

class Epochs;
class Shard;

/// Namespace of a key: two sessions that must not see each other's value of one name (another db, later another user)
/// read in different spaces.
enum class Space : std::uint32_t {};

/// Number of a fill connection (one per worker). Entries remember theirs, so that losing the connection can invalidate
/// everything it filled.
enum class OwnerId : std::uint8_t {};
inline constexpr std::size_t kOwnersMax = 256;

/// A key with its hash, computed once per request by Cache::key(). The bytes belong to the caller.
/// The hash does not cover the space: one drop reaches a key in every space (R1: invalidations carry no db).
struct Key {
  std::string_view bytes;
  std::uint64_t hash = 0;
  Space space{};
};

/// Names one fetch that is under way. Never reused while the process lives.
using FillId = std::uint64_t;

enum class ReadStatus : std::uint8_t {
  kHit,   ///< the encoded reply was appended to `out`
  kNil,   ///< the key is known not to exist; nothing was appended, the caller writes its protocol's null
  kFill,  ///< the caller holds the attached fill `fill` and must fetch, then commit() or abandon() it
  kJoin,  ///< `owner` is fetching it as `fill`; its reply is new enough for this read (R4)
};

struct ReadResult {
  ReadStatus status = ReadStatus::kFill;
  OwnerId owner{};
  FillId fill = 0;
};

enum class EntryKind : std::uint8_t { kValue, kNil };

struct Options {
  std::size_t capacity = 1024;             ///< entries; at least 1
  std::size_t capacity_bytes = 0;          ///< bytes of entries and index; 0 = no limit
  std::size_t max_entry_bytes = 1u << 20;  ///< key and reply of one entry; larger ones are not cached. With a limit of
                                           ///< bytes also at most 1/16 of a shard's part of it
  unsigned workers = 1;                    ///< threads that will use the cache; bounds the number of shards
};

/// Sums over all shards. Entries and bytes are of this moment, the rest counts since start.
struct Stats {
  std::uint64_t hits = 0, nil_hits = 0, misses = 0;
  std::uint64_t entries = 0, bytes = 0;
  std::uint64_t fills_started = 0, fills_joined = 0, fills_committed = 0;
  std::uint64_t fills_detached = 0;  ///< by an invalidation, a write or a newer epoch, before they were committed
  std::uint64_t refused_size = 0;    ///< replies that were too large (Options::max_entry_bytes)
  std::uint64_t evicted_capacity = 0, evicted_expired = 0, evicted_epoch = 0;
  std::uint64_t dropped = 0;   ///< entries removed by drop() and write guards
  std::uint64_t rehashes = 0;  ///< of the index while serving; must stay 0
};

class WriteGuard;

/// Sharded LRU cache of encoded GET replies with a deadline per entry. Thread-safe: a mutex per shard, chosen by the
/// high bits of the hash. Knows no sockets and no clock: `now` is an argument, in the order of one monotonic clock.
///
/// The rules that keep it from being wrong (COHERENCE.md A.3) are part of the interface:
///  * A value enters only by a *fill ticket*. read() attaches at most one fill to a key; drop(), a write guard or a
///  newer
///    epoch detaches it. A detached fill still answers those who wait for it but commit() refuses its value (R1, R2),
///    and no later read joins it (R4).
///  * A *write guard* drops and detaches its keys when the write is forwarded and again when its outcome is known (R3).
///  * Each owner has an *epoch*; bump_epoch() invalidates all its entries and fills in O(1) (R7, R15).
///  * Nothing is served at or past its deadline (R11).
///
/// Small caches are not sharded, so that `capacity` is exact and the eviction order is exactly LRU; a shard has at
/// least kShardEntriesMin entries. The index is reserved for its capacity at construction and never rehashes while
/// serving.
class Cache {
 public:
  Cache(const Options& options, base::HashSeed seed);
  ~Cache();
  Cache(const Cache&) = delete;
  Cache& operator=(const Cache&) = delete;

  [[nodiscard]] Key key(Space space, std::string_view bytes) const noexcept;

  /// One lock for the lookup and, on a miss, the ticket. A hit appends the stored reply to `out` (copied up to
  /// ByteQueue::kCopyMax, referenced above) and makes the entry the most recently used.
  [[nodiscard]] ReadResult read(const Key& key, OwnerId asker, base::TimePoint now, base::ByteQueue& out);

  /// Stores the encoded `reply` (empty for kNil) until `deadline`, if `fill` is still attached and the owner's epoch is
  /// the one it started in. Ends the fill either way. True if it was stored. `key` must be the one of read().
  bool commit(const Key& key, FillId fill, EntryKind kind, std::string_view reply, base::TimePoint deadline,
              base::TimePoint now);
  /// Ends the fill without a value. Later reads start a new one.
  void abandon(const Key& key, FillId fill) noexcept;

  /// Drops the entries of this key and detaches its fills, in every space.
  void drop(std::uint64_t key_hash) noexcept;
  /// Drops and detaches at once (unless `drop_now` is false) and again when the guard dies: hold it from forward to
  /// acknowledgement. The second drop is what read-your-writes rests on; the first spares hits that would soon be old.
  [[nodiscard]] WriteGuard guard(std::span<const Key> keys, bool drop_now = true);
  /// The same for a write whose keys are not known: everything is dropped, at both ends (R15).
  [[nodiscard]] WriteGuard guard_all(bool drop_now = true) noexcept;

  void bump_epoch(OwnerId owner) noexcept;
  /// Bumps every owner's epoch: empties the cache in O(1); memory is reclaimed as entries are evicted or expire.
  void bump_all_epochs() noexcept;

  /// Reclaims what is past its deadline in one shard, at most `budget` entries; returns how many. Deadlines are kept
  /// without it: this only gives memory back. Call it every cache period for each shard.
  std::size_t expire(std::size_t shard, base::TimePoint now, std::size_t budget);
  [[nodiscard]] std::size_t shard_count() const noexcept { return shards_.size(); }
  [[nodiscard]] Stats stats() const;
  /// Aborts if the parts of a shard disagree with each other. O(entries), under the locks: for tests.
  void check_invariants() const;

  static constexpr std::size_t kShardEntriesMin = 4096;
  static constexpr std::size_t kShardBytesMin = 64 * 1024;
  static constexpr std::size_t kShardsMax = 256;

 private:
  [[nodiscard]] Shard& shard_of(std::uint64_t hash) const noexcept;

  const base::HashSeed seed_;
  const std::unique_ptr<Epochs> epochs_;
  std::vector<std::unique_ptr<Shard>> shards_;  // constant after construction; each has its own mutex
  unsigned shard_shift_ = 0;                    // constant after construction
};

/// Keeps the promise of R3 for one forwarded write. Movable, owned by whoever waits for the reply; one thread at a
/// time. Holds hashes, not key bytes: a false match drops an entry too many, which is harmless. The cache must outlive
/// it. Destroy it before the reply is queued to the client.
class WriteGuard {
 public:
  WriteGuard() = default;
  ~WriteGuard() { release(); }
  WriteGuard(WriteGuard&& other) noexcept;
  WriteGuard& operator=(WriteGuard&& other) noexcept;

  /// Drops and detaches for the second time; then guards nothing.
  void release() noexcept;
  /// For a write that certainly did not run: guards nothing any more, and drops nothing.
  void dismiss() noexcept { cache_ = nullptr; }
  [[nodiscard]] bool active() const noexcept { return cache_ != nullptr; }

 private:
  friend class Cache;
  static constexpr std::size_t kInlineHashes = 2;  // nearly every write has one or two keys

  Cache* cache_ = nullptr;
  bool all_ = false;
  std::uint32_t count_ = 0;
  std::uint64_t inline_hashes_[kInlineHashes] = {};
  std::unique_ptr<std::uint64_t[]> more_hashes_;  // all of them, when there are more than kInlineHashes
};

}  // namespace anteroom::cache
