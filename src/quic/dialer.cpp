#include "quic/dialer.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace anteroom::quic {
namespace {

// As with TCP: of a name with more addresses only the first ones are tried, which bounds the time of one attempt.
constexpr std::size_t kAddressesMax = 4;

// And not about the way there, or about the peer's having no room.
bool is_about_the_handshake(const CloseReason& reason) {
  if (reason.kind == CloseReason::Kind::kProtocol) return reason.code != NGTCP2_CONNECTION_REFUSED;
  return reason.kind != CloseReason::Kind::kTimeout && reason.kind != CloseReason::Kind::kUnreachable;
}

}  // namespace

Dialer::Dialer(net::EventLoop& loop, net::Resolver& resolver, net::Mailbox& mailbox, DialTarget target,
               metrics::QuicMetrics& metrics)
    : loop_(loop),
      resolver_(resolver),
      mailbox_(mailbox),
      target_(std::move(target)),
      metrics_(metrics),
      deadline_(loop, [this] { on_deadline(); }) {}

Dialer::~Dialer() { *self_ = nullptr; }

std::string Dialer::place() const { return net::host_and_port(target_.host, target_.port); }

// --- Lanes ---

net::LaneSource::Ticket Dialer::open(Done done) {
  const Ticket ticket{++tickets_};
  waiters_.push_back({ticket, std::move(done), loop_.now()});
  leave_if_stopping();
  if (state_ == State::kDown) {
    dial();
  } else if (may_open()) {
    schedule_serve();
  }
  return ticket;
}

void Dialer::cancel(Ticket ticket) noexcept {
  std::erase_if(waiters_, [ticket](const Waiter& waiter) { return waiter.ticket == ticket; });
}

void Dialer::schedule_serve() {
  if (std::exchange(serve_scheduled_, true)) return;
  loop_.next_turn([self = self_] {
    if (*self != nullptr) (*self)->serve();
  });
}

// Even before the handshake is done where the gateway takes early data: whoever gets a lane then says nothing but a
// greeting before he is answered (net::LaneSource).
bool Dialer::may_open() const {
  if (state_ == State::kUp) return true;
  const Connection* const connection = endpoint_ != nullptr ? endpoint_->connection() : nullptr;
  return state_ == State::kConnecting && connection != nullptr && connection->takes_early_data();
}

void Dialer::serve() {
  serve_scheduled_ = false;
  while (may_open() && !waiters_.empty()) {
    Connection* const connection = endpoint_->connection();
    std::unique_ptr<Stream> stream = connection != nullptr ? connection->open_stream() : nullptr;
    if (stream == nullptr) {
      // The gateway allows no more streams for now.
      if (state_ == State::kUp) deadline_.start(waiters_.front().since + kStreamPatience - loop_.now());
      return;
    }
    Done done = std::move(waiters_.front().done);
    waiters_.pop_front();
    done(std::move(stream));
  }
  if (state_ == State::kUp) deadline_.cancel();
}

void Dialer::on_deadline() {
  if (state_ == State::kResolving) {
    lookup_.cancel();
    give_up({.stage = net::ConnectStage::kDns, .error = ETIMEDOUT, .text = target_.host + ": Lookup timed out"});
    return;
  }
  if (state_ != State::kUp) return;
  const net::ConnectError error{.stage = net::ConnectStage::kQuic,
                                .error = EMFILE,
                                .text = place() + ": the gateway allows no more streams",
                                .elapsed = kStreamPatience};
  while (!waiters_.empty() && loop_.now() - waiters_.front().since >= kStreamPatience) {
    Done done = std::move(waiters_.front().done);
    waiters_.pop_front();
    done(std::unexpected(error));
  }
  if (!waiters_.empty()) schedule_serve();
}

// --- The connection ---

bool Dialer::is_current(const Connection& connection) const {
  return endpoint_ != nullptr && endpoint_->connection() == &connection;
}

// Perhaps another gateway has taken its place, or its name stands for others, too.
void Dialer::leave_if_stopping() {
  if (state_ != State::kUp) return;
  const Connection* const connection = endpoint_->connection();
  if (connection == nullptr || !connection->peer_is_leaving()) return;
  resumption_ = connection->resumption();
  retire_endpoint();
  limit_left();
  deadline_.cancel();
  state_ = State::kDown;
}

// A gateway that lets everybody in and then says that it stops must not cost us a connection each time.
void Dialer::limit_left() {
  close_idle();
  const auto is_open = [](const auto& endpoint) {
    const Connection* const connection = endpoint->connection();
    return connection != nullptr && !connection->is_closing();
  };
  if (static_cast<std::size_t>(std::ranges::count_if(former_, is_open)) <= kLeftMax) return;
  (*std::ranges::find_if(former_, is_open))->close_all(ErrorCode::kNone, "too many connections were left");
}

