#include "base/ascii.hpp"

#include <gtest/gtest.h>

#include <cctype>
#include <string>

namespace anteroom::base {
namespace {

TEST(Ascii, ClassesAreThoseOfTheCLocaleForEveryByte) {
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    EXPECT_EQ(is_digit(c), std::isdigit(byte) != 0) << byte;
    EXPECT_EQ(is_space(c), std::isspace(byte) != 0) << byte;
    EXPECT_EQ(to_lower(c), static_cast<char>(std::tolower(byte))) << byte;
    EXPECT_EQ(to_upper(c), static_cast<char>(std::toupper(byte))) << byte;
    EXPECT_EQ(hex_value(c) >= 0, std::isxdigit(byte) != 0) << byte;
  }
}

TEST(Ascii, HexValueReadsBothCases) {
  EXPECT_EQ(hex_value('0'), 0);
  EXPECT_EQ(hex_value('9'), 9);
  EXPECT_EQ(hex_value('a'), 10);
  EXPECT_EQ(hex_value('F'), 15);
  EXPECT_EQ(hex_value('g'), -1);
}

TEST(Ascii, CaseIsIgnoredOnlyInLetters) {
  EXPECT_TRUE(equals_ignore_case("GeT", "gEt"));
  EXPECT_TRUE(equals_ignore_case("", ""));
  EXPECT_FALSE(equals_ignore_case("get", "gets"));
  EXPECT_FALSE(equals_ignore_case("@", "`"));
  EXPECT_FALSE(equals_ignore_case("[", "{"));
  EXPECT_FALSE(equals_ignore_case("\xc4", "\xe4"));
  EXPECT_TRUE(starts_with_ignore_case("Client", "cLi"));
  EXPECT_FALSE(starts_with_ignore_case("cl", "cli"));
}

TEST(Ascii, WholeTextsChangeCase) {
  EXPECT_EQ(lowercase("GET k[1]\xc4"), "get k[1]\xc4");
  EXPECT_EQ(uppercase("get k{1}\xe4"), "GET K{1}\xe4");
}

TEST(Ascii, TrimTakesBothEndsOnly) {
  EXPECT_EQ(trim(" \t\v\f\r\na b\n "), "a b");
  EXPECT_EQ(trim(" \n"), "");
  EXPECT_EQ(trim(""), "");
}

}  // namespace
}  // namespace anteroom::base
