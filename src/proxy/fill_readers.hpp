#pragma once

#include <cstddef>

#include "base/byte_queue.hpp"
#include "proxy/reply_queue.hpp"
#include "proxy/session_id.hpp"

namespace anteroom::proxy {

/// Those who wait for fetches. Loop thread only.
class FillReaders {
 public:
  /// A reply, encoded, for `slot` of that session, if it still lives; `part` of it, if it is put together from several.
  virtual void on_fill_reply(SessionId session, ReplyQueue::Slot slot, std::size_t part,
                             const base::SharedBytes& encoded) = 0;

 protected:
  ~FillReaders() = default;
};

}  // namespace anteroom::proxy
