#include "backend/hiredis_hooks.hpp"

#include <hiredis/sds.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>

#include "backend/bulk_filter.hpp"
#include "backend/resp2_encoding.hpp"
#include "base/check.hpp"

namespace anteroom::backend {
namespace {

// hiredis makes every reply by these; all readers that it makes have the same.
const redisReplyObjectFunctions& makers_of_hiredis() {
  static const redisReplyObjectFunctions makers = [] {
    const std::unique_ptr<redisReader, decltype(&redisReaderFree)> reader(redisReaderCreate(), &redisReaderFree);
    ANTEROOM_CHECK(reader != nullptr);
    return *reader->fn;
  }();
  return makers;
}

// Null, which hiredis takes for an error, if the aggregate is too deep.
void* make_shallow_aggregate(const redisReadTask* task, std::size_t elements) {
  std::size_t depth = 1;
  for (const redisReadTask* outer = task->parent; outer != nullptr; outer = outer->parent) ++depth;
  return depth > Hooks::kReplyDepthMax ? nullptr : makers_of_hiredis().createArray(task, elements);
}

constexpr char kPushMark = '>';  // the first byte of what the server says unasked
// hiredis has room for 16 KiB: 1 MiB is taken off the stream in a fraction of a millisecond.
constexpr int kReadsPerTurn = 64;

}  // namespace

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
  redis->ev.addWrite = [](void* self) { static_cast<HiredisBackend*>(self)->schedule_write(); };
  redis->ev.delWrite = [](void* self) { static_cast<HiredisBackend*>(self)->stream_->want_write(false); };
  limit_depth(*redis->c.reader);
  redisAsyncSetDisconnectCallback(redis, on_disconnect);
  redisAsyncSetPushCallback(redis, on_push);
  redis->ev.addRead(&backend);
  return redis;
}

void Hooks::command(redisAsyncContext* redis, redisCallbackFn* on_reply, std::span<const std::string_view> args) {
  // hiredis would write it by a format of its own, at four times the cost.
  std::string encoded;
  append_command(encoded, args);
  formatted_command(redis, on_reply, encoded);
}

void Hooks::formatted_command(redisAsyncContext* redis, redisCallbackFn* on_reply, std::string_view encoded) {
  redisAsyncFormattedCommand(redis, on_reply, nullptr, encoded.data(), encoded.size());
}

// A null reply means that the connection is ending: on_disconnected() settles everything at once.
void Hooks::on_handshake(redisAsyncContext* redis, void* reply, void*) noexcept {
  if (reply != nullptr) backend_of(redis).on_handshake_reply(*static_cast<redisReply*>(reply));
}

void Hooks::on_select(redisAsyncContext* redis, void* reply, void*) noexcept {
  if (reply != nullptr) backend_of(redis).on_select_reply(*static_cast<redisReply*>(reply));
}

void Hooks::on_value(redisAsyncContext* redis, void* reply, void*) noexcept {
  if (reply != nullptr) backend_of(redis).on_value_reply(*static_cast<redisReply*>(reply));
}

void Hooks::on_pttl(redisAsyncContext* redis, void* reply, void*) noexcept {
  if (reply != nullptr) backend_of(redis).on_pttl_reply(*static_cast<redisReply*>(reply));
}

void Hooks::on_fence(redisAsyncContext* redis, void* reply, void*) noexcept {
  if (reply != nullptr) backend_of(redis).on_fence_reply(*static_cast<redisReply*>(reply));
}

void Hooks::on_push(redisAsyncContext* redis, void* push) noexcept {
  if (push != nullptr) backend_of(redis).on_push(*static_cast<redisReply*>(push));
}

void Hooks::on_disconnect(const redisAsyncContext* redis, int) noexcept { backend_of(redis).on_disconnected(); }

void Hooks::limit_depth(redisReader& reader) {
  static redisReplyObjectFunctions makers = [] {
    redisReplyObjectFunctions changed = makers_of_hiredis();
    changed.createArray = make_shallow_aggregate;
    return changed;
  }();
  reader.fn = &makers;
}

std::size_t Hooks::unwritten_bytes(const redisAsyncContext& redis) noexcept { return sdslen(redis.c.obuf); }

bool Hooks::is_between_replies(const redisAsyncContext& redis) noexcept {
  const redisReader& reader = *redis.c.reader;
  // Having looked for a reply in vain, the reader is at its outermost level, but with a type still to be read.
  const bool has_begun = reader.ridx > 0 || (reader.ridx == 0 && reader.task[0]->type != -1);
  return !has_begun && reader.pos >= reader.len;
}

bool Hooks::next_is_reply(const redisAsyncContext& redis) noexcept {
  const redisReader& reader = *redis.c.reader;
  return reader.pos < reader.len && reader.buf[reader.pos] != kPushMark;
}

void Hooks::stop_reading(redisAsyncContext& redis) noexcept {
  // Not redisAsyncFree(): behind a push, hiredis would go on with the next reply all the same, and abort because
  // nobody waits for it.
  redisReader& reader = *redis.c.reader;
  reader.err = REDIS_ERR_PROTOCOL;
  std::snprintf(reader.errstr, sizeof(reader.errstr), "%s", "unexpected bytes");
}

std::string_view Hooks::error_text(const redisReply& reply) noexcept {
  if (reply.type != REDIS_REPLY_ERROR) return {};
  return {reply.str, reply.len};
}

bool Hooks::is_too_large(const redisReply& reply) noexcept {
  return error_text(reply) == BulkFilter::kTooLarge ||
         std::ranges::any_of(std::span(reply.element, reply.elements),
                             [](const redisReply* element) { return is_too_large(*element); });
}

std::optional<std::int64_t> Hooks::integer(const redisReply& reply) noexcept {
  if (reply.type != REDIS_REPLY_INTEGER) return std::nullopt;
  return reply.integer;
}

FillHandshake::Reply Hooks::handshake_reply(const redisReply& reply) noexcept {
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

Hooks::Invalidation Hooks::invalidation(const redisReply& push) {
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

base::SharedBytes Hooks::encode_string(const redisReply& reply) {
  if (reply.type != REDIS_REPLY_STRING) return nullptr;
  return encode(reply, false);
}

base::SharedBytes Hooks::encode(const redisReply& reply, bool in_resp3) {
  auto encoded = std::make_shared<std::string>();
  in_resp3 ? append_as_resp3(*encoded, reply) : append_as_resp2(*encoded, reply);
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

// Until something for hiredis has come; but what is taken off the stream is not to keep the others waiting for long.
ssize_t HiredisBackend::read_into(redisContext& context, char* buffer, std::size_t size) {
  for (int read = 0; read < kReadsPerTurn; ++read) {
    const net::IoResult result = stream_->read(filter_->prepare({buffer, size}));
    switch (result.status) {
      case net::IoResult::Status::kOk:
        break;
      case net::IoResult::Status::kWouldBlock:
        return 0;
      case net::IoResult::Status::kClosed:
        return stream_error(context, REDIS_ERR_EOF, "closed by peer");
      case net::IoResult::Status::kError:
        return stream_error(context, REDIS_ERR_IO, "read failed");
    }
    const std::size_t left = filter_->filter({buffer, size}, result.bytes);
    if (left == 0) continue;
    if (state_ == State::kUp && !reply_is_due() && Hooks::is_between_replies(*redis_) && buffer[0] != kPushMark) {
      return stream_error(context, REDIS_ERR_PROTOCOL, "unexpected bytes");
    }
    return static_cast<ssize_t>(left);
  }
  return 0;
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
