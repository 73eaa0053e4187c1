#include "server/renames.hpp"

#include <algorithm>

#include "base/log.hpp"

namespace anteroom::server {

std::vector<proxy::Rename> renames(const config::CommandOptions& commands) {
  std::vector<proxy::Rename> out;
  for (const std::string& rename : commands.rename) {
    const std::size_t sign = rename.find('=');
    out.push_back({.old_name = rename.substr(0, sign), .new_name = rename.substr(sign + 1)});
  }
  return out;
}

std::expected<void, std::string> check_renames(const config::Options& options, const command::Table& table) {
  for (const proxy::Rename& rename : renames(options.commands)) {
    if (rename.new_name.empty() || table.find_name(rename.new_name) == nullptr) continue;
    return std::unexpected(config::name_and_source(options, "commands.rename") + ": '" + rename.new_name +
                           "' is the name of another command");
  }
  return {};
}

void warn_of_unknown_names(const config::CommandOptions& commands, const command::Table& table) {
  for (const std::string& name : commands.deny) {
    std::string row = name;
    std::ranges::replace(row, ' ', '|');
    if (table.find_name(row) == nullptr) log::warn("denied command is not known", {{"command", name}});
  }
  for (const proxy::Rename& rename : renames(commands)) {
    if (table.find_name(rename.old_name) != nullptr) continue;
    log::warn("renamed command is not known", {{"command", rename.old_name}});
  }
}

}  // namespace anteroom::server
