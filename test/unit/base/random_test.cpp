#include "base/random.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>

namespace anteroom::base {
namespace {

TEST(Random, SeedsDiffer) { EXPECT_NE(random_seed(), random_seed()); }

TEST(Random, FillsMoreThanTheKernelGivesInOnePiece) {
  std::array<std::byte, 4096> bytes{};
  fill_random(bytes);
  EXPECT_TRUE(std::any_of(bytes.end() - 64, bytes.end(), [](std::byte one) { return one != std::byte{0}; }));
}

TEST(Random, NothingToFillIsFine) { fill_random({}); }

}  // namespace
}  // namespace anteroom::base
