#include "support/reply.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace anteroom::test {
namespace {

TEST(ParseReply, KeepsTheExactBytesAndBuildsTheTree) {
  constexpr std::string_view kBytes = "*4\r\n:12\r\n$3\r\na\r\n\r\n$-1\r\n*1\r\n+x\r\n";
  const ParsedReply parsed = parse_reply(std::string{kBytes} + "+next\r\n");
  ASSERT_EQ(parsed.status, ParseStatus::kComplete);
  EXPECT_EQ(parsed.used, kBytes.size());
  EXPECT_EQ(parsed.reply, kBytes);
  ASSERT_EQ(parsed.reply.items.size(), 4U);
  EXPECT_EQ(parsed.reply.items[0].number(), 12);
  EXPECT_EQ(parsed.reply.items[1].text, "a\r\n");
  EXPECT_TRUE(parsed.reply.items[2].is_null);
  EXPECT_EQ(parsed.reply.items[3].items[0].text, "x");
}

TEST(ParseReply, EveryProperPrefixIsIncomplete) {
  constexpr std::string_view kBytes = "%1\r\n+k\r\n~2\r\n#t\r\n,1.5\r\n";
  ASSERT_EQ(parse_reply(kBytes).status, ParseStatus::kComplete);
  for (std::size_t length = 0; length < kBytes.size(); ++length) {
    EXPECT_EQ(parse_reply(kBytes.substr(0, length)).status, ParseStatus::kIncomplete) << length;
  }
}

TEST(ParseReply, BytesThatAreNoReplyAreMalformed) {
  for (const std::string_view bytes :
       {"\r\n", "x\r\n", ":a\r\n", "$-2\r\n", "$x\r\n", "$1\r\nabc", "*-3\r\n", "_x\r\n", "%-1\r\n"}) {
    EXPECT_EQ(parse_reply(bytes).status, ParseStatus::kMalformed) << bytes;
  }
}

TEST(ParseReply, DepthIsBounded) {
  std::string nested;
  for (int i = 0; i < 10'000; ++i) nested += "*1\r\n";
  EXPECT_EQ(parse_reply(nested).status, ParseStatus::kMalformed);
}

TEST(Encode, CommandsAreArraysOfBulks) {
  EXPECT_EQ(encode({"GET", ""}), "*2\r\n$3\r\nGET\r\n$0\r\n\r\n");
  EXPECT_EQ(integer(-5), ":-5\r\n");
}

TEST(Escaped, ShowsControlBytesAndCutsLongText) {
  EXPECT_EQ(escaped(std::string_view{"a\r\n\x00\xff", 5}), "a\\r\\n\\x00\\xff");
  EXPECT_EQ(escaped("abcdef", 3), "abc... (6 bytes)");
}

}  // namespace
}  // namespace anteroom::test
