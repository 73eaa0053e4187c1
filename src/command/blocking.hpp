#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "base/clock.hpp"
#include "command/facts.hpp"

namespace anteroom::command {

/// How long a blocking command asks the server to wait at most (UPSTREAM.md B1.2); zero is for ever. Nothing if it does
/// not block, or if its timeout is none that the server accepts: then it answers at once. Pure.
[[nodiscard]] std::optional<base::Milliseconds> blocking_timeout(const Facts& facts,
                                                                 std::span<const std::string_view> args) noexcept;

}  // namespace anteroom::command
