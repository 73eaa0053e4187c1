#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace anteroom::test {

/// The bytes of one connection as its reads brought them.
using Pieces = std::vector<std::string_view>;

/// Feeds the pieces to a new parser and tells what came out: one line per command, reply or error. A line must not
/// depend on bytes behind the thing it describes.
using ParseAll = std::function<std::vector<std::string>(const Pieces&)>;

/// At most this many positions are tried as the one cut of a long input: all near the ends, the rest spread evenly.
inline constexpr std::size_t kCutsMax = 600;

[[nodiscard]] inline Pieces byte_by_byte(std::string_view input) {
  Pieces pieces;
  for (std::size_t i = 0; i < input.size(); ++i) pieces.push_back(input.substr(i, 1));
  return pieces;
}

[[nodiscard]] inline std::vector<std::size_t> cuts_of(std::size_t size) {
  std::vector<std::size_t> cuts;
  const std::size_t edge = std::min(size, kCutsMax / 3);
  const std::size_t stride = std::max<std::size_t>(1, size / (kCutsMax / 3));
  for (std::size_t cut = 0; cut <= size; cut += cut < edge || cut + edge >= size ? 1 : stride) cuts.push_back(cut);
  return cuts;
}

/// Expects that `parse_all` says the same about `input` whole, byte by byte and cut in two at every position, and says
/// it first when more bytes follow. Returns what it said, so that a test can go on to compare it.
inline std::vector<std::string> expect_same_for_every_split(std::string_view input, const ParseAll& parse_all) {
  const std::vector<std::string> whole = parse_all({input});
  EXPECT_EQ(parse_all(byte_by_byte(input)), whole) << "byte by byte";
  for (const std::size_t cut : cuts_of(input.size())) {
    EXPECT_EQ(parse_all({input.substr(0, cut), input.substr(cut)}), whole) << "cut at " << cut;
    if (::testing::Test::HasFailure()) return whole;
  }
  for (const std::string_view trailer : {"*1\r\n$4\r\nPING\r\n", "+OK\r\n", "\n"}) {
    const std::string longer = std::string(input).append(trailer);
    std::vector<std::string> first = parse_all({longer});
    EXPECT_GE(first.size(), whole.size()) << "with trailing bytes";
    first.resize(whole.size());
    EXPECT_EQ(first, whole) << "with trailing bytes";
  }
  return whole;
}

}  // namespace anteroom::test
