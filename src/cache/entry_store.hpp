#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "base/hash.hpp"
#include "cache/arena.hpp"
#include "cache/entry.hpp"
#include "cache/eviction_policy.hpp"
#include "cache/index.hpp"
#include "cache/judge.hpp"

namespace anteroom::cache {

/// The entries of one shard: their memory, names, order of eviction and limits. Knows nothing of fills. No locks:
/// guarded by the shard's mutex.
///
/// All entries are in the index; string entries and results are in the eviction policy, too. Every result is in the
/// chain of its key's root, and a root has at least one result. Slots move when a page is emptied to make room, which
/// only insert() does: a Slot is good until the next insert() or removal.
class EntryStore {
 public:
  struct Limits {
    std::size_t entries = 1;  ///< roots count
    std::size_t bytes = 0;    ///< of bytes(); 0 = none
    /// Memory of the shard that is not the store's but counts.
    std::size_t other_bytes = 0;
    Policy policy = Policy::kLru;
  };
  /// What insert() stores.
  struct Draft {
    Name name{};
    Name root{};     ///< of a result: its key's, with NameKind::kRoot
    Entry header{};  ///< kind, owner, epoch and times; the rest is insert()'s
    std::string_view reply{};
    base::SharedBytes shared{};  ///< the reply, if it is larger than ByteQueue::kCopyMax
  };
  struct Counts {
    std::uint64_t evicted_capacity = 0, evicted_bytes = 0, evicted_expired = 0, evicted_epoch = 0;
  };

  /// `judge`, `seed` and `memory` outlive it.
  EntryStore(const Limits& limits, const Judge& judge, const base::HashSeed& seed, SystemMemory& memory);
  ~EntryStore();
  EntryStore(const EntryStore&) = delete;
  EntryStore& operator=(const EntryStore&) = delete;

  /// Thread-safe: to be called before the lock is taken for find().
  void prefetch(std::uint64_t hash) const noexcept { index_.prefetch(hash); }
  /// The entry that find() will probably lead to; null if to none. Does not look at it.
  [[nodiscard]] const char* probable_entry(std::uint64_t hash) const noexcept {
    const Slot slot = index_.find_hash(hash);
    return slot == kNoSlot ? nullptr : arena_.at(slot);
  }
  [[nodiscard]] Slot find(const Name& name) const noexcept { return index_.find(name); }
  [[nodiscard]] Entry& at(Slot slot) noexcept { return *reinterpret_cast<Entry*>(arena_.at(slot)); }
  [[nodiscard]] const Entry& at(Slot slot) const noexcept { return *reinterpret_cast<const Entry*>(arena_.at(slot)); }
  [[nodiscard]] std::uint64_t hash_of(Slot slot) const noexcept { return index_.hash_of(slot); }
  void touch(Slot slot) noexcept { policy_->on_hit(slot); }

  /// `now` in the store's time. If that has to start anew, all entries go, since their times mean nothing then: that is
  /// once in 24 days.
  [[nodiscard]] Moment moment(base::TimePoint now, Graveyard& dead) {
    const Moment moment = clock_.moment(now);
    if (clock_.covers(moment)) [[likely]]
      return moment;
    restart_clock(now, dead);
    return clock_.moment(now);
  }
  [[nodiscard]] const ShardClock& clock() const noexcept { return clock_; }

  /// Evicts what is in the way. False if there cannot be room. REQUIRES: nothing has that name.
  [[nodiscard]] bool insert(Draft& draft, const Moment& now, Graveyard& dead);
  /// REQUIRES: a string entry or a result. Removes a root that has become empty.
  void remove(Slot slot, Graveyard& dead) { remove(slot, dead, false); }
  /// Removes an entry that is of no use, and counts why.
  void discard(Slot slot, Verdict why, Graveyard& dead);
  /// Removes string entries and results of every key with this hash, in every space; returns how many.
  std::size_t remove_key(std::uint64_t hash, Graveyard& dead);

  /// Removes those results of a root for which `chosen(entry)` holds; returns how many.
  template <typename Predicate>
  std::size_t remove_results_if(Slot root, Predicate&& chosen, Graveyard& dead);
  [[nodiscard]] Slot first_result(Slot root) const noexcept { return links_of(at(root)).next; }
  /// visit(slot, entry) for each result of a root.
  template <typename Visitor>
  void for_each_result(Slot root, Visitor&& visit) const {
    for (Slot slot = links_of(at(root)).next; slot != kNoSlot; slot = links_of(at(slot)).next) visit(slot, at(slot));
  }
  /// visit(slot, entry) for everything, roots included.
  template <typename Visitor>
  void for_each(Visitor&& visit) const {
    index_.for_each([&](Slot slot) { visit(slot, at(slot)); });
  }

