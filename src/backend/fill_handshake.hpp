#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "backend/cache_backend.hpp"
#include "base/staged_error.hpp"

namespace anteroom::backend {

/// What a new fill connection says first, and what follows from the answers. Pure: no sockets, no clock.
///
/// HELLO 3 with log-in and name. With tracking then CLIENT TRACKING ON, a question whether the server can expire hash
/// fields, and the first fence; nothing is fetched before all of them are answered, so that every fetch is tracked
/// (R7). A server that does not know HELLO 3, or may not be asked, is greeted with AUTH and CLIENT SETNAME.
class FillHandshake {
 public:
  struct Credentials {
    std::string user;  ///< empty: the default user
    std::string password;

    /// Else there is no log-in.
    [[nodiscard]] bool are_given() const noexcept { return !user.empty() || !password.empty(); }
  };
  /// What matters of a reply. Empty texts where it says nothing of the kind.
  struct Reply {
    std::string_view error;   ///< without '-' and CRLF
    std::string_view server;  ///< fields of HELLO
    std::string_view version;
    bool lists_a_command = false;  ///< of COMMAND INFO: the command is known
  };
  using Command = std::vector<std::string_view>;

  FillHandshake(const Credentials& credentials, bool wants_tracking);

  enum class Step : std::uint8_t {
    kMore,    ///< replies to what was sent are still due
    kSend,    ///< send commands() now
    kDone,    ///< greeting() is complete, but for its time
    kFailed,  ///< give the connection up because of error()
  };
  /// What is to be sent now, in this order; valid while this lives.
  [[nodiscard]] std::vector<Command> commands() const;
  /// The next reply to what commands() gave.
  [[nodiscard]] Step on_reply(const Reply& reply);

  [[nodiscard]] const Greeting& greeting() const noexcept { return greeting_; }
  [[nodiscard]] const base::StagedError& error() const noexcept { return error_; }

 private:
  enum class Stage : std::uint8_t { kHello, kTracking, kHashFields, kFence, kAuth, kSetName };

  [[nodiscard]] Step after_hello(const Reply& reply);
  [[nodiscard]] Step begin_plain(std::string_view why_not);
  [[nodiscard]] Step fail(base::StagedError error);

  const Credentials credentials_;
  const bool wants_tracking_;
  Stage stage_ = Stage::kHello;
  Greeting greeting_;
  base::StagedError error_;
};

}  // namespace anteroom::backend
