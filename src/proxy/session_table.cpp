#include "proxy/session_table.hpp"

#include <utility>

#include "base/check.hpp"
#include "proxy/session.hpp"

namespace anteroom::proxy {

SessionTable::SessionTable(net::EventLoop& loop) : loop_(loop) {}
SessionTable::~SessionTable() = default;

SessionId SessionTable::allocate() {
  if (free_.empty()) {
    entries_.emplace_back();
    free_.push_back(static_cast<std::uint32_t>(entries_.size() - 1));
  }
  const std::uint32_t index = free_.back();
  free_.pop_back();
  return {index, entries_[index].generation};
}

void SessionTable::put(SessionId id, std::unique_ptr<Session> session) {
  ANTEROOM_CHECK(entries_[id.index].generation == id.generation && !entries_[id.index].session);
  entries_[id.index].session = std::move(session);
  ++size_;
}

Session* SessionTable::find(SessionId id) const noexcept {
  if (id.index >= entries_.size() || entries_[id.index].generation != id.generation) return nullptr;
  return entries_[id.index].session.get();
}

void SessionTable::on_fill_reply(SessionId id, ReplyQueue::Slot slot, std::size_t part,
                                 const base::SharedBytes& encoded) {
  if (Session* session = find(id)) session->on_fill_reply(slot, part, encoded);
}

void SessionTable::on_fill_left(SessionId id, ReplyQueue::Slot slot, std::size_t part, const CacheableRead& read) {
  if (Session* session = find(id)) session->on_fill_left(slot, part, read);
}

void SessionTable::retire(SessionId id) {
  ANTEROOM_CHECK(find(id) != nullptr);
  Entry& entry = entries_[id.index];
  ++entry.generation;
  --size_;
  free_.push_back(id.index);
  loop_.at_turn_end([session = std::move(entry.session)]() mutable { session.reset(); });
}

}  // namespace anteroom::proxy
