// What nobody should send to the gateway, and peers in trouble: it goes on serving, answers no more than it may, and
// keeps neither memory nor connections to Redis for them.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "support/gateway_process.hpp"
#include "support/loop_fixture.hpp"
#include "support/quic_packets.hpp"
#include "support/rig.hpp"
#include "support/sanitizers.hpp"

namespace anteroom::test {
namespace {

// So many datagrams fit what the kernel keeps for a socket; then the gateway has its turn.
constexpr std::size_t kBurst = 64;
constexpr std::size_t kInitialBytes = 1200;

class QuicBadInput : public LoopFixture {
 protected:
  void SetUp() override { ASSERT_TRUE(redis_.start()); }

  void start(std::vector<std::string> arguments = {}) {
    gateway_.emplace(GatewayProcess::Options{
        .upstream = redis_.url(Transport::kUnix), .arguments = std::move(arguments), .workers = 1});
    ASSERT_TRUE(gateway_->start());
    ASSERT_EQ(ping(), "PONG\n");
    ASSERT_TRUE(eventually([&] { return gateway_->figure("connections") == 0; }));
    resident_kilobytes_ = kilobytes();
    log_lines_ = log_lines();
  }
  [[nodiscard]] std::vector<std::string> cli(std::vector<std::string> command) const {
    std::vector<std::string> all{"cli", "--quic", "-p", std::to_string(gateway_->port()), "--pin", gateway_->pin()};
    all.insert(all.end(), command.begin(), command.end());
    return all;
  }
  [[nodiscard]] std::string ping() const {
    const Finished finished = run_anteroom(cli({"PING"}));
    return finished.output + finished.errors;
  }
  [[nodiscard]] std::string connected_clients() const {
    return info_field(redis_.connect().ask("INFO", "clients").text, "connected_clients");
  }
  [[nodiscard]] UdpPeer stranger() const { return UdpPeer(gateway_->port()); }

  /// Until the gateway has read all that was sent.
  void settle(std::int64_t datagrams) {
    EXPECT_TRUE(eventually([&] { return gateway_->figure("datagrams_received") >= datagrams; }));
  }
  /// Each from an address of its own; true if none of them got more than three times what it had sent.
  [[nodiscard]] bool none_is_amplified(const std::vector<std::string>& datagrams) {
    bool is_good = true;
    for (std::size_t first = 0; first < datagrams.size(); first += kBurst) {
      const std::int64_t before = gateway_->figure("datagrams_received");
      const std::size_t count = std::min(kBurst, datagrams.size() - first);
      std::vector<UdpPeer> strangers;
      strangers.reserve(count);
      for (std::size_t i = 0; i < count; ++i) strangers.push_back(stranger());
      for (std::size_t i = 0; i < count; ++i) strangers[i].send(datagrams[first + i]);
      settle(before + static_cast<std::int64_t>(count));
      for (std::size_t i = 0; i < count; ++i) {
        if (!strangers[i].is_amplified()) continue;
        is_good = false;
        ADD_FAILURE() << "datagram " << first + i << ": " << strangers[i].received_bytes << " bytes for "
                      << strangers[i].sent_bytes;
      }
    }
    return is_good;
  }

  [[nodiscard]] long kilobytes() const {
    const std::string status = read_file("/proc/" + std::to_string(gateway_->process().pid()) + "/status");
    const std::size_t at = status.find("VmRSS:");
    return at == std::string::npos ? 0L : std::stol(status.substr(at + 6));
  }
  [[nodiscard]] long log_lines() const {
    const std::string text = gateway_->output();
    long figures = 0;
    for (std::size_t at = text.find("event=figures"); at != std::string::npos;
         at = text.find("event=figures", at + 1)) {
      ++figures;
    }
    return std::ranges::count(text, '\n') - figures;
  }
  /// Since it was started: memory, log, and that it serves.
  void expect_unharmed(long more_kilobytes, long more_lines) {
    EXPECT_EQ(ping(), "PONG\n");
    EXPECT_TRUE(eventually([&] { return gateway_->figure("connections") == 0; }));
    if (!kIsInstrumented) {
      EXPECT_LT(kilobytes() - resident_kilobytes_, more_kilobytes);
    }
    EXPECT_LE(log_lines() - log_lines_, more_lines);
  }

