#pragma once

#include <ngtcp2/ngtcp2.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include "net/udp_socket.hpp"

namespace anteroom::quic {

/// Puts packets of one size, destination and ECN mark behind each other, so that the kernel takes them with one call; a
/// shorter one ends such a batch, a different one begins the next. For the time of one write.
class PacketBatch {
 public:
  explicit PacketBatch(net::UdpSocket& socket) : socket_(socket) { ngtcp2_path_storage_zero(&path_); }
  ~PacketBatch() { finish(); }
  PacketBatch(const PacketBatch&) = delete;
  PacketBatch& operator=(const PacketBatch&) = delete;

  /// Where the next packet is to be written: `usual` bytes, or `largest` at the beginning of a batch, as probes of the
  /// path's MTU need. Empty: the socket takes no more now.
  [[nodiscard]] std::span<std::uint8_t> next(std::size_t usual, std::size_t largest);
  /// A packet of `size` is there.
  void add(const ngtcp2_path& path, std::uint8_t ecn, std::size_t size);
  void finish();

 private:
  void begin(const ngtcp2_path& path, std::uint8_t ecn, std::size_t size);

  net::UdpSocket& socket_;
  std::span<std::uint8_t> room_;
  std::size_t used_ = 0;
  std::size_t count_ = 0;
  std::size_t segment_ = 0;
  std::size_t usual_ = 0;
  std::uint8_t ecn_ = 0;
  ngtcp2_path_storage path_{};
};

}  // namespace anteroom::quic
