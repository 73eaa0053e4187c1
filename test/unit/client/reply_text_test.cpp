// What redis-cli prints for the same replies.
#include "client/reply_text.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace anteroom::client {
namespace {

/// Of a reply as it comes from a server.
std::string shown(std::string_view encoded) {
  const auto reply = resp::parse_value(encoded);
  EXPECT_TRUE(reply.has_value()) << encoded;
  return reply ? reply_text(*reply) : "";
}

TEST(ReplyText, SimpleStringsAreAsTheyAre) {
  EXPECT_EQ(shown("+OK\r\n"), "OK");
  EXPECT_EQ(shown("+\r\n"), "");
}

TEST(ReplyText, ErrorsSayThatTheyAre) {
  EXPECT_EQ(shown("-ERR unknown command\r\n"), "(error) ERR unknown command");
  EXPECT_EQ(shown("!9\r\nERR blob!\r\n"), "(error) ERR blob!");
}

TEST(ReplyText, NumbersSayWhichKindTheyAre) {
  EXPECT_EQ(shown(":1000\r\n"), "(integer) 1000");
  EXPECT_EQ(shown(":-1\r\n"), "(integer) -1");
  EXPECT_EQ(shown(",3.25\r\n"), "(double) 3.25");
  EXPECT_EQ(shown(",inf\r\n"), "(double) inf");
  EXPECT_EQ(shown("(3492890328409238509324850943850943825024385\r\n"), "3492890328409238509324850943850943825024385");
}

TEST(ReplyText, BooleansAndNullsAreWords) {
  EXPECT_EQ(shown("#t\r\n"), "(true)");
  EXPECT_EQ(shown("#f\r\n"), "(false)");
  EXPECT_EQ(shown("_\r\n"), "(nil)");
  EXPECT_EQ(shown("$-1\r\n"), "(nil)");
  EXPECT_EQ(shown("*-1\r\n"), "(nil)");
}

TEST(ReplyText, StringsAreQuoted) {
  EXPECT_EQ(shown("$5\r\nhello\r\n"), "\"hello\"");
  EXPECT_EQ(shown("$0\r\n\r\n"), "\"\"");
}

TEST(ReplyText, WhatCannotBeShownIsEscaped) {
  EXPECT_EQ(shown("$6\r\n\"\\\n\r\t \r\n"), R"("\"\\\n\r\t ")");
  EXPECT_EQ(shown("$2\r\n\a\b\r\n"), R"("\a\b")");
  EXPECT_EQ(shown(std::string_view("$3\r\n\0\x01\x7f\r\n", 9)), R"("\x00\x01\x7f")");
  EXPECT_EQ(shown("$4\r\n\xc3\xa9\xff\x80\r\n"), R"("\xc3\xa9\xff\x80")");
}

TEST(ReplyText, VerbatimStringsAreAsTheyAreWithoutTheirKind) {
  EXPECT_EQ(shown("=15\r\ntxt:Some string\r\n"), "Some string");
  EXPECT_EQ(shown("=8\r\nmkd:a\nb\"\r\n"), "a\nb\"");
}

TEST(ReplyText, EmptyAggregatesSayWhichKindTheyAre) {
  EXPECT_EQ(shown("*0\r\n"), "(empty array)");
  EXPECT_EQ(shown("%0\r\n"), "(empty hash)");
  EXPECT_EQ(shown("~0\r\n"), "(empty set)");
}

TEST(ReplyText, ElementsAreNumbered) {
  EXPECT_EQ(shown("*3\r\n$1\r\na\r\n:2\r\n_\r\n"), "1) \"a\"\n2) (integer) 2\n3) (nil)");
  EXPECT_EQ(shown("~2\r\n+a\r\n+b\r\n"), "1~ a\n2~ b");
  EXPECT_EQ(shown(">2\r\n+message\r\n+b\r\n"), "1) message\n2) b");
}

TEST(ReplyText, EntriesOfMapsHaveTheirKeys) {
  EXPECT_EQ(shown("%2\r\n$1\r\na\r\n:1\r\n$1\r\nb\r\n:2\r\n"), "1# \"a\" => (integer) 1\n2# \"b\" => (integer) 2");
}

TEST(ReplyText, ValuesOfSeveralLinesBeginOnOneOfTheirOwn) {
  EXPECT_EQ(shown("%2\r\n+a\r\n%2\r\n+b\r\n+c\r\n+d\r\n*2\r\n+e\r\n+f\r\n+x\r\n~1\r\n*2\r\n+y\r\n+z\r\n"),
            "1# a => \n"
            "   1# b => c\n"
            "   2# d => \n"
            "      1) e\n"
            "      2) f\n"
            "2# x => \n"
            "   1~ 1) y\n"
            "      2) z");
  EXPECT_EQ(shown("%1\r\n+a\r\n%1\r\n+b\r\n~1\r\n:1\r\n"), "1# a => 1# b => 1~ (integer) 1");
  EXPECT_EQ(shown("%1\r\n+a\r\n*0\r\n"), "1# a => (empty array)");
}

TEST(ReplyText, NumbersAreAlignedOnTheRight) {
  std::string ten = "*10\r\n";
  for (int i = 0; i < 10; ++i) ten += ":7\r\n";
  const std::string text = shown(ten);
  EXPECT_TRUE(text.starts_with(" 1) (integer) 7\n 2) ")) << text;
  EXPECT_TRUE(text.ends_with("\n 9) (integer) 7\n10) (integer) 7")) << text;
}

TEST(ReplyText, ElementsOfElementsAreIndented) {
  EXPECT_EQ(shown("*2\r\n*2\r\n+a\r\n*2\r\n+b\r\n+c\r\n*1\r\n+d\r\n"),
            "1) 1) a\n"
            "   2) 1) b\n"
            "      2) c\n"
            "2) 1) d");
}

TEST(ReplyText, AnEmptyElementIsOne) { EXPECT_EQ(shown("*2\r\n*0\r\n+a\r\n"), "1) (empty array)\n2) a"); }

TEST(ReplyText, NoNewlineIsAtTheEnd) { EXPECT_FALSE(shown("*1\r\n*1\r\n+a\r\n").ends_with('\n')); }

}  // namespace
}  // namespace anteroom::client
