#include "proxy/client_pause.hpp"

#include <utility>

#include "proxy/session.hpp"

namespace anteroom::proxy {

PauseGate::PauseGate(net::EventLoop& loop, SessionTable& sessions, ClientPause& pause)
    : loop_(loop), sessions_(sessions), pause_(pause), timer_(loop, [this] { look_again(); }) {}

void PauseGate::wait(SessionId session) {
  waiting_.push_back(session);
  if (!timer_.is_running()) timer_.start(pause_.until() - loop_.now());
}

void PauseGate::look_again() {
  const base::TimePoint now = loop_.now();
  if (pause_.mode(now) != ClientPause::Mode::kNone) {
    timer_.start(pause_.until() - now);
    return;
  }
  timer_.cancel();
  for (const SessionId id : std::exchange(waiting_, {})) {
    if (Session* session = sessions_.find(id)) session->on_unpaused();
  }
}

}  // namespace anteroom::proxy
