#include "base/parse_int.hpp"

#include <charconv>
#include <system_error>

namespace anteroom::base {

std::optional<std::int64_t> parse_int(std::string_view text) noexcept {
  if (text == "0") return 0;
  const std::string_view digits = text.starts_with('-') ? text.substr(1) : text;
  if (digits.empty() || digits.front() < '1' || digits.front() > '9') return std::nullopt;
  std::int64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc{} || stop != end) return std::nullopt;
  return number;
}

std::optional<std::int64_t> parse_int(std::string_view text, std::int64_t min, std::int64_t max) noexcept {
  const auto number = parse_int(text);
  return number && *number >= min && *number <= max ? number : std::nullopt;
}

}  // namespace anteroom::base
