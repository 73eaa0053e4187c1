#include "route/hash_slot.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace anteroom::route {
namespace {

TEST(HashSlot, IsWhatTheServerSays) {
  // Recorded from redis-server 7.0.15.
  const struct {
    std::string_view key;
    unsigned slot;
  } cases[] = {{"foo", 12182},
               {"bar", 5061},
               {"hello", 866},
               {"123456789", 12739},
               {"", 0},
               {"a", 15495},
               {"{user1000}.following", 3443},
               {"foo{}{bar}", 8363},
               {"foo{{bar}}zap", 4015},
               {"foo{bar}{zap}", 5061},
               {"foo{bar", 15278},
               {"{}", 15257},
               {"key with space", 15749}};
  for (const auto& each : cases) EXPECT_EQ(hash_slot(each.key), each.slot) << each.key;
}

TEST(HashSlot, OnlyTheFirstTagThatIsNotEmptyCounts) {
  EXPECT_EQ(hashed_part("{user1000}.following"), "user1000");
  EXPECT_EQ(hashed_part("foo{}{bar}"), "foo{}{bar}");
  EXPECT_EQ(hashed_part("foo{{bar}}zap"), "{bar");
  EXPECT_EQ(hashed_part("foo{bar}{zap}"), "bar");
  EXPECT_EQ(hashed_part("foo{bar"), "foo{bar");
  EXPECT_EQ(hashed_part("foo}bar{"), "foo}bar{");
  EXPECT_EQ(hashed_part("}{a}"), "a");
  EXPECT_EQ(hashed_part(""), "");
  EXPECT_EQ(hashed_part("{"), "{");
  EXPECT_EQ(hashed_part("{}"), "{}");
}

TEST(HashSlot, KeysWithOneTagAreTogether) {
  EXPECT_EQ(hash_slot("{user1000}.following"), hash_slot("{user1000}.followers"));
  EXPECT_EQ(hash_slot("foo{bar}{zap}"), hash_slot("bar"));
  EXPECT_NE(hash_slot("foo{}{bar}"), hash_slot("bar"));
}

TEST(HashSlot, IsInRangeForAnyBytes) {
  std::string key;
  for (int byte = 0; byte < 256; ++byte) {
    key += static_cast<char>(byte);
    EXPECT_LT(hash_slot(key), kHashSlots);
  }
}

}  // namespace
}  // namespace anteroom::route
