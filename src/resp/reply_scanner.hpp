#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "resp/text_rules.hpp"

namespace anteroom::resp {

/// Finds where one reply ends, in RESP2 and RESP3 with pushes, attributes, streamed strings and streamed aggregates,
/// without building a tree and without needing the reply in one piece. One thread; one scanner per connection, fed its
/// bytes in order, each byte once. Memory does not depend on the reply's size, only on its depth.
///
/// Strict: what the protocol does not allow is kError, and then the connection must be closed, because the end of a
/// reply that was misunderstood would be the beginning of someone else's.
class ReplyScanner {
 public:
  enum class Step { kNeedMore, kReply, kPush, kError };

  struct Result {
    Step step;
    /// How many of the given bytes belong to this reply. All of them on kNeedMore; on kError, those before the bad one.
    std::size_t used;
  };

  /// Nothing is stored per element or byte, so these limits need not be tight. They must not be: a script of one client
  /// could return what breaks them, and the connection it would break is shared.
  struct Options {
    /// Redis 7.0's Lua returns tables 7995 deep at most (measured; LUAI_MAXCSTACK is 8000). 16 bytes are kept per
    /// level.
    std::size_t depth_max = 8192;
    /// '+', '-', '(' and ',' lines: a script can return its largest string as a status.
    std::size_t line_bytes_max = std::size_t{512} * 1024 * 1024;
    /// Elements of one aggregate, pairs counted once.
    std::int64_t aggregate_count_max = kAggregateCountMax;
    /// INFO-like and module replies are not bound by proto-max-bulk-len, and a declared size costs nothing here.
    std::int64_t bulk_bytes_max = std::int64_t{1} << 62;
  };

  ReplyScanner() noexcept = default;
  explicit ReplyScanner(const Options& options) noexcept : options_(options) {}

  /// Goes on where the last call stopped, and stops right after the end of one reply: kPush if it was an out-of-band
  /// push, else kReply. An attribute and the reply it describes count as one. kError is sticky.
  [[nodiscard]] Result scan(std::string_view bytes) noexcept;

  /// Type byte of the reply being scanned (behind its attribute, if it has one), '\0' before it is known. Stays until
  /// the next reply's first byte.
  [[nodiscard]] char type() const noexcept { return type_; }

  /// No reply has been begun and not ended.
  [[nodiscard]] bool is_between_replies() const noexcept { return !is_inside_; }

 private:
  enum class State {
    kType,       // a type byte is next
    kText,       // the line of a simple type
    kLength,     // the number of a bulk string, an aggregate or a chunk
    kChunkType,  // ';' before the next chunk of a streamed string
    kEmptyLine,  // the line end is next: null, or the end of a streamed aggregate
    kLineFeed,
    kData,  // bytes of a bulk string or a chunk
    kDataReturn,
    kDataLineFeed,
    kFailed,
  };
  enum class Kind : std::uint8_t { kSequence, kPairs, kAttribute };
  enum class Verdict { kGoOn, kElementDone, kBad };
  struct Level {
    std::int64_t missing;  // elements still to come, or kStreamed when a '.' ends them
    Kind kind;
    bool is_odd = false;  // streamed pairs: a key has been seen, its value has not
  };
  static constexpr std::int64_t kStreamed = -1;

  [[nodiscard]] std::size_t plain_reply(std::string_view bytes) const noexcept;
  Verdict take(char c) noexcept;
  Verdict take_type(char c) noexcept;
  Verdict take_text(char c) noexcept;
  Verdict take_length(char c) noexcept;
  Verdict end_line() noexcept;
  Verdict end_length() noexcept;
  Verdict end_chunk_length() noexcept;
  Verdict begin_streamed() noexcept;
  Verdict begin_aggregate(std::int64_t count) noexcept;
  Verdict push_level(Level level) noexcept;
  Verdict begin_data(std::int64_t size) noexcept;
  void skip_data(std::string_view bytes, std::size_t& at) noexcept;
  Verdict end_data() noexcept;
  // Counts a finished element in the levels around it; true when that finishes the reply.
  bool close_levels() noexcept;
  void end_reply() noexcept;

  Options options_{};
  State state_ = State::kType;
  char type_ = '\0';
  char element_ = '\0';        // type byte of the element being read; '.' for the end of a streamed aggregate
  bool is_inside_ = false;     // a reply has begun and not ended
  bool owes_element_ = false;  // an attribute has ended, what it describes has not begun
  bool is_streamed_string_ = false;
  std::size_t text_bytes_ = 0;  // of the current line, without its type byte
  std::array<char, kNumberBytesMax> number_{};
  std::int64_t data_missing_ = 0;
  std::int64_t data_seen_ = 0;
  std::vector<Level> levels_;
};

}  // namespace anteroom::resp
