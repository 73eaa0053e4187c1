// Handlers of data commands that go on to the server.
#include <array>
#include <string>

#include "command/key_extraction.hpp"
#include "command/table.hpp"
#include "proxy/forwarder.hpp"
#include "proxy/handlers.hpp"
#include "proxy/services.hpp"
#include "proxy/session.hpp"

namespace anteroom::proxy {
namespace {

constexpr std::array kHandlers = std::to_array<HandlerRegistry::Registration>({
    {"script|debug", handle_stateful},  // by its class it could run on any link, but it changes the one it runs on
});

}  // namespace

void handle_forward(Session& session, const Request& request) {
  session.services().forwarder.forward(session, request);
}

void handle_stateful(Session& session, const Request& request) {
  if (!command::needs_pinned_link(*request.lookup.facts, request.args)) {
    handle_forward(session, request);
    return;
  }
  session.refuse(request, "ERR anteroom: '" + std::string(request.lookup.facts->name) +
                              "' needs a connection of its own, which is not offered (stage=policy executed=no)");
}

std::span<const HandlerRegistry::Registration> data_handlers() noexcept { return kHandlers; }

}  // namespace anteroom::proxy
