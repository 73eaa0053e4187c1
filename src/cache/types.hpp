#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/mutex.hpp"

/// The plain types of the cache's interface.
namespace anteroom::cache {

/// What GET answers for a key that does not exist. Replies are kept as RESP2 has them.
inline constexpr std::string_view kNullBulk = "$-1\r\n";

/// Namespace of a key: two sessions that must not see each other's value of one name (another db, later another user)
/// read in different spaces. Spaces above kSpaceMax are not cached.
enum class Space : std::uint32_t {};
inline constexpr std::uint32_t kSpaceMax = 0xffff;

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

/// How a string entry answers a command other than GET.
struct View {
  enum class Kind : std::uint8_t {
    kNone,    ///< not at all: only a result entry answers
    kLength,  ///< STRLEN
    kExists,  ///< EXISTS of one key
    kRange,   ///< GETRANGE and SUBSTR
    kType,    ///< TYPE; a key of another type than string is no hit
  };
  Kind kind = Kind::kNone;
  std::int64_t first = 0;  ///< kRange: as in the command, negative from the end
  std::int64_t last = 0;
};

enum class SnapshotView : std::uint8_t { kMget, kExists };

/// What a read asks for. Made by Cache::string_query() and Cache::result_query().
struct Query {
  Key key;
  std::string_view request{};  ///< empty: the string itself
  std::uint64_t request_hash = 0;
  View view{};
};

/// Names one fetch that is under way. Never reused while the process lives; never 0.
using FillId = std::uint64_t;

/// Who reads, and when.
struct Asker {
  OwnerId owner{};  ///< of the fills that this read may start
  base::TimePoint now{};
  bool upstream_is_down = false;  ///< then Options::stale_if_error applies
};

enum class ReadStatus : std::uint8_t {
  kHit,     ///< the encoded reply was appended to `out`
  kNil,     ///< GET of a key that is known not to exist; nothing was appended, the caller writes its protocol's null
  kFill,    ///< the caller holds the attached fill `fill` and must see to it that it is fetched on the connection of
            ///< `owner` and then committed or abandoned; that is the asker's own unless the key has entries of another
  kJoin,    ///< `owner` is fetching it as `fill`; its reply is new enough for this read (R4)
  kBypass,  ///< read it from the server without caching it: the owner may not fill, its lease is over, the key is
            ///< written too often, its reply is known to be too large, or its name is too long
};

struct ReadResult {
  ReadStatus status = ReadStatus::kBypass;
  OwnerId owner{};
  /// With kFill and kJoin. With kHit and kNil not 0 if the entry was past its soft deadline
  /// (Options::stale_while_revalidate) and the caller is to fetch it anew in the background: then as with kFill.
  FillId fill = 0;
};

enum class EntryKind : std::uint8_t {
  kValue,
  kNil,        ///< string entries only: the key does not exist; no reply is stored
  kWrongType,  ///< string entries only: the key holds another type; the reply is the error of GET
};

/// An entry is fresh before `soft` (the cache's own limit) and must not be served at or past `hard` (the end that the
/// server gave the key; kNever without one). soft <= hard. Kept in milliseconds, rounded down: both take effect up to
/// 1 ms early, never late, and after 24 days at the latest.
struct Deadlines {
  base::TimePoint soft = base::kNever;
  base::TimePoint hard = base::kNever;
};

/// Why a key is dropped; counted apart.
enum class DropCause : std::uint8_t {
  kPush,      ///< the server announced a change
  kWrite,     ///< a write of ours was forwarded or acknowledged
  kObserved,  ///< a newer value went by (R14)
  kRequest,   ///< somebody asked for it
};

enum class Policy : std::uint8_t { kLru, kS3Fifo };

/// For tests only: each `false` switches one rule of COHERENCE.md A.3 off, to show that the tests notice.
struct Rules {
  bool push_detaches_fills = true;  ///< R1: drop(kPush) detaches, and commit() wants the fill attached
  bool ack_drops = true;            ///< R3: the end of a write guard drops entries and detaches fills
  bool ack_detaches_fills = true;   ///< R4: the end of a write guard detaches fills (entries are dropped all the same)
  bool loss_bumps_epoch = true;     ///< R7: lose() invalidates entries and fills
  bool lease_limits_hits = true;    ///< R8: a hit needs the owner's lease
};

struct Options {
  std::size_t capacity = 1024;             ///< entries; at least 1
  std::size_t capacity_bytes = 0;          ///< bytes of all memory of entries: slots, index, ghosts; 0 = no limit.
                                           ///< Fetches under way and what a shard keeps for them (28 KiB) come on top
  std::size_t max_entry_bytes = 1u << 20;  ///< name and reply of one entry; larger ones are not cached. With a limit of
                                           ///< bytes also at most 1/16 of a shard's part of it
  unsigned workers = 1;                    ///< threads that will use the cache; bounds the number of shards
  Policy policy = Policy::kLru;
  base::Duration stale_while_revalidate{};  ///< past `soft`: served while one fill fetches it anew
  base::Duration stale_if_error{};          ///< past `soft` or after lose(): served while the upstream is down
  base::Duration hot_write_bypass{};        ///< how long a key is bypassed after kHotWriteDetaches fills of it in a row
                                            ///< were detached by drops; 0 = never
  Rules rules{};
};
inline constexpr unsigned kHotWriteDetaches = 5;

/// Sums over all shards. The first group is of this moment, the rest counts since start.
struct Stats {
  std::uint64_t entries = 0;  ///< as Options::capacity counts: a key that has results is one more
  std::uint64_t bytes = 0;    ///< pages of slots, large replies, index, ghosts
  std::uint64_t index_bytes = 0, payload_bytes = 0;  ///< payload: names and replies; the rest of `bytes` is overhead
  std::uint64_t fills_attached = 0;

