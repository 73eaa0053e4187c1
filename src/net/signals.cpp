#include "net/signals.hpp"

#include <event2/event.h>

#include <csignal>
#include <utility>

#include "base/check.hpp"

namespace anteroom::net {
namespace {

constexpr std::array kSignals = {SIGTERM, SIGINT, SIGHUP};

}  // namespace

Signals::Signals(EventLoop& loop, Handlers handlers) : handlers_(std::move(handlers)) {
  std::signal(SIGPIPE, SIG_IGN);
  static_assert(std::tuple_size_v<decltype(events_)> == kSignals.size());
  for (std::size_t i = 0; i < kSignals.size(); ++i) {
    events_[i] = event_new(loop.base(), kSignals[i], EV_SIGNAL | EV_PERSIST, on_signal, this);
    ANTEROOM_CHECK(events_[i] != nullptr && event_add(events_[i], nullptr) == 0);
  }
}

Signals::~Signals() {
  for (event* const one : events_) event_free(one);
}

void Signals::on_signal(evutil_socket_t signal, short, void* self) noexcept {
  Signals& signals = *static_cast<Signals*>(self);
  if (signal == SIGHUP) {
    signals.handlers_.on_hangup();
  } else {
    signals.handlers_.on_stop(signal, ++signals.stops_);
  }
}

}  // namespace anteroom::net
