#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace anteroom::base {

/// A pinned key as people write it, `sha256:` and 64 hexadecimal digits of either case: its digits in lower case.
/// Nothing for anything else.
[[nodiscard]] std::optional<std::string> digits_of_pin(std::string_view text);

/// The 32 bytes of a pin's digits, of either case. Nothing for what are not 64 of them.
[[nodiscard]] std::optional<std::string> bytes_of_pin(std::string_view digits);

}  // namespace anteroom::base
