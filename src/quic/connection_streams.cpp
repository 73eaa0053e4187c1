// The streams of a Connection: what they have to say, what has come for them, and the credit for it.
#include <algorithm>
#include <memory>
#include <span>
#include <utility>

#include "base/check.hpp"
#include "quic/connection.hpp"
#include "quic/endpoint.hpp"
#include "quic/time.hpp"

namespace anteroom::quic {

std::shared_ptr<StreamCore> Connection::add_stream(std::int64_t id) {
  auto core = std::make_shared<StreamCore>(endpoint_.loop_, endpoint_.chunks_);
  core->connection = this;
  core->id = id;
  ngtcp2_conn_set_stream_user_data(conn_, id, core.get());
  streams_.emplace(id, core);
  endpoint_.metrics_.streams.add(1);
  endpoint_.metrics_.streams_opened.add();
  return core;
}

void Connection::mark_ready(StreamCore& core) {
  endpoint_.mark_dirty(*this);
  if (core.is_ready || core.is_blocked || !core.is_known) return;
  core.is_ready = true;
  ready_.push_back(&core);
}

void Connection::drop_ready(StreamCore& core) noexcept {
  core.sent_in_a_row = 0;
  if (!std::exchange(core.is_ready, false)) return;
  std::erase(ready_, &core);
}

void Connection::mark_eventful(StreamCore& core) {
  if (std::exchange(core.is_eventful, true)) return;
  eventful_.push_back(core.shared_from_this());
  endpoint_.mark_dirty(*this);
}

void Connection::take_input(StreamCore& core, std::span<const std::uint8_t> bytes, bool is_last) {
  if (is_last) core.fin_received = true;
  if (core.ignores_input) {
    ngtcp2_conn_extend_max_stream_offset(conn_, core.id, bytes.size());
    extend_connection_credit(bytes.size());
  } else {
    core.in.append({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    // The window of the stream is given back by its reader alone; that of the connection at once, so that a slow reader
    // does not stop the other streams, but only up to a limit.
    unread_bytes_ += bytes.size();
    if (unread_bytes_ <= endpoint_.options().unread_bytes_max) {
      extend_connection_credit(bytes.size());
    } else {
      owed_credit_ += bytes.size();
    }
  }
  mark_eventful(core);
}

void Connection::give_credit(StreamCore& core, std::size_t size) {
  if (size == 0) return;
  unread_bytes_ -= std::min<std::uint64_t>(unread_bytes_, size);
  if (state_ != State::kOpen) return;
  if (core.is_known) ngtcp2_conn_extend_max_stream_offset(conn_, core.id, size);
  // A peer may be waiting for it: unlike an acknowledgement it does not wait for company.
  core.credit_untold += size;
  if (core.credit_untold >= endpoint_.options().stream_window / 2) {
    core.credit_untold = 0;
    must_write_ = true;
  }
  const std::uint64_t owed = std::min<std::uint64_t>(owed_credit_, size);
  owed_credit_ -= owed;
  extend_connection_credit(owed);
  endpoint_.mark_dirty(*this);
}

void Connection::extend_connection_credit(std::uint64_t size) {
  if (size > 0) ngtcp2_conn_extend_max_offset(conn_, size);
}

void Connection::discard_input(StreamCore& core) {
  core.ignores_input = true;
  const std::size_t size = core.in.size();
  core.in.clear();
  give_credit(core, size);
}

void Connection::stop(StreamCore& core, ErrorCode code) {
  if (core.ignores_input) return;
  discard_input(core);
  if (!core.is_known || core.fin_received || core.peer_reset || state_ != State::kOpen) return;
  ngtcp2_conn_shutdown_stream_read(conn_, 0, core.id, static_cast<std::uint64_t>(code));
  must_write_ = true;
  endpoint_.mark_dirty(*this);
}

void Connection::reset(StreamCore& core, ErrorCode code) {
  discard_input(core);
  drop_ready(core);
  if (!core.is_known || state_ != State::kOpen) return;
  core.was_reset = true;
  endpoint_.metrics_.resets_sent.add();
  if (code == ErrorCode::kLimit) endpoint_.metrics_.streams_refused.add();
  ngtcp2_conn_shutdown_stream(conn_, 0, core.id, static_cast<std::uint64_t>(code));
  must_write_ = true;
  endpoint_.mark_dirty(*this);
}

// ngtcp2 has forgotten those that were opened before the handshake: the server has heard nothing of them.
void Connection::open_streams_again() {
  std::vector<std::shared_ptr<StreamCore>> before;
  before.reserve(streams_.size());
  for (auto& [id, core] : streams_) before.push_back(std::move(core));
  streams_.clear();
  std::ranges::sort(before, {}, &StreamCore::id);
  for (auto& core : before) {
    drop_ready(*core);
    std::int64_t id = -1;
    if (core->was_reset || ngtcp2_conn_open_bidi_stream(conn_, &id, core.get()) != 0) {
      core->connection = nullptr;
      core->is_known = false;
      mark_eventful(*core);
      endpoint_.metrics_.streams.add(-1);
      finished_.push_back(std::move(core));
      continue;
    }
    core->id = id;
    core->out.rewind();
    core->fin_sent = core->is_blocked = false;
    mark_ready(*core);
    streams_.emplace(id, std::move(core));
  }
}

// A stream whose end was acknowledged is forgotten: whoever ends one ends the other direction too, or has had its end.
bool Connection::has_unsent() const noexcept {
  return std::ranges::any_of(streams_, [](const auto& entry) {
    const StreamCore& core = *entry.second;
    return !core.was_reset && !core.peer_refusal && (core.out.held_bytes() > 0 || core.wants_fin);
  });
}

void Connection::note_peer_reset(std::uint64_t code) {
  metrics::QuicMetrics& counts = endpoint_.metrics_;
  counts.resets_received.add();
  counts.resets_by_code[std::min<std::size_t>(code, counts.resets_by_code.size() - 1)].add();
  if (code == static_cast<std::uint64_t>(ErrorCode::kShuttingDown)) peer_is_leaving_ = true;
}

void Connection::count_losses() {
  for (auto& [id, core] : streams_) count_losses_of(*core);
}

void Connection::count_losses_of(StreamCore& core) {
  const std::uint64_t losses = ngtcp2_conn_get_stream_loss_count(conn_, core.id);
  if (losses <= core.losses_counted) return;  // a stream that has ended has none any more
  endpoint_.metrics_.packets_lost.add(losses - core.losses_counted);
  core.losses_counted = losses;
}

void Connection::forget_stream(StreamCore& core) {
  count_losses_of(core);
  const auto found = streams_.find(core.id);
  ANTEROOM_CHECK(found != streams_.end());
  core.is_known = false;
  drop_ready(core);
  // Whoever still writes hears that nobody takes it: the peer has read enough, and ngtcp2 has answered by itself.
  if (!core.wants_fin && !core.peer_refusal) core.peer_refusal = static_cast<std::uint64_t>(ErrorCode::kNone);
  core.out.clear();
  mark_eventful(core);
  endpoint_.metrics_.streams.add(-1);
  finished_.push_back(std::move(found->second));
  streams_.erase(found);
}

}  // namespace anteroom::quic
