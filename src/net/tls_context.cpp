#include "net/tls_context.hpp"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include <array>
#include <chrono>
#include <ctime>
#include <string_view>
#include <utility>

#include "base/check.hpp"
#include "base/clock.hpp"
#include "base/log.hpp"
#include "net/address.hpp"
#include "net/file_content.hpp"
#include "net/replay_guard.hpp"

namespace anteroom::net {
namespace {

using Part = TlsConfigError::Part;
using Role = TlsOptions::Role;
using Verify = TlsOptions::Verify;

std::unexpected<TlsConfigError> refused(Part part, const std::string& file, std::string_view why) {
  return std::unexpected(TlsConfigError{part, file.empty() ? std::string(why) : file + ": " + std::string(why)});
}

std::string_view text_of(int gnutls_error) { return gnutls_strerror(gnutls_error); }

// What GnuTLS says of these is true and tells nobody what to do.
std::string_view key_trouble(int gnutls_error) {
  if (gnutls_error == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE) return "it has no key";
  if (gnutls_error == GNUTLS_E_DECRYPTION_FAILED) return "it is encrypted; the key is wanted without a passphrase";
  return text_of(gnutls_error);
}

/// A certificate with those that lead to the root, as GnuTLS lists them.
struct Chain {
  Chain() = default;
  ~Chain() {
    for (unsigned i = 0; i < size; ++i) gnutls_x509_crt_deinit(list[i]);
    gnutls_free(static_cast<void*>(list));
  }
  Chain(const Chain&) = delete;
  Chain& operator=(const Chain&) = delete;

  gnutls_x509_crt_t* list = nullptr;
  unsigned size = 0;
};

struct Key {
  Key() { ANTEROOM_CHECK(gnutls_x509_privkey_init(&handle) == 0); }
  ~Key() { gnutls_x509_privkey_deinit(handle); }
  Key(const Key&) = delete;
  Key& operator=(const Key&) = delete;

  gnutls_x509_privkey_t handle = nullptr;
};

/// One word for INFO, logs and clients. The first that applies: an expired certificate is also an invalid one.
std::string reason_of(unsigned status) {
  constexpr auto kReasons = std::to_array<std::pair<unsigned, std::string_view>>({
      {GNUTLS_CERT_EXPIRED, "expired"},
      {GNUTLS_CERT_NOT_ACTIVATED, "not_yet_valid"},
      {GNUTLS_CERT_REVOKED, "revoked"},
      {GNUTLS_CERT_SIGNER_NOT_FOUND, "unknown_ca"},
      {GNUTLS_CERT_SIGNER_NOT_CA, "unknown_ca"},
      {GNUTLS_CERT_UNEXPECTED_OWNER, "wrong_name"},
      {GNUTLS_CERT_PURPOSE_MISMATCH, "wrong_purpose"},
      {GNUTLS_CERT_INSECURE_ALGORITHM, "insecure_algorithm"},
  });
  for (const auto& [bit, word] : kReasons) {
    if ((status & bit) != 0) return std::string(word);
  }
  return "invalid";
}

gnutls_typed_vdata_st expectation(gnutls_vdata_types_t type, const char* text) {
  // GnuTLS only reads it.
  return {.type = type, .data = reinterpret_cast<unsigned char*>(const_cast<char*>(text)), .size = 0};
}

// How long a first flight with early data may be under way, and is remembered.
constexpr base::Milliseconds kReplayWindow{10'000};

// RFC 9001, section 4: only TLS 1.3, without what it does to look like 1.2. AES first, as processors have it.
constexpr std::string_view kQuicPriority =
    "NORMAL:-VERS-ALL:+VERS-TLS1.3:%DISABLE_TLS13_COMPAT_MODE:-CIPHER-ALL:+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305:"
    "-GROUP-ALL:+GROUP-X25519:+GROUP-SECP256R1:+GROUP-SECP384R1";

// SHA-256 of the public key of a certificate, or nothing.
std::string key_digest(const gnutls_datum_t& certificate) {
  gnutls_x509_crt_t parsed = nullptr;
  if (gnutls_x509_crt_init(&parsed) != 0) return {};
  std::string digest(32, '\0');
  std::size_t size = digest.size();
  int error = gnutls_x509_crt_import(parsed, &certificate, GNUTLS_X509_FMT_DER);
  if (error == 0) {
    error = gnutls_x509_crt_get_key_id(parsed, GNUTLS_KEYID_USE_SHA256, reinterpret_cast<unsigned char*>(digest.data()),
                                       &size);
  }
  gnutls_x509_crt_deinit(parsed);
  if (error != 0) return {};
  return digest;
}

// Whoever looks at it will refuse it, but not everybody does: those who pin the key do not.
void warn_of_its_time(gnutls_x509_crt_t certificate, const std::string& file) {
  const std::time_t now = std::time(nullptr);
  if (gnutls_x509_crt_get_expiration_time(certificate) < now) {
    log::warn("certificate has expired", {{"file", file}});
  } else if (gnutls_x509_crt_get_activation_time(certificate) > now) {
    log::warn("certificate is not valid yet", {{"file", file}});
  }
}

/// A host name has no zone; an address that was given with one is named without it in certificates.
std::string without_zone(const std::string& name) { return name.substr(0, name.find('%')); }

}  // namespace

struct TlsContext::Credentials {
  Credentials() { ANTEROOM_CHECK(gnutls_certificate_allocate_credentials(&certificates) == 0); }
  ~Credentials() {
    gnutls_certificate_free_credentials(certificates);
    if (priorities != nullptr) gnutls_priority_deinit(priorities);
    if (anti_replay != nullptr) gnutls_anti_replay_deinit(anti_replay);
    gnutls_memset(ticket_key.data, 0, ticket_key.size);
    gnutls_free(ticket_key.data);
  }
  Credentials(const Credentials&) = delete;
  Credentials& operator=(const Credentials&) = delete;

