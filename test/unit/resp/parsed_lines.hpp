#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/read_buffer.hpp"
#include "resp/request_parser.hpp"
#include "support/split.hpp"

namespace anteroom::resp {

/// What RequestParser made of some bytes, one line each.
using Lines = std::vector<std::string>;

inline constexpr std::string_view kPing = "*1\r\n$4\r\nPING\r\n";

/// "GET|key" for a command whose frame may be forwarded, "~GET|key" when it must be encoded anew, "!text" for an error.
[[nodiscard]] inline std::string describe(const Command& command) {
  std::string line = command.raw.empty() ? "~" : "";
  for (std::size_t i = 0; i < command.args.size(); ++i) (line += i == 0 ? "" : "|") += command.args[i];
  return line;
}

[[nodiscard]] inline Lines parse_pieces(const test::Pieces& pieces, Limits limits) {
  RequestParser parser(limits);
  base::ReadBuffer in;
  Command command;
  Lines lines;
  for (const std::string_view piece : pieces) {
    in.append(piece);
    Step step = parser.next(in, command);
    for (; step == Step::kCommand; step = parser.next(in, command)) lines.push_back(describe(command));
    if (step == Step::kNeedMore) continue;
    lines.push_back("!" + std::string(parser.error()));
    break;
  }
  return lines;
}

[[nodiscard]] inline Lines parse(std::string_view input, Limits limits = {}) {
  return test::expect_same_for_every_split(
      input, [limits](const test::Pieces& pieces) { return parse_pieces(pieces, limits); });
}

[[nodiscard]] inline Lines protocol_error(std::string_view text) {
  return {"!ERR Protocol error: " + std::string(text)};
}

}  // namespace anteroom::resp
