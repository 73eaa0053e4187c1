// How a Connection sends: once per turn, as many packets as congestion control allows.
#include <algorithm>
#include <array>
#include <utility>

#include "quic/connection.hpp"
#include "quic/endpoint.hpp"
#include "quic/packet_batch.hpp"
#include "quic/time.hpp"

namespace anteroom::quic {
namespace {

// A packet never needs more.
constexpr std::size_t kPiecesMax = 4;
// What a stream sends before the next one's turn. Where the window of congestion is full, replies that share each
// flight are late together; one after the other only the last ones are. More would have small ones wait for large ones.
constexpr std::size_t kTurnBytes = 32 * 1024;
// What expires later is no acknowledgement.
constexpr std::uint64_t kAckSoon = kAckDelayAnnounced.count() * NGTCP2_MILLISECONDS;

}  // namespace

// ngtcp2 acknowledges at once where round trips are short. What is only acknowledged waits a little for data to go
// with.
bool Connection::may_wait(std::uint64_t now) const {
  if (!is_established_ || must_write_ || !ready_.empty() || !is_near()) return false;
  if (packets_since_write_ >= endpoint_.options().acks_near.packets) return false;
  return ngtcp2_conn_get_expiry(conn_) <= now + kAckSoon;
}

void Connection::write() {
  if (state_ != State::kOpen || endpoint_.socket_->is_blocked()) return;
  const std::uint64_t now = now_ns();
  if (may_wait(now)) {
    update_timer(now, true);
    return;
  }
  packets_since_write_ = 0;
  must_write_ = false;
  PacketBatch batch(*endpoint_.socket_);
  const std::size_t usual = ngtcp2_conn_get_path_max_tx_udp_payload_size(conn_);
  const std::size_t largest = ngtcp2_conn_get_max_tx_udp_payload_size(conn_);
  const std::size_t burst =
      endpoint_.options().pacing ? std::max(ngtcp2_conn_get_send_quantum(conn_), usual) : SIZE_MAX;
  ngtcp2_path_storage path;
  ngtcp2_path_storage_zero(&path);
  for (std::size_t sent = 0; sent < burst;) {
    const std::span<std::uint8_t> room = batch.next(usual, largest);
    if (room.empty()) break;
    ngtcp2_pkt_info info{};
    const ngtcp2_ssize size = write_packet(room, path.path, info, now);
    if (size < 0) {
      batch.finish();
      fail(static_cast<int>(size));
      return;
    }
    if (size == 0) break;  // nothing left, or congestion control wants a pause
    batch.add(path.path, info.ecn, static_cast<std::size_t>(size));
    sent += static_cast<std::size_t>(size);
  }
  batch.finish();
  if (endpoint_.options().pacing) ngtcp2_conn_update_pkt_tx_time(conn_, now);
  // With nothing left to send, the time of the next packet that pacing would allow is nothing to wake up for.
  update_timer(now, is_established_ && ready_.empty());
}

// The next stream that has something to send and may, with what it offers; null for control frames alone.
StreamCore* Connection::next_offer(std::span<iovec> pieces, std::size_t& count, bool& with_fin) {
  for (std::size_t left = ready_.size(); left > 0; --left) {
    StreamCore& core = *ready_.front();
    const std::size_t unsent = core.out.unsent_bytes();
    if (!core.has_to_send() && !std::exchange(core.must_probe, false)) {
      drop_ready(core);
      continue;
    }
    // An end alone needs no credit of the connection, and does not wait for it behind others.
    if (unsent > 0 && ngtcp2_conn_get_max_data_left(conn_) == 0) {
      core.sent_in_a_row = 0;
      ready_.pop_front();
      ready_.push_back(&core);
      continue;
    }
    count = core.out.fill_unsent(pieces);
    std::size_t offered = 0;
    for (const iovec& piece : pieces.first(count)) offered += piece.iov_len;
    with_fin = core.wants_fin && offered == unsent;
    return &core;
  }
  return nullptr;
}

// As ngtcp2_conn_writev_stream: the size of the packet, 0 if none may be sent, or an error.
std::ptrdiff_t Connection::write_packet(std::span<std::uint8_t> room, ngtcp2_path& path, ngtcp2_pkt_info& info,
                                        std::uint64_t now) {
  for (;;) {
    std::array<iovec, kPiecesMax> pieces{};
    std::array<ngtcp2_vec, kPiecesMax> vectors{};
    std::size_t count = 0;
    bool with_fin = false;
    StreamCore* const core = next_offer(pieces, count, with_fin);
    std::ranges::transform(pieces, vectors.begin(), [](const iovec& piece) {
      return ngtcp2_vec{static_cast<std::uint8_t*>(piece.iov_base), piece.iov_len};
    });
    std::uint32_t flags = core != nullptr ? NGTCP2_WRITE_STREAM_FLAG_MORE : NGTCP2_WRITE_STREAM_FLAG_NONE;
    if (with_fin) flags |= NGTCP2_WRITE_STREAM_FLAG_FIN;
    ngtcp2_ssize taken = -1;
    const ngtcp2_ssize size = ngtcp2_conn_writev_stream(conn_, &path, &info, room.data(), room.size(), &taken, flags,
                                                        core != nullptr ? core->id : -1, vectors.data(), count, now);
    if (core != nullptr) settle_offer(*core, size, taken, with_fin);
    const bool goes_on = size == NGTCP2_ERR_WRITE_MORE || size == NGTCP2_ERR_STREAM_DATA_BLOCKED ||
                         size == NGTCP2_ERR_STREAM_SHUT_WR || size == NGTCP2_ERR_STREAM_NOT_FOUND;
    if (!goes_on) return size;
  }
}

// What became of what a stream has offered for the packet.
void Connection::settle_offer(StreamCore& core, std::ptrdiff_t result, std::ptrdiff_t taken, bool with_fin) {
  if (taken >= 0) {
    core.out.mark_sent(static_cast<std::size_t>(taken));
    if (with_fin && core.out.unsent_bytes() == 0) core.fin_sent = true;
    core.sent_in_a_row += static_cast<std::size_t>(taken);
    const bool has_had_its_turn = taken == 0 || core.sent_in_a_row >= kTurnBytes;
    if (has_had_its_turn || !core.has_to_send()) {
      drop_ready(core);
      if (core.has_to_send()) mark_ready(core);  // behind the others
    }
  }
  switch (result) {
    case NGTCP2_ERR_STREAM_DATA_BLOCKED:
      drop_ready(core);
      core.is_blocked = true;
      break;
    case NGTCP2_ERR_STREAM_SHUT_WR:
    case NGTCP2_ERR_STREAM_NOT_FOUND:
      // The peer wants no more of it (STOP_SENDING), which ngtcp2 tells in no other way.
      drop_ready(core);
      core.peer_refusal = static_cast<std::uint64_t>(ErrorCode::kNone);
      mark_eventful(core);
      break;
    default:
      break;
  }
}

// A writer that waits for acknowledgements would wait for ever where the peer wants no more: trying to write tells.
void Connection::probe_writers() {
  for (auto& [id, core] : streams_) {
    if (!core->wants_write || core->is_writable() || core->is_ready) continue;
    core->must_probe = true;
    core->is_blocked = false;
    mark_ready(*core);
  }
}

void Connection::write_close_packet() {
  std::array<std::uint8_t, 1500> packet{};
  ngtcp2_path_storage path;
  ngtcp2_path_storage_zero(&path);
  ngtcp2_pkt_info info{};
  const ngtcp2_ssize size =
      ngtcp2_conn_write_connection_close(conn_, &path.path, &info, packet.data(), packet.size(), &error_, now_ns());
  if (size <= 0) return;
  close_packet_.assign(packet.begin(), packet.begin() + size);
  endpoint_.send_alone(close_packet_, path.path);
}

}  // namespace anteroom::quic
