#include "base/log_format.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdio>

#include "base/ascii.hpp"

namespace anteroom::log::detail {
namespace {

struct Character {
  char32_t code;
  std::size_t size;  ///< bytes in UTF-8
};

constexpr Character kInvalid{.code = 0xFFFD, .size = 1};

/// The first character of `text`, which is not empty. A byte that starts no well-formed sequence (RFC 3629: overlong
/// forms and surrogates are none) is U+FFFD.
Character decode(std::string_view text) {
  const auto byte = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return {.code = first, .size = 1};
  const std::size_t size = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < size) return kInvalid;
  char32_t code = first & (0xFFU >> (size + 1));
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return kInvalid;
    code = (code << 6) | (byte(i) & 0x3FU);
  }
  constexpr std::array<char32_t, 5> kSmallest{0, 0, 0x80, 0x800, 0x10000};
  const bool is_surrogate = code >= 0xD800 && code <= 0xDFFF;
  if (code < kSmallest.at(size) || code > 0x10FFFF || is_surrogate) return kInvalid;
  return {.code = code, .size = size};
}

/// Characters that a terminal or a reader of lines would act upon: C0, DEL, C1, and the two Unicode line ends.
bool is_control(char32_t code) {
  return code < 0x20 || (code >= 0x7F && code <= 0x9F) || code == 0x2028 || code == 0x2029;
}

void append_escape(std::string& out, char32_t code) {
  switch (code) {
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      break;
  }
  std::array<char, 8> escape{};
  std::snprintf(escape.data(), escape.size(), "\\u%04x", static_cast<unsigned>(code & 0xFFFF));
  out += escape.data();
}

void append_quoted(std::string& out, std::string_view text) {
  const bool is_cut = text.size() > kStringBytesMax;
  text = text.substr(0, kStringBytesMax);
  out += '"';
  while (!text.empty()) {
    const Character character = decode(text);
    if (character.code == '"' || character.code == '\\') {
      out += '\\';
      out += static_cast<char>(character.code);
    } else if (is_control(character.code)) {
      append_escape(out, character.code);
    } else if (character.code == kInvalid.code) {
      out += "\xEF\xBF\xBD";
    } else {
      out += text.substr(0, character.size);
    }
    text.remove_prefix(character.size);
  }
  out += is_cut ? "...\"" : "\"";
}

bool is_plain(char c) {
  constexpr std::string_view kPunctuation = "!#$%&'()*+,-./:;<>?@[]^_`{|}~";
  return base::is_digit(c) || (base::to_lower(c) >= 'a' && base::to_lower(c) <= 'z') ||
         kPunctuation.find(c) != std::string_view::npos;
}

/// Bare where no reader of logfmt could mistake it.
void append_logfmt_string(std::string& out, std::string_view text) {
  if (!text.empty() && text.size() <= kStringBytesMax && std::ranges::all_of(text, is_plain)) {
    out += text;
  } else {
    append_quoted(out, text);
  }
}

template <typename T>
void append_number(std::string& out, T number) {
  std::array<char, 32> digits{};
  const auto result = std::to_chars(digits.data(), digits.data() + digits.size(), number);
  out.append(digits.data(), result.ptr);
}

/// The value, where strings and numbers JSON has no word for are left to `append_string`.
template <typename AppendString>
void append_value(std::string& out, const Field::Value& value, AppendString append_string) {
  if (const auto* text = std::get_if<std::string_view>(&value)) {
    append_string(out, *text);
  } else if (const auto* flag = std::get_if<bool>(&value)) {
    out += *flag ? "true" : "false";
  } else if (const auto* signed_number = std::get_if<std::int64_t>(&value)) {
    append_number(out, *signed_number);
  } else if (const auto* unsigned_number = std::get_if<std::uint64_t>(&value)) {
    append_number(out, *unsigned_number);
  } else if (const double number = std::get<double>(value); std::isfinite(number)) {
    append_number(out, number);
  } else {
    append_string(out, std::isnan(number) ? "nan" : number > 0 ? "inf" : "-inf");
  }
}

}  // namespace

std::string format_logfmt(const Line& line) {
  std::string out;
  if (line.time) out += "ts=" + format_time(*line.time) + ' ';
  out += "level=";
  out += to_string(line.level);
  out += " event=";
  append_logfmt_string(out, line.event);
  for (const Field& field : line.fields) {
    out += ' ';
    out += field.name();
    out += '=';
    append_value(out, field.value(), append_logfmt_string);
  }
  return out;
}

std::string format_json(const Line& line) {
  std::string out = "{";
  if (line.time) out += "\"ts\":\"" + format_time(*line.time) + "\",";
  out += "\"level\":\"";
  out += to_string(line.level);
  out += "\",\"event\":";
  append_quoted(out, line.event);
  for (const Field& field : line.fields) {
    out += ',';
    append_quoted(out, field.name());
    out += ':';
    append_value(out, field.value(), append_quoted);
  }
  out += '}';
  return out;
}

std::string format_line(Format format, const Line& line) {
  return format == Format::kJson ? format_json(line) : format_logfmt(line);
}

std::string format_time(std::chrono::system_clock::time_point time) {
  const auto ms = std::chrono::floor<std::chrono::milliseconds>(time);
  const auto day = std::chrono::floor<std::chrono::days>(ms);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss clock{ms - day};
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02d.%03dZ", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()), static_cast<int>(clock.subseconds().count()));
  return text.data();
}

}  // namespace anteroom::log::detail
