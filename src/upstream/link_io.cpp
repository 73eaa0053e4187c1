// The moving of bytes: what Link does while its stream is open. Dialing and losing are in link.cpp.
#include <algorithm>
#include <array>

#include "base/check.hpp"
#include "base/log.hpp"
#include "upstream/link.hpp"

namespace anteroom::upstream {
namespace {

// One read takes what a busy server has ready; more waits in the kernel for the next turn.
constexpr std::size_t kReadBytes = 64 * 1024;
// A reply that is not complete is handed on in pieces of at least this size, so that a large one is never collected.
constexpr std::size_t kPieceBytes = 16 * 1024;
constexpr std::size_t kIovecMax = 64;
// No server says that much of itself.
constexpr std::size_t kHandshakeBytesMax = 64 * 1024;
// Nothing at all for this many response timeouts, although a reply is owed, means that the peer hangs.
constexpr int kSilentTimeouts = 2;

// A push that stands where another protocol has a reply: ">3\r\n$9\r\nsubscribe\r\n...".
bool answers_a_command(std::string_view push) {
  for (int line = 0; line < 2; ++line) push.remove_prefix(std::min(push.find("\r\n") + 2, push.size()));
  return push.substr(0, push.find("\r\n")).ends_with("subscribe");
}

}  // namespace

void Link::on_readable() {
  const auto space = in_.prepare(kReadBytes);
  const net::IoResult result = stream_->read(space);
  switch (result.status) {
    case net::IoResult::Status::kWouldBlock:
      return;
    case net::IoResult::Status::kOk:
      break;
    case net::IoResult::Status::kClosed:
    case net::IoResult::Status::kError:
      on_stream_ended(result.status);
      return;
  }
  in_.commit(result.bytes);
  fsm_.on_received(context_.loop.now());
  take_replies();
}

void Link::on_stream_ended(net::IoResult::Status status) {
  const std::optional<net::ConnectError> trouble = stream_->trouble();
  if (state_ == State::kHandshaking) {
    dial_failed(trouble ? trouble->staged(options_.target) : base::StagedError::handshake_lost());
  } else if (trouble) {
    lose(Loss::kCarrierLost);
  } else {
    lose(status == net::IoResult::Status::kClosed ? Loss::kPeerClosed : Loss::kIoError);
  }
}

void Link::take_replies() {
  // A callback may end the link: the stream is checked again before each reply.
  while (stream_ && scanned_ < in_.size()) {
    const std::string_view bytes = in_.readable();
    const resp::ReplyScanner::Result result = scanner_.scan(bytes.substr(scanned_));
    const std::size_t end = scanned_ + result.used;
    switch (result.step) {
      case resp::ReplyScanner::Step::kReply:
        scanned_ = 0;
        if (options_.is_feed && state_ == State::kUp && !fsm_.head()) {
          take_push(bytes.substr(0, end));
        } else {
          take_piece(bytes.substr(0, end), true);
        }
        break;
      case resp::ReplyScanner::Step::kNeedMore:
        scanned_ = end;
        if (is_in_push()) return;
        if (state_ == State::kUp && !note_reply_started()) return;
        if (state_ == State::kUp && end >= kPieceBytes) {
          scanned_ = 0;
          take_piece(bytes.substr(0, end), false);
        } else if (state_ == State::kHandshaking && end > kHandshakeBytesMax) {
          dial_failed(base::StagedError::handshake_refused("endless reply"));
        }
        return;
      case resp::ReplyScanner::Step::kPush:
        if (options_.takes_pushes && state_ == State::kUp) {
          scanned_ = 0;
          if (answers_a_command(bytes.substr(0, end))) {
            take_piece(bytes.substr(0, end), true);
          } else {
            take_push(bytes.substr(0, end));
          }
          break;
        }
        [[fallthrough]];  // nobody subscribes on a shared link
      case resp::ReplyScanner::Step::kError:
        if (state_ == State::kHandshaking) {
          dial_failed(base::StagedError::handshake_refused("not a RESP server"));
        } else {
          lose(Loss::kUnexpectedBytes);
        }
        return;
    }
  }
}

// They are collected whole, and do not count as the beginning of the reply that is due.
bool Link::is_in_push() const noexcept {
  if (!options_.takes_pushes || state_ != State::kUp) return false;
  return scanner_.type() == '>' || (options_.is_feed && !fsm_.head());
}

void Link::take_push(std::string_view push) {
  in_.consume(push.size());
  context_.events.on_push(*this, push);
}

bool Link::note_reply_started() {
  if (!fsm_.head()) {
    lose(Loss::kUnexpectedBytes);
    return false;
  }
  fsm_.on_reply_started();
  return true;
}

void Link::take_piece(std::string_view piece, bool last) {
  if (state_ == State::kHandshaking) {
    in_.consume(piece.size());
    take_handshake_reply(piece);
    return;
  }
  const auto head = fsm_.head();
  if (!head) {
    lose(Loss::kUnexpectedBytes);
    return;
  }
  // Consumed first: the slice stays valid until the next read, and a callback may end the link.
  in_.consume(piece.size());
  if (last) {
    fsm_.pop_head();
    context_.metrics.upstream_pending.add(-1);
    update_congestion();
  }
  if (!head->is_tombstone) {
    context_.events.on_reply(head->id, piece, last);
  } else if (last) {
    context_.events.on_discarded(head->id);
  }
}

void Link::take_handshake_reply(std::string_view reply) {
  switch (handshake_->on_reply(reply)) {
    case Handshake::Step::kMore:
      return;
    case Handshake::Step::kDone:
      on_up();
      return;
    case Handshake::Step::kFailed: {
      const base::StagedError error = handshake_->error();
      dial_failed(error);
      return;
    }
  }
}

void Link::schedule_flush() {
  if (flush_scheduled_ || write_blocked_ || out_.empty()) return;
  flush_scheduled_ = true;
  context_.loop.at_turn_end([this] {
    flush_scheduled_ = false;
    if (stream_ && state_ == State::kUp) flush();
  });
}

void Link::on_writable() {
  write_blocked_ = false;
  stream_->want_write(false);
  flush();
}

void Link::flush() {
  base::ByteQueue& queue = state_ == State::kUp ? out_ : handshake_out_;
  if (state_ == State::kUp) context_.events.before_write(*this);
  std::array<iovec, kIovecMax> pieces;
  while (!queue.empty()) {
    const std::size_t count = queue.fill_iovec(pieces);
    const net::IoResult result = stream_->write({pieces.data(), count});
    if (result.status == net::IoResult::Status::kWouldBlock) {
      if (!write_blocked_) last_write_progress_ = context_.loop.now();
      write_blocked_ = true;
      stream_->want_write(true);
      break;
    }
    if (result.status != net::IoResult::Status::kOk) {
      // Replies may still be on their way in. No more is written; the reader finds the end of the stream and settles
      // what is owed, or the deadline for a stalled write does.
      write_blocked_ = true;
      break;
    }
    queue.consume(result.bytes);
    last_write_progress_ = context_.loop.now();
    if (state_ == State::kUp) fsm_.on_written(result.bytes, context_.loop.now());
  }
  if (state_ == State::kUp) {
    update_congestion();
    arm_deadline_timer();
  }
}

void Link::update_congestion() {
  if (is_over(bytes_mark_, requests_mark_)) {
    congested_ = true;
  } else if (congested_ && !is_over(bytes_mark_ / 2, requests_mark_ / 2)) {
    congested_ = false;
    context_.events.on_ready(*this, Ready::kDrained);
  }
}

void Link::on_timer() {
  switch (state_) {
    case State::kHandshaking:
      dial_failed(base::StagedError::handshake_timeout(options_.handshake_timeout));
      return;
    case State::kUp:
      check_deadlines();
      return;
    case State::kBackoff:
      state_ = State::kIdle;
      if (options_.stay_connected) dial();
      return;
    case State::kIdle:
    case State::kDialing:
    case State::kClosed:
      return;
  }
}

void Link::check_deadlines() {
  if (options_.response_timeout == base::Milliseconds::zero()) return;
  const base::TimePoint now = context_.loop.now();
  if (const auto grace = deadline_watch_.look(now, options_.response_timeout)) {
    timer_.start(*grace);
    return;
  }
  while (const auto expired = fsm_.expire(now)) {
    context_.metrics.upstream_timeouts.add();
    context_.events.on_expired(expired->id,
                               base::StagedError::no_reply(std::chrono::ceil<base::Milliseconds>(expired->timeout)));
    if (state_ != State::kUp) return;  // it was ended on hearing of it
  }
  if (fsm_.reply_in_progress() && fsm_.is_silent(now, options_.response_timeout)) {
    lose(Loss::kReplyStalled);
  } else if (fsm_.is_silent(now, kSilentTimeouts * options_.response_timeout)) {
    lose(Loss::kSilent);
  } else if (write_blocked_ && last_write_progress_ + options_.response_timeout <= now) {
    lose(Loss::kWriteStalled);
  } else {
    arm_deadline_timer();
  }
}

void Link::arm_deadline_timer() {
  // Deadlines only move away from now while replies come in, so a running timer is left alone: it looks again when it
  // fires, at most once per response timeout.
  if (options_.response_timeout == base::Milliseconds::zero() || timer_.is_running() || fsm_.empty()) return;
  const base::TimePoint now = context_.loop.now();
  const base::TimePoint due = std::max(next_deadline(), now);
  deadline_watch_.expect(due);
  timer_.start(due - now);
}

base::TimePoint Link::next_deadline() const {
  // Whatever is waited for, it cannot be over later than one response timeout after now.
  return std::min(fsm_.next_expiry(), context_.loop.now() + options_.response_timeout);
}

}  // namespace anteroom::upstream
