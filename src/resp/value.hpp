#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace anteroom::resp {

/// One RESP2 or RESP3 value as a tree that owns its bytes. For small replies that we interpret (handshakes, COMMAND,
/// CLUSTER SLOTS) and for tests; replies on their way to a client are never turned into one.
struct Value {
  /// The three nulls are told apart so that encode() gives back what was parsed.
  enum class Type : char {
    kSimple = '+',
    kError = '-',
    kInteger = ':',
    kBulk = '$',
    kArray = '*',
    kNull = '_',
    kNullBulk = 'n',   ///< $-1
    kNullArray = 'N',  ///< *-1
    kDouble = ',',
    kBoolean = '#',
    kBlobError = '!',
    kVerbatim = '=',
    kBigNumber = '(',
    kMap = '%',
    kSet = '~',
    kPush = '>',
  };

  Type type = Type::kNull;
  /// kInteger; kBoolean as 0 or 1.
  std::int64_t integer = 0;
  /// Payload of strings and errors; doubles and big numbers as they were written; a verbatim string with its "txt:".
  std::string text{};
  /// Elements of an aggregate; keys and values in turn for a map.
  std::vector<Value> items{};
  /// Keys and values in turn of the attribute before this value, if there was one.
  std::vector<Value> attributes{};

  [[nodiscard]] bool is_null() const noexcept;
  [[nodiscard]] bool is_error() const noexcept { return type == Type::kError || type == Type::kBlobError; }
  [[nodiscard]] bool is_aggregate() const noexcept;
  /// Value of a map's first entry with the string `key`; null pointer if there is none. Also reads RESP2's flat arrays.
  [[nodiscard]] const Value* find(std::string_view key) const noexcept;

  friend bool operator==(const Value&, const Value&) = default;
};

enum class ParseError {
  kIncomplete,  ///< a prefix of a value: more bytes may complete it
  kMalformed,
  kTooDeep,  ///< more than kValueDepthMax aggregates inside one another
};

/// Parsing and destroying recurse once per level. Redis's own replies stay below 10; scripts' replies are not parsed.
inline constexpr std::size_t kValueDepthMax = 64;

/// The one value at the start of `bytes`; `used`, if not null, gets its length and is left alone on error. Accepts
/// exactly what ReplyScanner accepts, up to the depth; streamed strings and aggregates become ordinary ones. Memory
/// stays in proportion to `bytes`, whatever lengths they claim.
[[nodiscard]] std::expected<Value, ParseError> parse_value(std::string_view bytes, std::size_t* used = nullptr);

/// Appends `value` in the types it has. REQUIRES: its texts are legal for their types (no CR or LF in a simple string).
void encode(const Value& value, std::string& out);

}  // namespace anteroom::resp
