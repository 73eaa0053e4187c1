#include "base/pin.hpp"

#include <algorithm>
#include <cstddef>

#include "base/ascii.hpp"

namespace anteroom::base {
namespace {

constexpr std::size_t kDigits = 64;  // of SHA-256

bool are_digits(std::string_view text) {
  return text.size() == kDigits && std::ranges::all_of(text, [](char c) { return hex_value(c) >= 0; });
}

}  // namespace

std::optional<std::string> digits_of_pin(std::string_view text) {
  constexpr std::string_view kAlgorithm = "sha256:";
  if (!text.starts_with(kAlgorithm) || !are_digits(text.substr(kAlgorithm.size()))) return std::nullopt;
  return lowercase(text.substr(kAlgorithm.size()));
}

std::optional<std::string> bytes_of_pin(std::string_view digits) {
  if (!are_digits(digits)) return std::nullopt;
  std::string bytes;
  for (std::size_t i = 0; i < digits.size(); i += 2) {
    bytes += static_cast<char>(hex_value(digits[i]) * 16 + hex_value(digits[i + 1]));
  }
  return bytes;
}

}  // namespace anteroom::base
