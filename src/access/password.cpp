#include "access/password.hpp"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#include <cstddef>

#include "base/ascii.hpp"
#include "base/check.hpp"

namespace anteroom::access {

Digest digest_of(std::string_view password) noexcept {
  Digest digest;
  // Fails only where the library has no SHA-256: without it nobody can be told from anybody else.
  ANTEROOM_CHECK(gnutls_hash_fast(GNUTLS_DIG_SHA256, password.data(), password.size(), digest.data()) == 0);
  return digest;
}

std::optional<Digest> parse_digest(std::string_view hex) noexcept {
  Digest digest;
  if (hex.size() != 2 * digest.size()) return std::nullopt;
  for (std::size_t i = 0; i < digest.size(); ++i) {
    const char high = hex[2 * i];
    const char low = hex[2 * i + 1];
    if (base::hex_value(high) < 0 || base::hex_value(low) < 0) return std::nullopt;
    if (base::to_lower(high) != high || base::to_lower(low) != low) return std::nullopt;
    digest[i] = static_cast<std::uint8_t>(base::hex_value(high) * 16 + base::hex_value(low));
  }
  return digest;
}

std::string hex_of(const Digest& digest) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string hex;
  for (const std::uint8_t byte : digest) {
    hex += kDigits[byte / 16];
    hex += kDigits[byte % 16];
  }
  return hex;
}

bool are_equal(const Digest& a, const Digest& b) noexcept { return gnutls_memcmp(a.data(), b.data(), a.size()) == 0; }

}  // namespace anteroom::access
