#pragma once

#include <atomic>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

/// Structured log of the process. An event is a short constant text with fields: `log::info("listening", {{"port",
/// 8001}})`. Every function may be called from any thread, before init() and after shutdown() too. Never log a value of
/// a client, a key or a secret.
namespace anteroom::log {

enum class Level : std::uint8_t { kTrace, kDebug, kInfo, kWarn, kError };
enum class Format : std::uint8_t { kLogfmt, kJson };

[[nodiscard]] std::string_view to_string(Level level) noexcept;

struct Options {
  Level level = Level::kInfo;  ///< what is below is not written
  Format format = Format::kLogfmt;
  std::string file{};  ///< appended to, created with mode 0640; empty is standard error
  /// Lines that wait for the writing thread. When it is full the oldest go, so that a slow disk never holds up a
  /// worker; a line "log lines dropped" with their number follows.
  std::size_t queue_lines_max = 8192;
};

/// A name and a value. Holds views only: it lives as long as the call that logs it. Strings may be any bytes; what is
/// no UTF-8 becomes U+FFFD, and what a terminal or parser would take for more than text is escaped.
class Field {
 public:
  using Value = std::variant<std::string_view, std::int64_t, std::uint64_t, double, bool>;

  Field(std::string_view name, const char* value) : name_(name), value_(std::string_view(value)) {}
  Field(std::string_view name, std::string_view value) : name_(name), value_(value) {}
  Field(std::string_view name, const std::string& value) : name_(name), value_(std::string_view(value)) {}
  Field(std::string_view name, bool value) : name_(name), value_(value) {}
  template <std::signed_integral T>
  Field(std::string_view name, T value) : name_(name), value_(static_cast<std::int64_t>(value)) {}
  template <std::unsigned_integral T>
    requires(!std::same_as<T, bool>)
  Field(std::string_view name, T value) : name_(name), value_(static_cast<std::uint64_t>(value)) {}
  template <std::floating_point T>
  Field(std::string_view name, T value) : name_(name), value_(static_cast<double>(value)) {}

  [[nodiscard]] std::string_view name() const noexcept { return name_; }
  [[nodiscard]] const Value& value() const noexcept { return value_; }

 private:
  std::string_view name_;
  Value value_;
};

using Fields = std::initializer_list<Field>;

/// Starts the writing thread. May be called again with other options; lines that wait are written to the old target
/// first. The error is one line with the file's name and the system's reason; then everything stays as it was.
[[nodiscard]] std::expected<void, std::string> init(const Options& options);
/// Opens the file anew under its name, after log rotation. Does nothing for standard error. When the file cannot be
/// opened, the old one stays in use and the reason is returned.
[[nodiscard]] std::expected<void, std::string> reopen();
/// Writes what waits and ends the writing thread. Later lines go straight to standard error, as those before init().
void shutdown();

namespace detail {
extern std::atomic<Level> threshold;
void write(Level level, std::string_view event, std::span<const Field> fields);
}  // namespace detail

/// True when a line of this level would be written. Ask before work that is done for a log line only.
[[nodiscard]] inline bool is_enabled(Level level) noexcept {
  return level >= detail::threshold.load(std::memory_order_relaxed);
}
void set_level(Level level) noexcept;

/// A disabled level costs the check alone; fields are views, so nothing was built for them.
inline void write(Level level, std::string_view event, Fields fields = {}) {
  if (is_enabled(level)) detail::write(level, event, {fields.begin(), fields.size()});
}
/// For fields whose number is known at run time only.
inline void write(Level level, std::string_view event, std::span<const Field> fields) {
  if (is_enabled(level)) detail::write(level, event, fields);
}
inline void trace(std::string_view event, Fields fields = {}) { write(Level::kTrace, event, fields); }
inline void debug(std::string_view event, Fields fields = {}) { write(Level::kDebug, event, fields); }
inline void info(std::string_view event, Fields fields = {}) { write(Level::kInfo, event, fields); }
inline void warn(std::string_view event, Fields fields = {}) { write(Level::kWarn, event, fields); }
inline void error(std::string_view event, Fields fields = {}) { write(Level::kError, event, fields); }

/// For tests: while it lives, the lines of all threads end here instead of in their file, at once and in order. One at
/// a time.
class ScopedCapture {
 public:
  explicit ScopedCapture(Level level = Level::kTrace, Format format = Format::kLogfmt);
  ~ScopedCapture();
  ScopedCapture(const ScopedCapture&) = delete;
  ScopedCapture& operator=(const ScopedCapture&) = delete;

  /// Without timestamp and newline: `level=info event=listening port=8001`.
  [[nodiscard]] std::vector<std::string> lines() const;
  /// True when a line has `part`.
  [[nodiscard]] bool has(std::string_view part) const;

 private:
  Level level_before_;
};

}  // namespace anteroom::log
