#include "gateway/relay.hpp"

#include <array>
#include <cerrno>
#include <utility>

#include "gateway/gateway_metrics.hpp"
#include "net/outage_log.hpp"

namespace anteroom::gateway {
namespace {

using Status = net::IoResult::Status;

// What is read from a stream at a time, and waits here if Redis does not take it.
constexpr std::size_t kPieceBytes = 64 * 1024;
// Room that reading from Redis wants in the stream's buffer; less is not worth a system call.
constexpr std::size_t kRoomMin = 4096;
// Reads of one relay before others have their turn.
constexpr int kReadsPerTurn = 8;

}  // namespace

Relay::Relay(const RelayContext& context, std::unique_ptr<quic::Stream> stream, std::function<void(Relay&)> on_done)
    : context_(context),
      stream_(std::move(stream)),
      on_done_(std::move(on_done)),
      connector_(context.loop, context.resolver, context.mailbox),
      last_passage_(context.loop.now()) {
  context_.metrics.relays.add(1);
  context_.metrics.relays_opened.add();
}

Relay::~Relay() {
  context_.metrics.relays.add(-1);
  if (redis_ != nullptr) redis_->close();
}

void Relay::start() {
  stream_->set_events(&upward_);
  connector_.start(context_.target, [this](net::Connector::Result result) { on_dialed(std::move(result)); });
}

// Reading into no room takes nothing, and a stream that is not read does not tell by itself.
void Relay::tick() {
  if (!is_done_ && stream_->read({}).status == Status::kError) break_off(quic::ErrorCode::kCancelled);
}

void Relay::on_dialed(net::Connector::Result result) {
  if (is_done_) return;
  if (!result) {
    const int error = result.error().error;
    if (error == EMFILE || error == ENFILE) {  // a limit of ours, and not a trouble of Redis
      context_.metrics.relays_refused.add();
      return break_off(quic::ErrorCode::kLimit);
    }
    const bool is_late = error == ETIMEDOUT;
    (is_late ? context_.metrics.dial_timeouts : context_.metrics.dial_errors).add();
    context_.outage_log.failed(result.error().text, context_.loop.now());
    break_off(is_late ? quic::ErrorCode::kUpstreamTimeout : quic::ErrorCode::kUpstreamRefused);
    return;
  }
  context_.outage_log.succeeded(context_.loop.now());
  redis_ = std::move(*result);
  note_passage(false);  // if something has come meanwhile, it passes in this turn
  redis_->set_events(&downward_);
  redis_->want_read(true);
  stream_->want_read(true);
}

void Relay::note_passage(bool is_up) {
  awaits_redis_ = is_up;
  last_passage_ = context_.loop.now();
}

// --- To Redis ---

void Relay::pump_up() {
  if (is_done_ || redis_ == nullptr) return;
  std::array<char, kPieceBytes> piece;
  for (int i = 0; i < kReadsPerTurn; ++i) {
    const net::IoResult got = stream_->read(piece);
    if (got.status == Status::kWouldBlock) return;
    if (got.status == Status::kClosed) return end_of_requests();
    if (got.status == Status::kError) return break_off(quic::ErrorCode::kCancelled);  // reset, or the peer has gone
    context_.metrics.bytes_up.add(got.bytes);
    note_passage(true);
    if (!pass_up({piece.data(), got.bytes})) return;
  }
}

// False if Redis takes no more, now or ever.
bool Relay::pass_up(std::span<const char> bytes) {
  const iovec all{const_cast<char*>(bytes.data()), bytes.size()};
  const net::IoResult put = redis_->write({&all, 1});
  if (put.status == Status::kError) {
    // Redis has closed; what it said last may still be there to be read, and then the end comes that way.
    requests_ended_ = true;
    stream_->stop_reading(quic::ErrorCode::kNone);
    stream_->want_read(false);
    return false;
  }
  const std::size_t taken = put.status == Status::kOk ? put.bytes : 0;
  if (taken == bytes.size()) return true;
  const std::span<const char> rest = bytes.subspan(taken);
  pending_.assign(rest.begin(), rest.end());
  pending_done_ = 0;
  stream_->want_read(false);
  redis_->want_write(true);
  return false;
}

// True if nothing is pending any more.
bool Relay::write_pending() {
  while (pending_done_ < pending_.size()) {
    const iovec rest{pending_.data() + pending_done_, pending_.size() - pending_done_};
    const net::IoResult put = redis_->write({&rest, 1});
    if (put.status == Status::kWouldBlock) return false;
    if (put.status != Status::kOk) break;  // as in pass_up(): the end is read
    pending_done_ += put.bytes;
  }
  std::string().swap(pending_);  // clear() would keep its memory
  pending_done_ = 0;
  return true;
}

void Relay::on_redis_writable() {
  if (is_done_ || !write_pending()) return;
  redis_->want_write(false);
  stream_->want_read(true);
}

void Relay::end_of_requests() {
  stream_->want_read(false);
  requests_ended_ = true;
  note_passage(true);
  redis_->finish();
  done_if_both_ended();
}

// --- From Redis ---

void Relay::pump_down() {
  if (is_done_) return;
  for (int i = 0; i < kReadsPerTurn; ++i) {
    const std::span<char> room = stream_->prepare(kRoomMin);
    if (room.empty()) return wait_for_credit();
    const net::IoResult got = redis_->read(room);
    if (got.status == Status::kWouldBlock) return;
    if (got.status == Status::kClosed) return end_of_replies();
    if (got.status == Status::kError) {
      context_.metrics.upstream_losses.add();
      return replies_broken();
    }
    context_.metrics.bytes_down.add(got.bytes);
    has_replied_ = true;
    note_passage(false);
    stream_->commit(got.bytes);
    if (got.bytes < room.size()) return;
  }
}

// A reset throws away what the peer has not read yet, and that may be why Redis went: "max number of clients reached",
// with the greeting still unread, which makes its close a reset. So what it said is delivered and then ends as if it
// had closed; a reply that was cut shows it by its own framing, as over TCP. If it said nothing, the code tells more.
void Relay::replies_broken() {
  if (!has_replied_) return break_off(quic::ErrorCode::kUpstreamLost);
  end_of_replies();
}

void Relay::wait_for_credit() {
  if (!stream_->has_connection() || stream_->peer_error()) return break_off(quic::ErrorCode::kCancelled);
  redis_->want_read(false);
  stream_->want_write(true);
}

void Relay::on_stream_writable() {
  if (is_done_ || redis_ == nullptr) return;
  stream_->want_write(false);
  redis_->want_read(true);
}

// Redis closes both directions when it closes.
void Relay::end_of_replies() {
  replies_ended_ = true;
  redis_->want_read(false);
  stream_->finish();
  if (!requests_ended_) {
    requests_ended_ = true;
    stream_->stop_reading(quic::ErrorCode::kNone);
  }
  done_if_both_ended();
}

// --- The end ---

void Relay::break_off(quic::ErrorCode code) {
  if (is_done_) return;
  stream_->reset(code);
  done();
}

void Relay::done_if_both_ended() {
  if (requests_ended_ && replies_ended_) done();
}

void Relay::done() {
  is_done_ = true;
  connector_.cancel();
  if (redis_ != nullptr) redis_->close();
  on_done_(*this);
}

}  // namespace anteroom::gateway
