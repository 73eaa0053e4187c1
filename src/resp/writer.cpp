#include "resp/writer.hpp"

#include <charconv>
#include <cmath>

#include "resp/framing.hpp"

namespace anteroom::resp {
namespace {

/// `text` as one line: a line end in it would make its rest a reply of its own.
void append_line(std::string& out, char type, std::string_view text) {
  out += type;
  for (const char c : text) out += c == '\r' || c == '\n' ? ' ' : c;
  out += kLineEnd;
}

}  // namespace

void append_simple(std::string& out, std::string_view text) { append_line(out, '+', text); }

void append_error(std::string& out, std::string_view text) { append_line(out, '-', text.substr(0, kErrorBytesMax)); }

void append_integer(std::string& out, std::int64_t number) {
  out += ':';
  append_number(out, number);
  out += kLineEnd;
}

void append_bulk(std::string& out, std::string_view value) { append_counted(out, '$', value); }

void append_null(std::string& out, Protocol protocol) { out += protocol == Protocol::kResp3 ? "_\r\n" : "$-1\r\n"; }

void append_null_array(std::string& out, Protocol protocol) {
  out += protocol == Protocol::kResp3 ? "_\r\n" : "*-1\r\n";
}

void append_boolean(std::string& out, bool value, Protocol protocol) {
  if (protocol == Protocol::kResp3) {
    out += value ? "#t\r\n" : "#f\r\n";
  } else {
    append_integer(out, value ? 1 : 0);
  }
}

void append_double(std::string& out, double value, Protocol protocol) {
  // The shortest text that reads back as the same number; to_chars would write a negative NaN as "-nan".
  char digits[32];
  const std::string_view text =
      std::isnan(value) ? std::string_view("nan")
                        : std::string_view(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
  if (protocol == Protocol::kResp3) {
    append_line(out, ',', text);
  } else {
    append_bulk(out, text);
  }
}

void append_verbatim(std::string& out, std::string_view format, std::string_view text, Protocol protocol) {
  if (protocol == Protocol::kResp2) {
    append_bulk(out, text);
    return;
  }
  append_header(out, '=', format.size() + 1 + text.size());
  out += format;
  out += ':';
  out += text;
  out += kLineEnd;
}

void append_array_header(std::string& out, std::size_t count) { append_header(out, '*', count); }

void append_map_header(std::string& out, std::size_t pairs, Protocol protocol) {
  if (protocol == Protocol::kResp3) {
    append_header(out, '%', pairs);
  } else {
    append_header(out, '*', 2 * pairs);
  }
}

void append_set_header(std::string& out, std::size_t count, Protocol protocol) {
  append_header(out, protocol == Protocol::kResp3 ? '~' : '*', count);
}

void append_push_header(std::string& out, std::size_t count, Protocol protocol) {
  append_header(out, protocol == Protocol::kResp3 ? '>' : '*', count);
}

void append_command(std::string& out, std::span<const std::string_view> args) {
  append_header(out, '*', args.size());
  for (const std::string_view arg : args) append_bulk(out, arg);
}

}  // namespace anteroom::resp
