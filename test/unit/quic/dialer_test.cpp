// The source of lanes against an endpoint over loopback, both in one loop.
#include "quic/dialer.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "support/gate.hpp"
#include "unit/quic/dialer_test_fixture.hpp"

namespace anteroom::quic {
namespace {

// --- Lanes ---

TEST_F(QuicDialer, LanesWaitUntilTheConnectionIsThere) {
  for (int i = 0; i < 3; ++i) ask();
  EXPECT_FALSE(dialer().is_up());

  ASSERT_TRUE(run_until(
      [&] { return std::ranges::all_of(askers_, &Asker::has_lane, [](auto& one) -> Asker& { return *one; }); }));

  EXPECT_TRUE(dialer().is_up());
  EXPECT_EQ(client_counts_.handshakes.value(), 1u);
  EXPECT_EQ(accepted_.size(), 1u);
  for (auto& asker : askers_) EXPECT_TRUE(echoes(*asker));
}

TEST_F(QuicDialer, WhoAskedFirstIsServedFirst) {
  std::vector<int> order;
  for (int i = 0; i < 4; ++i) ask().then = [&order, i] { order.push_back(i); };

  ASSERT_TRUE(run_until([&] { return order.size() == 4; }));

  EXPECT_EQ(order, (std::vector{0, 1, 2, 3}));
}

TEST_F(QuicDialer, LaneOfAConnectionThatIsThereComesInTheNextTurn) {
  served();

  Asker& second = ask();

  EXPECT_TRUE(run_until([&] { return second.is_served(); }));
  EXPECT_TRUE(echoes(second));
  EXPECT_EQ(client_counts_.handshakes.value(), 1u);
}

TEST_F(QuicDialer, WhoIsServedMayAskForMore) {
  Asker& first = ask();
  Asker* second = nullptr;
  first.then = [&] { second = &ask(); };

  EXPECT_TRUE(run_until([&] { return second != nullptr && second->has_lane(); }));
}

TEST_F(QuicDialer, DestroyedItCallsNobody) {
  Asker& waits = ask();
  run_turn();

  dialer_.reset();

  EXPECT_TRUE(never([&] { return waits.is_served(); }));
}

TEST_F(QuicDialer, LanesMayOutliveIt) {
  Asker& asker = served();
  ASSERT_TRUE(echoes(asker));

  dialer_.reset();

  EXPECT_FALSE(asker.stream().has_connection());
  EXPECT_EQ(asker.stream().trouble()->stage, ConnectStage::kQuic);
}

// --- Those who want none any more ---

TEST_F(QuicDialer, WhoHasCancelledIsNotCalled) {
  Asker& first = ask();
  Asker& second = ask();

  dialer().cancel(first.ticket);

  EXPECT_TRUE(run_until([&] { return second.has_lane(); }));
  EXPECT_EQ(first.calls, 0);
}

TEST_F(QuicDialer, WhoHasCancelledInTheSameTurnIsNotCalled) {
  served();
  Asker& second = ask();

  dialer().cancel(second.ticket);

  EXPECT_TRUE(never([&] { return second.is_served(); }));
}

TEST_F(QuicDialer, TicketOfWhoWasServedIsIgnored) {
  Asker& first = served();

  dialer().cancel(first.ticket);

  EXPECT_TRUE(echoes(first));
  EXPECT_TRUE(served().has_lane());
}

TEST_F(QuicDialer, WhoIsServedMayCancelOthers) {
  Asker& first = ask();
  Asker& second = ask();
  first.then = [&] { dialer().cancel(second.ticket); };

  ASSERT_TRUE(run_until([&] { return first.is_served(); }));

  EXPECT_TRUE(never([&] { return second.is_served(); }));
}

TEST_F(QuicDialer, WhoFailsMayCancelOthers) {
  port_ = closed_udp_port();
  Asker& first = ask();
  Asker& second = ask();
  Asker& third = ask();
  first.then = [&] { dialer().cancel(second.ticket); };

  ASSERT_TRUE(run_until([&] { return third.is_served(); }));

  EXPECT_EQ(first.calls, 1);
  EXPECT_EQ(second.calls, 0);
}

TEST_F(QuicDialer, WhoCancelsLeavesTheConnectionToOthers) {
  Asker& first = ask();
  dialer().cancel(first.ticket);

  EXPECT_TRUE(served().has_lane());
  EXPECT_EQ(first.calls, 0);
  EXPECT_EQ(client_counts_.handshakes.value(), 1u);
}

// --- The connection comes and goes ---

TEST_F(QuicDialer, NextLaneAfterALossDialsAnewWithATicket) {
  Asker& first = served();
  ASSERT_TRUE(echoes(first));
  server_->close_all(ErrorCode::kShuttingDown, "bye");
  ASSERT_TRUE(run_until([&] { return !dialer().is_up(); }));
  EXPECT_FALSE(first.stream().has_connection());

  Asker& second = served();

  EXPECT_TRUE(echoes(second));
  EXPECT_EQ(client_counts_.handshakes.value(), 2u);
  EXPECT_EQ(client_counts_.resumptions.value(), 1u);
  EXPECT_EQ(server_counts_.resumptions.value(), 1u);
}

TEST_F(QuicDialer, TicketOutlivesAttemptsThatMetNobody) {
  ASSERT_TRUE(echoes(served()));
  server_->close_all(ErrorCode::kNone, "");
  ASSERT_TRUE(run_until([&] { return !dialer().is_up(); }));
  place_ = server_->local();
  server_.reset();
  EXPECT_EQ(failed(ask()).error, ECONNREFUSED);

  listen();
  Asker& asker = served();

  EXPECT_TRUE(echoes(asker));
  EXPECT_EQ(client_counts_.resumptions.value(), 1u);
}

TEST_F(QuicDialer, NewRulesTakeNoTicketThatTheOldOnesGave) {
  const test::TempDir trusted;
  client_tls_ = client_tls();
  client_tls_->ca_file = trusted.file("ca.pem");
  std::filesystem::copy_file(ca_.file(), client_tls_->ca_file);
  ASSERT_TRUE(echoes(served()));
  server_->close_all(ErrorCode::kNone, "");
  ASSERT_TRUE(run_until([&] { return !dialer().is_up(); }));

  const test::TempDir other_dir;
  std::filesystem::copy_file(test::CertificateAuthority(other_dir).file(), client_tls_->ca_file,
                             std::filesystem::copy_options::overwrite_existing);
  ASSERT_TRUE(contexts_->reload().has_value());

  EXPECT_EQ(failed(ask()).error, EACCES);
}

// The first gateway refuses the handshake and stops in this very moment, so that the network, too, says that nobody is
// there: the second one's connection has nothing to do with that.
TEST_F(QuicDialer, EndOfTheFirstAddressIsNotThatOfTheSecond) {
  server_tls_ = server_tls();
  server_tls_->protocols.clear();
  listen();
  std::unique_ptr<Endpoint> first = std::move(server_);
  server_tls_.reset();
  server_options_.contexts.reset();
  const std::uint64_t sent = server_counts_.datagrams_sent.value();
  listen();
  resolve_to(std::vector<net::Address>{first->local(), server_->local()});
  Asker& asker = ask();
  while (server_counts_.datagrams_sent.value() == sent) run_turn();
  first.reset();

  EXPECT_TRUE(run_until([&] { return asker.is_served(); }));
  EXPECT_TRUE(asker.has_lane());
  pass(std::chrono::milliseconds(50));
  EXPECT_TRUE(dialer().is_up());
  EXPECT_TRUE(echoes(served()));
}

TEST_F(QuicDialer, LossFailsTheLanesAndSaysWhere) {
  Asker& asker = served();
  ASSERT_TRUE(echoes(asker));

  server_->close_all(ErrorCode::kNone, "");
  ASSERT_TRUE(run_until([&] { return !dialer().is_up(); }));

  std::string buffer(10, '\0');
  EXPECT_EQ(asker.lane->read(buffer).error, ECONNRESET);
  EXPECT_EQ(asker.lane->trouble()->stage, ConnectStage::kQuic);
}

TEST_F(QuicDialer, ItDoesNotDialBeforeSomebodyAsks) {
  served();
  server_->close_all(ErrorCode::kNone, "");
  ASSERT_TRUE(run_until([&] { return !dialer().is_up(); }));

  EXPECT_TRUE(never([&] { return client_counts_.connections.value() > 1 || client_counts_.handshakes.value() > 1; }));
}

TEST_F(QuicDialer, RestartedGatewayIsFoundAgain) {
  Asker& first = served();
  ASSERT_TRUE(echoes(first));
  place_ = server_->local();
  server_.reset();
  accepted_.clear();
  listen();
  const iovec piece{const_cast<char*>("x"), 1};
  ASSERT_EQ(first.lane->write({&piece, 1}).bytes, 1u);
  ASSERT_TRUE(run_until([&] { return !dialer().is_up(); }));

  EXPECT_TRUE(echoes(served()));
}

TEST_F(QuicDialer, FormerConnectionsEndWithTicks) {
  for (int i = 0; i < 5; ++i) {
    served();
    server_->close_all(ErrorCode::kNone, "");
    ASSERT_TRUE(run_until([&] { return !dialer().is_up(); }));
    dialer().tick();
  }

  EXPECT_TRUE(run_until([&] {
    dialer().tick();
    return client_counts_.connections.value() == 0;
  }));
}

// --- It cannot be made ---

TEST_F(QuicDialer, NobodyThereFailsAllWhoWaitAtOnce) {
  port_ = closed_udp_port();
  Asker& first = ask();
  Asker& second = ask();

  const ConnectError error = failed(first);

  EXPECT_EQ(error.stage, ConnectStage::kQuic);
  EXPECT_EQ(error.error, ECONNREFUSED);
  EXPECT_EQ(error.text, "127.0.0.1:" + std::to_string(port_) + ": nobody listens there");
  EXPECT_LT(error.elapsed, options_.handshake_timeout);
  EXPECT_EQ(failed(second).error, ECONNREFUSED);
  EXPECT_FALSE(dialer().is_up());
}

TEST_F(QuicDialer, AfterAFailureTheNextLaneDialsAnew) {
  port_ = closed_udp_port();
  failed(ask());
  place_ = test::loopback(port_);
  listen();

  EXPECT_TRUE(echoes(served()));
}

TEST_F(QuicDialer, WhoFailsMayAskAgain) {
  port_ = closed_udp_port();
  Asker& first = ask();
  Asker* second = nullptr;
  first.then = [&] { second = &ask(); };

  ASSERT_TRUE(run_until([&] { return second != nullptr && second->is_served(); }));

  EXPECT_EQ(second->error->error, ECONNREFUSED);
  EXPECT_EQ(first.calls, 1);
}

TEST_F(QuicDialer, SilentGatewayIsATimeout) {
  options_.handshake_timeout = std::chrono::milliseconds(100);
  port_ = silent_place().port();

  const ConnectError error = failed(ask());

  EXPECT_EQ(error.stage, ConnectStage::kQuic);
  EXPECT_EQ(error.error, ETIMEDOUT);
  EXPECT_GE(error.elapsed, options_.handshake_timeout);
}

TEST_F(QuicDialer, LanesSayWhyTheirConnectionWasRefused) {
  server_tls_ = server_tls();
  server_tls_->verify = Verify::kRequired;
  Asker& asker = ask();
  ASSERT_TRUE(run_until([&] { return asker.is_served(); }));
  if (asker.has_lane()) {  // in TLS 1.3 a client has done its part before it is judged
    ASSERT_TRUE(run_until([&] { return asker.lane->trouble().has_value(); }));
    asker.error = asker.lane->trouble();
  }

  EXPECT_EQ(asker.error->stage, ConnectStage::kTls);
  EXPECT_EQ(asker.error->error, EACCES);
  EXPECT_THAT(asker.error->text, testing::HasSubstr("refused by the peer: Certificate is required"));
}

TEST_F(QuicDialer, CertificateThatIsRefusedSaysWhyInOneWord) {
  server_name_ = "other.test";

  const ConnectError error = failed(ask());

  EXPECT_EQ(error.stage, ConnectStage::kQuic);
  EXPECT_EQ(error.error, EACCES);
  EXPECT_EQ(error.refusal, "wrong_name");
}

TEST_F(QuicDialer, OtherProtocolsAreNoRefusal) {
  client_tls_ = client_tls();
  client_tls_->protocols = {"h3"};

  const ConnectError error = failed(ask());

  EXPECT_EQ(error.error, EPROTO);
  EXPECT_EQ(error.refusal, "");
}

// --- Names ---

TEST_F(QuicDialer, UnknownNameIsOfStageDns) {
  resolve_to(std::unexpected(net::ResolveError{.code = -2, .text = "Name or service not known"}));

  const ConnectError error = failed(ask());

  EXPECT_EQ(error.stage, ConnectStage::kDns);
  EXPECT_EQ(error.error, 0);
  EXPECT_EQ(error.text, "gateway.test: Name or service not known");
}

TEST_F(QuicDialer, LookupHasATimeLimit) {
  host_ = "gateway.test";
  dns_timeout_ = base::Milliseconds(30);
  const auto gate = std::make_shared<test::Gate>();
  resolver_ = std::make_unique<net::Resolver>([gate](const std::string&, std::uint16_t) -> net::Resolved {
    gate->pass();
    return std::unexpected(net::ResolveError{});
  });
  Asker& asker = ask();

  const ConnectError error = failed(asker);
  gate->open();

  EXPECT_EQ(error.stage, ConnectStage::kDns);
  EXPECT_EQ(error.error, ETIMEDOUT);
  EXPECT_GE(error.elapsed, dns_timeout_);
  pass(test::kQuietTime);
  EXPECT_EQ(asker.calls, 1);
}

TEST_F(QuicDialer, NextAddressIsTriedWhereNobodyIsAtTheFirst) {
  listen();
  resolve_to(std::vector{test::loopback(closed_udp_port()), server_->local()});

  EXPECT_TRUE(echoes(served()));
}

TEST_F(QuicDialer, LastAddressSaysWhyThereIsNone) {
  options_.handshake_timeout = std::chrono::milliseconds(50);
  resolve_to(std::vector{silent_place(), test::loopback(closed_udp_port())});
  port_ = 1;  // the addresses have theirs

  const ConnectError error = failed(ask());

  EXPECT_EQ(error.error, ECONNREFUSED);
  EXPECT_GE(error.elapsed, options_.handshake_timeout) << "of both together";
}

TEST_F(QuicDialer, RefusedCertificateTriesNoOtherAddress) {
  server_name_ = "other.test";
  listen();
  resolve_to(std::vector{server_->local(), server_->local()});

  EXPECT_EQ(failed(ask()).error, EACCES);
  pass(test::kQuietTime);

  EXPECT_EQ(accepted_.size(), 1u);
}

// --- More lanes than the peer allows ---

TEST_F(QuicDialer, LaneBeyondTheLimitWaitsForAnotherOneToEnd) {
  options_.streams_max = 2;
  Asker& first = served();
  Asker& second = served();
  ASSERT_TRUE(echoes(first) && echoes(second));
  Asker& third = ask();
  EXPECT_TRUE(never([&] { return third.is_served(); }));

  first.lane.reset();

  EXPECT_TRUE(run_until([&] { return third.is_served(); }, Dialer::kStreamPatience));
  ASSERT_TRUE(third.has_lane());
  EXPECT_TRUE(echoes(third));
}

TEST_F(QuicDialer, LaneBeyondTheLimitFailsAfterAWhile) {
  options_.streams_max = 1;
  Asker& first = served();
  Asker& second = ask();
  const auto began = test::Clock::now();

  const ConnectError error = failed(second);

  EXPECT_GE(test::Clock::now() - began, Dialer::kStreamPatience);
  EXPECT_EQ(error.stage, ConnectStage::kQuic);
  EXPECT_EQ(error.error, EMFILE);
  EXPECT_EQ(error.elapsed, Dialer::kStreamPatience);
  EXPECT_TRUE(dialer().is_up());
  EXPECT_TRUE(echoes(first));
}

TEST_F(QuicDialer, EachLaneBeyondTheLimitHasItsOwnWhile) {
  options_.streams_max = 1;
  served();
  Asker& second = ask();
  pass(Dialer::kStreamPatience / 2);
  Asker& third = ask();

  EXPECT_EQ(failed(second).error, EMFILE);
  EXPECT_FALSE(third.is_served());
  EXPECT_EQ(failed(third).error, EMFILE);
}

TEST_F(QuicDialer, TimeOfTheDialIsNotTakenOffTheWhile) {
  options_.streams_max = 1;
  listen();
  host_ = "gateway.test";
  dns_timeout_ = test::kPatience;
  const auto gate = std::make_shared<test::Gate>();
  resolver_ = std::make_unique<net::Resolver>([gate, at = server_->local()](const std::string&, std::uint16_t) {
    gate->pass();
    return net::Resolved(std::vector{at});
  });
  Asker& first = ask();
  Asker& second = ask();
  pass(Dialer::kStreamPatience);
  gate->open();
  ASSERT_TRUE(run_until([&] { return first.has_lane(); }));

  EXPECT_TRUE(never([&] { return second.is_served(); }));

  first.lane.reset();
  EXPECT_TRUE(run_until([&] { return second.has_lane(); }));
}

TEST_F(QuicDialer, LossFailsThoseBeyondTheLimitToo) {
  options_.streams_max = 1;
  served();
  Asker& second = ask();
  run_turn();

  server_->close_all(ErrorCode::kNone, "");

  const ConnectError error = failed(second);
  EXPECT_EQ(error.error, EPROTO);
  EXPECT_FALSE(dialer().is_up());
}

// --- close() ---

TEST_F(QuicDialer, CloseEndsTheConnectionInAnOrderlyWay) {
  Asker& asker = served();
  ASSERT_TRUE(echoes(asker));

  dialer().close();

  EXPECT_TRUE(run_until([&] { return there().closed.has_value(); }));
  EXPECT_EQ(there().closed->kind, Kind::kPeer);
  EXPECT_EQ(there().closed->code, static_cast<std::uint64_t>(ErrorCode::kNone));
  EXPECT_FALSE(asker.stream().has_connection());
  EXPECT_FALSE(dialer().is_up());
}

TEST_F(QuicDialer, CloseTellsWhoWaitsForTheConnection) {
  port_ = silent_place().port();
  Asker& asker = ask();
  ASSERT_TRUE(run_until([&] { return client_counts_.connections.value() == 1; }));

  dialer().close();

  EXPECT_EQ(failed(asker).stage, ConnectStage::kQuic);
  EXPECT_EQ(asker.error->text, host_ + ":" + std::to_string(port_) + ": the connection was closed");
  EXPECT_EQ(asker.calls, 1);
}

TEST_F(QuicDialer, CloseTellsWhoWaitsForALookup) {
  Asker& asker = ask();

  dialer().close();

  EXPECT_EQ(failed(asker).stage, ConnectStage::kQuic);
  EXPECT_TRUE(never([&] { return asker.calls > 1 || client_counts_.connections.value() > 0; }));
  EXPECT_TRUE(served().has_lane()) << "whoever asks anew is served";
}

TEST_F(QuicDialer, CloseTellsWhoWaitsForAStream) {
  options_.streams_max = 1;
  served();
  Asker& second = ask();
  run_turn();

  dialer().close();

  EXPECT_EQ(failed(second).stage, ConnectStage::kQuic);
}

TEST_F(QuicDialer, CloseWithoutAConnectionIsNothing) {
  dialer().close();
  dialer().close();
  EXPECT_FALSE(dialer().is_up());
}

}  // namespace
}  // namespace anteroom::quic
