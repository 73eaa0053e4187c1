#include "backend/hiredis_backend.hpp"

#include <algorithm>
#include <utility>

#include "backend/hiredis_reader.hpp"
#include "backend/hiredis_replies.hpp"
#include "backend/resp2_encoding.hpp"
#include "base/check.hpp"
#include "base/log.hpp"

namespace anteroom::backend {
namespace {

constexpr int kSilentTimeouts = 2;
constexpr std::size_t kCongestedBytes = 1u << 20;

std::size_t bytes_of(std::span<const std::string_view> texts) {
  std::size_t sum = 0;
  for (const std::string_view text : texts) sum += text.size();
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
  if (!admit({&id, 1})) return;
  if (state_ == State::kUp) {
    send_fetch(id, request);
    return;
  }
  waiting_bytes_ += request.key.size() + request.command.size();
  waiting_.push_back({{id}, request.db, {std::string(request.key)}, std::string(request.command), request.in_resp3});
}

void HiredisBackend::fetch_group(std::span<const FetchId> ids, int db, std::span<const std::string_view> keys) {
  ANTEROOM_CHECK(!ids.empty() && ids.size() == keys.size());
  if (!admit(ids)) return;
  if (state_ == State::kUp) {
    send_group(ids, db, keys);
    return;
  }
  waiting_bytes_ += bytes_of(keys);
  waiting_.push_back({{ids.begin(), ids.end()}, db, {keys.begin(), keys.end()}, {}, false});
}

// Counts them in; or has them fail at the end of the turn.
bool HiredisBackend::admit(std::span<const FetchId> ids) {
  switch (state_) {
    case State::kClosed:
      fail_later(ids, base::StagedError::shutting_down());
      return false;
    case State::kBackoff:
      if (!context_.outage_log.is_up()) {
        fail_later(ids, last_error_);
        return false;
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
  if (fetches_ + ids.size() > options_.queue_max) {
    fail_later(ids, base::StagedError::overloaded());
    return false;
  }
  fetches_ += ids.size();
  return true;
}

void HiredisBackend::fence() {
  if (state_ != State::kUp || fences_ >= kFencesMax) return;
  append_command({{"PING"}});
  ++fences_;
  await({.kind = Sent::Kind::kFence, .at = context_.loop.now()});
}

bool HiredisBackend::is_congested() const noexcept {
  return waiting_bytes_ + out_.size() > kCongestedBytes || fetches_ > options_.queue_max / 2;
}

void HiredisBackend::fail_later(std::span<const FetchId> ids, base::StagedError error) {
  context_.loop.at_turn_end([this, ids = std::vector(ids.begin(), ids.end()), error = std::move(error)] {
    for (const FetchId id : ids) context_.events.on_failed(id, error);
  });
}

void HiredisBackend::close() {
  if (state_ == State::kClosed) return;
  state_ = State::kClosed;
  connector_.cancel();
  timer_.cancel();
  end_connection();
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
  stream_->want_read(true);
  reader_ = std::make_unique<HiredisReader>();
  filter_.emplace(std::max(options_.bulk_bytes_max, kBulkBytesMin));
  selected_db_ = 0;
  select_error_.clear();
  out_.clear();
  queued_bytes_ = 0;
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
    append_command(command);
  }
}

void HiredisBackend::on_handshake_reply(const redisReply& reply) {
  const FillHandshake::Step step = handshake_->on_reply(handshake_reply(reply));
  if (step == FillHandshake::Step::kMore) return;
  if (step == FillHandshake::Step::kFailed) {
    dial_failed(base::StagedError(handshake_->error()));
  } else if (reader_->holds_reply()) {
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
    const Waiting fetch = std::move(waiting_.front());
    waiting_.pop_front();
    send_waiting(fetch);
  }
}

void HiredisBackend::dial_failed(const base::StagedError& error) {
  last_error_ = error;
  state_ = State::kBackoff;
  drop_stream();
  context_.metrics.upstream_dial_errors.add();
  context_.outage_log.failed(error.reply(), context_.loop.now());
  timer_.start(reconnect_.pause_after_failure());
  context_.coherence.on_lost();
  fail_waiting(error);
}

// Not while replies are handed out: who does that goes on with what it has in hand.
void HiredisBackend::end_connection() {
  if (is_taking_) {
    must_end_ = true;
  } else if (stream_) {
    on_ended();
  }
}

void HiredisBackend::on_ended() {
  const std::optional<net::ConnectError> trouble = stream_->trouble();
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
              {{"upstream", options_.target.label()}, {"pending", static_cast<std::int64_t>(sent_.size())}});
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
  fail_sent(base::StagedError::connection_lost(base::Executed::kUnknown,
                                               trouble ? base::Stage::kQuic : base::Stage::kResponse));
}

void HiredisBackend::fail_sent(const base::StagedError& error) {
  fences_ = 0;
  due_ = 0;
  sent_.clear();
  const std::deque<FetchId> ids = std::exchange(ids_, {});
  fetches_ -= ids.size();
  for (const FetchId id : ids) context_.events.on_failed(id, error);
}

void HiredisBackend::fail_waiting(const base::StagedError& error) {
  waiting_bytes_ = 0;
  for (const Waiting& fetch : std::exchange(waiting_, {})) {
    fetches_ -= fetch.ids.size();
    for (const FetchId id : fetch.ids) context_.events.on_failed(id, error);
  }
}

void HiredisBackend::drop_stream() {
  filter_.reset();
  settle_hold_up();
  if (!stream_) return;
  if (is_counted_) context_.metrics.upstream_links.add(-1);
  is_counted_ = false;
  if (writing_ == Writing::kBlocked) writing_ = Writing::kNone;
  out_.clear();
  stream_->close();
  // They may be calling us.
  context_.loop.at_turn_end([stream = std::move(stream_), reader = std::move(reader_)]() mutable {
    stream.reset();
    reader.reset();
  });
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
      if (!sent_.empty() && last_received_ + kSilentTimeouts * options_.response_timeout <= context_.loop.now()) {
        end_connection();
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
  if (options_.response_timeout == base::Milliseconds::zero() || timer_.is_running() || sent_.empty()) return;
  timer_.start(options_.response_timeout);
}

// --- Sending ---

void HiredisBackend::send_fetch(FetchId id, const FetchRequest& request) {
  select(request.db);
  if (request.command.empty()) {
    append_command({{"GET", request.key}});
  } else {
    out_.append(request.command);
    queued_bytes_ += request.command.size();  // schedules no write: the PTTL does
  }
  const std::uint64_t command_end = queued_bytes_;
  append_command({{"PTTL", request.key}});
  ids_.push_back(id);
  await({.is_string = request.command.empty(), .in_resp3 = request.in_resp3, .fetches = 1, .command_end = command_end});
}

void HiredisBackend::send_group(std::span<const FetchId> ids, int db, std::span<const std::string_view> keys) {
  if (ids.size() == 1) {
    send_fetch(ids[0], {.db = db, .key = keys[0]});
    return;
  }
  select(db);
  std::vector<std::string_view> args{"MGET"};
  args.insert(args.end(), keys.begin(), keys.end());
  append_command(args);
  const std::uint64_t command_end = queued_bytes_;
  for (const std::string_view key : keys) append_command({{"PTTL", key}});
  ids_.insert(ids_.end(), ids.begin(), ids.end());
  await({.fetches = static_cast<std::uint32_t>(ids.size()), .command_end = command_end});
}

void HiredisBackend::send_waiting(const Waiting& fetch) {
  if (!fetch.command.empty()) {
    send_fetch(fetch.ids[0],
               {.db = fetch.db, .key = fetch.keys[0], .command = fetch.command, .in_resp3 = fetch.in_resp3});
  } else {
    send_group(fetch.ids, fetch.db, std::vector<std::string_view>(fetch.keys.begin(), fetch.keys.end()));
  }
}

void HiredisBackend::select(int db) {
  if (db == selected_db_) return;
  append_command({{"SELECT", std::to_string(db)}});
  selected_db_ = db;
  await({.kind = Sent::Kind::kSelect});
}

void HiredisBackend::await(Sent sent) {
  if (sent_.empty()) last_received_ = context_.loop.now();  // silence counts from the first unanswered command
  if (sent.command_end == 0) sent.command_end = queued_bytes_;
  context_.metrics.fills_sent.add(sent.fetches);
  sent_.push_back(sent);
  arm_silence_timer();
}

void HiredisBackend::append_command(std::span<const std::string_view> args) {
  const std::size_t before = out_.size();
  backend::append_command(out_, args);
  queued_bytes_ += out_.size() - before;
  schedule_write();
}

}  // namespace anteroom::backend
