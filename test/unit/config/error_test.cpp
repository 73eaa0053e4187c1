#include "config/error.hpp"

#include <gtest/gtest.h>

namespace anteroom::config {
namespace {

TEST(Error, IsOneLineWithOptionProblemAndSource) {
  EXPECT_EQ((Error{"listen.port", "70000 is not between 0 and 65535", "flag --port"}.to_string()),
            "listen.port: 70000 is not between 0 and 65535 (from flag --port)");
  EXPECT_EQ((Error{"--prt", "unknown option", ""}.to_string()), "--prt: unknown option");
}

TEST(Error, IsOneLineWhateverAFileIsCalled) {
  EXPECT_EQ((Error{"a\n\x1b.json", "No such file", "flag --config"}.to_string()),
            "a??.json: No such file (from flag --config)");
}

TEST(InQuotes, MakesHostileTextHarmlessAndShort) {
  EXPECT_EQ(in_quotes("a b"), "\"a b\"");
  EXPECT_EQ(in_quotes("a\nb\x1b[31m\x7f"), "\"a?b?[31m?\"");
  EXPECT_EQ(in_quotes(std::string(100, 'x')), '"' + std::string(60, 'x') + "...\"");
}

TEST(Suggestion, NamesTheNearestCandidateOnly) {
  const std::vector<std::string> names{"cache.capacity", "cache.capacity_bytes", "port"};
  EXPECT_EQ(suggestion("cache.capcity", names), ", did you mean cache.capacity?");
  EXPECT_EQ(suggestion("prt", names), ", did you mean port?");
  EXPECT_EQ(suggestion("xy", names), "");
  EXPECT_EQ(suggestion("something else", names), "");
  EXPECT_EQ(suggestion(std::string(100'000, 'x'), names), "");
}

}  // namespace
}  // namespace anteroom::config
