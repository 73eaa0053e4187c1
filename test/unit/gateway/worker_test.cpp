#include "gateway/worker.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include "unit/gateway/relay_fixture.hpp"

namespace anteroom::gateway {
namespace {

using quic::ErrorCode;
using quic::StreamEnd;
using std::chrono::milliseconds;

constexpr milliseconds kMuchPatience{60'000};
// More than the silence that ends a connection on loopback.
constexpr milliseconds kWhile{300};

/// A worker on its own thread between a Redis of bare sockets and a client in the loop of the test.
class GatewayWorker : public quic::QuicTest {
 protected:
  void TearDown() override {
    if (worker_ != nullptr) stop(milliseconds(0));
    worker_.reset();
    client_.reset();
  }

  void begin() {
    auto contexts = net::TlsContextSource::create(server_tls());
    ASSERT_TRUE(contexts.has_value()) << contexts.error().text;
    const std::string path = dir_.file("redis");
    redis_listener_ = test::listen_on(*net::Address::from_unix_path(path));
    WorkerOptions options;
    options.listen = {place_};
    options.quic = options_;
    options.server.contexts = *contexts;
    options.target.unix_path = path;
    worker_ = std::make_unique<Worker>(std::move(options), resolver_, outage_log_);
    const auto listening = worker_->listen();
    ASSERT_TRUE(listening.has_value()) << listening.error();
    worker_->start();
    auto context = net::TlsContext::create(client_tls());
    ASSERT_TRUE(context.has_value()) << context.error().text;
    auto made = quic::Endpoint::connect(loop_, worker_->places().front(), client_options_ ? *client_options_ : options_,
                                        *context, server_name_, {}, here_, client_counts_);
    ASSERT_TRUE(made.has_value()) << made.error();
    client_ = std::move(*made);
    here_.connection = client_->connection();
    ASSERT_TRUE(run_until([&] { return here_.established; }));
  }
  /// A stream and its connection, with `first` gone from one to the other.
  Joined joined(std::string_view first) {
    if (worker_ == nullptr) begin();
    StreamEnd& stream = here_.open();
    stream.write(first);
    base::UniqueFd fd;
    EXPECT_TRUE(run_until([&] {
      if (!fd.is_open() && test::becomes_readable(redis_listener_.value(), test::milliseconds(0))) {
        fd = base::UniqueFd(accept4(redis_listener_.value(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
      }
      return fd.is_open();
    }));
    RedisEnd& redis = *redis_.emplace_back(std::make_unique<RedisEnd>(std::move(fd)));
    EXPECT_TRUE(run_until([&] { return redis.received() == first; }));
    return {stream, redis};
  }
  void stop(milliseconds patience) {
    worker_->stop(patience, [this] { has_stopped_ = true; });
  }
  [[nodiscard]] bool is_told() {
    return run_until([&] { return here_.closed.has_value(); }) &&
           here_.closed->code == static_cast<std::uint64_t>(ErrorCode::kShuttingDown);
  }

  net::Resolver resolver_;
  net::OutageLog outage_log_{"redis"};
  base::UniqueFd redis_listener_;
  std::vector<std::unique_ptr<RedisEnd>> redis_;
  std::unique_ptr<Worker> worker_;
  std::atomic<bool> has_stopped_{false};
};

TEST_F(GatewayWorker, StopEndsConnectionsOnWhichNothingIsUnderWay) {
  const Joined at = joined("PING");
  at.redis.send("+PONG");
  ASSERT_TRUE(run_until([&] { return at.stream.received == "+PONG"; }));

  stop(kMuchPatience);

  EXPECT_TRUE(is_told());
  EXPECT_TRUE(run_until([&] { return has_stopped_.load() && at.redis.has_ended(); }));
}

TEST_F(GatewayWorker, StopEndsConnectionsWithoutStreams) {
  begin();

  stop(kMuchPatience);

  EXPECT_TRUE(is_told());
  EXPECT_TRUE(run_until([&] { return has_stopped_.load(); }));
}

TEST_F(GatewayWorker, StopWaitsForAnswersAndThenEndsTheConnection) {
  const Joined blocked = joined("BLPOP");
  const Joined idle = joined("PING");
  idle.redis.send("+PONG");
  ASSERT_TRUE(run_until([&] { return idle.stream.received == "+PONG"; }));
  stop(kMuchPatience);
  pass(kWhile);
  EXPECT_FALSE(here_.closed.has_value());

  blocked.redis.send("late");

  EXPECT_TRUE(run_until([&] { return blocked.stream.received == "late"; }));
  EXPECT_TRUE(is_told());
  EXPECT_TRUE(run_until([&] { return has_stopped_.load(); }));
}

TEST_F(GatewayWorker, StopLeavesAConnectionAloneAsLongAsItsPeerGoesOn) {
  const Joined at = joined("1");
  std::size_t asked = 1;
  std::size_t answered = 0;
  stop(kMuchPatience);

  const auto goes_on_until_the_end = [&] {
    if (at.redis.received().size() > answered) answered += at.redis.send("+");
    if (at.stream.received.size() == asked) {
      at.stream.write("1");
      ++asked;
    }
    return here_.closed.has_value();
  };

  EXPECT_FALSE(run_until(goes_on_until_the_end, kWhile));
  EXPECT_GT(asked, 10u);
}

TEST_F(GatewayWorker, StopGivesUpAfterItsPatience) {
  const Joined at = joined("BLPOP");

  stop(kWhile);

  EXPECT_TRUE(is_told());
  EXPECT_TRUE(run_until([&] { return has_stopped_.load() && at.redis.has_ended(); }));
}

TEST_F(GatewayWorker, StopWaitsUntilThePeerHasItsReplies) {
  client_options_ = options_;
  client_options_->stream_window = 16 << 10;
  const Joined at = joined("GET");
  at.stream.read(false);
  const std::string reply(150'000, 'v');
  ASSERT_EQ(at.redis.send(reply), reply.size());
  at.redis.close();
  ASSERT_TRUE(run_until([&] { return worker_->metrics().relays.value() == 0; })) << "all is in the stream";

  stop(kMuchPatience);
  pass(kWhile);
  at.stream.read(true);

  EXPECT_TRUE(run_until([&] { return at.stream.has_ended(); }));
  EXPECT_EQ(at.stream.received.size(), reply.size());
  EXPECT_EQ(at.stream.end->status, net::IoResult::Status::kClosed);
  EXPECT_TRUE(run_until([&] { return has_stopped_.load(); }));
}

}  // namespace
}  // namespace anteroom::gateway
