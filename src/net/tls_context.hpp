#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/mutex.hpp"

struct gnutls_session_int;

namespace anteroom::net {

/// What a side of TLS has to know. Files are PEM; empty names are none.
struct TlsOptions {
  enum class Role : std::uint8_t { kServer, kClient };
  /// A server's clients may be asked for a certificate; one that is given must be good in any case. To a client,
  /// everything but kNone means that the server must prove its name.
  enum class Verify : std::uint8_t { kNone, kOptional, kRequired };

  Role role = Role::kServer;
  std::string certificate_file{};  ///< with the certificates that lead to the root; a server needs it
  std::string key_file{};
  std::string ca_file{};  ///< who is trusted; a client without it trusts whom the system does
  Verify verify = Verify::kRequired;
  /// Of which both sides must have one in common (ALPN, RFC 7301), the preferred one first; empty: it is not asked.
  std::vector<std::string> protocols{};
  /// SHA-256 of the public key (SubjectPublicKeyInfo) that a server must have, 32 bytes; not empty: nothing else is
  /// asked of its certificate, neither a CA nor a name.
  std::string pinned_key{};
  /// For QUIC (RFC 9001): version 1.3 alone, and sessions whose records somebody else carries. Not for TlsStream.
  bool for_quic = false;
  /// QUIC only: a ticket may carry requests in the first flight (0-RTT, RFC 8446, section 2.3). Who overhears them can
  /// have them come in again; a server takes each first flight only once, and none after a restart or a reload.
  bool early_data = false;
  std::string priority = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2";  ///< in the syntax of GnuTLS
};

/// Why there is no context: the part of the options that is at fault, and one line that names the file.
struct TlsConfigError {
  enum class Part : std::uint8_t { kCertificate, kKey, kCa, kPriority };
  Part part = Part::kCertificate;
  std::string text;
};

/// Why a handshake failed.
struct TlsFailure {
  enum class Kind : std::uint8_t {
    kCertificate,  ///< the peer's certificate was refused, or ours by the peer; trying again will not mend it
    kClosed,       ///< the peer went away
    kOther,        ///< not TLS, no common version, an errno of the stream below
  };
  Kind kind = Kind::kOther;
  std::string reason;  ///< kCertificate: one word like "expired"; else a text
};

/// Credentials and rules that many connections share. Immutable, for any thread; a connection keeps its context alive.
class TlsContext {
 public:
  using Created = std::expected<std::shared_ptr<const TlsContext>, TlsConfigError>;
  [[nodiscard]] static Created create(const TlsOptions& options);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  // For TlsStream.
  /// A session without a transport, the caller's to free. A client's tells the server `server_name` (SNI) unless it is
  /// an address.
  [[nodiscard]] gnutls_session_int* new_session(const std::string& server_name) const;
  /// After a handshake, before a byte is exchanged: what is wrong with the peer's certificate, which a client also
  /// wants to name `server_name`, a host or an address.
  [[nodiscard]] std::optional<TlsFailure> judge_peer(gnutls_session_int* session, const std::string& server_name) const;

 private:
  struct Credentials;
  TlsContext(const TlsOptions& options, std::unique_ptr<Credentials> credentials);
  void set_protocols(gnutls_session_int* session) const;

  const TlsOptions::Role role_;
  const TlsOptions::Verify verify_;
  const bool for_quic_;
  const bool early_data_;
  const std::vector<std::string> protocols_;
  const std::string pinned_key_;
  const std::unique_ptr<const Credentials> credentials_;
};

/// Where new connections get their context. Files can be read anew while it is used; connections that are there keep
/// the context they have. Thread-safe.
class TlsContextSource {
 public:
  [[nodiscard]] static std::expected<std::shared_ptr<TlsContextSource>, TlsConfigError> create(TlsOptions options);

  [[nodiscard]] std::shared_ptr<const TlsContext> current() const ANTEROOM_EXCLUDES(mutex_);
  /// Reads the files again. On an error everything stays as it is.
  std::expected<void, TlsConfigError> reload() ANTEROOM_EXCLUDES(mutex_);

 private:
  TlsContextSource(TlsOptions options, std::shared_ptr<const TlsContext> context);

  const TlsOptions options_;

  mutable base::Mutex mutex_;
  std::shared_ptr<const TlsContext> context_ ANTEROOM_GUARDED_BY(mutex_);
};

}  // namespace anteroom::net
