#include "backend/hiredis_backend.hpp"

#include <utility>

#include "backend/hiredis_hooks.hpp"
#include "base/check.hpp"
#include "base/log.hpp"

namespace anteroom::backend {
namespace {

constexpr int kSilentTimeouts = 2;
constexpr std::size_t kCongestedBytes = 1u << 20;
constexpr int kUnknownDb = -1;

}  // namespace

HiredisBackend::HiredisBackend(Context context, Options options, std::uint64_t jitter_seed)
    : context_(context),
      options_(std::move(options)),
      connector_(context.loop, context.resolver, context.mailbox),
      timer_(context.loop, [this] { on_timer(); }),
      reconnect_(options_.reconnect_base, options_.reconnect_cap, jitter_seed) {}

HiredisBackend::~HiredisBackend() { close(); }

void HiredisBackend::start() {
  if (state_ == State::kIdle) dial();
}

void HiredisBackend::fetch(FetchId id, int db, std::string_view key) {
  switch (state_) {
    case State::kClosed:
      fail_later(id, base::StagedError::shutting_down());
      return;
    case State::kBackoff:
      if (!context_.outage_log.is_up()) {
        fail_later(id, last_error_);
        return;
      }
      timer_.cancel();  // another connection has found the upstream back
      dial();
      break;
    case State::kIdle:
      dial();
      break;
    case State::kDialing:
    case State::kHandshaking:
    case State::kUp:
      break;
  }
  if (waiting_.size() + in_flight_.size() >= options_.queue_max) {
    fail_later(id, base::StagedError::overloaded());
    return;
  }
  Fetch fetch{.id = id, .db = db, .key = std::string(key)};
  if (state_ == State::kUp) {
    send(std::move(fetch));
  } else {
    waiting_bytes_ += key.size();
    waiting_.push_back(std::move(fetch));
  }
}

bool HiredisBackend::is_congested() const noexcept {
  const std::size_t outgoing = redis_ != nullptr ? Hooks::unwritten_bytes(*redis_) : 0;
  return waiting_bytes_ + outgoing > kCongestedBytes || waiting_.size() + in_flight_.size() > options_.queue_max / 2;
}

void HiredisBackend::fail_later(FetchId id, base::StagedError error) {
  context_.loop.at_turn_end([this, id, error = std::move(error)] { context_.events.on_failed(id, error); });
}

void HiredisBackend::close() {
  if (state_ == State::kClosed) return;
  state_ = State::kClosed;
  connector_.cancel();
  timer_.cancel();
  if (redis_ != nullptr) redisAsyncFree(redis_);  // ends in on_disconnected()
  drop_stream();
  fail_waiting(base::StagedError::shutting_down());
}

// --- Connecting ---

void HiredisBackend::dial() {
  state_ = State::kDialing;
  context_.metrics.upstream_dials.add();
  connector_.start(options_.target, [this](net::Connector::Result result) { on_dialed(std::move(result)); });
}

void HiredisBackend::on_dialed(net::Connector::Result result) {
  if (!result) {
    dial_failed(result.error().staged(options_.target));
    return;
  }
  attach(std::move(*result));
  shake_hands();
}

void HiredisBackend::attach(std::unique_ptr<net::ByteStream> stream) {
  stream_ = std::move(stream);
  stream_->set_events(this);
  redis_ = Hooks::make_context(*this);
  selected_db_ = 0;
  select_error_.clear();
  written_bytes_ = 0;
}

void HiredisBackend::shake_hands() {
  state_ = State::kHandshaking;
  timer_.start(options_.handshake_timeout);
  handshake_replies_due_ = 1;
  if (!options_.password.empty()) {
    ++handshake_replies_due_;
    if (options_.user.empty()) {
      Hooks::command(redis_, Hooks::on_handshake, {"AUTH", options_.password});
    } else {
      Hooks::command(redis_, Hooks::on_handshake, {"AUTH", options_.user, options_.password});
    }
  }
  // Also the probe for a server that wants a password that we do not have.
  Hooks::command(redis_, Hooks::on_handshake, {"CLIENT", "SETNAME", "anteroom-fill"});
}

void HiredisBackend::on_handshake_reply(const redisReply* reply) {
  if (state_ != State::kHandshaking || reply == nullptr) return;
  const bool is_auth = handshake_replies_due_ == 2;
  if (const auto error = Hooks::error_text(*reply); !error.empty()) {
    if (error.starts_with("ERR max number of clients")) {
      dial_failed(base::StagedError::connect_failed(base::Stage::kHandshake, "max number of clients reached", {}));
      return;
    }
    if (is_auth || error.starts_with("NOAUTH")) {
      dial_failed(base::StagedError::authentication_failed(error));
      return;
    }
    if (error.starts_with("DENIED")) {
      dial_failed(base::StagedError::handshake_refused(error));
      return;
    }
  }
  if (--handshake_replies_due_ > 0) return;
  if (Hooks::has_unread_bytes(*redis_)) {
    dial_failed(base::StagedError::handshake_refused("more replies than commands"));
  } else {
    on_up();
  }
}

void HiredisBackend::on_up() {
  state_ = State::kUp;
  timer_.cancel();
  last_received_ = context_.loop.now();
  reconnect_.on_up(context_.loop.now());
  context_.metrics.upstream_links.add(1);
  is_counted_ = true;
  context_.outage_log.succeeded(context_.loop.now());
  waiting_bytes_ = 0;
  while (!waiting_.empty()) {
    Fetch fetch = std::move(waiting_.front());
    waiting_.pop_front();
    send(std::move(fetch));
  }
}

void HiredisBackend::dial_failed(const base::StagedError& error) {
  last_error_ = error;
  state_ = State::kBackoff;
  if (redis_ != nullptr) redisAsyncFree(redis_);
  drop_stream();
  context_.metrics.upstream_dial_errors.add();
  context_.outage_log.failed(error.reply(), context_.loop.now());
  timer_.start(reconnect_.pause_after_failure());
  fail_waiting(error);
}

void HiredisBackend::on_disconnected() {
  redis_ = nullptr;
  drop_stream();
  if (state_ == State::kHandshaking) {
    dial_failed(base::StagedError::handshake_lost());
    return;
  }
  if (state_ == State::kUp) {
    timer_.cancel();
    context_.metrics.upstream_losses.add();
    log::info("fill connection lost",
              {{"upstream", options_.target.label()}, {"pending", static_cast<std::int64_t>(in_flight_.size())}});
    const base::Duration pause = reconnect_.pause_after_loss(context_.loop.now());
    if (pause > base::Duration::zero()) {
      last_error_ = base::StagedError::connect_failed(base::Stage::kConnect, "lost right after it was made", {});
      context_.outage_log.failed(last_error_.reply(), context_.loop.now());
      state_ = State::kBackoff;
      timer_.start(pause);
    } else {
      dial();
    }
  }
  for (const Fetch& fetch : std::exchange(in_flight_, {})) {
    if (!fetch.is_failed) {
      context_.events.on_failed(fetch.id, base::StagedError::connection_lost(base::Executed::kUnknown));
    }
  }
}

void HiredisBackend::fail_waiting(const base::StagedError& error) {
  waiting_bytes_ = 0;
  for (const Fetch& fetch : std::exchange(waiting_, {})) context_.events.on_failed(fetch.id, error);
}

void HiredisBackend::drop_stream() {
  if (!stream_) return;
  if (is_counted_) context_.metrics.upstream_links.add(-1);
  is_counted_ = false;
  stream_->close();
  // It may be calling us.
  context_.loop.at_turn_end([stream = std::move(stream_)]() mutable { stream.reset(); });
}

void HiredisBackend::on_timer() {
  switch (state_) {
    case State::kHandshaking:
      dial_failed(base::StagedError::handshake_timeout(options_.handshake_timeout));
      return;
    case State::kBackoff:
      dial();
      return;
    case State::kUp:
      if (!in_flight_.empty() && last_received_ + kSilentTimeouts * options_.response_timeout <= context_.loop.now()) {
        redisAsyncFree(redis_);
      } else {
        arm_silence_timer();
      }
      return;
    case State::kIdle:
    case State::kDialing:
    case State::kClosed:
      return;
  }
}

void HiredisBackend::arm_silence_timer() {
  if (options_.response_timeout == base::Milliseconds::zero() || timer_.is_running() || in_flight_.empty()) return;
  timer_.start(options_.response_timeout);
}

// --- Fetching ---

void HiredisBackend::send(Fetch fetch) {
  if (in_flight_.empty()) last_received_ = context_.loop.now();  // silence counts from the first unanswered fetch
  if (fetch.db != selected_db_) {
    Hooks::command(redis_, Hooks::on_select, {"SELECT", std::to_string(fetch.db)});
    fetch.first_command_end = written_bytes_ + Hooks::unwritten_bytes(*redis_);
    selected_db_ = fetch.db;
  }
  Hooks::command(redis_, Hooks::on_get, {"GET", fetch.key});
  if (fetch.first_command_end == 0) fetch.first_command_end = written_bytes_ + Hooks::unwritten_bytes(*redis_);
  context_.metrics.fills_sent.add();
  Hooks::command(redis_, Hooks::on_pttl, {"PTTL", fetch.key});
  fetch.key = {};
  in_flight_.push_back(std::move(fetch));
  arm_silence_timer();
}

void HiredisBackend::on_select_reply(const redisReply& reply) {
  select_error_ = Hooks::error_text(reply);
  if (!select_error_.empty()) selected_db_ = kUnknownDb;  // the next fetch selects again
}

void HiredisBackend::on_get_reply(const redisReply& reply) {
  ANTEROOM_CHECK(!in_flight_.empty());
  Fetch& fetch = in_flight_.front();
  const std::string_view own_error = Hooks::error_text(reply);
  const std::string error(select_error_.empty() ? own_error : std::string_view(select_error_));
  if (!error.empty()) {
    fetch.is_failed = true;
    context_.events.on_server_error(fetch.id, error);
    return;
  }
  context_.events.on_value(fetch.id, Hooks::encode(reply));
}

void HiredisBackend::on_pttl_reply(const redisReply& reply) {
  ANTEROOM_CHECK(!in_flight_.empty());
  const Fetch fetch = std::move(in_flight_.front());
  in_flight_.pop_front();
  end_if_bytes_are_left();
  if (fetch.is_failed) return;
  if (const auto ttl = Hooks::integer(reply)) {
    context_.events.on_ttl(fetch.id, *ttl);
  } else {
    context_.events.on_server_error(fetch.id, Hooks::error_text(reply));
  }
}

bool HiredisBackend::reply_is_due() const noexcept {
  return !in_flight_.empty() && in_flight_.front().first_command_end <= written_bytes_;
}

void HiredisBackend::end_if_bytes_are_left() {
  if (reply_is_due() || !Hooks::has_unread_bytes(*redis_)) return;
  log::warn("fill connection sent unexpected bytes", {{"upstream", options_.target.label()}});
  redisAsyncFree(redis_);  // takes effect when the callback returns
}

// --- Bytes ---

void HiredisBackend::on_readable() {
  last_received_ = context_.loop.now();
  redisAsyncHandleRead(redis_);
}

void HiredisBackend::on_writable() { redisAsyncHandleWrite(redis_); }

}  // namespace anteroom::backend
