#include "base/staged_error.hpp"

#include <utility>

namespace anteroom::base {
namespace {

// Clients print errors on one line and some copy them into fixed buffers.
constexpr std::size_t kReplyBytesMax = 256;

// Codes that client libraries retry; only for requests that certainly did not run.
constexpr std::string_view kMasterDown = "MASTERDOWN";
constexpr std::string_view kTryAgain = "TRYAGAIN";
// Codes that no known client retries; for requests that may have run.
constexpr std::string_view kTimeout = "TIMEOUT";
constexpr std::string_view kConnectionLost = "CONNLOST";
// Trouble that waiting does not mend.
constexpr std::string_view kErr = "ERR";

std::string after_ms(Milliseconds after) { return " after=" + std::to_string(after.count()) + "ms"; }

StagedError make(Stage stage, Executed executed, std::string_view code, std::string text, std::string details = {}) {
  return {stage, executed, code, std::move(text), std::move(details), false};
}

std::string first_word(std::string_view text) { return std::string(text.substr(0, text.find(' '))); }

constexpr std::string_view kLoginDetail = " upstream=";

}  // namespace

std::string_view to_string(Stage stage) noexcept {
  switch (stage) {
    case Stage::kAdmission:
      return "admission";
    case Stage::kPoolAcquire:
      return "pool_acquire";
    case Stage::kDns:
      return "dns";
    case Stage::kConnect:
      return "connect";
    case Stage::kConnectUnix:
      return "connect_unix";
    case Stage::kTls:
      return "tls";
    case Stage::kQuic:
      return "quic";
    case Stage::kHandshake:
      return "handshake";
    case Stage::kWriteStall:
      return "write_stall";
    case Stage::kResponse:
      return "response";
    case Stage::kReplyStall:
      return "reply_stall";
  }
  return "unknown";
}

std::string_view to_string(Executed executed) noexcept {
  switch (executed) {
    case Executed::kNo:
      return "no";
    case Executed::kUnknown:
      return "unknown";
    case Executed::kYes:
      return "yes";
  }
  return "unknown";
}

std::string StagedError::reply() const {
  std::string line(is_verbatim ? std::string_view(text) : code);
  if (!is_verbatim) {
    line.append(" anteroom: ").append(text).append(" (stage=").append(to_string(stage));
    line.append(" executed=").append(to_string(executed)).append(details).append(")");
  }
  if (line.size() > kReplyBytesMax) line.resize(kReplyBytesMax);
  for (char& c : line) {
    if (c == '\r' || c == '\n') c = ' ';
  }
  return line;
}

StagedError StagedError::dns_failed(std::string_view host, Milliseconds after) {
  return make(Stage::kDns, Executed::kNo, kMasterDown, "cannot resolve upstream '" + std::string(host) + "'",
              after_ms(after));
}

StagedError StagedError::connect_failed(Stage stage, std::string_view why, Milliseconds after) {
  return make(stage, Executed::kNo, kMasterDown, "cannot connect to upstream: " + std::string(why), after_ms(after));
}

StagedError StagedError::tls_timeout(Milliseconds after) {
  return make(Stage::kTls, Executed::kNo, kMasterDown, "upstream did not finish the TLS handshake", after_ms(after));
}

StagedError StagedError::tls_failed(std::string_view why, Milliseconds after) {
  return make(Stage::kTls, Executed::kNo, kMasterDown, "no TLS with upstream: " + std::string(why), after_ms(after));
}

StagedError StagedError::tls_refused(std::string_view reason) {
  return make(Stage::kTls, Executed::kNo, kErr, "upstream TLS verification failed", " reason=" + first_word(reason));
}

StagedError StagedError::quic_failed(std::string_view why, Milliseconds after) {
  return make(Stage::kQuic, Executed::kNo, kMasterDown, "no connection to the gateway: " + std::string(why),
              after_ms(after));
}

StagedError StagedError::handshake_timeout(Milliseconds after) {
  return make(Stage::kHandshake, Executed::kNo, kMasterDown, "upstream did not answer the handshake", after_ms(after));
}

StagedError StagedError::handshake_lost() {
  return make(Stage::kHandshake, Executed::kNo, kMasterDown, "upstream closed the connection in the handshake");
}

StagedError StagedError::authentication_failed(std::string_view upstream_code) {
  return make(Stage::kHandshake, Executed::kNo, kErr, "upstream authentication failed",
              std::string(kLoginDetail) + first_word(upstream_code));
}

bool StagedError::is_login_refused() const noexcept { return details.starts_with(kLoginDetail); }

StagedError StagedError::handshake_refused(std::string_view upstream_error) {
  return make(Stage::kHandshake, Executed::kNo, kErr, "upstream refused the handshake: " + std::string(upstream_error));
}

StagedError StagedError::verbatim(std::string_view upstream_error) {
  StagedError error = make(Stage::kHandshake, Executed::kNo, kErr, std::string(upstream_error));
  error.is_verbatim = true;
  return error;
}

StagedError StagedError::overloaded() {
  return make(Stage::kAdmission, Executed::kNo, kTryAgain, "overloaded, request not accepted");
}

StagedError StagedError::no_link(Milliseconds after) {
  return make(Stage::kPoolAcquire, Executed::kNo, kTryAgain, "no upstream connection within max_wait", after_ms(after));
}

StagedError StagedError::write_stalled(Milliseconds after) {
  return make(Stage::kWriteStall, Executed::kNo, kTryAgain, "upstream write stalled", after_ms(after));
}

StagedError StagedError::no_reply(Milliseconds after) {
  return make(Stage::kResponse, Executed::kUnknown, kTimeout,
              "no reply from upstream within " + std::to_string(after.count()) + "ms");
}

StagedError StagedError::connection_lost(Executed executed, Stage stage) {
  // Not fully sent means that the server cannot have run it: it needs the whole frame.
  if (executed == Executed::kNo) {
    return make(stage, executed, kTryAgain, "upstream connection lost before the request was sent");
  }
  return make(stage, executed, kConnectionLost, "upstream connection lost before the reply");
}

StagedError StagedError::reply_cut() {
  return make(Stage::kReplyStall, Executed::kYes, kConnectionLost, "upstream connection lost inside the reply");
}

StagedError StagedError::shutting_down() {
  return make(Stage::kAdmission, Executed::kNo, kTryAgain, "shutting down, request not accepted");
}

}  // namespace anteroom::base
