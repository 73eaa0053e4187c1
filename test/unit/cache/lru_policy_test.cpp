#include "cache/lru_policy.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <list>
#include <memory>
#include <random>
#include <vector>

namespace anteroom::cache {
namespace {

class LruPolicyTest : public ::testing::Test {
 protected:
  Slot insert() {
    const Slot slot = arena.allocate(sizeof(Entry), SIZE_MAX);
    new (arena.at(slot)) Entry;
    policy->on_insert(slot, 0);
    return slot;
  }
  void erase(Slot slot, bool evicted) {
    policy->on_erase(slot, 0, evicted);
    arena.free(slot);
  }
  Slot move(Slot from) {
    const Slot to = arena.allocate(sizeof(Entry), SIZE_MAX);
    std::memcpy(arena.at(to), arena.at(from), sizeof(Entry));
    policy->on_move(from, to);
    arena.free(from);
    return to;
  }
  std::vector<Slot> evict_all() {
    std::vector<Slot> order;
    for (Slot slot; (slot = policy->victim()) != kNoSlot;) {
      order.push_back(slot);
      erase(slot, true);
    }
    return order;
  }

  PageSource memory{PageSource::kPageBytesMin, false};
  Arena arena{memory};
  std::unique_ptr<EvictionPolicy> policy = make_policy(Policy::kLru, arena, 100);
};

TEST_F(LruPolicyTest, WithoutHitsTheOldestGoesFirst) {
  const Slot a = insert();
  const Slot b = insert();
  const Slot c = insert();
  EXPECT_EQ(policy->size(), 3u);

  EXPECT_EQ(evict_all(), (std::vector{a, b, c}));
  EXPECT_EQ(policy->size(), 0u);
}

TEST_F(LruPolicyTest, HitMakesAnEntryTheLastToGo) {
  const Slot a = insert();
  const Slot b = insert();
  const Slot c = insert();

  policy->on_hit(b);
  policy->on_hit(a);
  policy->on_hit(a);

  EXPECT_EQ(evict_all(), (std::vector{c, b, a}));
}

TEST_F(LruPolicyTest, AskingForTheVictimChangesNothing) {
  const Slot a = insert();
  insert();

  EXPECT_EQ(policy->victim(), a);
  EXPECT_EQ(policy->victim(), a);
  EXPECT_EQ(policy->size(), 2u);
}

TEST_F(LruPolicyTest, ErasedEntriesAreForgotten) {
  const Slot a = insert();
  const Slot b = insert();
  const Slot c = insert();
  const Slot d = insert();

  erase(b, false);
  erase(a, false);
  erase(d, false);
  policy->check_invariants();

  EXPECT_EQ(evict_all(), std::vector{c});
}

TEST_F(LruPolicyTest, MovedEntryKeepsItsPlace) {
  const Slot a = insert();
  const Slot b = insert();
  const Slot c = insert();

  const Slot moved_b = move(b);
  const Slot moved_a = move(a);
  const Slot moved_c = move(c);
  policy->check_invariants();

  EXPECT_EQ(evict_all(), (std::vector{moved_a, moved_b, moved_c}));
}

TEST_F(LruPolicyTest, HitsNotedBeforeAMoveCountForTheEntryThatMoved) {
  const Slot a = insert();
  const Slot b = insert();
  policy->on_hit(a);

  const Slot moved_a = move(a);
  policy->on_hit(moved_a);

  EXPECT_EQ(evict_all(), (std::vector{b, moved_a}));
}

TEST_F(LruPolicyTest, HitsNotedBeforeAnInsertionAreOlderThanIt) {
  const Slot a = insert();
  const Slot b = insert();
  policy->on_hit(a);

  const Slot c = insert();

  EXPECT_EQ(evict_all(), (std::vector{b, a, c}));
}

TEST_F(LruPolicyTest, RandomCallsAgreeWithAList) {
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  std::list<Slot> model;  // least recently used first
  for (int i = 0; i < 20'000; ++i) {
    const auto chosen =
        model.empty() ? model.end() : std::next(model.begin(), static_cast<long>(random() % model.size()));
    const std::uint64_t action = chosen == model.end() || model.size() < 20 ? 0 : random() % 5;
    if (action == 0) {
      model.push_back(insert());
    } else if (action == 1) {
      erase(*chosen, false);
      model.erase(chosen);
    } else if (action == 2) {
      *chosen = move(*chosen);
    } else if (action == 3) {
      // Sometimes more hits than the policy notes at a time, which only a run without other calls can be.
      for (std::uint64_t hits = random() % 2 == 0 ? 1 : random() % 200; hits > 0; --hits) {
        const auto hit = std::next(model.begin(), static_cast<long>(random() % model.size()));
        policy->on_hit(*hit);
        model.splice(model.end(), model, hit);
      }
    } else {
      ASSERT_EQ(policy->victim(), model.front());
      erase(model.front(), true);
      model.pop_front();
    }
    ASSERT_EQ(policy->size(), model.size());
  }
  policy->check_invariants();
  EXPECT_EQ(evict_all(), std::vector<Slot>(model.begin(), model.end()));
}

}  // namespace
}  // namespace anteroom::cache
