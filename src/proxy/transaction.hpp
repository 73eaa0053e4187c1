#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "cache/types.hpp"
#include "proxy/reply_queue.hpp"
#include "resp/reply_shape.hpp"

namespace anteroom::proxy {

/// What a session has begun with WATCH or MULTI and not ended, as far as it has sent it: the server, which gets the
/// same commands in the same order on one link, is in the same state when it comes to them. Plain data.
struct Transaction {
  bool is_watching = false;
  bool is_open = false;       ///< MULTI was sent: what follows is queued
  bool is_confirmed = false;  ///< MULTI was answered with OK
  std::uint64_t number = 0;   ///< tells it from others of its session
  ReplyQueue::Slot slot = 0;  ///< of MULTI's reply; what is queued has greater ones
  bool is_lost = false;       ///< its link was lost, and all of it there: EXEC will tell
  /// Something was answered with an error of ours, which the server does not know of: EXEC must not run the rest.
  bool must_fail = false;
  std::size_t queued = 0;
  std::vector<std::pair<std::size_t, int>> selects{};  ///< of those queued: which, and the db
  std::vector<resp::ReplyShape> shapes{};              ///< of their replies, if these have to be converted
  std::vector<std::uint64_t> written{};                ///< hashes of the keys that EXEC will write
  bool writes_anything = false;                        ///< or so many keys that they are not remembered
  bool may_replicate = false;                          ///< EXEC may do what replicas have to be told

  /// The server keeps something of it.
  [[nodiscard]] bool is_active() const noexcept { return is_watching || is_open; }
};

}  // namespace anteroom::proxy
