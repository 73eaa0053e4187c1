#include "cache/entry_store.hpp"

#include <algorithm>
#include <bit>
#include <utility>

#include "base/check.hpp"

namespace anteroom::cache {
namespace {

// With fewer pages than this, sizes are rounded up so that there are fewer classes: to the given number between a power
// of two and the next. Measured with replies of up to 2 KiB, half of the memory is payload then, and not a tenth.
constexpr std::size_t kPagesFew = 256, kClassesForFew = 4;
constexpr std::size_t kPagesVeryFew = 64, kClassesForVeryFew = 2;

std::size_t classes_per_doubling_for(std::size_t limit_bytes) {
  if (limit_bytes == 0 || limit_bytes >= kPagesFew * PageSource::kPageBytesMin) return 0;
  return limit_bytes >= kPagesVeryFew * PageSource::kPageBytesMin ? kClassesForFew : kClassesForVeryFew;
}

void complete_header(EntryStore::Draft& draft) {
  Entry& header = draft.header;
  header.name_bytes = static_cast<std::uint16_t>(draft.name.bytes.size());
  header.space = static_cast<std::uint16_t>(draft.name.space);
  header.large = draft.shared != nullptr;
  header.reply_bytes = draft.shared ? std::uint16_t{0} : static_cast<std::uint16_t>(draft.reply.size());
}

}  // namespace

EntryStore::EntryStore(const Limits& limits, const Judge& judge, const base::HashSeed& seed, SystemMemory& memory)
    : limits_(limits),
      judge_(judge),
      classes_per_doubling_(classes_per_doubling_for(limits.bytes)),
      arena_(memory.pages),
      index_(arena_, seed, limits.entries, memory.tables),
      policy_(make_policy(limits.policy, arena_, limits.entries)) {
  ANTEROOM_CHECK(limits.entries >= 1 && policy_ != nullptr);
}

EntryStore::~EntryStore() {
  index_.for_each([this](Slot slot) {
    if (at(slot).large) std::destroy_at(&shared_of(at(slot)));
  });
}

void EntryStore::restart_clock(base::TimePoint now, Graveyard& dead) {
  remove_all(dead);
  clock_.restart(now);
  next_due_ = sweep_due_ = ShardClock::kForever;
}

bool EntryStore::insert(Draft& draft, const Moment& now, Graveyard& dead) {
  const bool is_result = draft.name.kind == NameKind::kResult;
  if (is_result && !pin_root(draft.root, now, dead)) return false;
  complete_header(draft);
  // Counted before there is room, so that room is made for it.
  const std::size_t large_bytes = draft.shared ? allocated_bytes(draft.shared) : 0;
  large_bytes_ += large_bytes;
  const Slot slot = make_room(bytes_needed(draft.header), now, dead);
  if (slot == kNoSlot) large_bytes_ -= large_bytes;
  if (slot != kNoSlot) write(slot, draft);
  if (is_result) unpin_root(dead);
  return slot != kNoSlot;
}

// REQUIRES: the header is complete.
void EntryStore::write(Slot slot, Draft& draft) {
  const Entry& header = draft.header;
  const Entry& entry = write_entry(arena_.at(slot), header, draft.name.bytes, draft.reply, std::move(draft.shared));
  index_.insert(slot);
  if (header.kind == kRootKind) {
    ++roots_;
    return;
  }
  if (header.kind == kResultKind) link_result(slot);
  payload_bytes_ += header.name_bytes + reply_of(entry).size();
  policy_->on_insert(slot, static_cast<std::uint32_t>(draft.name.hash));
  note_due(entry);
}

// In front of the others of the pinned root.
void EntryStore::link_result(Slot slot) noexcept {
  ResultLinks& root = links_of(at(pinned_root_));
  links_of(at(slot)) = {.previous = kNoSlot, .next = root.next, .root = pinned_root_};
  if (root.next != kNoSlot) links_of(at(root.next)).previous = slot;
  root.next = slot;
}

void EntryStore::unlink_result(Slot slot, Graveyard& dead) {
  const ResultLinks links = links_of(at(slot));
  ResultLinks& root = links_of(at(links.root));
  (links.previous != kNoSlot ? links_of(at(links.previous)).next : root.next) = links.next;
  if (links.next != kNoSlot) links_of(at(links.next)).previous = links.previous;
  if (root.next == kNoSlot && links.root != pinned_root_) remove_root(links.root, dead);
}

void EntryStore::remove_root(Slot root, Graveyard& dead) {
  --roots_;
  const bool was_there = index_.erase(root, index_.hash_of(root));
  ANTEROOM_CHECK(was_there);
  release(root, dead);
}

void EntryStore::remove(Slot slot, Graveyard& dead, bool evicted) {
  Entry& entry = at(slot);
  payload_bytes_ -= entry.name_bytes + reply_of(entry).size();
  const std::uint64_t hash = index_.hash_of(slot);
  policy_->on_erase(slot, static_cast<std::uint32_t>(hash), evicted);
  const bool was_there = index_.erase(slot, hash);
  ANTEROOM_CHECK(was_there);
  if (entry.kind == kResultKind) unlink_result(slot, dead);
  release(slot, dead);
}

void EntryStore::release(Slot slot, Graveyard& dead) noexcept {
  Entry& entry = at(slot);
  if (entry.large) {
    base::SharedBytes& shared = shared_of(entry);
    large_bytes_ -= allocated_bytes(shared);
    dead.push_back(std::move(shared));
    std::destroy_at(&shared);
  }
  arena_.free(slot);
}

void EntryStore::discard(Slot slot, Verdict why, Graveyard& dead) {
  ++(why == Verdict::kOldEpoch ? counts_.evicted_epoch : counts_.evicted_expired);
  remove(slot, dead);
}

std::size_t EntryStore::remove_key(std::uint64_t hash, Graveyard& dead) {
  std::size_t removed = 0;
  for (Slot slot = index_.find_key(hash); slot != kNoSlot; slot = index_.find_key(hash)) {
    if (at(slot).kind != kRootKind) {
      remove(slot, dead);
      ++removed;
      continue;
    }
    removed += remove_results_if(slot, [](const Entry&) { return true; }, dead);
  }
  return removed;
}

void EntryStore::remove_all(Graveyard& dead) {
  scratch_.clear();
  index_.for_each([this](Slot slot) {
    if (at(slot).kind != kRootKind) scratch_.push_back(slot);
  });
  for (const Slot slot : scratch_) discard(slot, Verdict::kExpired, dead);
  std::vector<Slot>().swap(scratch_);  // it is not counted anywhere, so it must not stay large
}

std::size_t EntryStore::sweep(std::size_t budget, const Moment& now, Graveyard& dead) {
  if (budget == 0) return 0;
  if (sweep_cursor_ == 0) {
    const std::uint64_t changes = judge_.owners().changes();
    if (now.ms < next_due_ && changes == swept_changes_) return 0;
    swept_changes_ = changes;
    sweep_due_ = ShardClock::kForever;
  }
  scratch_.clear();
  arena_.sweep(sweep_cursor_, budget, [&](Slot slot) {
    const Entry& entry = at(slot);
    if (entry.kind == kRootKind) return;
    if (judge_.judge_life(entry, now) == Verdict::kFresh) {
      note_due(entry);
    } else {
      scratch_.push_back(slot);
    }
  });
  if (sweep_cursor_ == 0) next_due_ = sweep_due_;
  // Only now, because a result may take its root with it, which may be any slot.
  for (const Slot slot : scratch_) discard(slot, judge_.judge_life(at(slot), now), dead);
  return scratch_.size();
}

// Also of what was inserted or moved to a place that the running sweep has passed already.
void EntryStore::note_due(const Entry& entry) noexcept {
  const std::uint32_t due = judge_.due_ms(entry, clock_);
  sweep_due_ = std::min(sweep_due_, due);
  next_due_ = std::min(next_due_, due);
}

}  // namespace anteroom::cache
