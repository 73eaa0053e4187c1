#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "base/clock.hpp"
#include "net/byte_stream.hpp"
#include "net/connector.hpp"
#include "quic/stream.hpp"

namespace anteroom::net {
class OutageLog;
}

namespace anteroom::gateway {

struct GatewayMetrics;

/// What the relays of one worker share. Outlives them.
struct RelayContext {
  net::EventLoop& loop;
  net::Resolver& resolver;
  net::Mailbox& mailbox;
  const net::ConnectTarget& target;  ///< where Redis is
  net::OutageLog& outage_log;        ///< of Redis; perhaps that of other workers too
  GatewayMetrics& metrics;
};

/// One stream of QUIC and its connection to Redis: carries bytes between them as they are. Each direction ends on its
/// own, as sockets do. Who does not take what is sent to him holds the other side back: a stream gives its credit only
/// for what Redis has taken, and Redis is not read while the stream has too much to send. So a relay never holds more
/// than a stream's window and its send limit.
///
/// Of a Redis that breaks off, what it has said is delivered and then ends; with ErrorCode::kUpstreamLost, if it has
/// said nothing.
///
/// Loop thread only. Calls `on_done` once, when both directions have ended or one has broken; then it is destroyed at
/// the end of the turn, or later.
class Relay {
 public:
  Relay(const RelayContext& context, std::unique_ptr<quic::Stream> stream, std::function<void(Relay&)> on_done);
  ~Relay();
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  /// Dials. What comes meanwhile waits in the stream.
  void start();
  /// Looks whether the peer has broken off a stream that is not read for now; once a second.
  void tick();

  /// Something is under way, as far as can be told without RESP: Redis has not been reached yet, or the last bytes were
  /// the peer's, so that he waits for an answer. Who is subscribed does not.
  [[nodiscard]] bool awaits_redis() const noexcept { return awaits_redis_; }
  /// When bytes last went either way; at first, when it was made.
  [[nodiscard]] base::TimePoint last_passage() const noexcept { return last_passage_; }
  /// Memory of what was taken from the stream and not yet by Redis.
  [[nodiscard]] std::size_t pending_capacity() const noexcept { return pending_.capacity(); }

 private:
  /// From the peer to Redis.
  struct Upward final : net::StreamEvents {
    explicit Upward(Relay& its_relay) : relay(its_relay) {}
    void on_readable() override { relay.pump_up(); }
    void on_writable() override { relay.on_stream_writable(); }
    Relay& relay;
  };
  /// From Redis to the peer.
  struct Downward final : net::StreamEvents {
    explicit Downward(Relay& its_relay) : relay(its_relay) {}
    void on_readable() override { relay.pump_down(); }
    void on_writable() override { relay.on_redis_writable(); }
    Relay& relay;
  };

  void on_dialed(net::Connector::Result result);
  void pump_up();
  [[nodiscard]] bool pass_up(std::span<const char> bytes);
  [[nodiscard]] bool write_pending();
  void pump_down();
  void replies_broken();
  void wait_for_credit();
  void on_stream_writable();
  void on_redis_writable();
  void end_of_requests();
  void end_of_replies();
  void break_off(quic::ErrorCode code);
  void done_if_both_ended();
  void done();
  void note_passage(bool is_up);

  const RelayContext& context_;
  std::unique_ptr<quic::Stream> stream_;
  std::unique_ptr<net::ByteStream> redis_;
  std::function<void(Relay&)> on_done_;
  net::Connector connector_;
  Upward upward_{*this};
  Downward downward_{*this};
  std::string pending_;  // taken from the stream, and not yet by Redis
  std::size_t pending_done_ = 0;
  bool requests_ended_ = false;  // and Redis has been told
  bool replies_ended_ = false;
  bool is_done_ = false;
  bool has_replied_ = false;
  bool awaits_redis_ = true;
  base::TimePoint last_passage_;
};

}  // namespace anteroom::gateway
