#include "backend/resp2_encoding.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <span>

namespace anteroom::backend {
namespace {

// Mark, number, line end.
constexpr std::size_t kHeaderBytesMax = 1 + 20 + 2;

constexpr std::string_view kLineEnd = "\r\n";

std::size_t digits_of(std::size_t number) noexcept {
  std::size_t digits = 1;
  for (; number >= 10; number /= 10) ++digits;
  return digits;
}

std::size_t header_size(std::size_t number) noexcept { return 1 + digits_of(number) + kLineEnd.size(); }

char* write(char* at, std::string_view bytes) noexcept { return at + bytes.copy(at, bytes.size()); }

char* write_header(char* at, char mark, std::size_t number) noexcept {
  *at++ = mark;
  if (number < 10) {
    *at++ = static_cast<char>('0' + number);
  } else {
    at = std::to_chars(at, at + digits_of(number), number).ptr;
  }
  return write(at, kLineEnd);
}

void append_header(std::string& out, char mark, long long number) {
  std::array<char, kHeaderBytesMax> line;
  line[0] = mark;
  char* const end = std::to_chars(line.data() + 1, line.data() + line.size(), number).ptr;
  out.append(line.data(), write(end, kLineEnd));
}

void append_bulk(std::string& out, std::string_view bytes) {
  const std::size_t before = out.size();
  const std::size_t after = before + header_size(bytes.size()) + bytes.size() + kLineEnd.size();
  // Of libstdc++ 12 the function is given the capacity instead of the size.
  out.resize_and_overwrite(after, [&](char* data, std::size_t) noexcept {
    write(write(write_header(data + before, '$', bytes.size()), bytes), kLineEnd);
    return after;
  });
}

void append_line(std::string& out, char mark, std::string_view line) {
  out.push_back(mark);
  out.append(line).append("\r\n");
}

constexpr long long kVerbatimMarkBytes = 4;  // "txt:"

char mark_of(int aggregate_type) noexcept {
  switch (aggregate_type) {
    case REDIS_REPLY_MAP:
      return '%';
    case REDIS_REPLY_SET:
      return '~';
    case REDIS_REPLY_PUSH:
      return '>';
    case REDIS_REPLY_ATTR:
      return '|';
    default:
      return '*';
  }
}

/// Sorted sets with scores are arrays of pairs in RESP3, and flat in RESP2.
bool is_member_with_score(const redisReply& reply) noexcept {
  return reply.type == REDIS_REPLY_ARRAY && reply.elements == 2 && reply.element[1]->type == REDIS_REPLY_DOUBLE;
}

void append_elements(std::string& out, const redisReply& reply) {
  const std::span<redisReply* const> elements(reply.element, reply.elements);
  const bool is_flattened =
      reply.type == REDIS_REPLY_ARRAY && !elements.empty() &&
      std::ranges::all_of(elements, [](const redisReply* element) { return is_member_with_score(*element); });
  append_header(out, '*', static_cast<long long>(is_flattened ? 2 * reply.elements : reply.elements));
  for (const redisReply* element : elements) {
    if (is_flattened) {
      append_as_resp2(out, *element->element[0]);
      append_as_resp2(out, *element->element[1]);
    } else {
      append_as_resp2(out, *element);
    }
  }
}

}  // namespace

void append_command(base::ByteQueue& out, std::span<const std::string_view> args) {
  std::size_t size = header_size(args.size());
  for (const std::string_view arg : args) size += header_size(arg.size()) + arg.size() + kLineEnd.size();
  char* at = write_header(out.append_uninitialized(size), '*', args.size());
  for (const std::string_view arg : args) {
    at = write_header(at, '$', arg.size());
    at = write(at, arg);
    at = write(at, kLineEnd);
  }
}

std::string_view text(const redisReply& reply) noexcept {
  if (reply.str == nullptr) return {};
  return {reply.str, reply.len};
}

void append_as_resp2(std::string& out, const redisReply& reply) {
  switch (reply.type) {
    case REDIS_REPLY_INTEGER:
    case REDIS_REPLY_BOOL:
      append_header(out, ':', reply.integer);
      return;
    case REDIS_REPLY_NIL:
      out.append("$-1\r\n");
      return;
    case REDIS_REPLY_STATUS:
      append_line(out, '+', text(reply));
      return;
    case REDIS_REPLY_ERROR:
      append_line(out, '-', text(reply));
      return;
    case REDIS_REPLY_ARRAY:
    case REDIS_REPLY_MAP:
    case REDIS_REPLY_SET:
    case REDIS_REPLY_PUSH:
    case REDIS_REPLY_ATTR:
      append_elements(out, reply);
      return;
    default:
      append_bulk(out, text(reply));
  }
}

void append_as_resp3(std::string& out, const redisReply& reply) {
  switch (reply.type) {
    case REDIS_REPLY_NIL:
      out.append("_\r\n");
      return;
    case REDIS_REPLY_BOOL:
      append_line(out, '#', reply.integer != 0 ? "t" : "f");
      return;
    case REDIS_REPLY_DOUBLE:
      append_line(out, ',', text(reply));
      return;
    case REDIS_REPLY_BIGNUM:
      append_line(out, '(', text(reply));
      return;
    case REDIS_REPLY_VERB:
      append_header(out, '=', static_cast<long long>(reply.len) + kVerbatimMarkBytes);
      out.append(reply.vtype).append(":").append(text(reply)).append("\r\n");
      return;
    case REDIS_REPLY_ARRAY:
    case REDIS_REPLY_SET:
    case REDIS_REPLY_MAP:
    case REDIS_REPLY_PUSH:
    case REDIS_REPLY_ATTR: {
      const bool is_pairs = reply.type == REDIS_REPLY_MAP || reply.type == REDIS_REPLY_ATTR;
      append_header(out, mark_of(reply.type), static_cast<long long>(is_pairs ? reply.elements / 2 : reply.elements));
      for (const redisReply* element : std::span(reply.element, reply.elements)) append_as_resp3(out, *element);
      return;
    }
    default:
      append_as_resp2(out, reply);
  }
}

}  // namespace anteroom::backend
