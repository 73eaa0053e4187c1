// Links that carry what nobody asked for.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "unit/upstream/link_test_fixture.hpp"

namespace anteroom::upstream {
namespace {

constexpr std::string_view kMessage = ">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$5\r\nhello\r\n";
constexpr std::string_view kConfirmed = ">3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n";

class LinkPush : public LinkTest {
 protected:
  LinkPush() { options_.takes_pushes = true; }
};

TEST_F(LinkPush, MessagesAreHandedOnAndConfirmationsAnswerTheirRequest) {
  submit(1, "SUBSCRIBE c");
  submit(2, "PING");
  server_with(2).send(std::string(kMessage) + std::string(kConfirmed) + std::string(kMessage) + "+PONG\r\n");

  ASSERT_TRUE(answered(2));
  EXPECT_EQ(events_[1].reply, kConfirmed);
  EXPECT_EQ(events_[2].reply, "+PONG\r\n");
  EXPECT_EQ(events_.pushes, (std::vector<std::string>{std::string(kMessage), std::string(kMessage)}));
  EXPECT_EQ(events_.ups, 1);
}

TEST_F(LinkPush, RefusedSubscriptionIsItsReply) {
  submit(1, "SUBSCRIBE c");
  submit(2, "PING");
  server_with(2).send("-NOPERM no\r\n+PONG\r\n");

  ASSERT_TRUE(answered(2));
  EXPECT_EQ(events_[1].reply, "-NOPERM no\r\n");
}

TEST_F(LinkPush, LargeMessageInPiecesComesWholeAndIsNoReply) {
  submit(1, "PING");
  const std::string text(200'000, 'x');
  const std::string push = ">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$200000\r\n" + text + "\r\n";
  auto& server = server_with(1);
  server.send(push.substr(0, 100'000));
  ASSERT_FALSE(run_until([&] { return !events_.pushes.empty(); }, std::chrono::milliseconds(50)));
  server.send(push.substr(100'000) + "+PONG\r\n");

  ASSERT_TRUE(answered(1));
  ASSERT_EQ(events_.pushes.size(), 1u);
  EXPECT_EQ(events_.pushes[0], push);
  EXPECT_EQ(events_[1].pieces, 1);
}

TEST_F(LinkPush, ConfirmationThatNobodyAskedForEndsTheLink) {
  submit(1, "PING");
  server_with(1).send("+PONG\r\n" + std::string(kConfirmed));

  ASSERT_TRUE(run_until([&] { return metrics_.upstream_losses.value() == 1; }));
}

TEST_F(LinkPush, WithoutTheOptionAPushEndsTheLink) {
  options_.takes_pushes = false;
  submit(1, "PING");
  server_with(1).send(kMessage);

  ASSERT_TRUE(failed(1));
}

TEST_F(LinkPush, FeedHandsOnWhatNobodyWaitsFor) {
  options_.is_feed = true;
  submit(1, "MONITOR");
  server_with(1).send("+OK\r\n+one\r\n+two\r\n");

  ASSERT_TRUE(run_until([&] { return events_.pushes.size() == 2; }));
  EXPECT_EQ(events_[1].reply, "+OK\r\n");
  EXPECT_EQ(events_.pushes[1], "+two\r\n");
}

}  // namespace
}  // namespace anteroom::upstream
