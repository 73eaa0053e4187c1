#include "base/byte_queue.hpp"

#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace anteroom::base {
namespace {

SharedBytes shared(std::string bytes) { return std::make_shared<const std::string>(std::move(bytes)); }

/// What a writev of at most `pieces_max` pieces would send.
std::string front_of(const ByteQueue& queue, std::size_t pieces_max) {
  std::array<iovec, 64> pieces{};
  const std::size_t count = queue.fill_iovec({pieces.data(), pieces_max});
  std::string bytes;
  for (std::size_t i = 0; i < count; ++i) bytes.append(static_cast<const char*>(pieces[i].iov_base), pieces[i].iov_len);
  return bytes;
}

std::size_t piece_count(const ByteQueue& queue) {
  std::array<iovec, 64> pieces{};
  return queue.fill_iovec(pieces);
}

TEST(ByteQueue, NewQueueIsEmpty) {
  const ByteQueue queue;
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.size(), 0U);
  EXPECT_EQ(piece_count(queue), 0U);
  EXPECT_EQ(queue.to_string(), "");
}

TEST(ByteQueue, SmallAppendsShareOnePiece) {
  ByteQueue queue;
  for (int i = 0; i < 10; ++i) queue.append("+OK\r\n");
  EXPECT_EQ(piece_count(queue), 1U);
  EXPECT_EQ(queue.size(), 50U);
}

