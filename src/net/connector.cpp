#include "net/connector.hpp"

#include <event2/event.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "base/check.hpp"

namespace anteroom::net {
namespace {

int pending_error(int fd) noexcept {
  int error = 0;
  socklen_t size = sizeof error;
  return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno;
}

/// A dial to a port of this machine where nobody listens can meet itself: the kernel may pick that very port as the
/// source, and TCP's simultaneous open does the rest.
bool is_connected_to_itself(int fd) noexcept {
  const Address local = local_address(fd);
  return !local.is_unix() && local == peer_address(fd);
}

}  // namespace

std::string ConnectTarget::label() const {
  if (is_unix()) return "unix:" + unix_path;
  return (lanes != nullptr ? "quic:" : "") + host_and_port(host, port);
}

Connector::Connector(EventLoop& loop, Resolver& resolver, Mailbox& mailbox)
    : loop_(loop),
      resolver_(resolver),
      mailbox_(mailbox),
      deadline_(loop, [this] { on_deadline(); }),
      retry_(loop, [this] { try_address(); }) {}

Connector::~Connector() { cancel(); }

void Connector::start(const ConnectTarget& target, Done done) {
  ANTEROOM_CHECK(!is_running());
  target_ = target;
  done_ = std::move(done);
  started_ = loop_.now();
  next_address_ = 0;
  addresses_.clear();
  if (target_.lanes != nullptr) {
    step_ = Step::kOpeningLane;
    lane_ = target_.lanes->open([this](Result result) { finish(std::move(result)); });
  } else if (target_.is_unix()) {
    step_ = Step::kConnecting;
    retry_.start(base::Duration::zero());  // a UNIX socket connects or fails at once, but `done` must not run in here
    if (const auto address = Address::from_unix_path(target_.unix_path)) {
      addresses_.push_back(*address);
      deadline_.start(target_.connect_unix_timeout);
    }
  } else {
    step_ = Step::kResolving;
    deadline_.start(target_.dns_timeout);
    lookup_ = resolver_.resolve(target_.host, target_.port, mailbox_,
                                [this](Resolved resolved) { on_resolved(std::move(resolved)); });
  }
}

void Connector::cancel() noexcept {
  if (step_ == Step::kOpeningLane) target_.lanes->cancel(lane_);
  step_ = Step::kIdle;
  lookup_.cancel();
  deadline_.cancel();
  retry_.cancel();
  drop_socket();
  drop_tls();
  done_ = nullptr;
}

void Connector::on_resolved(Resolved resolved) {
  deadline_.cancel();
  if (!resolved) return fail(ConnectStage::kDns, 0, target_.host + ": " + resolved.error().text);
  step_ = Step::kConnecting;
  addresses_ = std::move(*resolved);
  if (addresses_.size() > kAddressesMax) addresses_.resize(kAddressesMax);
  try_address();
}

void Connector::try_address() {
  if (next_address_ >= addresses_.size()) {
    // Only a path that does not fit into a socket address brings us here: a name has at least one address.
    return fail(ConnectStage::kConnectUnix, ENAMETOOLONG, target_.label() + ": File name too long");
  }
  const Address& address = addresses_[next_address_];
  if (!target_.is_unix()) deadline_.start(target_.connect_timeout);
  fd_.reset(socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd_.is_open()) return on_address_failed(errno);
  apply(target_.socket, fd_.value());
  if (::connect(fd_.value(), address.data(), address.size()) == 0) return succeed();
  // After EINTR the attempt goes on by itself, as after EINPROGRESS (connect(2)).
  if (errno == EINPROGRESS || errno == EINTR) return watch_connect();
  if (errno == EAGAIN && target_.is_unix()) return retry_.start(kUnixRetry);
  on_address_failed(errno);
}

void Connector::watch_connect() {
  writable_ = event_new(loop_.base(), fd_.value(), EV_WRITE, on_writable, this);
  ANTEROOM_CHECK(writable_ != nullptr && event_add(writable_, nullptr) == 0);
}

void Connector::on_writable(evutil_socket_t fd, short, void* self) noexcept {
  Connector& connector = *static_cast<Connector*>(self);
  const int error = pending_error(fd);
  if (error == 0) {
    connector.succeed();
  } else {
    connector.on_address_failed(error);
  }
}

void Connector::on_deadline() {
  if (step_ == Step::kResolving) return fail(ConnectStage::kDns, ETIMEDOUT, target_.host + ": Lookup timed out");
  if (step_ == Step::kSecuring) {
    return fail(ConnectStage::kTls, ETIMEDOUT, target_.label() + ": TLS handshake timed out");
  }
  on_address_failed(ETIMEDOUT);
}

void Connector::on_address_failed(int error) {
  retry_.cancel();
  drop_socket();
  const std::string name = addresses_[next_address_].to_string();
  if (++next_address_ < addresses_.size()) return try_address();
  fail(target_.is_unix() ? ConnectStage::kConnectUnix : ConnectStage::kConnect, error,
       name + ": " + std::generic_category().message(error));
}

void Connector::succeed() {
  if (is_connected_to_itself(fd_.value())) return on_address_failed(ECONNREFUSED);
  base::UniqueFd fd = std::move(fd_);
  drop_socket();
  auto stream = std::make_unique<SocketStream>(loop_, std::move(fd));
  if (target_.tls.is_wanted() && !target_.is_unix()) return secure(std::move(stream));
  finish(std::move(stream));
}

void Connector::secure(std::unique_ptr<ByteStream> stream) {
  step_ = Step::kSecuring;
  deadline_.start(target_.tls.timeout);
  tls_ =
      std::make_unique<TlsStream>(loop_, std::move(stream), target_.tls.contexts->current(), target_.tls.server_name);
  tls_->start_handshake([this](std::expected<void, TlsFailure> result) { on_secured(std::move(result)); });
}

void Connector::on_secured(std::expected<void, TlsFailure> result) {
  if (result) return finish(std::move(tls_));
  const TlsFailure& why = result.error();
  ConnectError error{.stage = ConnectStage::kTls,
                     .error = EPROTO,
                     .text = target_.label() + ": no TLS: " + why.reason,
                     .elapsed = loop_.now() - started_};
  if (why.kind == TlsFailure::Kind::kCertificate) {
    error.error = EACCES;
    error.text = target_.label() + ": certificate refused: " + why.reason;
    error.refusal = why.reason;
  }
  finish(std::unexpected(std::move(error)));
}

void Connector::fail(ConnectStage stage, int error, std::string text) {
  finish(std::unexpected(ConnectError{stage, error, std::move(text), loop_.now() - started_, {}}));
}

void Connector::finish(Result result) {
  Done done = std::move(done_);
  cancel();
  done(std::move(result));
}

void Connector::drop_socket() noexcept {
  if (writable_ != nullptr) event_free(std::exchange(writable_, nullptr));
  fd_.reset();
}

void Connector::drop_tls() noexcept {
  if (!tls_) return;
  tls_->close();
  // This may be called by the stream itself, which has to see the end of the call.
  loop_.at_turn_end([stream = std::move(tls_)]() mutable { stream.reset(); });
}

base::StagedError ConnectError::staged(const ConnectTarget& target) const {
  const auto after = std::chrono::duration_cast<base::Milliseconds>(elapsed);
  switch (stage) {
    case ConnectStage::kDns:
      return base::StagedError::dns_failed(target.host, after);
    case ConnectStage::kConnect:
      return base::StagedError::connect_failed(base::Stage::kConnect, text, after);
    case ConnectStage::kTls:
      if (!refusal.empty()) return base::StagedError::tls_refused(refusal);
      return error == ETIMEDOUT ? base::StagedError::tls_timeout(after) : base::StagedError::tls_failed(text, after);
    case ConnectStage::kQuic:
      if (!refusal.empty()) return base::StagedError::tls_refused(refusal);
      return base::StagedError::quic_failed(text, after);
    case ConnectStage::kConnectUnix:
      break;
  }
  return base::StagedError::connect_failed(base::Stage::kConnectUnix, text, after);
}

}  // namespace anteroom::net
