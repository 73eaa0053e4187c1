#include "cache/arena.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace anteroom::cache {
namespace {

constexpr std::size_t kPage = 16 * 1024;
constexpr std::size_t kNoLimit = SIZE_MAX;

class ArenaTest : public ::testing::Test {
 protected:
  std::vector<Slot> allocate_many(std::size_t count, std::size_t size) {
    std::vector<Slot> slots;
    for (std::size_t i = 0; i < count; ++i) slots.push_back(arena.allocate(size, kNoLimit));
    return slots;
  }
  void free_all(const std::vector<Slot>& slots) {
    for (const Slot slot : slots) arena.free(slot);
  }
  std::vector<Slot> sweep_all(std::size_t budget) {
    std::vector<Slot> seen;
    std::uint64_t cursor = 0;
    do {
      arena.sweep(cursor, budget, [&](Slot slot) { seen.push_back(slot); });
    } while (cursor != 0);
    return seen;
  }

  PageSource memory{kPage, false};
  Arena arena{memory};
};

TEST_F(ArenaTest, ClassesAreSixteenApartAndThenAnEighthAbove) {
  for (std::size_t size = 1; size <= Arena::kSlotBytesMax; ++size) {
    const std::size_t bytes = Arena::slot_bytes_for(size);
    ASSERT_GE(bytes, size);
    ASSERT_EQ(bytes % 16, 0u);
    ASSERT_EQ(Arena::slot_bytes_for(bytes), bytes);
    ASSERT_LE(bytes, size <= 256 ? size + 15 : size + size / 8);
  }
  EXPECT_EQ(Arena::slot_bytes_for(257), 288u);
  EXPECT_EQ(Arena::slot_bytes_for(4097), 4608u);
}

TEST_F(ArenaTest, EveryClassFillsWholePagesWithSlotsThatDoNotOverlap) {
  std::set<std::size_t> sizes;
  for (std::size_t size = 1; size <= Arena::kSlotBytesMax; ++size) sizes.insert(Arena::slot_bytes_for(size));
  EXPECT_EQ(sizes.size(), 56u);

  for (const std::size_t size : sizes) {
    const std::size_t per_page = kPage / size;
    const std::vector<Slot> slots = allocate_many(2 * per_page, size);
    EXPECT_EQ(arena.pages(), 2u) << size;
    EXPECT_EQ(arena.used_bytes(), 2 * per_page * size);

    for (std::size_t i = 0; i < slots.size(); ++i) std::memset(arena.at(slots[i]), static_cast<int>(i % 251), size);
    for (std::size_t i = 0; i < slots.size(); ++i) {
      const std::string expected(size, static_cast<char>(i % 251));
      ASSERT_EQ(std::string_view(arena.at(slots[i]), size), expected) << size << " number " << i;
      ASSERT_EQ(arena.slot_bytes(slots[i]), size);
      ASSERT_EQ(reinterpret_cast<std::uintptr_t>(arena.at(slots[i])) % 16, 0u);
    }
    arena.check_invariants();
    free_all(slots);
  }
}

TEST_F(ArenaTest, LargestPagesHoldTheSmallestSlots) {
  PageSource large_pages(PageSource::kPageBytesMax, false);
  Arena large(large_pages);
  std::set<Slot> slots;
  for (std::size_t i = 0; i <= PageSource::kPageBytesMax / 16; ++i) slots.insert(large.allocate(1, kNoLimit));

  EXPECT_EQ(slots.size(), PageSource::kPageBytesMax / 16 + 1);
  EXPECT_FALSE(slots.contains(kNoSlot));
  EXPECT_EQ(large.pages(), 2u);
  large.check_invariants();
}

TEST_F(ArenaTest, NoPageAbovePagesMaxIsTaken) {
  EXPECT_EQ(arena.allocate(100, 0), kNoSlot);
  const Slot first = arena.allocate(8192, 1);
  const Slot second = arena.allocate(8192, 1);

  EXPECT_EQ(arena.allocate(8192, 1), kNoSlot);
  EXPECT_EQ(arena.allocate(100, 1), kNoSlot);

  arena.free(first);
  EXPECT_NE(arena.allocate(8192, 1), kNoSlot);
  EXPECT_NE(arena.allocate(100, 2), kNoSlot);
  EXPECT_NE(second, kNoSlot);
  EXPECT_EQ(arena.pages(), 2u);
}

TEST_F(ArenaTest, OneEmptyPageIsKeptAndServesAnyClass) {
  free_all(allocate_many(6, 8192));
  EXPECT_EQ(arena.pages(), 1u);
  EXPECT_EQ(arena.used_bytes(), 0u);

  const Slot slot = arena.allocate(100, 1);

  EXPECT_NE(slot, kNoSlot);
  EXPECT_EQ(arena.pages(), 1u);
  arena.check_invariants();
}

TEST_F(ArenaTest, KeptPageGoesBackWhenThereAreMorePagesThanAllowed) {
  const Slot stays = arena.allocate(100, kNoLimit);
  arena.free(arena.allocate(8192, kNoLimit));
  ASSERT_EQ(arena.pages(), 2u);

  EXPECT_EQ(arena.allocate(8192, 1), kNoSlot);

  EXPECT_EQ(arena.pages(), 1u);
  EXPECT_NE(stays, kNoSlot);
  arena.check_invariants();
}

TEST_F(ArenaTest, PageNumbersAreUsedAgain) {
  free_all(allocate_many(20, 8192));
  const std::size_t tables = arena.bytes() - arena.pages() * kPage;

  for (int i = 0; i < 100; ++i) free_all(allocate_many(20, 8192));

  EXPECT_EQ(arena.bytes() - arena.pages() * kPage, tables);
  arena.check_invariants();
}

TEST_F(ArenaTest, BytesArePagesAndSmallTables) {
  const std::vector<Slot> slots = allocate_many(100 * (kPage / 128), 128);

  EXPECT_EQ(arena.pages(), 100u);
  EXPECT_GE(arena.bytes(), 100 * kPage);
  EXPECT_LE(arena.bytes(), 100 * (kPage + 192));
}

TEST_F(ArenaTest, EmptyingNeedsAsManyFreeSlotsElsewhere) {
  std::vector<Slot> moved;
  const std::vector<Slot> slots = allocate_many(4, 8192);
  EXPECT_FALSE(arena.begin_emptying(moved));
  arena.free(slots[0]);
  EXPECT_FALSE(arena.begin_emptying(moved));

  arena.free(slots[2]);
  ASSERT_TRUE(arena.begin_emptying(moved));
  ASSERT_EQ(moved.size(), 1u);
  const Slot place = arena.allocate(8192, 0);
  ASSERT_NE(place, kNoSlot);
  arena.free(moved[0]);
  arena.end_emptying();

  EXPECT_EQ(arena.used_bytes(), 2 * 8192u);
  EXPECT_FALSE(arena.begin_emptying(moved));
  arena.check_invariants();
}

TEST_F(ArenaTest, EmptyingTakesTheEmptiestPageOfTheClassWithTheMostFreeMemory) {
  const std::vector<Slot> small = allocate_many(2 * (kPage / 16), 16);
  const std::vector<Slot> large = allocate_many(3 * (kPage / 1024), 1024);
  for (std::size_t i = 0; i < small.size(); i += 2) arena.free(small[i]);
  for (std::size_t i = 0; i < 16; ++i) {
    if (i >= 8) arena.free(large[i]);
    if (i >= 3) arena.free(large[16 + i]);
    if (i >= 5) arena.free(large[32 + i]);
  }
  std::vector<Slot> moved;

  ASSERT_TRUE(arena.begin_emptying(moved));

  EXPECT_EQ(moved, (std::vector<Slot>{large[16], large[17], large[18]}));
}

TEST_F(ArenaTest, PageBeingEmptiedIsNotAllocatedFromUntilTheEnd) {
  const std::vector<Slot> slots = allocate_many(32, 1024);
  for (std::size_t i = 0; i < 8; ++i) arena.free(slots[i]);
  for (std::size_t i = 20; i < 32; ++i) arena.free(slots[i]);
  std::vector<Slot> moved;
  ASSERT_TRUE(arena.begin_emptying(moved));
  EXPECT_EQ(moved, (std::vector<Slot>(slots.begin() + 16, slots.begin() + 20)));

  for (int i = 0; i < 8; ++i) EXPECT_NE(arena.allocate(1024, 2), kNoSlot);
  EXPECT_EQ(arena.allocate(1024, 2), kNoSlot);
  arena.check_invariants();

  arena.end_emptying();
  EXPECT_NE(arena.allocate(1024, 2), kNoSlot);
  arena.check_invariants();
}

TEST_F(ArenaTest, SweepVisitsEachAllocatedSlotOnceWhateverTheBudget) {
  std::vector<Slot> slots = allocate_many(300, 64);
  const std::vector<Slot> large = allocate_many(7, 8192);
  for (std::size_t i = 0; i < slots.size(); i += 3) arena.free(slots[i]);
  std::set<Slot> expected(large.begin(), large.end());
  for (std::size_t i = 0; i < slots.size(); ++i) {
    if (i % 3 != 0) expected.insert(slots[i]);
  }

  for (const std::size_t budget : {1u, 2u, 7u, 1000u, 1000000u}) {
    EXPECT_EQ(sweep_all(budget), std::vector<Slot>(expected.begin(), expected.end()));
  }
}

TEST_F(ArenaTest, SweepLooksAtNoMorePlacesThanItsBudget) {
  const std::vector<Slot> slots = allocate_many(100, 64);
  std::uint64_t cursor = 0;
  int visits = 0;

  for (int i = 0; i < 5; ++i) arena.sweep(cursor, 10, [&](Slot) { ++visits; });

  EXPECT_GT(visits, 40);
  EXPECT_LE(visits, 50);
  EXPECT_NE(cursor, 0u);
}

TEST_F(ArenaTest, SweepMayFreeEverything) {
  const std::vector<Slot> slots = allocate_many(1000, 200);
  allocate_many(9, 8192);
  std::uint64_t cursor = 0;

  do {
    arena.sweep(cursor, 11, [&](Slot slot) { arena.free(slot); });
    arena.check_invariants();
  } while (cursor != 0);

  EXPECT_EQ(arena.used_bytes(), 0u);
  EXPECT_EQ(arena.pages(), 1u);
}

TEST_F(ArenaTest, SweepOfAnEmptyArenaEnds) {
  EXPECT_TRUE(sweep_all(1).empty());
  free_all(allocate_many(9, 8192));
  EXPECT_TRUE(sweep_all(1).empty());
}

TEST_F(ArenaTest, FreeingTwiceIsFound) {
  const std::vector<Slot> slots = allocate_many(2, 100);
  arena.free(slots[0]);

  EXPECT_DEATH(arena.free(slots[0]), "is_allocated");
  EXPECT_DEATH(arena.free(kNoSlot), "page_of|pages_|slots");
}

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
TEST_F(ArenaTest, UseAfterFreeIsFound) {
  const Slot slot = arena.allocate(100, kNoLimit);
  char* const bytes = arena.at(slot);
  bytes[50] = 'x';
  arena.free(slot);

  EXPECT_DEATH(bytes[50] = 'y', "use-after-poison");
}
#endif
#endif

// A second account of what the arena does: each slot is filled with a byte of its own, so that slots that overlap or
// lose their contents are noticed.
class ArenaModel {
 public:
  explicit ArenaModel(std::uint64_t seed) : random_(seed) {}

