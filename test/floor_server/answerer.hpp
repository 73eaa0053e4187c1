#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "floor_server/listener.hpp"
#include "floor_server/sizes.hpp"
#include "kv_load/posix.hpp"

namespace anteroom::floor_server {

/// What a server costs that only has to answer: one read, and one write of as many replies as requests have ended in
/// it. Who does not read its replies is not read from.
class Answerer {
 public:
  /// `reply` has sizes.reply_bytes bytes.
  Answerer(const Fd& listener, const Sizes& sizes, const std::string& reply);

  [[noreturn]] void run();

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

  static constexpr std::uint64_t kListener = ~std::uint64_t{0};

  const Fd& listener_;
  const Sizes sizes_;
  std::string replies_;  // one after the other
  std::vector<char> scratch_;
  kv_load::Poller poller_;
  std::unordered_map<int, std::unique_ptr<Client>> clients_;  // by fd
};

}  // namespace anteroom::floor_server
