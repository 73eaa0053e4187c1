#include "net/udp_socket.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "support/loop_fixture.hpp"
#include "support/sockets.hpp"

namespace anteroom::net {
namespace {

using Features = UdpSocket::Features;

/// One socket, and what it hears.
struct Place final : UdpEvents {
  struct Received {
    std::string bytes;
    Address from;
    Address to;
    unsigned ecn = 0;
  };

  void on_datagram(const Datagram& datagram) override {
    received.push_back({{datagram.bytes.begin(), datagram.bytes.end()}, datagram.from, datagram.to, datagram.ecn});
  }
  void on_datagrams_end() override {
    ++ends;
    at_last_end = received.size();
    refused_at_end |= looks_for_refusal && socket->take_refused();
  }
  void on_room() override {}

  [[nodiscard]] std::vector<std::size_t> sizes() const {
    std::vector<std::size_t> out;
    std::ranges::transform(received, std::back_inserter(out), [](const Received& one) { return one.bytes.size(); });
    return out;
  }
  [[nodiscard]] std::string all() const {
    std::string out;
    for (const Received& one : received) out += one.bytes;
    return out;
  }

  std::unique_ptr<UdpSocket> socket;
  metrics::QuicMetrics counts;
  std::vector<Received> received;
  std::size_t at_last_end = 0;
  int ends = 0;
  bool looks_for_refusal = false;
  bool refused_at_end = false;
};

class UdpSocketTest : public test::LoopFixture {
 protected:
  Place& take(UdpSocket::Created created) {
    EXPECT_TRUE(created.has_value()) << created.error();
    Place& place = *places_.back();
    place.socket = std::move(*created);
    place.socket->start(place);
    return place;
  }
  Place& bound(const Address& at = test::loopback(), const UdpSocket::Options& options = {}) {
    places_.push_back(std::make_unique<Place>());
    return take(UdpSocket::bind(loop_, at, options, places_.back()->counts));
  }
  Place& connected(const Address& to, const UdpSocket::Options& options = {}) {
    places_.push_back(std::make_unique<Place>());
    return take(UdpSocket::connect(loop_, to, options, places_.back()->counts));
  }

  /// Where somebody was a moment ago.
  std::uint16_t closed_udp_port() {
    metrics::QuicMetrics counts;
    const auto gone = UdpSocket::bind(loop_, test::loopback(), {}, counts);
    EXPECT_TRUE(gone.has_value());
    return (*gone)->local().port();
  }

  /// Puts `bytes` into the queue of `from`, as datagrams of `segment` bytes.
  static void commit(Place& from, const Address& to, std::string_view bytes, std::size_t segment,
                     std::uint8_t ecn = 0) {
    const std::span<std::uint8_t> room = from.socket->reserve();
    ASSERT_GE(room.size(), bytes.size());
    std::memcpy(room.data(), bytes.data(), bytes.size());
    from.socket->commit(from.socket->local().data(), to.data(), to.size(), ecn, bytes.size(), segment);
  }
  static void send(Place& from, const Address& to, std::string_view bytes, std::uint8_t ecn = 0) {
    commit(from, to, bytes, bytes.size(), ecn);
    from.socket->flush();
  }
  [[nodiscard]] bool arrive(const Place& place, std::size_t count) {
    return run_until([&] { return place.received.size() >= count; });
  }

