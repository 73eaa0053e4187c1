// Handlers of commands that need a link of their own.
#include <array>
#include <memory>
#include <string>

#include "base/parse_int.hpp"
#include "command/blocking.hpp"
#include "command/key_extraction.hpp"
#include "proxy/forwarder.hpp"
#include "proxy/handlers.hpp"
#include "proxy/services.hpp"
#include "proxy/session.hpp"
#include "resp/writer.hpp"
#include "upstream/server_facts.hpp"

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
  if (!session.pin(request)) {
    // Whoever goes on as if there were a transaction must not be let.
    if (!session.is_put_off()) session.close_after_replies();
    return;
  }
  const std::uint64_t number = session.open_transaction();
  session.services().forwarder.forward_with(session, request, session.lane(),
                                            [number](Session& answered, ReplyQueue::Slot slot, std::string&& reply) {
                                              answered.on_multi_reply(number, reply);
                                              answered.on_forwarded_reply(slot, reply);
                                            });
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
  session.block_on(session.services().forwarder.forward_blocking(session, request, *timeout, nullptr));
}

/// A write that changes nothing and that nobody hears: shard channels have no patterns.
std::string marker_for(std::string_view server_version) {
  const bool has_shard_channels = base::parse_int(server_version.substr(0, server_version.find('.'))).value_or(0) >= 7;
  std::string command;
  resp::append_command(
      command, std::array<std::string_view, 3>{has_shard_channels ? "SPUBLISH" : "PUBLISH", "__anteroom:wait", ""});
  return command;
}

// The server asks its replicas for what this connection has written, which for a link that others have used, or nobody,
// is anything but what this session has written. So the link writes something first: whoever has that, has all that
// was acknowledged before (UPSTREAM.md, finding 2).
void handle_wait(Session& session, const Request& request) {
  const auto timeout = command::blocking_timeout(*request.lookup.facts, request.args);
  if (!timeout || !session.has_written()) {
    handle_blocking(session, request);
    return;
  }
  if (!session.pin(request)) return;
  Services& services = session.services();
  const auto marked = std::make_shared<std::string>();
  services.forwarder.send_own(*session.pinned_link(), marker_for(services.server_facts.version()),
                              [marked](const base::SharedBytes& reply) { *marked = *reply; });
  session.block_on(services.forwarder.forward_blocking(
      session, request, *timeout, [marked](Session& answered, ReplyQueue::Slot slot, std::string&& reply) {
        answered.on_forwarded_reply(slot, marked->starts_with('-') ? *marked : reply);
      }));
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
    {"wait", handle_wait},
    {"waitaof", handle_wait},
});

}  // namespace

std::span<const HandlerRegistry::Registration> pinned_handlers() noexcept { return kHandlers; }

}  // namespace anteroom::proxy
