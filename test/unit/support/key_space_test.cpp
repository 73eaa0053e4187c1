#include "support/key_space.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace anteroom::test {
namespace {

TEST(ValueText, TellsItsVersion) {
  for (const Version version : {1U, 2U, 61U, 97U, 4'000'000'000U}) {
    EXPECT_EQ(version_in(value_text("some.key", version), "some.key"), version);
  }
}

TEST(ValueText, OfAnotherKeyOrChangedIsNoVersion) {
  const std::string value = value_text("key1", 30);
  EXPECT_FALSE(version_in(value, "key"));
  EXPECT_FALSE(version_in(value, "key12"));
  EXPECT_FALSE(version_in(value, "key2"));
  EXPECT_FALSE(version_in(value.substr(0, value.size() - 1), "key1"));
  EXPECT_FALSE(version_in(value + "x", "key1"));
  EXPECT_FALSE(version_in("", "key1"));
  EXPECT_FALSE(version_in("key1:0:", "key1"));
  std::string changed = value;
  changed.back() = '!';
  EXPECT_FALSE(version_in(changed, "key1"));
}

TEST(KeySpace, EveryKeyIsInOneGroup) {
  KeySpace keys({.single_keys = 3, .groups = 2, .keys_per_group = 4});
  ASSERT_EQ(keys.key_count(), 11U);
  std::size_t found = 0;
  for (std::uint16_t number = 0; number < keys.groups().size(); ++number) {
    for (const std::uint16_t key : keys.group(number).keys) {
      EXPECT_EQ(keys.group_of_key().at(key), number);
      ++found;
    }
  }
  EXPECT_EQ(found, 11U);
}

TEST(KeySpace, LowNumbersAreDrawnMost) {
  const ZipfNumbers numbers(64);
  Random random{1};
  std::vector<int> drawn(64);
  for (int i = 0; i < 100'000; ++i) ++drawn.at(numbers.draw(random));
  EXPECT_NEAR(drawn[0], 100'000 / 4.744, 600);  // 4.744 is the 64th harmonic number
  EXPECT_NEAR(drawn[9], 10'000 / 4.744, 250);
  EXPECT_GT(drawn[63], 0);
}

TEST(KeySpace, DoubtLastsLongerThanTheDelaysThatAreExpected) {
  KeySpace keys({});
  const Instant far = now() + 3'600'000 * kMillisecond;
  EXPECT_GT(keys.doubt_ends(), now());
  EXPECT_LT(keys.doubt_ends(), far);
  keys.expect_delays_until(far);
  keys.expect_delays_until(now());
  EXPECT_GT(keys.doubt_ends(), far);
}

}  // namespace
}  // namespace anteroom::test
