#pragma once

#include <string>

#include "config/options.hpp"

/// The configuration for people. Pure; shows no secret.
namespace anteroom::config {

/// The effective configuration and where each value comes from, as JSON with a newline at its end. Its "configuration"
/// has the form of a configuration file.
[[nodiscard]] std::string effective_json(const Options& options);

/// All options as markdown: conf/OPTIONS.md.
[[nodiscard]] std::string options_reference();

/// For --help: a line for each flag.
[[nodiscard]] std::string help_text();

}  // namespace anteroom::config
