#pragma once

#include <cstddef>
#include <cstdint>
#include <forward_list>
#include <string>

#include <tsl/robin_map.h>

#include "cache/cache.hpp"

namespace anteroom::cache {

/// One attached fetch. `epoch` is its owner's epoch when it started.
struct Fill {
  FillId id = 0;
  std::uint64_t epoch = 0;
  OwnerId owner{};
  Space space{};
  std::string key;
};

/// The attached fills of one shard, at most one per key; a detached fill is simply not here any more. No locks: guarded
/// by the shard's mutex. Apart from the index, because a fetch under way is no entry and must not be evicted.
/// As large as the number of fetches under way, which the callers limit: each must end its fill.
class FillTable {
  struct Identity {
    std::size_t operator()(std::uint64_t hash) const noexcept { return hash; }
  };

 public:
  /// Fills taken out, to be destroyed by the caller outside its lock.
  using Detached = std::forward_list<Fill>;
  /// Lists of one or more fills.
  using ByHash = tsl::robin_map<std::uint64_t, Detached, Identity>;

  /// Null if no fill is attached. Valid until the next non-const call.
  [[nodiscard]] Fill* find(const Key& key) noexcept;
  /// REQUIRES: no fill is attached to `key`.
  void attach(const Key& key, FillId id, OwnerId owner, std::uint64_t epoch);
  /// Takes out the fill of `key` if it is `id`; else nothing.
  [[nodiscard]] Detached detach(const Key& key, FillId id) noexcept;
  /// Takes out every fill with this hash, in every space.
  [[nodiscard]] Detached detach_all(std::uint64_t hash) noexcept;

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  /// Everything, for tests.
  [[nodiscard]] const ByHash& by_hash() const noexcept { return by_hash_; }

 private:
  static bool matches(const Fill& fill, const Key& key) noexcept {
    return fill.space == key.space && fill.key == key.bytes;
  }

  ByHash by_hash_;
  std::size_t size_ = 0;
};

}  // namespace anteroom::cache
