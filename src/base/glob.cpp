#include "base/glob.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace anteroom::base {
namespace {

/// What one element of a pattern, which is anything but `*`, says about one byte.
struct Element {
  std::size_t end;  ///< of the element in the pattern
  bool is_match;
};

/// Redis compares `char`, which is signed where Redis is mostly run: bytes above 127 come before the others.
bool is_between(char c, char first, char last) noexcept {
  const auto [low, high] = std::minmax({static_cast<signed char>(first), static_cast<signed char>(last)});
  return static_cast<signed char>(c) >= low && static_cast<signed char>(c) <= high;
}

/// A class from behind its `[`. Redis's peculiarities are kept. The end of the pattern ends a class too. `-` takes the
/// byte behind it as the end of a range even if that is `]` or a backslash. A backslash is not the start of a range.
Element match_class(std::string_view pattern, std::size_t at, char c) noexcept {
  const bool is_negated = at < pattern.size() && pattern[at] == '^';
  if (is_negated) ++at;
  bool is_listed = false;
  while (at < pattern.size() && pattern[at] != ']') {
    const std::size_t left = pattern.size() - at;
    if (pattern[at] == '\\' && left >= 2) {
      is_listed |= pattern[at + 1] == c;
      at += 2;
    } else if (left >= 3 && pattern[at + 1] == '-') {
      is_listed |= is_between(c, pattern[at], pattern[at + 2]);
      at += 3;
    } else {
      is_listed |= pattern[at] == c;
      ++at;
    }
  }
  return {.end = std::min(at + 1, pattern.size()), .is_match = is_listed != is_negated};
}

/// `at` is inside `pattern`.
Element match_element(std::string_view pattern, std::size_t at, char c) noexcept {
  switch (pattern[at]) {
    case '?':
      return {.end = at + 1, .is_match = true};
    case '[':
      return match_class(pattern, at + 1, c);
    case '\\':
      // The last byte of a pattern has nothing to escape and means itself.
      if (at + 1 < pattern.size()) ++at;
      break;
    default:
      break;
  }
  return {.end = at + 1, .is_match = pattern[at] == c};
}

}  // namespace

/// Every element but `*` takes exactly one byte. Hence the shortest text that lets the pattern reach its next `*` is as
/// good as any longer one, and only the last `*` ever needs another try: one point to go back to, instead of a
/// recursion that hostile patterns make exponential.
bool glob_matches(std::string_view pattern, std::string_view text) noexcept {
  // To Redis a lone `*` is every key, but all other stars want a text that has a byte.
  if (text.empty()) return pattern.empty() || pattern == "*";
  std::size_t pattern_at = 0;
  std::size_t text_at = 0;
  bool has_star = false;
  std::size_t behind_star = 0;  // in the pattern
  std::size_t star_end = 0;     // in the text: what the last star takes ends here
  while (text_at < text.size()) {
    if (pattern_at < pattern.size() && pattern[pattern_at] == '*') {
      behind_star = ++pattern_at;
      star_end = text_at;
      has_star = true;
      if (behind_star == pattern.size()) return true;
      continue;
    }
    if (pattern_at < pattern.size()) {
      const Element element = match_element(pattern, pattern_at, text[text_at]);
      if (element.is_match) {
        pattern_at = element.end;
        ++text_at;
        continue;
      }
    }
    if (!has_star) return false;
    pattern_at = behind_star;
    text_at = ++star_end;
  }
  return pattern.find_first_not_of('*', pattern_at) == std::string_view::npos;
}

GlobList::GlobList(std::vector<std::string> patterns) noexcept : patterns_(std::move(patterns)) {}

bool GlobList::matches(std::string_view text) const noexcept {
  return std::ranges::any_of(patterns_, [text](const std::string& pattern) { return glob_matches(pattern, text); });
}

}  // namespace anteroom::base
