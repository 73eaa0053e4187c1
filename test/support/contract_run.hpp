#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "support/contract_script.hpp"
#include "support/redis_server.hpp"
#include "support/reply.hpp"
#include "support/resp_client.hpp"

namespace anteroom::test {

/// One connection of a script; trouble is a reply in angle brackets, as RespClient has it. Whatever can carry requests
/// is one more such class.
class Conversation {
 public:
  virtual ~Conversation() = default;
  virtual bool send_raw(std::string_view bytes) = 0;
  [[nodiscard]] virtual Reply read() = 0;
};

/// Over TCP or a UNIX socket.
[[nodiscard]] std::unique_ptr<Conversation> plain_conversation(const Address& address);

/// Where a script is run: something that takes clients, and the redis-server that in the end answers.
struct ContractSide {
  std::function<std::unique_ptr<Conversation>()> open;
  const RedisServer* server = nullptr;
};

/// Runs scripts on two sides in lockstep and compares what they say. What differs is a failure of the running test; a
/// reply that does not come at all ends the script. Both servers should be empty and configured alike.
class ContractRun {
 public:
  ContractRun(const ContractSide& reference, const ContractSide& tested, Protocol protocol);
  ~ContractRun();

  void run(const ContractScript& script);

 private:
  struct Side;

  [[nodiscard]] bool run_step(const ScriptStep& step);
  [[nodiscard]] bool ask(const ScriptStep& step);
  [[nodiscard]] bool send(const ScriptStep& step);
  [[nodiscard]] bool compare_next(const ScriptStep& step, std::string_view what);
  [[nodiscard]] bool compare_many(const ScriptStep& step);
  [[nodiscard]] bool keep(const ScriptStep& step);
  [[nodiscard]] bool expect_closed(const ScriptStep& step);
  [[nodiscard]] bool wait_until(const ScriptStep& step);
  void say_directly(const ScriptStep& step);
  void expect_nothing_left();

  std::unique_ptr<Side> reference_;
  std::unique_ptr<Side> tested_;
  Protocol protocol_;
  std::string script_name_;
  std::string last_reply_;  ///< of the reference
};

}  // namespace anteroom::test
