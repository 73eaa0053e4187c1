#include "cache/view.hpp"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <limits>

namespace anteroom::cache {
namespace {

constexpr std::string_view kEmptyBulk = "$0\r\n\r\n";
constexpr std::string_view kLineEnd = "\r\n";

void append_number_line(char type, std::size_t number, base::ByteQueue& out) {
  char line[1 + std::numeric_limits<std::size_t>::digits10 + 1 + kLineEnd.size()];
  char* end = line;
  *end++ = type;
  end = std::to_chars(end, line + sizeof line - kLineEnd.size(), number).ptr;
  end = std::copy(kLineEnd.begin(), kLineEnd.end(), end);
  out.append({line, static_cast<std::size_t>(end - line)});
}

// REQUIRES: `reply` is an encoded bulk string.
std::string_view payload_of(std::string_view reply) noexcept {
  const std::size_t begin = reply.find('\n') + 1;
  return reply.substr(begin, reply.size() - begin - kLineEnd.size());
}

// getrangeCommand of Redis 7.0, with its corner: an end before the beginning counts as the first byte.
std::string_view range_of(std::string_view value, std::int64_t first, std::int64_t last) noexcept {
  const auto size = static_cast<std::int64_t>(value.size());
  if (size == 0 || (first < 0 && last < 0 && first > last)) return {};
  if (first < 0) first = std::max<std::int64_t>(size + first, 0);
  if (last < 0) last = std::max<std::int64_t>(size + last, 0);
  last = std::min(last, size - 1);
  if (first > last) return {};
  return value.substr(static_cast<std::size_t>(first), static_cast<std::size_t>(last - first + 1));
}

void append_bulk(std::string_view value, base::ByteQueue& out) {
  append_number_line('$', value.size(), out);
  out.append(value);
  out.append(kLineEnd);
}

void append_view_of_nil(View::Kind view, base::ByteQueue& out) {
  switch (view) {
    case View::Kind::kLength:
    case View::Kind::kExists:
      return out.append(":0\r\n");
    case View::Kind::kRange:
      return out.append(kEmptyBulk);
    case View::Kind::kType:
      return out.append("+none\r\n");
    case View::Kind::kNone:
      return;
  }
}

void append_view_of_value(std::string_view value, const View& view, base::ByteQueue& out) {
  switch (view.kind) {
    case View::Kind::kLength:
      return append_number_line(':', value.size(), out);
    case View::Kind::kExists:
      return out.append(":1\r\n");
    case View::Kind::kRange:
      return append_bulk(range_of(value, view.first, view.last), out);
    case View::Kind::kType:
      return out.append("+string\r\n");
    case View::Kind::kNone:
      return;
  }
}

}  // namespace

bool answers_view(EntryKind kind, std::string_view reply, View::Kind view) noexcept {
  if (view == View::Kind::kNone) return false;
  if (kind == EntryKind::kWrongType) return view != View::Kind::kType;
  // The shortest bulk string is the empty one; "$-1" is shorter.
  return kind == EntryKind::kNil || (reply.starts_with('$') && reply.size() >= kEmptyBulk.size());
}

bool append_view(EntryKind kind, std::string_view reply, const View& view, base::ByteQueue& out) {
  if (!answers_view(kind, reply, view.kind)) return false;
  switch (kind) {
    case EntryKind::kNil:
      append_view_of_nil(view.kind, out);
      break;
    case EntryKind::kWrongType:
      out.append(view.kind == View::Kind::kExists ? std::string_view(":1\r\n") : reply);
      break;
    case EntryKind::kValue:
      append_view_of_value(payload_of(reply), view, out);
      break;
  }
  return true;
}

}  // namespace anteroom::cache
