#pragma once

#include <hiredis/hiredis.h>

#include <span>
#include <string>
#include <string_view>

#include "base/byte_queue.hpp"

namespace anteroom::backend {

/// The bytes of a string, status, error, double, big number or verbatim string; empty for the rest.
[[nodiscard]] std::string_view text(const redisReply& reply) noexcept;

/// Appends a command as a client sends it.
void append_command(base::ByteQueue& out, std::span<const std::string_view> args);

/// Appends the reply as a server writes it to a client that speaks RESP2, also if it came in RESP3 (UPSTREAM.md B7.2):
/// maps and sets become arrays, doubles bulk strings, booleans integers, nulls null bulk strings; pairs of a member and
/// its score become two elements each. Not for commands whose RESP2 reply has a null array in it.
void append_as_resp2(std::string& out, const redisReply& reply);

/// The same as a server writes it to a client that speaks RESP3. REQUIRES: it came in RESP3.
void append_as_resp3(std::string& out, const redisReply& reply);

}  // namespace anteroom::backend
