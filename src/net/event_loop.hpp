#pragma once

#include <event2/util.h>

#include <functional>
#include <memory>
#include <vector>

#include "base/clock.hpp"

struct event;
struct event_base;

namespace anteroom::net {

/// One libevent loop, owned and run by one thread. Everything made from it (timers, watchers, streams) is used on that
/// thread only and must die before it. The only door from other threads is a Mailbox.
///
/// A *turn* is: wait, run the callbacks of everything that is ready, then run what was deferred to the end of the turn.
/// Sessions and links write there, so that each does one system call per turn however many replies it has.
class EventLoop {
 public:
  using Task = std::move_only_function<void()>;

  EventLoop();
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  /// Runs turns until stop(). The callbacks run on the calling thread.
  void run();
  /// Ends run() after this turn. Loop thread only (from elsewhere: through a Mailbox).
  void stop() noexcept { stopping_ = true; }

  /// The time of this turn, read at the first call in it: cheap, at most one turn old.
  [[nodiscard]] base::TimePoint now() const noexcept {
    if (now_is_stale_) read_clock();
    return now_;
  }

  /// The next now() reads the clock again: for those whose work in a turn may take long.
  void forget_time() noexcept { now_is_stale_ = true; }

  /// Runs `task` at the end of this turn, in the order of the calls, before tasks that these tasks defer in turn.
  /// Deferred destruction belongs here too.
  void at_turn_end(Task task);
  /// Runs `task` in the next turn, which then does not wait for readiness: for work cut short by a fairness limit.
  void next_turn(Task task);

  /// For the parts of net/ and backend/ that hand the loop to libevent-based libraries.
  [[nodiscard]] event_base* base() const noexcept { return base_.get(); }

 private:
  struct BaseFree {
    void operator()(event_base* base) const noexcept;
  };
  void run_turn();
  void run_turn_end();
  void read_clock() const noexcept;

  std::unique_ptr<event_base, BaseFree> base_;
  std::vector<Task> turn_end_;
  std::vector<Task> running_;  // those of turn_end_ whose time has come; kept for its memory
  std::vector<Task> next_turn_;
  mutable base::TimePoint now_{};
  mutable bool now_is_stale_ = true;
  bool stopping_ = false;
};

/// One-shot timer. Owner decides its life; destroying or cancelling it means the callback never runs again.
class Timer {
 public:
  Timer(EventLoop& loop, EventLoop::Task on_expiry);
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  /// (Re)starts it; 0 or less means the next turn. When the callback runs, loop.now() is at least `after` later than it
  /// was at this call. The callback may start it again or destroy its owner at the end of the turn, not inside.
  void start(base::Duration after);
  void cancel() noexcept;
  [[nodiscard]] bool is_running() const noexcept { return running_; }

 private:
  static void on_event(evutil_socket_t, short, void* self) noexcept;
  void arm(base::Duration after);

  EventLoop& loop_;
  EventLoop::Task on_expiry_;
  event* event_ = nullptr;
  base::TimePoint deadline_{};
  bool running_ = false;
};

}  // namespace anteroom::net
