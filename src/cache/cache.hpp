#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/byte_queue.hpp"
#include "base/clock.hpp"
#include "base/hash.hpp"
#include "cache/key_activity.hpp"
#include "cache/types.hpp"

namespace anteroom::cache {

class Owners;
class Shard;
struct SystemMemory;
class WriteGuard;

/// Sharded cache of encoded replies to reads, with a deadline per entry. Thread-safe: a mutex per shard, chosen by the
/// high bits of the key's hash. Knows no sockets and no clock: `now` is an argument, in the order of one monotonic
/// clock.
///
/// A key may have one *string entry* (what GET answers, from which STRLEN, EXISTS and others are answered too) and any
/// number of *result entries* (replies to other commands, named by the whole request). Results hang under their key:
/// what drops the key drops them.
///
/// The rules that keep it from being wrong (COHERENCE.md A.3) are part of the interface:
///  * A value enters only by a *fill ticket*. At most one fill is attached to a name; drop(), a write guard, a newer
///    epoch or start_fill() detaches it. A detached fill still answers those who wait for it but commit() refuses its
///    value (R1, R2), and no later read joins it (R4).
///  * A *write guard* drops and detaches its keys before the write leaves and again when its outcome is known (R3).
///  * Each owner has an *epoch*; bump_epoch() and lose() invalidate all its entries and fills in O(1) (R7, R15).
///  * Each owner has a *lease*: its entries are served only before it ends (R8). They stay, and count again once the
///    lease is renewed.
///  * Nothing is served at or past its hard deadline (R11).
///  * supersede() and observe() keep reads monotonic where a value came from elsewhere than an entry (R14).
///
/// Small caches are not sharded, so that `capacity` and the eviction order are exact. Nothing is rehashed while
/// serving.
class Cache {
 public:
  Cache(const Options& options, base::HashSeed seed);
  ~Cache();
  Cache(const Cache&) = delete;
  Cache& operator=(const Cache&) = delete;

  [[nodiscard]] Key key(Space space, std::string_view bytes) const noexcept {
    return {.bytes = bytes, .hash = base::hash64(seed_, bytes), .space = space};
  }
  /// What GET `key` asks for.
  [[nodiscard]] static Query string_query(const Key& key) noexcept { return {.key = key}; }
  /// The same by parts, for who would only copy a Key that was just made. `hash` is key()'s.
  [[nodiscard]] static Query string_query(std::string_view bytes, std::uint64_t hash, Space space) noexcept {
    return {.key = {.bytes = bytes, .hash = hash, .space = space}};
  }
  /// What another command asks for. `request` names the result: command and all arguments in a form in which no two
  /// different requests are equal; its bytes belong to the caller. With a `view`, a string entry of the key answers
  /// too.
  [[nodiscard]] Query result_query(const Key& key, std::string_view request, View view = {}) const noexcept;

  // --- Reading and filling ---

  /// One lock for the lookup and, on a miss, the ticket. A hit appends the stored reply to `out` (copied up to
  /// ByteQueue::kCopyMax, referenced above) and counts as a use of the entry.
  [[nodiscard]] ReadResult read(const Query& query, const Asker& asker, base::ByteQueue& out);

  /// MGET and EXISTS of many keys, at one instant: all shards involved are locked together. Succeeds only if every key
  /// has a string entry that may be served and all of them have the same owner, whose entries are a snapshot of the
  /// server (COHERENCE.md, snapshot lemma). Then appends one element per key (kMget: the bulk string, `null` for
  /// nil and for a key of another type) or the number of existing keys (kExists, as ":n\r\n"); else appends nothing.
  [[nodiscard]] bool read_snapshot(std::span<const Key> keys, SnapshotView view, const Asker& asker,
                                   base::ByteQueue& out, std::string_view null = kNullBulk);

  /// Attaches a new fill to `query` whatever there is already: an entry stays until the fill is committed, an older
  /// fill is detached. 0 if the asker's owner may not fill, or the reply is known to be large. For MGET, whose values
  /// must be of one moment, and which answers nil, or one error, where GET answers another: nobody joins such a fill, a
  /// reader in need starts its own.
  [[nodiscard]] FillId start_fill(const Query& query, const Asker& asker);

