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
class Forwarder {
 public:
  Forwarder(const Fd& listener, const Sizes& sizes, Fd upstream);

  /// Until the upstream closes the connection, or a reply does not end where it should, which ends the program.
  [[noreturn]] void run();

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

  static constexpr std::uint64_t kListener = 1;  // no pointer is
  static constexpr std::uint64_t kUpstream = 2;

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
};

}  // namespace anteroom::floor_server
