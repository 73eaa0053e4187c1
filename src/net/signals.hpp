#pragma once

#include <functional>
#include <vector>

#include "net/event_loop.hpp"

namespace anteroom::net {

/// Delivers SIGTERM, SIGINT, SIGHUP and, if somebody wants it, SIGUSR1 as calls on one loop, and makes the process
/// ignore SIGPIPE (a write to a broken connection is an error value here, also inside libraries). At most one object in
/// the process at a time; loop thread only. Destroying it gives the signals their former handlers back.
class Signals {
 public:
  struct Handlers {
    /// `times` counts SIGTERM and SIGINT together: at 2 somebody has lost patience with the first.
    std::move_only_function<void(int signal, unsigned times)> on_stop;
    std::move_only_function<void()> on_hangup;
    std::move_only_function<void()> on_user1{};  ///< empty: the signal does what it does without us
  };

  Signals(EventLoop& loop, Handlers handlers);
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

 private:
  static void on_signal(evutil_socket_t signal, short, void* self) noexcept;

  Handlers handlers_;
  std::vector<event*> events_;
  unsigned stops_ = 0;
};

}  // namespace anteroom::net