  /// Stores the encoded `reply` (empty for kNil), if `fill` is still attached and the owner's epoch is the one it
  /// started in. Replaces an entry of the same name. Ends the fill either way. True if it was stored.
  bool commit(const Query& query, FillId fill, EntryKind kind, std::string_view reply, const Deadlines& deadlines,
              base::TimePoint now);
  /// Ends the fill without a value. Later reads start a new one.
  void abandon(const Query& query, FillId fill) noexcept;
  /// The same because the reply is too large to be fetched, which is remembered, whether the fill is attached or not:
  /// for kLargeValuePeriod, unless the key changes before or too many others come, read() says kBypass.
  void refuse_large(const Query& query, FillId fill, base::TimePoint now);
  /// Whether that is remembered: who reads past the cache then expects a large reply.
  [[nodiscard]] bool is_known_large(const Query& query, base::TimePoint now) const;

  // --- Invalidation ---

  /// Drops all entries of the key and detaches its fills, in every space (R1: invalidations carry no db).
  void drop(std::uint64_t key_hash, DropCause cause) noexcept;
  /// The connection of `owner` brought word that the key has changed: drops its entries as drop() does, but of the
  /// fills only those of this owner that are answered. One that is not will be answered later in the same stream, so by
  /// a command that ran after the change; and other owners' connections bring word themselves.
  void invalidate(std::uint64_t key_hash, OwnerId owner) noexcept;
  /// The value of a fill has come, and is about to be given out; its time to live is still due. From now on
  /// invalidate() detaches it (R6).
  void answered(const Query& query, FillId fill) noexcept;
  /// A reply of `owner`'s stream is about to be given out: drops entries and detaches fills of the key, in its space,
  /// that belong to other owners, because they may be older (R14).
  void supersede(const Key& key, OwnerId owner) noexcept;
  /// A reply to `query` that did not come through a fill is about to be given out. If the entry of that name has the
  /// same bytes, nothing happens (but fills of the key are detached); else the key is dropped as by drop() (R14).
  /// `reply` is null when it is not known whole. kNil entries equal "$-1\r\n".
  void observe(const Query& query, const std::string_view* reply) noexcept;

  /// Drops and detaches at once (unless `drop_now` is false) and again when the guard dies: make it before
  /// the write leaves, and hold it until the acknowledgement. The second drop is what read-your-writes rests on; the
  /// first spares hits that would soon be old. The second is left out, of a key or two, where the first has been made
  /// and nothing that it could undo has begun since.
  [[nodiscard]] WriteGuard guard(std::span<const std::uint64_t> key_hashes, bool drop_now = true);
  /// The same for a write whose keys are not known: everything is dropped, at both ends (R15).
  [[nodiscard]] WriteGuard guard_all(bool drop_now = true) noexcept;

  // --- Reading ahead: nothing but time depends on it ---

  /// Begins to load what a look for this key, or its drop, begins with.
  void prefetch(std::uint64_t key_hash) const noexcept;
  /// The same for the entry that this leads to. Waits for what prefetch() has begun to load.
  void prefetch_entry(std::uint64_t key_hash) const noexcept;
  /// Whether that is worth while: smaller caches than this are in the processor's own anyway.
  [[nodiscard]] bool outgrows_processor() const noexcept { return shards_.size() > 1; }

  /// Everything whose key matches is dropped, in every space; returns how many entries went. O(entries): for people.
  std::size_t drop_matching(std::string_view glob);

  // --- Owners ---

  /// Invalidates all that `owner` filled: a flush was announced.
  void bump_epoch(OwnerId owner) noexcept;
  /// Bumps every owner's epoch: empties the cache in O(1); memory is reclaimed as entries are evicted or expire.
  void bump_all_epochs() noexcept;
  /// The connection of `owner` was lost. Its entries are invalid; with Options::stale_if_error they may be served until
  /// `now` plus that to an Asker who says that the upstream is down, unless a later bump takes them away (section C).
  void lose(OwnerId owner, base::TimePoint now) noexcept;
  /// The connection of `owner` works again: ends what lose() allowed.
  void recover(OwnerId owner) noexcept;
  /// Entries of `owner` are served before `until`. kNever in TTL mode, which is also the value at start.
  void set_lease(OwnerId owner, base::TimePoint until) noexcept;
  /// Whether read() gives tickets to askers with this owner; else it answers kBypass. True at start.
  void allow_fills(OwnerId owner, bool allowed) noexcept;
  [[nodiscard]] std::uint32_t epoch(OwnerId owner) const noexcept;

