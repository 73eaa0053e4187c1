#pragma once

#include <span>

#include "command/facts.hpp"

namespace anteroom::command {

/// The commands known at compile time, by name, each container before its subcommands. Ids are not set. Static.
[[nodiscard]] std::span<const Facts> built_in_rows() noexcept;

}  // namespace anteroom::command
