#include "cache/s3fifo_policy.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <random>
#include <utility>
#include <vector>

namespace anteroom::cache {
namespace {

constexpr std::size_t kCapacity = 20;  // two of them in the small queue

class S3FifoPolicyTest : public ::testing::Test {
 protected:
  Slot insert(std::uint32_t fingerprint) {
    const Slot slot = arena.allocate(sizeof(Entry), SIZE_MAX);
    new (arena.at(slot)) Entry;
    policy->on_insert(slot, fingerprint);
    fingerprints[slot] = fingerprint;
    return slot;
  }
  void hit(Slot slot, int times = 1) {
    for (int i = 0; i < times; ++i) policy->on_hit(slot);
  }
  void erase(Slot slot, bool evicted) {
    policy->on_erase(slot, fingerprints.at(slot), evicted);
    arena.free(slot);
    fingerprints.erase(slot);
  }
  Slot move(Slot from) {
    const Slot to = arena.allocate(sizeof(Entry), SIZE_MAX);
    std::memcpy(arena.at(to), arena.at(from), sizeof(Entry));
    policy->on_move(from, to);
    arena.free(from);
    fingerprints[to] = fingerprints.at(from);
    fingerprints.erase(from);
    return to;
  }
  /// The fingerprint of what went; 0 if there was nothing.
  std::uint32_t evict() {
    const Slot slot = policy->victim();
    if (slot == kNoSlot) return 0;
    const std::uint32_t fingerprint = fingerprints.at(slot);
    erase(slot, true);
    return fingerprint;
  }
  /// As ghosts that come back. One more entry stays in the small queue, which is its share.
  std::pair<Slot, Slot> insert_two_into_main() {
    for (std::uint32_t i = 1; i <= 3; ++i) insert(i);
    EXPECT_EQ(evict(), 1u);
    EXPECT_EQ(evict(), 2u);
    const Slot first = insert(1);
    return {first, insert(2)};
  }
  /// What a cache of kCapacity does for one request.
  void request(std::uint32_t fingerprint) {
    for (const auto& [slot, known] : fingerprints) {
      if (known == fingerprint) return policy->on_hit(slot);
    }
    if (policy->size() == kCapacity) evict();
    insert(fingerprint);
  }
  [[nodiscard]] bool has(std::uint32_t fingerprint) const {
    return std::ranges::any_of(fingerprints, [&](const auto& each) { return each.second == fingerprint; });
  }

