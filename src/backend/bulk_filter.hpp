#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace anteroom::backend {

/// Stands between a server's bytes and a parser that collects replies whole: a bulk (string, verbatim string, blob
/// error) longer than a limit is taken off the stream without being kept, and an error, kTooLarge, stands in its place
/// as soon as its header has come. Everything else passes as it is, malformed bytes too: the parser judges them.
///
/// That needs no stack, for RESP is free of context at the level of lines: a line that begins with '$', '=' or '!' and
/// names a length is followed by so many bytes and CRLF, every other line by another line, at any nesting.
///
/// One connection, one thread. Works in place; owns but the beginning of a header, kHeldMax bytes at most.
class BulkFilter {
 public:
  /// The text of the error. It is what no server says, but nothing relies on that.
  static constexpr std::string_view kTooLarge = "LARGE";
  /// The header of what is longer than that has room for the error.
  static constexpr std::size_t kBulkBytesMin = 9999;
  /// The longest header is "$18446744073709551615\r\n"; a longer line is none.
  static constexpr std::size_t kHeldMax = 24;

  /// REQUIRES: `bulk_bytes_max` >= kBulkBytesMin.
  explicit BulkFilter(std::size_t bulk_bytes_max);

  /// Puts what is held back at the front of `buffer` and returns the room behind it, where the next bytes belong. May
  /// be called again if none came. REQUIRES: the buffer is larger than kHeldMax.
  [[nodiscard]] std::span<char> prepare(std::span<char> buffer) const noexcept;
  /// `added` bytes have come into that room. Returns how many are left at the front of `buffer`; it may be none.
  [[nodiscard]] std::size_t filter(std::span<char> buffer, std::size_t added) noexcept;

  /// Bytes still to come of a bulk that is taken off the stream.
  [[nodiscard]] std::uint64_t bytes_to_skip() const noexcept { return state_ == State::kSkipping ? left_ : 0; }

 private:
  enum class State : std::uint8_t {
    kLineStart,
    kHeader,   // in a line that may be a bulk's header: what has come of it is in held_
    kLine,     // in any other line
    kPayload,  // left_ bytes pass
    kSkipping  // left_ bytes do not
  };
  struct Cursor;

  void take_header(Cursor& at) noexcept;
  void take_line(Cursor& at) noexcept;
  void take_payload(Cursor& at) noexcept;

  const std::size_t bulk_bytes_max_;
  State state_ = State::kLineStart;
  bool after_return_ = false;  // kLine: the last byte was '\r'
  std::uint64_t left_ = 0;
  std::array<char, kHeldMax> held_{};
  std::size_t held_size_ = 0;
};

}  // namespace anteroom::backend
