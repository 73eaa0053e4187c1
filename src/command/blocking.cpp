#include "command/blocking.hpp"

#include <charconv>
#include <cmath>
#include <cstdint>

#include "base/ascii.hpp"
#include "base/parse_int.hpp"

namespace anteroom::command {
namespace {

using Args = std::span<const std::string_view>;

// A longer wait is one for ever: a timer of ours need not tell them apart.
constexpr std::int64_t kLongestMs = std::int64_t{1} << 40;

// getTimeoutFromObjectOrReply of Redis 7.0: seconds may have a fraction, which is rounded up to milliseconds.
std::optional<base::Milliseconds> from_seconds(std::string_view text) noexcept {
  double seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc{} || end != text.data() + text.size() || !std::isfinite(seconds) || seconds < 0) {
    return std::nullopt;
  }
  const double ms = std::ceil(seconds * 1000);
  if (ms > static_cast<double>(kLongestMs)) return base::Milliseconds{0};
  return base::Milliseconds{static_cast<std::int64_t>(ms)};
}

std::optional<base::Milliseconds> from_milliseconds(std::string_view text) noexcept {
  const auto ms = base::parse_int(text, 0, INT64_MAX);
  if (!ms) return std::nullopt;
  return base::Milliseconds{*ms > kLongestMs ? 0 : *ms};
}

// The value of BLOCK among the options of XREAD and XREADGROUP, which end with STREAMS.
std::optional<base::Milliseconds> from_block_option(Args args, std::size_t first) noexcept {
  std::optional<base::Milliseconds> timeout;
  for (std::size_t i = first; i < args.size(); ++i) {
    if (base::equals_ignore_case(args[i], "STREAMS")) return timeout;
    const bool has_value = base::equals_ignore_case(args[i], "BLOCK") || base::equals_ignore_case(args[i], "COUNT");
    if (!has_value) continue;
    if (base::equals_ignore_case(args[i], "BLOCK") && i + 1 < args.size()) timeout = from_milliseconds(args[i + 1]);
    ++i;
  }
  return timeout;
}

}  // namespace

std::optional<base::Milliseconds> blocking_timeout(const Facts& facts, Args args) noexcept {
  const std::string_view name = facts.name;
  const auto at = [&](std::size_t i) { return i < args.size() ? args[i] : std::string_view{}; };
  if (name == "xread") return from_block_option(args, 1);
  if (name == "xreadgroup") return from_block_option(args, 4);
  if (name == "blpop" || name == "brpop" || name == "bzpopmin" || name == "bzpopmax") {
    return args.size() > 2 ? from_seconds(args.back()) : std::nullopt;
  }
  if (name == "blmove") return from_seconds(at(5));
  if (name == "brpoplpush") return from_seconds(at(3));
  if (name == "blmpop" || name == "bzmpop") return from_seconds(at(1));
  if (name == "wait") return from_milliseconds(at(2));
  if (name == "waitaof") return from_milliseconds(at(3));
  return std::nullopt;
}

}  // namespace anteroom::command