  [[nodiscard]] std::expected<void, TlsConfigError> set_priorities(const std::string& text);
  [[nodiscard]] std::expected<void, TlsConfigError> load_certificate(const TlsOptions& options) const;
  [[nodiscard]] std::expected<void, TlsConfigError> load_trust(const TlsOptions& options) const;

  gnutls_certificate_credentials_t certificates = nullptr;
  gnutls_priority_t priorities = nullptr;
  void guard_against_replays();

  gnutls_datum_t ticket_key{nullptr, 0};
  gnutls_anti_replay_t anti_replay = nullptr;  // of servers that take early data
  ReplayGuard seen{kReplayWindow};
};

// A first flight that is older, or that the clock of its sender says is, may go on without what it carries.
void TlsContext::Credentials::guard_against_replays() {
  ANTEROOM_CHECK(gnutls_anti_replay_init(&anti_replay) == 0);
  gnutls_anti_replay_set_window(anti_replay, static_cast<unsigned>(kReplayWindow.count()));
  gnutls_anti_replay_set_ptr(anti_replay, &seen);
  gnutls_anti_replay_set_add_function(
      anti_replay, [](void* guard, time_t, const gnutls_datum_t* key, const gnutls_datum_t*) -> int {
        const std::string_view flight(reinterpret_cast<const char*>(key->data), key->size);
        return static_cast<ReplayGuard*>(guard)->is_new(flight, std::chrono::steady_clock::now())
                   ? 0
                   : GNUTLS_E_DB_ENTRY_EXISTS;
      });
}

std::expected<void, TlsConfigError> TlsContext::Credentials::set_priorities(const std::string& text) {
  const char* position = nullptr;
  if (const int error = gnutls_priority_init(&priorities, text.c_str(), &position); error < 0) {
    priorities = nullptr;
    return refused(Part::kPriority, "", "\"" + text + "\": " + std::string(text_of(error)));
  }
  return {};
}

std::expected<void, TlsConfigError> TlsContext::Credentials::load_certificate(const TlsOptions& options) const {
  const std::string& file = options.certificate_file;
  if (file.empty() && options.key_file.empty() && options.role == Role::kClient) return {};
  if (file.empty()) return refused(Part::kCertificate, "", "there is no certificate");
  if (options.key_file.empty()) return refused(Part::kKey, "", "there is no key for the certificate");
  FileContent content;
  if (const std::string why = content.read(file); !why.empty()) return refused(Part::kCertificate, file, why);
  gnutls_datum_t datum = content.datum();
  Chain chain;
  if (const int error = gnutls_x509_crt_list_import2(&chain.list, &chain.size, &datum, GNUTLS_X509_FMT_PEM, 0);
      error < 0) {
    return refused(Part::kCertificate, file, text_of(error));
  }
  FileContent key_content;
  if (const std::string why = key_content.read(options.key_file); !why.empty()) {
    return refused(Part::kKey, options.key_file, why);
  }
  datum = key_content.datum();
  const Key key;
  if (const int error = gnutls_x509_privkey_import2(key.handle, &datum, GNUTLS_X509_FMT_PEM, nullptr, 0); error < 0) {
    return refused(Part::kKey, options.key_file, key_trouble(error));
  }
  const int error = gnutls_certificate_set_x509_key(certificates, chain.list, static_cast<int>(chain.size), key.handle);
  if (error < 0) return refused(Part::kKey, options.key_file, text_of(error));
  warn_of_its_time(chain.list[0], file);
  return {};
}

std::expected<void, TlsConfigError> TlsContext::Credentials::load_trust(const TlsOptions& options) const {
  if (options.verify == Verify::kNone || !options.pinned_key.empty()) return {};
  if (options.ca_file.empty()) {
    if (options.role == Role::kServer) return refused(Part::kCa, "", "there is no CA that clients could be judged by");
    if (gnutls_certificate_set_x509_system_trust(certificates) > 0) return {};
    return refused(Part::kCa, "", "the system has no list of CAs, so one must be given");
  }
  FileContent content;
  if (const std::string why = content.read(options.ca_file); !why.empty()) {
    return refused(Part::kCa, options.ca_file, why);
  }
  const gnutls_datum_t datum = content.datum();
  const int count = gnutls_certificate_set_x509_trust_mem(certificates, &datum, GNUTLS_X509_FMT_PEM);
  if (count > 0) return {};
  return refused(Part::kCa, options.ca_file, count < 0 ? text_of(count) : "it has no certificate");
}

TlsContext::TlsContext(const TlsOptions& options, std::unique_ptr<Credentials> credentials)
    : role_(options.role),
      verify_(options.verify),
      for_quic_(options.for_quic),
      early_data_(options.for_quic && options.early_data),
      protocols_(options.protocols),
      pinned_key_(options.pinned_key),
      credentials_(std::move(credentials)) {}

TlsContext::~TlsContext() = default;

TlsContext::Created TlsContext::create(const TlsOptions& options) {
  auto credentials = std::make_unique<Credentials>();
  const std::string priority = options.for_quic ? std::string(kQuicPriority) : options.priority;
  if (auto set = credentials->set_priorities(priority); !set) return std::unexpected(std::move(set.error()));
  if (auto loaded = credentials->load_certificate(options); !loaded) return std::unexpected(std::move(loaded.error()));
  if (auto loaded = credentials->load_trust(options); !loaded) return std::unexpected(std::move(loaded.error()));
  if (options.role == Role::kServer) {
    // A key of this context alone: after a reload nobody resumes what the new rules might refuse.
    ANTEROOM_CHECK(gnutls_session_ticket_key_generate(&credentials->ticket_key) == 0);
    if (options.early_data) credentials->guard_against_replays();
  }
  return std::shared_ptr<const TlsContext>(new TlsContext(options, std::move(credentials)));
}

gnutls_session_int* TlsContext::new_session(const std::string& server_name) const {
  const bool is_server = role_ == Role::kServer;
  gnutls_session_t session = nullptr;
  unsigned flags = (is_server ? GNUTLS_SERVER : GNUTLS_CLIENT) | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL;
  // QUIC has no EndOfEarlyData, sends tickets when it is ready, and saves a round trip by one key share of the best
  // group.
  if (for_quic_) {
    flags |= GNUTLS_NO_END_OF_EARLY_DATA | (is_server ? GNUTLS_NO_AUTO_SEND_TICKET : GNUTLS_KEY_SHARE_TOP);
  }
  if (early_data_) flags |= GNUTLS_ENABLE_EARLY_DATA;
  ANTEROOM_CHECK(gnutls_init(&session, flags) == 0);
  ANTEROOM_CHECK(gnutls_priority_set(session, credentials_->priorities) == 0);
  ANTEROOM_CHECK(gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials_->certificates) == 0);
  if (is_server) {
    ANTEROOM_CHECK(gnutls_session_ticket_enable_server(session, &credentials_->ticket_key) == 0);
    constexpr std::array kRequests{GNUTLS_CERT_IGNORE, GNUTLS_CERT_REQUEST, GNUTLS_CERT_REQUIRE};
    if (early_data_) {
      gnutls_anti_replay_enable(session, credentials_->anti_replay);
      gnutls_record_set_max_early_data_size(session, UINT32_MAX);  // QUIC has its own limits (RFC 9001, section 4.6.1)
    }
    gnutls_certificate_server_set_request(session, kRequests[static_cast<std::size_t>(verify_)]);
  } else if (!server_name.empty() && !Address::from_numeric(server_name, 0)) {
    // What is no name of DNS is refused here; the server then just is not told.
    static_cast<void>(gnutls_server_name_set(session, GNUTLS_NAME_DNS, server_name.data(), server_name.size()));
  }
  if (!protocols_.empty()) set_protocols(session);
  return session;
}

void TlsContext::set_protocols(gnutls_session_int* session) const {
  std::vector<gnutls_datum_t> names;
  for (const std::string& name : protocols_) {
    // GnuTLS copies it.
    auto* const bytes = reinterpret_cast<unsigned char*>(const_cast<char*>(name.data()));
    names.push_back({bytes, static_cast<unsigned>(name.size())});
  }
  ANTEROOM_CHECK(gnutls_alpn_set_protocols(session, names.data(), static_cast<unsigned>(names.size()),
                                           GNUTLS_ALPN_MANDATORY) == 0);
  if (role_ == Role::kClient) return;
  // GNUTLS_ALPN_MANDATORY lets those pass who ask for no protocol at all.
  gnutls_handshake_set_hook_function(session, GNUTLS_HANDSHAKE_CLIENT_HELLO, GNUTLS_HOOK_POST,
                                     [](gnutls_session_t asked, unsigned, unsigned, unsigned, const gnutls_datum_t*) {
                                       gnutls_datum_t selected{nullptr, 0};
                                       const bool has_one = gnutls_alpn_get_selected_protocol(asked, &selected) == 0;
                                       return has_one ? 0 : GNUTLS_E_NO_APPLICATION_PROTOCOL;
                                     });
}

std::optional<TlsFailure> TlsContext::judge_peer(gnutls_session_int* session, const std::string& server_name) const {
  if (verify_ == Verify::kNone) return std::nullopt;
  unsigned count = 0;
  const gnutls_datum_t* const chain = gnutls_certificate_get_peers(session, &count);
  if (chain == nullptr || count == 0) {
    if (role_ == Role::kServer && verify_ == Verify::kOptional) return std::nullopt;
    return TlsFailure{TlsFailure::Kind::kCertificate, "missing"};
  }
  if (!pinned_key_.empty()) {
    if (key_digest(chain[0]) == pinned_key_) return std::nullopt;
    return TlsFailure{TlsFailure::Kind::kCertificate, "wrong_key"};
  }
  const std::string name = without_zone(server_name);
  std::array expected{
      expectation(GNUTLS_DT_KEY_PURPOSE_OID,
                  role_ == Role::kServer ? GNUTLS_KP_TLS_WWW_CLIENT : GNUTLS_KP_TLS_WWW_SERVER),
      expectation(GNUTLS_DT_DNS_HOSTNAME, name.c_str()),
  };
  const unsigned wanted = role_ == Role::kServer ? 1 : 2;  // clients have no name to prove
  unsigned status = 0;
  const int error = gnutls_certificate_verify_peers(session, expected.data(), wanted, &status);
  if (error < 0) return TlsFailure{TlsFailure::Kind::kCertificate, "invalid"};
  if (status != 0) return TlsFailure{TlsFailure::Kind::kCertificate, reason_of(status)};
  return std::nullopt;
}

TlsContextSource::TlsContextSource(TlsOptions options, std::shared_ptr<const TlsContext> context)
    : options_(std::move(options)), context_(std::move(context)) {}

std::expected<std::shared_ptr<TlsContextSource>, TlsConfigError> TlsContextSource::create(TlsOptions options) {
  auto context = TlsContext::create(options);
  if (!context) return std::unexpected(std::move(context.error()));
  return std::shared_ptr<TlsContextSource>(new TlsContextSource(std::move(options), std::move(*context)));
}

std::shared_ptr<const TlsContext> TlsContextSource::current() const {
  const base::MutexLock lock(mutex_);
  return context_;
}

std::expected<void, TlsConfigError> TlsContextSource::reload() {
  auto context = TlsContext::create(options_);
  if (!context) return std::unexpected(std::move(context.error()));
  {
    const base::MutexLock lock(mutex_);
    context_.swap(*context);
  }
  return {};  // the old one is let go of here, outside the lock
}

}  // namespace anteroom::net
