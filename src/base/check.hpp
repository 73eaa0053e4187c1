#pragma once

namespace anteroom::base {

/// Prints `what`, file and line to standard error and aborts. For broken invariants only, never for what a peer sent.
[[noreturn]] void check_failed(const char* what, const char* file, int line) noexcept;

}  // namespace anteroom::base

/// Stays in release builds: going on with a broken invariant could hand a reply to the wrong client.
#define ANTEROOM_CHECK(condition) \
  ((condition) ? static_cast<void>(0) : ::anteroom::base::check_failed(#condition, __FILE__, __LINE__))
