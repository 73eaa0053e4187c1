#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

/// Passwords as Redis keeps them: their SHA-256. Pure; any thread.
namespace anteroom::access {

using Digest = std::array<std::uint8_t, 32>;

[[nodiscard]] Digest digest_of(std::string_view password) noexcept;
/// Of exactly 64 hexadecimal digits in lower case, as Redis wants them; nothing for any other text.
[[nodiscard]] std::optional<Digest> parse_digest(std::string_view hex) noexcept;
[[nodiscard]] std::string hex_of(const Digest& digest);
/// Takes the same time whatever and wherever the difference is.
[[nodiscard]] bool are_equal(const Digest& a, const Digest& b) noexcept;

}  // namespace anteroom::access