  PageSource memory{PageSource::kPageBytesMin, false};
  Arena arena{memory};
  std::unique_ptr<EvictionPolicy> policy = make_policy(Policy::kS3Fifo, arena, kCapacity);
  std::map<Slot, std::uint32_t> fingerprints;
};

TEST_F(S3FifoPolicyTest, WithoutHitsTheOldestGoesFirst) {
  for (std::uint32_t i = 1; i <= 5; ++i) insert(i);

  for (std::uint32_t i = 1; i <= 5; ++i) EXPECT_EQ(evict(), i);
  EXPECT_EQ(evict(), 0u);
  EXPECT_EQ(policy->size(), 0u);
}

TEST_F(S3FifoPolicyTest, EntryOfTheSmallQueueThatWasUsedMovesToTheMainQueue) {
  const Slot used = insert(1);
  for (std::uint32_t i = 2; i <= 5; ++i) insert(i);
  hit(used);

  EXPECT_EQ(evict(), 2u);
  EXPECT_EQ(evict(), 3u);
  EXPECT_EQ(evict(), 4u);
  policy->check_invariants();
  // Only one is left in the small queue, which is its share, so the main queue's turn has come.
  EXPECT_EQ(evict(), 1u);
}

TEST_F(S3FifoPolicyTest, ScanDoesNotTouchWhatIsUsed) {
  for (int round = 0; round < 3; ++round) {
    for (std::uint32_t i = 1; i <= 15; ++i) request(i);
  }

  for (std::uint32_t i = 100; i < 1100; ++i) request(i);

  for (std::uint32_t i = 1; i <= 15; ++i) EXPECT_TRUE(has(i)) << i;
  policy->check_invariants();
}

TEST_F(S3FifoPolicyTest, VictimOfTheSmallQueueThatComesBackGoesToTheMainQueue) {
  for (std::uint32_t i = 1; i <= 5; ++i) insert(i);
  ASSERT_EQ(evict(), 1u);

  insert(1);

  EXPECT_EQ(policy->ghost_hits(), 1u);
  EXPECT_EQ(evict(), 2u);
  EXPECT_EQ(evict(), 3u);
  EXPECT_EQ(evict(), 4u);
  EXPECT_EQ(evict(), 1u);
  EXPECT_EQ(evict(), 5u);
}

TEST_F(S3FifoPolicyTest, VictimOfTheMainQueueIsNoGhost) {
  const Slot used = insert(1);
  insert(2);
  insert(3);
  hit(used);
  ASSERT_EQ(evict(), 2u);  // 1 went to the main queue on the way
  ASSERT_EQ(evict(), 1u);

  insert(1);

  EXPECT_EQ(policy->ghost_hits(), 0u);
}

TEST_F(S3FifoPolicyTest, DroppedEntryIsNoGhost) {
  erase(insert(1), false);

  insert(1);

  EXPECT_EQ(policy->ghost_hits(), 0u);
}

TEST_F(S3FifoPolicyTest, EntryOfTheMainQueueGoesRoundOnceForEachUseUpToThree) {
  const auto [first, second] = insert_two_into_main();
  hit(first, 100);
  hit(second, 2);
  EXPECT_EQ(evict(), 2u);
  EXPECT_EQ(evict(), 1u);
}

TEST_F(S3FifoPolicyTest, UsesOfTheMainQueueAboveThreeDoNotCount) {
  const auto [first, second] = insert_two_into_main();
  hit(first, 100);
  hit(second, 3);
  EXPECT_EQ(evict(), 1u);
  EXPECT_EQ(evict(), 2u);
}

TEST_F(S3FifoPolicyTest, VictimIsFoundInABoundedNumberOfMovesThoughEverythingWasUsed) {
  constexpr std::uint32_t kMany = 10 * S3FifoPolicy::kMovesMax;
  std::vector<Slot> slots;
  for (std::uint32_t i = 1; i <= kMany; ++i) slots.push_back(insert(i));
  for (const Slot slot : slots) hit(slot);

  // Each that is passed over moves to the main queue.
  EXPECT_EQ(evict(), S3FifoPolicy::kMovesMax + 1);
  policy->check_invariants();
}

TEST_F(S3FifoPolicyTest, SmallQueueIsATenthOfWhatThereIsThoughTheCapacityIsLarger) {
  policy = make_policy(Policy::kS3Fifo, arena, 1'000'000);
  fingerprints.clear();
  std::vector<Slot> slots;
  for (std::uint32_t i = 1; i <= 50; ++i) slots.push_back(insert(i));
  for (std::uint32_t i = 0; i < 40; ++i) hit(slots[i]);

  for (std::uint32_t i = 41; i <= 45; ++i) EXPECT_EQ(evict(), i);
}

TEST_F(S3FifoPolicyTest, BytesAreThoseOfTheGhosts) {
  const auto large = make_policy(Policy::kS3Fifo, arena, 1'000'000);

  EXPECT_GE(large->bytes(), 900'000u * 4);
  EXPECT_LE(large->bytes(), 900'000u * 4 + 512);
}

TEST_F(S3FifoPolicyTest, CapacityOfOneWorks) {
  policy = make_policy(Policy::kS3Fifo, arena, 1);

  hit(insert(1));
  EXPECT_EQ(evict(), 1u);
  insert(2);
  EXPECT_EQ(evict(), 2u);
}

TEST_F(S3FifoPolicyTest, RandomCallsKeepTheQueuesWhole) {
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  for (int i = 0; i < 20'000; ++i) {
    const auto fingerprint = static_cast<std::uint32_t>(1 + random() % 60);
    const std::uint64_t action = fingerprints.empty() ? 0 : random() % 8;
    const auto chosen = fingerprints.lower_bound(Slot{static_cast<std::uint32_t>(1024 + random() % 40)});
    const Slot slot = chosen == fingerprints.end() ? kNoSlot : chosen->first;
    if (action == 6 && slot != kNoSlot) {
      erase(slot, false);
    } else if (action == 7 && slot != kNoSlot) {
      move(slot);
    } else {
      request(fingerprint);
    }
    ASSERT_EQ(policy->size(), fingerprints.size());
    if (i % 16 == 0) policy->check_invariants();
  }
  while (evict() != 0) {
  }
  EXPECT_TRUE(fingerprints.empty());
}

}  // namespace
}  // namespace anteroom::cache
