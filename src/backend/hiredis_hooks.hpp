#pragma once

#include <hiredis/async.h>
#include <hiredis/hiredis.h>

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "backend/fill_handshake.hpp"
#include "backend/hiredis_backend.hpp"
#include "base/byte_queue.hpp"

namespace anteroom::backend {

/// The only place that knows hiredis's types: callbacks, the transport under it, and what its replies say.
struct Hooks {
  /// A connected context whose bytes go over the backend's stream. Owned by hiredis; ends with on_disconnected().
  static redisAsyncContext* make_context(HiredisBackend& backend);
  static void command(redisAsyncContext* redis, redisCallbackFn* on_reply, std::span<const std::string_view> args);
  static void command(redisAsyncContext* redis, redisCallbackFn* on_reply,
                      std::initializer_list<std::string_view> args) {
    command(redis, on_reply, std::span(args.begin(), args.size()));
  }
  /// `encoded`: the command as a RESP array.
  static void formatted_command(redisAsyncContext* redis, redisCallbackFn* on_reply, std::string_view encoded);

  static void on_handshake(redisAsyncContext* redis, void* reply, void*) noexcept;
  static void on_select(redisAsyncContext* redis, void* reply, void*) noexcept;
  static void on_value(redisAsyncContext* redis, void* reply, void*) noexcept;
  static void on_pttl(redisAsyncContext* redis, void* reply, void*) noexcept;
  static void on_fence(redisAsyncContext* redis, void* reply, void*) noexcept;
  static void on_push(redisAsyncContext* redis, void* push) noexcept;

  /// Makes replies that are nested more deeply than kReplyDepthMax errors of the protocol: hiredis and what comes after
  /// it recurse into replies.
  static void limit_depth(redisReader& reader);
  static constexpr std::size_t kReplyDepthMax = 32;

  static std::size_t unwritten_bytes(const redisAsyncContext& redis) noexcept;
  /// Between two replies, with none begun.
  static bool is_between_replies(const redisAsyncContext& redis) noexcept;
  /// More has arrived than what was handed out so far, and it does not begin with a push. Between replies only.
  static bool next_is_reply(const redisAsyncContext& redis) noexcept;
  /// hiredis takes no further reply and ends the connection, as soon as the callback that it is in returns.
  static void stop_reading(redisAsyncContext& redis) noexcept;

  /// Empty unless the reply is an error.
  static std::string_view error_text(const redisReply& reply) noexcept;
  /// The reply is what stands for a string that was too large, or has one in it.
  static bool is_too_large(const redisReply& reply) noexcept;
  static std::optional<std::int64_t> integer(const redisReply& reply) noexcept;
  static std::size_t elements(const redisReply& reply) noexcept { return reply.elements; }
  static const redisReply& element(const redisReply& reply, std::size_t i) noexcept { return *reply.element[i]; }
  static FillHandshake::Reply handshake_reply(const redisReply& reply) noexcept;
  /// A string reply as a RESP bulk string; null for anything else.
  static base::SharedBytes encode_string(const redisReply& reply);
  /// Any reply as RESP2 has it.
  static base::SharedBytes encode(const redisReply& reply, bool in_resp3);

  struct Invalidation {
    bool is_everything = false;
    std::vector<std::string_view> keys;
  };
  /// What a push invalidates; nothing for pushes of another kind.
  static Invalidation invalidation(const redisReply& push);

 private:
  static HiredisBackend& backend_of(const redisAsyncContext* redis) noexcept;
  static ssize_t read(redisContext* context, char* buffer, std::size_t size) noexcept;
  static ssize_t write(redisContext* context) noexcept;
  static void close(redisContext* context) noexcept;
  static void on_disconnect(const redisAsyncContext* redis, int status) noexcept;
};

}  // namespace anteroom::backend
