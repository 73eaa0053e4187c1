#include "backend/hiredis_backend.hpp"

#include <algorithm>
#include <utility>

#include "backend/hiredis_hooks.hpp"
#include "base/check.hpp"
#include "base/log.hpp"

namespace anteroom::backend {
namespace {

constexpr int kSilentTimeouts = 2;
constexpr std::size_t kCongestedBytes = 1u << 20;
constexpr int kUnknownDb = -1;
// What is longer than that takes as long as many round trips; and what waits behind less is soon there.
constexpr std::uint64_t kHoldUpBytes = 8u << 20;

std::size_t bytes_of(const std::vector<std::string>& texts) {
  std::size_t sum = 0;
  for (const std::string& text : texts) sum += text.size();
  return sum;
}

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

void HiredisBackend::fetch(FetchId id, const FetchRequest& request) {
  Fetch fetch;
  fetch.ids = {id};
  fetch.db = request.db;
  fetch.keys.emplace_back(request.key);
  fetch.command = request.command;
  fetch.is_string = request.command.empty();
  fetch.in_resp3 = request.in_resp3;
  submit(std::move(fetch));
}

void HiredisBackend::fetch_group(std::span<const FetchId> ids, int db, std::span<const std::string_view> keys) {
  ANTEROOM_CHECK(!ids.empty() && ids.size() == keys.size());
  Fetch fetch;
  fetch.ids.assign(ids.begin(), ids.end());
  fetch.db = db;
  fetch.keys.assign(keys.begin(), keys.end());
  submit(std::move(fetch));
}

void HiredisBackend::submit(Fetch fetch) {
  switch (state_) {
    case State::kClosed:
      fail_later(std::move(fetch.ids), base::StagedError::shutting_down());
      return;
    case State::kBackoff:
      if (!context_.outage_log.is_up()) {
        fail_later(std::move(fetch.ids), last_error_);
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
  if (fetches_ + fetch.ids.size() > options_.queue_max) {
    fail_later(std::move(fetch.ids), base::StagedError::overloaded());
    return;
  }
  fetches_ += fetch.ids.size();
  if (state_ == State::kUp) {
    send(std::move(fetch));
  } else {
    waiting_bytes_ += bytes_of(fetch.keys) + fetch.command.size();
    waiting_.push_back(std::move(fetch));
  }
}

void HiredisBackend::fence() {
  if (state_ != State::kUp || fences_ >= kFencesMax) return;
  Fetch fence;
  fence.sent = context_.loop.now();
  ++fences_;
  send(std::move(fence));
}

bool HiredisBackend::is_congested() const noexcept {
  const std::size_t outgoing = redis_ != nullptr ? Hooks::unwritten_bytes(*redis_) : 0;
  return waiting_bytes_ + outgoing > kCongestedBytes || fetches_ > options_.queue_max / 2;
}

void HiredisBackend::fail_later(std::vector<FetchId> ids, base::StagedError error) {
  context_.loop.at_turn_end([this, ids = std::move(ids), error = std::move(error)] {
    for (const FetchId id : ids) context_.events.on_failed(id, error);
  });
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
  filter_.emplace(std::max(options_.bulk_bytes_max, kBulkBytesMin));
}

void HiredisBackend::shake_hands() {
  state_ = State::kHandshaking;
  timer_.start(options_.handshake_timeout);
  handshake_.emplace(FillHandshake::Credentials{options_.user, options_.password}, options_.tracking);
  send_handshake();
}

void HiredisBackend::send_handshake() {
  handshake_sent_ = context_.loop.now();
  for (const FillHandshake::Command& command : handshake_->commands()) {
    Hooks::command(redis_, Hooks::on_handshake, command);
  }
}

void HiredisBackend::on_handshake_reply(const redisReply& reply) {
  if (state_ != State::kHandshaking) return;
  const FillHandshake::Step step = handshake_->on_reply(Hooks::handshake_reply(reply));
  if (step == FillHandshake::Step::kMore) return;
  if (step == FillHandshake::Step::kFailed) {
    dial_failed(base::StagedError(handshake_->error()));
  } else if (Hooks::next_is_reply(*redis_)) {
    dial_failed(base::StagedError::handshake_refused("more replies than commands"));
  } else if (step == FillHandshake::Step::kSend) {
    send_handshake();
  } else {
    Greeting greeting = handshake_->greeting();
    greeting.fence_sent = handshake_sent_;
    on_up(greeting);
  }
}

void HiredisBackend::on_up(const Greeting& greeting) {
  state_ = State::kUp;
  handshake_.reset();
  timer_.cancel();
  last_received_ = context_.loop.now();
  reconnect_.on_up(context_.loop.now());
  context_.metrics.upstream_links.add(1);
  is_counted_ = true;
  context_.outage_log.succeeded(context_.loop.now());
  context_.coherence.on_connected(greeting);
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
  context_.coherence.on_lost();
  fail_waiting(error);
}

void HiredisBackend::on_disconnected() {
  redis_ = nullptr;
  const std::optional<net::ConnectError> trouble = stream_ ? stream_->trouble() : std::nullopt;
  drop_stream();
  if (state_ == State::kHandshaking) {
    dial_failed(trouble ? trouble->staged(options_.target) : base::StagedError::handshake_lost());
    return;
  }
  if (state_ == State::kUp) {
    timer_.cancel();
    context_.coherence.on_lost();
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
  fences_ = 0;
  const auto lost = base::StagedError::connection_lost(base::Executed::kUnknown,
                                                       trouble ? base::Stage::kQuic : base::Stage::kResponse);
  for (const Fetch& fetch : std::exchange(in_flight_, {})) fail(fetch, lost);
}

void HiredisBackend::fail(const Fetch& fetch, const base::StagedError& error) {
  fetches_ -= fetch.ids.size();
  for (std::size_t i = fetch.ttls_received; i < fetch.ids.size(); ++i) context_.events.on_failed(fetch.ids[i], error);
}

void HiredisBackend::fail_waiting(const base::StagedError& error) {
  waiting_bytes_ = 0;
  for (const Fetch& fetch : std::exchange(waiting_, {})) fail(fetch, error);
}

void HiredisBackend::drop_stream() {
  filter_.reset();
  settle_hold_up();
  if (!stream_) return;
  if (is_counted_) context_.metrics.upstream_links.add(-1);
  is_counted_ = false;
  if (writing_ == Writing::kBlocked) writing_ = Writing::kNone;
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
  if (in_flight_.empty()) last_received_ = context_.loop.now();  // silence counts from the first unanswered command
  const bool is_fence = fetch.ids.empty();
  if (!is_fence && fetch.db != selected_db_) {
    Hooks::command(redis_, Hooks::on_select, {{"SELECT", std::to_string(fetch.db)}});
    fetch.first_command_end = written_bytes_ + Hooks::unwritten_bytes(*redis_);
    selected_db_ = fetch.db;
  }
  if (is_fence) {
    Hooks::command(redis_, Hooks::on_fence, {{"PING"}});
  } else if (!fetch.command.empty()) {
    Hooks::formatted_command(redis_, Hooks::on_value, fetch.command);
  } else {
    std::vector<std::string_view> args{fetch.ids.size() == 1 ? "GET" : "MGET"};
    args.insert(args.end(), fetch.keys.begin(), fetch.keys.end());
    Hooks::command(redis_, Hooks::on_value, args);
  }
  if (fetch.first_command_end == 0) fetch.first_command_end = written_bytes_ + Hooks::unwritten_bytes(*redis_);
  for (const std::string& key : fetch.keys) Hooks::command(redis_, Hooks::on_pttl, {{"PTTL", key}});
  context_.metrics.fills_sent.add(fetch.ids.size());
  fetch.keys = {};
  fetch.command = {};
  in_flight_.push_back(std::move(fetch));
  arm_silence_timer();
}

void HiredisBackend::on_select_reply(const redisReply& reply) {
  select_error_ = Hooks::error_text(reply);
  if (!select_error_.empty()) selected_db_ = kUnknownDb;  // the next fetch selects again
}

void HiredisBackend::on_value_reply(const redisReply& reply) {
  ANTEROOM_CHECK(!in_flight_.empty() && !in_flight_.front().ids.empty());
  Fetch& fetch = in_flight_.front();
  std::string error(Hooks::error_text(reply));
  if (!select_error_.empty()) error = select_error_;
  if (error.empty() && fetch.ids.size() > 1 && Hooks::elements(reply) != fetch.ids.size()) {
    error = "ERR anteroom: MGET was answered with another number of values";
  }
  if (select_error_.empty() && fetch.ids.size() == 1 && Hooks::is_too_large(reply)) {
    refuse(fetch.ids[0]);
  } else if (!error.empty()) {
    fetch.is_ttl_useless = !error.starts_with("WRONGTYPE");
    for (const FetchId id : fetch.ids) context_.events.on_server_error(id, error);
  } else if (fetch.ids.size() > 1) {
    for (std::size_t i = 0; i < fetch.ids.size(); ++i) {
      const redisReply& element = Hooks::element(reply, i);
      if (Hooks::is_too_large(element)) {
        refuse(fetch.ids[i]);
      } else {
        context_.events.on_value(fetch.ids[i], Hooks::encode_string(element));
      }
    }
  } else {
    context_.events.on_value(fetch.ids[0],
                             fetch.is_string ? Hooks::encode_string(reply) : Hooks::encode(reply, fetch.in_resp3));
  }
}

void HiredisBackend::refuse(FetchId id) {
  context_.metrics.fills_too_large.add();
  context_.events.on_too_large(id);
}

void HiredisBackend::on_pttl_reply(const redisReply& reply) {
  ANTEROOM_CHECK(!in_flight_.empty() && !in_flight_.front().ids.empty());
  Fetch& front = in_flight_.front();
  const FetchId id = front.ids[front.ttls_received++];
  const auto ttl = front.is_ttl_useless ? std::nullopt : Hooks::integer(reply);
  if (front.ttls_received == front.ids.size()) {
    fetches_ -= front.ids.size();
    in_flight_.pop_front();
  }
  end_if_replies_are_left();
  if (ttl) {
    context_.events.on_ttl(id, *ttl);
  } else {
    context_.events.on_failed(id, base::StagedError::verbatim(std::string(Hooks::error_text(reply))));
  }
}

void HiredisBackend::on_fence_reply(const redisReply& reply) {
  ANTEROOM_CHECK(!in_flight_.empty() && in_flight_.front().ids.empty());
  const base::TimePoint sent = in_flight_.front().sent;
  in_flight_.pop_front();
  --fences_;
  end_if_replies_are_left();
  if (Hooks::error_text(reply).empty()) context_.coherence.on_fence(sent);
}

void HiredisBackend::on_push(const redisReply& push) {
  if (state_ == State::kUp) end_if_replies_are_left();
  const Hooks::Invalidation invalidation = Hooks::invalidation(push);
  if (invalidation.is_everything) context_.coherence.on_all_invalidated();
  for (const std::string_view key : invalidation.keys) context_.coherence.on_invalidated(key);
}

bool HiredisBackend::reply_is_due() const noexcept {
  return !in_flight_.empty() && in_flight_.front().first_command_end <= written_bytes_;
}

void HiredisBackend::end_if_replies_are_left() {
  if (reply_is_due() || !Hooks::next_is_reply(*redis_)) return;
  log::warn("fill connection sent unexpected bytes", {{"upstream", options_.target.label()}});
  Hooks::stop_reading(*redis_);
}

// --- Bytes ---

void HiredisBackend::on_readable() {
  last_received_ = context_.loop.now();
  redisAsyncHandleRead(redis_);
  settle_hold_up();
}

void HiredisBackend::settle_hold_up() {
  const bool is_held_up =
      state_ == State::kUp && filter_ && filter_->bytes_to_skip() > (is_held_up_ ? 0 : kHoldUpBytes);
  if (is_held_up == is_held_up_) return;
  is_held_up_ = is_held_up;
  context_.coherence.on_held_up(is_held_up);
}

void HiredisBackend::on_writable() { write(); }

// hiredis asks for it with every command. At the end of the turn all of them leave by one system call, and the loop is
// asked to wait only where the stream has not taken everything.
void HiredisBackend::schedule_write() {
  switch (writing_) {
    case Writing::kNone:
      writing_ = Writing::kScheduled;
      context_.loop.at_turn_end([this] {
        if (writing_ == Writing::kScheduled) write();
      });
      return;
    case Writing::kNow:
      writing_ = Writing::kBlocked;
      stream_->want_write(true);
      return;
    case Writing::kScheduled:
    case Writing::kBlocked:
      return;
  }
}

void HiredisBackend::write() {
  writing_ = Writing::kNow;
  if (redis_ != nullptr) redisAsyncHandleWrite(redis_);
  if (writing_ == Writing::kNow) writing_ = Writing::kNone;
}

}  // namespace anteroom::backend
