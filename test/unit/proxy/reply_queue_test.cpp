#include "proxy/reply_queue.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace anteroom::proxy {
namespace {

class ReplyQueueTest : public ::testing::Test {
 protected:
  base::ByteQueue out_;
  ReplyQueue queue_{out_};
};

TEST_F(ReplyQueueTest, ReplyGoesStraightOutWhileNothingIsOwed) {
  queue_.append_complete("+A\r\n");

  EXPECT_EQ(out_.to_string(), "+A\r\n");
  EXPECT_TRUE(queue_.empty());
}

TEST_F(ReplyQueueTest, LaterReplyWaitsForTheEarlierOne) {
  const auto first = queue_.reserve();
  queue_.append_complete("B");
  EXPECT_EQ(out_.to_string(), "");
  EXPECT_EQ(queue_.waiting_bytes(), 1u);

  queue_.append(first, "A");
  queue_.finish(first);

  EXPECT_EQ(out_.to_string(), "AB");
  EXPECT_EQ(queue_.waiting_bytes(), 0u);
  EXPECT_TRUE(queue_.empty());
}

TEST_F(ReplyQueueTest, PiecesOfTheHeadPassThroughBeforeItIsComplete) {
  const auto first = queue_.reserve();
  queue_.append(first, "A1");
  EXPECT_EQ(out_.to_string(), "A1");

  queue_.append(first, "A2");
  EXPECT_EQ(out_.to_string(), "A1A2");
  EXPECT_EQ(queue_.pending(), 1u);
}

base::SharedBytes shared(std::string_view text) { return std::make_shared<const std::string>(text); }

TEST_F(ReplyQueueTest, PushGoesBeforeRepliesThatHaveNotBegun) {
  queue_.append_push(shared(">0"));
  const auto first = queue_.reserve();
  queue_.append_complete("B");
  queue_.append_push(shared(">1"));
  EXPECT_EQ(out_.to_string(), ">0>1");

  queue_.append(first, "A");
  queue_.finish(first);
  EXPECT_EQ(out_.to_string(), ">0>1AB");
}

TEST_F(ReplyQueueTest, PushWaitsForTheEndOfAReplyThatHasBegun) {
  const auto first = queue_.reserve();
  const auto second = queue_.reserve();
  queue_.append(first, "A1");
  queue_.append(second, "B1");
  queue_.append_push(shared(">1"));
  EXPECT_EQ(queue_.waiting_bytes(), 4u);
  queue_.append(first, "A2");
  EXPECT_EQ(out_.to_string(), "A1A2");

  queue_.finish(first);
  EXPECT_EQ(out_.to_string(), "A1A2>1B1");
  queue_.append_push(shared(">2"));
  queue_.append(second, "B2");
  queue_.finish(second);
  EXPECT_EQ(out_.to_string(), "A1A2>1B1B2>2");
  EXPECT_EQ(queue_.waiting_bytes(), 0u);

  static_cast<void>(queue_.reserve());
  queue_.append_push(shared(">3"));
  EXPECT_EQ(out_.to_string(), "A1A2>1B1B2>2>3") << "the new head has not begun";
}

TEST_F(ReplyQueueTest, LargePushIsNotCopied) {
  const auto large = shared(std::string(100'000, 'x'));
  queue_.append_push(large);
  EXPECT_EQ(out_.size(), large->size());
  EXPECT_EQ(large.use_count(), 2);
}

TEST_F(ReplyQueueTest, NewHeadGivesOutWhatItHasAndThenPassesThrough) {
  const auto first = queue_.reserve();
  const auto second = queue_.reserve();
  queue_.append(second, "B1");
  queue_.append(first, "A");
  queue_.finish(first);
  EXPECT_EQ(out_.to_string(), "AB1");

  queue_.append(second, "B2");
  queue_.finish(second);
  EXPECT_EQ(out_.to_string(), "AB1B2");
}

TEST_F(ReplyQueueTest, WaitingBytesCountEverythingBehindTheHead) {
  const auto first = queue_.reserve();
  const auto second = queue_.reserve();
  queue_.append(second, std::string(10, 'b'));
  queue_.append_complete(std::string(5, 'c'));
  queue_.append(second, std::string(10, 'b'));
  queue_.append(first, std::string(100, 'a'));

  EXPECT_EQ(queue_.waiting_bytes(), 25u);
  EXPECT_EQ(out_.size(), 100u);
}

TEST_F(ReplyQueueTest, AnyOrderOfCompletionGivesTheOrderOfRequests) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  std::vector<ReplyQueue::Slot> open;
  std::string expected;
  std::size_t expected_waiting_max = 0;

  for (int i = 0; i < 5000; ++i) {
    const std::string text = "<" + std::to_string(i) + ">";
    expected += text;
    if (random() % 2 == 0) {
      queue_.append_complete(text);
    } else {
      const auto slot = queue_.reserve();
      queue_.append(slot, text);  // complete but for its end
      open.push_back(slot);
    }
    if (random() % 3 != 0 && !open.empty()) {
      const std::size_t pick = random() % open.size();
      queue_.finish(open[pick]);
      open.erase(open.begin() + static_cast<std::ptrdiff_t>(pick));
    }
    expected_waiting_max = std::max(expected_waiting_max, queue_.waiting_bytes());
    ASSERT_EQ(out_.size() + queue_.waiting_bytes(), expected.size());
  }
  for (const auto slot : open) queue_.finish(slot);

  EXPECT_EQ(out_.to_string(), expected);
  EXPECT_EQ(queue_.waiting_bytes(), 0u);
  EXPECT_GT(expected_waiting_max, 0u);
}

TEST(ReplyQueueDeathTest, FinishingASlotTwiceIsABug) {
  base::ByteQueue out;
  ReplyQueue queue(out);
  const auto slot = queue.reserve();
  static_cast<void>(queue.reserve());
  queue.finish(slot);

  EXPECT_DEATH(queue.finish(slot), "invariant broken");
}

}  // namespace
}  // namespace anteroom::proxy
