// The moving of bytes: reading, pausing, writing and closing of a Session. What commands mean is in session.cpp.
#include <algorithm>
#include <array>
#include <span>
#include <string>

#include "base/log.hpp"
#include "metrics/worker_metrics.hpp"
#include "net/event_loop.hpp"
#include "proxy/session.hpp"

namespace anteroom::proxy {
namespace {

// One read asks for this much room and takes no more than the maximum, which only large arguments come near: the rest
// waits in the kernel while others have their turn.
constexpr std::size_t kReadBytes = 16 * 1024;
constexpr std::size_t kReadBytesMax = 256 * 1024;
// A client that takes no byte of its replies for so long has gone or hangs (UPSTREAM.md B1.1, T1b).
constexpr auto kWriteTimeout = std::chrono::seconds(60);
constexpr std::size_t kIovecMax = 64;

}  // namespace

void Session::start() {
  stream_->set_events(this);
  update_reading();
}

void Session::on_readable() {
  base::ReadBuffer& in = in_.empty() ? services_.scratch : in_;
  const std::span<char> space = in.prepare(kReadBytes);
  const net::IoResult result = stream_->read(space.first(std::min(space.size(), kReadBytesMax)));
  switch (result.status) {
    case net::IoResult::Status::kWouldBlock:
      return;
    case net::IoResult::Status::kOk:
      break;
    // A client that has sent everything and only reads on gets what it is owed.
    case net::IoResult::Status::kClosed:
      if (is_blocked_) {
        close();  // Redis, too, does not keep for a client what it may never read
      } else {
        close_after_replies();
      }
      return;
    case net::IoResult::Status::kError:
      close();
      return;
  }
  in.commit(result.bytes);
  services_.metrics.net_input_bytes.add(result.bytes);
  services_.loop.forget_time();  // as in go_on(); before the time is asked for, which is then read once
  last_active_ = services_.loop.now();
  take_input(in);
}

void Session::take_input(base::ReadBuffer& in) {
  run_commands(in);
  if (&in != &in_) {
    if (phase_ == Phase::kOpen) in_.append(in.readable());
    in.consume(in.size());
  }
  if (phase_ != Phase::kOpen) return;
  if (in_.size() > services_.limits.query_buffer_bytes) {
    services_.metrics.clients_closed_query_limit.add();
    log::warn("client closed", {{"client", peer_}, {"reason", "query buffer limit"}});
    close();
    return;
  }
  in_.release_if_idle();
  update_reading();
}

void Session::pause(Pause reason) {
  pauses_ |= static_cast<std::uint8_t>(reason);
  if (reason == kTurnOver) {
    services_.loop.next_turn([&sessions = services_.sessions, id = id_] {
      if (Session* session = sessions.find(id)) session->resume(kTurnOver);
    });
  }
}

void Session::resume(Pause reason) {
  if ((pauses_ & reason) == 0) return;
  pauses_ &= static_cast<std::uint8_t>(~reason);
  schedule_input();
}

// A blocked client is read on a little, because nothing else tells when it has gone.
void Session::update_reading() {
  const bool is_only_blocked = is_blocked_ && pauses_ == kBarrier && in_.size() < kReadBytesMax;
  stream_->want_read(phase_ == Phase::kOpen && (pauses_ == 0 || is_only_blocked) && !is_draining_);
}

void Session::schedule_input() {
  // Not at once: the caller is in the middle of handing out replies.
  if (input_scheduled_) return;
  input_scheduled_ = true;
  services_.loop.at_turn_end([&sessions = services_.sessions, id = id_] {
    if (Session* session = sessions.find(id)) session->go_on();
  });
}

void Session::go_on() {
  input_scheduled_ = false;
  services_.loop.forget_time();  // a long turn must not make hits live longer than their deadline
  if (phase_ == Phase::kOpen && pauses_ == kPutOff && put_off_is_due()) dispatch_put_off();
  if (phase_ == Phase::kOpen && pauses_ == 0) take_input(in_);
  if (is_draining_ && pauses_ == 0) close_after_replies();
}

void Session::flush_at_turn_end() {
  flush_scheduled_ = true;
  services_.loop.at_turn_end([&sessions = services_.sessions, id = id_] {
    Session* session = sessions.find(id);
    if (session == nullptr) return;
    session->flush_scheduled_ = false;
    session->flush();
  });
}

void Session::on_writable() {
  write_blocked_ = false;
  stream_->want_write(false);
  flush();
}

void Session::flush() {
  std::array<iovec, kIovecMax> pieces;
  while (!out_.empty() && !write_blocked_) {
    const std::size_t count = out_.fill_iovec(pieces);
    const net::IoResult result = stream_->write({pieces.data(), count});
    switch (result.status) {
      case net::IoResult::Status::kOk:
        out_.consume(result.bytes);
        last_active_ = services_.loop.now();
        services_.metrics.net_output_bytes.add(result.bytes);
        break;
      case net::IoResult::Status::kWouldBlock:
        write_blocked_ = true;
        stream_->want_write(true);
        break;
      case net::IoResult::Status::kClosed:
      case net::IoResult::Status::kError:
        close();
        return;
    }
  }
  after_flush();
}

void Session::after_flush() {
  note_output_size();
  if (over_limit()) {
    const bool is_subscriber = is_subscribed() || is_monitor_;
    (is_subscriber ? services_.metrics.clients_closed_pubsub_limit : services_.metrics.clients_closed_output_limit)
        .add();
    log::warn("client closed", {{"client", peer_}, {"reason", "output buffer limit"}});
    close();
    return;
  }
  if (phase_ == Phase::kClosing && owes_nothing()) {
    close();
    return;
  }
  if (out_.size() > services_.limits.output_pause_bytes) {
    pause(kOutputFull);
    update_reading();
  } else if (out_.size() <= services_.limits.output_pause_bytes / 2) {
    resume(kOutputFull);
  }
}

bool Session::over_limit() { return out_.size() + replies_.waiting_bytes() > output_limit(); }

bool Session::is_idle_for(base::Duration time) const noexcept {
  // Who waits for a reply is not idle, however long it takes; who does not take it is.
  return replies_.empty() && !is_subscribed() && !is_monitor_ && services_.loop.now() - last_active_ >= time;
}

bool Session::is_stuck() const noexcept {
  const base::TimePoint now = services_.loop.now();
  if (over_soft_since_ && now - *over_soft_since_ >= services_.limits.pubsub_output_soft_time) return true;
  return !out_.empty() && now - last_active_ >= kWriteTimeout;
}

void Session::release_idle_memory() noexcept {
  if (owes_nothing()) out_.clear();
}

void Session::close_after_replies() {
  if (phase_ != Phase::kOpen) return;
  phase_ = Phase::kClosing;
  update_reading();
  schedule_flush();  // which closes as soon as nothing is owed
}

void Session::drain() {
  is_draining_ = true;
  if (is_blocked_) {
    close();  // its reply may never come, and is owed no more than at a server that stops
  } else if (pauses_ == 0 && !input_scheduled_) {
    close_after_replies();  // all complete commands have been run
  } else {
    update_reading();
  }
}

void Session::close() {
  if (phase_ == Phase::kClosed) return;
  phase_ = Phase::kClosed;
  abandon_transaction();
  leave_feeds();
  stream_->close();
  services_.sessions.retire(id_);
}

std::string_view Session::type_name() const noexcept { return is_subscribed() ? "pubsub" : "normal"; }
std::string Session::local_address() const { return stream_->local_name(); }

std::string Session::describe() const {
  const auto seconds = [now = services_.loop.now()](base::TimePoint since) {
    return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(now - since).count());
  };
  std::string line = "id=" + std::to_string(client_id()) + " addr=" + peer_ + " laddr=" + stream_->local_name();
  line += " fd=-1 name=" + name_ + " age=" + seconds(connected_at_) + " idle=" + seconds(last_active_);
  std::string flags = transaction_.is_open ? "x" : "";
  if (is_blocked_) flags += "b";
  if (is_monitor_) flags += "O";
  if (is_subscribed()) flags += "P";
  if (is_spared_from_eviction_) flags += "e";
  const auto count = [this](TopicKind kind) {
    return std::to_string(subscriber_ ? subscriber_->names[static_cast<std::size_t>(kind)].size() : 0);
  };
  line += " flags=" + (flags.empty() ? "N" : flags) + " db=" + std::to_string(lane_.db);
  line += " sub=" + count(TopicKind::kChannel) + " psub=" + count(TopicKind::kPattern);
  line += " ssub=" + count(TopicKind::kShardChannel) + " multi=";
  line += transaction_.is_open ? std::to_string(transaction_.queued) : "-1";
  line += " qbuf=" + std::to_string(in_.size()) + " qbuf-free=" + std::to_string(in_.capacity() - in_.size());
  line += " argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=0 oll=" + std::to_string(replies_.pending());
  line += " omem=" + std::to_string(out_.size()) + " tot-mem=" + std::to_string(sizeof(Session) + in_.capacity());
  line += " events=r cmd=" + std::string(last_command_) + " user=" + user_name() + " redir=-1 resp=";
  line += lane_.protocol == resp::Protocol::kResp3 ? "3" : "2";
  if (library_ && !(library_->name.empty() && library_->version.empty())) {
    line += " lib-name=" + library_->name + " lib-ver=" + library_->version;
  }
  line += "\n";
  return line;
}

}  // namespace anteroom::proxy
