#include "support/reply.hpp"

#include <charconv>
#include <ostream>
#include <utility>

namespace anteroom::test {
namespace {

constexpr int kDepthMax = 64;

struct Cursor {
  std::string_view bytes;
  std::size_t at = 0;
};

bool to_number(std::string_view digits, std::int64_t& value) {
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return error == std::errc{} && end == digits.data() + digits.size();
}

ParseStatus parse(Cursor& in, Reply& out, int depth);

ParseStatus parse_blob(Cursor& in, Reply& out, std::int64_t length) {
  const auto size = static_cast<std::size_t>(length);
  if (in.bytes.size() - in.at < size + 2) return ParseStatus::kIncomplete;
  if (in.bytes.substr(in.at + size, 2) != "\r\n") return ParseStatus::kMalformed;
  out.text = in.bytes.substr(in.at, size);
  in.at += size + 2;
  return ParseStatus::kComplete;
}

ParseStatus parse_items(Cursor& in, Reply& out, std::int64_t count, int depth) {
  if (depth >= kDepthMax) return ParseStatus::kMalformed;
  for (std::int64_t i = 0; i < count; ++i) {
    const ParseStatus status = parse(in, out.items.emplace_back(), depth + 1);
    if (status != ParseStatus::kComplete) return status;
  }
  return ParseStatus::kComplete;
}

ParseStatus parse_sized(Cursor& in, Reply& out, std::string_view header, int depth) {
  std::int64_t length = 0;
  if (!to_number(header, length) || length < -1) return ParseStatus::kMalformed;
  if (length == -1) {
    out.is_null = true;
    return out.type == '$' || out.type == '*' ? ParseStatus::kComplete : ParseStatus::kMalformed;
  }
  if (out.type == '$' || out.type == '!' || out.type == '=') return parse_blob(in, out, length);
  const bool is_pairs = out.type == '%' || out.type == '|';
  return parse_items(in, out, is_pairs ? 2 * length : length, depth);
}

ParseStatus parse(Cursor& in, Reply& out, int depth) {
  const std::size_t end = in.bytes.find("\r\n", in.at);
  if (end == std::string_view::npos) return ParseStatus::kIncomplete;
  const std::string_view line = in.bytes.substr(in.at, end - in.at);
  if (line.empty()) return ParseStatus::kMalformed;
  in.at = end + 2;
  out.type = line.front();
  const std::string_view rest = line.substr(1);
  std::int64_t ignored = 0;
  switch (out.type) {
    case '+':
    case '-':
    case ',':
    case '(':
    case '#':
      out.text = rest;
      return ParseStatus::kComplete;
    case ':':
      out.text = rest;
      return to_number(rest, ignored) ? ParseStatus::kComplete : ParseStatus::kMalformed;
    case '_':
      out.is_null = true;
      return rest.empty() ? ParseStatus::kComplete : ParseStatus::kMalformed;
    case '$':
    case '!':
    case '=':
    case '*':
    case '%':
    case '~':
    case '>':
    case '|':
      return parse_sized(in, out, rest, depth);
    default:
      return ParseStatus::kMalformed;
  }
}

}  // namespace

std::int64_t Reply::number() const {
  std::int64_t value = -1;
  if (type != ':' || !to_number(text, value)) return -1;
  return value;
}

std::ostream& operator<<(std::ostream& out, const Reply& reply) { return out << '"' << escaped(reply.raw) << '"'; }

ParsedReply parse_reply(std::string_view bytes) {
  Cursor in{.bytes = bytes};
  ParsedReply parsed;
  parsed.status = parse(in, parsed.reply, 0);
  if (parsed.status == ParseStatus::kComplete) {
    parsed.used = in.at;
    parsed.reply.raw = bytes.substr(0, in.at);
  }
  return parsed;
}

std::string encode(const std::vector<std::string_view>& args) {
  std::string out = "*" + std::to_string(args.size()) + "\r\n";
  for (const std::string_view arg : args) out += bulk(arg);
  return out;
}

std::string bulk(std::string_view value) {
  std::string out = "$" + std::to_string(value.size()) + "\r\n";
  out.reserve(out.size() + value.size() + 2);
  return out.append(value).append("\r\n");
}

std::string integer(std::int64_t value) { return ":" + std::to_string(value) + "\r\n"; }

std::string escaped(std::string_view bytes, std::size_t length_max) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string out;
  for (const char c : bytes.substr(0, length_max)) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\r') {
      out += "\\r";
    } else if (c == '\n') {
      out += "\\n";
    } else if (byte < 0x20 || byte > 0x7e) {
      out += {'\\', 'x', kHex[byte >> 4], kHex[byte & 0xf]};
    } else {
      out += c;
    }
  }
  if (bytes.size() > length_max) out += "... (" + std::to_string(bytes.size()) + " bytes)";
  return out;
}

}  // namespace anteroom::test
