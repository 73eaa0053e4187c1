#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.hpp"

namespace anteroom::base {

/// Where on its way a request to the upstream failed. The names are what clients, logs and metrics see.
enum class Stage : std::uint8_t {
  kAdmission,
  kPoolAcquire,
  kDns,
  kConnect,
  kConnectUnix,
  kTls,
  kQuic,
  kHandshake,
  kWriteStall,
  kResponse,
  kReplyStall,
};

/// What is known about the command's effect. Decides the error code: a code that clients retry is only ever sent when
/// the command certainly did not run.
enum class Executed : std::uint8_t { kNo, kUnknown, kYes };

[[nodiscard]] std::string_view to_string(Stage stage) noexcept;
[[nodiscard]] std::string_view to_string(Executed executed) noexcept;

/// A failure between us and the upstream, as a value. Becomes one RESP error line (UPSTREAM.md B1.3, in anteroom's
/// name); a new text is a change of the client-visible contract.
struct StagedError {
  Stage stage = Stage::kConnect;
  Executed executed = Executed::kNo;
  std::string_view code;     ///< static: first word of the reply, e.g. "MASTERDOWN"
  std::string text;          ///< no secret, no CR or LF
  std::string details;       ///< " key=value" pairs put behind the stage; may be empty
  bool is_verbatim = false;  ///< `text` is the upstream's own error line and is passed on as it is

  /// From authentication_failed().
  [[nodiscard]] bool is_login_refused() const noexcept;

  /// The error reply without '-' and CRLF: "CODE anteroom: text (stage=... executed=...)", at most 256 bytes.
  [[nodiscard]] std::string reply() const;

  static StagedError dns_failed(std::string_view host, Milliseconds after);
  static StagedError connect_failed(Stage stage, std::string_view why, Milliseconds after);
  static StagedError tls_timeout(Milliseconds after);
  static StagedError tls_failed(std::string_view why, Milliseconds after);
  /// A certificate was refused, the upstream's by us or ours by it. `reason` is one word.
  static StagedError tls_refused(std::string_view reason);
  /// The QUIC connection to the gateway did not come about. `why` names the gateway.
  static StagedError quic_failed(std::string_view why, Milliseconds after);
  static StagedError handshake_timeout(Milliseconds after);
  static StagedError handshake_lost();
  /// `upstream_code` is the first word of the upstream's own error.
  static StagedError authentication_failed(std::string_view upstream_code);
  static StagedError handshake_refused(std::string_view upstream_error);
  /// The upstream's own words, for errors that are about the client's request (SELECT of a db that is not there).
  static StagedError verbatim(std::string_view upstream_error);
  static StagedError overloaded();
  /// No pinned link came free.
  static StagedError no_link(Milliseconds after);
  static StagedError write_stalled(Milliseconds after);
  static StagedError no_reply(Milliseconds after);
  /// `stage` is kQuic where the connection to the gateway was.
  static StagedError connection_lost(Executed executed, Stage stage = Stage::kResponse);
  static StagedError reply_cut();
  static StagedError shutting_down();
};

}  // namespace anteroom::base
