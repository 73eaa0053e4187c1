#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

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

/// Two names of keys whose hashes are equal in the low half, which is all that the index of a shard knows of a hash.
inline std::pair<std::string, std::string> colliding_names(const Cache& cache) {
  std::unordered_map<std::uint32_t, std::string> seen;
  for (int i = 0;; ++i) {
    std::string name = "collision" + std::to_string(i);
    const auto low = static_cast<std::uint32_t>(cache.key(kDb0, name).hash);
    const auto [place, is_new] = seen.emplace(low, name);
    if (!is_new) return {place->second, name};
  }
}

/// A cache of one shard and a clock that stands still unless a test moves it. Invariants are checked after each test.
class CacheTest : public testing::Test {
 protected:
  explicit CacheTest(const Options& options = {}) : cache(options, base::HashSeed::fixed(1)) {}
  void TearDown() override { cache.check_invariants(); }

  [[nodiscard]] Key key(std::string_view bytes, Space space = kDb0) const { return cache.key(space, bytes); }
  [[nodiscard]] Query string(std::string_view bytes, Space space = kDb0) const {
    return Cache::string_query(key(bytes, space));
  }
  /// `request` must outlive the query.
  [[nodiscard]] Query result(std::string_view of_key, std::string_view request, View view = {},
                             Space space = kDb0) const {
    return cache.result_query(key(of_key, space), request, view);
  }
  [[nodiscard]] Asker asker(OwnerId owner = kOwnerA) const { return {owner, now, upstream_is_down}; }

  Outcome read(const Query& query, OwnerId owner = kOwnerA) {
    base::ByteQueue out;
    const ReadResult result = cache.read(query, asker(owner), out);
    return {.status = result.status, .owner = result.owner, .fill = result.fill, .bytes = out.to_string()};
  }
  Outcome read(std::string_view wanted) { return read(string(wanted)); }

  /// Starts a fill that must not be joined to another one.
  FillId start_fill(const Query& query, OwnerId owner = kOwnerA) {
    const Outcome outcome = read(query, owner);
    EXPECT_EQ(outcome.status, ReadStatus::kFill) << query.key.bytes;
    return outcome.fill;
  }
  FillId start_fill(std::string_view wanted) { return start_fill(string(wanted)); }

  bool commit(const Query& query, FillId fill, std::string_view reply, EntryKind kind = EntryKind::kValue) {
    return cache.commit(query, fill, kind, reply, {.soft = now + ttl, .hard = now + hard_ttl}, now);
  }
  bool commit(std::string_view wanted, FillId fill, std::string_view reply) {
    return commit(string(wanted), fill, reply);
  }

  bool put(const Query& query, std::string_view reply, OwnerId owner = kOwnerA, EntryKind kind = EntryKind::kValue) {
    return commit(query, start_fill(query, owner), reply, kind);
  }
  bool put(std::string_view wanted, std::string_view reply) { return put(string(wanted), reply); }
  bool put_nil(std::string_view wanted) { return put(string(wanted), "", kOwnerA, EntryKind::kNil); }

  /// Whether a read would hit, without leaving a fill behind. A hit makes the entry the most recently used.
  bool is_cached(const Query& query) {
    const Outcome outcome = read(query);
    if (outcome.fill != 0 && outcome.status != ReadStatus::kJoin) cache.abandon(query, outcome.fill);
    return outcome.status == ReadStatus::kHit || outcome.status == ReadStatus::kNil;
  }
  bool is_cached(std::string_view wanted) { return is_cached(string(wanted)); }

  void drop(std::string_view wanted, DropCause cause = DropCause::kPush) { cache.drop(key(wanted).hash, cause); }

  Cache cache;
  base::TimePoint now{std::chrono::hours{1000}};
  base::Duration ttl = std::chrono::seconds{300};
  base::Duration hard_ttl = std::chrono::hours{24};
  bool upstream_is_down = false;
};

}  // namespace anteroom::cache
