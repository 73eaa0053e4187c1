#include "upstream/link_fsm.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

namespace anteroom::upstream {
namespace {

using base::Executed;
using std::chrono::milliseconds;

constexpr milliseconds kTimeout{3000};
const base::TimePoint kStart{std::chrono::hours(1)};

RequestId id(std::uint64_t n) { return RequestId{n}; }

class LinkFsmTest : public ::testing::Test {
 protected:
  /// Submits requests 1..count of ten bytes each and has them all sent at `now`.
  void submit_written(std::uint64_t count, base::TimePoint now = kStart) {
    for (std::uint64_t i = 1; i <= count; ++i) fsm_.submit(id(i), 10);
    fsm_.on_written(10 * count, now);
  }
  std::vector<LinkFsm::Expired> expire(base::TimePoint now) {
    std::vector<LinkFsm::Expired> all;
    while (const auto expired = fsm_.expire(now)) all.push_back(*expired);
    return all;
  }
  LinkFsm fsm_{kTimeout};
};

TEST_F(LinkFsmTest, RepliesGoToRequestsInTheOrderOfSubmission) {
  submit_written(3);

  for (std::uint64_t i = 1; i <= 3; ++i) {
    ASSERT_TRUE(fsm_.head());
    EXPECT_EQ(fsm_.head()->id, id(i));
    fsm_.pop_head();
  }
  EXPECT_FALSE(fsm_.head());
  EXPECT_TRUE(fsm_.empty());
}

TEST_F(LinkFsmTest, RequestThatIsNotSentWholeIsOwedNoReply) {
  fsm_.submit(id(1), 10);
  EXPECT_FALSE(fsm_.head());

  fsm_.on_written(9, kStart);
  EXPECT_FALSE(fsm_.head());

  fsm_.on_written(1, kStart);
  EXPECT_TRUE(fsm_.head());
}

TEST_F(LinkFsmTest, RequestWithATimeoutOfItsOwnIsNotTakenForAHangingPeer) {
  fsm_.submit(id(1), 10, 3 * kTimeout);
  fsm_.submit(id(2), 10, base::Duration::zero());
  fsm_.on_written(20, kStart);

  EXPECT_TRUE(expire(kStart + 2 * kTimeout).empty());
  EXPECT_FALSE(fsm_.is_silent(kStart + 2 * kTimeout, 2 * kTimeout));
  const auto expired = expire(kStart + 3 * kTimeout);
  ASSERT_EQ(expired.size(), 1u);
  EXPECT_EQ(expired[0].timeout, 3 * kTimeout);
  EXPECT_EQ(fsm_.next_expiry(), base::kNever) << "the second one has no limit";
  EXPECT_TRUE(fsm_.is_silent(kStart + 3 * kTimeout, 2 * kTimeout)) << "the first one is over";
}

TEST_F(LinkFsmTest, ReplyThatHasStartedMustGoOnWhateverTheRequestsTimeout) {
  fsm_.submit(id(1), 10, base::Duration::zero());
  fsm_.on_written(10, kStart);
  fsm_.on_reply_started();

  EXPECT_TRUE(fsm_.is_silent(kStart + kTimeout, kTimeout));
}

TEST_F(LinkFsmTest, ExpiredRequestStaysAsTombstoneAndTakesItsReply) {
  submit_written(2);
  const auto expired = expire(kStart + kTimeout);
  ASSERT_EQ(expired.size(), 2u);
  EXPECT_EQ(expired[0].id, id(1));
  EXPECT_EQ(expired[0].timeout, kTimeout);
  fsm_.submit(id(3), 10);
  fsm_.on_written(10, kStart + kTimeout);

  EXPECT_TRUE(fsm_.head()->is_tombstone);
  fsm_.pop_head();
  EXPECT_TRUE(fsm_.head()->is_tombstone);
  fsm_.pop_head();
  EXPECT_EQ(fsm_.head()->id, id(3));
  EXPECT_FALSE(fsm_.head()->is_tombstone);
}

TEST_F(LinkFsmTest, RequestsExpireOneByOne) {
  submit_written(2);

  EXPECT_EQ(fsm_.expire(kStart + kTimeout)->id, id(1));
  const auto lost = fsm_.on_lost();

  ASSERT_EQ(lost.size(), 2u);
  EXPECT_TRUE(lost[0].is_tombstone);
  EXPECT_FALSE(lost[1].is_tombstone) << "nobody has heard of its expiry";
}

TEST_F(LinkFsmTest, NothingExpiresOneTickEarly) {
  submit_written(1);

  EXPECT_EQ(fsm_.next_expiry(), kStart + kTimeout);
  EXPECT_TRUE(expire(kStart + kTimeout - milliseconds(1)).empty());
  EXPECT_EQ(expire(kStart + kTimeout).size(), 1u);
  EXPECT_TRUE(expire(kStart + 2 * kTimeout).empty()) << "expired twice";
}

TEST_F(LinkFsmTest, ClockStartsWhenTheLastByteIsAccepted) {
  fsm_.submit(id(1), 10);
  fsm_.on_written(5, kStart);
  EXPECT_EQ(fsm_.next_expiry(), base::kNever);

  fsm_.on_written(5, kStart + milliseconds(500));
  EXPECT_EQ(fsm_.next_expiry(), kStart + milliseconds(500) + kTimeout);
}

TEST_F(LinkFsmTest, BytesFromTheServerRestartTheClock) {
  submit_written(1);
  fsm_.on_received(kStart + milliseconds(2999));

  EXPECT_TRUE(expire(kStart + kTimeout).empty());
  EXPECT_EQ(expire(kStart + milliseconds(2999) + kTimeout).size(), 1u);
}

TEST_F(LinkFsmTest, ReplyThatHasStartedIsNotExpired) {
  submit_written(1);
  fsm_.on_reply_started();

  EXPECT_TRUE(expire(kStart + 10 * kTimeout).empty());
  EXPECT_TRUE(fsm_.is_silent(kStart + kTimeout, kTimeout));
}

TEST_F(LinkFsmTest, WithoutTimeoutNothingExpires) {
  LinkFsm patient{milliseconds(0)};
  patient.submit(id(1), 1);
  patient.on_written(1, kStart);

  EXPECT_EQ(patient.next_expiry(), base::kNever);
  EXPECT_FALSE(patient.expire(kStart + std::chrono::hours(24)));
}

TEST_F(LinkFsmTest, IdleLinkIsNotSilent) {
  EXPECT_FALSE(fsm_.is_silent(kStart + std::chrono::hours(1), kTimeout));
  fsm_.submit(id(1), 10);
  EXPECT_FALSE(fsm_.is_silent(kStart + std::chrono::hours(1), kTimeout)) << "nothing is owed before it is sent";
}

TEST_F(LinkFsmTest, LossTellsUnsentFromUnknown) {
  fsm_.submit(id(1), 10);
  fsm_.submit(id(2), 10);
  fsm_.submit(id(3), 10);
  fsm_.on_written(15, kStart);

  const auto lost = fsm_.on_lost();

  ASSERT_EQ(lost.size(), 3u);
  EXPECT_EQ(lost[0].executed, Executed::kUnknown);
  EXPECT_EQ(lost[1].executed, Executed::kNo) << "half a frame cannot have run";
  EXPECT_EQ(lost[2].executed, Executed::kNo);
}

TEST_F(LinkFsmTest, LossInsideAReplyMeansThatItRan) {
  submit_written(2);
  fsm_.on_reply_started();

  const auto lost = fsm_.on_lost();

  EXPECT_EQ(lost[0].executed, Executed::kYes);
  EXPECT_EQ(lost[1].executed, Executed::kUnknown);
}

TEST_F(LinkFsmTest, AfterALossItStartsAnew) {
  submit_written(2);
  EXPECT_EQ(expire(kStart + kTimeout).size(), 2u);
  const auto lost = fsm_.on_lost();
  EXPECT_TRUE(lost[0].is_tombstone);

  EXPECT_TRUE(fsm_.empty());
  fsm_.submit(id(9), 4);
  fsm_.on_written(4, kStart);
  EXPECT_EQ(fsm_.head()->id, id(9));
  EXPECT_FALSE(fsm_.head()->is_tombstone);
}

// Every request ends exactly once, and replies only reach the request they belong to, whatever the order of events.
TEST_F(LinkFsmTest, EveryRequestEndsExactlyOnceUnderRandomEvents) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  base::TimePoint now = kStart;
  std::uint64_t submitted = 0;
  std::uint64_t unwritten_bytes = 0;
  std::uint64_t next_reply = 1;  // replies come in the order of submission
  std::vector<int> ends(20001, 0);

