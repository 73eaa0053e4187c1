#pragma once

#include <cstddef>

#include "base/byte_queue.hpp"
#include "proxy/cached_reads.hpp"
#include "proxy/reply_queue.hpp"
#include "proxy/session_id.hpp"

namespace anteroom::proxy {

/// Those who wait for fetches. Loop thread only.
class FillReaders {
 public:
  /// A reply, encoded, for `slot` of that session, if it still lives; `part` of it, if it is put together from several.
  virtual void on_fill_reply(SessionId session, ReplyQueue::Slot slot, std::size_t part,
                             const base::SharedBytes& encoded) = 0;
  /// The fetch brings nothing: the session is to read on a link, where the reply is passed on in pieces. `read` is what
  /// it asked for, of an MGET only a part.
  virtual void on_fill_left(SessionId session, ReplyQueue::Slot slot, std::size_t part, const CacheableRead& read) = 0;

 protected:
  ~FillReaders() = default;
};

}  // namespace anteroom::proxy