  /// Looks at up to `budget` places of the arena, going on where the last call stopped, and removes what judge_life()
  /// condemns; returns how many entries went. Returns at once while nothing can be due.
  std::size_t sweep(std::size_t budget, const Moment& now, Graveyard& dead);

  [[nodiscard]] std::size_t size() const noexcept { return index_.size(); }
  [[nodiscard]] std::size_t entries_max() const noexcept { return limits_.entries; }
  /// All memory that counts for the limit.
  [[nodiscard]] std::size_t bytes() const noexcept { return arena_.bytes() + fixed_bytes() + large_bytes_; }
  [[nodiscard]] std::size_t index_bytes() const noexcept { return index_.bytes(); }
  [[nodiscard]] std::size_t payload_bytes() const noexcept { return payload_bytes_; }
  [[nodiscard]] std::uint64_t rehashes() const noexcept { return index_.rehashes(); }
  [[nodiscard]] std::uint64_t ghost_hits() const noexcept { return policy_->ghost_hits(); }
  [[nodiscard]] const Counts& counts() const noexcept { return counts_; }
  /// Aborts if the parts disagree.
  void check_invariants() const;

 private:
  enum class Cause : std::uint8_t { kCapacity, kBytes };

  // entry_store.cpp
  void remove(Slot slot, Graveyard& dead, bool evicted);
  void release(Slot slot, Graveyard& dead) noexcept;
  void remove_root(Slot root, Graveyard& dead);
  void link_result(Slot slot) noexcept;
  void unlink_result(Slot slot, Graveyard& dead);
  void write(Slot slot, Draft& draft);
  void remove_all(Graveyard& dead);
  void restart_clock(base::TimePoint now, Graveyard& dead);

  // entry_store_room.cpp
  [[nodiscard]] std::size_t fixed_bytes() const noexcept {
    return index_.bytes() + policy_->bytes() + limits_.other_bytes;
  }
  [[nodiscard]] bool pin_root(const Name& name, const Moment& now, Graveyard& dead);
  void unpin_root(Graveyard& dead);
  [[nodiscard]] Slot make_room(std::size_t size, const Moment& now, Graveyard& dead);
  [[nodiscard]] std::size_t rounded(std::size_t size) const noexcept;
  [[nodiscard]] std::size_t pages_max() const noexcept;
  [[nodiscard]] bool reclaim(const Moment& now, Graveyard& dead);
  [[nodiscard]] bool evict(Cause cause, const Moment& now, Graveyard& dead);
  [[nodiscard]] bool empty_a_page();
  void relocate(Slot from, Slot to);
  void note_due(const Entry& entry) noexcept;

  void check_chain(Slot root, std::size_t& results) const;

  const Limits limits_;
  const Judge& judge_;
  const std::size_t classes_per_doubling_;  // 0: as many as the arena has
  ShardClock clock_;
  Arena arena_;
  Index index_;
  const std::unique_ptr<EvictionPolicy> policy_;

  std::size_t large_bytes_ = 0;    // memory of shared replies
  std::size_t payload_bytes_ = 0;  // names and replies of what can be served
  std::size_t roots_ = 0;
  Slot pinned_root_ = kNoSlot;  // stays though it has no results, while one is being inserted; follows its moves
  std::vector<Slot> scratch_;   // of loops that move or remove, so that they need not allocate
  Counts counts_;

  // A sweep goes over the whole arena in pieces. What is due earliest after it is gathered on the way.
  std::uint64_t sweep_cursor_ = 0;
  std::uint64_t swept_changes_ = 0;                 // Owners::changes() when the running or the last sweep began
  std::uint32_t sweep_due_ = ShardClock::kForever;  // of what the running sweep has passed, or was inserted since
  std::uint32_t next_due_ = ShardClock::kForever;   // nothing can be due before
};

template <typename Predicate>
std::size_t EntryStore::remove_results_if(Slot root, Predicate&& chosen, Graveyard& dead) {
  std::size_t removed = 0;
  for (Slot slot = links_of(at(root)).next; slot != kNoSlot;) {
    const Slot next = links_of(at(slot)).next;  // the last result takes the root along, but then there is no next
    if (chosen(static_cast<const Entry&>(at(slot)))) {
      remove(slot, dead);
      ++removed;
    }
    slot = next;
  }
  return removed;
}

}  // namespace anteroom::cache
