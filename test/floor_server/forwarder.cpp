#include "floor_server/forwarder.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

namespace anteroom::floor_server {
namespace {

constexpr std::size_t kReadBytes = 256 * 1024;
// Nobody is read from while more than this waits for the upstream, nor a client for which more waits. No load that has
// a limit of its own comes near it, so it does not matter that the poller goes on naming who has to wait.
constexpr std::size_t kWaitingBytesMax = 16 * 1024 * 1024;

// What was written is gone from `out`. False: the connection is broken.
bool write_all(const Fd& fd, std::string& out) {
  const ssize_t put = ::send(fd.value(), out.data(), out.size(), MSG_NOSIGNAL);
  if (put < 0) return errno == EAGAIN || errno == EINTR;
  out.erase(0, static_cast<std::size_t>(put));
  return true;
}

}  // namespace

Forwarder::Forwarder(const Fd& listener, const Sizes& sizes, Fd upstream)
    : listener_(listener),
      sizes_(sizes),
      upstream_(std::move(upstream)),
      upstream_counter_(sizes.reply_bytes),
      scratch_(kReadBytes) {
  poller_.add(listener.value(), kListener);
  poller_.add(upstream_.value(), kUpstream);
}

void Forwarder::run() {
  while (true) turn(-1);
}

std::size_t Forwarder::turn(std::int64_t timeout_ns) {
  const auto events = poller_.wait(timeout_ns);
  for (const epoll_event& event : events) {
    if (event.data.u64 == kListener) {
      accept_all();
    } else if (event.data.u64 == kUpstream) {
      if ((event.events & ~std::uint32_t{EPOLLOUT}) != 0) read_from_upstream();
    } else if (Client* const client = by_fd_[event.data.u64]; client != nullptr) {
      // None: it has gone in this turn.
      handle(*client, event.events);
    }
  }
  flush_upstream();
  remove_gone();
  return events.size();
}

void Forwarder::accept_all() {
  for (Fd fd = accept_from(listener_); fd.value() >= 0; fd = accept_from(listener_)) {
    auto made = std::make_unique<Client>(Client{
        .fd = std::move(fd), .counter = Counter(sizes_.request_bytes), .begun = {}, .out = {}, .events = EPOLLIN});
    Client* const client = made.get();
    const auto index = static_cast<std::size_t>(client->fd.value());
    poller_.add(client->fd.value(), index);
    if (index >= by_fd_.size()) by_fd_.resize(index + 1);
    by_fd_[index] = client;
    clients_[client] = std::move(made);
  }
}

void Forwarder::handle(Client& client, std::uint32_t events) {
  if ((events & EPOLLOUT) != 0) flush(client);
  if (!client.is_gone && (events & ~std::uint32_t{EPOLLOUT}) != 0) read_from(client);
}

void Forwarder::read_from(Client& client) {
  if (to_upstream_.size() > kWaitingBytesMax) return;
  const ssize_t got = ::recv(client.fd.value(), scratch_.data(), scratch_.size(), 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) return leave(client);
  const std::string_view bytes(scratch_.data(), static_cast<std::size_t>(got));
  const std::size_t requests = client.counter.add(bytes.size());
  // Only whole requests go on, or those of two clients would mix.
  const std::size_t begun = client.counter.begun_bytes();
  if (requests == 0) {
    client.begun += bytes;
    return;
  }
  to_upstream_ += client.begun;
  to_upstream_ += bytes.substr(0, bytes.size() - begun);
  client.begun = bytes.substr(bytes.size() - begun);
  client.owed += requests;
  turns_.push_back({&client, requests});
}

void Forwarder::read_from_upstream() {
  const ssize_t got = ::recv(upstream_.value(), scratch_.data(), scratch_.size(), 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) kv_load::die("the upstream has closed the connection");
  from_upstream_.append(scratch_.data(), static_cast<std::size_t>(got));
  hand_out(upstream_counter_.add(static_cast<std::size_t>(got)));
  for (Client* const client : touched_) {
    client->is_touched = false;
    if (!client->is_gone) flush(*client);
  }
  touched_.clear();
}

void Forwarder::hand_out(std::size_t replies) {
  std::size_t begin = 0;
  while (replies > 0) {
    if (turns_.empty()) kv_load::die("the upstream sent bytes that nobody asked for");
    Turn& turn = turns_.front();
    const std::size_t taken = std::min(turn.requests, replies);
    const std::size_t bytes = taken * sizes_.reply_bytes;
    if (from_upstream_[begin + bytes - 1] != '\n') kv_load::die("a reply of the upstream does not end where it should");
    Client& client = *turn.client;
    if (!client.is_gone) client.out.append(from_upstream_, begin, bytes);
    if (!std::exchange(client.is_touched, true)) touched_.push_back(&client);
    client.owed -= taken;
    if (client.is_gone && client.owed == 0) gone_.push_back(&client);
    turn.requests -= taken;
    if (turn.requests == 0) turns_.pop_front();
    begin += bytes;
    replies -= taken;
  }
  from_upstream_.erase(0, begin);
}

void Forwarder::flush(Client& client) {
  if (!client.out.empty() && !write_all(client.fd, client.out)) return leave(client);
  watch(client);
}

void Forwarder::flush_upstream() {
  if (!to_upstream_.empty() && !write_all(upstream_, to_upstream_)) kv_load::die_of_errno("the upstream was lost");
  const bool is_waiting = !to_upstream_.empty();
  if (is_waiting == std::exchange(is_upstream_waiting_, is_waiting)) return;
  poller_.change(upstream_.value(), kUpstream, is_waiting ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

void Forwarder::watch(Client& client) {
  const std::uint32_t room = client.out.empty() ? 0 : std::uint32_t{EPOLLOUT};
  const std::uint32_t events = room | (client.out.size() < kWaitingBytesMax ? std::uint32_t{EPOLLIN} : 0);
  if (events == std::exchange(client.events, events)) return;
  poller_.change(client.fd.value(), static_cast<std::uint64_t>(client.fd.value()), events);
}

void Forwarder::leave(Client& client) {
  client.is_gone = true;
  by_fd_[static_cast<std::size_t>(client.fd.value())] = nullptr;
  client.out.clear();
  client.fd = Fd();
  if (client.owed == 0) gone_.push_back(&client);
}

void Forwarder::remove_gone() {
  for (Client* const client : gone_) clients_.erase(client);
  gone_.clear();
}

}  // namespace anteroom::floor_server
