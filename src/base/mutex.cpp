#include "base/mutex.hpp"

#include <algorithm>

namespace anteroom::base {

// Who has waited leaves it as awaited, since there may be others: at worst that costs one call for nothing.
void Mutex::wait() noexcept {
  const auto since = std::chrono::steady_clock::now();
  while (state_.exchange(kAwaited, std::memory_order_acquire) != kFree)
    state_.wait(kAwaited, std::memory_order_relaxed);
  const std::chrono::nanoseconds waited = std::chrono::steady_clock::now() - since;
  ++waits_.count;
  waits_.total += waited;
  waits_.longest = std::max(waits_.longest, waited);
}

// That it is free must be seen before notify_one() looks whether anybody waits, which the standard does not promise.
void Mutex::wake() noexcept {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  state_.notify_one();
}

}  // namespace anteroom::base
