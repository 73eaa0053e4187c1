#include "base/read_buffer.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

namespace anteroom::base {
namespace {

TEST(ReadBuffer, NewBufferHoldsNothingAndNoMemory) {
  const ReadBuffer buffer;
  EXPECT_TRUE(buffer.empty());
  EXPECT_EQ(buffer.size(), 0U);
  EXPECT_EQ(buffer.readable(), "");
  EXPECT_EQ(buffer.capacity(), 0U);
}

TEST(ReadBuffer, OnlyCommittedBytesAreReadable) {
  ReadBuffer buffer;
  const auto space = buffer.prepare(10);
  ASSERT_GE(space.size(), 10U);
  std::ranges::copy(std::string_view("abcdef"), space.begin());
  buffer.commit(4);
  EXPECT_EQ(buffer.readable(), "abcd");
  buffer.append("xy");
  EXPECT_EQ(buffer.readable(), "abcdxy");
}

TEST(ReadBuffer, ConsumedBytesStayWhereTheyAreUntilPrepare) {
  ReadBuffer buffer;
  buffer.append("abcdef");
  const std::string_view slice = buffer.readable().substr(0, 3);

  buffer.consume(6);

  EXPECT_TRUE(buffer.empty());
  EXPECT_EQ(slice, "abc");
}

TEST(ReadBuffer, ContentSurvivesEveryMixOfCalls) {
  ReadBuffer buffer;
  std::string expected;
  unsigned state = 1;
  for (int i = 0; i < 20'000; ++i) {
    state = state * 1103515245U + 12345U;
    const std::size_t size = (state >> 16) % 50;
    if ((state >> 8) % 2 == 0) {
      const std::string bytes(size, static_cast<char>('a' + i % 26));
      buffer.append(bytes);
      expected += bytes;
    } else {
      const std::size_t taken = std::min(size, expected.size());
      buffer.consume(taken);
      expected.erase(0, taken);
    }
    ASSERT_EQ(buffer.readable(), expected);
  }
}

TEST(ReadBuffer, EmptyBufferBeginsAgainInsteadOfGrowing) {
  ReadBuffer buffer;
  buffer.append("0123456789");
  const std::size_t capacity = buffer.capacity();
  for (int i = 0; i < 1000; ++i) {
    buffer.consume(buffer.size());
    buffer.append("0123456789");
  }
  EXPECT_EQ(buffer.capacity(), capacity);
}

TEST(ReadBuffer, MemoryStaysInProportionToWhatIsHeld) {
  ReadBuffer buffer;
  buffer.append(std::string(1000, 'x'));
  for (int i = 0; i < 10'000; ++i) {
    buffer.append(std::string(100, 'y'));
    buffer.consume(100);
  }
  EXPECT_EQ(buffer.size(), 1000U);
  EXPECT_LE(buffer.capacity(), 8000U);
}

// Counts moves, not time: a buffer that moved its content at each read would make a large command quadratic.
TEST(ReadBuffer, SlowTrickleMovesBytesRarely) {
  ReadBuffer buffer;
  const char* place = nullptr;
  int moves = 0;
  for (int i = 0; i < 1'000'000; ++i) {
    buffer.append("x");
    if (buffer.readable().data() != place) ++moves;
    place = buffer.readable().data();
  }
  EXPECT_LE(moves, 22);
}

TEST(ReadBuffer, PrepareGivesWhatIsAskedForAtOnce) {
  ReadBuffer buffer;
  buffer.append("abc");
  EXPECT_GE(buffer.prepare(1 << 20).size(), std::size_t{1} << 20);
  EXPECT_EQ(buffer.readable(), "abc");
}

TEST(ReadBuffer, IdleBufferGivesItsMemoryBack) {
  ReadBuffer buffer;
  buffer.append("abc");
  buffer.consume(1);
  buffer.release_if_idle();
  EXPECT_EQ(buffer.readable(), "bc");

  buffer.consume(2);
  buffer.release_if_idle();

  EXPECT_EQ(buffer.capacity(), 0U);
  buffer.append("d");
  EXPECT_EQ(buffer.readable(), "d");
}

TEST(ReadBuffer, AppendingNothingAllocatesNothing) {
  ReadBuffer buffer;
  buffer.append("");
  EXPECT_EQ(buffer.capacity(), 0U);
}

TEST(ReadBufferDeathTest, MisuseAborts) {
  ReadBuffer buffer;
  buffer.append("abc");
  EXPECT_DEATH(buffer.consume(4), "invariant broken");
  EXPECT_DEATH(buffer.commit(buffer.capacity()), "invariant broken");
}

}  // namespace
}  // namespace anteroom::base
