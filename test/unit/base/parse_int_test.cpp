#include "base/parse_int.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

namespace anteroom::base {
namespace {

using namespace std::string_literals;

TEST(ParseInt, CanonicalNumbersAreRead) {
  for (const std::int64_t number :
       {std::int64_t{0}, std::int64_t{7}, std::int64_t{-7}, std::int64_t{10}, std::int64_t{-100},
        std::numeric_limits<std::int64_t>::max(), std::numeric_limits<std::int64_t>::min()}) {
    EXPECT_EQ(parse_int(std::to_string(number)), number);
  }
}

TEST(ParseInt, EverythingElseIsRefused) {
  for (const std::string& text : {""s,
                                  "-"s,
                                  "+1"s,
                                  "-0"s,
                                  "00"s,
                                  "01"s,
                                  "-01"s,
                                  " 1"s,
                                  "1 "s,
                                  "1x"s,
                                  "x"s,
                                  "1.0"s,
                                  "0x1"s,
                                  "--1"s,
                                  "1-"s,
                                  "1\0"s,
                                  "\0"s,
                                  "9223372036854775808"s,
                                  "-9223372036854775809"s,
                                  "99999999999999999999999"s}) {
    EXPECT_FALSE(parse_int(text)) << text;
  }
}

TEST(ParseInt, BytesBehindTheTextAreNotRead) { EXPECT_EQ(parse_int(std::string_view("1234").substr(0, 2)), 12); }

TEST(ParseInt, RangeIsInclusive) {
  EXPECT_EQ(parse_int("1", 1, 3), 1);
  EXPECT_EQ(parse_int("3", 1, 3), 3);
  EXPECT_FALSE(parse_int("0", 1, 3));
  EXPECT_FALSE(parse_int("4", 1, 3));
  EXPECT_FALSE(parse_int("x", 1, 3));
}

}  // namespace
}  // namespace anteroom::base
