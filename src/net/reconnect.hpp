#pragma once

#include <cstdint>

#include "base/backoff.hpp"
#include "base/clock.hpp"

namespace anteroom::net {

/// When to dial again. A failed dial is followed by a pause with full jitter. A connection that was up and is lost is
/// dialled again at once: it may be an accident (CLIENT KILL). But one that was lost right after it came up, twice in a
/// row, is a server that crashes or refuses us, and would be dialled without end. Pure: time is an argument.
class Reconnect {
 public:
  Reconnect(base::Duration base, base::Duration cap, std::uint64_t jitter_seed) : backoff_(base, cap, jitter_seed) {}

  void on_up(base::TimePoint now) noexcept { up_since_ = now; }
  [[nodiscard]] base::Duration pause_after_failure() { return backoff_.next(); }
  /// Zero: dial now.
  [[nodiscard]] base::Duration pause_after_loss(base::TimePoint now);

  /// A connection that ends sooner counts as lost right after it came up.
  static constexpr base::Milliseconds kStableAfter{1000};

 private:
  base::Backoff backoff_;
  base::TimePoint up_since_{};
  bool lost_early_ = false;
};

}  // namespace anteroom::net
