#include "floor_server/sizes.hpp"

#include <gtest/gtest.h>

#include <cstddef>

namespace anteroom::floor_server {
namespace {

TEST(RespValue, HasTheLengthThatWasAskedAndSaysItsOwn) {
  EXPECT_EQ(resp_value(6), "$0\r\n\r\n");
  EXPECT_EQ(resp_value(15), "$9\r\nxxxxxxxxx\r\n");
  EXPECT_EQ(resp_value(17), "$10\r\nxxxxxxxxxx\r\n");
  EXPECT_EQ(resp_value(71).substr(0, 5), "$64\r\n");
  EXPECT_EQ(resp_value(16'384 + 10).substr(0, 8), "$16384\r\n");
}

TEST(RespValue, EveryLengthIsRightOrRefused) {
  for (std::size_t bytes = 0; bytes < 2'000; ++bytes) {
    const std::size_t got = resp_value(bytes).size();
    // The lengths between those of two numbers of digits: no value has them.
    const bool is_refused = bytes < 6 || bytes == 16 || bytes == 107 || bytes == 1'008;
    EXPECT_EQ(got, is_refused ? 0 : bytes);
  }
}

TEST(Counter, MessagesEndWhereTheirBytesDoHoweverTheyCome) {
  Counter counter(10);
  EXPECT_EQ(counter.add(9), 0U);
  EXPECT_EQ(counter.begun_bytes(), 9U);
  EXPECT_EQ(counter.add(1), 1U);
  EXPECT_EQ(counter.begun_bytes(), 0U);
  EXPECT_EQ(counter.add(35), 3U);
  EXPECT_EQ(counter.begun_bytes(), 5U);
  EXPECT_EQ(counter.add(15), 2U);
}

}  // namespace
}  // namespace anteroom::floor_server
