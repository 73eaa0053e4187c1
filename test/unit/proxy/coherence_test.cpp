#include "proxy/coherence.hpp"

#include <gtest/gtest.h>

#include "base/log.hpp"
#include "support/fake_backend.hpp"
#include "support/loop_fixture.hpp"

namespace anteroom::proxy {
namespace {

using std::chrono::milliseconds;

constexpr cache::OwnerId kOwner{3};

class CoherenceTest : public test::LoopFixture {
 protected:
  Coherence& coherence() {
    if (!coherence_) {
      coherence_ = std::make_unique<Coherence>(loop_, cache_, metrics_, options_);
      coherence_->set_backend(backend_);
    }
    return *coherence_;
  }
  backend::CoherenceEvents& events() { return coherence(); }
  void connect(bool tracks = true, std::string why_not = {}) {
    events().on_connected({.tracks = tracks, .why_not = std::move(why_not), .fence_sent = loop_.now()});
  }
  [[nodiscard]] cache::Query query(std::string_view key) const {
    return cache::Cache::string_query(cache_.key(cache::Space{0}, key));
  }
  void put(std::string_view key) {
    const cache::Asker asker{.owner = kOwner, .now = loop_.now()};
    ASSERT_TRUE(cache_.commit(query(key), cache_.start_fill(query(key), asker), cache::EntryKind::kValue, "$1\r\nv\r\n",
                              {}, loop_.now()));
  }
  cache::ReadStatus read(std::string_view key, bool upstream_is_down = false) {
    base::ByteQueue out;
    const auto result =
        cache_.read(query(key), {.owner = kOwner, .now = loop_.now(), .upstream_is_down = upstream_is_down}, out);
    if (result.status == cache::ReadStatus::kFill) cache_.abandon(query(key), result.fill);
    return result.status;
  }
  bool comes_to(CoherenceState state) {
    return run_until([&] { return coherence().state() == state; });
  }

