#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

namespace anteroom::test {

/// One RESP2 or RESP3 reply as it stood on the wire, and the same as a small tree. When no reply came, `type` is '\0'
/// and `raw` says why in angle brackets ("<closed>"), so that a failed comparison explains itself.
struct Reply {
  char type = '\0';          ///< the RESP type byte: + - : $ * _ # , ( ! = % ~ > |
  bool is_null = false;      ///< $-1, *-1 and _
  std::string text{};        ///< payload of everything that is not an aggregate
  std::vector<Reply> items;  ///< elements; keys and values in turn for maps and attributes
  std::string raw{};         ///< exact bytes; only set on the outermost reply

  [[nodiscard]] bool is_error() const { return type == '-' || type == '!'; }
  /// The integer of `:n`; -1 when this is not one.
  [[nodiscard]] std::int64_t number() const;

  friend bool operator==(const Reply& reply, std::string_view bytes) { return reply.raw == bytes; }
  friend bool operator==(const Reply& a, const Reply& b) { return a.raw == b.raw; }
};

/// For GoogleTest: the bytes with control characters escaped, cut when long.
std::ostream& operator<<(std::ostream& out, const Reply& reply);

enum class ParseStatus { kComplete, kIncomplete, kMalformed };

struct ParsedReply {
  ParseStatus status = ParseStatus::kIncomplete;
  std::size_t used = 0;
  Reply reply{};
};

/// Parses the one reply at the start of `bytes`. It shares no code with the program under test.
[[nodiscard]] ParsedReply parse_reply(std::string_view bytes);

/// The bytes of one command, and of the replies that tests expect most.
[[nodiscard]] std::string encode(const std::vector<std::string_view>& args);
[[nodiscard]] std::string bulk(std::string_view value);
[[nodiscard]] std::string integer(std::int64_t value);
inline constexpr std::string_view kOk = "+OK\r\n";
inline constexpr std::string_view kPong = "+PONG\r\n";
inline constexpr std::string_view kNil = "$-1\r\n";

/// Control characters and non-ASCII bytes as escapes; at most `length_max` bytes are shown.
[[nodiscard]] std::string escaped(std::string_view bytes, std::size_t length_max = 300);

}  // namespace anteroom::test
