#include <algorithm>
#include <bit>
#include <limits>

#include "base/check.hpp"
#include "cache/entry_store.hpp"

namespace anteroom::cache {

// Makes sure that a result's root is there and stays: neither evicting its last result nor moving it may take it away
// before the new result is in its chain.
bool EntryStore::pin_root(const Name& name, const Moment& now, Graveyard& dead) {
  ANTEROOM_CHECK(pinned_root_ == kNoSlot);
  if (limits_.entries < 2) return false;
  pinned_root_ = find(name);
  if (pinned_root_ != kNoSlot) return true;

  Draft draft{.name = name};
  draft.header.kind = kRootKind;
  draft.header.name_bytes = static_cast<std::uint16_t>(name.bytes.size());
  draft.header.space = static_cast<std::uint16_t>(name.space);
  const Slot slot = make_room(bytes_needed(draft.header), now, dead);
  if (slot == kNoSlot) return false;
  write(slot, draft);
  pinned_root_ = slot;
  return true;
}

void EntryStore::unpin_root(Graveyard& dead) {
  const Slot root = pinned_root_;
  pinned_root_ = kNoSlot;
  if (links_of(at(root)).next == kNoSlot) remove_root(root, dead);
}

// A slot of `size` bytes for one more entry, within all limits. The limit of bytes is one of memory, not of what is in
// it: a new page or a large reply is paid for by emptying a page whose slots fit into gaps elsewhere, or else by
// evicting.
Slot EntryStore::make_room(std::size_t size, const Moment& now, Graveyard& dead) {
  while (index_.size() >= limits_.entries) {
    if (!evict(Cause::kCapacity, now, dead)) return kNoSlot;
  }
  for (;;) {
    const Slot slot = arena_.allocate(rounded(size), pages_max());
    if (limits_.bytes == 0 || (slot != kNoSlot && bytes() <= limits_.bytes)) return slot;
    // A new page may have made the arena's own tables grow beyond what was left.
    if (slot != kNoSlot) arena_.free(slot);
    if (!reclaim(now, dead)) return kNoSlot;
  }
}

std::size_t EntryStore::rounded(std::size_t size) const noexcept {
  if (classes_per_doubling_ == 0) return size;
  const std::size_t step = std::max<std::size_t>(std::bit_ceil(size) / 2 / classes_per_doubling_, 1);
  return (size + step - 1) / step * step;
}

std::size_t EntryStore::pages_max() const noexcept {
  if (limits_.bytes == 0) return std::numeric_limits<std::size_t>::max();
  const std::size_t page = arena_.page_bytes();
  const std::size_t others = bytes() - arena_.pages() * page;
  return others < limits_.bytes ? (limits_.bytes - others) / page : 0;
}

bool EntryStore::reclaim(const Moment& now, Graveyard& dead) {
  const std::size_t slack = arena_.pages() * arena_.page_bytes() - arena_.used_bytes();
  return (slack >= arena_.page_bytes() && empty_a_page()) || evict(Cause::kBytes, now, dead);
}

bool EntryStore::evict(Cause cause, const Moment& now, Graveyard& dead) {
  const Slot victim = policy_->victim();
  if (victim == kNoSlot) return false;
  switch (judge_.judge_life(at(victim), now)) {
    case Verdict::kExpired:
      ++counts_.evicted_expired;
      break;
    case Verdict::kOldEpoch:
      ++counts_.evicted_epoch;
      break;
    default:
      ++(cause == Cause::kCapacity ? counts_.evicted_capacity : counts_.evicted_bytes);
  }
  remove(victim, dead, true);
  return true;
}

// False if there is no page that can be emptied.
bool EntryStore::empty_a_page() {
  scratch_.clear();
  if (!arena_.begin_emptying(scratch_)) return false;
  bool is_empty = true;
  for (const Slot from : scratch_) {
    const Slot to = arena_.allocate(arena_.slot_bytes(from), 0);
    is_empty = to != kNoSlot;
    if (!is_empty) break;
    relocate(from, to);
  }
  arena_.end_emptying();
  return is_empty;
}

void EntryStore::relocate(Slot from, Slot to) {
  Entry& entry = move_entry(arena_.at(to), at(from));
  const bool was_there = index_.move(from, to);
  ANTEROOM_CHECK(was_there);
  if (entry.kind == kRootKind) {
    for_each_result(to, [&](Slot result, const Entry&) { links_of(at(result)).root = to; });
    if (pinned_root_ == from) pinned_root_ = to;
  } else {
    policy_->on_move(from, to);
    note_due(entry);
  }
  if (entry.kind == kResultKind) {
    const ResultLinks& links = links_of(entry);
    (links.previous != kNoSlot ? links_of(at(links.previous)).next : links_of(at(links.root)).next) = to;
    if (links.next != kNoSlot) links_of(at(links.next)).previous = to;
  }
  arena_.free(from);
}

void EntryStore::check_chain(Slot root, std::size_t& results) const {
  Slot previous = kNoSlot;
  for (Slot slot = links_of(at(root)).next; slot != kNoSlot; slot = links_of(at(slot)).next) {
    const Entry& result = at(slot);
    ANTEROOM_CHECK(result.kind == kResultKind && result.space == at(root).space);
    ANTEROOM_CHECK(links_of(result).root == root && links_of(result).previous == previous);
    ANTEROOM_CHECK(++results <= index_.size());
    previous = slot;
  }
  ANTEROOM_CHECK(previous != kNoSlot);  // a root without results would stay for ever
}

void EntryStore::check_invariants() const {
  ANTEROOM_CHECK(pinned_root_ == kNoSlot);
  std::size_t roots = 0, chained = 0, results = 0, strings = 0, payload = 0, large = 0, used = 0;
  index_.for_each([&](Slot slot) {
    const Entry& entry = at(slot);
    const Name name{name_kind(entry), entry.space, name_of(entry), index_.hash_of(slot)};
    ANTEROOM_CHECK(index_.find(name) == slot);
    used += arena_.slot_bytes(slot);
    if (entry.large) large += allocated_bytes(shared_of(entry));
    if (entry.kind == kRootKind) {
      ++roots;
      check_chain(slot, chained);
      return;
    }
    ++(entry.kind == kResultKind ? results : strings);
    payload += entry.name_bytes + reply_of(entry).size();
    const std::uint32_t due = judge_.due_ms(entry, clock_);
    ANTEROOM_CHECK(due >= next_due_ || sweep_cursor_ != 0 || swept_changes_ != judge_.owners().changes());
  });
  ANTEROOM_CHECK(roots == roots_ && results == chained && roots + results + strings == index_.size());
  ANTEROOM_CHECK(index_.size() <= limits_.entries && policy_->size() == results + strings);
  ANTEROOM_CHECK(payload == payload_bytes_ && large == large_bytes_ && used == arena_.used_bytes());
  // A limit that does not even hold the index holds no entries.
  ANTEROOM_CHECK(limits_.bytes == 0 || bytes() <= limits_.bytes || index_.size() == 0);
  arena_.check_invariants();
  policy_->check_invariants();
}

}  // namespace anteroom::cache
