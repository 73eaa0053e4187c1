// CLIENT subcommands: about our sessions, so answered here. Texts are Redis's (7.0; SETINFO is 7.2's).
#include <array>
#include <optional>
#include <string>

#include "base/ascii.hpp"
#include "base/parse_int.hpp"
#include "proxy/forwarder.hpp"
#include "proxy/handlers.hpp"
#include "proxy/services.hpp"
#include "proxy/session.hpp"
#include "resp/writer.hpp"

namespace anteroom::proxy {
namespace {

constexpr std::string_view kOk = "+OK\r\n";

bool is_printable_word(std::string_view text) {
  for (const char c : text) {
    if (c < '!' || c > '~') return false;
  }
  return true;
}

void handle_client_id(Session& session, const Request& request) {
  std::string reply;
  resp::append_integer(reply, static_cast<std::int64_t>(session.client_id()));
  session.answer(request, reply);
}

void handle_client_getname(Session& session, const Request& request) {
  std::string reply;
  if (session.name().empty()) {
    resp::append_null(reply, session.protocol());
  } else {
    resp::append_bulk(reply, session.name());
  }
  session.answer(request, reply);
}

void handle_client_setname(Session& session, const Request& request) {
  if (!is_printable_word(request.args[2])) {
    session.answer_error(request, "ERR Client names cannot contain spaces, newlines or special characters.");
    return;
  }
  session.set_name(request.args[2]);
  session.answer(request, kOk);
}

void handle_client_setinfo(Session& session, const Request& request) {
  for (const std::string_view attribute : {"lib-name", "lib-ver"}) {
    if (!base::equals_ignore_case(request.args[2], attribute)) continue;
    if (!is_printable_word(request.args[3])) {
      session.answer_error(request,
                           "ERR " + std::string(attribute) + " cannot contain spaces, newlines or special characters.");
      return;
    }
    session.set_library(attribute, request.args[3]);
    session.answer(request, kOk);
    return;
  }
  session.answer_error(request, "ERR Unrecognized option '" + std::string(request.args[2]) + "'");
}

void handle_client_info(Session& session, const Request& request) {
  std::string reply;
  resp::append_verbatim(reply, "txt", session.describe(), session.protocol());
  session.answer(request, reply);
}

void handle_client_reply(Session& session, const Request& request) {
  using Mode = Session::ReplyMode;
  if (base::equals_ignore_case(request.args[2], "ON")) {
    session.set_reply_mode(Mode::kOn);
    session.answer(request, kOk);
  } else if (base::equals_ignore_case(request.args[2], "OFF")) {
    session.set_reply_mode(Mode::kOff);
  } else if (base::equals_ignore_case(request.args[2], "SKIP")) {
    session.set_reply_mode(Mode::kSkipNext);
  } else {
    session.answer_error(request, "ERR syntax error");
  }
}

/// The server keeps it for the connection: the session gets one of its own, and all that it reads comes from there.
template <Session::LinkState State>
void handle_link_state(Session& session, const Request& request) {
  if (!session.pin(request)) return;
  const bool is_on = base::equals_ignore_case(request.args[2], "ON");
  session.wait_for(session.services().forwarder.forward_with(
      session, request, session.lane(), [is_on](Session& answered, ReplyQueue::Slot slot, std::string&& reply) {
        if (reply == kOk) answered.set_link_state(State, is_on);
        answered.on_forwarded_reply(slot, reply);
      }));
}

void handle_client_tracking(Session& session, const Request& request) {
  std::optional<std::int64_t> target;
  for (std::size_t i = 3; i + 1 < request.args.size(); ++i) {
    if (base::equals_ignore_case(request.args[i], "REDIRECT")) target = base::parse_int(request.args[i + 1]);
  }
  if (!target || *target <= 0 || !base::equals_ignore_case(request.args[2], "ON")) {
    handle_link_state<Session::LinkState::kTracking>(session, request);
  } else if (session.pin(request)) {
    session.redirect_tracking(request, static_cast<std::uint64_t>(*target));
  }
}

/// What the server says of this connection, with our ids for its own.
void forward_about_tracking(Session& session, const Request& request) {
  if (!session.may_forward(request)) return;
  session.services().forwarder.forward_with(
      session, request, session.lane(), [](Session& answered, ReplyQueue::Slot slot, std::string&& reply) {
        answered.on_forwarded_reply(slot, answered.as_seen_by_client(std::move(reply)));
      });
}

void handle_client_caching(Session& session, const Request& request) {
  if (session.has_link_state(Session::LinkState::kTracking)) {
    handle_forward(session, request);
  } else {
    session.answer_error(request,
                         "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or "
                         "OPTOUT mode enabled");
  }
}

void handle_client_getredir(Session& session, const Request& request) {
  if (session.has_link_state(Session::LinkState::kTracking)) {
    forward_about_tracking(session, request);
  } else {
    session.answer(request, ":-1\r\n");
  }
}

void handle_client_trackinginfo(Session& session, const Request& request) {
  if (session.has_link_state(Session::LinkState::kTracking)) {
    forward_about_tracking(session, request);
    return;
  }
  std::string reply;
  resp::append_map_header(reply, 3, session.protocol());
  resp::append_bulk(reply, "flags");
  resp::append_set_header(reply, 1, session.protocol());
  resp::append_bulk(reply, "off");
  resp::append_bulk(reply, "redirect");
  resp::append_integer(reply, -1);
  resp::append_bulk(reply, "prefixes");
  resp::append_array_header(reply, 0);
  session.answer(request, reply);
}

void handle_client_no_evict(Session& session, const Request& request) {
  const bool is_on = base::equals_ignore_case(request.args[2], "ON");
  if (!is_on && !base::equals_ignore_case(request.args[2], "OFF")) {
    session.answer_error(request, "ERR syntax error");
    return;
  }
  session.set_spared_from_eviction(is_on);
  session.answer(request, kOk);
}

constexpr std::array kHandlers = std::to_array<HandlerRegistry::Registration>({
    {"client|id", handle_client_id},
    {"client|getname", handle_client_getname},
    {"client|setname", handle_client_setname},
    {"client|setinfo", handle_client_setinfo},
    {"client|info", handle_client_info},
    {"client|help", handle_forward},
    {"client|reply", handle_client_reply},
    {"client|no-evict", handle_client_no_evict},
    {"client|no-touch", handle_link_state<Session::LinkState::kNoTouch>},
    {"client|tracking", handle_client_tracking},
    {"client|caching", handle_client_caching},
    {"client|getredir", handle_client_getredir},
    {"client|trackinginfo", handle_client_trackinginfo},
});

}  // namespace

std::span<const HandlerRegistry::Registration> client_handlers() noexcept { return kHandlers; }

}  // namespace anteroom::proxy
