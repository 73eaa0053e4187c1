#include "support/tls_client.hpp"

#include <arpa/inet.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

namespace anteroom::test {

struct TlsClient::Session {
  Session() {
    gnutls_certificate_allocate_credentials(&credentials);
    gnutls_init(&tls, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL);
    gnutls_set_default_priority(tls);
  }
  ~Session() {
    gnutls_deinit(tls);
    gnutls_certificate_free_credentials(credentials);
    if (fd >= 0) ::close(fd);
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  gnutls_session_t tls = nullptr;
  gnutls_certificate_credentials_t credentials = nullptr;
  int fd = -1;
};

TlsClient::TlsClient(const Options& options) : session_(std::make_unique<Session>()) {
  Session& session = *session_;
  if (!options.ca.empty()) {
    gnutls_certificate_set_x509_trust_file(session.credentials, options.ca.c_str(), GNUTLS_X509_FMT_PEM);
    gnutls_session_set_verify_cert(session.tls, "localhost", 0);
  }
  if (!options.certificate.empty()) {
    gnutls_certificate_set_x509_key_file(session.credentials, options.certificate.c_str(), options.key.c_str(),
                                         GNUTLS_X509_FMT_PEM);
  }
  gnutls_credentials_set(session.tls, GNUTLS_CRD_CERTIFICATE, session.credentials);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(options.port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  session.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(session.fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) return;
  if (!options.preamble.empty() &&
      ::send(session.fd, options.preamble.data(), options.preamble.size(), MSG_NOSIGNAL) < 0) {
    return;
  }
  gnutls_transport_set_int(session.tls, session.fd);
  is_connected_ = shake_hands();
}

TlsClient::~TlsClient() = default;

bool TlsClient::wait(bool for_write, const Deadline& deadline) const {
  pollfd watched{.fd = session_->fd, .events = static_cast<short>(for_write ? POLLOUT : POLLIN), .revents = 0};
  return poll(&watched, 1, deadline.poll_ms()) > 0;
}

bool TlsClient::shake_hands() {
  const Deadline deadline{kPatience};
  while (true) {
    const int result = gnutls_handshake(session_->tls);
    if (result == 0) return true;
    if (gnutls_error_is_fatal(result) != 0) return false;
    if (!wait(gnutls_record_get_direction(session_->tls) == 1, deadline)) return false;
  }
}

bool TlsClient::send_raw(std::string_view bytes) {
  const Deadline deadline{kPatience};
  while (!bytes.empty() && is_connected_) {
    const ssize_t sent = gnutls_record_send(session_->tls, bytes.data(), bytes.size());
    if (sent > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    } else if (gnutls_error_is_fatal(static_cast<int>(sent)) != 0 || !wait(true, deadline)) {
      return false;
    }
  }
  return is_connected_;
}

Reply TlsClient::read() {
  const Deadline deadline{kPatience};
  const auto trouble = [](std::string_view what) {
    Reply reply;
    reply.raw = what;
    return reply;
  };
  while (is_connected_) {
    ParsedReply parsed = parse_reply(input_);
    if (parsed.status == ParseStatus::kMalformed) return trouble("<malformed>");
    if (parsed.status == ParseStatus::kComplete) {
      input_.erase(0, parsed.used);
      return std::move(parsed.reply);
    }
    std::array<char, 16 * 1024> buffer{};
    const ssize_t got = gnutls_record_recv(session_->tls, buffer.data(), buffer.size());
    if (got > 0) {
      input_.append(buffer.data(), static_cast<std::size_t>(got));
    } else if (got == 0 || gnutls_error_is_fatal(static_cast<int>(got)) != 0) {
      return trouble("<closed>");
    } else if (!wait(false, deadline)) {
      return trouble("<timeout>");
    }
  }
  return trouble("<refused>");
}

Reply TlsClient::ask(const std::vector<std::string_view>& args) {
  send_raw(encode(args));
  return read();
}

std::string TlsClient::server_name() const {
  unsigned count = 0;
  const gnutls_datum_t* const chain = gnutls_certificate_get_peers(session_->tls, &count);
  if (chain == nullptr) return "<none>";
  gnutls_x509_crt_t certificate = nullptr;
  gnutls_x509_crt_init(&certificate);
  gnutls_x509_crt_import(certificate, chain, GNUTLS_X509_FMT_DER);
  std::array<char, 100> name{};
  std::size_t size = name.size();
  gnutls_x509_crt_get_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, 0, name.data(), &size);
  gnutls_x509_crt_deinit(certificate);
  return std::string(name.data(), size);
}

}  // namespace anteroom::test
