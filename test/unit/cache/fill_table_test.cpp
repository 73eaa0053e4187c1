#include "cache/fill_table.hpp"

#include <gtest/gtest.h>

#include <iterator>
#include <string>
#include <vector>

namespace anteroom::cache {
namespace {

Query query_of(std::string_view key, std::uint64_t hash, std::string_view request = {}, Space space = {}) {
  return {.key = {.bytes = key, .hash = hash, .space = space}, .request = request};
}
std::ptrdiff_t count_of(const FillTable::Detached& fills) { return std::distance(fills.begin(), fills.end()); }

class FillTableTest : public testing::Test {
 protected:
  FillTableTest() {
    EXPECT_TRUE(table.attach(a, {.id = 10, .epoch = 5, .owner = OwnerId{0}}));
    EXPECT_TRUE(table.attach(b, {.id = 11, .epoch = 6, .owner = OwnerId{1}}));
    EXPECT_TRUE(table.attach(c, {.id = 12, .epoch = 7, .owner = OwnerId{2}}));
    EXPECT_TRUE(table.attach(result_of_a, {.id = 13, .owner = OwnerId{1}}));
  }
  const Query a = query_of("a", 1);
  const Query b = query_of("b", 1);
  const Query c = query_of("c", 2);
  const Query result_of_a = query_of("a", 1, "b");  // named like a key
  FillTable table;
};

TEST_F(FillTableTest, FindsEachNameAmongEqualHashes) {
  ASSERT_NE(table.find(a), nullptr);
  EXPECT_EQ(table.find(a)->id, 10u);
  EXPECT_EQ(table.find(b)->id, 11u);
  EXPECT_EQ(table.find(b)->epoch, 6u);
  EXPECT_EQ(table.find(c)->owner, OwnerId{2});
  EXPECT_EQ(table.find(result_of_a)->id, 13u);
  EXPECT_EQ(table.find(query_of("d", 1)), nullptr);
  EXPECT_EQ(table.find(query_of("a", 3)), nullptr);
  EXPECT_EQ(table.find(query_of("a", 1, {}, Space{1})), nullptr);
  EXPECT_EQ(table.find(query_of("a", 1, "a")), nullptr);
  EXPECT_TRUE(table.has_any(1));
  EXPECT_FALSE(table.has_any(3));
}

TEST_F(FillTableTest, DetachTakesOneAndLeavesTheRest) {
  EXPECT_EQ(table.detach(a, 10).front().name, "a");

  EXPECT_EQ(table.find(a), nullptr);
  EXPECT_NE(table.find(b), nullptr);
  EXPECT_EQ(table.size(), 3u);
  EXPECT_FALSE(table.detach(c, 12).empty());
  EXPECT_EQ(table.by_hash().size(), 1u) << "no empty list stays behind";
}

TEST_F(FillTableTest, DetachRefusesAnotherIdOrName) {
  EXPECT_TRUE(table.detach(a, 11).empty());
  EXPECT_TRUE(table.detach(c, 10).empty());
  EXPECT_TRUE(table.detach(b, 13).empty());
  EXPECT_TRUE(table.detach(query_of("d", 9), 10).empty());
  EXPECT_EQ(table.size(), 4u);
}

TEST_F(FillTableTest, FindsTheFillOfAnIdAmongEqualHashes) {
  EXPECT_EQ(table.find(1, 11), table.find(b));
  EXPECT_EQ(table.find(1, 13), table.find(result_of_a));
  EXPECT_EQ(table.find(1, 12), nullptr);
  EXPECT_EQ(table.find(9, 10), nullptr);
}

TEST_F(FillTableTest, MemoryOfAnEndedFillIsThatOfTheNextWithNothingElseOfIt) {
  Fill* const before = table.find(result_of_a);
  before->is_answered = true;
  FillTable::Detached ended = table.detach(result_of_a, 13);
  table.recycle(ended);
  EXPECT_TRUE(ended.empty());

  const Query next = query_of("a name of its own, which is longer", 7);
  ASSERT_TRUE(table.attach(next, {.id = 20, .epoch = 8, .owner = OwnerId{3}}));

  Fill* const found = table.find(next);
  ASSERT_EQ(found, before);
  EXPECT_EQ(found->name, next.key.bytes);
  EXPECT_EQ(found->id, 20u);
  EXPECT_EQ(found->epoch, 8u);
  EXPECT_EQ(found->owner, OwnerId{3});
  EXPECT_FALSE(found->is_result);
  EXPECT_FALSE(found->is_answered);
  EXPECT_TRUE(found->is_joinable);
  EXPECT_EQ(table.find(result_of_a), nullptr);
  EXPECT_EQ(table.size(), 4u);
}

TEST_F(FillTableTest, NameOfAnEndedFillLeavesItsMemoryToTheNext) {
  const std::string long_name(FillTable::kSpareNameBytesMax - 1, 'n');
  ASSERT_TRUE(table.attach(query_of(long_name, 7), {.id = 20}));
  const char* const memory = table.find(7, 20)->name.data();
  FillTable::Detached ended = table.detach(query_of(long_name, 7), 20);
  table.recycle(ended);
  ASSERT_TRUE(ended.empty());

  const std::string shorter = long_name.substr(1);
  ASSERT_TRUE(table.attach(query_of(shorter, 8), {.id = 21}));

  EXPECT_EQ(table.find(8, 21)->name, shorter);
  EXPECT_EQ(table.find(8, 21)->name.data(), memory);
  table.check_invariants();
}

TEST_F(FillTableTest, NoMoreMemoryIsKeptThanItsLimits) {
  const std::string long_name(FillTable::kSpareNameBytesMax + 1, 'n');
  const auto recycled = [this](const std::string& name) {
    EXPECT_TRUE(table.attach(query_of(name, 5), {.id = 30}));
    FillTable::Detached ended = table.detach(query_of(name, 5), 30);
    table.recycle(ended);
    return ended.empty();
  };
  EXPECT_FALSE(recycled(long_name));
  for (std::uint64_t id = 0; id <= FillTable::kSparesMax; ++id) {
    EXPECT_TRUE(table.attach(query_of("k", 100 + id), {.id = id}));
  }
  for (std::uint64_t id = 0; id <= FillTable::kSparesMax; ++id) {
    FillTable::Detached ended = table.detach(query_of("k", 100 + id), id);
    table.recycle(ended);
    EXPECT_EQ(ended.empty(), id < FillTable::kSparesMax) << id;
  }
  table.check_invariants();
}

TEST_F(FillTableTest, DetachAllTakesEveryFillWithTheHash) {
  EXPECT_EQ(count_of(table.detach_all(1)), 3);

  EXPECT_EQ(table.size(), 1u);
  EXPECT_TRUE(table.detach_all(1).empty());
  EXPECT_NE(table.find(c), nullptr);
}

TEST_F(FillTableTest, DetachIfTakesTheChosenOfOneHashOrOfAll) {
  const auto is_of_1 = [](const Fill& fill) { return fill.owner == OwnerId{1}; };
  EXPECT_EQ(count_of(table.detach_if(2, is_of_1)), 0);
  EXPECT_EQ(count_of(table.detach_if(1, is_of_1)), 2);
  EXPECT_NE(table.find(a), nullptr);

  EXPECT_EQ(count_of(table.detach_if([](const Fill& fill) { return !fill.is_result; })), 2);
  EXPECT_EQ(table.size(), 0u);
  EXPECT_TRUE(table.by_hash().empty());
}

TEST_F(FillTableTest, OneHashHasALimitedNumberOfFills) {
  std::vector<std::string> requests;
  for (std::size_t i = 0; i < FillTable::kFillsPerHashMax; ++i) requests.push_back(std::to_string(i));
  for (const std::string& request : requests) EXPECT_TRUE(table.attach(query_of("k", 9, request), {.id = 1}));

  EXPECT_FALSE(table.attach(query_of("k", 9), {.id = 1}));
  EXPECT_TRUE(table.attach(query_of("k", 8), {.id = 1}));
}

}  // namespace
}  // namespace anteroom::cache