  /// A client in this process.
  std::unique_ptr<quic::Endpoint> connect(quic::Side& side, const net::TlsOptions& tls = trusting_client()) {
    auto context = net::TlsContext::create(tls);
    EXPECT_TRUE(context.has_value());
    auto made = quic::Endpoint::connect(loop_, loopback(gateway_->port()), {}, *context, "", {}, side, counts_);
    EXPECT_TRUE(made.has_value());
    side.connection = (*made)->connection();
    return std::move(*made);
  }

  RedisServer redis_;
  mutable std::optional<GatewayProcess> gateway_;
  metrics::QuicMetrics counts_;
  long resident_kilobytes_ = 0;
  long log_lines_ = 0;
};

constexpr long kFewLines = 4;  // those of the PING that follows
constexpr long kFewKilobytes = 8 * 1024;

// --- Datagrams that are no QUIC, or of another ---

TEST_F(QuicBadInput, GarbageCostsItsReadingAlone) {
  constexpr int kDatagrams = 20'000;
  constexpr std::size_t kAnswersPerSecond = 3 * 100;  // version negotiations, refusals, stateless resets
  start();
  UdpPeer peer = stranger();
  std::mt19937 random(20);  // NOLINT(bugprone-random-generator-seed): each time the same
  const auto begin = Clock::now();
  const std::int64_t before = gateway_->figure("datagrams_received");
  std::size_t answers = 0;

  for (int sent = 0; sent < kDatagrams;) {
    for (std::size_t i = 0; i < kBurst && sent < kDatagrams; ++i, ++sent) {
      std::string datagram(1 + random() % 1500, '\0');
      std::ranges::generate(datagram, [&] { return static_cast<char>(random()); });
      peer.send(datagram);
    }
    settle(before + sent);
    answers += peer.received().size();
  }
  answers += peer.received().size();

  const auto seconds = std::chrono::ceil<std::chrono::seconds>(Clock::now() - begin).count();
  EXPECT_LE(answers, kAnswersPerSecond * static_cast<std::size_t>(seconds + 1));
  EXPECT_FALSE(peer.is_amplified());
  EXPECT_GT(gateway_->figure("bad_datagrams"), kDatagrams / 2);
  EXPECT_EQ(gateway_->figure("handshake_failures"), 0);
  expect_unharmed(kFewKilobytes, kFewLines);
}

TEST_F(QuicBadInput, EmptyDatagramsAreNothing) {
  start();
  UdpPeer peer = stranger();
  for (int i = 0; i < 100; ++i) peer.send("");
  expect_unharmed(kFewKilobytes, kFewLines);
}

TEST_F(QuicBadInput, UnknownVersionIsToldTheOneThereIs) {
  start();
  UdpPeer peer = stranger();
  const std::string asked = long_header(0x1a2a3a4a, "destined", "sender", kInitialBytes);
  peer.send(asked);

  const std::string answer = peer.next();

  ASSERT_GE(answer.size(), kLongIdAt + 2);
  EXPECT_LE(answer.size(), asked.size());
  EXPECT_EQ(version_of(answer), 0U) << "version negotiation";
  EXPECT_EQ(destination_of(answer), "sender");
  EXPECT_EQ(source_of(answer), "destined");
  EXPECT_TRUE(answer.ends_with(std::string("\0\0\0\1", 4)));
  EXPECT_EQ(gateway_->figure("version_negotiations"), 1);
}

TEST_F(QuicBadInput, SecondVersionIsUnknownToo) {
  start();
  UdpPeer peer = stranger();
  peer.send(long_header(0x6b3343cf, "destined", "sender", kInitialBytes));

  EXPECT_EQ(version_of(peer.next()), 0U) << "version negotiation";
  EXPECT_EQ(gateway_->figure("version_negotiations"), 1);
}

TEST_F(QuicBadInput, UnknownVersionInASmallerDatagramIsNotAnswered) {
  start();
  const std::int64_t before = gateway_->figure("datagrams_received");
  UdpPeer peer = stranger();

  peer.send(long_header(0x1a2a3a4a, "destined", "sender", kInitialBytes - 1));

  settle(before + 1);
  EXPECT_TRUE(peer.received().empty());
  EXPECT_EQ(gateway_->figure("version_negotiations"), 0);
  EXPECT_EQ(gateway_->figure("bad_datagrams"), 1);
}

TEST_F(QuicBadInput, IdsOfOtherVersionsMayBeLongAndGetNoLargerAnswer) {
  start();
  std::vector<std::string> datagrams;
  for (std::size_t size = 0; size < 256; size += 5) {
    datagrams.push_back(long_header(0x1a2a3a4a, std::string(size, 'd'), std::string(255 - size, 's'), kInitialBytes));
  }
  EXPECT_TRUE(none_is_amplified(datagrams));
  expect_unharmed(kFewKilobytes, kFewLines);
}

TEST_F(QuicBadInput, PacketsOfNoConnectionGetResetsSmallerThanThemselvesWithinTheBudget) {
  constexpr int kSmall = 60;
  constexpr int kFlood = 600;
  start();
  const std::int64_t before = gateway_->figure("datagrams_received");
  int resets = 0;
  for (std::size_t size = 1; size <= kSmall; ++size) {
    UdpPeer peer = stranger();
    peer.send("\x40" + std::string(size - 1, 'x'));
    settle(before + static_cast<std::int64_t>(size));
    for (const std::string& answer : peer.received()) {
      ++resets;
      EXPECT_LT(answer.size(), size);
      EXPECT_EQ(answer[0] & 0xc0, 0x40) << "looks like any short header";
    }
  }
  EXPECT_GT(resets, 0);
  EXPECT_EQ(gateway_->figure("stateless_resets"), resets);

  UdpPeer peer = stranger();
  for (int i = 0; i < kFlood; ++i) {
    peer.send("\x40" + std::string(100, static_cast<char>(i)));
    if (i % static_cast<int>(kBurst) == 0) settle(before + kSmall + i);
  }
  settle(before + kSmall + kFlood);

  EXPECT_GT(gateway_->figure("over_budget"), 0);
  EXPECT_EQ(gateway_->figure("stateless_resets") + gateway_->figure("over_budget"), resets + kFlood);
  EXPECT_GE(gateway_->figure("bad_datagrams"), kSmall + kFlood);
  expect_unharmed(kFewKilobytes, kFewLines);
}

// --- Handshakes ---

TEST_F(QuicBadInput, ReplayedInitialIsOneHandshakeAndAnsweredToItsAddressAlone) {
  start({"--quic-handshake-timeout", "500"});
  const std::string initial = client_initial(loop_);
  UdpPeer first = stranger();
  first.send(initial);
  EXPECT_FALSE(first.next().empty());

  EXPECT_TRUE(none_is_amplified(std::vector<std::string>(1000, initial)));

  EXPECT_TRUE(eventually([&] { return gateway_->figure("connections") == 0; }));
  EXPECT_FALSE(first.is_amplified()) << first.received_bytes;
  expect_unharmed(kFewKilobytes, kFewLines);
}

TEST_F(QuicBadInput, TruncatedInitialsAreNotAnswered) {
  start();
  const std::string initial = client_initial(loop_);
  std::vector<std::string> datagrams;
  for (std::size_t size = 1; size < kInitialBytes; ++size) datagrams.push_back(initial.substr(0, size));

  EXPECT_TRUE(none_is_amplified(datagrams));

  EXPECT_EQ(gateway_->figure("bad_datagrams"), static_cast<std::int64_t>(datagrams.size()));
  EXPECT_EQ(gateway_->figure("handshake_failures"), 0) << "nothing was begun";
  expect_unharmed(kFewKilobytes, kFewLines);
}

TEST_F(QuicBadInput, InitialsWithABitFlippedAreNoHandshakes) {
  constexpr std::size_t kHeaderBits = 8 * 64;
  constexpr std::size_t kStride = 61;
  start({"--quic-handshake-timeout", "500"});
  const std::string initial = client_initial(loop_);
  std::vector<std::string> datagrams;
  for (std::size_t bit = 0; bit < 8 * initial.size(); bit += bit < kHeaderBits ? 1 : kStride) {
    std::string& flipped = datagrams.emplace_back(initial);
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
  }

  EXPECT_TRUE(none_is_amplified(datagrams));

  EXPECT_EQ(gateway_->figure("handshakes"), 1) << "of the PING alone";
  EXPECT_GT(gateway_->figure("handshake_failures"), 0);
  expect_unharmed(kFewKilobytes, kFewLines);
}

TEST_F(QuicBadInput, ManyHandshakesUnderWayMeanRetryAndClientsStillGetIn) {
  constexpr std::size_t kUnvalidated = 64;
  start({"--quic-handshake-timeout", "3000"});
  std::vector<std::string> datagrams(2 * kUnvalidated);
  for (std::string& datagram : datagrams) datagram = client_initial(loop_);

  EXPECT_TRUE(none_is_amplified(datagrams));

  EXPECT_LE(gateway_->figure("connections"), static_cast<std::int64_t>(kUnvalidated));
  EXPECT_GE(gateway_->figure("retries"), static_cast<std::int64_t>(kUnvalidated));
  EXPECT_EQ(ping(), "PONG\n");
  EXPECT_TRUE(eventually([&] { return gateway_->figure("connections") == 0; }));
  EXPECT_EQ(gateway_->figure("handshake_failures"), static_cast<std::int64_t>(kUnvalidated));
  expect_unharmed(2 * kFewKilobytes, 2 * kFewLines);
}

TEST_F(QuicBadInput, OtherProtocolsAndNoneAreRefusedAndCounted) {
  start();
  for (const std::vector<std::string>& protocols : {std::vector<std::string>{"h3"}, std::vector<std::string>{}}) {
    quic::Side side;
    const auto client = connect(side, trusting_client(protocols));

    ASSERT_TRUE(run_until([&] { return side.closed.has_value(); }));
    EXPECT_FALSE(side.established);
    EXPECT_EQ(side.closed->kind, quic::CloseReason::Kind::kProtocol);
  }
  EXPECT_TRUE(eventually([&] { return gateway_->figure("handshake_failures") == 2; }));
  expect_unharmed(kFewKilobytes, kFewLines);
}

// --- Peers that want too much ---

TEST_F(QuicBadInput, FloodOfStreamsEndsAtTheirLimitAndOthersAreServed) {
  constexpr std::size_t kStreams = 50;
  start({"--quic-streams-max", std::to_string(kStreams)});
  quic::Side side;
  const auto client = connect(side);
  ASSERT_TRUE(run_until([&] { return side.established; }));

  while (auto stream = side.connection->open_stream()) {
    side.streams.push_back(std::make_unique<quic::StreamEnd>(std::move(stream)));
    side.streams.back()->write("PING\r\n");
  }
  EXPECT_EQ(side.streams.size(), kStreams);
  EXPECT_TRUE(run_until([&] {
    return std::ranges::all_of(side.streams, [](const auto& stream) { return stream->received == "+PONG\r\n"; });
  }));

  EXPECT_EQ(side.connection->open_stream(), nullptr);
  EXPECT_EQ(gateway_->figure("relays"), static_cast<std::int64_t>(kStreams));
  EXPECT_EQ(ping(), "PONG\n");
  client->close_all(quic::ErrorCode::kNone, "");
  EXPECT_TRUE(eventually([&] { return gateway_->figure("relays") == 0; }));
}

TEST_F(QuicBadInput, StreamsOpenedAndResetWithoutEndLeaveNothing) {
  constexpr std::size_t kRounds = 2000;
  start({"--quic-streams-max", "50"});
  const std::string before = connected_clients();
  quic::Side side;
  const auto client = connect(side);
  ASSERT_TRUE(run_until([&] { return side.established; }));

  std::size_t rounds = 0;
  EXPECT_TRUE(run_until([&] {
    while (rounds < kRounds) {
      auto stream = side.connection->open_stream();
      if (stream == nullptr) break;
      const std::string request = "PING\r\n";
      const iovec piece{const_cast<char*>(request.data()), request.size()};
      EXPECT_EQ(stream->write({&piece, 1}).bytes, request.size());
      stream->reset(quic::ErrorCode::kCancelled);
      ++rounds;
    }
    return rounds == kRounds;
  }));

  EXPECT_EQ(ping(), "PONG\n");
  EXPECT_TRUE(run_until([&] { return gateway_->figure("relays") == 0 && connected_clients() == before; }));
  client->close_all(quic::ErrorCode::kNone, "");
  expect_unharmed(kFewKilobytes, 2 * kFewLines);
}

class QuicConnectionLimit : public QuicBadInput, public testing::WithParamInterface<const char*> {};

INSTANTIATE_TEST_SUITE_P(Of, QuicConnectionLimit, testing::Values("--connections-max", "--connections-per-address-max"),
                         [](const auto& tested) {
                           return std::string(tested.param).contains("address") ? "OneAddress" : "All";
                         });

TEST_P(QuicConnectionLimit, RefusesMoreAndCountsThemUntilOneHasGone) {
  start({GetParam(), "2"});
  quic::Side first;
  quic::Side second;
  const auto one = connect(first);
  const auto other = connect(second);
  ASSERT_TRUE(run_until([&] { return first.established && second.established; }));

  quic::Side third;
  const auto refused = connect(third);
  ASSERT_TRUE(run_until([&] { return third.closed.has_value(); }));

  EXPECT_EQ(third.closed->text, "refused by the peer: it takes no more connections, or none from here, or is stopping");
  EXPECT_EQ(gateway_->figure("connections_refused"), 1);
  EXPECT_FALSE(first.closed.has_value() || second.closed.has_value());
  one->close_all(quic::ErrorCode::kNone, "");
  EXPECT_TRUE(eventually([&] { return gateway_->figure("connections") == 1; }));
  EXPECT_EQ(ping(), "PONG\n");
}

// --- Peers that vanish ---

class QuicVanished : public QuicBadInput {
 protected:
  void SetUp() override {
    QuicBadInput::SetUp();
    start({"--quic-idle-timeout", "1000"});
    before_ = connected_clients();
  }
  [[nodiscard]] bool is_blocked() const {
    return info_field(redis_.connect().ask("INFO", "clients").text, "blocked_clients") == "1";
  }
  Process start_blocked() {
    std::vector<std::string> arguments = cli({"--timeout", "60000", "BLPOP", "queue", "0"});
    arguments.insert(arguments.begin(), anteroom_binary());
    auto client = Process::spawn({.argv = arguments});
    EXPECT_TRUE(client.has_value());
    EXPECT_TRUE(eventually([&] { return is_blocked(); }));
    return std::move(*client);
  }
  void expect_nothing_left() {
    EXPECT_TRUE(eventually([&] { return gateway_->figure("relays") == 0; }));
    EXPECT_TRUE(eventually([&] { return connected_clients() == before_; }));
    EXPECT_GE(gateway_->figure("connections_lost"), 1);
    expect_unharmed(2 * kFewKilobytes, 2 * kFewLines);
  }

