#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/staged_error.hpp"
#include "upstream/lane.hpp"

namespace anteroom::upstream {

/// The first flight on a new link: AUTH if there are credentials, HELLO, CLIENT SETNAME, SELECT if the db is not 0,
/// pipelined. Pure. HELLO tells the server's version, and a server which wants a password from one that does not: its
/// -NOAUTH must become our own error, because a client that saw it would think that its credentials are wrong. Servers
/// before 6.0 do not know HELLO; CLIENT SETNAME then gives the -NOAUTH. They cannot serve a RESP3 link.
class Handshake {
 public:
  Handshake(const Credentials& credentials, int db, resp::Protocol protocol = resp::Protocol::kResp2);

  /// The bytes to send. Contains the password: never log it.
  [[nodiscard]] const std::string& request() const noexcept { return request_; }

  enum class Step : std::uint8_t { kMore, kDone, kFailed };
  /// Takes the next whole reply. After kDone or kFailed, no more.
  [[nodiscard]] Step on_reply(std::string_view reply);
  /// Why it failed; valid after kFailed.
  [[nodiscard]] const base::StagedError& error() const noexcept { return error_; }
  /// The server's version from HELLO; empty if it did not say.
  [[nodiscard]] const std::string& version() const noexcept { return version_; }
  /// The connection's id at the server, likewise.
  [[nodiscard]] const std::string& client_id() const noexcept { return client_id_; }

 private:
  enum class Stage : std::uint8_t { kAuth, kHello, kSetName, kSelect, kDone };
  [[nodiscard]] Stage after(Stage stage) const noexcept;
  void take_hello(std::string_view reply);
  [[nodiscard]] bool accept_error(std::string_view error);

  std::string request_;
  std::string version_;
  std::string client_id_;
  bool selects_db_;
  bool needs_hello_;  // without it there is no RESP3
  Stage stage_;
  base::StagedError error_;
};

}  // namespace anteroom::upstream
