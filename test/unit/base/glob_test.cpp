#include "base/glob.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.hpp"

namespace anteroom::base {
namespace {

using namespace std::string_literals;

struct Case {
  std::string pattern;
  std::string text;
  bool is_match;
};

class Glob : public testing::Test {
 protected:
  static void expect_all(const std::vector<Case>& cases) {
    for (const auto& [pattern, text, is_match] : cases) {
      EXPECT_EQ(glob_matches(pattern, text), is_match)
          << testing::PrintToString(pattern) << " and " << testing::PrintToString(text);
    }
  }
};

/// What Redis does to one class, by marking every byte that it lists; `at` moves behind it.
std::vector<bool> reference_class(const std::string& pattern, std::size_t& at) {
  std::vector<bool> listed(256, false);
  const auto mark = [&listed](char c) { listed[static_cast<unsigned char>(c)] = true; };
  const bool is_negated = at < pattern.size() && pattern[at] == '^';
  at += is_negated ? 1 : 0;
  for (; at < pattern.size() && pattern[at] != ']'; ++at) {
    if (pattern[at] == '\\' && at + 1 < pattern.size()) {
      mark(pattern[++at]);
    } else if (at + 2 < pattern.size() && pattern[at + 1] == '-') {
      const int first = static_cast<signed char>(pattern[at]);
      const int last = static_cast<signed char>(pattern[at + 2]);
      for (int c = std::min(first, last); c <= std::max(first, last); ++c) mark(static_cast<char>(c));
      at += 2;
    } else {
      mark(pattern[at]);
    }
  }
  if (at < pattern.size()) ++at;
  if (is_negated) listed.flip();
  return listed;
}

/// As one would write it without a thought for time: each star tries every length.
bool reference_matches(const std::string& pattern, std::size_t at, const std::string& text, std::size_t text_at) {
  if (at == pattern.size()) return text_at == text.size();
  if (pattern[at] == '*') {
    for (std::size_t end = text_at; end <= text.size(); ++end) {
      if (reference_matches(pattern, at + 1, text, end)) return true;
    }
    return false;
  }
  if (text_at == text.size()) return false;
  std::vector<bool> accepted(256, pattern[at] == '?');
  if (pattern[at] == '[') {
    accepted = reference_class(pattern, ++at);
  } else {
    if (pattern[at] == '\\' && at + 1 < pattern.size()) {
      ++at;
      accepted.assign(256, false);
    }
    accepted[static_cast<unsigned char>(pattern[at])] = true;
    ++at;
  }
  return accepted[static_cast<unsigned char>(text[text_at])] && reference_matches(pattern, at, text, text_at + 1);
}

TEST_F(Glob, LiteralsMatchThemselvesAndTheWholeText) {
  expect_all({{"abc", "abc", true},
              {"abc", "abcd", false},
              {"abc", "ab", false},
              {"abc", "ABC", false},
              {"", "", true},
              {"", "a", false},
              {"a", "", false},
              {"a\0b"s, "a\0b"s, true},
              {"a\0b"s, "a\0c"s, false},
              {"\xff", "\xff", true}});
}

TEST_F(Glob, AStarIsAnyNumberOfBytesAndAQuestionMarkOne) {
  expect_all({{"*", "abc", true},
              {"a*", "a", true},
              {"a*", "abc", true},
              {"*c", "abc", true},
              {"*b", "abc", false},
              {"a*c", "ac", true},
              {"a*c", "abcbc", true},
              {"a*b*c", "axxbxxc", true},
              {"a*b*c", "axxc", false},
              {"**a**", "xay", true},
              {"a**", "a", true},
              {"*ab", "aab", true},
              {"?", "a", true},
              {"?", "", false},
              {"?", "ab", false},
              {"a?c", "abc", true},
              {"*?", "a", true},
              {"?*?", "a", false},
              {"?*?", "ab", true},
              {"*", "a\0b"s, true},
              {"user:*:name", "user:1:name", true},
              {"user:*:name", "user:1:age", false}});
}

TEST_F(Glob, OnlyALoneStarMatchesTheEmptyText) {
  expect_all({{"*", "", true}, {"**", "", false}, {"[^", "", false}, {"\\", "", false}});
}

TEST_F(Glob, AClassIsOneOfItsBytes) {
  expect_all({{"[abc]", "b", true}, {"[abc]", "d", false},    {"[abc]", "ab", false},   {"[^a]", "b", true},
              {"[^a]", "a", false}, {"[^a]", "", false},      {"[a-c]", "b", true},     {"[a-c]", "d", false},
              {"[c-a]", "b", true}, {"[^a-c]", "b", false},   {"[a-cx]", "x", true},    {"[a^]", "^", true},
              {"[]", "]", false},   {"[^]", "x", true},       {"[]a]", "a]", false},    {"[*?]", "*", true},
              {"[*?]", "a", false}, {"k[0-9]*", "k7x", true}, {"*[ab]c", "xxbc", true}, {"[0-9][0-9]", "42", true},
              {"[-a]", "-", true},  {"[--0]", ".", true},     {"[a\\]b]", "]", true},   {"[\\^a]", "^", true}});
}

TEST_F(Glob, UnterminatedClassesEndWithThePattern) {
  expect_all({{"[", "[", false},
              {"[", "a", false},
              {"[^", "a", true},
              {"[^", "ab", false},
              {"[a", "a", true},
              {"[a", "b", false},
              {"[^a", "b", true},
              {"[ab", "b", true},
              {"[a-", "-", true},
              {"[a-", "a", true},
              {"[a-c", "b", true},
              {"x[", "x", false},
              {"[\\", "\\", true},
              {"[\\]", "]", true},
              {"*[a", "xa", true}});
}

TEST_F(Glob, ARangeMayEndWithABracketOrABackslash) {
  expect_all({{"[a-]", "a", true},
              {"[a-]", "_", true},
              {"[a-]", "-", false},
              {"[a-]b]", "b", true},
              {"[Z-\\]", "[", true},
              {"[Z-\\]", "]", false},
              {"[\\a-z]", "a", true},
              {"[\\a-z]", "b", false},
              {"[\\a-z]", "z", true}});
}

TEST_F(Glob, BytesAbove127AreBelowTheOthersInARange) {
  expect_all({{"[\x80-\xff]", "\x90", true},
              {"[\x80-\xff]", "a", false},
              {"[a-\xff]", "b", false},
              {"[a-\xff]", "A", true},
              {"[a-\xff]", "\x80", false}});
}

TEST_F(Glob, ABackslashTakesTheNextByteLiterally) {
  expect_all({{"\\*", "*", true},
              {"\\*", "a", false},
              {"\\?", "?", true},
              {"\\[a]", "[a]", true},
              {"\\a", "a", true},
              {"\\\\", "\\", true},
              {"a\\", "a\\", true},
              {"\\", "\\", true},
              {"*\\*", "ab*", true},
              {"*\\*", "ab", false}});
}

TEST_F(Glob, HostilePatternsEndSoon) {
  // With a try for every star this would take longer than the universe has had.
  std::string pattern;
  for (int i = 0; i < 200; ++i) pattern += "a*";
  std::string classes;
  for (int i = 0; i < 200; ++i) classes += "*[^b]";
  const std::string text(10'000, 'a');

  EXPECT_FALSE(glob_matches(pattern + 'b', text));
  EXPECT_TRUE(glob_matches(pattern, text));
  EXPECT_FALSE(glob_matches(classes + 'b', text));
  EXPECT_FALSE(glob_matches(std::string(5'000, '*') + 'b', text));
  EXPECT_FALSE(glob_matches('*' + std::string(5'000, '?') + 'b', text));
}

TEST_F(Glob, AgreesWithTryingEverything) {
  // Few different bytes, so that matches are frequent and all that is special meets.
  constexpr std::string_view kPatternBytes = "aabc**??[[]]^--\\\x80";
  constexpr std::string_view kTextBytes = "aaabc]^-\\*\x80";
  const std::uint64_t seed = random_seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const auto some = [&random](std::string_view bytes, std::size_t size_max) {
    std::string out(random() % (size_max + 1), '\0');
    for (char& c : out) c = bytes[random() % bytes.size()];
    return out;
  };
  int matches = 0;
  for (int round = 0; round < 100'000; ++round) {
    const std::string pattern = some(kPatternBytes, 9);
    const std::string text = some(kTextBytes, 8) + 'a';
    const bool expected = reference_matches(pattern, 0, text, 0);
    matches += expected ? 1 : 0;
    ASSERT_EQ(glob_matches(pattern, text), expected)
        << testing::PrintToString(pattern) << " and " << testing::PrintToString(text);
  }
  EXPECT_GT(matches, 1'000);
}

TEST(GlobList, MatchesWhatAnyOfItsPatternsMatches) {
  const GlobList list({"user:*", "cart:[0-9]"});

  EXPECT_FALSE(list.empty());
  EXPECT_TRUE(list.matches("user:1"));
  EXPECT_TRUE(list.matches("cart:7"));
  EXPECT_FALSE(list.matches("cart:x"));
  EXPECT_FALSE(list.matches(""));
}

TEST(GlobList, AnEmptyListMatchesNothing) {
  EXPECT_TRUE(GlobList{}.empty());
  EXPECT_FALSE(GlobList{}.matches("a"));
  EXPECT_FALSE(GlobList{}.matches(""));
}

}  // namespace
}  // namespace anteroom::base
