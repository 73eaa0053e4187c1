#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/options.hpp"

namespace anteroom::config {

/// A value of any option, independent of where it came from. Choices are their names, durations are in the option's
/// unit.
using Value = std::variant<bool, std::int64_t, std::string, std::vector<std::string>>;

enum class Kind : std::uint8_t { kBool, kInteger, kText, kList, kChoice };
enum class Unit : std::uint8_t { kNone, kMilliseconds, kSeconds, kBytes, kOctal };

/// All that is known about one option: the one source for file, flags, environment, reference and messages. Immutable,
/// alive as long as the process.
struct Descriptor {
  std::string_view path{};      ///< in the configuration file
  std::string_view flag{};      ///< without "--"; '-' and '_' are the same in what the user types
  std::string_view old_name{};  ///< of the original caching tool: flag, upper-cased environment variable, top-level key
  Unit unit = Unit::kNone;
  std::int64_t min = 0;  ///< for kInteger
  std::int64_t max = 0;
  bool is_secret = false;
  std::string_view doc{};  ///< one sentence, without full stop
  /// Normalises a value of the right kind, or says what is wrong with it. May be null.
  std::optional<std::string> (*judge)(Value& value) = nullptr;

  Kind kind = Kind::kText;  ///< the rest follows from the member of Options
  std::span<const std::string_view> choices{};
  Value (*read)(const Options&) = nullptr;
  void (*store)(Options&, const Value&) = nullptr;

  /// "ANTEROOM_LOG_LEVEL"
  [[nodiscard]] std::string environment_name() const;
  [[nodiscard]] Value default_value() const { return read(Options{}); }
};

/// All options, in the order of the reference.
[[nodiscard]] std::span<const Descriptor> descriptors();

/// Null when there is none. The path may be an old name.
[[nodiscard]] const Descriptor* find_by_path(std::string_view path);
/// `name` as typed, without "--".
[[nodiscard]] const Descriptor* find_by_flag(std::string_view name);

/// `_` as `-`.
[[nodiscard]] std::string normalized_flag(std::string_view name);

}  // namespace anteroom::config
