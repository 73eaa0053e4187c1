#include "net/listener.hpp"

#include <event2/event.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/check.hpp"
#include "base/log.hpp"

namespace anteroom::net {
namespace {

constexpr auto kLogEvery = std::chrono::seconds(10);

std::string text_of(int error) { return std::generic_category().message(error); }

std::unexpected<std::string> cannot_listen(std::string_view place, std::string_view why) {
  return std::unexpected("cannot listen on " + std::string(place) + ": " + std::string(why));
}

/// A bound socket, or an errno value.
std::expected<base::UniqueFd, int> bind_tcp(const Address& address, bool takes_ipv4_too) {
  base::UniqueFd fd(socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.is_open()) return std::unexpected(errno);
  const int on = 1;
  setsockopt(fd.value(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (address.family() == AF_INET6) {
    const int v6_only = takes_ipv4_too ? 0 : 1;
    setsockopt(fd.value(), IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, sizeof v6_only);
  }
  if (::bind(fd.value(), address.data(), address.size()) != 0) return std::unexpected(errno);
  return fd;
}

std::expected<base::UniqueFd, int> bind_everywhere(std::uint16_t port) {
  auto fd = bind_tcp(*Address::from_numeric("::", port), true);
  if (fd || fd.error() == EADDRINUSE || fd.error() == EACCES) return fd;
  return bind_tcp(*Address::from_numeric("0.0.0.0", port), false);
}

/// Removes the socket file that a listener which is gone has left behind. Gives the reason why the path is not free.
std::optional<std::string> free_unix_path(const Address& address, const std::string& path) {
  struct stat file{};
  if (lstat(path.c_str(), &file) != 0) return errno == ENOENT ? std::nullopt : std::optional(text_of(errno));
  if (!S_ISSOCK(file.st_mode)) return "the file exists and is not a socket";
  const base::UniqueFd probe(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!probe.is_open()) return text_of(errno);
  const bool answers = ::connect(probe.value(), address.data(), address.size()) == 0;
  if (answers || errno == EAGAIN) return text_of(EADDRINUSE);
  if (errno == ENOENT) return std::nullopt;
  if (errno != ECONNREFUSED) return text_of(errno);
  if (unlink(path.c_str()) != 0 && errno != ENOENT) return text_of(errno);
  return std::nullopt;
}

/// Errors of the connection that was to be accepted, not of the listener (accept(2)).
bool is_connections_own(int error) noexcept {
  switch (error) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
      return true;
    default:
      return false;
  }
}

}  // namespace

Listener::Listener(EventLoop& loop, base::UniqueFd fd, OnAccept on_accept)
    : loop_(loop),
      fd_(std::move(fd)),
      address_(local_address(fd_.value())),
      on_accept_(std::move(on_accept)),
      event_(event_new(loop.base(), fd_.value(), EV_READ | EV_PERSIST, on_readable, this)),
      resume_(loop, [this] { ANTEROOM_CHECK(event_add(event_, nullptr) == 0); }) {
  ANTEROOM_CHECK(event_ != nullptr && event_add(event_, nullptr) == 0);
}

Listener::~Listener() { close(); }

Listener::Created Listener::tcp(EventLoop& loop, const std::string& bind, std::uint16_t port, int backlog,
                                OnAccept on_accept) {
  const std::string place = host_and_port(bind, port);
  std::expected<base::UniqueFd, int> fd;
  if (bind == "*") {
    fd = bind_everywhere(port);
  } else if (const auto address = Address::from_numeric(bind, port)) {
    fd = bind_tcp(*address, false);
  } else {
    return cannot_listen(place, "not a numeric address");
  }
  // With SO_REUSEADDR a port in use shows at listen() if the other socket was not listening yet when we bound ours.
  if (!fd) return cannot_listen(place, text_of(fd.error()));
  if (::listen(fd->value(), backlog) != 0) return cannot_listen(place, text_of(errno));
  return Created(new Listener(loop, std::move(*fd), std::move(on_accept)));
}

Listener::Created Listener::unix_socket(EventLoop& loop, const std::string& path, mode_t permissions, int backlog,
                                        OnAccept on_accept) {
  const std::string place = "unix:" + path;
  const auto address = Address::from_unix_path(path);
  if (!address) {
    return cannot_listen(place, "the path must have 1 to " + std::to_string(Address::kUnixPathMax) + " bytes");
  }
  if (const auto why = free_unix_path(*address, path)) return cannot_listen(place, *why);
  base::UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.is_open() || ::bind(fd.value(), address->data(), address->size()) != 0) {
    return cannot_listen(place, text_of(errno));
  }
  struct stat file{};
  if (chmod(path.c_str(), permissions) != 0 || lstat(path.c_str(), &file) != 0 || ::listen(fd.value(), backlog) != 0) {
    const int error = errno;
    unlink(path.c_str());
    return cannot_listen(place, text_of(error));
  }
  Created listener(new Listener(loop, std::move(fd), std::move(on_accept)));
  (*listener)->unix_path_ = path;
  (*listener)->file_device_ = file.st_dev;
  (*listener)->file_inode_ = file.st_ino;
  return listener;
}

void Listener::close() noexcept {
  if (!fd_.is_open()) return;
  resume_.cancel();
  event_free(std::exchange(event_, nullptr));
  struct stat file{};
  if (!unix_path_.empty() && lstat(unix_path_.c_str(), &file) == 0 && file.st_dev == file_device_ &&
      file.st_ino == file_inode_) {
    unlink(unix_path_.c_str());
  }
  fd_.reset();
}

void Listener::on_readable(evutil_socket_t, short, void* self) noexcept {
  static_cast<Listener*>(self)->accept_batch();
}

void Listener::accept_batch() {
  for (std::size_t i = 0; i < kAcceptsPerTurn && fd_.is_open(); ++i) {
    sockaddr_storage storage{};
    socklen_t size = sizeof storage;
    auto* const peer = reinterpret_cast<sockaddr*>(&storage);
    base::UniqueFd accepted(accept4(fd_.value(), peer, &size, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (accepted.is_open()) {
      on_accept_(std::move(accepted), Address::from_sockaddr(peer, size));
      continue;
    }
    if (errno == EAGAIN) return;
    if (!is_connections_own(errno)) return pause(errno);
  }
}

void Listener::pause(int error) {
  event_del(event_);
  resume_.start(kExhaustedPause);
  if (loop_.now() < next_log_) return;
  next_log_ = loop_.now() + kLogEvery;
  log::warn("cannot accept connections", {{"listen", address_.to_string()}, {"error", text_of(error)}});
}

}  // namespace anteroom::net
