#include "upstream/pinned_pool.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "support/link_fixture.hpp"

namespace anteroom::upstream {
namespace {

using std::chrono::milliseconds;

constexpr std::string_view kPing = "*1\r\n$4\r\nPING\r\n";

class PinnedPoolTest : public test::LinkFixture {
 protected:
  void TearDown() override {
    if (!pool_) return;
    pool_->close();
    run_turn();
    pool_.reset();
    run_turn();
  }

  PinnedPool& pool() {
    if (!pool_) pool_ = std::make_unique<PinnedPool>(context(), options_, pool_options_, 1);
    return *pool_;
  }
  /// Waits in line under this name.
  PinnedPool::Ticket wait(const std::string& name, int db = 0) {
    PinnedPool::Ticket ticket{};
    EXPECT_TRUE(pool().wait(
        db,
        [this, name](PinnedLink* link) {
          served_.push_back(link != nullptr ? name : name + " in vain");
          if (link != nullptr) granted_ = link;
        },
        ticket));
    return ticket;
  }
  /// A link that has answered.
  PinnedLink& working(int db = 0) {
    PinnedLink* const link = pool().take(db);
    EXPECT_NE(link, nullptr);
    EXPECT_FALSE(link->link.submit(RequestId{++requests_}, kPing).has_value());
    EXPECT_TRUE(run_until([&] { return server_.accepted() > 0 && server_.last().has("PING"); }));
    server_.last().send("+PONG\r\n");
    EXPECT_TRUE(answered(requests_));
    return *link;
  }

