#pragma once

#include <cstdint>

namespace anteroom::resp {

/// What the types of a RESP3 reply do not say about the same reply in RESP2: RESP3 has one null and pairs, RESP2 has
/// two nulls and flat arrays, and which of them a server writes depends on the command (UPSTREAM.md B7.2; measured with
/// redis-server 7.0.15). command::reply_shape() knows it for each request. A small value; the default is a reply whose
/// types say all.
struct ReplyShape {
  enum class Pairs : std::uint8_t {
    kAsTyped,  ///< maps become flat arrays, arrays stay as they are
    kFlat,     ///< an array of "*2" arrays becomes one flat array: members with scores, fields with values
    kOfMap,    ///< a map becomes an array of pairs: streams with their entries
  };
  /// Which nulls are "*-1"; all others are "$-1".
  enum class NullArrays : std::uint8_t {
    kNone,
    kReply,            ///< the reply itself: nothing was popped, nothing was read, EXEC was aborted
    kElements,         ///< elements of the reply: GEOPOS
    kFourthElement,    ///< consumers in the summary of XPENDING
    kReplyAndEntries,  ///< the reply itself, and the fields of entries in a map of streams: XREADGROUP
  };

  Pairs pairs = Pairs::kAsTyped;
  NullArrays null_arrays = NullArrays::kNone;

  friend bool operator==(const ReplyShape&, const ReplyShape&) = default;
};

}  // namespace anteroom::resp