TEST(ByteQueue, SharedBytesAreReferencedNotCopied) {
  ByteQueue queue;
  const SharedBytes large = shared(std::string(100'000, 'x'));
  queue.append("a");
  queue.append_shared(large);
  queue.append("b");

  std::array<iovec, 4> pieces{};
  ASSERT_EQ(queue.fill_iovec(pieces), 3U);
  EXPECT_EQ(pieces[1].iov_base, large->data());
  EXPECT_EQ(large.use_count(), 2);
  EXPECT_EQ(queue.to_string(), "a" + *large + "b");

  queue.consume(100'001);
  EXPECT_EQ(large.use_count(), 1);
  EXPECT_EQ(queue.to_string(), "b");
}

TEST(ByteQueue, NothingAppendedIsNoPiece) {
  ByteQueue queue;
  queue.append("");
  queue.append_shared(nullptr);
  queue.append_shared(shared(""));
  queue.append(ByteQueue{});
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(piece_count(queue), 0U);
}

TEST(ByteQueue, ConsumeMayEndAnywhere) {
  ByteQueue queue;
  queue.append("abc");
  queue.append_shared(shared(std::string(3000, 'x')));
  queue.append("def");
  std::string expected = "abc" + std::string(3000, 'x') + "def";
  while (!expected.empty()) {
    ASSERT_EQ(queue.to_string(), expected);
    const std::size_t step = std::min<std::size_t>(expected.size(), 7);
    queue.consume(step);
    expected.erase(0, step);
  }
  EXPECT_TRUE(queue.empty());
}

TEST(ByteQueue, FillIovecFillsNoMoreThanAskedFor) {
  ByteQueue queue;
  for (int i = 0; i < 5; ++i) queue.append_shared(shared(std::string(1, static_cast<char>('a' + i))));
  EXPECT_EQ(front_of(queue, 3), "abc");
  EXPECT_EQ(front_of(queue, 64), "abcde");
  EXPECT_EQ(front_of(queue, 0), "");
}

TEST(ByteQueue, UninitializedSpaceIsPartOfTheQueue) {
  ByteQueue queue;
  queue.append("ab");
  std::memcpy(queue.append_uninitialized(3), "cde", 3);
  std::memcpy(queue.append_uninitialized(50'000), std::string(50'000, 'x').data(), 50'000);
  EXPECT_EQ(queue.to_string(), "abcde" + std::string(50'000, 'x'));
}

TEST(ByteQueue, AppendedQueueIsTakenOverInOrder) {
  ByteQueue first;
  ByteQueue second;
  first.append("abc");
  second.append("def");
  second.append_shared(shared(std::string(5000, 'x')));
  second.append("ghi");
  second.consume(1);

  first.append(std::move(second));

  EXPECT_EQ(first.to_string(), "abcef" + std::string(5000, 'x') + "ghi");
  EXPECT_EQ(first.size(), first.to_string().size());
  EXPECT_TRUE(second.empty());  // NOLINT(bugprone-use-after-move): append() promises it
  second.append("again");
  EXPECT_EQ(second.to_string(), "again");
}

TEST(ByteQueue, QueueAppendedToAnEmptyOneIsNotCopied) {
  ByteQueue first;
  ByteQueue second;
  second.append("abc");
  std::array<iovec, 1> piece{};
  ASSERT_EQ(second.fill_iovec(piece), 1U);
  const void* const bytes = piece[0].iov_base;

  first.append(std::move(second));

  ASSERT_EQ(first.fill_iovec(piece), 1U);
  EXPECT_EQ(piece[0].iov_base, bytes);
}

TEST(ByteQueue, MovedFromQueueIsEmptyAndUsable) {
  ByteQueue first;
  first.append("abc");
  ByteQueue second(std::move(first));
  EXPECT_TRUE(first.empty());  // NOLINT(bugprone-use-after-move): the header promises it
  first.append("x");
  second.append("def");
  first = std::move(second);
  EXPECT_EQ(first.to_string(), "abcdef");
  EXPECT_TRUE(second.empty());  // NOLINT(bugprone-use-after-move)
}

TEST(ByteQueue, KeptMemoryIsNoPiece) {
  ByteQueue queue;
  queue.append("abc");
  queue.consume(3);
  queue.append_shared(shared("def"));
  EXPECT_EQ(piece_count(queue), 1U);
  EXPECT_EQ(front_of(queue, 1), "def");
}

// Counts blocks of the heap, not time: consumed chunks must not pile up behind the one that is kept.
TEST(ByteQueue, ServingForeverNeedsNoMoreMemory) {
  ByteQueue queue;
  const SharedBytes bytes = shared(std::string(3000, 'x'));
  const auto serve = [&](int turns) {
    for (int i = 0; i < turns; ++i) {
      queue.append_shared(bytes);
      queue.append("+OK\r\n");
      queue.consume(queue.size());
    }
  };
  serve(1000);
  const auto before = mallinfo2();
  serve(100'000);
  const auto after = mallinfo2();
  EXPECT_LE(after.uordblks + after.hblkhd, before.uordblks + before.hblkhd + 64 * 1024);
}

TEST(ByteQueue, ShortReplyTakesLittleMemory) {
  constexpr std::size_t kQueues = 10'000;
  std::vector<ByteQueue> queues(kQueues);
  const auto before = mallinfo2();
  for (ByteQueue& queue : queues) {
    queue.append("+PONG\r\n");
    queue.consume(queue.size());
  }
  const auto after = mallinfo2();
  EXPECT_LE(after.uordblks + after.hblkhd, before.uordblks + before.hblkhd + kQueues * 256);
}

TEST(ByteQueue, ClearDropsEverything) {
  ByteQueue queue;
  const SharedBytes bytes = shared("abc");
  queue.append_shared(bytes);
  queue.clear();
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(bytes.use_count(), 1);
}

TEST(ByteQueue, ContentSurvivesEveryMixOfCalls) {
  ByteQueue queue;
  std::string expected;
  unsigned state = 7;
  for (int i = 0; i < 20'000; ++i) {
    state = state * 1103515245U + 12345U;
    const std::size_t size = (state >> 16) % 3000;
    const std::string bytes(size, static_cast<char>('a' + i % 26));
    switch ((state >> 8) % 8) {
      case 0:
        queue.append(bytes);
        break;
      case 1:
        queue.append_shared(shared(bytes));
        break;
      case 2: {
        ByteQueue other;
        other.append(bytes);
        queue.append(std::move(other));
        break;
      }
      default: {
        const std::size_t taken = std::min(size, expected.size());
        ASSERT_TRUE(expected.starts_with(front_of(queue, 2)));
        queue.consume(taken);
        expected.erase(0, taken);
        continue;
      }
    }
    expected += bytes;
    ASSERT_EQ(queue.size(), expected.size());
  }
  EXPECT_EQ(queue.to_string(), expected);
}

TEST(ByteQueueDeathTest, ConsumingMoreThanThereIsAborts) {
  ByteQueue queue;
  queue.append("abc");
  EXPECT_DEATH(queue.consume(4), "invariant broken");
}

}  // namespace
}  // namespace anteroom::base
