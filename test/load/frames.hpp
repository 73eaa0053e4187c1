#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "net/event_loop.hpp"
#include "net/udp_socket.hpp"

/// Streams over datagrams with nothing else: no encryption, no acknowledgement, no loss. What the system calls of QUIC
/// cost without QUIC. A datagram is a row of frames: stream and size, two bytes each, and the bytes.
namespace anteroom::test {

inline constexpr std::size_t kFrameHead = 4;
inline constexpr std::size_t kDatagramMax = 32'000;  // as of quic::Options

/// Puts what all streams have said in a turn into as few datagrams as it fits in.
class FrameSender {
 public:
  FrameSender(net::EventLoop& loop, net::UdpSocket& socket) : loop_(loop), socket_(socket) {}

  /// To whom, once that is known.
  void set_peer(const net::Address& peer) { peer_ = peer; }

  void add(std::uint16_t stream, std::string_view bytes) {
    while (!bytes.empty()) {
      const std::string_view part = bytes.substr(0, kDatagramMax - kFrameHead);
      if (out_.size() + kFrameHead + part.size() > kDatagramMax) send();
      const auto size = static_cast<std::uint16_t>(part.size());
      out_.append(reinterpret_cast<const char*>(&stream), sizeof stream);
      out_.append(reinterpret_cast<const char*>(&size), sizeof size);
      out_.append(part);
      bytes.remove_prefix(part.size());
    }
    if (std::exchange(is_scheduled_, true)) return;
    loop_.at_turn_end([this] {
      is_scheduled_ = false;
      send();
      socket_.flush();
    });
  }

 private:
  void send() {
    if (out_.empty()) return;
    const std::span<std::uint8_t> room = socket_.reserve();
    if (room.size() < out_.size()) return;  // it then stands still, and the load says so
    std::memcpy(room.data(), out_.data(), out_.size());
    socket_.commit(socket_.local().data(), peer_.data(), peer_.size(), 0, out_.size(), out_.size());
    out_.clear();
  }

  net::EventLoop& loop_;
  net::UdpSocket& socket_;
  net::Address peer_;
  std::string out_;
  bool is_scheduled_ = false;
};

/// Calls `take(stream, bytes)` for each frame.
template <typename Take>
void for_each_frame(std::span<const std::uint8_t> datagram, Take&& take) {
  while (datagram.size() >= kFrameHead) {
    std::uint16_t stream = 0;
    std::uint16_t size = 0;
    std::memcpy(&stream, datagram.data(), sizeof stream);
    std::memcpy(&size, datagram.data() + sizeof stream, sizeof size);
    datagram = datagram.subspan(kFrameHead);
    if (size > datagram.size()) return;
    take(stream, std::string_view{reinterpret_cast<const char*>(datagram.data()), size});
    datagram = datagram.subspan(size);
  }
}

}  // namespace anteroom::test
