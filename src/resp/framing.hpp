#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

namespace anteroom::resp {

/// What the writer and encode() share: the pieces every RESP element is made of.

inline constexpr std::string_view kLineEnd = "\r\n";

inline void append_number(std::string& out, std::int64_t number) {
  char digits[std::numeric_limits<std::int64_t>::digits10 + 2];  // all digits and a sign
  out.append(digits, std::to_chars(digits, digits + sizeof digits, number).ptr);
}

/// "*3\r\n": the line before the bytes or the elements.
inline void append_header(std::string& out, char type, std::size_t count) {
  out += type;
  append_number(out, static_cast<std::int64_t>(count));
  out += kLineEnd;
}

/// One element with a length before its bytes.
inline void append_counted(std::string& out, char type, std::string_view bytes) {
  append_header(out, type, bytes.size());
  out += bytes;
  out += kLineEnd;
}

}  // namespace anteroom::resp
