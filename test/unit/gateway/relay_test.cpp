// Relays between streams over loopback and a server of bare sockets, all in one loop.
#include "gateway/relay.hpp"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gateway/gateway_metrics.hpp"
#include "support/quic_rig.hpp"
#include "support/sockets.hpp"

namespace anteroom::gateway {
namespace {

using quic::ErrorCode;
using quic::StreamEnd;
using Status = net::IoResult::Status;

constexpr std::size_t kMegabyte = 1 << 20;

constexpr std::uint64_t code_of(ErrorCode code) { return static_cast<std::uint64_t>(code); }

std::string numbers(std::size_t size) {
  std::string out;
  for (int i = 0; out.size() < size; ++i) out += std::to_string(i) + ",";
  return out;
}

/// What Redis does at its end of one connection; looks at the socket when it is asked.
class RedisEnd {
 public:
  explicit RedisEnd(base::UniqueFd fd) : fd_(std::move(fd)) {}

  /// Takes what has come, and says whether there may be more.
  bool read() {
    std::array<char, 64 * 1024> buffer{};
    while (!end_ && fd_.is_open()) {
      const ssize_t got = recv(fd_.value(), buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (got < 0 && errno == EAGAIN) break;
      if (got <= 0) {
        end_ = got == 0 ? 0 : errno;
        break;
      }
      received_.append(buffer.data(), static_cast<std::size_t>(got));
    }
    return !end_;
  }
  [[nodiscard]] const std::string& received() {
    read();
    return received_;
  }
  [[nodiscard]] bool has_ended() { return !read(); }
  /// 0, or the errno of a reset.
  [[nodiscard]] std::optional<int> end() const { return end_; }

  /// As much as the kernel takes.
  std::size_t send(std::string_view bytes) {
    std::size_t done = 0;
    while (done < bytes.size()) {
      const ssize_t put = ::send(fd_.value(), bytes.data() + done, bytes.size() - done, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (put <= 0) break;
      done += static_cast<std::size_t>(put);
    }
    return done;
  }
  void finish() { EXPECT_EQ(shutdown(fd_.value(), SHUT_WR), 0); }
  void close() { fd_.reset(); }
  /// Over TCP: without an orderly end.
  void break_off() {
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    EXPECT_EQ(setsockopt(fd_.value(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
    fd_.reset();
  }

 private:
  base::UniqueFd fd_;
  std::string received_;
  std::optional<int> end_;
};

/// A connection whose streams get relays, as a worker of the gateway gives them.
class RelayingSide final : public quic::ConnectionEvents {
 public:
  RelayingSide(net::EventLoop& loop, const RelayContext& context) : loop_(loop), context_(context) {}

  void on_established(quic::Connection& its_connection) override { connection = &its_connection; }
  void on_stream(quic::Connection&, std::unique_ptr<quic::Stream> stream) override {
    auto& added = *relays.emplace_back(
        std::make_unique<Relay>(context_, std::move(stream), [this](Relay& relay) { retire(relay); }));
    added.start();
  }
  void tick() {
    std::vector<Relay*> all;
    all.reserve(relays.size());
    for (auto& relay : relays) all.push_back(relay.get());
    for (Relay* const relay : all) relay->tick();
  }
  void on_streams_available(quic::Connection&) override {}
  void on_closed(quic::Connection&, const quic::CloseReason&) override { connection = nullptr; }

  quic::Connection* connection = nullptr;
  std::vector<std::unique_ptr<Relay>> relays;
  int done = 0;

 private:
  void retire(Relay& relay) {
    ++done;
    const auto found = std::ranges::find(relays, &relay, &std::unique_ptr<Relay>::get);
    ASSERT_NE(found, relays.end()) << "done twice";
    loop_.at_turn_end([kept = std::shared_ptr<Relay>(std::move(*found))] {});
    relays.erase(found);
  }

  net::EventLoop& loop_;
  const RelayContext& context_;
};

struct Joined {
  StreamEnd& stream;
  RedisEnd& redis;
};

class GatewayRelay : public quic::QuicTest {
 protected:
  void SetUp() override { use_unix(); }
  void TearDown() override {
    client_.reset();
    side_.relays.clear();
    server_.reset();
  }

  void use_unix() {
    path_ = dir_.file("redis");
    target_.unix_path = path_;
    redis_listener_ = test::listen_on(*net::Address::from_unix_path(path_));
  }
  void use_tcp() {
    target_.unix_path.clear();
    target_.host = "127.0.0.1";
    redis_listener_ = test::listen_on(test::loopback());
    target_.port = net::local_address(redis_listener_.value()).port();
  }

  /// A stream that the relaying side has heard of by what is written.
  StreamEnd& open(std::string_view first) {
    if (!server_) begin();
    StreamEnd& stream = here_.open();
    stream.write(first);
    return stream;
  }
  void begin() {
    auto created = net::TlsContextSource::create(server_tls());
    ASSERT_TRUE(created.has_value()) << created.error().text;
    server_options_.contexts = *created;
    auto made = quic::Endpoint::listen(loop_, place_, options_, server_options_, server_counts_,
                                       [this](quic::Connection&, const net::Address&) { return &side_; });
    ASSERT_TRUE(made.has_value()) << made.error();
    server_ = std::move(*made);
    connect();
    ASSERT_TRUE(run_until([&] { return here_.established && side_.connection != nullptr; }));
  }

  /// The connection that a relay has made.
  RedisEnd& accept() {
    base::UniqueFd fd;
    EXPECT_TRUE(run_until([&] {
      if (!fd.is_open() && test::becomes_readable(redis_listener_.value(), test::milliseconds(0))) {
        fd = base::UniqueFd(accept4(redis_listener_.value(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
      }
      return fd.is_open();
    }));
    return *redis_.emplace_back(std::make_unique<RedisEnd>(std::move(fd)));
  }
  /// Both, with `first` gone from one to the other.
  Joined joined(std::string_view first = "x") {
    StreamEnd& stream = open(first);
    RedisEnd& redis = accept();
    EXPECT_TRUE(run_until([&] { return redis.received() == first; }));
    return {stream, redis};
  }
  [[nodiscard]] bool is_done() {
    return run_until([&] { return side_.done == 1 && side_.relays.empty() && metrics_.relays.value() == 0; });
  }

  /// Everything, as it is taken.
  [[nodiscard]] bool send_all(RedisEnd& redis, std::string_view bytes) {
    return run_until([&] {
      bytes.remove_prefix(redis.send(bytes));
      return bytes.empty();
    });
  }
  /// Bytes of a UNIX socket that are on their way at most.
  static std::size_t socket_bytes_max() {
    const auto [one, other] = test::socket_pair();
    int size = 0;
    socklen_t length = sizeof size;
    EXPECT_EQ(getsockopt(one.value(), SOL_SOCKET, SO_SNDBUF, &size, &length), 0);
    return static_cast<std::size_t>(size);
  }

  net::Mailbox mailbox_{loop_};
  net::Resolver resolver_;
  net::ConnectTarget target_;
  GatewayMetrics metrics_;
  RelayContext context_{loop_, resolver_, mailbox_, target_, metrics_};
  RelayingSide side_{loop_, context_};
  std::string path_;
  base::UniqueFd redis_listener_;
  std::vector<std::unique_ptr<RedisEnd>> redis_;
};

// --- Bytes ---

TEST_F(GatewayRelay, BytesGoBothWaysAsTheyAre) {
  const Joined at = joined(std::string_view("PING\r\n\0\xff", 8));

  at.redis.send("+PONG\r\n");

  EXPECT_TRUE(run_until([&] { return at.stream.received == "+PONG\r\n"; }));
  EXPECT_EQ(metrics_.bytes_up.value(), 8u);
  EXPECT_EQ(metrics_.bytes_down.value(), 7u);
  EXPECT_EQ(metrics_.relays.value(), 1);
  EXPECT_EQ(metrics_.relays_opened.value(), 1u);
}

TEST_F(GatewayRelay, TcpServesAsWell) {
  use_tcp();
  const Joined at = joined("question");

  at.redis.send("answer");

  EXPECT_TRUE(run_until([&] { return at.stream.received == "answer"; }));
}

TEST_F(GatewayRelay, MegabytesArriveWholeInBothDirectionsAtOnce) {
  const Joined at = joined("x");
  const std::string up = numbers(3 * kMegabyte);
  const std::string down = numbers(2 * kMegabyte) + "end";

  at.stream.write(up);
  EXPECT_TRUE(send_all(at.redis, down));

  EXPECT_TRUE(
      run_until([&] { return at.redis.received().size() > up.size() && at.stream.received.size() >= down.size(); }));
  EXPECT_TRUE(at.redis.received() == "x" + up);
  EXPECT_TRUE(at.stream.received == down);
}

TEST_F(GatewayRelay, EachStreamHasAConnectionOfItsOwn) {
  const Joined first = joined("one");
  StreamEnd& second = open("two");
  RedisEnd& second_redis = accept();
  EXPECT_TRUE(run_until([&] { return second_redis.received() == "two"; }));

  second_redis.send("2");
  first.redis.send("1");

  EXPECT_TRUE(run_until([&] { return first.stream.received == "1" && second.received == "2"; }));
  EXPECT_EQ(first.redis.received(), "one");
}

// --- Orderly ends ---

TEST_F(GatewayRelay, EndOfRequestsArrivesBehindThemAndRepliesStillCome) {
  const Joined at = joined("x");
  const std::string up = numbers(kMegabyte);

  at.stream.write_and_finish(up);

  ASSERT_TRUE(run_until([&] { return at.redis.has_ended(); }));
  EXPECT_EQ(at.redis.end(), 0);
  EXPECT_TRUE(at.redis.received() == "x" + up) << at.redis.received().size();
  EXPECT_FALSE(at.stream.has_ended());

  const std::string down = numbers(kMegabyte);
  EXPECT_TRUE(send_all(at.redis, down));
  at.redis.close();

  EXPECT_TRUE(run_until([&] { return at.stream.has_ended(); }));
  EXPECT_EQ(at.stream.end->status, Status::kClosed);
  EXPECT_TRUE(at.stream.received == down) << at.stream.received.size();
  EXPECT_TRUE(is_done());
  EXPECT_EQ(metrics_.upstream_losses.value(), 0u);
}

TEST_F(GatewayRelay, EndOfRequestsWaitsForARedisThatDoesNotRead) {
  const Joined at = joined("x");
  const std::string up = numbers(2 * kMegabyte);
  at.stream.write_and_finish(up);
  pass(test::kQuietTime);

  ASSERT_TRUE(run_until([&] { return at.redis.has_ended(); }));

  EXPECT_TRUE(at.redis.received() == "x" + up) << at.redis.received().size();
}

TEST_F(GatewayRelay, EndOfRepliesArrivesBehindThem) {
  const Joined at = joined("x");
  const std::string down = numbers(kMegabyte);

  EXPECT_TRUE(send_all(at.redis, down));
  at.redis.close();

  EXPECT_TRUE(run_until([&] { return at.stream.has_ended(); }));
  EXPECT_EQ(at.stream.end->status, Status::kClosed);
  EXPECT_TRUE(at.stream.received == down) << at.stream.received.size();
  EXPECT_TRUE(is_done());
}

TEST_F(GatewayRelay, HalfCloseOfRedisDeliversWhatItSaidBefore) {
  const Joined at = joined("QUIT");
  at.redis.send("+OK\r\n");

  at.redis.finish();

  EXPECT_TRUE(run_until([&] { return at.stream.has_ended(); }));
  EXPECT_EQ(at.stream.end->status, Status::kClosed);
  EXPECT_EQ(at.stream.received, "+OK\r\n");
  EXPECT_TRUE(is_done());
  EXPECT_TRUE(run_until([&] { return at.redis.has_ended(); }));
}

TEST_F(GatewayRelay, WriterHearsThatRedisHasClosed) {
  const Joined at = joined("x");
  at.redis.close();
  ASSERT_TRUE(run_until([&] { return at.stream.has_ended(); }));

  EXPECT_TRUE(run_until([&] {
    if (!at.stream.write_error) at.stream.write("y");
    return at.stream.write_error.has_value();
  }));

  EXPECT_EQ(at.stream.write_error, EPIPE);
}

// --- Dialing ---

TEST_F(GatewayRelay, WhatComesWhileItDialsWaits) {
  StreamEnd& stream = open("early");
  stream.write_and_finish(" and late");

  RedisEnd& redis = accept();

  EXPECT_TRUE(run_until([&] { return redis.has_ended(); }));
  EXPECT_EQ(redis.received(), "early and late");
}

TEST_F(GatewayRelay, RefusedDialIsToldByItsCode) {
  target_.unix_path = dir_.file("nobody");
  StreamEnd& stream = open("x");

  ASSERT_TRUE(run_until([&] { return stream.has_ended(); }));

  EXPECT_EQ(stream.end->error, ECONNRESET);
  EXPECT_EQ(stream.stream->peer_error(), code_of(ErrorCode::kUpstreamRefused));
  EXPECT_TRUE(is_done());
  EXPECT_EQ(metrics_.dial_errors.value(), 1u);
  EXPECT_EQ(metrics_.dial_timeouts.value(), 0u);
  const auto trouble = stream.stream->trouble();
  ASSERT_TRUE(trouble.has_value());
  EXPECT_EQ(trouble->error, ECONNREFUSED);
}

TEST_F(GatewayRelay, DialThatTakesTooLongIsToldByItsCode) {
  // The queue of a UNIX listener holds one more than its backlog; while it is full, connecting waits.
  target_.unix_path = dir_.file("busy");
  target_.connect_unix_timeout = base::Milliseconds(30);
  const net::Address address = *net::Address::from_unix_path(target_.unix_path);
  const base::UniqueFd listener = test::listen_on(address, 0);
  const base::UniqueFd queued = test::connect_to(address);
  ASSERT_TRUE(queued.is_open());

  StreamEnd& stream = open("x");

  ASSERT_TRUE(run_until([&] { return stream.has_ended(); }));
  EXPECT_EQ(stream.stream->peer_error(), code_of(ErrorCode::kUpstreamTimeout));
  EXPECT_TRUE(is_done());
  EXPECT_EQ(metrics_.dial_timeouts.value(), 1u);
  EXPECT_EQ(metrics_.dial_errors.value(), 0u);
  EXPECT_EQ(stream.stream->trouble()->error, ETIMEDOUT);
}

TEST_F(GatewayRelay, DestroyedWhileItDialsLeavesNothingBehind) {
  target_.unix_path.clear();
  target_.host = "127.0.0.1";
  target_.port = test::closed_port();
  open("x");
  ASSERT_TRUE(run_until([&] { return !side_.relays.empty() || side_.done > 0; }));

  side_.relays.clear();

  EXPECT_EQ(metrics_.relays.value(), 0);
  pass(test::kQuietTime);
}

// --- Slow sides ---

TEST_F(GatewayRelay, RedisThatDoesNotReadHoldsBackTheStream) {
  options_.stream_window = 64 << 10;
  options_.send_bytes_max = 32 << 10;
  constexpr std::size_t kPending = 64 << 10;
  const Joined at = joined("x");
  const std::string payload = numbers(4 * kMegabyte);
  std::size_t taken = 0;
  const auto write_on = [&] {
    const iovec rest{const_cast<char*>(payload.data()) + taken, payload.size() - taken};
    if (rest.iov_len == 0) return;
    const net::IoResult put = at.stream.stream->write({&rest, 1});
    EXPECT_NE(put.status, Status::kError);
    taken += put.bytes;
  };

  EXPECT_TRUE(never([&] {
    write_on();
    return taken == payload.size();
  }));

  EXPECT_LE(metrics_.bytes_up.value(), socket_bytes_max() + kPending);
  EXPECT_LE(taken, socket_bytes_max() + kPending + options_.stream_window + options_.send_bytes_max);

  EXPECT_TRUE(run_until([&] {
    write_on();
    return at.redis.received().size() > payload.size();
  }));
  EXPECT_TRUE(at.redis.received() == "x" + payload);
}

TEST_F(GatewayRelay, ClientThatDoesNotReadHoldsBackRedis) {
  options_.stream_window = 64 << 10;
  options_.send_bytes_max = 32 << 10;
  const Joined at = joined("x");
  at.stream.read(false);
  const std::string payload = numbers(4 * kMegabyte);
  std::size_t taken = 0;

  EXPECT_TRUE(never([&] {
    taken += at.redis.send(std::string_view(payload).substr(taken));
    return taken == payload.size();
  }));

  // The send buffer may be exceeded by the rest of a chunk.
  const std::size_t held = options_.stream_window + options_.send_bytes_max + quic::ChunkPool::kChunkBytes;
  EXPECT_LE(metrics_.bytes_down.value(), held);
  EXPECT_LE(taken, held + socket_bytes_max());

  at.stream.read(true);
  EXPECT_TRUE(run_until([&] {
    taken += at.redis.send(std::string_view(payload).substr(taken));
    return at.stream.received.size() >= payload.size();
  }));
  EXPECT_TRUE(at.stream.received == payload);
}

TEST_F(GatewayRelay, RedisThatDoesNotReadIsStillHeard) {
  const Joined at = joined("x");
  at.stream.write(std::string(2 * kMegabyte, 'y'));
  pass(test::kQuietTime);

  at.redis.send("-LOADING\r\n");

  EXPECT_TRUE(run_until([&] { return at.stream.received == "-LOADING\r\n"; }));
}

// --- What breaks ---

TEST_F(GatewayRelay, ResetByRedisIsToldByItsCode) {
  use_tcp();
  const Joined at = joined("x");

  at.redis.break_off();

  ASSERT_TRUE(run_until([&] { return at.stream.has_ended(); }));
  EXPECT_EQ(at.stream.end->error, ECONNRESET);
  EXPECT_EQ(at.stream.stream->peer_error(), code_of(ErrorCode::kUpstreamLost));
  EXPECT_TRUE(is_done());
  EXPECT_EQ(metrics_.upstream_losses.value(), 1u);
}

TEST_F(GatewayRelay, ResetByTheClientClosesTheConnectionToRedis) {
  const Joined at = joined("BLPOP");

  at.stream.stream->reset(ErrorCode::kCancelled);

  EXPECT_TRUE(run_until([&] { return at.redis.has_ended(); }));
  EXPECT_TRUE(is_done());
  EXPECT_EQ(metrics_.upstream_losses.value(), 0u);
}

TEST_F(GatewayRelay, ResetByTheClientIsHeardWhileRedisDoesNotRead) {
  const Joined at = joined("x");
  at.stream.write(std::string(2 * kMegabyte, 'y'));
  pass(test::kQuietTime);

  at.stream.stream->reset(ErrorCode::kCancelled);

  EXPECT_TRUE(run_until([&] {
    side_.tick();
    return side_.done == 1;
  }));
  EXPECT_TRUE(is_done());
}

TEST_F(GatewayRelay, TickLeavesRelaysAloneThatNobodyHasBrokenOff) {
  const Joined at = joined("x");
  side_.tick();
  at.stream.write(std::string(2 * kMegabyte, 'y'));
  pass(test::kQuietTime);

  side_.tick();
  at.redis.send("z");

  EXPECT_TRUE(run_until([&] { return at.redis.received().size() == 2 * kMegabyte + 1 && at.stream.received == "z"; }));
  EXPECT_EQ(side_.done, 0);
}

TEST_F(GatewayRelay, ResetByTheClientIsHeardWhileItDoesNotRead) {
  const Joined at = joined("x");
  at.stream.read(false);
  const std::string payload(4 * kMegabyte, 'z');
  std::size_t taken = 0;
  static_cast<void>(run_until(
      [&] {
        taken += at.redis.send(std::string_view(payload).substr(taken));
        return false;
      },
      test::kQuietTime));

  at.stream.stream->reset(ErrorCode::kCancelled);

  EXPECT_TRUE(is_done());
  EXPECT_TRUE(run_until([&] { return at.redis.has_ended(); }));
}

TEST_F(GatewayRelay, ClientThatWantsNoMoreClosesTheConnectionToRedis) {
  const Joined at = joined("SUBSCRIBE");
  at.stream.read(false);
  at.stream.stream->stop_reading(ErrorCode::kCancelled);

  EXPECT_TRUE(run_until([&] {
    at.redis.send("message");
    return at.redis.has_ended();
  }));

  EXPECT_TRUE(is_done());
}

TEST_F(GatewayRelay, ClientThatWantsNoMoreOfALongReplyClosesTheConnectionToRedis) {
  const Joined at = joined("x");
  at.stream.read(false);
  const std::string payload(4 * kMegabyte, 'z');
  std::size_t taken = 0;
  static_cast<void>(run_until(
      [&] {
        taken += at.redis.send(std::string_view(payload).substr(taken));
        return false;
      },
      test::kQuietTime));

  at.stream.stream->stop_reading(ErrorCode::kCancelled);

  EXPECT_TRUE(run_until([&] {
    server_->tick();
    return at.redis.has_ended();
  }));
  EXPECT_TRUE(is_done());
}

TEST_F(GatewayRelay, ClosedStreamClosesTheConnectionToRedisBehindItsRequests) {
  const Joined at = joined("x");
  at.stream.write("last");

  at.stream.stream->close();

  EXPECT_TRUE(run_until([&] { return at.redis.has_ended(); }));
  EXPECT_EQ(at.redis.received(), "xlast");
  at.redis.close();
  EXPECT_TRUE(is_done());
}

TEST_F(GatewayRelay, LostConnectionOfTheClientEndsItsRelays) {
  const Joined at = joined("x");
  open("y");
  RedisEnd& second = accept();

  client_->close_all(ErrorCode::kNone, "");

  EXPECT_TRUE(run_until([&] { return at.redis.has_ended() && second.has_ended(); }));
  EXPECT_TRUE(run_until([&] { return side_.done == 2; }));
  EXPECT_EQ(metrics_.relays.value(), 0);
}

}  // namespace
}  // namespace anteroom::gateway
