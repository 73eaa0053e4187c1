#pragma once

#include <expected>
#include <string>
#include <vector>

#include "command/table.hpp"
#include "config/options.hpp"
#include "proxy/hooks.hpp"

namespace anteroom::server {

/// commands.rename, whose form config/ has judged.
[[nodiscard]] std::vector<proxy::Rename> renames(const config::CommandOptions& commands);

/// A new name must not be that of a command. The error is one line that names the option.
[[nodiscard]] std::expected<void, std::string> check_renames(const config::Options& options,
                                                             const command::Table& table);

/// Warns of names in commands.deny and commands.rename that the table does not know: a module's, or a mistake.
void warn_of_unknown_names(const config::CommandOptions& commands, const command::Table& table);

}  // namespace anteroom::server
