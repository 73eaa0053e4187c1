#include "cache/cache.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "unit/cache/cache_fixture.hpp"

// What a cache does with epochs and guards: the rules of COHERENCE.md A.3 by number.
namespace anteroom::cache {
namespace {

using namespace std::chrono_literals;

using Epoch = CacheTest;

TEST_F(Epoch, R7BumpInvalidatesTheOwnersEntriesOnly) {
  ASSERT_TRUE(put(string("a"), "by A", kOwnerA));
  ASSERT_TRUE(put(string("b"), "by B", kOwnerB));

  cache.bump_epoch(kOwnerA);

  EXPECT_FALSE(is_cached("a"));
  EXPECT_EQ(read("b").bytes, "by B");
  EXPECT_EQ(cache.stats().evicted_epoch, 1u);
}

TEST_F(Epoch, R7FillStartedBeforeABumpIsNotStored) {
  const FillId fill = start_fill("k");
  cache.bump_epoch(kOwnerA);

  EXPECT_FALSE(commit("k", fill, "v"));
  EXPECT_EQ(cache.stats().detached_epoch, 1u);
  EXPECT_FALSE(is_cached("k"));
}

TEST_F(Epoch, R7FillStartedBeforeABumpIsNotJoinedButReplaced) {
  const FillId old_fill = start_fill(string("k"), kOwnerA);
  cache.bump_epoch(kOwnerA);

  const Outcome next = read(string("k"), kOwnerB);

  EXPECT_EQ(next.status, ReadStatus::kFill);
  EXPECT_EQ(next.owner, kOwnerB);
  EXPECT_FALSE(commit("k", old_fill, "old"));
  EXPECT_EQ(cache.stats().detached_epoch, 1u) << "counted once";
  EXPECT_TRUE(commit("k", next.fill, "new"));
  cache.bump_epoch(kOwnerA);
  EXPECT_EQ(read("k").bytes, "new") << "it belongs to B now";
}

TEST_F(Epoch, R7ReplacedFillCanBeAbandonedWithoutHarm) {
  const FillId old_fill = start_fill("k");
  cache.bump_epoch(kOwnerA);
  const FillId new_fill = start_fill("k");

  cache.abandon(string("k"), old_fill);

  EXPECT_TRUE(commit("k", new_fill, "v"));
}

TEST_F(Epoch, R15BumpOfAllEmptiesTheCache) {
  ASSERT_TRUE(put(string("a"), "v", kOwnerA));
  ASSERT_TRUE(put(string("b"), "v", OwnerId{255}));
  const FillId fill = start_fill("c");

  cache.bump_all_epochs();

  EXPECT_FALSE(is_cached("a"));
  EXPECT_FALSE(is_cached("b"));
  EXPECT_FALSE(commit("c", fill, "v"));
  EXPECT_EQ(cache.stats().evicted_epoch, 2u);
}

TEST_F(Epoch, FillsAfterABumpAreStored) {
  cache.bump_epoch(kOwnerA);
  cache.bump_all_epochs();

  ASSERT_TRUE(put("k", "v"));

  EXPECT_EQ(read("k").bytes, "v");
}

using Guards = CacheTest;

TEST_F(Guards, R3EntryIsDroppedWhenTheWriteIsForwarded) {
  ASSERT_TRUE(put("k", "before"));
  const std::uint64_t keys[] = {key("k").hash};

  const WriteGuard guard = cache.guard(keys);

  EXPECT_TRUE(guard.active());
  EXPECT_FALSE(is_cached("k"));
}

TEST_F(Guards, R3FillStartedBeforeTheWriteIsNotStored) {
  const FillId fill = start_fill("k");
  const std::uint64_t keys[] = {key("k").hash};

  const WriteGuard guard = cache.guard(keys);

  EXPECT_FALSE(commit("k", fill, "before"));
}

TEST_F(Guards, R3EverythingFilledDuringTheWriteIsDroppedAtItsEnd) {
  const std::uint64_t keys[] = {key("stored").hash, key("filling").hash};
  WriteGuard guard = cache.guard(keys);
  ASSERT_TRUE(put("stored", "before or after"));
  const FillId fill = start_fill("filling");
  EXPECT_EQ(read("stored").bytes, "before or after");

  guard.release();

  EXPECT_FALSE(is_cached("stored"));
  EXPECT_FALSE(commit("filling", fill, "before or after"));
  EXPECT_FALSE(guard.active());
}

TEST_F(Guards, R3WhatWasThereBeforeIsDroppedAtTheEndIfNotAtOnce) {
  ASSERT_TRUE(put("stored", "before"));
  const FillId fill = start_fill("filling");
  const std::uint64_t keys[] = {key("stored").hash, key("filling").hash};

  WriteGuard guard = cache.guard(keys, false);
  EXPECT_TRUE(is_cached("stored"));
  guard.release();

  EXPECT_FALSE(is_cached("stored"));
  EXPECT_FALSE(commit("filling", fill, "before"));
}

TEST_F(Guards, R3FillThatTakesTheNamesPlaceDuringTheWriteIsNotStored) {
  const std::uint64_t keys[] = {key("k").hash};
  WriteGuard guard = cache.guard(keys);
  ASSERT_NE(start_fill("k"), 0u);
  const FillId second = cache.start_fill(string("k"), asker());

  guard.release();

  EXPECT_FALSE(commit("k", second, "before or after"));
}

TEST_F(Guards, LargeReplyOfTheTimeOfTheWriteIsForgottenAtItsEnd) {
  const std::uint64_t keys[] = {key("k").hash};
  WriteGuard guard = cache.guard(keys);
  cache.refuse_large(string("k"), start_fill("k"), now);
  ASSERT_TRUE(cache.is_known_large(string("k"), now));

  guard.release();

  EXPECT_FALSE(cache.is_known_large(string("k"), now));
}

TEST_F(Guards, LargeReplyToAFetchOfBeforeTheWriteIsForgottenAtItsEnd) {
  const FillId before = start_fill("k");
  const std::uint64_t keys[] = {key("k").hash};
  WriteGuard guard = cache.guard(keys);
  cache.refuse_large(string("k"), before, now);
  ASSERT_TRUE(cache.is_known_large(string("k"), now));

  guard.release();

  EXPECT_FALSE(cache.is_known_large(string("k"), now));
}

// The second drop is left out where nothing has begun for any key of a group of keys.
TEST_F(Guards, WhatHappensToOtherKeysOfTheGroupChangesNothing) {
  const auto group = [this](const std::string& name) { return key(name).hash % 64; };
  std::vector<std::string> same{"k"};
  for (int i = 0; same.size() < 3; ++i) {
    if (const std::string name = "other" + std::to_string(i); group(name) == group("k")) same.push_back(name);
  }
  const std::uint64_t keys[] = {key("k").hash, key(same[1]).hash};
  ASSERT_TRUE(put(same[2], "before"));
  WriteGuard guard = cache.guard(keys);
  ASSERT_TRUE(put("k", "during"));

  guard.release();

  EXPECT_FALSE(is_cached("k"));
  EXPECT_FALSE(is_cached(same[1]));
  EXPECT_TRUE(is_cached(same[2]));
}

TEST_F(Guards, DeathIsARelease) {
  const std::uint64_t keys[] = {key("k").hash};
  {
    const WriteGuard guard = cache.guard(keys);
    ASSERT_TRUE(put("k", "v"));
  }
  EXPECT_FALSE(is_cached("k"));
}

TEST_F(Guards, ReleasedGuardGuardsNothing) {
  const std::uint64_t keys[] = {key("k").hash};
  {
    WriteGuard guard = cache.guard(keys);
    guard.release();
    ASSERT_TRUE(put("k", "v"));
    guard.release();
  }
  EXPECT_TRUE(is_cached("k"));
}

TEST_F(Guards, EmptyGuardsAreHarmless) {
  WriteGuard nothing;
  EXPECT_FALSE(nothing.active());
  nothing.release();

  const WriteGuard no_keys = cache.guard({});
  EXPECT_TRUE(no_keys.active());
}

TEST_F(Guards, MovedGuardKeepsThePromiseAndTheOldOneForgetsIt) {
  const std::uint64_t keys[] = {key("k").hash};
  WriteGuard first = cache.guard(keys);
  WriteGuard second = std::move(first);
  ASSERT_TRUE(put("k", "v"));

  first.release();  // NOLINT(bugprone-use-after-move): that it does nothing is the claim
  EXPECT_TRUE(is_cached("k"));
  second.release();
  EXPECT_FALSE(is_cached("k"));
}

TEST_F(Guards, AssignmentReleasesWhatWasGuardedBefore) {
  const std::uint64_t a[] = {key("a").hash};
  const std::uint64_t b[] = {key("b").hash};
  WriteGuard guard = cache.guard(a);
  WriteGuard other = cache.guard(b);
  ASSERT_TRUE(put("a", "v"));
  ASSERT_TRUE(put("b", "v"));

  guard = std::move(other);
  EXPECT_FALSE(is_cached("a"));
  EXPECT_TRUE(is_cached("b"));
  guard = WriteGuard();
  EXPECT_FALSE(is_cached("b"));
}

TEST_F(Guards, SelfAssignmentKeepsTheGuard) {
  const std::uint64_t keys[] = {key("k").hash};
  WriteGuard guard = cache.guard(keys);
  WriteGuard& same = guard;

  guard = std::move(same);

  EXPECT_TRUE(guard.active());
}

TEST_F(Guards, ManyKeysAreGuardedAtBothEndsAlsoAfterAMove) {
  for (const std::size_t count : {1u, 2u, 3u, 100u}) {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < count; ++i) names.push_back("key" + std::to_string(i));
    std::vector<std::uint64_t> keys;
    for (const std::string& name : names) keys.push_back(key(name).hash);
    for (const std::string& name : names) ASSERT_TRUE(put(name, "before"));

    WriteGuard guard = cache.guard(keys);
    WriteGuard moved = std::move(guard);
    for (const std::string& name : names) EXPECT_FALSE(is_cached(name));
    for (const std::string& name : names) ASSERT_TRUE(put(name, "during"));
    moved.release();

    for (const std::string& name : names) EXPECT_FALSE(is_cached(name));
  }
}

TEST_F(Guards, R15GuardOfEverythingDropsAtBothEnds) {
  ASSERT_TRUE(put("a", "before"));
  const FillId early = start_fill("b");

  WriteGuard guard = cache.guard_all();
  EXPECT_FALSE(is_cached("a"));
  EXPECT_FALSE(commit("b", early, "before"));
  ASSERT_TRUE(put("a", "during"));
  const FillId late = start_fill("b");
  WriteGuard moved = std::move(guard);
  EXPECT_EQ(read("a").bytes, "during");
  moved.release();

  EXPECT_FALSE(is_cached("a"));
  EXPECT_FALSE(commit("b", late, "during"));
}

}  // namespace
}  // namespace anteroom::cache
