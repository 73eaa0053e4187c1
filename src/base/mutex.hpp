#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

// Clang's thread safety analysis (-Wthread-safety); other compilers see nothing.
#if defined(__clang__)
#define ANTEROOM_ATTRIBUTE(x) __attribute__((x))
#else
#define ANTEROOM_ATTRIBUTE(x)
#endif
#define ANTEROOM_CAPABILITY(x) ANTEROOM_ATTRIBUTE(capability(x))
#define ANTEROOM_SCOPED_CAPABILITY ANTEROOM_ATTRIBUTE(scoped_lockable)
#define ANTEROOM_GUARDED_BY(x) ANTEROOM_ATTRIBUTE(guarded_by(x))
#define ANTEROOM_REQUIRES(...) ANTEROOM_ATTRIBUTE(requires_capability(__VA_ARGS__))
#define ANTEROOM_EXCLUDES(...) ANTEROOM_ATTRIBUTE(locks_excluded(__VA_ARGS__))
#define ANTEROOM_ACQUIRE(...) ANTEROOM_ATTRIBUTE(acquire_capability(__VA_ARGS__))
#define ANTEROOM_RELEASE(...) ANTEROOM_ATTRIBUTE(release_capability(__VA_ARGS__))
// For what the analysis cannot follow: a number of locks that is known only when it runs.
#define ANTEROOM_NO_THREAD_SAFETY_ANALYSIS ANTEROOM_ATTRIBUTE(no_thread_safety_analysis)

namespace anteroom::base {

/// A mutex that the compiler can check, in line where nobody waits. The only lock type of the project; every lock is a
/// leaf (but for the one that cache/system_memory.hpp tells of): nothing is logged, called back, destroyed or allocated
/// at length while it is held.
///
/// Counts how often and how long it was waited for, which costs nothing where nobody waits.
class ANTEROOM_CAPABILITY("mutex") Mutex {
 public:
  /// Of lock(), since it was made.
  struct Waits {
    std::uint64_t count = 0;
    std::chrono::nanoseconds total{};
    std::chrono::nanoseconds longest{};
  };

  void lock() ANTEROOM_ACQUIRE() {
    State expected = kFree;
    if (!state_.compare_exchange_strong(expected, kLocked, std::memory_order_acquire, std::memory_order_relaxed))
      wait();
  }
  void unlock() ANTEROOM_RELEASE() {
    if (state_.exchange(kFree, std::memory_order_release) == kAwaited) wake();
  }
  [[nodiscard]] const Waits& waits() const ANTEROOM_REQUIRES(this) { return waits_; }

 private:
  using State = int;  // what a futex is, so that waiting needs nothing else
  static constexpr State kFree = 0;
  static constexpr State kLocked = 1;
  static constexpr State kAwaited = 2;  // locked, and somebody may be waiting

  void wait() noexcept;
  void wake() noexcept;

  std::atomic<State> state_{kFree};
  Waits waits_;
};

/// Holds a Mutex for a scope.
class ANTEROOM_SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) ANTEROOM_ACQUIRE(mutex) : mutex_(mutex) { mutex_.lock(); }
  ~MutexLock() ANTEROOM_RELEASE() { mutex_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

}  // namespace anteroom::base
