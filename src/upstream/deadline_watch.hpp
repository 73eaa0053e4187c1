#pragma once

#include <optional>

#include "base/clock.hpp"

namespace anteroom::upstream {

/// Tells a look at deadlines that came in time from one that came late because this process did not run, as on a
/// machine that was paused. The server may be on the same one, and not have run either: it gets some time more, once;
/// where every turn takes long, deadlines are deadlines all the same.
///
/// Pure: time is an argument. One thread.
class DeadlineWatch {
 public:
  /// A look that comes so late says that we did not run.
  static constexpr base::Milliseconds kLate{250};
  static constexpr base::Milliseconds kGrace{1000};

  /// When the next look is meant to be.
  void expect(base::TimePoint due) noexcept { due_ = due; }
  /// The look: nothing where deadlines hold, else what is to be waited before the next one, which is expected then; at
  /// most `limit`. REQUIRES: expect() was called since the last one.
  [[nodiscard]] std::optional<base::Duration> look(base::TimePoint now, base::Duration limit) noexcept;

 private:
  base::TimePoint due_{};
  bool was_late_ = false;  // the last one
};

}  // namespace anteroom::upstream
