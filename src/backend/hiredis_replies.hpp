#pragma once

#include <hiredis/hiredis.h>

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "backend/fill_handshake.hpp"
#include "base/byte_queue.hpp"

/// What replies that hiredis has parsed say. Pure functions; views are into the reply.
namespace anteroom::backend {

/// Empty unless the reply is an error.
[[nodiscard]] std::string_view error_text(const redisReply& reply) noexcept;
/// The reply is what stands for a string that was too large (BulkFilter), or has one in it.
[[nodiscard]] bool is_too_large(const redisReply& reply) noexcept;
[[nodiscard]] std::optional<std::int64_t> integer(const redisReply& reply) noexcept;
[[nodiscard]] FillHandshake::Reply handshake_reply(const redisReply& reply) noexcept;
/// A string reply as a RESP bulk string; null for anything else.
[[nodiscard]] base::SharedBytes encode_string(const redisReply& reply);
/// Any reply as RESP2 has it, or RESP3. REQUIRES for the latter: it came in RESP3.
[[nodiscard]] base::SharedBytes encode(const redisReply& reply, bool in_resp3);

struct Invalidation {
  bool is_everything = false;
  std::vector<std::string_view> keys;
};
/// What a push invalidates; nothing for pushes of another kind.
[[nodiscard]] Invalidation invalidation(const redisReply& push);

}  // namespace anteroom::backend