  const auto lose = [&] {
    for (const auto& lost : fsm_.on_lost()) {
      if (!lost.is_tombstone) ++ends[static_cast<std::size_t>(lost.id)];
    }
    unwritten_bytes = 0;
    next_reply = submitted + 1;
  };
  std::uint64_t bytes = 0;
  while (submitted < 20000) {
    switch (random() % 6) {
      case 0:
      case 1:
        bytes = 1 + random() % 20;
        fsm_.submit(id(++submitted), bytes);
        unwritten_bytes += bytes;
        break;
      case 2:  // the transport takes a part of what is queued
        bytes = std::min<std::uint64_t>(unwritten_bytes, random() % 60);
        fsm_.on_written(bytes, now);
        unwritten_bytes -= bytes;
        break;
      case 3:
        if (const auto head = fsm_.head()) {
          ASSERT_EQ(head->id, id(next_reply)) << "reply to the wrong request";
          if (!head->is_tombstone) ++ends[next_reply];
          fsm_.pop_head();
          ++next_reply;
        }
        break;
      case 4:
        now += milliseconds(random() % 2000);
        for (const auto& expired : expire(now)) ++ends[static_cast<std::size_t>(expired.id)];
        break;
      case 5:
        if (random() % 50 == 0) lose();
        break;
    }
  }
  lose();
  for (std::uint64_t i = 1; i <= submitted; ++i) ASSERT_EQ(ends[i], 1) << "request " << i;
}

}  // namespace
}  // namespace anteroom::upstream
