// The source of lanes and a gateway that stops: what runs there is left to end, what begins goes elsewhere.
#include "quic/dialer.hpp"

#include <cstddef>
#include <vector>

#include "unit/quic/dialer_test_fixture.hpp"

namespace anteroom::quic {
namespace {

class QuicDialerLeaves : public QuicDialer {
 protected:
  /// A lane that the server refuses because it stops.
  void refused_by_one_that_stops() {
    Asker& asker = served();
    const iovec piece{const_cast<char*>("hello"), 5};
    ASSERT_EQ(asker.lane->write({&piece, 1}).status, net::IoResult::Status::kOk);
    const auto before = there().streams.size();
    ASSERT_TRUE(run_until([&] { return there().streams.size() > before; }));
    there().streams.back()->stream->reset(ErrorCode::kShuttingDown);
    ASSERT_TRUE(run_until([&] { return asker.lane->trouble().has_value(); }));
    asker.lane.reset();
  }
  /// Leaves one connection more than are kept, each with one lane that still echoes. The lanes, oldest first; fewer if
  /// one has failed.
  std::vector<Asker*> one_of_each_connection_left() {
    std::vector<Asker*> lanes;
    while (lanes.size() <= Dialer::kLeftMax && !HasFatalFailure()) {
      Asker& lane = served();
      EXPECT_TRUE(echoes(lane));
      refused_by_one_that_stops();
      lanes.push_back(&lane);
    }
    return lanes;
  }
};

TEST_F(QuicDialerLeaves, LanesOfAGatewayThatStopsRunOnWhileTheNextOnesGoElsewhere) {
  Asker& first = served();
  ASSERT_TRUE(echoes(first));
  refused_by_one_that_stops();

  Asker& next = served();

  EXPECT_TRUE(echoes(next));
  EXPECT_TRUE(echoes(first));
  ASSERT_EQ(accepted_.size(), 2u);
  EXPECT_EQ(accepted_[0]->streams.size(), 2u) << "and no more";
  EXPECT_EQ(accepted_[1]->streams.size(), 1u);
  EXPECT_EQ(client_counts_.resumptions.value(), 1u);
}

TEST_F(QuicDialerLeaves, GatewayThatStopsRefusesNewcomers) {
  listen();
  server_->stop_accepting();

  const ConnectError error = failed(ask());

  EXPECT_EQ(error.stage, ConnectStage::kQuic);
  EXPECT_THAT(error.text, testing::EndsWith(kNoRoom));
  EXPECT_EQ(server_counts_.connections_refused.value(), 1u);
  EXPECT_EQ(server_counts_.bad_datagrams.value(), 0u);
}

TEST_F(QuicDialerLeaves, ConnectionThatWasLeftEndsWithItsLastLane) {
  Asker& first = served();
  ASSERT_TRUE(echoes(first));
  refused_by_one_that_stops();
  Asker& next = served();
  dialer().tick();
  EXPECT_TRUE(never([&] { return accepted_[0]->closed.has_value(); }));

  first.lane.reset();

  EXPECT_TRUE(run_until([&] {
    dialer().tick();
    return accepted_[0]->closed.has_value();
  }));
  EXPECT_TRUE(echoes(next));
}

TEST_F(QuicDialerLeaves, EndOfAConnectionThatWasLeftHarmsNoLaneOfTheNext) {
  Asker& first = served();
  ASSERT_TRUE(echoes(first));
  refused_by_one_that_stops();
  Asker& next = served();

  accepted_[0]->connection->close(ErrorCode::kShuttingDown, "");

  EXPECT_TRUE(run_until([&] { return !first.stream().has_connection(); }));
  EXPECT_TRUE(dialer().is_up());
  EXPECT_TRUE(echoes(next));
  EXPECT_TRUE(echoes(served()));
  EXPECT_EQ(accepted_.size(), 2u);
}

TEST_F(QuicDialerLeaves, OldestConnectionIsClosedWhenTooManyWereLeft) {
  const std::vector<Asker*> lanes = one_of_each_connection_left();
  ASSERT_EQ(lanes.size(), Dialer::kLeftMax + 1);
  EXPECT_TRUE(lanes.front()->stream().has_connection());

  Asker& next = served();

  EXPECT_TRUE(run_until([&] { return !lanes.front()->stream().has_connection(); }));
  for (std::size_t i = 1; i <= Dialer::kLeftMax; ++i) EXPECT_TRUE(echoes(*lanes[i])) << i;
  EXPECT_TRUE(echoes(next));
}

TEST_F(QuicDialerLeaves, ConnectionWhoseLastLaneHasEndedIsNotOneTooMany) {
  const std::vector<Asker*> lanes = one_of_each_connection_left();
  ASSERT_EQ(lanes.size(), Dialer::kLeftMax + 1);
  lanes[1]->lane.reset();
  ASSERT_TRUE(run_until([&] { return accepted_[1]->connection->streams() == 0; }));

  served();

  EXPECT_TRUE(echoes(*lanes.front()));
  EXPECT_TRUE(run_until([&] { return accepted_[1]->closed.has_value(); }));
}

TEST_F(QuicDialerLeaves, CloseEndsConnectionsThatWereLeft) {
  Asker& first = served();
  ASSERT_TRUE(echoes(first));
  refused_by_one_that_stops();
  served();

  dialer().close();

  EXPECT_TRUE(run_until([&] { return accepted_[0]->closed && accepted_[1]->closed; }));
}

}  // namespace
}  // namespace anteroom::quic