void Dialer::dial() {
  state_ = State::kResolving;
  next_address_ = 0;
  deadline_.start(target_.dns_timeout);
  lookup_ = resolver_.resolve(target_.host, target_.port, mailbox_,
                              [this](net::Resolved resolved) { on_resolved(std::move(resolved)); });
}

void Dialer::on_resolved(net::Resolved resolved) {
  deadline_.cancel();
  if (!resolved) {
    give_up({.stage = net::ConnectStage::kDns, .text = target_.host + ": " + resolved.error().text});
    return;
  }
  addresses_ = std::move(*resolved);
  if (addresses_.size() > kAddressesMax) addresses_.resize(kAddressesMax);
  state_ = State::kConnecting;
  try_address();
}

void Dialer::try_address() {
  // A ticket would carry the old rules past the new ones: in a resumed handshake there is no certificate to judge.
  if (const auto context = target_.contexts->current(); context != context_) {
    context_ = context;
    resumption_ = {};
  }
  std::string why;
  while (next_address_ < addresses_.size()) {
    auto endpoint = Endpoint::connect(loop_, addresses_[next_address_++], target_.options, context_,
                                      target_.server_name, resumption_, *this, metrics_);
    if (endpoint) {
      endpoint_ = std::move(*endpoint);
      if (may_open()) schedule_serve();
      return;
    }
    why = std::move(endpoint.error());
  }
  give_up({.stage = net::ConnectStage::kQuic, .error = EPROTO, .text = std::move(why)});
}

void Dialer::on_established(Connection&) {  // only the newest is not yet
  state_ = State::kUp;
  for (Waiter& waiter : waiters_) waiter.since = loop_.now();  // for a stream, from now on
  serve();
}

void Dialer::on_stream(Connection&, std::unique_ptr<Stream> stream) {
  // A gateway opens none, and may not.
  stream->reset(ErrorCode::kLimit);
}

void Dialer::on_streams_available(Connection& connection) {
  if (is_current(connection)) serve();
}

void Dialer::on_closed(Connection& connection, const CloseReason& reason) {
  if (!is_current(connection)) return;  // one that was left; who had a lane of it knows
  if (connection.is_established()) {
    resumption_ = connection.resumption();
  } else if (is_about_the_handshake(reason)) {
    resumption_ = {};  // perhaps it was this that the gateway did not like
  }
  retire_endpoint();
  const bool was_up = std::exchange(state_, State::kDown) == State::kUp;
  const bool is_final = reason.kind == CloseReason::Kind::kCertificate || reason.kind == CloseReason::Kind::kLocal;
  if (!was_up && !is_final && next_address_ < addresses_.size()) {
    state_ = State::kConnecting;
    try_address();
    return;
  }
  give_up(error_of(reason, place()));
}

// Inside a call of its connection it must not be destroyed.
void Dialer::retire_endpoint() {
  if (endpoint_ == nullptr) return;
  former_.push_back(std::move(endpoint_));
}

// Those who wait now: who is told may cancel others, and ask for a lane of the next connection.
void Dialer::give_up(net::ConnectError error) {
  state_ = State::kDown;
  deadline_.cancel();
  const Ticket last{tickets_};
  while (!waiters_.empty() && waiters_.front().ticket <= last) {
    error.elapsed = loop_.now() - waiters_.front().since;
    Done done = std::move(waiters_.front().done);
    waiters_.pop_front();
    done(std::unexpected(error));
  }
}

// Those that were left, and have no lane any more.
void Dialer::close_idle() {
  for (const auto& endpoint : former_) {
    const Connection* const connection = endpoint->connection();
    if (connection != nullptr && connection->streams() == 0) endpoint->close_all(ErrorCode::kNone, "");
  }
}

void Dialer::tick() {
  std::erase_if(former_, [](const auto& endpoint) { return endpoint->connections() == 0; });
  close_idle();
  for (const auto& endpoint : former_) endpoint->tick();
  if (endpoint_ != nullptr) endpoint_->tick();
}

void Dialer::close() {
  lookup_.cancel();
  deadline_.cancel();
  if (state_ == State::kResolving) give_up(error_of({.kind = CloseReason::Kind::kLocal}, place()));
  if (endpoint_ != nullptr) endpoint_->close_all(ErrorCode::kNone, "");
  for (const auto& endpoint : former_) endpoint->close_all(ErrorCode::kNone, "");
}

}  // namespace anteroom::quic
