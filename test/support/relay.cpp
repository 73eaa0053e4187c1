#include "support/relay.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ranges>
#include <utility>

#include "support/ports.hpp"
#include "support/sockets.hpp"

namespace anteroom::test {
namespace {

// A sender is not read while so much of its bytes waits.
constexpr std::size_t kWaitingBytesMax = 8 * 1024 * 1024;

void send_at_once(int fd) {
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

bool would_block() { return errno == EAGAIN || errno == EINTR; }

}  // namespace

Relay::Relay(std::uint16_t server_port)
    : server_port_(server_port),
      port_(free_port()),
      listener_(listen_on(loopback(port_), 512)),
      wake_up_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
      thread_([this] { run(); }) {}

Relay::~Relay() {
  is_stopping_ = true;
  wake();
  thread_.join();
}

void Relay::wake() {
  const std::uint64_t one = 1;
  (void)!write(wake_up_.value(), &one, sizeof one);
}

void Relay::delay(Toward toward, milliseconds delay, Ports ports) {
  const std::lock_guard lock{mutex_};
  troubles_.push_back({.toward = toward, .delay = delay, .ports = std::move(ports)});
}

void Relay::freeze(Ports ports) {
  {
    const std::lock_guard lock{mutex_};
    troubles_.push_back({.is_frozen = true, .ports = std::move(ports)});
  }
  wake();
}

void Relay::clear() {
  {
    const std::lock_guard lock{mutex_};
    troubles_.clear();
  }
  wake();
}

std::vector<Relay::Trouble> Relay::troubles() {
  const std::lock_guard lock{mutex_};
  return troubles_;
}

/// Few connections and small chunks: everybody is looked at whenever anything happens, at the latest after a
/// millisecond if bytes wait for their time.
void Relay::run() {
  while (!is_stopping_) {
    std::vector<pollfd> watched{{listener_.value(), POLLIN, 0}, {wake_up_.value(), POLLIN, 0}};
    bool has_waiting = false;
    const std::vector<Trouble> before = troubles();
    for (const auto& connection : connections_) {
      if (is_frozen(*connection, before)) continue;
      watch(connection->client.value(), connection->to_server, connection->to_client, watched);
      watch(connection->server.value(), connection->to_client, connection->to_server, watched);
      has_waiting |= !connection->to_client.chunks.empty() || !connection->to_server.chunks.empty();
    }
    poll(watched.data(), watched.size(), has_waiting ? 1 : 1'000);
    std::uint64_t ignored = 0;
    (void)!read(wake_up_.value(), &ignored, sizeof ignored);
    if ((watched[0].revents & POLLIN) != 0) accept_one();
    const std::vector<Trouble> after = troubles();
    for (const auto& connection : connections_) serve(*connection, after);
    std::erase_if(connections_, [](const auto& connection) { return connection->is_broken; });
  }
}

bool Relay::is_frozen(const Connection& connection, const std::vector<Trouble>& troubles) {
  return std::ranges::any_of(troubles, [&connection](const Trouble& trouble) {
    return trouble.is_frozen && trouble.concerns(connection.port);
  });
}

/// `from` is what `fd` sends and `to` what it is sent.
void Relay::watch(int fd, const Flow& from, const Flow& to, std::vector<pollfd>& watched) {
  const bool reads = !from.has_ended && from.bytes < kWaitingBytesMax;
  const bool writes = !to.chunks.empty() && to.chunks.front().due <= Clock::now();
  const int events = (reads ? POLLIN : 0) | (writes ? POLLOUT : 0);
  if (events != 0) watched.push_back({fd, static_cast<short>(events), 0});
}

void Relay::accept_one() {
  base::UniqueFd client{accept4(listener_.value(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)};
  if (!client.is_open()) return;
  base::UniqueFd server = connect_to(loopback(server_port_));
  if (!server.is_open()) return;
  send_at_once(client.value());
  send_at_once(server.value());
  auto connection = std::make_unique<Connection>();
  connection->port = net::local_address(server.value()).port();
  connection->client = std::move(client);
  connection->server = std::move(server);
  connections_.push_back(std::move(connection));
}

void Relay::serve(Connection& connection, const std::vector<Trouble>& troubles) {
  if (is_frozen(connection, troubles)) return;
  const bool is_delayed =
      std::ranges::any_of(troubles, [&](const Trouble& trouble) { return trouble.concerns(connection.port); });
  take_in(connection.client.value(), connection.to_server, connection, troubles);
  take_in(connection.server.value(), connection.to_client, connection, troubles);
  pass_on(connection.server.value(), connection.to_server, connection, is_delayed);
  pass_on(connection.client.value(), connection.to_client, connection, is_delayed);
  if (connection.to_client.has_passed_end && connection.to_server.has_passed_end) connection.is_broken = true;
}

void Relay::take_in(int fd, Flow& flow, Connection& connection, const std::vector<Trouble>& troubles) {
  if (flow.has_ended || flow.bytes >= kWaitingBytesMax) return;
  milliseconds delay{0};
  for (const Trouble& trouble : troubles) {
    if (trouble.concerns(connection.port) && trouble.toward == flow.toward) delay = std::max(delay, trouble.delay);
  }
  std::array<char, 64 * 1024> buffer;
  const ssize_t got = recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (got > 0) {
    flow.bytes += static_cast<std::size_t>(got);
    flow.chunks.push_back({Clock::now() + delay, std::string{buffer.data(), static_cast<std::size_t>(got)}});
  } else if (got == 0) {
    flow.has_ended = true;
  } else if (!would_block()) {
    connection.is_broken = true;
  }
}

void Relay::pass_on(int fd, Flow& flow, Connection& connection, bool is_delayed) {
  while (!flow.chunks.empty()) {
    Chunk& chunk = flow.chunks.front();
    if (is_delayed && chunk.due > Clock::now()) return;
    const ssize_t sent = send(fd, chunk.bytes.data(), chunk.bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) {
      connection.is_broken |= !would_block();
      return;
    }
    flow.bytes -= static_cast<std::size_t>(sent);
    chunk.bytes.erase(0, static_cast<std::size_t>(sent));
    if (!chunk.bytes.empty()) return;
    flow.chunks.pop_front();
  }
  if (flow.has_ended && !flow.has_passed_end) {
    shutdown(fd, SHUT_WR);
    flow.has_passed_end = true;
  }
}

}  // namespace anteroom::test
