#pragma once

#include <chrono>

namespace anteroom::base {

/// Monotonic time. Pure code takes it as an argument; the event loop reads the clock once per turn.
using TimePoint = std::chrono::steady_clock::time_point;
using Duration = std::chrono::steady_clock::duration;
using Milliseconds = std::chrono::milliseconds;

/// "Never" for deadlines. Adding to it overflows; compare with it, do not compute with it.
inline constexpr TimePoint kNever = TimePoint::max();

}  // namespace anteroom::base
