#include "kv_load/connection.hpp"

namespace anteroom::kv_load {

bool Connection::flush() {
  if (written_ == out_.size()) return true;
  const ssize_t put = ::send(fd(), out_.data() + written_, out_.size() - written_, MSG_NOSIGNAL);
  if (put < 0 && errno != EAGAIN && errno != EINTR) die_of_errno("a connection was lost");
  written_ += put > 0 ? static_cast<std::size_t>(put) : 0;
  if (written_ < out_.size()) return false;
  out_.clear();
  written_ = 0;
  return true;
}

std::size_t Connection::take(std::string_view bytes, std::int64_t now_ns, Tally& tally) {
  std::size_t ended = 0;
  while (!bytes.empty()) {
    if (owed_.size() == 0) die("protocol error: the server sent bytes that nobody asked for");
    const ReplyScanner::Step step = scanner_.next(bytes);
    if (step == ReplyScanner::Step::kNeedMore) break;
    if (step == ReplyScanner::Step::kBroken) die("protocol error: the server sent bytes that are no reply");
    ++ended;
    count(step, owed_.pop(), now_ns, tally);
  }
  return ended;
}

void Connection::count(ReplyScanner::Step step, const Owed::Request& request, std::int64_t now_ns, Tally& tally) {
  ++tally.requests;
  tally.latencies.add(request.latency_ns(now_ns));
  tally.gets += request.is_set ? 0 : 1;
  if (step == ReplyScanner::Step::kError) {
    ++tally.errors;
    return;
  }
  // A value to a SET or a status to a GET is somebody else's reply.
  if (request.is_set != (step == ReplyScanner::Step::kStatus)) die("protocol error: a reply does not fit its request");
  if (request.is_set) return;
  tally.hits += scanner_.hits();
  tally.misses += scanner_.misses();
}

}  // namespace anteroom::kv_load
