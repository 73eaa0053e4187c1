#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "support/key_space.hpp"
#include "support/persistent_client.hpp"
#include "support/redis_server.hpp"
#include "support/relay.hpp"
#include "support/workload.hpp"

namespace anteroom::test {

/// What goes wrong during a history. Used by one thread; a fault is over when its function returns.
class Faults {
 public:
  struct Setting {
    RedisServer& server;
    Relay& relay;  ///< between the front-end and the server
    const Address front;
    WorkloadShared& shared;
    milliseconds longest_stop{1'500};    ///< of the server
    milliseconds longest_freeze{2'500};  ///< of connections
    std::uint64_t seed = 1;
  };
  struct Kind {
    const char* name;
    bool needs_tracking;  ///< changes values in ways that a front-end that knows TTLs only cannot notice
    bool (Faults::*cause)(OperationLog& log);  ///< false when there was nothing to do it to
  };
  [[nodiscard]] static std::span<const Kind> kinds();

  Faults(const Setting& setting, std::vector<Kind> wanted);

  /// Causes all wanted faults in a random order, again and again with pauses between, until `is_stopping`.
  void run(const std::atomic<bool>& is_stopping, OperationLog& log);

  /// How often each fault happened.
  [[nodiscard]] const std::map<std::string, std::uint64_t>& counts() const { return counts_; }

 private:
  bool kill_fill_connections(OperationLog& log);
  bool kill_links(OperationLog& log);
  bool stop_server(OperationLog& log);
  bool delay_fill_replies(OperationLog& log);
  bool delay_link_replies(OperationLog& log);
  bool delay_requests(OperationLog& log);
  bool freeze_fill_connections(OperationLog& log);
  bool freeze_links(OperationLog& log);
  bool freeze_everything(OperationLog& log);
  bool shrink_tracking_table(OperationLog& log);
  bool reload(OperationLog& log);
  bool flush_directly(OperationLog& log);
  bool flush_through(OperationLog& log);
  bool swap_databases(OperationLog& log);

  struct Peer {
    std::string id;
    std::uint16_t port;
  };
  /// The front-end's connections of that name, as the server sees them.
  [[nodiscard]] std::vector<Peer> connections_named(std::string_view name);
  /// All of them or one: workers that have connections of their own then differ in what they know when.
  [[nodiscard]] std::vector<Peer> victims_named(std::string_view name);
  [[nodiscard]] Relay::Ports ports_named(std::string_view name);
  bool kill_named(std::string_view name);
  bool delay_replies_to(std::string_view name);
  bool freeze_named(std::string_view name);
  bool hold(milliseconds lasting, milliseconds delay);
  [[nodiscard]] milliseconds draw(milliseconds shortest, milliseconds longest);
  bool change_every_key(Path path, std::span<const std::string_view> command, bool is_deletion, OperationLog& log);
  bool prepare_other_database();

  Setting setting_;
  std::vector<Kind> wanted_;
  std::size_t next_ = 0;
  PersistentClient server_;
  PersistentClient other_database_;
  PersistentClient front_;
  Random random_;
  std::map<std::string, std::uint64_t> counts_;
};

}  // namespace anteroom::test
