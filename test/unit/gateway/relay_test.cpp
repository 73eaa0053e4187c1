#include "gateway/relay.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstdint>
#include <string>
#include <string_view>

#include "unit/gateway/relay_fixture.hpp"

namespace anteroom::gateway {
namespace {

using quic::ErrorCode;
using quic::StreamEnd;
using Status = net::IoResult::Status;

constexpr std::uint64_t code_of(ErrorCode code) { return static_cast<std::uint64_t>(code); }

std::string numbers(std::size_t size) {
  std::string out;
  for (int i = 0; out.size() < size; ++i) out += std::to_string(i) + ",";
  return out;
}

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

TEST_F(GatewayRelay, DialWithoutAFileToSpareIsToldAsALimit) {
  open("x");
  accept();
  const OpenFilesLimit limit;

  StreamEnd& stream = open("y");
  ASSERT_TRUE(run_until([&] { return stream.has_ended(); }));

  EXPECT_EQ(stream.stream->peer_error(), code_of(ErrorCode::kLimit));
  EXPECT_EQ(metrics_.relays_refused.value(), 1u);
  EXPECT_EQ(metrics_.dial_errors.value(), 0u);
  EXPECT_TRUE(outage_log_.is_up()) << "Redis is";
}

TEST_F(GatewayRelay, OutageOfRedisBeginsAndEndsInTheLog) {
  target_.unix_path = dir_.file("nobody");
  StreamEnd& stream = open("x");
  ASSERT_TRUE(run_until([&] { return stream.has_ended(); }));
  EXPECT_FALSE(outage_log_.is_up());

  target_.unix_path = path_;
  open("y");
  accept();

  EXPECT_TRUE(run_until([&] { return outage_log_.is_up(); }));
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

TEST_F(GatewayRelay, RedisThatHasTakenAllLeavesNoMemoryOfIt) {
  const Joined at = joined("x");
  const Relay& relay = *side_.relays.front();
  at.stream.write(std::string(2 * kMegabyte, 'y'));
  ASSERT_TRUE(run_until([&] { return relay.pending_capacity() > 4096; }));

  ASSERT_TRUE(run_until([&] { return at.redis.received().size() == 2 * kMegabyte + 1; }));

  EXPECT_LT(relay.pending_capacity(), 64u);
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

// --- Whether something is under way ---

TEST_F(GatewayRelay, RedisIsAwaitedFromAnyBytesUntilItSaysSomething) {
  const Joined at = joined("question");
  const Relay& relay = *side_.relays.front();
  EXPECT_TRUE(relay.awaits_redis());

  at.redis.send("answer");
  ASSERT_TRUE(run_until([&] { return at.stream.received == "answer"; }));
  EXPECT_FALSE(relay.awaits_redis());
  const base::TimePoint answered = relay.last_passage();

  at.stream.write("another");
  ASSERT_TRUE(run_until([&] { return at.redis.received() == "questionanother"; }));
  EXPECT_TRUE(relay.awaits_redis());
  EXPECT_GE(relay.last_passage(), answered);
}

TEST_F(GatewayRelay, RedisIsAwaitedAfterTheEndOfRequests) {
  const Joined at = joined("QUIT");
  at.redis.send("+OK");
  ASSERT_TRUE(run_until([&] { return at.stream.received == "+OK"; }));

  at.stream.write_and_finish("");

  ASSERT_TRUE(run_until([&] { return at.redis.has_ended(); }));
  EXPECT_TRUE(side_.relays.front()->awaits_redis());
}

// --- What breaks ---

TEST_F(GatewayRelay, LastWordsOfARedisThatBreaksOffArrive) {
  const Joined at = joined("x");
  at.stream.write("HELLO");
  ASSERT_TRUE(run_until([&] { return metrics_.bytes_up.value() == 6; }));

  at.redis.send("-ERR max number of clients reached\r\n");
  at.redis.close();  // with HELLO unread: a reset, for a UNIX socket too

  ASSERT_TRUE(run_until([&] { return at.stream.has_ended(); }));
  EXPECT_EQ(at.stream.received, "-ERR max number of clients reached\r\n");
  EXPECT_EQ(at.stream.end->status, Status::kClosed);
  EXPECT_TRUE(is_done());
  EXPECT_EQ(metrics_.upstream_losses.value(), 1u);
}

// Writing fails then, the client is told to stop, and answers that with a reset.
TEST_F(GatewayRelay, RepliesArriveAlsoWhenTheClientWroteToARedisThatHadClosed) {
  const Joined at = joined_with_little_room();
  const std::string reply = numbers(150'000);
  ASSERT_EQ(at.redis.send(reply), reply.size());
  pass(test::kQuietTime);
  at.redis.close();

  at.stream.write("PING");
  ASSERT_TRUE(run_until([&] { return server_counts_.resets_received.value() == 1; }));
  side_.tick();
  at.stream.read(true);

  EXPECT_TRUE(run_until([&] { return at.stream.has_ended(); }));
  EXPECT_EQ(at.stream.end->status, Status::kClosed);
  EXPECT_TRUE(at.stream.received == reply) << at.stream.received.size();
  EXPECT_TRUE(is_done());
}

TEST_F(GatewayRelay, ClientThatHasGoneAfterRedisClosedIsNoticed) {
  const Joined at = joined_with_little_room();
  at.redis.send(numbers(150'000));
  pass(test::kQuietTime);
  at.redis.close();
  at.stream.write("PING");
  ASSERT_TRUE(run_until([&] { return server_counts_.resets_received.value() == 1; }));
  EXPECT_EQ(side_.done, 0);

  at.stream.stream->reset(ErrorCode::kCancelled);

  EXPECT_TRUE(run_until([&] {
    server_->tick();
    side_.tick();
    return side_.done == 1;
  }));
}

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
  send_what_fits(at.redis);

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
  send_what_fits(at.redis);

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
