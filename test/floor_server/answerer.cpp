#include "floor_server/answerer.hpp"

#include <algorithm>
#include <utility>

namespace anteroom::floor_server {
namespace {

// What other servers read at once, more or less; a pipeline of 64 short requests is far below.
constexpr std::size_t kReadBytes = 64 * 1024;
constexpr std::size_t kRepliesBytes = 1024 * 1024;

}  // namespace

Answerer::Answerer(const Fd& listener, const Sizes& sizes, const std::string& reply)
    : listener_(listener), sizes_(sizes) {
  // One read brings at most as many requests as there are replies to write at once.
  const std::size_t requests = std::max<std::size_t>(kReadBytes / sizes.request_bytes, 1);
  const std::size_t replies = std::clamp<std::size_t>(kRepliesBytes / sizes.reply_bytes, 1, requests);
  for (std::size_t i = 0; i < replies; ++i) replies_ += reply;
  scratch_.resize(replies * sizes.request_bytes);
  poller_.add(listener.value(), kListener);
}

void Answerer::run() {
  while (true) turn(-1);
}

std::size_t Answerer::turn(std::int64_t timeout_ns) {
  const auto events = poller_.wait(timeout_ns);
  for (const epoll_event& event : events) {
    if (event.data.u64 == kListener) {
      accept_all();
      continue;
    }
    std::unique_ptr<Client>& client = clients_[event.data.u64];
    const bool is_alive = client->left_bytes > 0 ? flush(*client) : read_from(*client);
    if (!is_alive) client.reset();
  }
  return events.size();
}

void Answerer::accept_all() {
  for (Fd fd = accept_from(listener_); fd.value() >= 0; fd = accept_from(listener_)) {
    const int number = fd.value();
    const auto index = static_cast<std::size_t>(number);
    poller_.add(number, index);
    if (index >= clients_.size()) clients_.resize(index + 1);
    clients_[index] = std::make_unique<Client>(Client{.fd = std::move(fd), .counter = Counter(sizes_.request_bytes)});
  }
}

bool Answerer::read_from(Client& client) {
  const ssize_t got = ::recv(client.fd.value(), scratch_.data(), scratch_.size(), 0);
  if (got <= 0) return got < 0 && (errno == EAGAIN || errno == EINTR);
  client.left_bytes = client.counter.add(static_cast<std::size_t>(got)) * sizes_.reply_bytes;
  return client.left_bytes == 0 || flush(client);
}

bool Answerer::flush(Client& client) {
  // Where a reply was cut by the write before, it goes on.
  const std::size_t rest = client.left_bytes % sizes_.reply_bytes;
  const std::size_t begin = rest == 0 ? 0 : sizes_.reply_bytes - rest;
  const ssize_t put = ::send(client.fd.value(), replies_.data() + begin, client.left_bytes, MSG_NOSIGNAL);
  if (put < 0 && errno != EAGAIN && errno != EINTR) return false;
  client.left_bytes -= put > 0 ? static_cast<std::size_t>(put) : 0;
  const bool is_waiting = client.left_bytes > 0;
  if (is_waiting != std::exchange(client.is_waiting_for_room, is_waiting)) {
    const std::uint32_t events = is_waiting ? EPOLLOUT : EPOLLIN;
    poller_.change(client.fd.value(), static_cast<std::uint64_t>(client.fd.value()), events);
  }
  return true;
}

}  // namespace anteroom::floor_server
