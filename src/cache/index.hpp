#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string_view>

#include <tsl/robin_set.h>

#include "base/hash.hpp"
#include "cache/arena.hpp"
#include "cache/entry.hpp"

namespace anteroom::cache {

/// Identity of an entry. `hash` is hash64(bytes) under the cache's seed, as made by Cache::key().
struct Name {
  NameKind kind = NameKind::kString;
  std::uint32_t space = 0;
  std::string_view bytes;
  std::uint64_t hash = 0;
};

namespace index_detail {

/// Growth policy of the index (tsl/robin_growth_policy.h tells what that is): exactly as many buckets as are asked for,
/// because powers of two would waste up to half of the largest table there is. A hash finds its bucket by the product
/// of its low 32 bits with the number of buckets; the high bits have chosen the shard.
class ExactBuckets {
 public:
  explicit ExactBuckets(std::size_t& buckets) : buckets_(buckets) {
    if (buckets > max_bucket_count()) throw std::length_error("too many buckets");
  }
  [[nodiscard]] std::size_t bucket_for_hash(std::size_t hash) const noexcept {
    return (hash & std::numeric_limits<std::uint32_t>::max()) * buckets_ >> 32;
  }
  [[nodiscard]] std::size_t next_bucket_count() const { return buckets_ * 2 + 1; }
  [[nodiscard]] std::size_t max_bucket_count() const noexcept { return std::numeric_limits<std::uint32_t>::max(); }
  void clear() noexcept { buckets_ = 0; }

 private:
  std::size_t buckets_;
};

/// Whether names are the same. Most are so short that one word at each end, which may overlap, are all of them.
[[nodiscard]] inline bool same_bytes(std::string_view a, std::string_view b) noexcept {
  using base::hash_detail::read64;
  const std::size_t size = a.size();
  if (size != b.size()) return false;
  if (size - 8 > 8) return a == b;
  const std::size_t last = size - 8;
  return ((read64(a.data()) ^ read64(b.data())) | (read64(a.data() + last) ^ read64(b.data() + last))) == 0;
}

/// Takes the table's memory from TableMemory, or from the heap if that has no more, as it would be after a rehash.
/// Tells where it is, which the table itself does not.
template <typename T>
struct TableAllocator {
  using value_type = T;
  TableAllocator(TableMemory& from, const void** place) noexcept : memory(&from), where(place) {}
  template <typename U>
  TableAllocator(const TableAllocator<U>& other) noexcept  // NOLINT: as allocators must
      : memory(other.memory), where(other.where) {}

  [[nodiscard]] T* allocate(std::size_t count) {
    auto* table = static_cast<T*>(memory->take(count * sizeof(T)));
    if (table == nullptr) table = std::allocator<T>{}.allocate(count);
    *where = table;
    return table;
  }
  void deallocate(T* table, std::size_t count) noexcept {
    if (!memory->owns(table)) std::allocator<T>{}.deallocate(table, count);
  }
  friend bool operator==(const TableAllocator& a, const TableAllocator& b) noexcept { return a.where == b.where; }

  TableMemory* memory;
  const void** where;
};

}  // namespace index_detail

/// From names to slots, for one shard. 32 bits of each hash are stored in the buckets and compared first, so that a
/// lookup rarely touches an entry in vain; the entries themselves do not store theirs. Never grows: room for `entries`
/// is made at once, since a rehash would stop the shard for long. No locks.
class Index {
 public:
  static constexpr std::size_t kBucketBytes = 12;
  static constexpr std::size_t kCacheLineBytes = 64;

  /// `arena`, `seed` and `memory`, from which it takes bytes_for(entries), outlive it.
  Index(const Arena& arena, const base::HashSeed& seed, std::size_t entries, TableMemory& memory)
      : hash_{&arena, &seed},
        table_(buckets_for(entries), hash_, Same{&arena}, Allocator(memory, &told_)),
        buckets_at_start_(table_.bucket_count()),
        first_bucket_(static_cast<const char*>(told_)),
        buckets_(buckets_at_start_) {
    table_.max_load_factor(kLoadMax);
  }
  Index(const Index&) = delete;
  Index& operator=(const Index&) = delete;
  [[nodiscard]] static constexpr std::size_t buckets_for(std::size_t entries) noexcept {
    // A few more, so that rounding inside the table cannot cost the last places of a small one.
    return entries + entries * 3 / 17 + 8;
  }
  [[nodiscard]] static constexpr std::size_t bytes_for(std::size_t entries) noexcept {
    return TableMemory::rounded(buckets_for(entries) * kBucketBytes);
  }

