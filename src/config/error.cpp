#include "config/error.hpp"

#include <algorithm>
#include <numeric>

namespace anteroom::config {
namespace {

/// Longer words are no misspellings of ours; bounds the work for hostile input.
constexpr std::size_t kWordMax = 64;

/// Levenshtein's distance: how many letters to insert, delete or replace.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }

}  // namespace

std::string Error::to_string() const {
  std::string out = option + ": " + problem;
  if (!source.empty()) out += " (from " + source + ')';
  // File names and keys may have any character, and the line goes to a terminal.
  std::ranges::replace_if(out, is_control, '?');
  return out;
}

std::string in_quotes(std::string_view text) {
  constexpr std::size_t kShownMax = 60;
  std::string out = "\"" + std::string(text.substr(0, kShownMax));
  std::ranges::replace_if(out, is_control, '?');
  out += text.size() > kShownMax ? "...\"" : "\"";
  return out;
}

std::string suggestion(std::string_view wrong, const std::vector<std::string>& candidates) {
  if (wrong.size() > kWordMax) return {};
  std::size_t best = 3;
  std::string_view nearest;
  for (const std::string& candidate : candidates) {
    const std::size_t found = distance(wrong, candidate);
    // Half of a short word replaced is another word.
    if (found < best && found * 2 < candidate.size()) {
      best = found;
      nearest = candidate;
    }
  }
  return nearest.empty() ? std::string{} : ", did you mean " + std::string(nearest) + '?';
}

}  // namespace anteroom::config
