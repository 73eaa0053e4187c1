#include "cache/large_values.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "unit/cache/cache_fixture.hpp"

namespace anteroom::cache {
namespace {

using namespace std::chrono_literals;

class LargeValuesTest : public CacheTest {
 protected:
  /// A fill of the key found that its value is too large.
  void refuse(const std::string& key) {
    const ReadResult result = read_of(string(key));
    ASSERT_EQ(result.status, ReadStatus::kFill);
    cache.refuse_large(string(key), result.fill, now);
  }
  ReadResult read_of(const Query& query) {
    base::ByteQueue out;
    return cache.read(query, {.owner = OwnerId{0}, .now = now}, out);
  }
  ReadStatus status(const Query& query) {
    const ReadResult result = read_of(query);
    if (result.status == ReadStatus::kFill) cache.abandon(query, result.fill);
    return result.status;
  }
  ReadStatus status(const std::string& key) { return status(string(key)); }
};

TEST_F(LargeValuesTest, ReadsGoPastTheCacheForAWhile) {
  refuse("k");

  EXPECT_EQ(status("k"), ReadStatus::kBypass);
  EXPECT_TRUE(cache.is_known_large(string("k"), now));
  EXPECT_EQ(cache.start_fill(string("k"), {.owner = OwnerId{0}, .now = now}), 0u);
  EXPECT_EQ(status("other"), ReadStatus::kFill);
  EXPECT_FALSE(cache.is_known_large(string("other"), now));
  now += kLargeValuePeriod - 1ms;
  EXPECT_EQ(status("k"), ReadStatus::kBypass);
  now += 1ms;
  EXPECT_EQ(status("k"), ReadStatus::kFill);
  EXPECT_EQ(cache.stats().bypass_large, 3u);
  EXPECT_EQ(cache.stats().refused_size, 1u);
  EXPECT_EQ(cache.stats().fills_attached, 0u);
}

TEST_F(LargeValuesTest, ChangeOfTheKeyEndsIt) {
  const std::uint64_t hash = string("k").key.hash;
  refuse("k");
  cache.invalidate(hash, OwnerId{0});
  EXPECT_EQ(status("k"), ReadStatus::kFill) << "announced";

  refuse("k");
  cache.drop(hash, DropCause::kWrite);
  EXPECT_EQ(status("k"), ReadStatus::kFill) << "written";

  refuse("k");
  cache.drop(hash, DropCause::kObserved);
  EXPECT_EQ(status("k"), ReadStatus::kBypass) << "the reply to a read went by";
}

TEST_F(LargeValuesTest, LossAndFlushEndIt) {
  refuse("k");
  cache.bump_epoch(OwnerId{0});
  EXPECT_EQ(status("k"), ReadStatus::kFill);

  refuse("k");
  cache.lose(OwnerId{0}, now);
  EXPECT_EQ(status("k"), ReadStatus::kFill);
}

TEST_F(LargeValuesTest, OtherQuestionsAboutTheKeyAreFetched) {
  refuse("k");

  EXPECT_EQ(status(cache.result_query(string("k").key, "STRLEN k")), ReadStatus::kFill);
}

TEST_F(LargeValuesTest, ReplyThatWasTooLargeToBeStoredIsOneToo) {
  const Query all = result("hash", "HGETALL");
  const ReadResult read = read_of(all);
  ASSERT_EQ(read.status, ReadStatus::kFill);

  EXPECT_FALSE(commit(all, read.fill, std::string(2u << 20, 'x')));

  EXPECT_EQ(status(all), ReadStatus::kBypass);
  EXPECT_EQ(status("hash"), ReadStatus::kFill) << "another question";
  cache.invalidate(all.key.hash, OwnerId{0});
  EXPECT_EQ(status(all), ReadStatus::kFill);
}

TEST_F(LargeValuesTest, FillThatWasDetachedTellsTheSame) {
  const ReadResult result = read_of(string("k"));
  cache.abandon(string("k"), result.fill);

  cache.refuse_large(string("k"), result.fill, now);

  EXPECT_EQ(status("k"), ReadStatus::kBypass);
  EXPECT_EQ(cache.stats().fills_abandoned, 1u);
}

TEST_F(LargeValuesTest, OneKeyOfThoseThatShareAPlaceIsRemembered) {
  for (int i = 0; i < 1000; ++i) refuse("k" + std::to_string(i));

  EXPECT_EQ(status("k999"), ReadStatus::kBypass);
  int known = 0;
  for (int i = 0; i < 1000; ++i) known += cache.is_known_large(string("k" + std::to_string(i)), now) ? 1 : 0;
  EXPECT_GT(known, 30);
  EXPECT_LE(known, 64);
}

}  // namespace
}  // namespace anteroom::cache
