#include "cache/fill_table.hpp"

#include <gtest/gtest.h>

#include <iterator>

namespace anteroom::cache {
namespace {

constexpr Key kA{.bytes = "a", .hash = 1};
constexpr Key kB{.bytes = "b", .hash = 1};
constexpr Key kC{.bytes = "c", .hash = 2};

class FillTableTest : public testing::Test {
 protected:
  FillTableTest() {
    table.attach(kA, 10, OwnerId{0}, 5);
    table.attach(kB, 11, OwnerId{1}, 6);
    table.attach(kC, 12, OwnerId{2}, 7);
  }
  FillTable table;
};

TEST_F(FillTableTest, FindsEachKeyAmongEqualHashes) {
  ASSERT_NE(table.find(kA), nullptr);
  EXPECT_EQ(table.find(kA)->id, 10u);
  EXPECT_EQ(table.find(kB)->id, 11u);
  EXPECT_EQ(table.find(kB)->epoch, 6u);
  EXPECT_EQ(table.find(kC)->owner, OwnerId{2});
  EXPECT_EQ(table.find({.bytes = "d", .hash = 1}), nullptr);
  EXPECT_EQ(table.find({.bytes = "a", .hash = 3}), nullptr);
  EXPECT_EQ(table.find({.bytes = "a", .hash = 1, .space = Space{1}}), nullptr);
}

TEST_F(FillTableTest, DetachTakesOneAndLeavesTheRest) {
  EXPECT_EQ(table.detach(kA, 10).front().key, "a");

  EXPECT_EQ(table.find(kA), nullptr);
  EXPECT_NE(table.find(kB), nullptr);
  EXPECT_EQ(table.size(), 2u);
  EXPECT_FALSE(table.detach(kB, 11).empty());
  EXPECT_EQ(table.by_hash().size(), 1u) << "no empty list stays behind";
}

TEST_F(FillTableTest, DetachRefusesAnotherIdOrKey) {
  EXPECT_TRUE(table.detach(kA, 11).empty());
  EXPECT_TRUE(table.detach(kC, 10).empty());
  EXPECT_TRUE(table.detach({.bytes = "d", .hash = 9}, 10).empty());
  EXPECT_EQ(table.size(), 3u);
}

TEST_F(FillTableTest, DetachAllTakesEveryFillWithTheHash) {
  const FillTable::Detached taken = table.detach_all(1);

  EXPECT_EQ(std::distance(taken.begin(), taken.end()), 2);
  EXPECT_EQ(table.size(), 1u);
  EXPECT_TRUE(table.detach_all(1).empty());
  EXPECT_NE(table.find(kC), nullptr);
}

}  // namespace
}  // namespace anteroom::cache
