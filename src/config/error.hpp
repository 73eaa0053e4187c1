#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace anteroom::config {

/// One thing that is wrong with the configuration. Never holds a secret.
struct Error {
  std::string option;   ///< JSON path, flag or file that it is about
  std::string problem;  ///< what is wrong with it
  std::string source;   ///< "flag --port"; empty when `option` says it all

  /// One line: `listen.port: 70000 is not between 0 and 65535 (from flag --port)`
  [[nodiscard]] std::string to_string() const;
  bool operator==(const Error&) const = default;
};

using Errors = std::vector<Error>;

/// `text` in quotes, fit for a terminal: control characters replaced, cut after 60 bytes.
[[nodiscard]] std::string in_quotes(std::string_view text);

/// `, did you mean NAME?` for the candidate that is spelled nearly like `wrong`; empty when there is none.
[[nodiscard]] std::string suggestion(std::string_view wrong, const std::vector<std::string>& candidates);

}  // namespace anteroom::config