  std::string before_;
};

TEST_F(QuicVanished, KilledClientIsUnblockedAtRedis) {
  Process client = start_blocked();

  client.send_signal(SIGKILL);

  EXPECT_TRUE(client.wait().has_value());
  expect_nothing_left();
}

TEST_F(QuicVanished, RepliesThatNobodyTakesAnyMoreAreFreed) {
  constexpr int kStreams = 20;
  redis_.connect().ask("SETRANGE", "large", "4000000", "x");
  quic::Side side;
  auto client = connect(side);
  ASSERT_TRUE(run_until([&] { return side.established; }));
  for (int i = 0; i < kStreams; ++i) {
    side.open().read(false);
    side.streams.back()->write("GET large\r\n");
  }
  EXPECT_TRUE(run_until([&] { return gateway_->figure("relays") == kStreams; }));

  side.streams.clear();
  client.reset();  // says nothing to anybody

  expect_nothing_left();
}

// The clock of all timers leaps for who was stopped, or asleep: what is overdue then ends, and nothing else.
TEST_F(QuicVanished, GatewayThatWasAsleepServesAgain) {
  Process client = start_blocked();

  gateway_->process().send_signal(SIGSTOP);
  EXPECT_TRUE(client.wait().has_value()) << "it gives up";
  gateway_->process().send_signal(SIGCONT);

  expect_nothing_left();
}

}  // namespace
}  // namespace anteroom::test
