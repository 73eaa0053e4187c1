#include "net/key_secret.hpp"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#include <string_view>

#include "net/file_content.hpp"

namespace anteroom::net {

std::expected<std::array<std::uint8_t, 32>, std::string> secret_of_key(const std::string& key_file) {
  constexpr std::string_view kPurpose = "anteroom quic tokens and resets, version 1";
  FileContent file;
  if (const std::string reason = file.read(key_file); !reason.empty()) return std::unexpected(key_file + ": " + reason);
  const gnutls_datum_t key = file.datum();
  if (key.size == 0) return std::unexpected(key_file + ": there is no key in it");
  std::array<std::uint8_t, 32> secret{};
  const int error =
      gnutls_hmac_fast(GNUTLS_MAC_SHA256, key.data, key.size, kPurpose.data(), kPurpose.size(), secret.data());
  if (error < 0) return std::unexpected(key_file + ": " + gnutls_strerror(error));
  return secret;
}

}  // namespace anteroom::net
