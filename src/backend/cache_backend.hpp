#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/byte_queue.hpp"
#include "base/clock.hpp"
#include "base/staged_error.hpp"

namespace anteroom::backend {

/// Names a fetch for whoever started it; this layer only hands it back.
enum class FetchId : std::uint64_t {};

/// What became of a fetch; on the loop thread, never from inside fetch(). Per fetch: on_value and then on_ttl, or
/// on_value and then on_failed (the value is good, its time to live is not known), or on_server_error or on_too_large
/// and then on_ttl or on_failed, or on_failed alone.
class FetchEvents {
 public:
  /// So many at a time are told to be due.
  static constexpr std::size_t kDueMax = 16;

  /// Of the fetches that are under way these are answered next: what is kept of them may be loaded now. At most kDueMax
  /// of them, before anything is told of the first one's reply; only for speed, and not for each fetch.
  virtual void on_due(std::span<const FetchId> ids) = 0;
  /// The reply, encoded in RESP2 ("$3\r\nabc\r\n") unless the fetch wants RESP3. Null when GET or MGET answered that
  /// there is no such string.
  virtual void on_value(FetchId id, base::SharedBytes encoded_reply) = 0;
  /// The reply of the PTTL behind it: milliseconds, -1 without expiry, -2 when the key is gone by then.
  virtual void on_ttl(FetchId id, std::int64_t pttl_ms) = 0;
  /// The server answered with an error of its own (without '-' and CRLF): "WRONGTYPE ...".
  virtual void on_server_error(FetchId id, std::string_view error) = 0;
  /// A string in the reply is longer than this connection carries: to be read in another way. Where the reply is that
  /// string, this comes before the rest of it has.
  virtual void on_too_large(FetchId id) = 0;
  virtual void on_failed(FetchId id, const base::StagedError& error) = 0;

 protected:
  ~FetchEvents() = default;
};

/// What a server told of itself when the fill connection was made.
struct Greeting {
  bool tracks = false;               ///< every key read on this connection is watched until it changes
  std::string why_not;               ///< if it does not, and was asked to: one line
  bool speaks_resp3 = false;         ///< fetches may want replies in RESP3
  bool expires_hash_fields = false;  ///< knows times to live of single fields, which PTTL does not show
  base::TimePoint fence_sent{};      ///< of the first fence, which has returned
};

/// What the server says about values read before; on the loop thread, in the order of the connection's bytes, so that
/// an invalidation is heard before any reply to a command that ran after it (COHERENCE.md A.2, O1).
class CoherenceEvents {
 public:
  /// Fetches go out from now on.
  virtual void on_connected(const Greeting& greeting) = 0;
  /// The connection has ended, or could not be made. Comes before the failures of the fetches on it.
  virtual void on_lost() = 0;
  /// The key has changed, in some db, and is not watched any more.
  virtual void on_invalidated(std::string_view key) = 0;
  /// Everything has: a flush.
  virtual void on_all_invalidated() = 0;
  /// The answer to the fence that was sent at `sent`: every invalidation of what happened before has been heard (O4).
  virtual void on_fence(base::TimePoint sent) = 0;
  /// True: so much of a too large reply is still to come that whatever is under way will take its time; who can should
  /// go another way. False: that is over, in any way. They take turns.
  virtual void on_held_up(bool is_held_up) = 0;

 protected:
  ~CoherenceEvents() = default;
};

/// One fetch: of a string by GET, or of the reply to another command that reads `key`.
struct FetchRequest {
  int db = 0;
  std::string_view key;
  std::string_view command{};  ///< as a RESP array of bulk strings; empty: GET key
  bool in_resp3 = false;       ///< the reply is wanted as RESP3 has it. REQUIRES: Greeting::speaks_resp3
};

/// Where missed keys come from. One per worker, loop thread only. Arguments are copied.
class CacheBackend {
 public:
  virtual ~CacheBackend() = default;
  /// Sends the command and PTTL, pipelined, in this order (R6).
  virtual void fetch(FetchId id, const FetchRequest& request) = 0;
  /// The same for several strings, which are read at one instant, by MGET. `ids` and `keys` are of one length, not 0.
  virtual void fetch_group(std::span<const FetchId> ids, int db, std::span<const std::string_view> keys) = 0;
  /// Asks for CoherenceEvents::on_fence(). Does nothing while there is no connection, or with kFencesMax unanswered.
  virtual void fence() = 0;
  /// More is under way than is good: start a new fetch only for who has none.
  [[nodiscard]] virtual bool is_congested() const noexcept = 0;
  /// Fails what is under way and never connects again.
  virtual void close() = 0;

  static constexpr std::size_t kFencesMax = 64;
};

}  // namespace anteroom::backend
