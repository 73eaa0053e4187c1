#include "resp/inline_args.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "unit/resp/parsed_lines.hpp"

namespace anteroom::resp {
namespace {

using namespace std::string_literals;

// Arguments as redis-server 7.0.15 saw them.
TEST(InlineArgs, AreSplitAsByRedis) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"PING\n", "~PING"},
      {"PING\r\n", "~PING"},
      {"PING\r\r\n", "~PING"},
      {"  SET\tkey  value \r\n", "~SET|key|value"},
      {"ECHO \"a b\"\n", "~ECHO|a b"},
      {"ECHO 'a\\'b\\n'\n", "~ECHO|a'b\\n"},
      {"ECHO \"\\x41\\n\\r\\t\\b\\a\\q\\x4g\"\n", "~ECHO|A\n\r\t\b\aqx4g"},
      {"ECHO \"\\xfF\\x00\"\n", "~ECHO|\xff\0"s},
      {"ECHO \"\\\\\\\"\"\n", "~ECHO|\\\""},
      {"ECHO a\"b\"\n", "~ECHO|ab"},
      {"ECHO a'b c'\n", "~ECHO|ab c"},
      {"ECHO a\vb\n", "~ECHO|a\vb"},
      {"ECHO \"a\"\v\n", "~ECHO|a"},
      {"\"PING\"\n", "~PING"},
      {"ECHO \"\"\n", "~ECHO|"},
      {"ECHO ''\n", "~ECHO|"},
      {"\"\"\n", "~"},
      {"ECHO \xff\n", "~ECHO|\xff"},
      {"ECHO a\\x41\n", "~ECHO|a\\x41"},
      {"ECHO '\\x41'\n", "~ECHO|\\x41"},
      {"ECHO a\rb\n", "~ECHO|a|b"},
      {"ECHO \"a\rb\"\n", "~ECHO|a\rb"},
      {"ECHO a \"b\"\tc\n", "~ECHO|a|b|c"},
      {"GET *1\n", "~GET|*1"},
      {" *1\r\n", "~*1"},
  };
  for (const auto& [input, line] : cases) EXPECT_EQ(parse(input), Lines{line}) << input;
}

TEST(InlineArgs, UnbalancedQuotesAreAnError) {
  for (const std::string_view input :
       {"ECHO \"a\n", "ECHO \"a\"b\n", "ECHO 'a'b\n", "ECHO 'a\n", "ECHO a\"b\n", "ECHO \"\\\"\n", "ECHO \"a\\\n",
        "ECHO 'a\\'\n", "\"\n", "ECHO \"a\"'b'\n", "ECHO \"a\\x4\n"}) {
    EXPECT_EQ(parse(input), protocol_error("unbalanced quotes in request")) << input;
  }
}

TEST(InlineArgs, EarlierArgumentsAreForgotten) {
  std::string unquoted;
  std::vector<Slice> slices;
  ASSERT_TRUE(split_inline("SET key value", unquoted, slices));
  ASSERT_TRUE(split_inline("GET k", unquoted, slices));
  EXPECT_EQ(unquoted, "GETk");
  EXPECT_EQ(slices.size(), 2U);
  ASSERT_TRUE(split_inline(" ", unquoted, slices));
  EXPECT_TRUE(slices.empty());
}

}  // namespace
}  // namespace anteroom::resp
