// Which commands are refused, and which have another name.
#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/ascii.hpp"
#include "config/descriptor_builder.hpp"
#include "config/error.hpp"

namespace anteroom::config {
namespace {

using Problem = std::optional<std::string>;

constexpr std::size_t kNameBytesMax = 64;

/// "CONFIG|SET" and "config  set" become "config set".
Problem judge_commands(Value& value) {
  for (std::string& command : std::get<std::vector<std::string>>(value)) {
    std::vector<std::string> words(1);
    for (const char c : command) {
      if (c != '|' && !base::is_space(c)) {
        words.back() += base::to_lower(c);
      } else if (!words.back().empty()) {
        words.emplace_back();
      }
    }
    if (words.back().empty()) words.pop_back();
    if (words.empty() || words.size() > 2)
      return in_quotes(command) + " is no command, nor a command with its subcommand";
    command = words.size() == 1 ? words[0] : words[0] + ' ' + words[1];
  }
  return std::nullopt;
}

/// One word that is no container with its subcommand.
bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= kNameBytesMax &&
         std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f && c != '|' && c != '=' && c != '"'; });
}

/// "CONFIG=Secret" becomes "config=secret".
Problem judge_renames(Value& value) {
  std::set<std::string, std::less<>> names;
  for (std::string& rename : std::get<std::vector<std::string>>(value)) {
    const std::size_t sign = rename.find('=');
    if (sign == std::string::npos) return in_quotes(rename) + " is not OLD=NEW, nor OLD= for no name at all";
    const std::string old_name = base::lowercase(base::trim(std::string_view(rename).substr(0, sign)));
    const std::string new_name = base::lowercase(base::trim(std::string_view(rename).substr(sign + 1)));
    if (!is_name(old_name)) return in_quotes(rename) + ": " + in_quotes(old_name) + " is no name of a command";
    if (!new_name.empty() && !is_name(new_name)) {
      return in_quotes(rename) + ": " + in_quotes(new_name) + " is no name for a command";
    }
    if (!names.insert(old_name).second) return in_quotes(old_name) + " is named twice";
    if (!new_name.empty() && !names.insert(new_name).second) return in_quotes(new_name) + " is named twice";
    rename = old_name;
    rename.append("=").append(new_name);
  }
  return std::nullopt;
}

}  // namespace

std::vector<Descriptor> command_options() {
  using G = CommandOptions;
  constexpr auto kGroup = &Options::commands;
  return {
      option<kGroup, &G::deny>({.path = "commands.deny",
                                .flag = "deny",
                                .doc = "Commands that are refused, also inside MULTI; a subcommand is named with its "
                                       "command. By default those that stop the server, turn its replication or its "
                                       "part of a cluster, load modules, or are for debugging",
                                .judge = judge_commands}),
      option<kGroup, &G::denied_as>(
          {.path = "commands.denied_as",
           .flag = "denied-as",
           .doc = "How they are refused: with `-NOPERM`, or as if the server did not know them"}),
      option<kGroup, &G::rename>(
          {.path = "commands.rename",
           .flag = "rename-command",
           .doc = "`OLD=NEW` gives a command another name and takes the old one away, `OLD=` only takes it away. What "
                  "the server itself tells of its commands (`COMMAND` and its subcommands) is not rewritten",
           .judge = judge_renames}),
  };
}

}  // namespace anteroom::config
