#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <string_view>

#include "cache/cache.hpp"

namespace anteroom::cache {

inline constexpr Space kDb0{0};
inline constexpr Space kDb1{1};
inline constexpr OwnerId kOwnerA{0};
inline constexpr OwnerId kOwnerB{1};

/// What one read() answered, with the bytes it appended.
struct Outcome {
  ReadStatus status{};
  OwnerId owner{};
  FillId fill = 0;
  std::string bytes;
};

/// A cache of one shard and a clock that stands still unless a test moves it. Invariants are checked after each test.
class CacheTest : public testing::Test {
 protected:
  explicit CacheTest(const Options& options = {}) : cache(options, base::HashSeed::fixed(1)) {}
  void TearDown() override { cache.check_invariants(); }

  [[nodiscard]] Key key(std::string_view bytes, Space space = kDb0) const { return cache.key(space, bytes); }

  Outcome read(const Key& wanted, OwnerId asker = kOwnerA) {
    base::ByteQueue out;
    const ReadResult result = cache.read(wanted, asker, now, out);
    return {.status = result.status, .owner = result.owner, .fill = result.fill, .bytes = out.to_string()};
  }
  Outcome read(std::string_view wanted) { return read(key(wanted)); }

  /// Starts a fill that must not be joined to another one.
  FillId start_fill(const Key& wanted, OwnerId asker = kOwnerA) {
    const Outcome outcome = read(wanted, asker);
    EXPECT_EQ(outcome.status, ReadStatus::kFill) << wanted.bytes;
    return outcome.fill;
  }
  FillId start_fill(std::string_view wanted) { return start_fill(key(wanted)); }

  bool commit(const Key& wanted, FillId fill, std::string_view reply) {
    return cache.commit(wanted, fill, EntryKind::kValue, reply, now + ttl, now);
  }
  bool commit(std::string_view wanted, FillId fill, std::string_view reply) { return commit(key(wanted), fill, reply); }

  bool put(const Key& wanted, std::string_view reply, OwnerId asker = kOwnerA) {
    return commit(wanted, start_fill(wanted, asker), reply);
  }
  bool put(std::string_view wanted, std::string_view reply) { return put(key(wanted), reply); }

  /// Whether a read would hit, without leaving a fill behind. A hit makes the entry the most recently used.
  bool is_cached(const Key& wanted) {
    const Outcome outcome = read(wanted);
    if (outcome.status == ReadStatus::kFill) cache.abandon(wanted, outcome.fill);
    return outcome.status == ReadStatus::kHit || outcome.status == ReadStatus::kNil;
  }
  bool is_cached(std::string_view wanted) { return is_cached(key(wanted)); }

  Cache cache;
  base::TimePoint now{std::chrono::hours{1000}};
  base::Duration ttl = std::chrono::seconds{300};
};

}  // namespace anteroom::cache
