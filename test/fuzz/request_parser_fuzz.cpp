// RequestParser: the same commands however the bytes are cut, every slice inside its buffer, every command encodable.
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.hpp"
#include "base/read_buffer.hpp"
#include "resp/request_parser.hpp"
#include "resp/writer.hpp"
#include "support/fuzz_split.hpp"

namespace {

using anteroom::base::ReadBuffer;
using anteroom::resp::Command;
using anteroom::resp::Limits;
using anteroom::resp::RequestParser;
using anteroom::resp::Step;

struct Parsed {
  std::vector<std::vector<std::string>> commands;
  std::vector<std::string> raws;
  std::string error;
  std::size_t left = 0;

  friend bool operator==(const Parsed&, const Parsed&) = default;
};

void check_command(std::string_view bytes, const Command& command) {
  ANTEROOM_CHECK(!command.args.empty());
  if (command.raw.empty()) return;
  ANTEROOM_CHECK(command.raw.data() >= bytes.data());
  ANTEROOM_CHECK(command.raw.data() + command.raw.size() <= bytes.data() + bytes.size());
  std::string encoded;
  anteroom::resp::append_command(encoded, command.args);
  ANTEROOM_CHECK(encoded == command.raw);  // what is forwarded unchanged is canonical
}

/// What next() said to be alike is, and what peek_alike() gives are the commands that come.
void check_alike(const Parsed& parsed, const Command& command, std::vector<std::string_view>& announced) {
  const std::vector<std::string>& args = parsed.commands.back();
  if (command.is_alike) {
    const std::vector<std::string>& before = *(parsed.commands.end() - 2);
    ANTEROOM_CHECK(before.front() == args.front() && before.size() == args.size());
  }
  if (announced.empty()) return;
  ANTEROOM_CHECK(command.is_alike && args.size() == 2 && args.back() == announced.front());
  announced.erase(announced.begin());
}

std::vector<std::string_view> peek(const RequestParser& parser, const ReadBuffer& in) {
  std::array<std::string_view, 3> arguments;
  std::string_view behind = in.readable();
  const std::size_t count = parser.peek_alike(behind, arguments);
  ANTEROOM_CHECK(in.readable().ends_with(behind) && (count > 0) == (behind.size() < in.size()));
  return {arguments.begin(), arguments.begin() + count};
}

/// Those that are announced are by turns taken as such and read again, which must be the same.
Step next(RequestParser& parser, ReadBuffer& in, const std::vector<std::string_view>& announced, Command& command) {
  if (announced.size() % 2 == 0) return parser.next(in, command);
  parser.take_alike(in, announced.front(), command);
  return Step::kCommand;
}

Parsed parse(const std::vector<std::string_view>& pieces, Limits limits) {
  RequestParser parser(limits);
  ReadBuffer in;
  Command command;
  Parsed parsed;
  std::vector<std::string_view> announced;
  for (const std::string_view piece : pieces) {
    ANTEROOM_CHECK(announced.empty());  // they were whole
    in.append(piece);
    while (true) {
      const std::string_view before = in.readable();
      const Step step = next(parser, in, announced, command);
      if (step == Step::kError) {
        parsed.error = parser.error();
        ANTEROOM_CHECK(!parsed.error.empty() && parser.next(in, command) == Step::kError);
        return parsed;
      }
      if (step == Step::kNeedMore) break;
      check_command(before, command);
      parsed.commands.emplace_back(command.args.begin(), command.args.end());
      parsed.raws.emplace_back(command.raw);
      check_alike(parsed, command, announced);
      if (announced.empty()) announced = peek(parser, in);
    }
    ANTEROOM_CHECK(parser.missing_bytes() > 0);
  }
  parsed.left = in.size();
  return parsed;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const Limits tight{.inline_bytes_max = 24, .args_max = 5, .bulk_bytes_max = 12, .command_bytes_max = 64};
  for (const Limits& limits : {Limits{}, Limits::unauthenticated(), tight}) {
    const Parsed whole = parse({input}, limits);
    ANTEROOM_CHECK(whole == parse(anteroom::test::random_pieces(input), limits));
    for (const std::vector<std::string>& args : whole.commands) {
      std::string encoded;
      anteroom::resp::append_command(encoded, std::vector<std::string_view>(args.begin(), args.end()));
      const Parsed again = parse({encoded}, Limits{});
      ANTEROOM_CHECK(again.commands.size() == 1 && again.commands.front() == args && again.raws.front() == encoded);
    }
  }
  return 0;
}
