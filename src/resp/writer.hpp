#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace anteroom::resp {

/// What a client has chosen with HELLO.
enum class Protocol : std::uint8_t { kResp2 = 2, kResp3 = 3 };

/// All functions append one element to `out` and are otherwise pure. Where RESP2 lacks the type, it gets what Redis
/// sends instead.

/// CR and LF become spaces, as in Redis: a text from outside must not begin another reply.
void append_simple(std::string& out, std::string_view text);
/// `text` without '-', beginning with its code ("ERR ..."). CR and LF become spaces; cut at kErrorBytesMax.
void append_error(std::string& out, std::string_view text);
void append_integer(std::string& out, std::int64_t number);
void append_bulk(std::string& out, std::string_view value);
void append_null(std::string& out, Protocol protocol);
/// The null of commands whose reply is otherwise an array; only RESP2 tells it apart.
void append_null_array(std::string& out, Protocol protocol);
void append_boolean(std::string& out, bool value, Protocol protocol);
void append_double(std::string& out, double value, Protocol protocol);
/// `format` is three characters, "txt" or "mkd".
void append_verbatim(std::string& out, std::string_view format, std::string_view text, Protocol protocol);

/// Headers: the elements are appended afterwards. A map has `pairs` keys, each followed by its value.
void append_array_header(std::string& out, std::size_t count);
void append_map_header(std::string& out, std::size_t pairs, Protocol protocol);
void append_set_header(std::string& out, std::size_t count, Protocol protocol);
void append_push_header(std::string& out, std::size_t count, Protocol protocol);

/// A command as an array of bulk strings, which is how a client sends it.
void append_command(std::string& out, std::span<const std::string_view> args);

/// Longest error text we send: one line of a log (UPSTREAM.md B1.3).
inline constexpr std::size_t kErrorBytesMax = 256;

}  // namespace anteroom::resp
