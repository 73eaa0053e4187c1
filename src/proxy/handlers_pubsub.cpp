// Handlers of subscriptions and MONITOR. Texts are Redis 7.0's.
#include <array>

#include "proxy/handlers.hpp"
#include "proxy/services.hpp"
#include "proxy/session.hpp"
#include "upstream/server_facts.hpp"

namespace anteroom::proxy {
namespace {

// Everything before it has been answered: from its confirmation on, messages go out between replies.
template <TopicKind Kind>
void handle_subscribe(Session& session, const Request& request) {
  if (!session.services().server_facts.speaks_resp3()) {
    session.refuse(request, "ERR anteroom: subscriptions need a server that speaks RESP3 (stage=policy executed=no)");
  } else if (session.may_change_link(request)) {
    session.subscribe(request, Kind);
  }
}

template <TopicKind Kind>
void handle_unsubscribe(Session& session, const Request& request) {
  if (session.may_change_link(request)) session.unsubscribe(request, Kind);
}

void handle_monitor(Session& session, const Request& request) {
  if (session.is_monitor()) return;  // Redis does not answer it either
  if (session.may_change_link(request)) session.monitor(request);
}

constexpr std::array kHandlers = std::to_array<HandlerRegistry::Registration>({
    {"subscribe", handle_subscribe<TopicKind::kChannel>},
    {"psubscribe", handle_subscribe<TopicKind::kPattern>},
    {"ssubscribe", handle_subscribe<TopicKind::kShardChannel>},
    {"unsubscribe", handle_unsubscribe<TopicKind::kChannel>},
    {"punsubscribe", handle_unsubscribe<TopicKind::kPattern>},
    {"sunsubscribe", handle_unsubscribe<TopicKind::kShardChannel>},
    {"monitor", handle_monitor},
});

}  // namespace

std::span<const HandlerRegistry::Registration> pubsub_handlers() noexcept { return kHandlers; }

}  // namespace anteroom::proxy
