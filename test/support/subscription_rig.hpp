#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "proxy/subscription_hub.hpp"
#include "support/session_rig.hpp"

namespace anteroom::test {

/// "subscribe" and its like, as the server and we confirm them.
inline std::string confirmed(std::string_view what, std::string_view name, int count, char mark = '*') {
  return mark + std::string("3\r\n") + bulk(what) + bulk(name) + ":" + std::to_string(count) + "\r\n";
}
/// From the server.
inline std::string subscribed(std::string_view name) { return confirmed("subscribe", name, 1, '>'); }
inline std::string unsubscribed(std::string_view name) { return confirmed("unsubscribe", name, 0, '>'); }
inline std::string message(std::string_view channel, std::string_view text, char mark = '>') {
  return array_of({"message", channel, text}, mark);
}

/// Tests of the hub, with sessions over it and a server that speaks RESP3 behind it.
class SubscriptionHub : public ProxyTest {
 protected:
  void SetUp() override { server_.set_handshake(resp3_handshake); }

  proxy::SubscriptionHub& hub() { return rig().subscriptions; }
  void tick(std::chrono::seconds later = {}) {
    in_turn([&] { hub().tick(loop_.now() + later); });
  }
  /// The first subscription of the channel, as far as the client's knowing of it. RESP2.
  ScriptedConnection& subscribe(Client& client, const std::string& channel, int count = 1) {
    ask(client, "SUBSCRIBE " + channel);
    ScriptedConnection& server = link_with("SUBSCRIBE " + channel);
    server.send(subscribed(channel));
    expect(client, confirmed("subscribe", channel, count));
    return server;
  }
  [[nodiscard]] std::int64_t subscribers() { return rig().metrics.pubsub_clients.value(); }
};

}  // namespace anteroom::test
