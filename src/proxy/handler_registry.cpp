#include "proxy/handler_registry.hpp"

#include "command/key_extraction.hpp"
#include "proxy/handlers.hpp"

namespace anteroom::proxy {
namespace {

/// What follows from a command's class alone (UPSTREAM.md B4.5) for one server.
Handler handler_for(const command::Facts& facts) {
  switch (facts.command_class) {
    case command::Class::kSession:
      return handle_unsupported_session_command;
    case command::Class::kBlocking:
    case command::Class::kTransaction:
    case command::Class::kSubscription:
    case command::Class::kStream:
      return handle_stateful;
    default:
      return handle_forward;
  }
}

}  // namespace

std::expected<HandlerRegistry, std::string> HandlerRegistry::build(const command::Table& table,
                                                                   std::span<const Registration> registrations) {
  HandlerRegistry registry;
  registry.by_id_.resize(table.size());
  std::vector<bool> registered(table.size(), false);
  for (std::size_t id = 0; id < table.size(); ++id) {
    registry.by_id_[id] = handler_for(table.at(id));
  }
  for (const Registration& registration : registrations) {
    const command::Facts* const facts = table.find_name(registration.name);
    if (facts == nullptr) {
      return std::unexpected("handler for an unknown command: " + std::string(registration.name));
    }
    if (registered[facts->id]) {
      return std::unexpected("two handlers for one command: " + std::string(registration.name));
    }
    registered[facts->id] = true;
    registry.by_id_[facts->id] = registration.handler;
  }
  return registry;
}

}  // namespace anteroom::proxy
