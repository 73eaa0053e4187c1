// Early data (0-RTT, RFC 9001, section 4.6): what streams say goes with the first flight of one who comes back.
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "quic/dialer.hpp"
#include "quic/endpoint.hpp"
#include "support/quic_rig.hpp"
#include "support/udp_peer.hpp"

namespace anteroom::quic {
namespace {

class QuicEarlyData : public QuicTest {
 protected:
  QuicEarlyData() {
    options_.early_data = true;
    server_tls_ = server_tls();
    server_tls_->early_data = true;
    client_tls_ = client_tls();
    client_tls_->early_data = true;
  }

  /// What a first connection was given for the next one.
  Resumption visited() {
    connected();
    EXPECT_TRUE(run_until([&] { return !here_.connection->resumption().ticket.empty(); }));
    Resumption kept = here_.connection->resumption();
    here_.connection->close(ErrorCode::kNone, "");
    EXPECT_TRUE(run_until([&] { return client_->connections() == 0 && accepted_.back()->closed; }));
    here_ = Side{};
    accepted_.clear();
    return kept;
  }
  /// Comes back, and says `first` at once.
  StreamEnd& come_back(const Resumption& kept, std::string_view first) {
    connect(kept);
    EXPECT_TRUE(here_.connection->takes_early_data());
    StreamEnd& stream = here_.open();
    stream.write(first);
    return stream;
  }
  [[nodiscard]] std::string heard_by_server() const {
    std::string out;
    for (const auto& side : accepted_) {
      for (const auto& stream : side->streams) out += stream->received;
    }
    return out;
  }
  /// Forgets all it knew, as after a restart.
  void restart_server() {
    place_ = server_->local();
    server_.reset();
    accepted_.clear();
    server_options_.contexts.reset();
    listen();
  }
};

TEST_F(QuicEarlyData, ReachesTheServerBeforeTheHandshakeIsDone) {
  const Resumption kept = visited();
  StreamEnd& stream = come_back(kept, "HELLO");

  ASSERT_TRUE(run_until([&] { return stream.received == "HELLO"; }));

  EXPECT_EQ(there().early_streams, 1);
  EXPECT_TRUE(here_.connection->was_resumed());
  EXPECT_EQ(client_counts_.early_data_taken.value(), 1u);
  EXPECT_EQ(client_counts_.early_data_refused.value(), 0u);
}

TEST_F(QuicEarlyData, IsSentAgainWhereTheServerHasForgottenTheTicket) {
  const Resumption kept = visited();
  restart_server();
  StreamEnd& first = come_back(kept, "first");
  StreamEnd& second = here_.open();
  second.write("second");
  second.stream->finish();

  ASSERT_TRUE(run_until([&] { return first.received == "first" && second.received == "second"; }));

  EXPECT_FALSE(here_.connection->was_resumed());
  EXPECT_EQ(heard_by_server(), "firstsecond");
  EXPECT_EQ(there().streams.size(), 2u);
  EXPECT_EQ(client_counts_.early_data_refused.value(), 1u);
  first.write(", more");
  EXPECT_TRUE(run_until([&] { return first.received == "first, more"; }));
}

TEST_F(QuicEarlyData, StreamThatWasGivenUpMeanwhileIsNotOpenedAgain) {
  const Resumption kept = visited();
  restart_server();
  StreamEnd& given_up = come_back(kept, "never");
  given_up.stream->reset(ErrorCode::kCancelled);
  StreamEnd& other = here_.open();
  other.write("other");

  ASSERT_TRUE(run_until([&] { return other.received == "other"; }));

  EXPECT_EQ(heard_by_server(), "other");
  EXPECT_EQ(here_.connection->streams(), 1u);
}

TEST_F(QuicEarlyData, ManyBytesGoAsFarAsTheFirstFlightAndThenOn) {
  const std::string many(300'000, 'x');
  const Resumption kept = visited();

  const StreamEnd& stream = come_back(kept, many);

  EXPECT_TRUE(run_until([&] { return stream.received == many; }));
  EXPECT_EQ(client_counts_.early_data_taken.value(), 1u);
}

TEST_F(QuicEarlyData, IsNotTriedWithoutAWish) {
  options_.early_data = false;
  const Resumption kept = visited();

  connect(kept);

  EXPECT_FALSE(here_.connection->takes_early_data());
  EXPECT_EQ(here_.connection->open_stream(), nullptr);
  EXPECT_TRUE(run_until([&] { return here_.established; }));
  EXPECT_TRUE(here_.connection->was_resumed());
}

TEST_F(QuicEarlyData, IsNotTakenWhereTheServerDoesNotWantIt) {
  server_tls_->early_data = false;
  const Resumption kept = visited();

  const StreamEnd& stream = come_back(kept, "HELLO");

  ASSERT_TRUE(run_until([&] { return stream.received == "HELLO"; }));
  EXPECT_TRUE(here_.connection->was_resumed());
  EXPECT_EQ(heard_by_server(), "HELLO");
  EXPECT_EQ(client_counts_.early_data_taken.value(), 0u);
}

// Somebody who has overheard a first flight sends it again once its connection is over.
TEST_F(QuicEarlyData, FirstFlightThatComesTwiceIsHeardOnce) {
  const Resumption kept = visited();
  test::UdpPeer eavesdropper;
  auto context = net::TlsContext::create(*client_tls_);
  ASSERT_TRUE(context.has_value());
  auto client = Endpoint::connect(loop_, test::loopback(eavesdropper.port()), options_, *context, server_name_, kept,
                                  here_, client_counts_);
  ASSERT_TRUE(client.has_value()) << client.error();
  here_.connection = (*client)->connection();
  here_.open().write("INCR");
  pass(std::chrono::milliseconds(20));
  const std::vector<std::string> flight = eavesdropper.received();
  ASSERT_FALSE(flight.empty());
  client->reset();

  test::UdpPeer one(server_->local().port());
  for (const std::string& datagram : flight) one.send(datagram);
  ASSERT_TRUE(run_until([&] { return heard_by_server() == "INCR"; })) << "the flight is as good as from its sender";
  place_ = server_->local();
  const auto contexts = server_options_.contexts;
  server_.reset();
  accepted_.clear();
  server_options_.contexts = contexts;
  listen();  // with the same keys, as another worker has them
  test::UdpPeer other(server_->local().port());
  for (const std::string& datagram : flight) other.send(datagram);

  ASSERT_TRUE(run_until([&] { return !accepted_.empty(); }));
  pass(std::chrono::milliseconds(100));
  EXPECT_EQ(heard_by_server(), "");
}

TEST_F(QuicEarlyData, LanesAreThereBeforeTheHandshakeIsDone) {
  listen();
  net::Resolver resolver;
  net::Mailbox mailbox(loop_);
  auto contexts = net::TlsContextSource::create(*client_tls_);
  ASSERT_TRUE(contexts.has_value());
  Dialer dialer(loop_, resolver, mailbox,
                {.host = "127.0.0.1",
                 .port = server_->local().port(),
                 .contexts = *contexts,
                 .server_name = server_name_,
                 .options = options_},
                client_counts_);
  std::unique_ptr<net::ByteStream> lane;
  bool was_up = false;
  const auto open = [&] {
    static_cast<void>(dialer.open([&](net::LaneSource::Result opened) {
      lane = std::move(*opened);
      was_up = dialer.is_up();
      const iovec greeting{const_cast<char*>("HELLO"), 5};
      EXPECT_EQ(lane->write({&greeting, 1}).bytes, 5u);
    }));
    return run_until([&] { return lane != nullptr; });
  };
  ASSERT_TRUE(open());
  pass(std::chrono::milliseconds(50));  // for the ticket
  server_->close_all(ErrorCode::kNone, "");
  ASSERT_TRUE(run_until([&] { return !dialer.is_up(); }));
  accepted_.clear();
  lane.reset();

  ASSERT_TRUE(open());

  EXPECT_FALSE(was_up);
  EXPECT_TRUE(run_until([&] { return heard_by_server() == "HELLO"; }));
  EXPECT_EQ(there().early_streams, 1);
  EXPECT_TRUE(run_until([&] { return dialer.is_up() && client_counts_.early_data_taken.value() == 1; }));
}

}  // namespace
}  // namespace anteroom::quic
