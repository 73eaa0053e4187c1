#pragma once

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gateway/gateway_metrics.hpp"
#include "gateway/relay.hpp"
#include "net/outage_log.hpp"
#include "support/quic_rig.hpp"
#include "support/sockets.hpp"

namespace anteroom::gateway {

inline constexpr std::size_t kMegabyte = 1 << 20;

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

/// While it lives no further file can be opened.
class OpenFilesLimit {
 public:
  OpenFilesLimit() {
    EXPECT_EQ(getrlimit(RLIMIT_NOFILE, &before_), 0);
    const base::UniqueFd lowest(dup(STDERR_FILENO));  // that is free
    rlimit none = before_;
    none.rlim_cur = static_cast<rlim_t>(lowest.value());
    EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  }
  ~OpenFilesLimit() { EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &before_), 0); }
  OpenFilesLimit(const OpenFilesLimit&) = delete;
  OpenFilesLimit& operator=(const OpenFilesLimit&) = delete;

 private:
  rlimit before_{};
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

/// The two ends that a relay joins.
struct Joined {
  quic::StreamEnd& stream;
  RedisEnd& redis;
};

/// Relays between streams over loopback and a Redis of bare sockets, all in one loop.
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
  quic::StreamEnd& open(std::string_view first) {
    if (!server_) begin();
    quic::StreamEnd& stream = here_.open();
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
    quic::StreamEnd& stream = open(first);
    RedisEnd& redis = accept();
    EXPECT_TRUE(run_until([&] { return redis.received() == first; }));
    return {stream, redis};
  }
  /// With a client that does not read, so that most of a reply stays where it is.
  Joined joined_with_little_room() {
    options_.send_bytes_max = 32 << 10;
    client_options_ = options_;
    client_options_->stream_window = 64 << 10;
    const Joined at = joined("GET");
    at.stream.read(false);
    return at;
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
  /// A reply so long that nobody takes all of it while the client does not read.
  void send_what_fits(RedisEnd& redis) {
    const std::string payload(4 * kMegabyte, 'z');
    std::string_view rest = payload;
    const auto send_on = [&] {
      rest.remove_prefix(redis.send(rest));
      return rest.empty();
    };
    EXPECT_FALSE(run_until(send_on, test::kQuietTime));
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
  net::OutageLog outage_log_{"redis"};
  GatewayMetrics metrics_;
  RelayContext context_{loop_, resolver_, mailbox_, target_, outage_log_, metrics_};
  RelayingSide side_{loop_, context_};
  std::string path_;
  base::UniqueFd redis_listener_;
  std::vector<std::unique_ptr<RedisEnd>> redis_;
};

}  // namespace anteroom::gateway
