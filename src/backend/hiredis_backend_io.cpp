// What HiredisBackend does with bytes and replies. Connecting and sending are in hiredis_backend.cpp.
#include <algorithm>
#include <array>
#include <utility>

#include "backend/hiredis_backend.hpp"
#include "backend/hiredis_reader.hpp"
#include "backend/hiredis_replies.hpp"
#include "base/log.hpp"

namespace anteroom::backend {
namespace {

constexpr std::size_t kReadBytes = 64 * 1024;
// What is taken off the stream unread is not to keep the others waiting for long: 1 MiB, a fraction of a millisecond.
constexpr int kReadsPerTurn = 16;
// What the parser is given at a time, as its header says.
constexpr std::size_t kFeedBytes = 4 * 1024;
constexpr std::size_t kIovecMax = 64;
constexpr int kUnknownDb = -1;
// What is longer than that takes as long as many round trips; and what waits behind less is soon there.
constexpr std::uint64_t kHoldUpBytes = 8u << 20;

}  // namespace

// Until something for the parser has come.
void HiredisBackend::on_readable() {
  last_received_ = context_.loop.now();
  std::array<char, kReadBytes> buffer;  // not initialized: it is written before it is read
  for (int read = 0; read < kReadsPerTurn; ++read) {
    const net::IoResult result = stream_->read(filter_->prepare(buffer));
    if (result.status == net::IoResult::Status::kWouldBlock) break;
    if (result.status != net::IoResult::Status::kOk) {
      end_connection();
      return;
    }
    const std::size_t left = filter_->filter(buffer, result.bytes);
    if (left == 0) continue;
    take_replies({buffer.data(), left});
    break;
  }
  settle_hold_up();
}

void HiredisBackend::take_replies(std::string_view bytes) {
  is_taking_ = true;
  while (!bytes.empty() && reader_ && !must_end_) {
    reader_->feed(bytes.substr(0, kFeedBytes));
    bytes.remove_prefix(std::min(bytes.size(), kFeedBytes));
    while (reader_ && !must_end_) {
      const redisReply* const reply = reader_->next();
      if (reply == nullptr) break;
      take(*reply);
    }
    if (!reader_) break;
    if (reader_->has_failed()) must_end_ = true;
  }
  if (reader_ && !must_end_ && state_ == State::kUp && !reply_is_due() && reader_->holds_reply()) end_for_unexpected();
  is_taking_ = false;
  if (std::exchange(must_end_, false)) end_connection();
}

// Pushes come whenever they like.
void HiredisBackend::take(const redisReply& reply) {
  if (reply.type == REDIS_REPLY_PUSH) {
    on_push(reply);
  } else if (state_ == State::kHandshaking) {
    on_handshake_reply(reply);
  } else if (!reply_is_due()) {
    end_for_unexpected();
  } else if (sent_.front().kind == Sent::Kind::kFence) {
    on_fence_reply(reply);
  } else if (sent_.front().kind == Sent::Kind::kSelect) {
    on_select_reply(reply);
  } else if (!sent_.front().has_value) {
    on_value_reply(reply);
  } else {
    on_pttl_reply(reply);
  }
}

bool HiredisBackend::reply_is_due() const noexcept {
  return !sent_.empty() && sent_.front().command_end <= queued_bytes_ - out_.size();
}

void HiredisBackend::end_for_unexpected() {
  log::warn("fill connection sent unexpected bytes", {{"upstream", options_.target.label()}});
  end_connection();
}

void HiredisBackend::on_select_reply(const redisReply& reply) {
  sent_.pop_front();
  select_error_ = error_text(reply);
  if (!select_error_.empty()) selected_db_ = kUnknownDb;  // the next fetch selects again
}

// The next ones, when those of the last time have ended.
void HiredisBackend::announce_due() {
  if (due_ > 0) return;
  std::array<FetchId, FetchEvents::kDueMax> next;
  due_ = std::min(ids_.size(), next.size());
  std::copy_n(ids_.begin(), due_, next.begin());
  context_.events.on_due({next.data(), due_});
}

void HiredisBackend::on_value_reply(const redisReply& reply) {
  announce_due();
  Sent& fetch = sent_.front();
  fetch.has_value = true;
  const std::string_view own_error = error_text(reply);
  const std::string_view error = select_error_.empty() ? own_error : std::string_view(select_error_);
  if (fetch.fetches == 1 && select_error_.empty() && is_too_large(reply)) {
    refuse(ids_.front());
  } else if (!error.empty()) {
    fail_values(fetch, error);
  } else if (fetch.fetches > 1) {
    on_values_reply(reply, fetch);
  } else {
    context_.events.on_value(ids_.front(), fetch.is_string ? encode_string(reply) : encode(reply, fetch.in_resp3));
  }
}

void HiredisBackend::on_values_reply(const redisReply& reply, Sent& fetch) {
  if (reply.elements != fetch.fetches) {
    fail_values(fetch, "ERR anteroom: MGET was answered with another number of values");
    return;
  }
  for (std::size_t i = 0; i < reply.elements; ++i) {
    const redisReply& element = *reply.element[i];
    if (is_too_large(element)) {
      refuse(ids_[i]);
    } else {
      context_.events.on_value(ids_[i], encode_string(element));
    }
  }
}

void HiredisBackend::fail_values(Sent& fetch, std::string_view error) {
  fetch.is_ttl_useless = !error.starts_with("WRONGTYPE");
  for (std::size_t i = 0; i < fetch.fetches; ++i) context_.events.on_server_error(ids_[i], error);
}

void HiredisBackend::refuse(FetchId id) {
  context_.metrics.fills_too_large.add();
  context_.events.on_too_large(id);
}

void HiredisBackend::on_pttl_reply(const redisReply& reply) {
  Sent& fetch = sent_.front();
  const FetchId id = ids_.front();
  const auto ttl = fetch.is_ttl_useless ? std::nullopt : integer(reply);
  ids_.pop_front();
  if (due_ > 0) --due_;  // of a group, all values have come before the first of these
  --fetches_;
  if (--fetch.fetches == 0) sent_.pop_front();
  if (ttl) {
    context_.events.on_ttl(id, *ttl);
  } else {
    context_.events.on_failed(id, base::StagedError::verbatim(std::string(error_text(reply))));
  }
}

void HiredisBackend::on_fence_reply(const redisReply& reply) {
  const base::TimePoint sent = sent_.front().at;
  sent_.pop_front();
  --fences_;
  if (error_text(reply).empty()) context_.coherence.on_fence(sent);
}

void HiredisBackend::on_push(const redisReply& push) {
  const Invalidation heard = invalidation(push);
  if (heard.is_everything) context_.coherence.on_all_invalidated();
  for (const std::string_view key : heard.keys) context_.coherence.on_invalidated(key);
}

void HiredisBackend::settle_hold_up() {
  const bool is_held_up =
      state_ == State::kUp && filter_ && filter_->bytes_to_skip() > (is_held_up_ ? 0 : kHoldUpBytes);
  if (is_held_up == is_held_up_) return;
  is_held_up_ = is_held_up;
  context_.coherence.on_held_up(is_held_up);
}

// The commands of a turn leave by one system call, and the loop is asked to wait only where the stream has not taken
// everything.
void HiredisBackend::schedule_write() {
  if (writing_ != Writing::kNone) return;
  writing_ = Writing::kScheduled;
  context_.loop.at_turn_end([this] {
    if (writing_ == Writing::kScheduled) write();
  });
}

void HiredisBackend::write() {
  const bool was_blocked = std::exchange(writing_, Writing::kNone) == Writing::kBlocked;
  while (stream_ && !out_.empty()) {
    std::array<iovec, kIovecMax> pieces;
    const net::IoResult result = stream_->write({pieces.data(), out_.fill_iovec(pieces)});
    if (result.status == net::IoResult::Status::kWouldBlock) {
      writing_ = Writing::kBlocked;
      if (!was_blocked) stream_->want_write(true);
      return;
    }
    if (result.status != net::IoResult::Status::kOk) {
      end_connection();
      return;
    }
    out_.consume(result.bytes);
  }
  if (was_blocked && stream_) stream_->want_write(false);
}

}  // namespace anteroom::backend