  void step() {
    switch (random_() % 16) {
      case 0:
        return empty_a_page();
      case 1:
        return sweep();
      default:
        // Grows and shrinks in turn, so that pages come and go.
        return random_() % 100 < (steps_++ / 8000 % 2 == 0 ? 75 : 30) ? allocate() : free();
    }
  }

  void check() const {
    arena_.check_invariants();
    std::size_t used = 0;
    for (const auto& [slot, content] : slots_) {
      ASSERT_EQ(std::string_view(arena_.at(slot), content.size()), content);
      used += arena_.slot_bytes(slot);
    }
    ASSERT_EQ(arena_.used_bytes(), used);
    ASSERT_LE(arena_.pages(), kPagesMax);
  }

 private:
  static constexpr std::size_t kPagesMax = 50;

  void allocate() {
    // Small sizes and few classes mostly, else every page would hold only a little.
    const std::size_t size = random_() % 50 == 0 ? 1 + random_() % Arena::kSlotBytesMax : 1 + random_() % 4 * 150;
    const Slot slot = arena_.allocate(size, kPagesMax);
    if (slot != kNoSlot) fill(slot, std::string(size, static_cast<char>(random_())));
  }
  void fill(Slot slot, const std::string& content) {
    ASSERT_TRUE(slots_.emplace(slot, content).second);
    ASSERT_EQ(arena_.slot_bytes(slot), Arena::slot_bytes_for(content.size()));
    std::memcpy(arena_.at(slot), content.data(), content.size());
  }
  void free() {
    if (slots_.empty()) return;
    auto place = slots_.lower_bound(Slot{static_cast<std::uint32_t>(random_() % 64 << 10 | random_() % 1024)});
    if (place == slots_.end()) place = slots_.begin();
    arena_.free(place->first);
    slots_.erase(place);
  }
  void empty_a_page() {
    std::vector<Slot> moved;
    if (!arena_.begin_emptying(moved)) return;
    const std::size_t pages = arena_.pages();
    const bool gives_up = random_() % 4 == 0;
    if (gives_up) moved.resize(moved.size() / 2);
    for (const Slot from : moved) {
      const std::string content = slots_.at(from);
      const Slot to = arena_.allocate(content.size(), 0);
      ASSERT_NE(to, kNoSlot);
      fill(to, content);
      arena_.free(from);
      slots_.erase(from);
    }
    arena_.end_emptying();
    ASSERT_LE(arena_.pages(), pages);
  }
  void sweep() {
    arena_.sweep(cursor_, random_() % 200, [&](Slot slot) {
      ASSERT_TRUE(slots_.contains(slot));
      if (random_() % 256 != 0) return;
      arena_.free(slot);
      slots_.erase(slot);
    });
  }

  std::mt19937_64 random_;
  PageSource memory_{kPage, false};
  Arena arena_{memory_};
  std::map<Slot, std::string> slots_;
  std::uint64_t cursor_ = 0;
  std::uint64_t steps_ = 0;
};

TEST(ArenaModelTest, RandomCallsAgreeWithTheModel) {
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE(seed);
  ArenaModel model(seed);
  for (int round = 0; round < 100 && !::testing::Test::HasFatalFailure(); ++round) {
    for (int i = 0; i < 500; ++i) model.step();
    model.check();
  }
}

}  // namespace
}  // namespace anteroom::cache
