#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <vector>

#include "base/clock.hpp"
#include "net/event_loop.hpp"
#include "proxy/session_table.hpp"

namespace anteroom::proxy {

/// CLIENT PAUSE: until when which commands of all clients wait. One for the process; thread-safe without a lock,
/// because every command looks at it.
class ClientPause {
 public:
  enum class Mode : std::uint8_t { kNone, kWrites, kAll };

  /// As in Redis, a pause does not become shorter or milder by another one.
  void pause(base::TimePoint until, Mode mode, base::TimePoint now) noexcept {
    const bool is_on = this->mode(now) != Mode::kNone;
    const auto ticks = until.time_since_epoch().count();
    if (!is_on || ticks > until_.load()) until_.store(ticks);
    if (!is_on || mode > mode_.load()) mode_.store(mode);
  }
  void lift() noexcept { mode_.store(Mode::kNone); }

  [[nodiscard]] Mode mode(base::TimePoint now) const noexcept {
    const Mode mode = mode_.load(std::memory_order_relaxed);
    return mode != Mode::kNone && now < until() ? mode : Mode::kNone;
  }
  /// No pause was asked for since the last one was lifted. Cheaper than mode(): needs no clock.
  [[nodiscard]] bool is_off() const noexcept { return mode_.load(std::memory_order_relaxed) == Mode::kNone; }
  [[nodiscard]] base::TimePoint until() const noexcept {
    return base::TimePoint(base::TimePoint::duration(until_.load(std::memory_order_relaxed)));
  }

 private:
  std::atomic<base::TimePoint::rep> until_{0};
  std::atomic<Mode> mode_{Mode::kNone};
};

/// The sessions of one worker that wait for the end of a pause. Loop thread only.
class PauseGate {
 public:
  PauseGate(net::EventLoop& loop, SessionTable& sessions, ClientPause& pause);

  [[nodiscard]] ClientPause& pause() noexcept { return pause_; }
  /// Session::on_unpaused() is called when the pause is over.
  void wait(SessionId session);
  /// The pause has been lifted, or may have been.
  void look_again();

 private:
  net::EventLoop& loop_;
  SessionTable& sessions_;
  ClientPause& pause_;
  std::vector<SessionId> waiting_;
  net::Timer timer_;
};

}  // namespace anteroom::proxy