  // --- Upkeep and introspection ---

  /// Reclaims what is past its deadline or of a dead epoch in one shard: looks at no more than `budget` slots, going on
  /// where the last call stopped; returns how many entries went. Returns at once while nothing can be due. Deadlines
  /// are kept without it: this only gives memory back.
  std::size_t expire(std::size_t shard, base::TimePoint now, std::size_t budget);
  [[nodiscard]] std::size_t shard_count() const noexcept { return shards_.size(); }
  [[nodiscard]] Stats stats() const;
  /// All there is about a key in its space, the string entry first.
  [[nodiscard]] std::vector<Inspection> inspect(const Key& key, const Asker& asker) const;
  /// Aborts if the parts of a shard disagree with each other. O(entries), under the locks: for tests.
  void check_invariants() const;

  static constexpr std::size_t kShardEntriesMin = 4096;
  static constexpr std::size_t kShardBytesMin = 4 * 1024 * 1024;  // with less, size classes share few pages
  static constexpr std::size_t kShardsMax = 256;

 private:
  friend class WriteGuard;
  [[nodiscard]] std::size_t shard_number(std::uint64_t hash) const noexcept;
  [[nodiscard]] Shard& shard_of(std::uint64_t hash) const noexcept { return *shards_[shard_number(hash)]; }
  void end_write(std::uint64_t key_hash, std::uint64_t activity) noexcept;
  void end_write_of_all() noexcept;

  const base::HashSeed seed_;
  const Rules rules_;
  const std::unique_ptr<Owners> owners_;
  const std::unique_ptr<SystemMemory> memory_;
  std::vector<std::unique_ptr<Shard>> shards_;  // constant after construction; each has its own mutex
};

/// Keeps the promise of R3 for one forwarded write. Movable, owned by whoever waits for the reply; one thread at a
/// time. Holds hashes, not key bytes: a false match drops an entry too many, which is harmless. The cache must outlive
/// it. Destroy it before the reply is queued to the client.
class WriteGuard {
 public:
  WriteGuard() = default;
  ~WriteGuard() { release(); }
  WriteGuard(WriteGuard&& other) noexcept { take(other); }
  WriteGuard& operator=(WriteGuard&& other) noexcept {
    if (this == &other) return *this;
    release();
    take(other);
    return *this;
  }

  /// Drops and detaches for the second time; then guards nothing.
  void release() noexcept {
    if (cache_ != nullptr) end();
  }
  /// For a write that certainly did not run: guards nothing any more, and drops nothing.
  void dismiss() noexcept {
    cache_ = nullptr;
    more_hashes_.reset();
  }
  [[nodiscard]] bool active() const noexcept { return cache_ != nullptr; }

  /// So many keys need no memory of their own; nearly every write has one or two.
  static constexpr std::size_t kInlineKeys = 2;

 private:
  friend class Cache;
  void end() noexcept;
  void take(WriteGuard& other) noexcept {
    cache_ = std::exchange(other.cache_, nullptr);
    if (cache_ == nullptr) return;
    all_ = std::exchange(other.all_, false);
    count_ = std::exchange(other.count_, 0u);
    more_hashes_ = std::move(other.more_hashes_);
    if (more_hashes_) return;
    for (std::uint32_t i = 0; i < count_; ++i) {
      hashes_[i] = other.hashes_[i];
      activities_[i] = other.activities_[i];
    }
  }

  Cache* cache_ = nullptr;
  bool all_ = false;
  std::uint32_t count_ = 0;
  std::uint64_t hashes_[kInlineKeys];             // the first count_, unless there are more_hashes_
  std::uint64_t activities_[kInlineKeys];         // as of the first drop
  std::unique_ptr<std::uint64_t[]> more_hashes_;  // all of them, when there are more than kInlineKeys
};

}  // namespace anteroom::cache
