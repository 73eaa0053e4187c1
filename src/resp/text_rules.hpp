#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>

#include "base/ascii.hpp"
#include "base/parse_int.hpp"

namespace anteroom::resp {

/// Which line of a simple type is legal; one place for ReplyScanner and parse_value, which must agree. RESP3.md,
/// "Simple types".

/// More digits than any int64 has ("-9223372036854775808"); also the most of a line that is_legal_text() looks at.
inline constexpr std::size_t kNumberBytesMax = 20;

/// Elements of one aggregate, pairs counted once: the limit that hiredis has.
inline constexpr std::int64_t kAggregateCountMax = std::numeric_limits<std::uint32_t>::max();

/// "txt:" before the bytes of a verbatim string.
inline constexpr std::int64_t kVerbatimPrefixBytes = 4;

/// A byte at `index` of a `type` line, neither CR nor LF.
[[nodiscard]] constexpr bool is_legal_text_byte(char type, char c, std::size_t index) noexcept {
  switch (type) {
    case '+':
    case '-':
    case '(':  // a script may return any text for one, and Redis passes it on
      return true;
    case ':':
      return index < kNumberBytesMax && (base::is_digit(c) || (index == 0 && (c == '-' || c == '+')));
    case ',':
      return base::is_digit(c) || std::string_view("+-.eEinfa").contains(c);
    case '#':
      return index == 0 && (c == 't' || c == 'f');
    default:
      return false;
  }
}

/// A line of `size` legal bytes, of which `head` is what fits into kNumberBytesMax.
[[nodiscard]] inline bool is_legal_text(char type, std::string_view head, std::size_t size) noexcept {
  switch (type) {
    case '+':
    case '-':
    case '(':
      return true;
    case ':':
      return base::parse_int(head.starts_with('+') && !head.starts_with("+-") ? head.substr(1) : head).has_value();
    default:
      return size > 0;
  }
}

}  // namespace anteroom::resp