  PinnedPool::Options pool_options_{.links_max = 1};
  std::unique_ptr<PinnedPool> pool_;
  std::vector<std::string> served_;
  PinnedLink* granted_ = nullptr;
  std::uint64_t requests_ = 0;
};

TEST_F(PinnedPoolTest, LinkIsMadeOnlyWhenItIsWanted) {
  EXPECT_EQ(pool().links(), 0u);
  PinnedLink& link = working();
  EXPECT_EQ(pool().links(), 1u);
  EXPECT_TRUE(link.is_alive());
}

TEST_F(PinnedPoolTest, ReleasedLinkIsUsedAgain) {
  PinnedLink& link = working();
  pool().release(link, true);
  EXPECT_EQ(pool().idle(), 1u);

  EXPECT_EQ(pool().take(0), &link);
  EXPECT_EQ(pool().idle(), 0u);
  EXPECT_EQ(server_.accepted(), 1u);
}

TEST_F(PinnedPoolTest, LinkThatIsNotReusableIsClosed) {
  PinnedLink& link = working();
  auto& server = server_.last();

  pool().release(link, false);

  EXPECT_TRUE(run_until([&] { return server.is_closed_by_peer(); }));
  EXPECT_EQ(pool().links(), 0u);
}

TEST_F(PinnedPoolTest, HalfOfTheLinksIsLeftToThoseWhoCannotDoWithout) {
  pool_options_.links_max = 5;
  EXPECT_NE(pool().take_spare(0), nullptr);
  PinnedLink* const second = pool().take_spare(0);
  ASSERT_NE(second, nullptr);
  EXPECT_EQ(pool().take_spare(0), nullptr);

  pool().release(*second, true);
  EXPECT_EQ(pool().take_spare(0), second);
  for (int i = 0; i < 3; ++i) EXPECT_NE(pool().take(0), nullptr);
}

TEST_F(PinnedPoolTest, OnlyLinkIsNeverToSpare) {
  EXPECT_EQ(pool().take_spare(0), nullptr);
  EXPECT_NE(pool().take(0), nullptr);
}

TEST_F(PinnedPoolTest, LinkNeverChangesItsDbButMakesRoomForOneInAnother) {
  pool_options_.links_max = 2;
  PinnedLink* const zero = pool().take(0);
  PinnedLink* const three = pool().take(3);
  pool().release(*three, true);
  pool().release(*zero, true);

  EXPECT_EQ(pool().take(3), three);
  PinnedLink* const another = pool().take(3);
  ASSERT_NE(another, nullptr);
  EXPECT_EQ(another->lane.db, 3);
  EXPECT_FALSE(zero->is_alive());
  EXPECT_EQ(pool().links(), 2u);
}

TEST_F(PinnedPoolTest, WaitersAreServedInTheirOrderAndNewcomersNotBefore) {
  PinnedLink& link = working();
  EXPECT_EQ(pool().take(0), nullptr);
  wait("first");
  wait("second");

  pool().release(link, true);
  EXPECT_EQ(pool().take(0), nullptr) << "it is promised";
  run_turn();
  EXPECT_EQ(served_, std::vector<std::string>{"first"});
  ASSERT_EQ(granted_, &link);
  pool().release(link, true);
  run_turn();

  EXPECT_EQ(served_, (std::vector<std::string>{"first", "second"}));
  EXPECT_EQ(pool().waiters(), 0u);
}

TEST_F(PinnedPoolTest, LostLinkMakesRoomForAWaiter) {
  PinnedLink& link = working();
  wait("waiter");

  pool().release(link, false);
  run_turn();

  EXPECT_EQ(served_, std::vector<std::string>{"waiter"});
  EXPECT_NE(granted_, &link);
  EXPECT_EQ(pool().links(), 1u);
}

TEST_F(PinnedPoolTest, WhoeverDoesNotWantToWaitAnyMoreIsPassedOver) {
  PinnedLink& link = working();
  const auto gone = wait("gone");
  wait("there");

  pool().cancel(gone);
  pool().release(link, true);
  run_turn();

  EXPECT_EQ(served_, std::vector<std::string>{"there"});
}

TEST_F(PinnedPoolTest, WaitEndsAfterItsTime) {
  pool_options_.wait_max = milliseconds(20);
  PinnedLink& link = working();
  wait("one");
  wait("two");

  EXPECT_TRUE(run_until([this] { return served_.size() == 2; }));

  EXPECT_EQ(served_, (std::vector<std::string>{"one in vain", "two in vain"}));
  pool().release(link, true);
  EXPECT_EQ(pool().idle(), 1u);
}

TEST_F(PinnedPoolTest, QueueHasAnEnd) {
  pool_options_.waiters_max = 1;
  static_cast<void>(working());
  wait("one");

  PinnedPool::Ticket ticket{};
  EXPECT_FALSE(pool().wait(0, [](PinnedLink*) {}, ticket));
}

TEST_F(PinnedPoolTest, LinkThatIsLostInUseIsDeadAndDialsNoMore) {
  PinnedLink& link = working();

  server_.last().close();
  EXPECT_TRUE(run_until([&] { return !link.is_alive(); }));

  EXPECT_TRUE(link.link.submit(RequestId{99}, kPing).has_value());
  EXPECT_EQ(server_.accepted(), 1u);
  pool().release(link, true);
  EXPECT_EQ(pool().links(), 0u);
}

TEST_F(PinnedPoolTest, IdleLinkThatTheServerClosesIsNotHandedOut) {
  PinnedLink& link = working();
  pool().release(link, true);
  server_.last().close();
  EXPECT_TRUE(run_until([&] { return !link.is_alive(); }));

  EXPECT_NE(pool().take(0), &link);
  EXPECT_EQ(pool().links(), 1u);
}

TEST_F(PinnedPoolTest, ServerThatIsNotThereFailsWhatIsAskedAndTheLinkWithIt) {
  server_.stop_listening();
  PinnedLink* const link = pool().take(0);
  ASSERT_NE(link, nullptr);
  EXPECT_FALSE(link->link.submit(RequestId{1}, kPing).has_value());

  EXPECT_TRUE(failed(1));

  EXPECT_FALSE(link->is_alive());
  pool().release(*link, true);
}

TEST_F(PinnedPoolTest, IdleLinksAreClosedAfterAWhileButForAFew) {
  pool_options_ = {.links_max = 3, .idle_max = milliseconds(10'000), .idle_min = 1};
  std::vector<PinnedLink*> links{pool().take(0), pool().take(0), pool().take(0)};
  for (PinnedLink* link : links) pool().release(*link, true);

  pool().reap(loop_.now() + milliseconds(9'999));
  EXPECT_EQ(pool().links(), 3u);
  pool().reap(loop_.now() + milliseconds(10'000));

  EXPECT_EQ(pool().links(), 1u);
  EXPECT_EQ(pool().take(0), links[2]) << "the one used last";
}

TEST_F(PinnedPoolTest, OldLinksAreClosedWhenNobodyUsesThem) {
  pool_options_ = {.links_max = 2, .idle_max = milliseconds(0), .age_max = milliseconds(1000)};
  PinnedLink* const used = pool().take(0);
  PinnedLink* const unused = pool().take(0);
  pool().release(*unused, true);

  pool().reap(loop_.now() + milliseconds(1000));

  EXPECT_EQ(pool().links(), 1u);
  EXPECT_TRUE(used->is_alive());
}

TEST_F(PinnedPoolTest, ClosedPoolHandsOutNothing) {
  PinnedLink& link = working();
  wait("waiter");

  pool().close();
  run_turn();

  EXPECT_EQ(served_, std::vector<std::string>{"waiter in vain"});
  EXPECT_FALSE(link.is_alive());
  pool().release(link, true);
  EXPECT_EQ(pool().take(0), nullptr);
}

TEST_F(PinnedPoolTest, DialsInParallelAreLimitedAndTheNextBeginsWhenOneIsUp) {
  pool_options_.links_max = 10;
  pool_options_.connecting_max = 2;
  PinnedLink* const first = pool().take(0);
  ASSERT_NE(first, nullptr);
  ASSERT_NE(pool().take(0), nullptr);
  EXPECT_EQ(pool().take(0), nullptr);
  static_cast<void>(wait("third"));
  run_turn();
  EXPECT_TRUE(served_.empty());

  ASSERT_TRUE(run_until([&] { return first->link.state() == Link::State::kUp; }));
  pool().on_link_up();
  ASSERT_TRUE(run_until([&] { return served_ == std::vector<std::string>{"third"}; }));
  EXPECT_EQ(pool().links(), 3u);
}

TEST_F(PinnedPoolTest, UnusedLinksAreMadeInAdvanceAndKept) {
  pool_options_.links_max = 10;
  pool_options_.idle_min = 3;
  pool_options_.idle_max = milliseconds(1);
  pool().reap(loop_.now());
  EXPECT_EQ(pool().idle(), 3u);
  ASSERT_TRUE(run_until([&] { return server_.accepted() == 3; }));
  PinnedLink* const taken = pool().take(0);
  ASSERT_NE(taken, nullptr);
  EXPECT_EQ(pool().links(), 3u) << "one of those";
  pool().reap(loop_.now() + std::chrono::seconds(1));
  EXPECT_EQ(pool().idle(), 3u);
  EXPECT_EQ(pool().links(), 4u);
}

}  // namespace
}  // namespace anteroom::upstream
