#include "resp/value.hpp"

#include "base/parse_int.hpp"
#include "resp/framing.hpp"
#include "resp/text_rules.hpp"

namespace anteroom::resp {
namespace {

using Type = Value::Type;
using Parsed = std::expected<void, ParseError>;

/// Recursive descent over bytes that are all there. Each take_*() consumes what its name says or fails.
class Parser {
 public:
  explicit Parser(std::string_view bytes) : bytes_(bytes) {}

  [[nodiscard]] std::size_t used() const noexcept { return at_; }

  Parsed take_value(Value& out) {
    auto type = take_type();
    // A loop, because a peer may send any number of attributes in a row. RESP3.md does not say what that means: the
    // last one is kept.
    for (; type && *type == '|'; type = take_type()) {
      if (const Parsed taken = take_attribute(out.attributes); !taken) return taken;
    }
    if (!type) return std::unexpected(type.error());
    return take_body(*type, out);
  }

 private:
  Parsed take_body(char type, Value& out) {
    out.type = static_cast<Type>(type);
    switch (type) {
      case '+':
      case '-':
      case ':':
      case ',':
      case '#':
      case '(':
        return take_text(type, out);
      case '_':
        return take_exactly(kLineEnd);
      case '$':
      case '!':
      case '=':
        return take_string(type, out);
      case '*':
      case '~':
      case '%':
      case '>':
        return take_aggregate(type, out);
      default:
        return std::unexpected(ParseError::kMalformed);
    }
  }

  std::expected<char, ParseError> take_type() {
    if (at_ == bytes_.size()) return std::unexpected(ParseError::kIncomplete);
    return bytes_[at_++];
  }

  Parsed take_exactly(std::string_view wanted) {
    const std::string_view found = bytes_.substr(at_, wanted.size());
    if (found == wanted) {
      at_ += wanted.size();
      return {};
    }
    return std::unexpected(wanted.starts_with(found) ? ParseError::kIncomplete : ParseError::kMalformed);
  }

  std::expected<std::string_view, ParseError> take_line() {
    const std::size_t end = bytes_.find_first_of(kLineEnd, at_);
    if (end == std::string_view::npos) return std::unexpected(ParseError::kIncomplete);
    const std::string_view line = bytes_.substr(at_, end - at_);
    at_ = end;
    if (const Parsed ended = take_exactly(kLineEnd); !ended) return std::unexpected(ended.error());
    return line;
  }

  Parsed take_text(char type, Value& out) {
    const auto line = take_line();
    if (!line) return std::unexpected(line.error());
    bool is_legal = is_legal_text(type, line->substr(0, kNumberBytesMax), line->size());
    for (std::size_t i = 0; is_legal && i < line->size(); ++i) is_legal = is_legal_text_byte(type, (*line)[i], i);
    if (!is_legal) return std::unexpected(ParseError::kMalformed);
    if (type == ':') {
      out.integer = *base::parse_int(line->starts_with('+') ? line->substr(1) : *line);
    } else if (type == '#') {
      out.integer = *line == "t" ? 1 : 0;
    } else {
      out.text = *line;
    }
    return {};
  }

  /// The line of a string or an aggregate: its length; kNull for "-1", kStreamed for "?".
  std::expected<std::int64_t, ParseError> take_length(char type) {
    const auto line = take_line();
    if (!line) return std::unexpected(line.error());
    if (*line == "?" && std::string_view("$*~%").contains(type)) return kStreamed;
    if (*line == "-1" && (type == '$' || type == '*')) return kNull;
    const bool counts_elements = std::string_view("*~%>|").contains(type);
    const auto length = base::parse_int(*line, 0, counts_elements ? kAggregateCountMax : kStringBytesMax);
    if (!length) return std::unexpected(ParseError::kMalformed);
    return *length;
  }

  Parsed take_string(char type, Value& out) {
    const auto length = take_length(type);
    if (!length) return std::unexpected(length.error());
    if (*length == kStreamed) return take_chunks(out);
    if (*length == kNull) {
      out.type = Type::kNullBulk;
      return {};
    }
    if (type == '=' && *length < kVerbatimPrefixBytes) return std::unexpected(ParseError::kMalformed);
    if (const Parsed taken = take_data(*length, out); !taken) return taken;
    const bool is_legal = type != '=' || out.text[kVerbatimPrefixBytes - 1] == ':';
    return is_legal ? Parsed{} : std::unexpected(ParseError::kMalformed);
  }

  Parsed take_chunks(Value& out) {
    while (true) {
      if (const Parsed taken = take_exactly(";"); !taken) return taken;
      const auto length = take_length(';');
      if (!length) return std::unexpected(length.error());
      if (*length == 0) return {};
      if (const Parsed taken = take_data(*length, out); !taken) return taken;
    }
  }

