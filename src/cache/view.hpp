#pragma once

#include <cstdint>
#include <string_view>

#include "base/byte_queue.hpp"
#include "cache/types.hpp"

namespace anteroom::cache {

/// Whether append_view() would answer.
[[nodiscard]] bool answers_view(EntryKind kind, std::string_view reply, View::Kind view) noexcept;

/// Answers STRLEN, EXISTS, GETRANGE or TYPE of a key from what GET has answered, exactly as Redis 7.0 does. `reply` is
/// the stored reply to GET: an encoded bulk string, nothing for kNil, the error for kWrongType. Appends the encoded
/// answer to `out`; false, and nothing appended, if the entry does not tell: TYPE of a key of another type, a value
/// that is no bulk string, View::Kind::kNone.
bool append_view(EntryKind kind, std::string_view reply, const View& view, base::ByteQueue& out);

}  // namespace anteroom::cache
