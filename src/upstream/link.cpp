#include "upstream/link.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "base/check.hpp"
#include "base/log.hpp"

namespace anteroom::upstream {
namespace {

const char* reason_text(int loss) {
  static constexpr std::array kTexts = {"closed by peer", "I/O error",     "unexpected bytes",    "peer is silent",
                                        "reply stalled",  "write stalled", "QUIC connection lost"};
  return kTexts[static_cast<std::size_t>(loss)];
}

}  // namespace

void LinkEvents::on_push(Link&, std::string_view) {}
void LinkEvents::before_write(Link&) {}

LinkOptions for_lane(LinkOptions options, const Lane& lane) {
  options.db = lane.db;
  options.protocol = lane.protocol;
  if (lane.login) options.credentials = *lane.login;
  options.is_clients_login = lane.login != nullptr;
  return options;
}

Link::Link(LinkContext context, LinkOptions options, std::uint64_t jitter_seed)
    : context_(context),
      options_(std::move(options)),
      bytes_mark_(std::min(kCongestedBytes, options_.queue_bytes_max / 2)),
      requests_mark_(std::min(kCongestedRequests, options_.queue_requests_max / 2)),
      connector_(context.loop, context.resolver, context.mailbox),
      reconnect_(options_.reconnect_base, options_.reconnect_cap, jitter_seed),
      timer_(context.loop, [this] { on_timer(); }),
      fsm_(options_.response_timeout) {}

Link::~Link() { drop_stream(); }

void Link::start() {
  if (state_ == State::kIdle) dial();
}

std::optional<base::StagedError> Link::refusal(std::size_t command_bytes) {
  if (state_ == State::kClosed) return options_.once ? last_error_ : base::StagedError::shutting_down();
  if (state_ == State::kBackoff && !end_backoff_early()) return last_error_;
  if (fsm_.size() >= options_.queue_requests_max) return base::StagedError::overloaded();
  // One command larger than the limit may pass when nothing else waits: it was within the client's own limits.
  if (!out_.empty() && out_.size() + command_bytes > options_.queue_bytes_max) return base::StagedError::overloaded();
  return std::nullopt;
}

std::optional<base::StagedError> Link::submit(RequestId id, std::string_view command, base::Duration timeout) {
  auto refused = refusal(command.size());
  if (!refused) append(id, command, timeout);
  return refused;
}

void Link::append(RequestId id, std::string_view command, base::Duration timeout) {
  last_used_ = context_.loop.now();
  fsm_.submit(id, command.size(), timeout);
  out_.append(command);
  context_.metrics.upstream_pending.add(1);
  if (is_over(bytes_mark_, requests_mark_)) congested_ = true;
  if (state_ == State::kIdle) dial();
  if (state_ == State::kUp) schedule_flush();
}

bool Link::end_backoff_early() {
  // Another connection has found the upstream back: no reason to wait any longer. But an error about one request (no
  // such db) would only come again.
  if (last_error_.is_verbatim || !context_.outage_log.is_up()) return false;
  timer_.cancel();
  state_ = State::kIdle;
  if (options_.stay_connected) dial();  // who asks may have nothing to send
  return true;
}

void Link::close() {
  if (state_ == State::kClosed) return;
  connector_.cancel();
  timer_.cancel();
  drop_stream();
  state_ = State::kClosed;
  last_error_ = base::StagedError::shutting_down();
  fail_all(last_error_);
}

void Link::dial() {
  state_ = State::kDialing;
  context_.metrics.upstream_dials.add();
  connector_.start(options_.target, [this](auto result) { on_dialed(std::move(result)); });
}

void Link::on_dialed(std::expected<std::unique_ptr<net::ByteStream>, net::ConnectError> result) {
  if (!result) {
    dial_failed(result.error().staged(options_.target));
    return;
  }
  shake_hands(std::move(*result));
}

void Link::shake_hands(std::unique_ptr<net::ByteStream> stream) {
  stream_ = std::move(stream);
  state_ = State::kHandshaking;
  handshake_.emplace(options_.credentials, options_.db, options_.protocol);
  handshake_out_.append(handshake_->request());
  stream_->set_events(this);
  stream_->want_read(true);
  timer_.start(options_.handshake_timeout);
  flush();
}

void Link::on_up() {
  state_ = State::kUp;
  if (!handshake_->version().empty()) context_.server_facts.set_version(handshake_->version());
  context_.server_facts.set_speaks_resp3(!handshake_->version().empty());
  upstream_client_id_ = handshake_->client_id();
  handshake_.reset();
  timer_.cancel();
  last_used_ = last_write_progress_ = context_.loop.now();
  reconnect_.on_up(context_.loop.now());
  context_.metrics.upstream_links.add(1);
  context_.outage_log.succeeded(context_.loop.now());
  log::debug("link up", {{"upstream", options_.target.label()}, {"db", options_.db}});
  schedule_flush();
  context_.events.on_ready(*this, Ready::kUp);
}

void Link::dial_failed(const base::StagedError& error) {
  drop_stream();
  last_error_ = error;
  const bool is_about_login = options_.is_clients_login && error.is_login_refused();
  // The next one may have been given the right to log in meanwhile, and has to wait for nothing.
  state_ = options_.once ? State::kClosed : is_about_login ? State::kIdle : State::kBackoff;
  context_.metrics.upstream_dial_errors.add();
  // An error about one request (no such db) is not an outage, unless it is about the db that all start in.
  if (!is_about_login && (!error.is_verbatim || options_.stay_connected)) {
    context_.outage_log.failed(error.reply(), context_.loop.now());
  }
  if (state_ != State::kBackoff) {
    timer_.cancel();
  } else {
    timer_.start(reconnect_.pause_after_failure());
  }
  fail_all(error);
}

void Link::lose(Loss reason) {
  const base::TimePoint now = context_.loop.now();
  const base::Stage stage = reason == Loss::kCarrierLost ? base::Stage::kQuic : base::Stage::kResponse;
  log::info("link lost", {{"upstream", options_.target.label()},
                          {"db", options_.db},
                          {"reason", reason_text(static_cast<int>(reason))},
                          {"pending", static_cast<std::int64_t>(fsm_.size())}});
  context_.metrics.upstream_losses.add();
  drop_stream();
  timer_.cancel();
  if (options_.once) {
    last_error_ = base::StagedError::connection_lost(base::Executed::kNo, stage);
    state_ = State::kClosed;
  } else if (const base::Duration pause = reconnect_.pause_after_loss(now); pause > base::Duration::zero()) {
    last_error_ = base::StagedError::connect_failed(base::Stage::kConnect, "lost right after it was made", {});
    context_.outage_log.failed(last_error_.reply(), now);
    state_ = State::kBackoff;
    timer_.start(pause);
  } else {
    state_ = State::kIdle;
  }
  fail_all(reason == Loss::kWriteStalled ? base::StagedError::write_stalled(options_.response_timeout)
                                         : base::StagedError::connection_lost(base::Executed::kNo, stage),
           stage);
  if (state_ == State::kIdle && options_.stay_connected) dial();
}

void Link::fail_all(const base::StagedError& unsent_error, base::Stage stage_of_loss) {
  const bool was_telling = std::exchange(is_telling_, true);
  const auto lost = fsm_.on_lost();
  out_.clear();
  context_.metrics.upstream_pending.add(-static_cast<std::int64_t>(lost.size()));
  for (const LinkFsm::Lost& request : lost) {
    if (request.is_tombstone) {
      context_.events.on_discarded(request.id);
    } else if (request.executed == base::Executed::kNo) {
      context_.events.on_failed(request.id, unsent_error);
    } else if (request.executed == base::Executed::kUnknown) {
      context_.events.on_failed(request.id, base::StagedError::connection_lost(request.executed, stage_of_loss));
    } else {
      context_.events.on_failed(request.id, base::StagedError::reply_cut());
    }
  }
  update_congestion();
  is_telling_ = was_telling;
}

void Link::drop_stream() {
  if (stream_) {
    if (state_ == State::kUp) context_.metrics.upstream_links.add(-1);
    stream_->close();
    // The stream may be calling us: it must outlive this turn.
    context_.loop.at_turn_end([stream = std::move(stream_)]() mutable { stream.reset(); });
  }
  upstream_client_id_.clear();
  handshake_.reset();
  handshake_out_.clear();
  in_ = {};
  scanner_ = {};
  scanned_ = 0;
  write_blocked_ = false;
}

}  // namespace anteroom::upstream
