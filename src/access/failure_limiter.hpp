#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/mutex.hpp"

namespace anteroom::access {

/// Counts failed authentications of each peer address and says who has had too many. One for all workers; thread-safe,
/// and no clock of its own: all callers pass the same monotonic time.
///
/// The addresses are what the caller takes for one peer. Of IPv6 that should be the network of 64 bits, because a
/// single host may have all addresses in it.
class FailureLimiter {
 public:
  struct Options {
    std::uint32_t failures_max = 10;        ///< so many in one window are answered; 0: no limit
    base::Milliseconds window{60'000};      ///< counts are forgotten so long after the first failure
    std::size_t addresses_max = 16 * 1024;  ///< beyond it the address not heard of for longest is forgotten: 2 MB or so
  };

  explicit FailureLimiter(Options options) noexcept : options_(options) {}

  /// Whether an attempt from there is to be checked at all. False from the failure that reaches the limit until a whole
  /// window after it; attempts that were not checked do not make it longer.
  [[nodiscard]] bool may_try(std::string_view address, base::TimePoint now);
  /// An attempt that may_try() let through was wrong. There is nothing to call for one that was right: who has one
  /// password could begin anew with others' as often as he likes.
  void count_failure(std::string_view address, base::TimePoint now);

  /// All failures there were, for INFO.
  [[nodiscard]] std::uint64_t failures() const;
  /// Addresses remembered now.
  [[nodiscard]] std::size_t addresses() const;

 private:
  struct Entry {
    std::string address;
    std::uint32_t failures = 0;
    base::TimePoint until;  // when it is forgotten
  };
  using Entries = std::list<Entry>;

  /// The entry, made the most recently used; null if there is none or its time is over. What `gone` gets is to be
  /// destroyed without the lock.
  Entry* find(std::string_view address, base::TimePoint now, Entries& gone) ANTEROOM_REQUIRES(mutex_);

  const Options options_;
  mutable base::Mutex mutex_;
  Entries entries_ ANTEROOM_GUARDED_BY(mutex_);  // the most recently used first
  std::map<std::string_view, Entries::iterator> by_address_ ANTEROOM_GUARDED_BY(mutex_);  // names are the entries'
  std::uint64_t failures_ ANTEROOM_GUARDED_BY(mutex_) = 0;
};

}  // namespace anteroom::access
