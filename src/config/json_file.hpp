#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/error.hpp"

/// The configuration file's text as a flat list of settings. Knows no option. Pure; takes any bytes.
namespace anteroom::config {

/// What stands for a value in the file and is none of the types an option can have; named for the message.
struct OtherJson {
  std::string_view type;  ///< "null", "a fraction", "an object", "a list of other things than strings", ...
};

using JsonValue = std::variant<OtherJson, bool, std::int64_t, std::string, std::vector<std::string>>;

struct Setting {
  /// Keys joined by '.'; a key that has a '.' or another unusual character itself is shown in quotes, so that no two
  /// different places have the same path.
  std::string path;
  std::string section;  ///< the outermost key
  JsonValue value;
  /// Of a list of objects, which is OtherJson for everything else: what is in each of them. A path there begins with
  /// the list's own and the object's number, "listen.listeners[0].port".
  std::vector<std::vector<Setting>> objects{};
};

/// A configuration is a few kilobytes; what is larger is another file, given by mistake.
inline constexpr std::size_t kConfigBytesMax = 1024 * 1024;

/// Every value that is no object, in the order of the file, and every object without members as OtherJson. The error
/// says line and column, and never shows the file's content.
/// Limits: kConfigBytesMax, eight levels, a thousand values.
[[nodiscard]] std::expected<std::vector<Setting>, std::string> parse_json_settings(std::string_view text);

}  // namespace anteroom::config
