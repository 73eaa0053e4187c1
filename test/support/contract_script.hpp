#pragma once

#include <cstdint>
#include <expected>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "support/reply_compare.hpp"

namespace anteroom::test {

/// A conversation written down: what several connections say, one line after the other. Each reply is compared between
/// two servers by ContractRun. The format, line by line:
///
///     # a comment, to the end of the line; empty lines are skipped
///     SET k "a\x00b"            a command of the connection `main`, quoted as redis-cli has it; its reply is read
///     a: GET k                  the same of the connection `a`, which is opened when it is first named
///     @send a: BLPOP l 0        nothing is read; `@read` does that later
///     @read a 2                 two replies (or pushes) are read; without a number one
///     @closed a                 the server has closed the connection; naming it again opens a new one
///     @until :1 EXISTS k        asks the servers themselves until they answer so (line end left out)
///     @blocked 2                waits until so many clients are blocked at the servers
///     @keep id a: CLIENT ID     the reply's text is not compared but kept, each server's own; from now on an argument
///                               `$id` stands for it
///     @direct SET k w           said to each server itself, on a connection of its own
///     @pipeline a               the lines up to @end, commands all, are sent as one packet; then the replies are read
///     @end
///
/// Before a command or @read: `@unordered`, `@volatile` and `@fields` say what is compared (see Compare), `@resp2` and
/// `@resp3` that the line is for this protocol only. `@unordered @read a 2` takes the replies themselves in any order.
enum class Protocol : std::uint8_t { kResp2, kResp3 };

struct ScriptStep {
  enum class Kind : std::uint8_t { kAsk, kSend, kRead, kKeep, kClosed, kUntil, kBlocked, kDirect };

  Kind kind = Kind::kAsk;
  std::size_t line = 0;               ///< in the file, from 1
  std::string connection = "main";    ///< of all but kUntil, kBlocked and kDirect
  std::vector<std::string> commands;  ///< lines as written: one, or those of a pipeline
  std::size_t count = 1;              ///< of kRead and kBlocked
  std::string reply;                  ///< of kUntil
  std::string name;                   ///< of kKeep
  Compare compare = Compare::kBytes;
  bool is_for_resp2 = true;
  bool is_for_resp3 = true;

  [[nodiscard]] bool is_for(Protocol protocol) const {
    return protocol == Protocol::kResp2 ? is_for_resp2 : is_for_resp3;
  }
};

struct ContractScript {
  std::string name;  ///< the file's, without folder and ending: letters, digits and '_'
  std::vector<ScriptStep> steps;

  /// For GoogleTest's messages.
  friend std::ostream& operator<<(std::ostream& out, const ContractScript& script) { return out << script.name; }
};

/// The arguments of one line, quoted as redis-cli has it. Nothing if the quotes do not match or there are no arguments.
[[nodiscard]] std::vector<std::string> script_arguments(std::string_view line);

/// The error names the line.
[[nodiscard]] std::expected<ContractScript, std::string> parse_contract_script(std::string name, std::string_view text);

/// All of a folder's *.txt, by name.
[[nodiscard]] std::expected<std::vector<ContractScript>, std::string> contract_scripts(const std::string& folder);

}  // namespace anteroom::test