  log::ScopedCapture log_{log::Level::kInfo};
  cache::Cache cache_{{.capacity = 100, .stale_if_error = std::chrono::hours(1)}, base::HashSeed::fixed(1)};
  metrics::WorkerMetrics metrics_;
  test::FakeBackend backend_;
  Coherence::Options options_{.owner = kOwner};
  std::unique_ptr<Coherence> coherence_;
};

TEST_F(CoherenceTest, BeforeTheFirstConnectionMissesAreFetchedSinceFetchesWaitForTracking) {
  EXPECT_EQ(coherence().state(), CoherenceState::kConnecting);
  EXPECT_EQ(read("k"), cache::ReadStatus::kFill);
}

TEST_F(CoherenceTest, TrackedValuesAreServedUntilTheyAreInvalidated) {
  connect();
  put("a");
  put("b");

  events().on_invalidated("a");

  EXPECT_EQ(coherence().state(), CoherenceState::kCoherent);
  EXPECT_EQ(read("a"), cache::ReadStatus::kFill);
  EXPECT_EQ(read("b"), cache::ReadStatus::kHit);
}

TEST_F(CoherenceTest, FlushInvalidatesAllThatThisConnectionFilled) {
  connect();
  put("a");
  events().on_all_invalidated();
  EXPECT_EQ(read("a"), cache::ReadStatus::kFill);
}

TEST_F(CoherenceTest, R7LossInvalidatesAndStopsFetchingUntilTheServerTracksAgain) {
  connect();
  put("a");

  events().on_lost();
  EXPECT_EQ(coherence().state(), CoherenceState::kDegraded);
  EXPECT_EQ(read("a"), cache::ReadStatus::kBypass);

  connect();
  EXPECT_EQ(coherence().state(), CoherenceState::kCoherent);
  EXPECT_EQ(read("a"), cache::ReadStatus::kFill);
  EXPECT_EQ(metrics_.coherence_losses.value(), 1u);
}

TEST_F(CoherenceTest, StaleValuesOfALostConnectionAreForThoseWhoCannotReachTheServer) {
  connect();
  put("a");
  events().on_lost();
  EXPECT_EQ(read("a", true), cache::ReadStatus::kHit);
  connect();
  EXPECT_EQ(read("a", true), cache::ReadStatus::kFill);
}

TEST_F(CoherenceTest, R8WithoutFencesTheLeaseEndsAndAFenceRenewsIt) {
  options_.fence_interval = milliseconds(5);
  options_.max_staleness = milliseconds(20);
  connect();
  put("a");

  ASSERT_TRUE(comes_to(CoherenceState::kSuspect));
  EXPECT_EQ(read("a"), cache::ReadStatus::kBypass);
  EXPECT_EQ(read("missing"), cache::ReadStatus::kBypass);
  EXPECT_GT(backend_.fences, 1u);

  events().on_fence(loop_.now());
  EXPECT_EQ(coherence().state(), CoherenceState::kCoherent);
  EXPECT_EQ(read("a"), cache::ReadStatus::kHit);
  EXPECT_EQ(read("missing"), cache::ReadStatus::kFill);
}

TEST_F(CoherenceTest, HeldUpConnectionServesWhatItHasAndFetchesNothing) {
  connect();
  put("a");
  int left = 0;
  coherence().set_on_suspect([&] { ++left; });

  events().on_held_up(true);
  EXPECT_EQ(read("a"), cache::ReadStatus::kHit);
  EXPECT_EQ(read("missing"), cache::ReadStatus::kBypass);
  EXPECT_EQ(left, 1);
  events().on_fence(loop_.now());  // from before
  EXPECT_EQ(read("missing"), cache::ReadStatus::kBypass);

  events().on_held_up(false);
  EXPECT_EQ(read("missing"), cache::ReadStatus::kFill);
  EXPECT_EQ(left, 1);
}

TEST_F(CoherenceTest, HoldUpThatOutlastsTheLeaseEndsWithTheNextFence) {
  options_.fence_interval = milliseconds(5);
  options_.max_staleness = milliseconds(20);
  connect();
  events().on_held_up(true);
  ASSERT_TRUE(comes_to(CoherenceState::kSuspect));

  events().on_held_up(false);
  EXPECT_EQ(read("missing"), cache::ReadStatus::kBypass);
  events().on_fence(loop_.now());

  EXPECT_EQ(read("missing"), cache::ReadStatus::kFill);
}

TEST_F(CoherenceTest, HoldUpOfAnUntrackedConnectionEndsWithIt) {
  connect(false);
  events().on_held_up(true);
  EXPECT_EQ(read("missing"), cache::ReadStatus::kBypass);

  events().on_held_up(false);
  events().on_lost();

  EXPECT_EQ(read("missing"), cache::ReadStatus::kFill);
}

TEST_F(CoherenceTest, FenceThatWasUnderWayForTooLongRenewsNothing) {
  options_.fence_interval = milliseconds(5);
  options_.max_staleness = milliseconds(20);
  const base::TimePoint long_ago = loop_.now();
  connect();
  ASSERT_TRUE(comes_to(CoherenceState::kSuspect));

  events().on_fence(long_ago);

  EXPECT_EQ(coherence().state(), CoherenceState::kSuspect);
}

TEST_F(CoherenceTest, FenceOfALostConnectionRenewsNothing) {
  connect();
  events().on_lost();
  events().on_fence(loop_.now());
  EXPECT_EQ(coherence().state(), CoherenceState::kDegraded);
}

TEST_F(CoherenceTest, ServerThatDoesNotTrackIsUsedWithTtlsAndOneWarning) {
  options_.owner = cache::OwnerId{0};
  connect(false, "NOPERM no tracking");

  EXPECT_EQ(coherence().state(), CoherenceState::kTtlOnly);
  EXPECT_FALSE(coherence().is_tracked());
  EXPECT_TRUE(log_.has("does not track"));
  EXPECT_TRUE(log_.has("NOPERM no tracking"));
  events().on_lost();
  EXPECT_EQ(coherence().state(), CoherenceState::kTtlOnly);
}

TEST_F(CoherenceTest, WhatWasFetchedUntrackedDoesNotCountOnceTheServerTracks) {
  connect(false);
  put("a");
  EXPECT_EQ(read("a"), cache::ReadStatus::kHit);

  connect(true);

  EXPECT_EQ(read("a"), cache::ReadStatus::kFill);
}

TEST_F(CoherenceTest, TtlModeIsLeftAloneByLossAndConnection) {
  options_.wants_tracking = false;
  connect(false);
  put("a");
  events().on_lost();
  EXPECT_EQ(coherence().state(), CoherenceState::kTtlOnly);
  EXPECT_EQ(read("a"), cache::ReadStatus::kHit);
  EXPECT_TRUE(log_.lines().empty());
}

TEST_F(CoherenceTest, ServerCountsAsDownOnlyWhileNeitherConnectionWorks) {
  options_.serves_stale_on_error = true;
  connect();
  EXPECT_FALSE(coherence().asker(false).upstream_is_down) << "the fill connection is up";
  events().on_lost();
  EXPECT_TRUE(coherence().asker(false).upstream_is_down);
  EXPECT_FALSE(coherence().asker(true).upstream_is_down) << "only this connection cannot be made";
}

TEST_F(CoherenceTest, SilentConnectionIsToldAndItsValuesServedOnlyToThoseWhoCannotReachTheServer) {
  options_.fence_interval = milliseconds(5);
  options_.max_staleness = milliseconds(20);
  int told = 0;
  coherence().set_on_suspect([&] { ++told; });
  connect();
  put("a");

  ASSERT_TRUE(comes_to(CoherenceState::kSuspect));

  EXPECT_GE(told, 1);
  EXPECT_EQ(read("a"), cache::ReadStatus::kBypass);
  EXPECT_EQ(read("a", true), cache::ReadStatus::kHit);
  events().on_invalidated("a");
  EXPECT_NE(read("a", true), cache::ReadStatus::kHit);
}

}  // namespace
}  // namespace anteroom::proxy
