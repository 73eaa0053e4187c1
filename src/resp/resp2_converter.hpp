#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/byte_queue.hpp"
#include "resp/reply_shape.hpp"
#include "resp/text_rules.hpp"

namespace anteroom::resp {

/// Turns one reply in RESP3 into what the same server writes to a client that speaks RESP2: maps and sets become
/// arrays, doubles and big numbers bulk strings, booleans integers; attributes are dropped (UPSTREAM.md B7.2). Takes
/// the reply in pieces cut anywhere and passes on what it has understood: neither a reply nor a string is collected,
/// except streamed ones, whose size RESP2 wants first. What both protocols write alike is found and copied, no more.
///
/// Accepts what ReplyScanner accepts. One thread; used again for the next reply after reset().
class Resp2Converter {
 public:
  enum class Step {
    kNeedMore,
    kReply,        ///< all of the reply has been appended
    kDroppedPush,  ///< it was a push, and nothing has been appended
    kError,        ///< sticky; what has been appended is no whole reply, so whoever was to get it must be left
  };

  struct Result {
    Step step;
    /// How many of the given bytes belong to this reply. All of them on kNeedMore; of no meaning on kError.
    std::size_t used;
  };

  struct Options {
    /// True turns pushes into arrays, as a client of RESP2 gets the messages it has subscribed to.
    bool keeps_pushes = false;
    /// Of nested aggregates, as in ReplyScanner.
    std::size_t depth_max = 8192;
    /// Streamed strings and aggregates (no server of today sends them), and the digits of one number (a script may send
    /// any): more is kError.
    std::size_t held_bytes_max = std::size_t{16} * 1024 * 1024;
  };

  Resp2Converter() = default;
  explicit Resp2Converter(ReplyShape shape) : Resp2Converter(shape, Options{}) {}
  Resp2Converter(ReplyShape shape, const Options& options) : options_(options), shape_(shape) {}

  /// Forgets everything but the options; the next byte begins a reply of this shape. `queued` has the shapes of the
  /// elements when the reply is EXEC's, whose own shape has no pairs; elements beyond them are taken as typed.
  void reset(ReplyShape shape, std::vector<ReplyShape> queued = {});

  /// Goes on where the last call stopped, appends to `out`, and stops right after the end of the reply.
  [[nodiscard]] Result convert(std::string_view bytes, base::ByteQueue& out);
  [[nodiscard]] Result convert(std::string_view bytes, std::string& out);

 private:
  enum class State : std::uint8_t {
    kType,  // a type byte is next
    kText,  // the line of a string or an error, passed on as it comes
    kTextLineFeed,
    kLine,            // any other line, wanted whole
    kVerbatimPrefix,  // "txt:", not passed on
    kData,            // bytes of a string or a chunk
    kDataReturn,
    kDataLineFeed,
    kDone,
    kFailed,
  };
  enum class Kind : std::uint8_t {
    kPlain,        // elements are passed on one by one
    kMaybeFlat,    // an array whose first element, and therefore header, is still to come
    kFlat,         // an array of pairs that are merged into it
    kPairsOfMap,   // a map that becomes an array of pairs
    kAttribute,    // dropped
    kDroppedPush,  // dropped
  };
  enum class Verdict : std::uint8_t { kGoOn, kElementDone, kBad };
  struct Level {
    std::int64_t missing;  // elements still to come, or kStreamed when a '.' ends them
    Kind kind;
    bool is_map = false;
    std::int64_t seen = 0;
    std::size_t held_begin = 0;  // streamed: where its elements begin in held_
  };
  /// One call's bytes. Those from `run` to `at` go through unchanged and have not been appended yet.
  struct Feed {
    std::string_view bytes;
    base::ByteQueue* queue;
    std::string* text;
    std::size_t at = 0;
    std::size_t run = 0;
    std::size_t line_begin = 0;  // of the line in work, if `is_line_here`
    bool is_line_here = false;   // the whole line is in `bytes`, not in line_
  };
  static constexpr std::int64_t kStreamed = -1;

  Result convert(Feed& feed);
  Verdict take(Feed& feed);
  Verdict take_type(Feed& feed);
  Verdict begin_element(Feed& feed, char type);
  Verdict take_text(Feed& feed);
  Verdict take_line(Feed& feed);
  Verdict end_line(Feed& feed, std::string_view line);
  Verdict end_number(Feed& feed, char type, std::string_view text);
  Verdict end_length(Feed& feed, char type, std::string_view text);
  Verdict end_chunk_length(Feed& feed, std::string_view text);
  Verdict begin_string(Feed& feed, char type, std::int64_t size);
  Verdict begin_aggregate(Feed& feed, char type, std::int64_t count);
  Verdict begin_pair(Feed& feed);
  Verdict begin_streamed(Feed& feed, char type);
  Verdict end_streamed(Feed& feed);
  void end_held(Feed& feed, std::size_t begin, char type, std::int64_t count);
  Verdict skip_verbatim_prefix(Feed& feed);
  Verdict take_data(Feed& feed);
  Verdict take_line_end(Feed& feed);
  Verdict pass_whole_strings(Feed& feed);
  bool close_levels(Feed& feed);
  void settle_header(Feed& feed, std::size_t element_begin, bool is_flat);
  Verdict push_level(Level level);
  void end_reply();

  // The line in work goes through as it is, or `text` takes its place.
  void pass_line(Feed& feed);
  void replace_line(Feed& feed, std::string_view text);
  void flush(Feed& feed, std::size_t end);
  void emit(Feed& feed, std::string_view text);

  [[nodiscard]] bool is_root() const noexcept { return dropped_levels_ == 0 && levels_.size() == root_; }
  [[nodiscard]] bool is_null_array() const noexcept;

  Options options_{};
  ReplyShape shape_{};  // of the element at depth root_
  std::vector<ReplyShape> queued_;
  State state_ = State::kType;
  bool owes_element_ = false;  // an attribute has ended, what it describes has not begun
  bool is_streamed_string_ = false;
  bool is_error_text_ = false;  // the data is that of a blob error: line ends become spaces
  bool is_push_dropped_ = false;
  bool is_held_too_large_ = false;
  std::size_t root_ = 0;  // depth of what shape_ describes: 1 in EXEC's reply
  std::size_t dropped_levels_ = 0;
  std::size_t held_parts_ = 0;             // streamed strings and aggregates that are open
  std::size_t streamed_string_begin_ = 0;  // in held_
  std::int64_t data_missing_ = 0;
  std::int64_t prefix_missing_ = 0;
  std::string line_;  // a line of which a part came in an earlier piece
  std::string held_;  // elements of streamed aggregates, bytes of a streamed string
  std::vector<Level> levels_;
};

}  // namespace anteroom::resp
