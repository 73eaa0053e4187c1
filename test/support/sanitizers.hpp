#pragma once

namespace anteroom::test {

/// Built with AddressSanitizer or ThreadSanitizer: up to ten times slower, and what was freed is kept for a while, so
/// that figures of memory and long searches say nothing there.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kIsInstrumented = true;
#elif defined(__has_feature)
inline constexpr bool kIsInstrumented = __has_feature(address_sanitizer) || __has_feature(thread_sanitizer);
#else
inline constexpr bool kIsInstrumented = false;
#endif

}  // namespace anteroom::test
