#pragma once

#include <cstdint>
#include <string>

#include "base/clock.hpp"
#include "base/staged_error.hpp"

namespace anteroom::net {

struct ConnectTarget;

enum class ConnectStage : std::uint8_t { kDns, kConnect, kConnectUnix, kTls, kQuic };

struct ConnectError {
  ConnectStage stage = ConnectStage::kConnect;
  int error = 0;             ///< errno of the last address tried, ETIMEDOUT if time ran out; for kDns 0 or ETIMEDOUT;
                             ///< for kTls and kQuic ETIMEDOUT, EACCES if a certificate was refused, else EPROTO
  std::string text;          ///< one line, "127.0.0.1:6379: Connection refused"
  base::Duration elapsed{};  ///< since the start
  std::string refusal{};     ///< kTls and kQuic with EACCES: why, in one word

  /// What a client is told whose request needed this connection.
  [[nodiscard]] base::StagedError staged(const ConnectTarget& target) const;
};

}  // namespace anteroom::net
