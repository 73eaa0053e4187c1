#pragma once

#include <cstdint>
#include <string_view>

#include "base/byte_queue.hpp"
#include "base/staged_error.hpp"

namespace anteroom::backend {

/// Names a fetch for whoever started it; this layer only hands it back.
enum class FetchId : std::uint64_t {};

/// What became of a fetch; on the loop thread, never from inside fetch(). Per fetch: on_value and then on_ttl, or
/// on_value and then on_failed (the value is good, its time to live is not known), or on_server_error, or on_failed.
/// Exactly one of the last call of each.
class FetchEvents {
 public:
  /// The reply of GET, encoded as a RESP bulk string ("$3\r\nabc\r\n"); null when the key does not exist.
  virtual void on_value(FetchId id, base::SharedBytes encoded_reply) = 0;
  /// The reply of the PTTL behind it: milliseconds, -1 without expiry, -2 when the key is gone by then.
  virtual void on_ttl(FetchId id, std::int64_t pttl_ms) = 0;
  /// The server answered GET with an error of its own (without '-' and CRLF): "WRONGTYPE ...".
  virtual void on_server_error(FetchId id, std::string_view error) = 0;
  virtual void on_failed(FetchId id, const base::StagedError& error) = 0;

 protected:
  ~FetchEvents() = default;
};

/// Where missed keys come from. One per worker, loop thread only.
class CacheBackend {
 public:
  virtual ~CacheBackend() = default;
  /// Sends GET and PTTL for `key` in `db`, pipelined, in this order (R6). The key is copied.
  virtual void fetch(FetchId id, int db, std::string_view key) = 0;
  /// More is under way than is good: start a new fetch only for who has none.
  [[nodiscard]] virtual bool is_congested() const noexcept = 0;
  /// Fails what is under way and never connects again.
  virtual void close() = 0;
};

}  // namespace anteroom::backend