  std::vector<std::unique_ptr<Place>> places_;
};

std::string pattern(std::size_t size) {
  std::string out;
  for (unsigned i = 0; out.size() < size; ++i) out += static_cast<char>(i * 7 + i / 251);
  return out;
}

// --- One at a time ---

TEST_F(UdpSocketTest, DatagramsArriveWholeWithTheirSender) {
  Place& here = bound();
  Place& there = bound();

  for (const std::size_t size : {1u, 1200u, 1452u, 30'000u}) send(here, there.socket->local(), pattern(size));

  ASSERT_TRUE(arrive(there, 4));
  EXPECT_EQ(there.sizes(), (std::vector<std::size_t>{1, 1200, 1452, 30'000}));
  for (const auto& one : there.received) {
    EXPECT_EQ(one.bytes, pattern(one.bytes.size()));
    EXPECT_EQ(one.from, here.socket->local());
    EXPECT_EQ(one.ecn, 0u);
  }
}

TEST_F(UdpSocketTest, LocalAddressIsWhereItIsBound) {
  EXPECT_NE(bound().socket->local().port(), 0);
  EXPECT_TRUE(bound().socket->local().is_loopback());
}

TEST_F(UdpSocketTest, EndIsToldBehindWhatHasArrived) {
  Place& here = bound();
  Place& there = bound();
  commit(here, there.socket->local(), pattern(5000), 1000);
  here.socket->flush();

  ASSERT_TRUE(arrive(there, 5));

  EXPECT_GT(there.ends, 0);
  EXPECT_EQ(there.at_last_end, 5u);
}

TEST_F(UdpSocketTest, EcnBitsArrive) {
  Place& here = bound();
  Place& there = bound();

  for (std::uint8_t ecn = 0; ecn < 4; ++ecn) send(here, there.socket->local(), "x", ecn);

  ASSERT_TRUE(arrive(there, 4));
  for (unsigned i = 0; i < 4; ++i) EXPECT_EQ(there.received[i].ecn, i);
}

TEST_F(UdpSocketTest, EcnBitsOfABatchArriveWithEachDatagram) {
  Place& here = bound();
  Place& there = bound();

  commit(here, there.socket->local(), pattern(3000), 1000, 2);
  here.socket->flush();

  ASSERT_TRUE(arrive(there, 3));
  for (const auto& one : there.received) EXPECT_EQ(one.ecn, 2u);
}

TEST_F(UdpSocketTest, Ipv6IsTheSame) {
  const auto any = Address::from_numeric("::1", 0);
  metrics::QuicMetrics counts;
  if (!UdpSocket::bind(loop_, *any, {}, counts)) GTEST_SKIP() << "there is no IPv6 here";
  Place& here = bound(*any);
  Place& there = bound(*any);

  commit(here, there.socket->local(), pattern(2500), 1000, 1);
  here.socket->flush();

  ASSERT_TRUE(arrive(there, 3));
  EXPECT_EQ(there.sizes(), (std::vector<std::size_t>{1000, 1000, 500}));
  EXPECT_EQ(there.received[0].from, here.socket->local());
  EXPECT_EQ(there.received[2].ecn, 1u);
}

// --- Connected ---

TEST_F(UdpSocketTest, ConnectedSocketSendsToItsPeerAndHearsNobodyElse) {
  Place& peer = bound();
  Place& stranger = bound();
  Place& here = connected(peer.socket->local());

  send(here, peer.socket->local(), "to the peer");
  ASSERT_TRUE(arrive(peer, 1));
  EXPECT_EQ(peer.received[0].from, here.socket->local());
  send(stranger, here.socket->local(), "from a stranger");
  send(peer, here.socket->local(), "from the peer");

  ASSERT_TRUE(arrive(here, 1));
  EXPECT_EQ(here.received[0].bytes, "from the peer");
  EXPECT_TRUE(never([&] { return here.received.size() > 1; }));
}

TEST_F(UdpSocketTest, RefusalIsToldOnceToAConnectedSocket) {
  const std::uint16_t port = closed_udp_port();
  Place& here = connected(test::loopback(port));
  here.looks_for_refusal = true;
  EXPECT_FALSE(here.socket->take_refused());

  send(here, test::loopback(port), "anybody there?");

  EXPECT_TRUE(run_until([&] { return here.refused_at_end; }));
  EXPECT_FALSE(here.socket->take_refused());
  EXPECT_TRUE(here.received.empty());
}

TEST_F(UdpSocketTest, RefusalFoundBySendingIsToldToo) {
  const std::uint16_t port = closed_udp_port();
  Place& here = connected(test::loopback(port));

  // The answer to the first one is there when the second is sent.
  send(here, test::loopback(port), "first");
  send(here, test::loopback(port), "second");

  EXPECT_TRUE(here.socket->take_refused());
  EXPECT_EQ(here.counts.datagrams_sent.value() + here.counts.datagrams_unsent.value(), 2u);
}

TEST_F(UdpSocketTest, UnconnectedSocketHearsOfNoRefusal) {
  Place& here = bound();
  Place& there = bound();
  here.looks_for_refusal = true;
  const std::uint16_t port = closed_udp_port();

  send(here, test::loopback(port), "nobody");
  send(here, there.socket->local(), "somebody");

  EXPECT_TRUE(arrive(there, 1));
  EXPECT_FALSE(here.refused_at_end);
  EXPECT_FALSE(here.socket->take_refused());
  EXPECT_EQ(here.counts.datagrams_unsent.value(), 0u);
}

// --- Many at once, with each of the kernel's offers and without ---

class UdpSocketBatch : public UdpSocketTest, public testing::WithParamInterface<unsigned> {
 protected:
  [[nodiscard]] static Features features() {
    return {
        .segmentation = (GetParam() & 1) != 0, .coalescing = (GetParam() & 2) != 0, .batches = (GetParam() & 4) != 0};
  }
  [[nodiscard]] static UdpSocket::Options options() { return {.features = features()}; }
  Place& here_ = bound(test::loopback(), options());
  Place& there_ = bound(test::loopback(), options());
};

TEST_P(UdpSocketBatch, ArrivesAsDatagramsOfOneSizeAndARest) {
  const std::string bytes = pattern(10 * 1200 + 300);

  commit(here_, there_.socket->local(), bytes, 1200);
  here_.socket->flush();

  ASSERT_TRUE(arrive(there_, 11));
  std::vector<std::size_t> expected(10, 1200);
  expected.push_back(300);
  EXPECT_EQ(there_.sizes(), expected);
  EXPECT_EQ(there_.all(), bytes);
  for (const auto& one : there_.received) EXPECT_EQ(one.from, here_.socket->local());
}

TEST_P(UdpSocketBatch, IsCounted) {
  const std::string bytes = pattern(10 * 1200 + 300);

  commit(here_, there_.socket->local(), bytes, 1200);
  here_.socket->flush();
  ASSERT_TRUE(arrive(there_, 11));

  EXPECT_EQ(here_.counts.datagrams_sent.value(), 11u);
  EXPECT_EQ(here_.counts.bytes_sent.value(), bytes.size());
  EXPECT_EQ(here_.counts.datagrams_unsent.value(), 0u);
  EXPECT_EQ(there_.counts.datagrams_received.value(), 11u);
  EXPECT_EQ(there_.counts.bytes_received.value(), bytes.size());
  EXPECT_GT(there_.counts.receive_calls.value(), 0u);
  const bool in_one_call = here_.socket->segments() || features().batches;
  EXPECT_EQ(here_.counts.send_calls.value(), in_one_call ? 1u : 11u);
}

TEST_P(UdpSocketBatch, IsSentWithOthersInTheirOrder) {
  Place& third = bound(test::loopback(), options());
  const std::string first = pattern(3 * 1000);
  const std::string second = "between";
  const std::string last = pattern(2 * 700 + 1);

  commit(here_, there_.socket->local(), first, 1000);
  commit(here_, there_.socket->local(), second, second.size());
  commit(here_, third.socket->local(), "elsewhere", 9);
  commit(here_, there_.socket->local(), last, 700);
  here_.socket->flush();

  ASSERT_TRUE(arrive(there_, 7) && arrive(third, 1));
  EXPECT_EQ(there_.sizes(), (std::vector<std::size_t>{1000, 1000, 1000, 7, 700, 700, 1}));
  EXPECT_EQ(there_.all(), first + second + last);
  EXPECT_EQ(third.all(), "elsewhere");
}

TEST_P(UdpSocketBatch, MayBeAsLargeAsItSays) {
  constexpr std::size_t kSize = UdpSocket::kBatchBytesMax / UdpSocket::kBatchDatagramsMax;
  const std::string bytes = pattern(kSize * UdpSocket::kBatchDatagramsMax);

  commit(here_, there_.socket->local(), bytes, kSize);
  here_.socket->flush();

  ASSERT_TRUE(arrive(there_, UdpSocket::kBatchDatagramsMax));
  EXPECT_EQ(there_.all(), bytes);
}

// Without flush(), so many that they have to be sent before.
TEST_P(UdpSocketBatch, ManyFindRoom) {
  constexpr std::size_t kBatches = 200;
  std::string expected;
  for (std::size_t i = 0; i < kBatches; ++i) {
    const std::string bytes = "batch number " + std::to_string(i) + "!";
    commit(here_, there_.socket->local(), bytes, 8);
    expected += bytes;
  }
  EXPECT_GT(here_.counts.datagrams_sent.value(), 0u);
  here_.socket->flush();

  EXPECT_TRUE(run_until([&] { return there_.counts.bytes_received.value() == expected.size(); }));
  EXPECT_EQ(there_.all(), expected);
}

TEST_P(UdpSocketBatch, LargeOnesFindRoomAgainAndAgain) {
  const std::string bytes = pattern(60'000);
  for (std::size_t i = 1; i <= 40; ++i) {
    commit(here_, there_.socket->local(), bytes, 20'000);
    if (i % 2 != 0) continue;
    ASSERT_TRUE(arrive(there_, 3 * (i - 2))) << "the kernel drops what its reader does not take";
    here_.socket->flush();
  }

  ASSERT_TRUE(arrive(there_, 120));
  EXPECT_EQ(there_.counts.bytes_received.value(), 40 * bytes.size());
  EXPECT_FALSE(here_.socket->is_blocked());
}

// The kernel lets nobody send to a broadcast address who has not asked for it.
TEST_P(UdpSocketBatch, WhatTheNetworkRefusesIsLostAlone) {
  const Address forbidden = *Address::from_numeric("255.255.255.255", 9);

  commit(here_, there_.socket->local(), "before", 6);
  commit(here_, forbidden, pattern(2500), 1000);
  commit(here_, there_.socket->local(), "behind", 6);
  here_.socket->flush();

  ASSERT_TRUE(arrive(there_, 2));
  EXPECT_EQ(there_.all(), "beforebehind");
  EXPECT_EQ(here_.counts.datagrams_sent.value(), 2u);
  EXPECT_EQ(here_.counts.datagrams_unsent.value(), 3u);
}

TEST_P(UdpSocketBatch, OfAConnectedSocketGoesToItsPeer) {
  Place& client = connected(there_.socket->local(), options());

  commit(client, there_.socket->local(), pattern(2500), 1000, 2);
  client.socket->flush();

  ASSERT_TRUE(arrive(there_, 3));
  EXPECT_EQ(there_.sizes(), (std::vector<std::size_t>{1000, 1000, 500}));
  EXPECT_EQ(there_.received[0].from, client.socket->local());
  EXPECT_EQ(there_.received[1].ecn, 2u);
}

TEST_P(UdpSocketBatch, LeftOutFeaturesAreNotUsed) {
  EXPECT_TRUE(features().segmentation || !here_.socket->segments());
  EXPECT_EQ(here_.socket->reserve().size(), UdpSocket::kBatchBytesMax);
}

std::string name_of(const testing::TestParamInfo<unsigned>& info) {
  std::string out;
  if ((info.param & 1) != 0) out += "Segmentation";
  if ((info.param & 2) != 0) out += "Coalescing";
  if ((info.param & 4) != 0) out += "Batches";
  return out.empty() ? "Nothing" : out;
}
INSTANTIATE_TEST_SUITE_P(With, UdpSocketBatch, testing::Range(0u, 8u), name_of);

// --- One place, several sockets ---

class SharedUdpPort : public UdpSocketTest {
 protected:
  void share(unsigned count) {
    Address at = test::loopback();
    for (unsigned i = 0; i < count; ++i) {
      workers_.push_back(&bound(at, {.shares_port = true}));
      at = workers_[0]->socket->local();
    }
    const auto steered = workers_[0]->socket->steer_by_connection_id(count);
    ASSERT_TRUE(steered.has_value()) << steered.error();
  }
  /// Which one gets it.
  int receiver_of(std::string_view datagram) {
    std::vector<std::size_t> before;
    before.reserve(workers_.size());
    for (const Place* worker : workers_) before.push_back(worker->received.size());
    send(client_, workers_[0]->socket->local(), datagram);
    int found = -1;
    EXPECT_TRUE(run_until([&] {
      for (std::size_t i = 0; i < workers_.size(); ++i) {
        if (workers_[i]->received.size() > before[i]) found = static_cast<int>(i);
      }
      return found >= 0;
    }));
    return found;
  }
  static std::string short_header(std::uint8_t first_of_id) {
    return std::string("\x40", 1) + static_cast<char>(first_of_id) + "rest of id and more";
  }
  static std::string long_header(std::uint8_t first_of_id) {
    return std::string("\xc0\0\0\0\1\x08", 6) + static_cast<char>(first_of_id) + "rest of id and more";
  }

  std::vector<Place*> workers_;
  Place& client_ = bound();
};

TEST_F(SharedUdpPort, ShortHeadersAreSteeredByTheirSecondByte) {
  share(3);
  for (const int first : {0, 1, 2, 3, 127, 128, 200, 255}) {
    EXPECT_EQ(receiver_of(short_header(static_cast<std::uint8_t>(first))), first % 3) << first;
  }
}

TEST_F(SharedUdpPort, LongHeadersAreSteeredByTheFirstByteOfTheirId) {
  share(3);
  for (const int first : {0, 1, 2, 3, 127, 128, 200, 255}) {
    EXPECT_EQ(receiver_of(long_header(static_cast<std::uint8_t>(first))), first % 3) << first;
  }
}

TEST_F(SharedUdpPort, DatagramsOfOtherPeersGoTheSameWay) {
  share(2);
  EXPECT_EQ(receiver_of(short_header(5)), 1);
  Place& other = bound();

  send(other, workers_[0]->socket->local(), short_header(5));

  EXPECT_TRUE(run_until([&] { return workers_[1]->received.size() == 2; }));
  EXPECT_EQ(workers_[1]->received[1].from, other.socket->local());
}

TEST_F(SharedUdpPort, DatagramsTooShortForAnIdArriveSomewhere) {
  share(2);
  EXPECT_GE(receiver_of("\x40"), 0);
  EXPECT_GE(receiver_of("\xc0\1\1"), 0);
}

TEST_F(SharedUdpPort, BatchesAreSteeredAsWhole) {
  share(2);
  std::string batch;
  for (int i = 0; i < 4; ++i) batch += short_header(1);

  commit(client_, workers_[0]->socket->local(), batch, batch.size() / 4);
  client_.socket->flush();

  ASSERT_TRUE(arrive(*workers_[1], 4));
  EXPECT_TRUE(workers_[0]->received.empty());
}

// --- What cannot be ---

void expect_error(const UdpSocket::Created& created, std::string_view text) {
  ASSERT_FALSE(created.has_value());
  EXPECT_EQ(created.error(), text);
}

TEST_F(UdpSocketTest, AddressOfSomebodyElseIsAnError) {
  metrics::QuicMetrics counts;
  expect_error(UdpSocket::bind(loop_, *Address::from_numeric("192.0.2.1", 4711), {}, counts),
               "cannot listen on 192.0.2.1:4711/udp: Cannot assign requested address");
}

TEST_F(UdpSocketTest, PortThatIsTakenIsAnError) {
  metrics::QuicMetrics counts;
  const Address taken = bound().socket->local();
  expect_error(UdpSocket::bind(loop_, taken, {}, counts),
               "cannot listen on " + taken.to_string() + "/udp: Address already in use");
  expect_error(UdpSocket::bind(loop_, taken, {.shares_port = true}, counts),
               "cannot listen on " + taken.to_string() + "/udp: Address already in use");
}

TEST_F(UdpSocketTest, PlaceThatCannotBeReachedIsAnError) {
  metrics::QuicMetrics counts;
  expect_error(UdpSocket::connect(loop_, *Address::from_numeric("255.255.255.255", 9), {}, counts),
               "cannot connect to 255.255.255.255:9/udp: Permission denied");
}

TEST_F(UdpSocketTest, NoAddressAtAllIsAnError) {
  metrics::QuicMetrics counts;
  EXPECT_FALSE(UdpSocket::bind(loop_, Address(), {}, counts).has_value());
  EXPECT_FALSE(UdpSocket::connect(loop_, Address(), {}, counts).has_value());
}

// --- All addresses ---

TEST_F(UdpSocketTest, AddressThatWasAskedAnswers) {
  struct Case {
    const char* all;
    const char* asked;
    const char* asking;
  };
  for (const Case& each : {Case{"0.0.0.0", "127.0.0.2", "127.0.0.1"}, Case{"0.0.0.0", "127.0.0.1", "127.0.0.1"},
                           Case{"::", "::1", "::1"}}) {
    Place& here = bound(*Address::from_numeric(each.all, 0));
    Place& client = bound(*Address::from_numeric(each.asking, 0));
    const Address asked = *Address::from_numeric(each.asked, here.socket->local().port());
    send(client, asked, "question");
    ASSERT_TRUE(arrive(here, 1));
    EXPECT_EQ(here.received[0].to, asked);

    const std::span<std::uint8_t> room = here.socket->reserve();
    std::memcpy(room.data(), "answer", 6);
    const Address& to = client.socket->local();
    here.socket->commit(here.received[0].to.data(), to.data(), to.size(), 1, 6, 3);
    here.socket->flush();

    ASSERT_TRUE(run_until([&] { return client.all() == "answer"; }));
    EXPECT_EQ(client.received[0].from, asked);
    EXPECT_EQ(client.received[0].ecn, 1U);
  }
}

TEST_F(UdpSocketTest, PlaceOfOneWhoWouldShareItIsNotFree) {
  const Place& other = bound(test::loopback(), {.shares_port = true});

  const auto free = UdpSocket::check_free(other.socket->local());

  ASSERT_FALSE(free.has_value());
  EXPECT_TRUE(free.error().contains(other.socket->local().to_string())) << free.error();
  EXPECT_TRUE(UdpSocket::check_free(test::loopback()).has_value());
}

}  // namespace
}  // namespace anteroom::net
