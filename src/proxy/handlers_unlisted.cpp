// Commands that the compiled-in table does not know: a module's, or a newer server's.
#include "proxy/forwarder.hpp"
#include "proxy/handlers.hpp"
#include "proxy/services.hpp"
#include "proxy/session.hpp"

namespace anteroom::proxy {

void handle_unlisted(Session& session, const Request& request) {
  Forwarder& forwarder = session.services().forwarder;
  const command::Overlay::Entry* const entry = forwarder.unlisted(request);
  if (entry == nullptr) {
    forwarder.forward_unknown(session, request);
    return;
  }
  switch (entry->link) {
    case command::Overlay::Link::kShared:
      forwarder.forward(session, request);
      return;
    case command::Overlay::Link::kPinned:
      // Which argument is its timeout nobody tells: it may take as long as it likes.
      if (!session.pin(request)) return;
      session.block_on(forwarder.forward_blocking(session, request, base::Milliseconds::zero(), nullptr));
      return;
    case command::Overlay::Link::kNone:
      refuse_unlisted(session, request);
      return;
  }
}

std::string refusal_of_name(const Request& request) {
  constexpr char kNul = '\0';
  const command::Match match = request.lookup.match;
  if (match == command::Match::kUnknownCommand && request.args[0].contains(kNul)) {
    return command::unknown_command_error(request.args);
  }
  if (match == command::Match::kUnknownSubcommand && request.args[1].contains(kNul)) {
    return command::unknown_subcommand_error(request.args);
  }
  return {};
}

void refuse_unlisted(Session& session, const Request& request) {
  const command::Overlay::Entry* const entry = session.services().forwarder.unlisted(request);
  session.refuse(request, "ERR anteroom: '" + std::string(entry->facts.name) +
                              "' changes its connection, which is not offered (stage=policy executed=no)");
}

bool changes_its_connection(Session& session, const Request& request) {
  const command::Overlay::Entry* const entry = session.services().forwarder.unlisted(request);
  return entry != nullptr && entry->link == command::Overlay::Link::kNone;
}

}  // namespace anteroom::proxy
