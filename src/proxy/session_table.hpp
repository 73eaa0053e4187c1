#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "net/event_loop.hpp"
#include "proxy/fill_readers.hpp"
#include "proxy/session_id.hpp"

namespace anteroom::proxy {

class Session;

/// Owns the sessions of one worker. Loop thread only.
class SessionTable final : public FillReaders {
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

  void on_fill_reply(SessionId id, ReplyQueue::Slot slot, std::size_t part, const base::SharedBytes& encoded) override;
  void on_fill_left(SessionId id, ReplyQueue::Slot slot, std::size_t part, const CacheableRead& read) override;

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
    std::uint32_t generation = 1;
  };
  net::EventLoop& loop_;
  std::vector<Entry> entries_;
  std::vector<std::uint32_t> free_;
  std::size_t size_ = 0;
};

}  // namespace anteroom::proxy
