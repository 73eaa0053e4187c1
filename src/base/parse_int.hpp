#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace anteroom::base {

/// The decimal number that is all of `text`, or nothing. As strict as Redis's string2ll, because a frame length that
/// two programs read differently is a way to smuggle commands: no space, no plus sign, no leading zero, no "-0", no
/// overflow. Every accepted text is the one canonical spelling of its number.
[[nodiscard]] std::optional<std::int64_t> parse_int(std::string_view text) noexcept;

/// The same, and only if `min <= number <= max`.
[[nodiscard]] std::optional<std::int64_t> parse_int(std::string_view text, std::int64_t min, std::int64_t max) noexcept;

}  // namespace anteroom::base
