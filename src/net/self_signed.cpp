#include "net/self_signed.hpp"

#include <fcntl.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <system_error>
#include <utility>

#include "base/check.hpp"
#include "base/unique_fd.hpp"
#include "net/file_content.hpp"

namespace anteroom::net {
namespace {

using Written = std::expected<void, std::string>;

constexpr auto kLifetime = std::chrono::years(10);

struct Certificate {
  Certificate() { ANTEROOM_CHECK(gnutls_x509_crt_init(&handle) == 0); }
  ~Certificate() { gnutls_x509_crt_deinit(handle); }
  Certificate(const Certificate&) = delete;
  Certificate& operator=(const Certificate&) = delete;

  gnutls_x509_crt_t handle = nullptr;
};

struct Key {
  Key() { ANTEROOM_CHECK(gnutls_x509_privkey_init(&handle) == 0); }
  ~Key() { gnutls_x509_privkey_deinit(handle); }
  Key(const Key&) = delete;
  Key& operator=(const Key&) = delete;

  gnutls_x509_privkey_t handle = nullptr;
};

std::string system_reason() { return std::generic_category().message(errno); }

Written write_new(const std::string& path, const gnutls_datum_t& content, mode_t mode) {
  const base::UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
  if (!fd.is_open()) return std::unexpected(path + ": " + system_reason());
  std::size_t done = 0;
  while (done < content.size) {
    const ssize_t put = ::write(fd.value(), content.data + done, content.size - done);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) {
      std::string reason = path + ": " + system_reason();
      ::unlink(path.c_str());
      return std::unexpected(std::move(reason));
    }
    done += static_cast<std::size_t>(put);
  }
  return {};
}

void fill(Certificate& certificate, const Key& key, const std::string& name) {
  const auto now = std::chrono::system_clock::now();
  const std::time_t begins = std::chrono::system_clock::to_time_t(now - std::chrono::hours(1));  // clocks differ
  const std::time_t ends = std::chrono::system_clock::to_time_t(now + kLifetime);
  std::array<std::uint8_t, 16> serial{};
  ANTEROOM_CHECK(gnutls_rnd(GNUTLS_RND_NONCE, serial.data(), serial.size()) == 0);
  serial[0] &= 0x7f;  // a positive number
  gnutls_x509_crt_t crt = certificate.handle;
  bool is_done = gnutls_x509_crt_set_version(crt, 3) == 0;
  is_done = is_done && gnutls_x509_crt_set_serial(crt, serial.data(), serial.size()) == 0;
  is_done = is_done && gnutls_x509_crt_set_activation_time(crt, begins) == 0;
  is_done = is_done && gnutls_x509_crt_set_expiration_time(crt, ends) == 0;
  is_done = is_done && gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, name.data(),
                                                     static_cast<unsigned>(name.size())) == 0;
  is_done = is_done && gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, name.data(),
                                                            static_cast<unsigned>(name.size()), GNUTLS_FSAN_SET) == 0;
  is_done = is_done && gnutls_x509_crt_set_key_purpose_oid(crt, GNUTLS_KP_TLS_WWW_SERVER, 0) == 0;
  is_done = is_done && gnutls_x509_crt_set_key(crt, key.handle) == 0;
  is_done = is_done && gnutls_x509_crt_sign2(crt, crt, key.handle, GNUTLS_DIG_SHA256, 0) == 0;
  ANTEROOM_CHECK(is_done);
}

}  // namespace

Written write_self_signed(const std::string& certificate_file, const std::string& key_file, const std::string& name) {
  const Key key;
  ANTEROOM_CHECK(gnutls_x509_privkey_generate(key.handle, GNUTLS_PK_ECDSA,
                                              GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0) == 0);
  Certificate certificate;
  fill(certificate, key, name);
  gnutls_datum_t key_text{nullptr, 0};
  gnutls_datum_t text{nullptr, 0};
  ANTEROOM_CHECK(gnutls_x509_privkey_export2(key.handle, GNUTLS_X509_FMT_PEM, &key_text) == 0);
  ANTEROOM_CHECK(gnutls_x509_crt_export2(certificate.handle, GNUTLS_X509_FMT_PEM, &text) == 0);
  Written written = write_new(key_file, key_text, 0600);
  if (written) {
    written = write_new(certificate_file, text, 0644);
    if (!written) ::unlink(key_file.c_str());  // or it would be in the way of the next try
  }
  gnutls_memset(key_text.data, 0, key_text.size);
  gnutls_free(key_text.data);
  gnutls_free(text.data);
  return written;
}

std::expected<std::string, std::string> key_fingerprint(const std::string& certificate_file) {
  FileContent file;
  if (const std::string reason = file.read(certificate_file); !reason.empty()) {
    return std::unexpected(certificate_file + ": " + reason);
  }
  const gnutls_datum_t datum = file.datum();
  const Certificate certificate;
  if (const int error = gnutls_x509_crt_import(certificate.handle, &datum, GNUTLS_X509_FMT_PEM); error < 0) {
    return std::unexpected(certificate_file + ": " + gnutls_strerror(error));
  }
  std::array<unsigned char, 32> digest{};
  std::size_t size = digest.size();
  if (const int error = gnutls_x509_crt_get_key_id(certificate.handle, GNUTLS_KEYID_USE_SHA256, digest.data(), &size);
      error < 0) {
    return std::unexpected(certificate_file + ": " + gnutls_strerror(error));
  }
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string out;
  for (const unsigned char byte : digest) out += {kHex[byte >> 4], kHex[byte & 15]};
  return out;
}

}  // namespace anteroom::net
