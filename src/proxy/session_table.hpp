#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "net/event_loop.hpp"

namespace anteroom::proxy {

class Session;

/// Names a session across a wait. Whoever waits for something keeps this and never a pointer: the client may be gone
/// when it comes.
struct SessionId {
  std::uint32_t index = 0;
  std::uint32_t generation = 0;
  friend bool operator==(const SessionId&, const SessionId&) = default;
};

/// Owns the sessions of one worker. Loop thread only.
class SessionTable {
 public:
  explicit SessionTable(net::EventLoop& loop);
  ~SessionTable();

  /// Reserves an id, so that a session can be made with it. Fill it at once.
  [[nodiscard]] SessionId allocate();
  void put(SessionId id, std::unique_ptr<Session> session);
  /// Null when it is gone.
  [[nodiscard]] Session* find(SessionId id) const noexcept;
  /// From now on find() does not know it; it is destroyed at the end of the turn, because it may be running.
  void retire(SessionId id);

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  /// The living sessions; for periodic work and listings. The callback may retire the one it is given,
  /// but make none.
  template <class Callback>
  void for_each(Callback&& callback) {
    for (const Entry& entry : entries_) {
      if (entry.session) callback(*entry.session);
    }
  }

 private:
  struct Entry {
    std::unique_ptr<Session> session;
    std::uint32_t generation = 0;
  };
  net::EventLoop& loop_;
  std::vector<Entry> entries_;
  std::vector<std::uint32_t> free_;
  std::size_t size_ = 0;
};

}  // namespace anteroom::proxy
