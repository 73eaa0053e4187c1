#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "kv_load/histogram.hpp"
#include "kv_load/posix.hpp"
#include "kv_load/replies.hpp"
#include "kv_load/schedule.hpp"

namespace anteroom::kv_load {

/// What all connections have got since the window opened. Of the load's thread, which owns it.
struct Tally {
  std::uint64_t requests = 0;
  std::uint64_t gets = 0;
  std::uint64_t hits = 0;
  std::uint64_t misses = 0;
  std::uint64_t errors = 0;
  Histogram latencies;
};

/// One connection to the server: requests that wait to be written, and those whose replies are owed. Of one thread.
/// Owns its socket and what waits: at most `limit` requests under way and their bytes. Whatever breaks it ends the
/// program.
class Connection {
 public:
  /// `fd` is connected and does not block. At most `limit` requests (at least one) are under way at a time.
  Connection(Fd fd, ReplyScanner scanner, std::size_t limit)
      : fd_(std::move(fd)), scanner_(std::move(scanner)), owed_(limit) {}

  [[nodiscard]] int fd() const { return fd_.value(); }
  [[nodiscard]] bool has_room() const { return owed_.has_room(); }
  /// Empty if there was no error reply.
  [[nodiscard]] const std::string& first_error() const { return scanner_.first_error(); }

  /// Where to append one request, due since `due_ns` of now_ns()'s clock; there must be room. flush() sends it. The
  /// reference is good until the next call.
  std::string& ask(std::int64_t due_ns, bool is_set) {
    owed_.push({.due_ns = due_ns, .is_set = is_set});
    return out_;
  }
  /// One write of all that waits. False: the socket had no room for it, so wait until it is writable.
  bool flush();
  /// Takes what one read has brought at `now_ns`, and returns how many replies have ended in it.
  std::size_t take(std::string_view bytes, std::int64_t now_ns, Tally& tally);

  bool is_waiting_for_room = false;  ///< whether the poller was told; the owner's

 private:
  void count(ReplyScanner::Step step, const Owed::Request& request, std::int64_t now_ns, Tally& tally);

  Fd fd_;
  ReplyScanner scanner_;
  Owed owed_;
  std::string out_;
  std::size_t written_ = 0;  // of out_
};

}  // namespace anteroom::kv_load
