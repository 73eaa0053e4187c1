#include "quic/stream.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/check.hpp"
#include "quic/connection.hpp"
#include "quic/endpoint.hpp"

namespace anteroom::quic {
namespace {

using Status = net::IoResult::Status;

std::size_t send_limit(const StreamCore& core) noexcept { return core.connection->send_limit(); }

}  // namespace

// --- What owner and connection share ---

bool StreamCore::is_readable() const noexcept {
  return !in.empty() || fin_received || peer_reset || connection == nullptr;
}

// Half of the limit, so that a writer is not woken for each acknowledgement.
bool StreamCore::is_writable() const noexcept {
  return connection == nullptr || peer_refusal || out.held_bytes() <= send_limit(*this) / 2;
}

void StreamCore::tell_owner() {
  if (has_owner && events != nullptr && wants_read && is_readable()) events->on_readable();
  if (has_owner && events != nullptr && wants_write && is_writable()) events->on_writable();
  // Level-triggered, but others have their turn before.
  const bool again =
      has_owner && events != nullptr && ((wants_read && is_readable()) || (wants_write && is_writable()));
  if (!again) return;
  loop.next_turn([weak = weak_from_this()] {
    if (const auto core = weak.lock()) core->look_again();
  });
}

void StreamCore::look_again() {
  if (connection != nullptr) {
    connection->mark_eventful(*this);
  } else {
    tell_owner();
  }
}

// --- The owner's side ---

Stream::Stream(std::shared_ptr<StreamCore> core)
    : core_(std::move(core)), peer_name_(core_->connection->peer_name()), local_name_(core_->connection->local_name()) {
  core_->has_owner = true;
}

Stream::~Stream() {
  close();
  core_->has_owner = false;
}

net::IoResult Stream::read(std::span<char> into) {
  if (is_closed_) return {Status::kError, 0, EBADF};
  if (core_->peer_reset) return {Status::kError, 0, ECONNRESET};
  if (!core_->in.empty()) {
    std::size_t done = 0;
    while (done < into.size() && !core_->in.empty()) {
      std::array<iovec, 8> pieces{};
      const std::size_t count = core_->in.fill_iovec(pieces);
      std::size_t taken = 0;
      for (std::size_t i = 0; i < count && done < into.size(); ++i) {
        const std::size_t size = std::min(pieces[i].iov_len, into.size() - done);
        std::memcpy(into.data() + done, pieces[i].iov_base, size);
        done += size;
        taken += size;
      }
      core_->in.consume(taken);
    }
    if (core_->connection != nullptr) core_->connection->give_credit(*core_, done);
    return {Status::kOk, done, 0};
  }
  if (core_->fin_received) return {Status::kClosed, 0, 0};
  if (core_->connection == nullptr) return {Status::kError, 0, ECONNRESET};
  return {Status::kWouldBlock, 0, 0};
}

net::IoResult Stream::write(std::span<const iovec> pieces) {
  if (!can_write()) return {Status::kError, 0, EPIPE};
  std::size_t left = room();
  std::size_t done = 0;
  for (const iovec& piece : pieces) {
    const std::size_t size = std::min(piece.iov_len, left);
    core_->out.append({static_cast<const char*>(piece.iov_base), size});
    left -= size;
    done += size;
    if (left == 0) break;
  }
  if (done == 0) return {Status::kWouldBlock, 0, 0};
  core_->connection->mark_ready(*core_);
  return {Status::kOk, done, 0};
}

std::span<char> Stream::prepare(std::size_t wanted_min) {
  if (!can_write() || room() < wanted_min) return {};
  return core_->out.prepare(wanted_min);
}

void Stream::commit(std::size_t size) {
  core_->out.commit(size);
  core_->connection->mark_ready(*core_);
}

bool Stream::can_write() const noexcept {
  return !is_closed_ && core_->connection != nullptr && !core_->wants_fin && !core_->peer_refusal;
}

std::size_t Stream::room() const noexcept {
  const std::size_t limit = send_limit(*core_);
  return limit - std::min(limit, core_->out.held_bytes());
}

void Stream::want_read(bool on) {
  core_->wants_read = on && !is_closed_;
  if (core_->wants_read && core_->is_readable()) look_again();
}

void Stream::want_write(bool on) {
  core_->wants_write = on && !is_closed_;
  if (core_->wants_write && core_->is_writable()) look_again();
}

// The owner is told in a call of its own.
void Stream::look_again() {
  if (core_->connection != nullptr) {
    core_->connection->mark_eventful(*core_);
    return;
  }
  core_->loop.next_turn([weak = std::weak_ptr<StreamCore>(core_)] {
    if (const auto core = weak.lock()) core->tell_owner();
  });
}

void Stream::close() noexcept {
  if (is_closed_) return;
  finish();
  stop_reading(ErrorCode::kNone);
  is_closed_ = true;
  core_->events = nullptr;
  core_->wants_read = core_->wants_write = false;
}

void Stream::finish() noexcept {
  if (!can_write()) return;
  core_->wants_fin = true;
  core_->connection->mark_ready(*core_);
}

std::optional<net::ConnectError> Stream::trouble() const {
  using Stage = net::ConnectStage;
  const auto at_gateway = [this](Stage stage, int error, std::string_view what) {
    return net::ConnectError{.stage = stage, .error = error, .text = peer_name_ + ": " + std::string(what)};
  };
  switch (static_cast<ErrorCode>(peer_error().value_or(static_cast<std::uint64_t>(ErrorCode::kNone)))) {
    case ErrorCode::kUpstreamRefused:
      return at_gateway(Stage::kConnectUnix, ECONNREFUSED, "the gateway cannot reach its server");
    case ErrorCode::kUpstreamTimeout:
      return at_gateway(Stage::kConnectUnix, ETIMEDOUT, "the gateway's server did not take the connection in time");
    case ErrorCode::kLimit:
      return at_gateway(Stage::kQuic, EMFILE, "the gateway takes no more streams");
    case ErrorCode::kShuttingDown:
      return at_gateway(Stage::kQuic, ESHUTDOWN, "the gateway is stopping");
    case ErrorCode::kNone:
    case ErrorCode::kUpstreamLost:
    case ErrorCode::kCancelled:
      break;
  }
  if (core_->connection != nullptr) return std::nullopt;
  return core_->why_lost ? *core_->why_lost : at_gateway(Stage::kQuic, ECONNRESET, "the connection was lost");
}

void Stream::reset(ErrorCode code) {
  if (!is_closed_ && core_->connection != nullptr) core_->connection->reset(*core_, code);
  is_closed_ = true;
  core_->events = nullptr;
  core_->wants_read = core_->wants_write = false;
}

void Stream::stop_reading(ErrorCode code) {
  if (core_->connection != nullptr) core_->connection->stop(*core_, code);
}

}  // namespace anteroom::quic
