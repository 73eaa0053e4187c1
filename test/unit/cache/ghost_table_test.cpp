#include "cache/ghost_table.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <random>

namespace anteroom::cache {
namespace {

TEST(GhostTable, FingerprintIsFoundOnce) {
  GhostTable ghosts(100);
  ghosts.insert(7);

  EXPECT_FALSE(ghosts.remove(8));
  EXPECT_TRUE(ghosts.remove(7));
  EXPECT_FALSE(ghosts.remove(7));
}

TEST(GhostTable, NothingIsFoundInANewTable) {
  GhostTable ghosts(100);

  EXPECT_FALSE(ghosts.remove(0));
  EXPECT_FALSE(ghosts.remove(1));
}

TEST(GhostTable, FingerprintZeroIsRemembered) {
  GhostTable ghosts(100);
  ghosts.insert(0);

  EXPECT_TRUE(ghosts.remove(0));
  EXPECT_FALSE(ghosts.remove(0));
}

TEST(GhostTable, FullLineForgetsTheOldest) {
  GhostTable ghosts(1);
  ASSERT_EQ(ghosts.capacity(), 16u);

  for (std::uint32_t i = 1; i <= 17; ++i) ghosts.insert(i);

  EXPECT_FALSE(ghosts.remove(1));
  for (std::uint32_t i = 2; i <= 17; ++i) EXPECT_TRUE(ghosts.remove(i)) << i;
}

TEST(GhostTable, RemovingOneMakesRoomForOneAndKeepsTheOrder) {
  GhostTable ghosts(1);
  for (std::uint32_t i = 1; i <= 16; ++i) ghosts.insert(i);
  ASSERT_TRUE(ghosts.remove(9));

  ghosts.insert(17);
  EXPECT_TRUE(ghosts.remove(1));
  ghosts.insert(18);
  ghosts.insert(19);

  EXPECT_FALSE(ghosts.remove(2));
  EXPECT_TRUE(ghosts.remove(3));
}

TEST(GhostTable, TakesFourBytesForEach) {
  const GhostTable ghosts(1'000'000);

  EXPECT_GE(ghosts.capacity(), 1'000'000u);
  EXPECT_EQ(ghosts.bytes(), ghosts.capacity() * 4);
  EXPECT_LE(ghosts.bytes(), 4'000'064u);
  EXPECT_EQ(GhostTable(0).bytes(), 64u);
}

TEST(GhostTable, RemembersNearlyAsManyOfTheLatestAsItHasRoomFor) {
  constexpr std::uint32_t kCount = 100'000;
  GhostTable ghosts(kCount);
  std::mt19937_64 random(1);
  for (std::uint32_t i = 0; i < 2 * kCount; ++i) ghosts.insert(static_cast<std::uint32_t>(random()));
  std::mt19937_64 again(1);
  again.discard(kCount);

  std::uint32_t found = 0;
  for (std::uint32_t i = 0; i < kCount; ++i) {
    if (ghosts.remove(static_cast<std::uint32_t>(again()))) ++found;
  }

  EXPECT_GT(found, kCount * 85 / 100);
}

}  // namespace
}  // namespace anteroom::cache
