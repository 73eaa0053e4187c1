#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/session_table.hpp"

namespace anteroom::proxy {

/// Log-ins that the server is asked about, of one worker: of one peer only so many at a time. Else whoever opens many
/// connections at once could have as many passwords checked before the first has failed, and take all lanes for it.
/// Who waits is a session that is put off, so there are at most as many as clients. Loop thread only; owned by the
/// worker, and the table of sessions outlives it.
class LoginQueue {
 public:
  explicit LoginQueue(SessionTable& sessions) : sessions_(sessions) {}

  /// True: it may be asked about now, and end() follows. False: not yet; Session::on_login_turn() will be called.
  [[nodiscard]] bool begin(const std::string& peer, SessionId session);
  /// The server has answered, or will not. Wakes all who wait: each begins again. REQUIRES: begin() was true.
  void end(std::string_view peer);

  static constexpr std::size_t kAtATime = 4;

 private:
  struct Peer {
    std::size_t asked = 0;
    std::vector<SessionId> waiting;
  };

  SessionTable& sessions_;
  std::map<std::string, Peer, std::less<>> peers_;  // those with something under way
};

}  // namespace anteroom::proxy
