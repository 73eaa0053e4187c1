#include "support/resp_client.hpp"

#include <arpa/inet.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <set>
#include <utility>

namespace anteroom::test {
namespace {

constexpr std::size_t kReadBytes = 256 * 1024;

bool wait_for(int fd, short events, const Deadline& deadline) {
  pollfd watched{.fd = fd, .events = events, .revents = 0};
  int ready = 0;
  do {
    ready = poll(&watched, 1, deadline.poll_ms());
  } while (ready < 0 && errno == EINTR);
  return ready > 0;
}

std::uint16_t local_port(int fd) {
  sockaddr_in address{};
  socklen_t length = sizeof address;
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length);
  return ntohs(address.sin_port);
}

/// Sums the receive queues of the server's ends of the connections that come from `client_ports` (proc(5), net/tcp).
std::size_t tcp_receive_queues(std::uint16_t server_port, const std::set<unsigned>& client_ports) {
  std::ifstream table{"/proc/net/tcp"};
  std::string line;
  std::size_t total = 0;
  while (std::getline(table, line)) {
    unsigned port = 0;
    unsigned remote_port = 0;
    unsigned long waiting = 0;
    if (std::sscanf(line.c_str(), " %*d: %*8x:%4x %*8x:%4x %*2x %*8x:%8lx", &port, &remote_port, &waiting) != 3)
      continue;
    if (port == server_port && client_ports.contains(remote_port)) total += waiting;
  }
  return total;
}

}  // namespace

std::string to_string(Transport transport) { return transport == Transport::kTcp ? "Tcp" : "Unix"; }

RespClient::RespClient(const Address& address, milliseconds patience) : address_(address), patience_(patience) {
  const Deadline deadline{patience};
  if (connect_to(address)) {
    if (!wait_for(fd_, POLLOUT, deadline)) close();
    int error = 0;
    socklen_t length = sizeof error;
    if (fd_ >= 0 && getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &length) == 0 && error != 0) close();
  } else {
    close();
  }
}

RespClient::~RespClient() { close(); }

RespClient::RespClient(RespClient&& other) noexcept
    : address_(std::move(other.address_)),
      patience_(other.patience_),
      fd_(std::exchange(other.fd_, -1)),
      is_timed_out_(other.is_timed_out_),
      input_(std::move(other.input_)),
      used_(other.used_),
      parse_at_(other.parse_at_) {}

RespClient& RespClient::operator=(RespClient&& other) noexcept {
  close();
  address_ = std::move(other.address_);
  patience_ = other.patience_;
  fd_ = std::exchange(other.fd_, -1);
  is_timed_out_ = other.is_timed_out_;
  input_ = std::move(other.input_);
  used_ = other.used_;
  parse_at_ = other.parse_at_;
  return *this;
}

bool RespClient::connect_to(const Address& address) {
  if (address.transport == Transport::kUnix) {
    // A non-blocking connect to a UNIX socket fails at once when the backlog is full, so this one blocks.
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    std::strncpy(to.sun_path, address.path.c_str(), sizeof to.sun_path - 1);
    fd_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0;
  }
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(address.port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const int on = 1;
  setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0 || errno == EINPROGRESS;
}

bool RespClient::send_raw(std::string_view bytes) {
  const Deadline deadline{patience_};
  while (!bytes.empty() && fd_ >= 0) {
    const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
      continue;
    }
    if (errno != EAGAIN && errno != EINTR) return false;
    if (!wait_for(fd_, POLLOUT | POLLIN, deadline)) return false;
    if (wait_for(fd_, POLLIN, Deadline{milliseconds{0}}) && fill(deadline) != Fill::kMore) return false;
  }
  return fd_ >= 0;
}

RespClient::Fill RespClient::fill(const Deadline& deadline) {
  if (fd_ < 0) return Fill::kClosed;
  for (;;) {
    if (!wait_for(fd_, POLLIN, deadline)) return Fill::kTimeout;
    if (used_ > kReadBytes && used_ > input_.size() / 2) {
      input_.erase(0, used_);
      used_ = 0;
    }
    const std::size_t old_size = input_.size();
    input_.resize(old_size + kReadBytes);
    const ssize_t got = recv(fd_, input_.data() + old_size, kReadBytes, MSG_DONTWAIT);
    input_.resize(old_size + static_cast<std::size_t>(std::max(got, ssize_t{0})));
    if (got > 0) return Fill::kMore;
    if (got == 0 || (errno != EAGAIN && errno != EINTR)) return Fill::kClosed;
  }
}

