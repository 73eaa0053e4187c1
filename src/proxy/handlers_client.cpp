// CLIENT subcommands: about our sessions, so answered here. Texts are Redis's (7.0; SETINFO is 7.2's).
#include <array>
#include <string>

#include "base/ascii.hpp"
#include "proxy/handlers.hpp"
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

constexpr std::array kHandlers = std::to_array<HandlerRegistry::Registration>({
    {"client|id", handle_client_id},
    {"client|getname", handle_client_getname},
    {"client|setname", handle_client_setname},
    {"client|setinfo", handle_client_setinfo},
    {"client|info", handle_client_info},
    {"client|help", handle_forward},
});

}  // namespace

std::span<const HandlerRegistry::Registration> client_handlers() noexcept { return kHandlers; }

}  // namespace anteroom::proxy
