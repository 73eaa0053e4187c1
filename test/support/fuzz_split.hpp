#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string_view>
#include <vector>

namespace anteroom::test {

/// `input` cut into pieces of random length, mostly short. The cuts depend on the bytes only, so a crash can be
/// repeated from its input, and corpus files stay plain protocol text.
[[nodiscard]] inline std::vector<std::string_view> random_pieces(std::string_view input) {
  std::uint32_t seed = 2166136261U;  // FNV-1a
  for (const char c : input) seed = (seed ^ static_cast<unsigned char>(c)) * 16777619U;
  std::minstd_rand random(seed);
  const std::size_t longest = 1 + random() % 16;
  std::vector<std::string_view> pieces;
  while (!input.empty()) {
    const std::size_t size = std::min<std::size_t>(input.size(), 1 + random() % longest);
    pieces.push_back(input.substr(0, size));
    input.remove_prefix(size);
  }
  return pieces;
}

}  // namespace anteroom::test
