#include "cache/epochs.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <set>

namespace anteroom::cache {
namespace {

TEST(Epochs, EveryBumpThatConcernsAnOwnerGivesANewNumber) {
  Epochs epochs;
  const OwnerId owner{7};
  std::set<std::uint64_t> seen = {epochs.current(owner)};
  for (int i = 0; i < 10; ++i) {
    epochs.bump(owner);
    EXPECT_TRUE(seen.insert(epochs.current(owner)).second);
    epochs.bump_all();
    EXPECT_TRUE(seen.insert(epochs.current(owner)).second);
  }
}

TEST(Epochs, BumpOfOneOwnerLeavesTheOthers) {
  Epochs epochs;
  const std::uint64_t before = epochs.current(OwnerId{255});
  epochs.bump(OwnerId{0});
  EXPECT_EQ(epochs.current(OwnerId{255}), before);
}

}  // namespace
}  // namespace anteroom::cache
