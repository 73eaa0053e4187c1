#include "backend/hiredis_replies.hpp"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "backend/bulk_filter.hpp"
#include "backend/resp2_encoding.hpp"

namespace anteroom::backend {

std::string_view error_text(const redisReply& reply) noexcept {
  if (reply.type != REDIS_REPLY_ERROR) return {};
  return {reply.str, reply.len};
}

bool is_too_large(const redisReply& reply) noexcept {
  return error_text(reply) == BulkFilter::kTooLarge ||
         std::ranges::any_of(std::span(reply.element, reply.elements),
                             [](const redisReply* element) { return is_too_large(*element); });
}

std::optional<std::int64_t> integer(const redisReply& reply) noexcept {
  if (reply.type != REDIS_REPLY_INTEGER) return std::nullopt;
  return reply.integer;
}

FillHandshake::Reply handshake_reply(const redisReply& reply) noexcept {
  FillHandshake::Reply out;
  out.error = error_text(reply);
  if (reply.type == REDIS_REPLY_ARRAY) {
    out.lists_a_command = reply.elements > 0 && reply.element[0]->type != REDIS_REPLY_NIL;
  }
  if (reply.type != REDIS_REPLY_MAP) return out;
  for (std::size_t i = 0; i + 1 < reply.elements; i += 2) {
    const std::string_view field = text(*reply.element[i]);
    if (field == "server") out.server = text(*reply.element[i + 1]);
    if (field == "version") out.version = text(*reply.element[i + 1]);
  }
  return out;
}

Invalidation invalidation(const redisReply& push) {
  Invalidation out;
  if (push.elements < 2 || text(*push.element[0]) != "invalidate") return out;
  const redisReply& keys = *push.element[1];
  if (keys.type != REDIS_REPLY_ARRAY || is_too_large(keys)) {
    out.is_everything = true;  // null; and should it ever be something else, or a name be lost, that is safe
    return out;
  }
  out.keys.reserve(keys.elements);
  for (std::size_t i = 0; i < keys.elements; ++i) out.keys.push_back(text(*keys.element[i]));
  return out;
}

base::SharedBytes encode_string(const redisReply& reply) {
  if (reply.type != REDIS_REPLY_STRING) return nullptr;
  return encode(reply, false);
}

base::SharedBytes encode(const redisReply& reply, bool in_resp3) {
  auto encoded = std::make_shared<std::string>();
  in_resp3 ? append_as_resp3(*encoded, reply) : append_as_resp2(*encoded, reply);
  return encoded;
}

}  // namespace anteroom::backend
