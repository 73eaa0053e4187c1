#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "floor_server/listener.hpp"
#include "floor_server/sizes.hpp"
#include "kv_load/posix.hpp"

namespace anteroom::floor_server {

/// What a server costs that passes every request on, over one upstream connection for all clients: in each turn one
/// read for each client that has asked and one write to the upstream, then one read from there and one write to each
/// client that gets something. Replies belong to clients in the order of their requests.
///
/// Of one thread. Owns the clients' connections, as many as the process may open, and the upstream's; the listener must
/// outlive it. While more than 16 MB wait for the upstream nobody is read from, and a client for which more wait is not
/// read from either. Of a client that has gone it keeps until the upstream has answered how many replies it was owed,
/// and drops those.
class Forwarder {
 public:
  /// Neither of the sizes is 0.
  Forwarder(const Fd& listener, const Sizes& sizes, Fd upstream);

  /// Turn after turn, until the upstream closes the connection, says what nobody has asked for, or ends a reply where
  /// it should not: each of these ends the program.
  [[noreturn]] void run();
  /// Waits for at most `timeout_ns` (negative: until there is something) and does what there is to do. How many
  /// connections had something, counting the listener; 0 means that everything has been done.
  std::size_t turn(std::int64_t timeout_ns);

 private:
  struct Client {
    Fd fd;
    Counter counter;
    std::string begun;         // of a request that has not ended
    std::string out;           // replies that are to be written
    std::size_t owed = 0;      // replies
    bool is_gone = false;      // and is kept for as long as replies are owed
    bool is_touched = false;   // in this turn, by the upstream
    std::uint32_t events = 0;  // the poller was told
  };
  struct Turn {
    Client* client;
    std::size_t requests;
  };

  void accept_all();
  void handle(Client& client, std::uint32_t events);
  void read_from(Client& client);
  void read_from_upstream();
  // Hands out the whole replies that came; what is left begins the next one.
  void hand_out(std::size_t replies);
  void flush(Client& client);
  void flush_upstream();
  void watch(Client& client);
  void leave(Client& client);
  void remove_gone();

  static constexpr std::uint64_t kListener = ~std::uint64_t{0};  // no fd is
  static constexpr std::uint64_t kUpstream = kListener - 1;

  const Fd& listener_;
  const Sizes sizes_;
  Fd upstream_;
  bool is_upstream_waiting_ = false;
  std::string to_upstream_;
  std::string from_upstream_;  // up to the end of the last whole reply, and the begin of one
  Counter upstream_counter_;
  std::deque<Turn> turns_;  // whose replies come next
  std::vector<Client*> touched_;
  std::vector<Client*> gone_;
  std::vector<char> scratch_;
  kv_load::Poller poller_;
  std::unordered_map<Client*, std::unique_ptr<Client>> clients_;
  std::vector<Client*> by_fd_;  // those that have not gone, with holes
};

}  // namespace anteroom::floor_server
