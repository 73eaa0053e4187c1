#include "backend/hiredis_hooks.hpp"

#include <hiredis/sds.h>

#include <array>
#include <cstdio>
#include <memory>
#include <string>

#include "base/check.hpp"

namespace anteroom::backend {

HiredisBackend& Hooks::backend_of(const redisAsyncContext* redis) noexcept {
  return *static_cast<HiredisBackend*>(redis->data);
}

redisAsyncContext* Hooks::make_context(HiredisBackend& backend) {
  static const redisContextFuncs over_stream = {
      .close = close,
      .free_privctx = nullptr,
      .async_read = redisAsyncRead,
      .async_write = redisAsyncWrite,
      .read = read,
      .write = write,
  };
  redisOptions options{};
  options.type = REDIS_CONN_USERFD;  // no socket of its own
  options.endpoint.fd = REDIS_INVALID_FD;
  options.privdata = &backend;
  redisAsyncContext* const redis = redisAsyncConnectWithOptions(&options);
  ANTEROOM_CHECK(redis != nullptr && redis->err == 0);
  redis->data = &backend;
  redis->c.funcs = &over_stream;
  redis->c.flags |= REDIS_CONNECTED;  // the stream is; hiredis must not try to connect

  redis->ev.data = &backend;
  redis->ev.addRead = [](void* self) { static_cast<HiredisBackend*>(self)->stream_->want_read(true); };
  redis->ev.delRead = [](void* self) { static_cast<HiredisBackend*>(self)->stream_->want_read(false); };
  redis->ev.addWrite = [](void* self) { static_cast<HiredisBackend*>(self)->stream_->want_write(true); };
  redis->ev.delWrite = [](void* self) { static_cast<HiredisBackend*>(self)->stream_->want_write(false); };
  redisAsyncSetDisconnectCallback(redis, on_disconnect);
  redis->ev.addRead(&backend);
  return redis;
}

void Hooks::command(redisAsyncContext* redis, redisCallbackFn* on_reply, std::initializer_list<std::string_view> args) {
  std::array<const char*, 4> texts{};
  std::array<std::size_t, 4> sizes{};
  ANTEROOM_CHECK(args.size() <= texts.size());
  int count = 0;
  for (const std::string_view arg : args) {
    texts[static_cast<std::size_t>(count)] = arg.data();
    sizes[static_cast<std::size_t>(count)] = arg.size();
    ++count;
  }
  redisAsyncCommandArgv(redis, on_reply, nullptr, count, texts.data(), sizes.data());
}

// A null reply means that the connection is ending: on_disconnected() settles everything at once.
void Hooks::on_handshake(redisAsyncContext* redis, void* reply, void*) noexcept {
  if (reply != nullptr) backend_of(redis).on_handshake_reply(static_cast<redisReply*>(reply));
}

void Hooks::on_select(redisAsyncContext* redis, void* reply, void*) noexcept {
  if (reply != nullptr) backend_of(redis).on_select_reply(*static_cast<redisReply*>(reply));
}

void Hooks::on_get(redisAsyncContext* redis, void* reply, void*) noexcept {
  if (reply != nullptr) backend_of(redis).on_get_reply(*static_cast<redisReply*>(reply));
}

void Hooks::on_pttl(redisAsyncContext* redis, void* reply, void*) noexcept {
  if (reply != nullptr) backend_of(redis).on_pttl_reply(*static_cast<redisReply*>(reply));
}

void Hooks::on_disconnect(const redisAsyncContext* redis, int) noexcept { backend_of(redis).on_disconnected(); }

std::size_t Hooks::unwritten_bytes(const redisAsyncContext& redis) noexcept { return sdslen(redis.c.obuf); }

bool Hooks::has_unread_bytes(const redisAsyncContext& redis) noexcept {
  return redis.c.reader->pos < redis.c.reader->len;
}

std::string_view Hooks::error_text(const redisReply& reply) noexcept {
  if (reply.type != REDIS_REPLY_ERROR) return {};
  return {reply.str, reply.len};
}

std::optional<std::int64_t> Hooks::integer(const redisReply& reply) noexcept {
  if (reply.type != REDIS_REPLY_INTEGER) return std::nullopt;
  return reply.integer;
}

base::SharedBytes Hooks::encode(const redisReply& reply) {
  if (reply.type == REDIS_REPLY_NIL) return nullptr;
  const std::string_view value(reply.str, reply.len);
  auto encoded = std::make_shared<std::string>();
  const std::string length = std::to_string(value.size());
  encoded->reserve(value.size() + length.size() + 5);
  encoded->append("$").append(length).append("\r\n").append(value).append("\r\n");
  return encoded;
}

ssize_t Hooks::read(redisContext* context, char* buffer, std::size_t size) noexcept {
  return static_cast<HiredisBackend*>(context->privdata)->read_into(*context, buffer, size);
}

ssize_t Hooks::write(redisContext* context) noexcept {
  return static_cast<HiredisBackend*>(context->privdata)->write_from(*context);
}

void Hooks::close(redisContext*) noexcept {}  // the backend owns the stream

namespace {

ssize_t stream_error(redisContext& context, int code, const char* text) {
  context.err = code;
  std::snprintf(context.errstr, sizeof(context.errstr), "%s", text);
  return -1;
}

}  // namespace

ssize_t HiredisBackend::read_into(redisContext& context, char* buffer, std::size_t size) {
  const net::IoResult result = stream_->read({buffer, size});
  switch (result.status) {
    case net::IoResult::Status::kOk:
      if (state_ == State::kUp && !reply_is_due()) return stream_error(context, REDIS_ERR_PROTOCOL, "unexpected bytes");
      return static_cast<ssize_t>(result.bytes);
    case net::IoResult::Status::kWouldBlock:
      return 0;
    case net::IoResult::Status::kClosed:
      return stream_error(context, REDIS_ERR_EOF, "closed by peer");
    case net::IoResult::Status::kError:
      break;
  }
  return stream_error(context, REDIS_ERR_IO, "read failed");
}

ssize_t HiredisBackend::write_from(redisContext& context) {
  const iovec piece{context.obuf, sdslen(context.obuf)};
  const net::IoResult result = stream_->write({&piece, 1});
  switch (result.status) {
    case net::IoResult::Status::kOk:
      written_bytes_ += result.bytes;
      return static_cast<ssize_t>(result.bytes);
    case net::IoResult::Status::kWouldBlock:
      return 0;
    case net::IoResult::Status::kClosed:
    case net::IoResult::Status::kError:
      break;
  }
  return stream_error(context, REDIS_ERR_IO, "write failed");
}

}  // namespace anteroom::backend
