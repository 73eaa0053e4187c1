#include "net/event_loop.hpp"

#include <event2/event.h>

#include <algorithm>
#include <utility>

#include "base/check.hpp"

namespace anteroom::net {
namespace {

// Memory for so many tasks is kept from one turn to the next, so that a turn with few sessions allocates nothing.
constexpr std::size_t kTasksKept = 1024;

struct ConfigFree {
  void operator()(event_config* config) const noexcept { event_config_free(config); }
};

event_base* make_base() {
  const std::unique_ptr<event_config, ConfigFree> config(event_config_new());
  ANTEROOM_CHECK(config != nullptr);
  // One thread owns the loop, and what other threads want comes through a Mailbox: libevent needs no locks.
  event_config_set_flag(config.get(), EVENT_BASE_FLAG_NOLOCK);
  event_base* const base = event_base_new_with_config(config.get());
  ANTEROOM_CHECK(base != nullptr);
  return base;
}

timeval to_timeval(base::Duration duration) {
  using std::chrono::microseconds;
  // Rounded up: a timer that fires early finds its deadline not yet reached and waits again for nothing.
  const auto us = std::chrono::ceil<microseconds>(std::max(duration, base::Duration::zero())).count();
  return {static_cast<time_t>(us / 1000000), static_cast<suseconds_t>(us % 1000000)};
}

}  // namespace

void EventLoop::BaseFree::operator()(event_base* base) const noexcept { event_base_free(base); }

EventLoop::EventLoop() : base_(make_base()) {}

EventLoop::~EventLoop() {
  // What a task owns may defer more work, or use the loop, while it is destroyed.
  while (!turn_end_.empty() || !next_turn_.empty()) {
    std::exchange(turn_end_, {}).clear();
    std::exchange(next_turn_, {}).clear();
  }
}

void EventLoop::run() {
  while (!stopping_) run_turn();
  stopping_ = false;
}

void EventLoop::run_turn() {
  std::vector<Task> tasks = std::exchange(next_turn_, {});
  const bool must_not_wait = !tasks.empty() || !turn_end_.empty();
  now_is_stale_ = true;
  const int result =
      event_base_loop(base_.get(), EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY | (must_not_wait ? EVLOOP_NONBLOCK : 0));
  ANTEROOM_CHECK(result >= 0);
  for (Task& task : tasks) task();
  run_turn_end();
}

void EventLoop::run_turn_end() {
  while (!turn_end_.empty()) {
    running_.swap(turn_end_);
    for (Task& task : running_) task();
    running_.clear();
    if (running_.capacity() > kTasksKept) std::vector<Task>().swap(running_);
  }
}

void EventLoop::read_clock() const noexcept {
  now_ = std::chrono::steady_clock::now();
  now_is_stale_ = false;
}

void EventLoop::at_turn_end(Task task) { turn_end_.push_back(std::move(task)); }

void EventLoop::next_turn(Task task) { next_turn_.push_back(std::move(task)); }

Timer::Timer(EventLoop& loop, EventLoop::Task on_expiry)
    : loop_(loop), on_expiry_(std::move(on_expiry)), event_(event_new(loop.base(), -1, 0, on_event, this)) {
  ANTEROOM_CHECK(event_ != nullptr);
}

Timer::~Timer() { event_free(event_); }

void Timer::start(base::Duration after) {
  deadline_ = std::chrono::steady_clock::now() + after;
  arm(after);
}

void Timer::arm(base::Duration after) {
  const timeval time = to_timeval(after);
  ANTEROOM_CHECK(event_add(event_, &time) == 0);
  running_ = true;
}

void Timer::cancel() noexcept {
  if (!running_) return;
  running_ = false;
  event_del(event_);
}

void Timer::on_event(evutil_socket_t, short, void* self) noexcept {
  Timer& timer = *static_cast<Timer*>(self);
  // libevent measures with the coarse clock, which lags by up to a tick, so its timers may fire a few milliseconds
  // early.
  if (const base::TimePoint now = timer.loop_.now(); now < timer.deadline_) {
    timer.arm(timer.deadline_ - now);
    return;
  }
  timer.running_ = false;
  timer.on_expiry_();
}

}  // namespace anteroom::net
