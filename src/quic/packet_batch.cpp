#include "quic/packet_batch.hpp"

#include <algorithm>
#include <cstring>

namespace anteroom::quic {

std::span<std::uint8_t> PacketBatch::next(std::size_t usual, std::size_t largest) {
  if (room_.size() - used_ < usual) finish();
  if (room_.empty()) room_ = socket_.reserve();
  if (room_.empty()) return {};
  usual_ = usual;
  return room_.subspan(used_, std::min(room_.size() - used_, used_ == 0 ? largest : usual));
}

void PacketBatch::begin(const ngtcp2_path& path, std::uint8_t ecn, std::size_t size) {
  ngtcp2_path_copy(&path_.path, &path);
  ecn_ = ecn;
  segment_ = size;
}

void PacketBatch::add(const ngtcp2_path& path, std::uint8_t ecn, std::size_t size) {
  const bool fits = count_ == 0 || (size <= segment_ && ecn == ecn_ && ngtcp2_path_eq(&path, &path_.path) != 0);
  if (!fits) {
    // It stands behind those of the batch that ends here, which is where the next one begins, unless the socket has
    // sent everything meanwhile and begins anew.
    const std::uint8_t* const packet = room_.data() + used_;
    finish();
    room_ = socket_.reserve();
    if (room_.empty()) return;  // lost on the way, which QUIC mends
    std::memmove(room_.data(), packet, size);
  }
  if (count_ == 0) begin(path, ecn, size);
  used_ += size;
  ++count_;
  // A probe goes alone: where it is too large for the way, the whole batch is refused.
  if (size < segment_ || size > usual_ || count_ == net::UdpSocket::kBatchDatagramsMax) finish();
}

void PacketBatch::finish() {
  if (used_ > 0)
    socket_.commit(path_.path.local.addr, path_.path.remote.addr, path_.path.remote.addrlen, ecn_, used_, segment_);
  room_ = {};
  used_ = count_ = segment_ = 0;
}

}  // namespace anteroom::quic
