#include "base/mutex.hpp"

#include <algorithm>

namespace anteroom::base {

void Mutex::wait() noexcept {
  const auto since = std::chrono::steady_clock::now();
  mutex_.lock();
  const std::chrono::nanoseconds waited = std::chrono::steady_clock::now() - since;
  ++waits_.count;
  waits_.total += waited;
  waits_.longest = std::max(waits_.longest, waited);
}

}  // namespace anteroom::base
