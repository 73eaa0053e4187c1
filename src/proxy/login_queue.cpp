#include "proxy/login_queue.hpp"

#include <utility>

#include "base/check.hpp"
#include "proxy/session.hpp"

namespace anteroom::proxy {

bool LoginQueue::begin(const std::string& peer, SessionId session) {
  Peer& entry = peers_[peer];
  if (entry.asked < kAtATime) {
    ++entry.asked;
    return true;
  }
  entry.waiting.push_back(session);
  return false;
}

// All of them: those that are refused meanwhile, or have gone, take no turn.
void LoginQueue::end(std::string_view peer) {
  const auto found = peers_.find(peer);
  ANTEROOM_CHECK(found != peers_.end() && found->second.asked > 0);
  const std::vector<SessionId> waiting = std::exchange(found->second.waiting, {});
  if (--found->second.asked == 0) peers_.erase(found);
  for (const SessionId id : waiting) {
    if (Session* const session = sessions_.find(id)) session->on_login_turn();
  }
}

}  // namespace anteroom::proxy
