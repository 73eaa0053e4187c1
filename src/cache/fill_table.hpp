#pragma once

#include <cstddef>
#include <cstdint>
#include <forward_list>
#include <string>
#include <string_view>

#include <tsl/robin_map.h>

#include "base/clock.hpp"
#include "cache/types.hpp"

namespace anteroom::cache {

/// One attached fetch. `epoch` is its owner's epoch when it started.
struct Fill {
  FillId id = 0;
  base::TimePoint start{};
  std::uint32_t epoch = 0;
  OwnerId owner{};
  Space space{};
  bool is_result = false;
  bool is_joinable = true;   ///< what it brings answers other readers of the name, too
  bool is_answered = false;  ///< its value has come
  std::string name{};        ///< key, or the request of a result
};

/// What a query's fill is found by, beside its key's hash: the key itself or, for a result, the request.
[[nodiscard]] inline bool is_result(const Query& query) noexcept { return !query.request.empty(); }
[[nodiscard]] inline std::string_view name_of(const Query& query) noexcept {
  return is_result(query) ? query.request : query.key.bytes;
}

/// The attached fills of one shard, at most one per name, kept by their key's hash; a detached fill is simply not here
/// any more. No locks: guarded by the shard's mutex. Apart from the index, because a fetch under way is no entry and
/// must not be evicted. As large as the number of fetches under way, which the callers limit: each must end its fill.
class FillTable {
  struct Identity {
    std::size_t operator()(std::uint64_t hash) const noexcept { return hash; }
  };

 public:
  /// Fills taken out, to be destroyed by the caller outside its lock.
  using Detached = std::forward_list<Fill>;
  /// Lists of one or more fills.
  using ByHash = tsl::robin_map<std::uint64_t, Detached, Identity>;

  /// At most this many names of one key's hash have fills, because they are looked through one by one.
  static constexpr std::size_t kFillsPerHashMax = 64;
  /// So many ended fills are kept at most, with names that have no more memory than that.
  static constexpr std::size_t kSparesMax = 128;
  static constexpr std::size_t kSpareNameBytesMax = 128;

  /// Null if no fill is attached. Valid until the next non-const call.
  [[nodiscard]] Fill* find(const Query& query) noexcept;
  [[nodiscard]] bool has_any(std::uint64_t hash) const noexcept { return by_hash_.contains(hash); }
  /// Takes over id, owner, epoch and start of `fill`, and the name of `query`; false if there are kFillsPerHashMax.
  /// REQUIRES: no fill is attached to that name.
  [[nodiscard]] bool attach(const Query& query, Fill fill);
  /// The fill `id`, which has this hash; null if it is not attached. Valid until the next non-const call.
  [[nodiscard]] Fill* find(std::uint64_t hash, FillId id) noexcept;
  /// Takes out the fill of `query` if it is `id`; else nothing.
  [[nodiscard]] Detached detach(const Query& query, FillId id) noexcept;
  /// Keeps the memory of the first of `ended` for a fill to come and takes it out, unless enough is kept already or its
  /// name has more memory than that.
  void recycle(Detached& ended) noexcept;
  /// Takes out every fill with this hash, in every space.
  [[nodiscard]] Detached detach_all(std::uint64_t hash) noexcept;
  /// Takes out those with this hash for which `chosen(fill)` holds.
  template <typename Predicate>
  [[nodiscard]] Detached detach_if(std::uint64_t hash, Predicate&& chosen);
  /// The same among all fills; O(size()).
  template <typename Predicate>
  [[nodiscard]] Detached detach_if(Predicate&& chosen);

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  /// Everything, for people and tests.
  [[nodiscard]] const ByHash& by_hash() const noexcept { return by_hash_; }
  /// Aborts if what is counted is not what is there. O(size()).
  void check_invariants() const;

 private:
  static bool matches(const Fill& fill, const Query& query) noexcept {
    return fill.space == query.key.space && fill.is_result == is_result(query) && fill.name == name_of(query);
  }
  template <typename Predicate>
  void take(Detached& from, Detached& to, Predicate&& chosen);

  ByHash by_hash_;
  std::size_t size_ = 0;
  Detached spare_;  // ended ones, kept for the memory that they own
  std::size_t spares_ = 0;
};

template <typename Predicate>
void FillTable::take(Detached& from, Detached& to, Predicate&& chosen) {
  for (auto before = from.before_begin(); std::next(before) != from.end();) {
    if (chosen(static_cast<const Fill&>(*std::next(before)))) {
      to.splice_after(to.before_begin(), from, before);
      --size_;
    } else {
      ++before;
    }
  }
}

template <typename Predicate>
FillTable::Detached FillTable::detach_if(std::uint64_t hash, Predicate&& chosen) {
  Detached out;
  const auto found = by_hash_.find(hash);
  if (found == by_hash_.end()) return out;
  take(found.value(), out, chosen);
  if (found.value().empty()) by_hash_.erase(hash);  // by its place, the table would look for the next one
  return out;
}

template <typename Predicate>
FillTable::Detached FillTable::detach_if(Predicate&& chosen) {
  Detached out;
  for (auto place = by_hash_.begin(); place != by_hash_.end();) {
    take(place.value(), out, chosen);
    place = place.value().empty() ? by_hash_.erase(place) : std::next(place);
  }
  return out;
}

}  // namespace anteroom::cache
