#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <type_traits>

#include "base/check.hpp"

/// The state of a modelled Redis, its channels and its clients, for the exhaustive test of fills, pushes, write guards
/// and epochs (COHERENCE.md A.2, A.3). All of it is bytes without padding, so that states are compared as memory.
namespace anteroom::test {

/// Number of a write to the server, from 0, what the keys held at the start.
using Version = std::uint8_t;

/// A queue inside a State. What is beyond its end is zero, as comparing states as memory needs.
template <typename T, std::size_t kMax>
class Short {
 public:
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] T* begin() { return items_.data(); }
  [[nodiscard]] T* end() { return items_.data() + size_; }
  [[nodiscard]] const T* begin() const { return items_.data(); }
  [[nodiscard]] const T* end() const { return items_.data() + size_; }
  [[nodiscard]] const T& front() const { return items_[0]; }
  void push(const T& item) {
    ANTEROOM_CHECK(size_ < kMax);
    items_[size_++] = item;
  }
  T pop() {
    ANTEROOM_CHECK(size_ > 0);
    const T first = items_[0];
    --size_;
    for (std::size_t i = 0; i < size_; ++i) items_[i] = items_[i + 1];
    items_[size_] = T{};
    return first;
  }
  void clear() { *this = Short{}; }

 private:
  std::uint8_t size_ = 0;
  std::array<T, kMax> items_{};
};

inline constexpr std::size_t kModelKeys = 2;
inline constexpr std::size_t kVersionsMax = 8;
/// In units of the model's time: a value may be served so long after the fence that vouches for it was sent.
inline constexpr std::uint8_t kModelStaleness = 2;

/// On its way to the server on the fill connection.
enum class Command : std::uint8_t { kNone, kGet, kMget, kTtl, kFence };
struct Sent {
  Command command = Command::kNone;
  std::uint8_t detail = 0;  ///< the key; of a fence, when it was sent
};

/// On its way back: replies and pushes, in the one order in which the server wrote them (O1).
enum class Item : std::uint8_t { kNone, kValue, kValues, kTtl, kPush, kFence };
struct Received {
  Item item = Item::kNone;
  std::uint8_t detail = 0;  ///< as in Sent; the key of a push
  std::array<Version, kModelKeys> versions{};
};

/// A fetch that has not ended, on the side of the proxy. Replies come in the order of the commands, so that the next
/// value is for the first that has none, and the next time to live for the first of all.
struct Fetch {
  std::uint8_t key = 0;
  std::uint8_t has_value = 0;
  /// What all who wait for it must get at least. Who they are does not matter: they are answered all at once, and the
  /// strictest of them is the first for whom a value can be too old.
  Version required = 0;
};

/// A write or a read that was sent over a shared link, which has no order with the fill connection (O3).
struct Forwarded {
  std::uint8_t is_executed = 0;
  std::uint8_t is_dropped = 0;  ///< of a write: its key was dropped for the first time, or never will be
  Version version = 0;
  Version required = 0;  ///< of a read: what it must get at least
};

/// When the key of a write is dropped for the first time. The second time is always before its acknowledgement.
enum class FirstDrop : std::uint8_t {
  kAtOnce,
  kLater,  ///< at any time after that, also when the server has executed the write; before the second time
  kNever,  ///< as when it is not known whether the write will be sent
};

struct State {
  // The server.
  std::array<Version, kModelKeys> version{};
  std::array<std::uint8_t, kModelKeys> is_tracked{};
  std::array<std::uint8_t, kVersionsMax> written_at{};

  // What lies between.
  Short<Sent, 14> commands;
  Short<Received, 18> stream;
  Short<Forwarded, 3> writes;
  Short<Forwarded, 5> reads;
  std::uint8_t is_connected = 1;
  std::uint8_t now = 0;
  std::uint8_t certified = 0;  ///< when the newest fence that returned was sent

  // What the proxy shows of itself: CoherenceRig::view().
  std::array<std::uint8_t, kModelKeys> entry{};  ///< version + 1; 0 is none
  std::array<std::uint8_t, kModelKeys> is_served{};
  std::array<std::uint8_t, kModelKeys> is_attached{};
  Short<Fetch, 8> fetches;

  /// The newest version that clients know of: acknowledged to one of them, or read. Later reads must not be older.
  std::array<Version, kModelKeys> known{};

  // What has been done, for the limits of a Scope.
  std::uint8_t foreign_writes = 0, own_writes = 0, gets = 0, gets_b = 0, mgets = 0, losses = 0, fences = 0;

  // What is asked of the proxy, as in the Scope.
  std::uint8_t checks_leases = 1;
  std::uint8_t checks_entries = 1;
  std::uint8_t bounds_joins = 0;
  FirstDrop first_drop = FirstDrop::kAtOnce;
};
static_assert(std::has_unique_object_representations_v<State> && std::is_trivially_copyable_v<State>);

enum class Action : std::uint8_t {
  kGetA,            ///< a client reads the first key: a hit, a fetch, one that it joins, or forwarded
  kGetB,            ///< the second key
  kMget,            ///< both
  kForwardWrite,    ///< a client writes the first key
  kFirstDrop,       ///< the key of the oldest write that was not dropped is
  kAcknowledge,     ///< the outcome of the oldest write arrives and is given out
  kForwardedValue,  ///< the reply of the oldest forwarded read arrives and is given out
  kDeliver,         ///< the next item of the fill connection arrives
  kLose,            ///< the fill connection ends with all that is on it
  kConnect,         ///< it is there again, and tracked
  kTimePasses,
  kSendFence,
  kServerCommand,  ///< the server executes the next command of the fill connection
  kServerWrite,    ///< the oldest forwarded write
  kServerRead,     ///< the oldest forwarded read
  kForeignWrite,   ///< somebody else writes: all keys at once
};
inline constexpr std::size_t kActions = 16;

/// How often each thing may happen.
struct Scope {
  std::uint8_t foreign_writes = 0, own_writes = 0, gets = 0, gets_b = 0, mgets = 0, losses = 0, fences = 0, time = 0;
  bool checks_leases = true;   ///< that a hit is vouched for by a fence, even if its value is not too old
  bool checks_entries = true;  ///< that old entries go, even if nobody reads them
  FirstDrop first_drop = FirstDrop::kAtOnce;
  bool bounds_joins = false;  ///< that the bound of staleness holds for who joins a fetch, too
};

enum class Violation : std::uint8_t {
  kNone,
  kOldRead,      ///< older than what a client was told before, or than the bound of staleness allows
  kTorn,         ///< MGET gave values of two moments
  kOldForever,   ///< nothing is under way, and a value is served that the server does not have any more
  kNoLease,      ///< a hit although no fence vouches for it
  kNeverAnswers  ///< an attached fill that nobody fetches
};

}  // namespace anteroom::test
