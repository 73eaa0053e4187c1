#pragma once

#include <hiredis/async.h>
#include <hiredis/hiredis.h>

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string_view>

#include "backend/hiredis_backend.hpp"
#include "base/byte_queue.hpp"

namespace anteroom::backend {

/// The only place that knows hiredis's types: callbacks, the transport under it, and what its replies say.
struct Hooks {
  /// A connected context whose bytes go over the backend's stream. Owned by hiredis; ends with on_disconnected().
  static redisAsyncContext* make_context(HiredisBackend& backend);
  static void command(redisAsyncContext* redis, redisCallbackFn* on_reply,
                      std::initializer_list<std::string_view> args);

  static void on_handshake(redisAsyncContext* redis, void* reply, void*) noexcept;
  static void on_select(redisAsyncContext* redis, void* reply, void*) noexcept;
  static void on_get(redisAsyncContext* redis, void* reply, void*) noexcept;
  static void on_pttl(redisAsyncContext* redis, void* reply, void*) noexcept;

  static std::size_t unwritten_bytes(const redisAsyncContext& redis) noexcept;
  /// More has arrived than the replies handed out so far.
  static bool has_unread_bytes(const redisAsyncContext& redis) noexcept;
  /// Empty unless the reply is an error.
  static std::string_view error_text(const redisReply& reply) noexcept;
  static std::optional<std::int64_t> integer(const redisReply& reply) noexcept;
  /// A string reply as a RESP bulk string; null for nil.
  static base::SharedBytes encode(const redisReply& reply);

 private:
  static HiredisBackend& backend_of(const redisAsyncContext* redis) noexcept;
  static ssize_t read(redisContext* context, char* buffer, std::size_t size) noexcept;
  static ssize_t write(redisContext* context) noexcept;
  static void close(redisContext* context) noexcept;
  static void on_disconnect(const redisAsyncContext* redis, int status) noexcept;
};

}  // namespace anteroom::backend
