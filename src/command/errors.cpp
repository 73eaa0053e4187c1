// Texts of Redis 7.0.15, as its C code makes them: "%.128s" stops at a NUL byte.
#include <algorithm>

#include "base/ascii.hpp"
#include "base/check.hpp"
#include "command/table.hpp"

namespace anteroom::command {
namespace {

constexpr std::size_t kShownBytesMax = 128;

std::string_view shown(std::string_view arg, std::size_t bytes_max = kShownBytesMax) {
  return arg.substr(0, std::min(bytes_max, arg.find('\0')));
}

/// A line end in what the client sent must not end the error line.
std::string on_one_line(std::string text) {
  std::ranges::replace(text, '\r', ' ');
  std::ranges::replace(text, '\n', ' ');
  return text;
}

}  // namespace

std::string unknown_command_error(std::span<const std::string_view> args) {
  ANTEROOM_CHECK(!args.empty());
  std::string beginning;
  for (const std::string_view arg : args.subspan(1)) {
    if (beginning.size() >= kShownBytesMax) break;
    const std::string_view cut = shown(arg, kShownBytesMax - beginning.size());
    beginning.append("'").append(cut).append("' ");
  }
  return on_one_line("ERR unknown command '" + std::string(shown(args[0])) +
                     "', with args beginning with: " + beginning);
}

std::string unknown_subcommand_error(std::span<const std::string_view> args) {
  ANTEROOM_CHECK(args.size() > 1);
  return on_one_line("ERR unknown subcommand '" + std::string(shown(args[1])) + "'. Try " + base::uppercase(args[0]) +
                     " HELP.");
}

std::string wrong_arity_error(const Facts& facts) {
  // A refused EXEC ends the transaction it was to run, and says so.
  const std::string_view code = facts.name == "exec" ? "EXECABORT Transaction discarded because of: " : "ERR ";
  return std::string(code) + "wrong number of arguments for '" + std::string(facts.name) + "' command";
}

}  // namespace anteroom::command
