#include "support/certificates.hpp"

#include <arpa/inet.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <ctime>
#include <random>
#include <string_view>

namespace anteroom::test {
namespace {

void check(int result, const char* what) { ASSERT_GE(result, 0) << what << ": " << gnutls_strerror(result); }

/// A key and a certificate for it, not yet signed.
struct Identity {
  explicit Identity(const std::string& name) {
    check(gnutls_x509_privkey_init(&key), "key");
    check(gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0),
          "key");
    check(gnutls_x509_crt_init(&certificate), "certificate");
    check(gnutls_x509_crt_set_version(certificate, 3), "version");
    check(gnutls_x509_crt_set_key(certificate, key), "key of certificate");
    std::array<std::uint8_t, 8> serial{};
    std::random_device random;
    for (std::uint8_t& byte : serial) byte = static_cast<std::uint8_t>(random() & 0x7F);
    serial[0] |= 1;
    check(gnutls_x509_crt_set_serial(certificate, serial.data(), serial.size()), "serial");
    check(gnutls_x509_crt_set_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, name.data(),
                                        static_cast<unsigned>(name.size())),
          "name");
  }
  ~Identity() {
    gnutls_x509_crt_deinit(certificate);
    gnutls_x509_privkey_deinit(key);
  }
  Identity(const Identity&) = delete;
  Identity& operator=(const Identity&) = delete;

  void set_times(std::chrono::seconds begins, std::chrono::seconds ends) const {
    const std::time_t now = std::time(nullptr);
    check(gnutls_x509_crt_set_activation_time(certificate, now + begins.count()), "begin");
    check(gnutls_x509_crt_set_expiration_time(certificate, now + ends.count()), "end");
  }
  void sign_by(const Identity& issuer) const {
    check(gnutls_x509_crt_sign2(certificate, issuer.certificate, issuer.key, GNUTLS_DIG_SHA256, 0), "signature");
  }
  [[nodiscard]] std::string certificate_text() const {
    gnutls_datum_t text{nullptr, 0};
    check(gnutls_x509_crt_export2(certificate, GNUTLS_X509_FMT_PEM, &text), "export");
    return taken(text);
  }
  [[nodiscard]] std::string key_text() const {
    gnutls_datum_t text{nullptr, 0};
    check(gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &text), "export");
    return taken(text);
  }

  gnutls_x509_privkey_t key = nullptr;
  gnutls_x509_crt_t certificate = nullptr;

 private:
  static std::string taken(gnutls_datum_t& text) {
    std::string copy(reinterpret_cast<const char*>(text.data), text.size);
    gnutls_free(text.data);
    return copy;
  }
};

void add_names(const Identity& identity, const CertificateAuthority::Request& request) {
  for (const std::string& host : request.hosts) {
    check(gnutls_x509_crt_set_subject_alt_name(identity.certificate, GNUTLS_SAN_DNSNAME, host.data(),
                                               static_cast<unsigned>(host.size()), GNUTLS_FSAN_APPEND),
          "host");
  }
  for (const std::string& address : request.addresses) {
    std::array<std::uint8_t, 4> bytes{};
    ASSERT_EQ(inet_pton(AF_INET, address.c_str(), bytes.data()), 1) << address;
    check(gnutls_x509_crt_set_subject_alt_name(identity.certificate, GNUTLS_SAN_IPADDRESS, bytes.data(), bytes.size(),
                                               GNUTLS_FSAN_APPEND),
          "address");
  }
  using Purpose = CertificateAuthority::Purpose;
  if (request.purpose == Purpose::kAny) return;
  const char* const purpose = request.purpose == Purpose::kServer ? GNUTLS_KP_TLS_WWW_SERVER : GNUTLS_KP_TLS_WWW_CLIENT;
  check(gnutls_x509_crt_set_key_purpose_oid(identity.certificate, purpose, 0), "purpose");
}

}  // namespace

struct CertificateAuthority::Secrets {
  explicit Secrets(const std::string& name) : identity(name) {}
  Identity identity;
};

CertificateAuthority::CertificateAuthority(const TempDir& dir, const std::string& name)
    : dir_(dir), file_(dir.file(name + ".crt")), secrets_(std::make_unique<Secrets>(name)) {
  const Identity& own = secrets_->identity;
  own.set_times(std::chrono::hours(-100), std::chrono::hours(100));
  check(gnutls_x509_crt_set_ca_status(own.certificate, 1), "CA");
  check(gnutls_x509_crt_set_key_usage(own.certificate, GNUTLS_KEY_KEY_CERT_SIGN), "usage");
  own.sign_by(own);
  dir.write(name + ".crt", own.certificate_text());
}

CertificateAuthority::~CertificateAuthority() = default;

CertificateAuthority::Files CertificateAuthority::issue(const Request& request) const {
  const Identity identity(request.name);
  identity.set_times(request.begins, request.ends);
  add_names(identity, request);
  identity.sign_by(secrets_->identity);
  return {.certificate = dir_.write(request.name + ".crt", identity.certificate_text()),
          .key = dir_.write(request.name + ".key", identity.key_text())};
}

}  // namespace anteroom::test
