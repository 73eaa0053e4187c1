#include "net/signals.hpp"

#include <event2/event.h>

#include <csignal>
#include <utility>

#include "base/check.hpp"

namespace anteroom::net {
Signals::Signals(EventLoop& loop, Handlers handlers) : handlers_(std::move(handlers)) {
  std::signal(SIGPIPE, SIG_IGN);
  std::vector<int> wanted{SIGTERM, SIGINT, SIGHUP};
  if (handlers_.on_user1) wanted.push_back(SIGUSR1);
  for (const int signal : wanted) {
    events_.push_back(event_new(loop.base(), signal, EV_SIGNAL | EV_PERSIST, on_signal, this));
    ANTEROOM_CHECK(events_.back() != nullptr && event_add(events_.back(), nullptr) == 0);
  }
}

Signals::~Signals() {
  for (event* const one : events_) event_free(one);
}

void Signals::on_signal(evutil_socket_t signal, short, void* self) noexcept {
  Signals& signals = *static_cast<Signals*>(self);
  if (signal == SIGHUP) {
    signals.handlers_.on_hangup();
  } else if (signal == SIGUSR1) {
    signals.handlers_.on_user1();
  } else {
    signals.handlers_.on_stop(signal, ++signals.stops_);
  }
}

}  // namespace anteroom::net
