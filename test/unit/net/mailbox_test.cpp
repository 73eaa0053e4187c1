#include "net/mailbox.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "support/loop_fixture.hpp"

namespace anteroom::net {
namespace {

class MailboxTest : public test::LoopFixture {
 protected:
  Mailbox mailbox_{loop_};
  std::vector<int> ran_;
};

TEST_F(MailboxTest, TasksRunInTheOrderOfThePosts) {
  for (int i = 0; i < 5; ++i) mailbox_.post([this, i] { ran_.push_back(i); });
  EXPECT_TRUE(ran_.empty());

  run_turn();

  EXPECT_EQ(ran_, (std::vector{0, 1, 2, 3, 4}));
}

TEST_F(MailboxTest, TasksRunOnTheLoopThread) {
  std::optional<std::thread::id> where;
  std::jthread poster([&] { mailbox_.post([&] { where = std::this_thread::get_id(); }); });
  ASSERT_TRUE(run_until([&] { return where.has_value(); }));
  EXPECT_EQ(where, std::this_thread::get_id());
}

TEST_F(MailboxTest, WakesALoopThatWaitsForNothingElse) {
  std::jthread poster([&] { mailbox_.post([this] { loop_.stop(); }); });
  loop_.run();
}

TEST_F(MailboxTest, LoopWithoutAnyEventWaitsInsteadOfEnding) {
  bool stopped = false;
  std::jthread poster([&] {
    mailbox_.post([&] { ran_.push_back(1); });
    mailbox_.post([&] {
      stopped = true;
      loop_.stop();
    });
  });
  loop_.run();
  EXPECT_TRUE(stopped);
  EXPECT_EQ(ran_, std::vector{1});
}

TEST_F(MailboxTest, PostsOfManyThreadsAllRunAndKeepEachThreadsOrder) {
  constexpr int kThreads = 4;
  constexpr int kPosts = 500;
  std::vector<std::vector<int>> seen(kThreads);
  std::size_t total = 0;
  {
    std::vector<std::jthread> posters;
    posters.reserve(kThreads);
    for (std::size_t t = 0; t < kThreads; ++t) {
      posters.emplace_back([&, t] {
        for (int i = 0; i < kPosts; ++i) {
          mailbox_.post([&, t, i] {
            seen[t].push_back(i);
            ++total;
          });
        }
      });
    }
    ASSERT_TRUE(run_until([&] { return total == kThreads * kPosts; }));
  }
  for (const std::vector<int>& one : seen) {
    for (int i = 0; i < kPosts; ++i) ASSERT_EQ(one[static_cast<std::size_t>(i)], i);
  }
}

TEST_F(MailboxTest, TaskPostedByATaskRunsInALaterTurn) {
  mailbox_.post([this] {
    ran_.push_back(1);
    mailbox_.post([this] { ran_.push_back(3); });
    loop_.at_turn_end([this] { ran_.push_back(2); });
  });
  ASSERT_TRUE(run_until([this] { return ran_.size() == 3; }));
  EXPECT_EQ(ran_, (std::vector{1, 2, 3}));
}

TEST(Mailbox, TasksLeftAtItsEndAreDestroyedUnrun) {
  const auto token = std::make_shared<int>(0);
  bool ran = false;
  EventLoop loop;
  {
    Mailbox mailbox(loop);
    mailbox.post([token, &ran] { ran = true; });
    EXPECT_EQ(token.use_count(), 2);
  }
  EXPECT_EQ(token.use_count(), 1);
  EXPECT_FALSE(ran);
}

TEST(Mailbox, SenderOutlivesIt) {
  EventLoop loop;
  std::optional<Mailbox> mailbox(std::in_place, loop);
  const Mailbox::Sender sender = mailbox->sender();
  EXPECT_TRUE(sender.post([] {}));
  mailbox.reset();

  const auto token = std::make_shared<int>(0);
  EXPECT_FALSE(sender.post([token] {}));

  EXPECT_EQ(token.use_count(), 1);
}

TEST(Mailbox, MayDieWhileOthersPost) {
  EventLoop loop;
  std::optional<Mailbox> mailbox(std::in_place, loop);
  const std::jthread poster([sender = mailbox->sender()] {
    while (sender.post([] {})) {
    }
  });
  mailbox.reset();
}

}  // namespace
}  // namespace anteroom::net
