// Connections over loopback, both ends in one loop.
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <memory>
#include <string>

#include "support/quic_rig.hpp"

namespace anteroom::quic {
namespace {

using Status = net::IoResult::Status;

class QuicEndpoint : public QuicTest {
 protected:
  /// A client beside the first one.
  std::unique_ptr<Endpoint> connect_another(Side& side) {
    auto context = net::TlsContext::create(client_tls());
    EXPECT_TRUE(context.has_value()) << context.error().text;
    auto made = Endpoint::connect(loop_, server_->local(), options_, *context, server_name_, {}, side, client_counts_);
    EXPECT_TRUE(made.has_value()) << made.error();
    side.connection = (*made)->connection();
    return std::move(*made);
  }
  /// Ends the connection once it was given `what`, and begins the next one with it.
  template <typename What>
  void connect_again_with(What Resumption::* what) {
    ASSERT_TRUE(run_until([&] { return !(here_.connection->resumption().*what).empty(); }));
    const Resumption kept = here_.connection->resumption();
    here_.connection->close(ErrorCode::kNone, "");
    ASSERT_TRUE(run_until([&] { return client_->connections() == 0; }));
    here_ = Side{};
    connect(kept);
  }
};

TEST_F(QuicEndpoint, BytesGoThereAndBack) {
  Side& client = connected();
  StreamEnd& stream = client.open();

  stream.write("PING\r\n");

  EXPECT_TRUE(run_until([&] { return stream.received == "PING\r\n"; }));
  EXPECT_EQ(server_counts_.handshakes.value(), 1u);
  EXPECT_EQ(client_counts_.handshakes.value(), 1u);
}

TEST_F(QuicEndpoint, StreamsOpenOnceThePeerHasSaidHowMany) {
  connect();
  EXPECT_EQ(here_.connection->open_stream(), nullptr);
  ASSERT_TRUE(run_until([&] { return here_.established; }));
  EXPECT_NE(here_.connection->open_stream(), nullptr);
}

TEST_F(QuicEndpoint, MegabytesArriveWholeInOrderOnManyStreams) {
  Side& client = connected();
  std::string payload;
  for (int i = 0; payload.size() < (3u << 20); ++i) payload += std::to_string(i) + ",";
  for (int i = 0; i < 5; ++i) client.open();

  for (auto& stream : client.streams) stream->write_and_finish(payload);

  EXPECT_TRUE(run_until(
      [&] { return std::ranges::all_of(client.streams, [](const auto& stream) { return stream->has_ended(); }); }));
  for (auto& stream : client.streams) EXPECT_TRUE(stream->received == payload) << stream->received.size();
}

TEST_F(QuicEndpoint, EachDirectionEndsOnItsOwn) {
  Side& client = connected();
  StreamEnd& stream = client.open();
  stream.write_and_finish("question");
  ASSERT_TRUE(run_until([&] { return !there().streams.empty() && there().streams[0]->has_ended(); }));
  EXPECT_EQ(there().streams[0]->end->status, Status::kClosed);
  EXPECT_EQ(stream.stream->write({}).error, EPIPE);

  EXPECT_TRUE(run_until([&] { return stream.has_ended(); }));
  EXPECT_EQ(stream.received, "question");
}

TEST_F(QuicEndpoint, ResetTellsWhy) {
  Side& client = connected();
  StreamEnd& stream = client.open();
  stream.write("x");
  ASSERT_TRUE(run_until([&] { return stream.received == "x"; }));

  there().streams[0]->stream->reset(ErrorCode::kUpstreamRefused);

  ASSERT_TRUE(run_until([&] { return stream.has_ended(); }));
  EXPECT_EQ(stream.end->status, Status::kError);
  EXPECT_EQ(stream.end->error, ECONNRESET);
  EXPECT_EQ(stream.stream->peer_error(), static_cast<std::uint64_t>(ErrorCode::kUpstreamRefused));
  EXPECT_EQ(client_counts_.resets_by_code[1].value(), 1u);
}

TEST_F(QuicEndpoint, ClosedStreamStillDeliversWhatWasWritten) {
  Side& client = connected();
  StreamEnd& stream = client.open();
  const std::string payload(100'000, 'p');
  stream.write(payload);
  stream.stream->close();

  EXPECT_TRUE(run_until([&] { return !there().streams.empty() && there().streams[0]->has_ended(); }));
  EXPECT_EQ(there().streams[0]->received.size(), payload.size());
  EXPECT_EQ(there().streams[0]->end->status, Status::kClosed);
}

TEST_F(QuicEndpoint, EndArrivesAlsoFromWhoAtTheSameTimeWantsNoMore) {
  Side& client = connected();
  StreamEnd& stream = client.open();
  stream.write("x");
  ASSERT_TRUE(run_until([&] { return stream.received == "x"; }));

  there().streams[0]->stream->finish();
  there().streams[0]->stream->stop_reading(ErrorCode::kNone);

  EXPECT_TRUE(run_until([&] { return stream.has_ended(); }));
  EXPECT_EQ(stream.end->status, Status::kClosed);
}

TEST_F(QuicEndpoint, WriterIsToldThatThePeerWantsNoMore) {
  options_.send_bytes_max = 32 << 10;
  options_.stream_window = 64 << 10;
  Side& client = connected();
  StreamEnd& stream = client.open();
  stream.write("x");
  ASSERT_TRUE(run_until([&] { return stream.received == "x"; }));
  there().streams[0]->read(false);
  stream.write(std::string(1 << 20, 'y'));
  pass(std::chrono::milliseconds(50));
  EXPECT_FALSE(stream.write_error) << "waits";

  there().streams[0]->stream->stop_reading(ErrorCode::kCancelled);

  EXPECT_TRUE(run_until([&] {
    client_->tick();
    return stream.write_error.has_value();
  }));
  EXPECT_EQ(stream.write_error, EPIPE);
}

// The writer is held back by the window of the stream, and others are not.
TEST_F(QuicEndpoint, SlowReaderHoldsBackItsOwnStreamAlone) {
  options_.stream_window = 64 << 10;
  options_.connection_window = 256 << 10;
  options_.send_bytes_max = 32 << 10;
  Side& client = connected();
  StreamEnd& slow = client.open();
  slow.write("a");
  ASSERT_TRUE(run_until([&] { return there().streams.size() == 1; }));
  there().streams[0]->echoes = false;
  there().streams[0]->read(false);

  slow.write(std::string(1 << 20, 's'));
  StreamEnd& quick = client.open();
  const std::string payload(1 << 20, 'q');
  quick.write_and_finish(payload);

  EXPECT_TRUE(run_until([&] { return quick.has_ended(); }));
  EXPECT_EQ(quick.received.size(), payload.size());
  EXPECT_LE(slow.stream->held_bytes(), options_.send_bytes_max);

  there().streams[0]->read(true);
  EXPECT_TRUE(run_until([&] { return there().streams[0]->received.size() == (1u << 20) + 1; }));
}

TEST_F(QuicEndpoint, UnreadBytesOfAllStreamsHaveALimit) {
  options_.stream_window = 64 << 10;
  options_.connection_window = 128 << 10;
  options_.unread_bytes_max = 256 << 10;
  Side& client = connected();
  for (int i = 0; i < 20; ++i) client.open().write("a");
  ASSERT_TRUE(run_until([&] { return there().streams.size() == 20; }));
  for (auto& stream : there().streams) {
    stream->echoes = false;
    stream->read(false);
  }
  for (auto& stream : client.streams) stream->write(std::string(64 << 10, 'x'));

  EXPECT_TRUE(never([&] {
    std::size_t held = 0;
    for (auto& stream : client.streams) held += stream->stream->held_bytes();
    return held < 20 * (64 << 10) - (256 << 10) - (128 << 10);
  }));

  for (auto& stream : there().streams) stream->read(true);
  EXPECT_TRUE(run_until([&] {
    return std::ranges::all_of(there().streams, [](auto& each) { return each->received.size() == (64 << 10) + 1; });
  }));
}

TEST_F(QuicEndpoint, EndOfAStreamDoesNotWaitForTheCreditOfOthers) {
  options_.stream_window = 64 << 10;
  options_.connection_window = 128 << 10;
  options_.unread_bytes_max = 128 << 10;
  Side& client = connected();
  StreamEnd& done = client.open();
  done.write("a");
  ASSERT_TRUE(run_until([&] { return done.received == "a"; }));
  there().echoes = false;
  for (int i = 0; i < 20; ++i) client.open().write("a");
  ASSERT_TRUE(run_until([&] { return there().streams.size() == 21; }));
  for (auto& stream : there().streams) {
    if (stream != there().streams[0]) stream->read(false);
  }
  for (auto& stream : client.streams) {
    if (stream != client.streams[0]) stream->write(std::string(64 << 10, 'x'));
  }
  pass(test::kQuietTime);
  ASSERT_TRUE(client_->has_unsent());

  done.write_and_finish("");

  EXPECT_TRUE(run_until([&] { return done.has_ended(); }));
  EXPECT_TRUE(client_->has_unsent());
}

TEST_F(QuicEndpoint, StreamsBeyondTheLimitWaitForOthersToEnd) {
  options_.streams_max = 3;
  Side& client = connected();
  for (int i = 0; i < 3; ++i) client.open().write("x");
  EXPECT_EQ(client.connection->open_stream(), nullptr);
  ASSERT_TRUE(run_until([&] { return client.streams[0]->received == "x"; }));

  client.streams_available = 0;

  client.streams[0]->write_and_finish("");

  EXPECT_TRUE(run_until([&] { return client.streams_available > 0; }));
  EXPECT_NE(client.connection->open_stream(), nullptr);
}

TEST_F(QuicEndpoint, OrderlyEndFailsStreamsAndTellsTheCode) {
  Side& client = connected();
  StreamEnd& stream = client.open();
  stream.write("x");
  ASSERT_TRUE(run_until([&] { return stream.received == "x"; }));

  server_->close_all(ErrorCode::kShuttingDown, "bye");

  ASSERT_TRUE(run_until([&] { return here_.closed.has_value() && there().closed.has_value(); }));
  EXPECT_EQ(here_.closed->kind, Kind::kPeer);
  EXPECT_TRUE(here_.closed->is_application_code);
  EXPECT_EQ(here_.closed->code, static_cast<std::uint64_t>(ErrorCode::kShuttingDown));
  EXPECT_EQ(there().closed->kind, Kind::kLocal);
  EXPECT_TRUE(stream.has_ended());
  EXPECT_EQ(stream.stream->write({}).error, EPIPE);
  EXPECT_TRUE(run_until([&] { return client_->connections() == 0 && server_->connections() == 0; }));
}

TEST_F(QuicEndpoint, StreamThatComesTogetherWithTheEndIsNone) {
  options_.datagram_bytes_max = 1200;  // or a probe of the path may be under way, and fill the window
  Side& client = connected();
  pass(std::chrono::milliseconds(50));
  client.open().write("x");
  // Behind what sends the stream, and before anybody reads it.
  loop_.at_turn_end([this] { client_->close_all(ErrorCode::kNone, "bye"); });

  ASSERT_TRUE(run_until([&] { return there().closed.has_value(); }));

  EXPECT_EQ(server_counts_.streams_opened.value(), 1u) << "it has come";
  EXPECT_TRUE(there().streams.empty());
  EXPECT_EQ(server_counts_.streams.value(), 0);
  EXPECT_TRUE(run_until([&] { return server_->connections() == 0; }));
}

TEST_F(QuicEndpoint, WhatArrivedBeforeTheEndCanStillBeRead) {
  Side& client = connected();
  StreamEnd& stream = client.open();
  stream.write("x");
  ASSERT_TRUE(run_until([&] { return stream.received == "x"; }));
  stream.read(false);
  there().streams[0]->write("last words");
  pass(std::chrono::milliseconds(50));
  server_->close_all(ErrorCode::kNone, "");
  ASSERT_TRUE(run_until([&] { return here_.closed.has_value(); }));

  stream.read(true);

  EXPECT_TRUE(run_until([&] { return stream.has_ended(); }));
  EXPECT_EQ(stream.received, "xlast words");
}

TEST_F(QuicEndpoint, WhatIsWrittenRightBeforeTheEndArrives) {
  Side& client = connected();
  StreamEnd& stream = client.open();
  stream.write("x");
  ASSERT_TRUE(run_until([&] { return stream.received == "x"; }));
  pass(std::chrono::milliseconds(50));

  there().streams[0]->write_and_finish("last words");
  server_->close_all(ErrorCode::kNone, "");

  ASSERT_TRUE(run_until([&] { return stream.has_ended(); }));
  EXPECT_EQ(stream.received, "xlast words");
  EXPECT_EQ(stream.end->status, Status::kClosed);
}

TEST_F(QuicEndpoint, HasUnsentUntilThePeerHasEverythingWithItsEnd) {
  options_.stream_window = 64 << 10;
  Side& client = connected();
  StreamEnd& stream = client.open();
  stream.write("x");
  ASSERT_TRUE(run_until([&] { return stream.received == "x" && !client_->has_unsent() && !server_->has_unsent(); }));
  there().streams[0]->read(false);
  stream.write(std::string(100'000, 'y'));
  stream.stream->close();

  EXPECT_TRUE(never([&] { return !client_->has_unsent(); })) << "the window of the peer is smaller";

  there().streams[0]->read(true);
  EXPECT_TRUE(run_until([&] { return !client_->has_unsent(); }));
  EXPECT_TRUE(run_until([&] { return there().streams[0]->has_ended(); }));
  EXPECT_EQ(there().streams[0]->received.size(), 100'001u);
  EXPECT_TRUE(run_until([&] { return !server_->has_unsent() && server_counts_.streams.value() == 0; }));
}

TEST_F(QuicEndpoint, ResetLeavesNothingUnsent) {
  options_.stream_window = 64 << 10;
  Side& client = connected();
  StreamEnd& stream = client.open();
  stream.write(std::string(100'000, 'y'));
  ASSERT_TRUE(client_->has_unsent());

  stream.stream->reset(ErrorCode::kCancelled);

  EXPECT_FALSE(client_->has_unsent());
}

TEST_F(QuicEndpoint, SilentPeerIsNoticed) {
  options_.idle_timeout = std::chrono::milliseconds(200);
  options_.keep_alive = std::chrono::milliseconds(0);
  Side& client = connected();
  server_.reset();

  EXPECT_TRUE(run_until([&] { return client.closed.has_value(); }));
  EXPECT_EQ(client.closed->kind, Kind::kTimeout);
  EXPECT_EQ(client_counts_.connections_lost.value(), 1u);
}

TEST_F(QuicEndpoint, KeepAliveIsFittedToAPeerThatGivesUpEarlier) {
  client_options_ = options_;  // asks after ten seconds
  options_.idle_timeout = std::chrono::milliseconds(300);
  Side& client = connected();

  pass(std::chrono::milliseconds(900));

  EXPECT_FALSE(client.closed.has_value());
}

TEST_F(QuicEndpoint, PeerThatHasGoneIsGivenUpLongBeforeItIsIdle) {
  options_.keep_alive = std::chrono::milliseconds(50);
  Side& client = connected();
  server_.reset();

  EXPECT_TRUE(run_until([&] {
    client_->tick();
    return client.closed.has_value();
  }));

  EXPECT_EQ(client.closed->kind, Kind::kTimeout);
  EXPECT_EQ(client.closed->text, "the peer is silent");
}

TEST_F(QuicEndpoint, SilenceOfAPeerThatHasNothingToAnswerIsNoTrouble) {
  options_.keep_alive = std::chrono::milliseconds(0);
  options_.silence_timeout = std::chrono::milliseconds(50);
  Side& client = connected();

  for (int i = 0; i < 10; ++i) {
    pass(std::chrono::milliseconds(30));
    client_->tick();
  }

  EXPECT_FALSE(client.closed.has_value());
}

TEST_F(QuicEndpoint, KeepAliveKeepsAnIdleConnection) {
  options_.idle_timeout = std::chrono::milliseconds(300);
  options_.keep_alive = std::chrono::milliseconds(50);
  Side& client = connected();

  pass(std::chrono::milliseconds(900));

  EXPECT_FALSE(client.closed.has_value());
}

TEST_F(QuicEndpoint, RestartedServerSaysSoAtOnce) {
  Side& client = connected();
  StreamEnd& stream = client.open();
  stream.write("x");
  ASSERT_TRUE(run_until([&] { return stream.received == "x"; }));
  place_ = server_->local();
  server_.reset();
  accepted_.clear();
  listen();

  stream.write("y");

  ASSERT_TRUE(run_until([&] { return client.closed.has_value(); }));
  EXPECT_GE(server_counts_.stateless_resets.value(), 1u);
  EXPECT_EQ(client.closed->kind, CloseReason::Kind::kForgotten);
  EXPECT_EQ(client_counts_.stateless_resets_received.value(), 1u);
  EXPECT_TRUE(run_until([&] { return client_counts_.connections_lost.value() == 1; }));
}

TEST_F(QuicEndpoint, NobodyThereIsATimeout) {
  options_.handshake_timeout = std::chrono::milliseconds(200);
  peer_ = silent_place();
  Side& client = connect();

  EXPECT_TRUE(run_until([&] { return client.closed.has_value(); }));
  EXPECT_EQ(client.closed->kind, Kind::kTimeout);
  EXPECT_EQ(client_counts_.handshake_failures.value(), 1u);
}

// --- Who they are ---

TEST_F(QuicEndpoint, WrongNameIsRefused) {
  server_name_ = "other.test";
  Side& client = connect();

  ASSERT_TRUE(run_until([&] { return client.closed.has_value(); }));
  EXPECT_EQ(client.closed->kind, Kind::kCertificate);
  EXPECT_EQ(client.closed->text, "certificate wrong_name");
  EXPECT_FALSE(client.established);
}

TEST_F(QuicEndpoint, UnknownAuthorityIsRefused) {
  const test::CertificateAuthority other(dir_, "other");
  client_tls_ = client_tls();
  client_tls_->ca_file = other.file();
  Side& client = connect();

  ASSERT_TRUE(run_until([&] { return client.closed.has_value(); }));
  EXPECT_EQ(client.closed->text, "certificate unknown_ca");
}

TEST_F(QuicEndpoint, PinnedKeyNeedsNeitherAuthorityNorName) {
  client_tls_ = client_tls();
  client_tls_->ca_file.clear();
  client_tls_->pinned_key = std::string(32, '\1');
  server_name_ = "whatever";
  Side& client = connect();
  ASSERT_TRUE(run_until([&] { return client.closed.has_value(); }));
  EXPECT_EQ(client.closed->text, "certificate wrong_key");
}

TEST_F(QuicEndpoint, ServerMayWantACertificate) {
  server_tls_ = server_tls();
  server_tls_->verify = Verify::kRequired;
  Side& client = connect();
  ASSERT_TRUE(run_until([&] { return client.closed.has_value(); }));
  EXPECT_EQ(client.closed->kind, Kind::kCertificate);
  EXPECT_TRUE(run_until([&] { return there().closed.has_value(); }));

  const auto files = ca_.issue({.name = "client"});
  client_tls_ = client_tls();
  client_tls_->certificate_file = files.certificate;
  client_tls_->key_file = files.key;
  here_ = Side{};
  connected();
  EXPECT_TRUE(here_.established);
}

TEST_F(QuicEndpoint, OtherProtocolsAreRefused) {
  client_tls_ = client_tls();
  client_tls_->protocols = {"h3"};
  Side& client = connect();

  ASSERT_TRUE(run_until([&] { return client.closed.has_value(); }));
  EXPECT_EQ(client.closed->kind, Kind::kProtocol);
  EXPECT_FALSE(there().established);
}

TEST_F(QuicEndpoint, NoProtocolAtAllIsRefused) {
  client_tls_ = client_tls();
  client_tls_->protocols.clear();
  Side& client = connect();

  ASSERT_TRUE(run_until([&] { return client.closed.has_value(); }));
  EXPECT_EQ(client.closed->kind, Kind::kProtocol);
  EXPECT_TRUE(client.closed->text.contains("rotocol")) << client.closed->text;
  EXPECT_FALSE(there().established);
}

TEST_F(QuicEndpoint, TicketSavesTheCertificates) {
  connected();
  connect_again_with(&Resumption::ticket);

  EXPECT_TRUE(run_until([&] { return here_.established; }));
  EXPECT_TRUE(here_.connection->was_resumed());
  EXPECT_EQ(server_counts_.resumptions.value(), 1u);
}

TEST_F(QuicEndpoint, EndIsToldOnceEvenIfTheNetworkSpeaksOfItToo) {
  struct Counting final : ConnectionEvents {
    void on_established(Connection&) override {}
    void on_stream(Connection&, std::unique_ptr<Stream>) override {}
    void on_streams_available(Connection&) override {}
    void on_closed(Connection&, const CloseReason&) override { ++closed; }
    int closed = 0;
  } events;
  auto nobody = net::UdpSocket::bind(loop_, place_, {}, client_counts_);
  ASSERT_TRUE(nobody.has_value());
  const net::Address address = (*nobody)->local();
  nobody->reset();
  auto context = net::TlsContext::create(client_tls());
  ASSERT_TRUE(context.has_value());
  auto client = Endpoint::connect(loop_, address, options_, *context, server_name_, {}, events, client_counts_);
  ASSERT_TRUE(client.has_value()) << client.error();

  run_turn();
  (*client)->close_all(ErrorCode::kNone, "");
  pass(std::chrono::milliseconds(50));

  EXPECT_EQ(events.closed, 1);
}

TEST_F(QuicEndpoint, DestroyedItLeavesNoFigures) {
  connected().open().write("x");
  ASSERT_TRUE(run_until([&] { return server_counts_.streams.value() == 1; }));

  here_.streams.clear();
  client_.reset();
  server_.reset();

  EXPECT_EQ(client_counts_.connections.value() + client_counts_.streams.value(), 0);
  EXPECT_EQ(server_counts_.connections.value() + server_counts_.streams.value(), 0);
}

// --- Addresses ---

TEST_F(QuicEndpoint, ServerOfAllAddressesAnswersFromTheOneThatWasAsked) {
  place_ = *net::Address::from_numeric("0.0.0.0", 0);
  listen();
  auto context = net::TlsContext::create(client_tls());
  ASSERT_TRUE(context.has_value());
  auto client = Endpoint::connect(loop_, *net::Address::from_numeric("127.0.0.2", server_->local().port()), options_,
                                  *context, server_name_, {}, here_, client_counts_);
  ASSERT_TRUE(client.has_value()) << client.error();

  EXPECT_TRUE(run_until([&] { return here_.established; }));
}

TEST_F(QuicEndpoint, RetryProvesTheAddressFirst) {
  server_options_.always_validates = true;
  connected();
  EXPECT_EQ(server_counts_.retries.value(), 1u);
  connect_again_with(&Resumption::token);
  EXPECT_TRUE(run_until([&] { return here_.established; }));
  EXPECT_EQ(server_counts_.retries.value(), 1u) << "the token of the first connection is as good";
}

TEST_F(QuicEndpoint, ClientThatMovesKeepsItsStreams) {
  Side& client = connected();
  StreamEnd& stream = client.open();
  stream.write("before");
  ASSERT_TRUE(run_until([&] { return stream.received == "before"; }));
  pass(std::chrono::milliseconds(50));
  const net::Address old = client_->local();

  ASSERT_TRUE(client_->migrate());
  EXPECT_FALSE(client_->local() == old);
  stream.write(" after");

  EXPECT_TRUE(run_until([&] { return stream.received == "before after"; }));
  EXPECT_EQ(there().connection->peer_name(), client_->local().to_string());
  EXPECT_FALSE(client.closed.has_value());
  EXPECT_EQ(client_counts_.migrations.value(), 1u);
  EXPECT_TRUE(run_until([&] { return server_counts_.migrations.value() == 1; }));
}

TEST_F(QuicEndpoint, KeysAreUpdated) {
  Side& client = connected();
  StreamEnd& stream = client.open();
  stream.write("a");
  ASSERT_TRUE(run_until([&] { return stream.received == "a"; }));

  EXPECT_TRUE(run_until([&] { return client.connection->update_keys(); }));
  stream.write("b");

  EXPECT_TRUE(run_until([&] { return stream.received == "ab"; }));
}

TEST_F(QuicEndpoint, TooManyConnectionsAreToldSo) {
  server_options_.connections_max = 1;
  connected();
  Side second;
  const auto other = connect_another(second);

  EXPECT_TRUE(run_until([&] { return second.closed.has_value(); }));
  EXPECT_EQ(second.closed->kind, Kind::kProtocol);
  EXPECT_EQ(second.closed->text, kNoRoom);
  EXPECT_EQ(server_counts_.connections_refused.value(), 1u);
}

TEST_F(QuicEndpoint, TooManyConnectionsOfOneAddressAreToldSoUntilOneHasGone) {
  server_options_.connections_per_address_max = 1;
  Side& client = connected();
  Side second;
  auto other = connect_another(second);
  ASSERT_TRUE(run_until([&] { return second.closed.has_value(); }));
  EXPECT_EQ(second.closed->text, kNoRoom);
  EXPECT_EQ(server_counts_.connections_refused.value(), 1u);
  EXPECT_FALSE(client.closed.has_value());

  client.connection->close(ErrorCode::kNone, "");
  ASSERT_TRUE(run_until([&] { return server_->connections() == 0; }));
  Side third;
  other = connect_another(third);

  EXPECT_TRUE(run_until([&] { return third.established; }));
}

}  // namespace
}  // namespace anteroom::quic
