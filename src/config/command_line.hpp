#pragma once

#include <string>
#include <vector>

#include "config/descriptor.hpp"
#include "config/error.hpp"

/// Splits the program's arguments into subcommand and flags. Pure; values are judged by load().
namespace anteroom::config {

enum class Subcommand : std::uint8_t { kServe, kCheck, kOptions, kHashPassword, kGateway };

struct Flag {
  const Descriptor* option;
  std::string name;  ///< as typed, with its two hyphens
  std::string value;
};

struct CommandLine {
  Subcommand subcommand = Subcommand::kServe;
  bool wants_help = false;
  bool wants_version = false;
  std::string config_file;  ///< of --config; empty: not given
  std::vector<Flag> flags;  ///< in the order given; the last of an option wins
  Errors errors;            ///< unknown flags and words, missing values
};

/// `arguments` without the program's name. Flags are `--name value` or `--name=value`, with '-' and '_' the same in
/// names, before or after the subcommand. `gateway` also takes the short flags of the tool that it follows: -l
/// ADDR:PORT, -r ADDR:PORT|PATH and -u tcp|unix.
[[nodiscard]] CommandLine parse_command_line(const std::vector<std::string>& arguments);

/// Overwrites the values of secret flags and the passwords in URLs, so that `ps` does not show them. Call it after the
/// arguments were copied and before anything slow.
void scrub_argv(int argc, char** argv) noexcept;

}  // namespace anteroom::config
