#pragma once

#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "command/table.hpp"
#include "resp/request_parser.hpp"

namespace anteroom::proxy {

class Session;

/// One command on its way through: what the client sent and what is known of it. Valid during dispatch only.
struct Request : resp::Command {
  command::Lookup lookup{};
  std::uint64_t key_hash = 0;  ///< Cache::key()'s of args[1], where it is known already; 0 elsewhere
};

/// Answers a command or sees to it that it will be answered: every handler leaves exactly one reply owed or given.
using Handler = void (*)(Session& session, const Request& request);

/// Command (and subcommand) name to handler. Built once before the workers start, immutable after, shared by all.
class HandlerRegistry {
 public:
  struct Registration {
    std::string_view name;  ///< as in command::Facts, lower case; containers with their subcommand: "client|id"
    Handler handler;
  };

  /// Registrations override the handler that follows from a command's class. A name that is registered twice or that
  /// the table does not know is an error in the program: a text that says which.
  static std::expected<HandlerRegistry, std::string> build(const command::Table& table,
                                                           std::span<const Registration> registrations);

  [[nodiscard]] Handler find(const command::Facts& facts) const noexcept { return by_id_[facts.id]; }

 private:
  HandlerRegistry() = default;
  std::vector<Handler> by_id_;  // by command::Facts::id
};

/// All handlers of this program, for build().
[[nodiscard]] std::span<const HandlerRegistry::Registration> built_in_handlers() noexcept;

}  // namespace anteroom::proxy
