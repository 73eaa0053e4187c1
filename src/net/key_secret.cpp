#include "net/key_secret.hpp"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#include <cerrno>
#include <fstream>
#include <iterator>
#include <string_view>
#include <system_error>

namespace anteroom::net {

std::expected<std::array<std::uint8_t, 32>, std::string> secret_of_key(const std::string& key_file) {
  constexpr std::string_view kPurpose = "anteroom quic tokens and resets, version 1";
  std::ifstream file(key_file, std::ios::binary);
  if (!file) return std::unexpected(key_file + ": " + std::generic_category().message(errno));
  std::string key((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  std::array<std::uint8_t, 32> secret{};
  const int error =
      gnutls_hmac_fast(GNUTLS_MAC_SHA256, key.data(), key.size(), kPurpose.data(), kPurpose.size(), secret.data());
  gnutls_memset(key.data(), 0, key.size());
  if (error < 0) return std::unexpected(key_file + ": " + gnutls_strerror(error));
  return secret;
}

}  // namespace anteroom::net
