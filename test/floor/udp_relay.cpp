// What a gateway costs that does nothing: the system calls of `anteroom gateway`, with frames in place of QUIC. For
// test/bench/quic_cpu.py; see load/frames.hpp.
//
//   udp_relay PORT SOCKET
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "load/frames.hpp"
#include "net/socket_stream.hpp"

namespace {

using namespace anteroom;
using Status = net::IoResult::Status;

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::exit(1);
}

std::unique_ptr<net::ByteStream> connect_to(net::EventLoop& loop, const std::string& path) {
  const net::Address place = *net::Address::from_unix_path(path);
  base::UniqueFd fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (::connect(fd.value(), place.data(), place.size()) != 0) die("udp_relay: connect");
  return std::make_unique<net::SocketStream>(loop, std::move(fd));
}

/// One lane and its connection to Redis.
class Pair final : private net::StreamEvents {
 public:
  Pair(net::EventLoop& loop, const std::string& path, test::FrameSender& sender, std::uint16_t number)
      : loop_(loop), sender_(sender), number_(number), stream_(connect_to(loop, path)) {
    stream_->set_events(this);
    stream_->want_read(true);
  }
  void take(std::string_view bytes) {
    out_ += bytes;
    if (std::exchange(is_scheduled_, true)) return;
    loop_.at_turn_end([this] {
      is_scheduled_ = false;
      flush();
    });
  }

 private:
  void flush() {
    const iovec piece{out_.data(), out_.size()};
    const net::IoResult put = stream_->write({&piece, 1});
    if (put.status == Status::kOk) out_.erase(0, put.bytes);
    stream_->want_write(!out_.empty());
  }
  void on_readable() override {
    static std::array<char, 64 * 1024> room;
    const net::IoResult got = stream_->read(room);
    if (got.status == Status::kOk) sender_.add(number_, {room.data(), got.bytes});
    if (got.status == Status::kClosed || got.status == Status::kError) stream_->want_read(false);
  }
  void on_writable() override { flush(); }

  net::EventLoop& loop_;
  test::FrameSender& sender_;
  const std::uint16_t number_;
  std::unique_ptr<net::ByteStream> stream_;
  std::string out_;
  bool is_scheduled_ = false;
};

class Relay final : private net::UdpEvents {
 public:
  Relay(net::EventLoop& loop, std::unique_ptr<net::UdpSocket> socket, std::string path)
      : loop_(loop), path_(std::move(path)), socket_(std::move(socket)), sender_(loop, *socket_) {
    socket_->start(*this);
  }

 private:
  void on_datagram(const net::Datagram& datagram) override {
    if (!is_same(datagram.from)) {
      pairs_.clear();  // another load
      peer_ = datagram.from;
      sender_.set_peer(peer_);
    }
    test::for_each_frame(datagram.bytes, [this](std::uint16_t stream, std::string_view bytes) {
      while (pairs_.size() <= stream) {
        const auto number = static_cast<std::uint16_t>(pairs_.size());
        pairs_.push_back(std::make_unique<Pair>(loop_, path_, sender_, number));
      }
      pairs_[stream]->take(bytes);
    });
  }
  [[nodiscard]] bool is_same(const net::Address& from) const {
    return from.size() == peer_.size() && std::memcmp(from.data(), peer_.data(), peer_.size()) == 0;
  }
  void on_datagrams_end() override {}
  void on_room() override {}

  net::EventLoop& loop_;
  const std::string path_;
  std::unique_ptr<net::UdpSocket> socket_;
  test::FrameSender sender_;
  net::Address peer_;
  std::vector<std::unique_ptr<Pair>> pairs_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "udp_relay PORT SOCKET\n");
    return 2;
  }
  net::EventLoop loop;
  metrics::QuicMetrics metrics;
  const auto port = static_cast<std::uint16_t>(std::atoi(argv[1]));
  auto socket = net::UdpSocket::bind(loop, *net::Address::from_numeric("0.0.0.0", port), {}, metrics);
  if (!socket) die(socket.error().c_str());
  const Relay relay(loop, std::move(*socket), argv[2]);
  loop.run();
}
