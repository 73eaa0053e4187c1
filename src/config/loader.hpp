#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <string>

#include "config/command_line.hpp"
#include "config/error.hpp"
#include "config/options.hpp"

namespace anteroom::config {

using Environment = std::map<std::string, std::string>;

/// The content of a file, or the system's reason, which it names neither file nor content in.
using FileReader =
    std::function<std::expected<std::string, std::string>(const std::string& path, std::size_t bytes_max)>;

/// The FileReader of the program. Takes pipes too (`--config <(...)`).
[[nodiscard]] std::expected<std::string, std::string> read_file(const std::string& path, std::size_t bytes_max);

/// The process's environment as it is now.
[[nodiscard]] Environment process_environment();

/// Makes the effective options: a flag beats the environment, which beats the file, which beats the default. An empty
/// variable counts as unset. On failure all that is wrong is there, at least one error; every given value is judged,
/// also one that a stronger source overrides.
[[nodiscard]] std::expected<Options, Errors> load(const CommandLine& command_line, const Environment& environment,
                                                  const FileReader& read = read_file);

}  // namespace anteroom::config
