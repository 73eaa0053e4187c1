#pragma once

#include <cstddef>
#include <cstring>

namespace anteroom::resp {

/// Headers as nearly everybody writes them, so that no state is needed to read one: a type, one to four digits without
/// leading zeros, CRLF. What is otherwise in any way is left to the states of who asks. Pure.

/// So long is the longest. What has no empty argument or string behind its header has at least so many bytes in all.
inline constexpr std::ptrdiff_t kPlainHeaderBytes = 7;
inline constexpr unsigned kPlainNumberMax = 9999;
/// What plain_header() gives where there is none.
inline constexpr unsigned kNotPlain = ~0U;
/// '\r' and, in a plain header, '\n'. In others Redis takes whatever follows.
inline constexpr std::size_t kLineEndBytes = 2;

[[nodiscard]] inline bool is_line_end(const char* at) noexcept { return std::memcmp(at, "\r\n", kLineEndBytes) == 0; }

/// The number in the header that begins at `at`, which then points behind it. kNotPlain if there is no plain header
/// there, or fewer than kPlainHeaderBytes before `end`.
[[nodiscard]] inline unsigned plain_header(char type, const char*& at, const char* end) noexcept {
  const auto digit = [](char c) { return static_cast<unsigned>(c) - '0'; };  // above 9 if it is none
  if (end - at < kPlainHeaderBytes || *at != type) return kNotPlain;
  unsigned number = digit(at[1]);
  if (number > 9) return kNotPlain;
  at += 2;
  // Behind a leading zero no other digit may follow.
  while (*at != '\r' && digit(*at) <= 9 && number != 0 && number <= kPlainNumberMax / 10) {
    number = number * 10 + digit(*at++);
  }
  if (!is_line_end(at)) return kNotPlain;
  at += kLineEndBytes;
  return number;
}

}  // namespace anteroom::resp