  Parsed take_data(std::int64_t length, Value& out) {
    if (static_cast<std::uint64_t>(length) > bytes_.size() - at_) return std::unexpected(ParseError::kIncomplete);
    const auto size = static_cast<std::size_t>(length);
    out.text.append(bytes_, at_, size);
    at_ += size;
    return take_exactly(kLineEnd);
  }

  Parsed take_aggregate(char type, Value& out) {
    const bool is_nested_push = type == '>' && depth_ > 0;
    if (is_nested_push) return std::unexpected(ParseError::kMalformed);
    const auto length = take_length(type);
    if (!length) return std::unexpected(length.error());
    if (*length == kNull) {
      out.type = Type::kNullArray;
      return {};
    }
    if (*length == kStreamed) return take_streamed(type, out.items);
    if (type == '>' && *length == 0) return std::unexpected(ParseError::kMalformed);
    return take_items(type == '%' ? 2 * *length : *length, out.items);
  }

  Parsed take_attribute(std::vector<Value>& attributes) {
    attributes.clear();
    const auto pairs = take_length('|');
    if (!pairs) return std::unexpected(pairs.error());
    return take_items(2 * *pairs, attributes);
  }

  Parsed take_items(std::int64_t count, std::vector<Value>& items) {
    if (count == 0) return {};
    if (depth_ == kValueDepthMax) return std::unexpected(ParseError::kTooDeep);
    ++depth_;
    for (std::int64_t i = 0; i < count; ++i) {
      if (const Parsed taken = take_value(items.emplace_back()); !taken) return taken;
    }
    --depth_;
    return {};
  }

  Parsed take_streamed(char type, std::vector<Value>& items) {
    if (depth_ == kValueDepthMax) return std::unexpected(ParseError::kTooDeep);
    ++depth_;
    while (!bytes_.substr(at_).starts_with('.')) {
      if (const Parsed taken = take_value(items.emplace_back()); !taken) return taken;
    }
    --depth_;
    const bool lacks_value = type == '%' && items.size() % 2 != 0;
    if (lacks_value) return std::unexpected(ParseError::kMalformed);
    ++at_;
    return take_exactly(kLineEnd);
  }

  static constexpr std::int64_t kNull = -1;
  static constexpr std::int64_t kStreamed = -2;
  static constexpr std::int64_t kStringBytesMax = std::int64_t{1} << 62;

  std::string_view bytes_;
  std::size_t at_ = 0;
  std::size_t depth_ = 0;
};

void append_line(std::string& out, char type, std::string_view text) {
  out += type;
  out += text;
  out += kLineEnd;
}

}  // namespace

bool Value::is_null() const noexcept {
  return type == Type::kNull || type == Type::kNullBulk || type == Type::kNullArray;
}

bool Value::is_aggregate() const noexcept {
  return type == Type::kArray || type == Type::kMap || type == Type::kSet || type == Type::kPush;
}

const Value* Value::find(std::string_view key) const noexcept {
  if (type != Type::kMap && type != Type::kArray) return nullptr;
  for (std::size_t i = 0; i + 1 < items.size(); i += 2) {
    const Value& candidate = items[i];
    const bool is_string = candidate.type == Type::kBulk || candidate.type == Type::kSimple;
    if (is_string && candidate.text == key) return &items[i + 1];
  }
  return nullptr;
}

std::expected<Value, ParseError> parse_value(std::string_view bytes, std::size_t* used) {
  Parser parser(bytes);
  Value value;
  if (const Parsed taken = parser.take_value(value); !taken) return std::unexpected(taken.error());
  if (used != nullptr) *used = parser.used();
  return value;
}

void encode(const Value& value, std::string& out) {
  if (!value.attributes.empty()) {
    append_header(out, '|', value.attributes.size() / 2);
    for (const Value& attribute : value.attributes) encode(attribute, out);
  }
  const char type = static_cast<char>(value.type);
  switch (value.type) {
    case Type::kSimple:
    case Type::kError:
    case Type::kDouble:
    case Type::kBigNumber:
      append_line(out, type, value.text);
      return;
    case Type::kInteger:
      append_line(out, type, std::to_string(value.integer));
      return;
    case Type::kBoolean:
      append_line(out, type, value.integer != 0 ? "t" : "f");
      return;
    case Type::kNull:
      out += "_\r\n";
      return;
    case Type::kNullBulk:
      out += "$-1\r\n";
      return;
    case Type::kNullArray:
      out += "*-1\r\n";
      return;
    case Type::kBulk:
    case Type::kBlobError:
    case Type::kVerbatim:
      append_counted(out, type, value.text);
      return;
    case Type::kMap:
      append_header(out, type, value.items.size() / 2);
      break;
    case Type::kArray:
    case Type::kSet:
    case Type::kPush:
      append_header(out, type, value.items.size());
      break;
  }
  for (const Value& item : value.items) encode(item, out);
}

}  // namespace anteroom::resp
