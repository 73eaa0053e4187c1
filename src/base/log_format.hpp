#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "base/log.hpp"

/// How a log line looks. Pure functions, used by log.cpp alone.
namespace anteroom::log::detail {

struct Line {
  std::optional<std::chrono::system_clock::time_point> time;  ///< left out when unset
  Level level = Level::kInfo;
  std::string_view event;
  std::span<const Field> fields;
};

/// Longer strings are cut and end in "...": one field must not fill the disk.
inline constexpr std::size_t kStringBytesMax = 4096;

/// `ts=2026-01-31T12:00:00.000Z level=info event="link up" db=3`, without newline.
[[nodiscard]] std::string format_logfmt(const Line& line);
/// `{"ts":"2026-01-31T12:00:00.000Z","level":"info","event":"link up","db":3}`, without newline. Always valid JSON.
[[nodiscard]] std::string format_json(const Line& line);
[[nodiscard]] std::string format_line(Format format, const Line& line);

/// RFC 3339 in UTC with milliseconds.
[[nodiscard]] std::string format_time(std::chrono::system_clock::time_point time);

}  // namespace anteroom::log::detail
