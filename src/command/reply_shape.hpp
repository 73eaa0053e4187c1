#pragma once

#include <span>
#include <string_view>

#include "command/facts.hpp"
#include "resp/reply_shape.hpp"

namespace anteroom::command {

/// How RESP2 writes the reply to this request, beyond what the types of the RESP3 reply say. Pure; `args` as given to
/// Table::find(), the command's name first.
[[nodiscard]] resp::ReplyShape reply_shape(const Facts& facts, std::span<const std::string_view> args) noexcept;

/// The same for a command that MULTI has queued, whose reply is an element of EXEC's: BLMOVE and BRPOPLPUSH, which must
/// not block there, answer with another null.
[[nodiscard]] resp::ReplyShape queued_reply_shape(const Facts& facts, std::span<const std::string_view> args) noexcept;

}  // namespace anteroom::command
