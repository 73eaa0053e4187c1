#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "floor_server/listener.hpp"
#include "floor_server/sizes.hpp"
#include "kv_load/posix.hpp"

namespace anteroom::floor_server {

/// What a server costs that only has to answer: one read, and one write of as many replies as requests have ended in
/// it. Who does not read its replies is not read from.
///
/// Of one thread. Owns the clients' connections, as many as the process may open, but not the listener, which must
/// outlive it. Of a client it keeps two numbers; all of them share 64 KB to read into (or one request, if that is
/// longer) and 1 MB of replies (or one). A client that has gone is forgotten; trouble of the listener or the poller
/// ends the program.
class Answerer {
 public:
  /// `reply` has sizes.reply_bytes bytes; neither of the sizes is 0.
  Answerer(const Fd& listener, const Sizes& sizes, const std::string& reply);

  /// Turn after turn.
  [[noreturn]] void run();
  /// Waits for at most `timeout_ns` (negative: until there is something) and does what there is to do. How many clients
  /// had something, counting the listener; 0 means that everything has been done.
  std::size_t turn(std::int64_t timeout_ns);

 private:
  struct Client {
    Fd fd;
    Counter counter;
    std::size_t left_bytes = 0;  // of replies that are to be written
    bool is_waiting_for_room = false;
  };

  void accept_all();
  // False: it has gone.
  bool read_from(Client& client);
  bool flush(Client& client);

  static constexpr std::uint64_t kListener = ~std::uint64_t{0};  // no fd is

  const Fd& listener_;
  const Sizes sizes_;
  std::string replies_;  // one after the other
  std::vector<char> scratch_;
  kv_load::Poller poller_;
  std::vector<std::unique_ptr<Client>> clients_;  // by fd, with holes
};

}  // namespace anteroom::floor_server
