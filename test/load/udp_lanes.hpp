#pragma once

#include <expected>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "load/frames.hpp"
#include "net/byte_stream.hpp"
#include "net/lane_source.hpp"

namespace anteroom::test {

/// Lanes to test/floor/udp_relay.cpp. They live as long as the process.
class UdpLanes final : public net::LaneSource, private net::UdpEvents {
 public:
  UdpLanes(net::EventLoop& loop, std::unique_ptr<net::UdpSocket> socket, const net::Address& peer)
      : loop_(loop), socket_(std::move(socket)), sender_(loop, *socket_) {
    sender_.set_peer(peer);
    socket_->start(*this);
  }

  [[nodiscard]] Ticket open(Done done) override {
    auto lane = std::make_unique<Lane>(*this, static_cast<std::uint16_t>(lanes_.size()));
    lanes_.push_back(lane.get());
    loop_.next_turn([done = std::move(done), lane = std::move(lane)]() mutable { done(std::move(lane)); });
    return {};
  }
  void cancel(Ticket) noexcept override {}

 private:
  class Lane final : public net::ByteStream {
   public:
    Lane(UdpLanes& all, std::uint16_t number) : all_(all), number_(number) {}

    void set_events(net::StreamEvents* events) noexcept override { events_ = events; }
    [[nodiscard]] net::IoResult read(std::span<char> into) override {
      const std::size_t size = std::min(into.size(), in_.size());
      if (size == 0) return {};
      std::memcpy(into.data(), in_.data(), size);
      in_.erase(0, size);
      return {net::IoResult::Status::kOk, size, 0};
    }
    [[nodiscard]] net::IoResult write(std::span<const iovec> pieces) override {
      const std::string_view bytes(static_cast<const char*>(pieces[0].iov_base), pieces[0].iov_len);
      all_.sender_.add(number_, bytes);
      return {net::IoResult::Status::kOk, bytes.size(), 0};
    }
    void want_read(bool) override {}
    void want_write(bool) override {}
    void finish() noexcept override {}
    void close() noexcept override {}
    [[nodiscard]] std::string peer_name() const override { return "udp"; }
    [[nodiscard]] std::string local_name() const override { return "udp"; }

    void take(std::string_view bytes) {
      in_ += bytes;
      events_->on_readable();
    }

   private:
    UdpLanes& all_;
    const std::uint16_t number_;
    net::StreamEvents* events_ = nullptr;
    std::string in_;
  };

  void on_datagram(const net::Datagram& datagram) override {
    for_each_frame(datagram.bytes, [this](std::uint16_t stream, std::string_view bytes) {
      if (stream < lanes_.size()) lanes_[stream]->take(bytes);
    });
  }
  void on_datagrams_end() override {}
  void on_room() override {}

  net::EventLoop& loop_;
  std::unique_ptr<net::UdpSocket> socket_;
  FrameSender sender_;
  std::vector<Lane*> lanes_;
};

}  // namespace anteroom::test
