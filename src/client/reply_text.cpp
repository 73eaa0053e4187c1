#include "client/reply_text.hpp"

#include <string_view>

namespace anteroom::client {
namespace {

using Type = resp::Value::Type;

std::string quoted(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      (out += '\\') += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c == '\a') {
      out += "\\a";
    } else if (c == '\b') {
      out += "\\b";
    } else if (byte < 0x20 || byte >= 0x7f) {
      ((out += "\\x") += kDigits[byte >> 4]) += kDigits[byte & 15];
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string elements(const resp::Value& reply, const std::string& indent);

std::string text_at(const resp::Value& reply, const std::string& indent) {
  switch (reply.type) {
    case Type::kSimple:
    case Type::kBigNumber:
      return reply.text;
    case Type::kError:
    case Type::kBlobError:
      return "(error) " + reply.text;
    case Type::kInteger:
      return "(integer) " + std::to_string(reply.integer);
    case Type::kBulk:
      return quoted(reply.text);
    case Type::kVerbatim:
      return reply.text.substr(std::min<std::size_t>(4, reply.text.size()));
    case Type::kDouble:
      return "(double) " + reply.text;
    case Type::kBoolean:
      return reply.integer != 0 ? "(true)" : "(false)";
    case Type::kNull:
    case Type::kNullBulk:
    case Type::kNullArray:
      return "(nil)";
    case Type::kArray:
    case Type::kMap:
    case Type::kSet:
    case Type::kPush:
      break;
  }
  return elements(reply, indent);
}

std::string elements(const resp::Value& reply, const std::string& indent) {
  const bool is_map = reply.type == Type::kMap;
  if (reply.items.empty()) return is_map ? "(empty hash)" : reply.type == Type::kSet ? "(empty set)" : "(empty array)";
  const char mark = is_map ? '#' : reply.type == Type::kSet ? '~' : ')';
  const std::size_t step = is_map ? 2 : 1;
  const std::size_t width = std::to_string(reply.items.size() / step).size();
  std::string out;
  for (std::size_t i = 0; i < reply.items.size(); i += step) {
    const std::string number = std::to_string(i / step + 1);
    const std::string head = std::string(width - number.size(), ' ') + number + mark + ' ';
    const std::string below = indent + std::string(head.size(), ' ');
    if (i > 0) out += '\n' + indent;
    out += head + text_at(reply.items[i], below);
    if (!is_map) continue;
    const std::string value = text_at(reply.items[i + 1], below);
    out += " => ";
    if (value.contains('\n')) out += '\n' + below;
    out += value;
  }
  return out;
}

}  // namespace

std::string reply_text(const resp::Value& reply) { return text_at(reply, ""); }

}  // namespace anteroom::client
