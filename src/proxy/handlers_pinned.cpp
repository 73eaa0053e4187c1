// Handlers of commands that need a link of their own.
#include <array>
#include <string>

#include "command/blocking.hpp"
#include "command/key_extraction.hpp"
#include "proxy/forwarder.hpp"
#include "proxy/handlers.hpp"
#include "proxy/services.hpp"
#include "proxy/session.hpp"

namespace anteroom::proxy {
namespace {

constexpr std::string_view kOk = "+OK\r\n";

// Those inside a transaction do not come here, but for EXEC and its like that Session answers itself.
void handle_multi(Session& session, const Request& request) {
  Transaction& transaction = session.transaction();
  if (transaction.is_lost) {
    // What was watched is lost: the transaction can only fail, and must do so as a whole.
    transaction.is_open = true;
    session.answer(request, kOk);
    return;
  }
  if (!session.pin(request)) return;
  if (transaction.is_lost) return handle_multi(session, request);
  transaction.is_open = true;
  session.services().forwarder.forward(session, request);
}

void handle_watch(Session& session, const Request& request) {
  Transaction& transaction = session.transaction();
  if (transaction.is_lost) {
    session.answer(request, kOk);
    return;
  }
  if (!session.pin(request)) return;
  transaction.is_watching = true;
  session.services().forwarder.forward(session, request);
}

void handle_unwatch(Session& session, const Request& request) {
  Transaction& transaction = session.transaction();
  const bool is_needed = transaction.is_watching && !transaction.is_lost;
  transaction = {};
  if (is_needed) {
    session.services().forwarder.forward(session, request);
  } else {
    session.answer(request, kOk);
  }
}

void handle_exec(Session& session, const Request& request) { session.answer_error(request, "ERR EXEC without MULTI"); }

void handle_discard(Session& session, const Request& request) {
  session.answer_error(request, "ERR DISCARD without MULTI");
}

void handle_blocking(Session& session, const Request& request) {
  const command::Facts& facts = *request.lookup.facts;
  if (!command::needs_pinned_link(facts, request.args)) {
    handle_forward(session, request);
    return;
  }
  const auto timeout = command::blocking_timeout(facts, request.args);
  if (!timeout) {
    handle_forward(session, request);  // the server says what is wrong with it, at once
    return;
  }
  if (!session.pin(request)) return;
  session.block_on(session.services().forwarder.forward_blocking(session, request, *timeout));
}

constexpr std::array kHandlers = std::to_array<HandlerRegistry::Registration>({
    {"multi", handle_multi},
    {"exec", handle_exec},
    {"discard", handle_discard},
    {"watch", handle_watch},
    {"unwatch", handle_unwatch},
    {"blpop", handle_blocking},
    {"brpop", handle_blocking},
    {"blmove", handle_blocking},
    {"brpoplpush", handle_blocking},
    {"blmpop", handle_blocking},
    {"bzpopmin", handle_blocking},
    {"bzpopmax", handle_blocking},
    {"bzmpop", handle_blocking},
    {"xread", handle_blocking},
    {"xreadgroup", handle_blocking},
});

}  // namespace

std::span<const HandlerRegistry::Registration> pinned_handlers() noexcept { return kHandlers; }

}  // namespace anteroom::proxy