Reply RespClient::trouble(std::string_view what) {
  Reply reply;
  reply.raw = what;
  return reply;
}

Reply RespClient::read() {
  if (fd_ < 0) return trouble("<refused>");
  const Deadline deadline{patience_};
  for (;;) {
    const std::string_view unused = std::string_view{input_}.substr(used_);
    if (!unused.empty() && (unused.size() >= parse_at_ || !wait_for(fd_, POLLIN, Deadline{milliseconds{0}}))) {
      ParsedReply parsed = parse_reply(unused);
      if (parsed.status == ParseStatus::kMalformed) return trouble("<malformed>" + std::string{unused.substr(0, 200)});
      if (parsed.status == ParseStatus::kComplete) {
        used_ += parsed.used;
        parse_at_ = 0;
        return std::move(parsed.reply);
      }
      // A large aggregate is parsed from its start each time: while more is at hand, only do so at growing sizes.
      if (unused.size() > kReadBytes) parse_at_ = unused.size() + unused.size() / 4;
    }
    if (is_timed_out_) return trouble("<timeout>");
    switch (fill(deadline)) {
      case Fill::kMore:
        break;
      case Fill::kClosed:
        return trouble("<closed>");
      case Fill::kTimeout:
        is_timed_out_ = true;
        return trouble("<timeout>");
    }
  }
}

std::vector<Reply> RespClient::read_many(std::size_t count) {
  std::vector<Reply> replies;
  replies.reserve(count);
  for (std::size_t i = 0; i < count; ++i) replies.push_back(read());
  return replies;
}

Reply RespClient::ask(const std::vector<std::string_view>& args) {
  if (!send(args) && fd_ < 0) return trouble("<refused>");
  return read();
}

RespClient::Rest RespClient::read_rest(std::string_view stop_after) {
  const Deadline deadline{patience_};
  for (;;) {
    const std::string_view unused = std::string_view{input_}.substr(used_);
    const std::size_t found = stop_after.empty() ? std::string_view::npos : unused.find(stop_after);
    if (found != std::string_view::npos) {
      Rest rest{.bytes = std::string{unused.substr(0, found + stop_after.size())}};
      used_ += rest.bytes.size();
      return rest;
    }
    const Fill filled = fill(deadline);
    if (filled == Fill::kMore) continue;
    Rest rest{.bytes = input_.substr(used_), .is_closed = filled == Fill::kClosed};
    if (!rest.is_closed) rest.bytes += "<timeout>";
    used_ = input_.size();
    return rest;
  }
}

bool RespClient::is_closed_by_peer(milliseconds patience) {
  const Deadline deadline{patience};
  for (;;) {
    const Fill filled = fill(deadline);
    if (filled != Fill::kMore) return filled == Fill::kClosed;
    used_ = input_.size();
  }
}

bool RespClient::has_input(milliseconds patience) {
  return used_ < input_.size() || fd_ < 0 || wait_for(fd_, POLLIN, Deadline{patience});
}

void RespClient::close() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

void RespClient::close_with_reset() {
  const linger now{.l_onoff = 1, .l_linger = 0};
  setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  close();
}

void RespClient::shut_down_writing() const { shutdown(fd_, SHUT_WR); }

std::size_t bytes_not_read_by_server(const std::vector<RespClient>& clients) {
  std::size_t total = 0;
  std::set<unsigned> client_ports;
  for (const RespClient& client : clients) {
    int unsent = 0;
    if (ioctl(client.fd(), SIOCOUTQ, &unsent) == 0) total += static_cast<std::size_t>(unsent);
    if (client.address().transport == Transport::kTcp) client_ports.insert(local_port(client.fd()));
  }
  if (!client_ports.empty()) total += tcp_receive_queues(clients.front().address().port, client_ports);
  return total;
}

}  // namespace anteroom::test