  /// Begins to load what find() will look at first. Thread-safe, unlike all else, so that the wait for memory can pass
  /// while the lock is waited for.
  void prefetch(std::uint64_t hash) const noexcept {
    const std::size_t bucket = (hash & std::numeric_limits<std::uint32_t>::max()) * buckets_at_start_ >> 32;
    __builtin_prefetch(first_bucket_ + bucket * kBucketBytes);
  }

  /// The first with this hash, or one with the same low half, whatever its name is. Does not look at the entry.
  [[nodiscard]] Slot find_hash(std::uint64_t hash) const noexcept { return find_as(AnyName{}, hash); }

  [[nodiscard]] std::uint64_t hash_of(Slot slot) const noexcept { return hash_(slot); }
  [[nodiscard]] Slot find(const Name& name) const noexcept { return find_as(name, name.hash); }
  /// Any string entry or root of a key with this hash, or one with the same low half.
  [[nodiscard]] Slot find_key(std::uint64_t hash) const noexcept { return find_as(AnyKey{}, hash); }

  /// REQUIRES: the entry is written, and no other has its name.
  void insert(Slot slot) {
    table_.insert(slot);
    if (table_.bucket_count() == buckets_) return;
    buckets_ = table_.bucket_count();
    ++rehashes_;
  }
  /// `hash` is hash_of(slot). False if it is not there.
  [[nodiscard]] bool erase(Slot slot, std::uint64_t hash) noexcept {
    return table_.erase(slot, hash) == 1;  // by its place, the table would look through its buckets for the next one
  }
  /// The entry of `from` has been copied to `to`. REQUIRES: both are still readable.
  [[nodiscard]] bool move(Slot from, Slot to) noexcept {
    const auto place = table_.find(from, hash_(from));
    if (place == table_.end()) return false;
    const_cast<Slot&>(*place) = to;  // neither hash nor name changes, which is what the const protects
    return true;
  }
  template <typename Visitor>
  void for_each(Visitor&& visit) const {
    for (const Slot slot : table_) visit(slot);
  }

  [[nodiscard]] std::size_t size() const noexcept { return table_.size(); }
  [[nodiscard]] std::size_t bytes() const noexcept { return buckets_ * kBucketBytes; }
  [[nodiscard]] std::uint64_t rehashes() const noexcept { return rehashes_; }

 private:
  // At 0.85 a bucket costs 14 bytes an entry and a probe stays within one or two cache lines; the table itself would
  // only grow beyond this.
  static constexpr float kLoadMax = 0.9f;

  struct AnyKey {};
  struct AnyName {};
  static const Entry& entry_at(const Arena& arena, Slot slot) noexcept {
    return *reinterpret_cast<const Entry*>(arena.at(slot));
  }
  struct HashOf {
    const Arena* arena;
    const base::HashSeed* seed;
    std::size_t operator()(Slot slot) const noexcept { return base::hash64(*seed, name_of(entry_at(*arena, slot))); }
  };
  struct Same {
    using is_transparent = void;
    const Arena* arena;
    bool operator()(Slot a, Slot b) const noexcept { return a == b; }
    bool operator()(Slot slot, const Name& name) const noexcept {
      const Entry& entry = entry_at(*arena, slot);
      // It nearly always is the entry: what follows the header is on its way while that is being looked at.
      const char* const at = reinterpret_cast<const char*>(&entry);
      __builtin_prefetch(at + kCacheLineBytes);
      __builtin_prefetch(at + 2 * kCacheLineBytes);
      return entry.space == name.space && name_kind(entry) == name.kind &&
             index_detail::same_bytes(name_of(entry), name.bytes);
    }
    bool operator()(Slot, AnyName) const noexcept { return true; }
    bool operator()(Slot slot, AnyKey) const noexcept { return entry_at(*arena, slot).kind != kResultKind; }
  };
  using Allocator = index_detail::TableAllocator<Slot>;
  using Table = tsl::robin_set<Slot, HashOf, Same, Allocator, /*StoreHash=*/true, index_detail::ExactBuckets>;
  static_assert(sizeof(tsl::detail_robin_hash::bucket_entry<Slot, true>) == kBucketBytes);

  template <typename What>
  [[nodiscard]] Slot find_as(const What& what, std::uint64_t hash) const noexcept {
    const auto place = table_.find(what, hash);
    return place == table_.end() ? kNoSlot : *place;
  }

  const void* told_ = nullptr;
  HashOf hash_;
  Table table_;
  // Where prefetch() looks, constant; if the table has grown in spite of all, it prefetches in vain.
  const std::size_t buckets_at_start_;
  const char* const first_bucket_;
  std::size_t buckets_;
  std::uint64_t rehashes_ = 0;
};

}  // namespace anteroom::cache
