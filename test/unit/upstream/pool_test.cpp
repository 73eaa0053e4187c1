#include "upstream/pool.hpp"

#include <gtest/gtest.h>

#include <string>

#include "support/link_fixture.hpp"

namespace anteroom::upstream {
namespace {

constexpr std::string_view kCommand = "*1\r\n$1\r\nA\r\n";

class PoolTest : public test::LinkFixture {
 protected:
  void TearDown() override {
    pool_.close();
    run_turn();
  }
  bool comes_up(int db) {
    return run_until([&] { return pool_.shared(db)->state() == Link::State::kUp; });
  }
  /// As the worker does it: at the start of a turn, as if `idle` had passed.
  void reap_everything_quiet() {
    pool_.reap(loop_.now() + std::chrono::hours(1), std::chrono::minutes(1));
    run_turn();
  }

  Pool pool_{context(), options_, 1};
};

TEST_F(PoolTest, EachDbHasALinkOfItsOwn) {
  Link* const zero = pool_.shared(0);
  Link* const three = pool_.shared(3);

  EXPECT_NE(zero, three);
  EXPECT_EQ(pool_.shared(3), three);
  ASSERT_TRUE(comes_up(0) && comes_up(3));
  EXPECT_NE(server_.link("0"), nullptr);
  EXPECT_NE(server_.link("3"), nullptr);
  EXPECT_EQ(server_.accepted(), 2u);
}

TEST_F(PoolTest, QuietLinksAreReapedButNotThatOfTheDefaultDb) {
  ASSERT_TRUE(comes_up(0) && comes_up(3));

  reap_everything_quiet();

  EXPECT_TRUE(run_until([this] { return server_.link("3")->is_closed_by_peer(); }));
  EXPECT_FALSE(server_.link("0")->is_closed_by_peer());
}

TEST_F(PoolTest, NoneOfTheLinksThatAreAlikeIsReaped) {
  Pool pool{context(), options_, 1, 4};
  Lane third = pool.main_lane();
  third.number = 3;
  ASSERT_TRUE(run_until([&] { return pool.shared(third)->state() == Link::State::kUp; }));

  pool.reap(loop_.now() + std::chrono::hours(1), std::chrono::minutes(1));

  EXPECT_EQ(pool.shared(third)->state(), Link::State::kUp);
  EXPECT_EQ(server_.accepted(), 1u);
  pool.close();
  run_turn();
}

TEST_F(PoolTest, ReapedLinkIsMadeAnew) {
  ASSERT_TRUE(comes_up(3));
  reap_everything_quiet();

  ASSERT_TRUE(comes_up(3));

  EXPECT_EQ(server_.accepted(), 2u);
}

TEST_F(PoolTest, ReapedLinkIsNotCountedAsUp) {
  ASSERT_TRUE(comes_up(3));
  EXPECT_EQ(metrics_.upstream_links.value(), 1);

  reap_everything_quiet();

  EXPECT_EQ(metrics_.upstream_links.value(), 0);
}

TEST_F(PoolTest, LinkThatOwesAReplyIsNotReaped) {
  ASSERT_FALSE(pool_.shared(3)->submit(RequestId{1}, kCommand).has_value());
  auto& server = server_with(1);
  EXPECT_EQ(pool_.pending(), 1u);

  reap_everything_quiet();
  server.send("+a\r\n");

  EXPECT_TRUE(answered(1));
  EXPECT_EQ(pool_.pending(), 0u);
}

TEST_F(PoolTest, LinkThatWasUsedLatelyIsNotReaped) {
  ASSERT_TRUE(comes_up(3));

  pool_.reap(loop_.now(), std::chrono::minutes(1));

  EXPECT_FALSE(run_until([this] { return server_.link("3")->is_closed_by_peer(); }, test::kQuietTime));
}

TEST_F(PoolTest, NumberOfDbsInUseHasALimit) {
  for (int db = 0; db < static_cast<int>(Pool::kLinksMax); ++db) ASSERT_TRUE(comes_up(db));

  EXPECT_EQ(pool_.shared(1000), nullptr);
  EXPECT_NE(pool_.shared(5), nullptr);
}

TEST_F(PoolTest, LinksThatNeverCameUpMakeRoomForOthers) {
  server_.stop_listening();
  for (int db = 0; db < static_cast<int>(Pool::kLinksMax); ++db) ASSERT_NE(pool_.shared(db), nullptr);

  EXPECT_NE(pool_.shared(1000), nullptr);
}

TEST_F(PoolTest, ClosedPoolAcceptsNothingForOldDbsAndNew) {
  ASSERT_TRUE(comes_up(0));
  pool_.close();

  EXPECT_TRUE(pool_.shared(0)->submit(RequestId{1}, kCommand).has_value());
  EXPECT_TRUE(pool_.shared(9)->submit(RequestId{2}, kCommand).has_value());
}

}  // namespace
}  // namespace anteroom::upstream
