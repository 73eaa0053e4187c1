#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace anteroom::test {

/// Splits a command line at spaces; a word in single quotes may hold spaces or be empty.
inline std::vector<std::string> words(std::string_view line) {
  std::vector<std::string> result;
  std::string word;
  bool is_quoted = false;
  bool is_word = false;
  for (const char c : line) {
    if (c == '\'') {
      is_quoted = !is_quoted;
      is_word = true;
    } else if (c == ' ' && !is_quoted) {
      if (is_word) result.push_back(word);
      word.clear();
      is_word = false;
    } else {
      word += c;
      is_word = true;
    }
  }
  if (is_word) result.push_back(word);
  return result;
}

/// The same as views into `list`, which must outlive them.
inline std::vector<std::string_view> views(const std::vector<std::string>& list) { return {list.begin(), list.end()}; }

}  // namespace anteroom::test
