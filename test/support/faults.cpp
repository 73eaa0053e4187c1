#include "support/faults.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <sstream>
#include <thread>

namespace anteroom::test {
namespace {

// Longer than any fault stops the server.
constexpr milliseconds kFaultPatience{10'000};
constexpr std::string_view kFillName = "anteroom-fill";
constexpr std::string_view kLinkName = "anteroom";

/// The value of `field` in a line of CLIENT LIST: "id=3 addr=127.0.0.1:4711 ... name=anteroom ...".
std::string field_of(const std::string& line, const std::string& field) {
  std::istringstream words{line};
  for (std::string word; words >> word;) {
    if (word.starts_with(field + "=")) return word.substr(field.size() + 1);
  }
  return {};
}

}  // namespace

std::span<const Faults::Kind> Faults::kinds() {
  static constexpr std::array kKinds = std::to_array<Kind>({
      {"kill_fill_connections", false, &Faults::kill_fill_connections},
      {"kill_links", false, &Faults::kill_links},
      {"stop_server", false, &Faults::stop_server},
      {"delay_fill_replies", false, &Faults::delay_fill_replies},
      {"delay_link_replies", false, &Faults::delay_link_replies},
      {"delay_requests", false, &Faults::delay_requests},
      {"freeze_fill_connections", false, &Faults::freeze_fill_connections},
      {"freeze_links", true, &Faults::freeze_links},
      {"freeze_everything", true, &Faults::freeze_everything},
      {"shrink_tracking_table", false, &Faults::shrink_tracking_table},
      {"reload", false, &Faults::reload},
      {"flush_directly", true, &Faults::flush_directly},
      {"flush_through", false, &Faults::flush_through},
      {"swap_databases", false, &Faults::swap_databases},
  });
  return kKinds;
}

Faults::Faults(const Setting& setting, std::vector<Kind> wanted)
    : setting_(setting),
      wanted_(std::move(wanted)),
      server_(setting.server.address(Transport::kUnix), kFaultPatience),
      other_database_(setting.server.address(Transport::kUnix), kFaultPatience),
      front_(setting.front, kFaultPatience),
      random_(setting.seed) {}

void Faults::run(const std::atomic<bool>& is_stopping, OperationLog& log) {
  while (!is_stopping && !wanted_.empty()) {
    if (next_ % wanted_.size() == 0) std::ranges::shuffle(wanted_, random_);
    const Kind& kind = wanted_[next_++ % wanted_.size()];
    if ((this->*kind.cause)(log)) ++counts_[kind.name];
    std::this_thread::sleep_for(draw(milliseconds{50}, milliseconds{350}));
  }
}

milliseconds Faults::draw(milliseconds shortest, milliseconds longest) {
  return milliseconds{std::uniform_int_distribution{shortest.count(), longest.count()}(random_)};
}

std::vector<Faults::Peer> Faults::connections_named(std::string_view name) {
  std::istringstream list{server_.ask("CLIENT", "LIST").text};
  std::vector<Peer> peers;
  for (std::string line; std::getline(list, line);) {
    if (field_of(line, "name") != name) continue;
    const std::string address = field_of(line, "addr");
    Peer peer{.id = field_of(line, "id"), .port = 0};
    const std::size_t colon = address.rfind(':');
    if (colon == std::string::npos) continue;
    std::from_chars(address.data() + colon + 1, address.data() + address.size(), peer.port);
    peers.push_back(peer);
  }
  return peers;
}

std::vector<Faults::Peer> Faults::victims_named(std::string_view name) {
  std::vector<Peer> peers = connections_named(name);
  if (!peers.empty() && random_() % 2 == 0) peers = {peers[random_() % peers.size()]};
  return peers;
}

Relay::Ports Faults::ports_named(std::string_view name) {
  Relay::Ports ports;
  for (const Peer& peer : victims_named(name)) ports.insert(peer.port);
  return ports;
}

bool Faults::kill_named(std::string_view name) {
  const std::vector<Peer> peers = victims_named(name);
  if (peers.empty()) return false;
  for (const Peer& peer : peers) (void)server_.ask("CLIENT", "KILL", "ID", peer.id);
  return true;
}

bool Faults::kill_fill_connections(OperationLog&) { return kill_named(kFillName); }

bool Faults::kill_links(OperationLog&) { return kill_named(kLinkName); }

bool Faults::stop_server(OperationLog&) {
  const milliseconds lasting = draw(milliseconds{50}, setting_.longest_stop);
  setting_.shared.keys.expect_delays_until(now() + lasting.count() * kMillisecond);
  setting_.server.pause();
  std::this_thread::sleep_for(lasting);
  setting_.server.resume();
  return true;
}

/// Waits while what the relay has been told does its harm.
bool Faults::hold(milliseconds lasting, milliseconds delay) {
  setting_.shared.keys.expect_delays_until(now() + (lasting + delay).count() * kMillisecond);
  std::this_thread::sleep_for(lasting);
  setting_.relay.clear();
  return true;
}

bool Faults::delay_replies_to(std::string_view name) {
  const Relay::Ports ports = ports_named(name);
  if (ports.empty()) return false;
  const milliseconds delay = draw(milliseconds{2}, milliseconds{300});
  setting_.relay.delay(Relay::Toward::kClient, delay, ports);
  return hold(draw(milliseconds{300}, milliseconds{1'000}), delay);
}

bool Faults::delay_fill_replies(OperationLog&) { return delay_replies_to(kFillName); }

bool Faults::delay_link_replies(OperationLog&) { return delay_replies_to(kLinkName); }

bool Faults::delay_requests(OperationLog&) {
  const milliseconds delay = draw(milliseconds{2}, milliseconds{300});
  const Relay::Ports ports = ports_named(random_() % 2 == 0 ? kFillName : kLinkName);
  if (ports.empty()) return false;
  setting_.relay.delay(Relay::Toward::kServer, delay, ports);
  return hold(draw(milliseconds{300}, milliseconds{1'000}), delay);
}

bool Faults::freeze_named(std::string_view name) {
  const Relay::Ports ports = ports_named(name);
  if (ports.empty()) return false;
  setting_.relay.freeze(ports);
  return hold(draw(milliseconds{100}, setting_.longest_freeze), milliseconds{0});
}

bool Faults::freeze_fill_connections(OperationLog&) { return freeze_named(kFillName); }

bool Faults::freeze_links(OperationLog&) { return freeze_named(kLinkName); }

bool Faults::freeze_everything(OperationLog&) {
  setting_.relay.freeze({});
  return hold(draw(milliseconds{100}, setting_.longest_freeze), milliseconds{0});
}

bool Faults::shrink_tracking_table(OperationLog&) {
  (void)server_.ask("CONFIG", "SET", "tracking-table-max-keys", "10");
  std::this_thread::sleep_for(draw(milliseconds{200}, milliseconds{800}));
  (void)server_.ask("CONFIG", "SET", "tracking-table-max-keys", "1000000");
  return true;
}

bool Faults::reload(OperationLog&) { return server_.ask("DEBUG", "RELOAD") == kOk; }

}  // namespace anteroom::test