  std::uint64_t hits = 0, nil_hits = 0, stale_hits = 0, misses = 0;  ///< stale_hits are hits, too; misses were told
                                                                     ///< kFill or kJoin
  std::uint64_t snapshot_hits = 0, snapshot_misses = 0;              ///< calls of read_snapshot(); not in hits, misses
  std::uint64_t bypass_not_coherent = 0, bypass_lease = 0, bypass_hot_write = 0, bypass_name = 0;
  std::uint64_t bypass_large = 0;       ///< the reply is known to be too large to be fetched
  std::uint64_t bypass_many_fills = 0;  ///< so many requests about the key are being fetched that one more is too many
  std::uint64_t fills_started = 0, fills_joined = 0, fills_committed = 0, fills_abandoned = 0;
  std::uint64_t detached_push = 0, detached_write = 0, detached_epoch = 0, detached_superseded = 0;
  std::uint64_t detached_request = 0;
  std::uint64_t refused_size = 0;  ///< replies that were too large (Options::max_entry_bytes)
  std::uint64_t evicted_capacity = 0, evicted_bytes = 0, evicted_expired = 0, evicted_epoch = 0;
  std::uint64_t drops_push = 0, drops_push_spurious = 0;  ///< calls with kPush; spurious: neither entry nor fill
  std::uint64_t dropped = 0;                              ///< strings and results removed, for whatever DropCause
  std::uint64_t epoch_bumps = 0;
  std::uint64_t ghost_hits = 0;     ///< S3-FIFO
  std::uint64_t rehashes = 0;       ///< of the index while serving; must stay 0
  base::Mutex::Waits lock_waits{};  ///< for shards; its longest is the longest of all
};

/// One entry or fill of a key, for people.
struct Inspection {
  enum class What : std::uint8_t { kString, kResult, kFill };
  /// Why a lookup would or would not be answered from it.
  enum class Verdict : std::uint8_t { kServed, kServedStale, kExpired, kOldEpoch, kNoLease, kFetching };
  What what = What::kString;
  Verdict verdict = Verdict::kServed;
  EntryKind kind = EntryKind::kValue;
  std::string request{};  ///< of a result, as given to Cache::result_query()
  OwnerId owner{};
  std::uint32_t epoch = 0;
  std::uint32_t current_epoch = 0;  ///< of the owner
  std::size_t reply_bytes = 0;
  base::Duration age{};
  Deadlines deadlines{};
};

}  // namespace anteroom::cache
