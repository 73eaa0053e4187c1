#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "cache/cache.hpp"

namespace anteroom::cache::model {

/// What a name names, as small numbers: a key, a space, and what is asked about it (0: the string itself).
struct Id {
  std::size_t key = 0;
  std::uint32_t space = 0;
  std::size_t what = 0;
  [[nodiscard]] bool is_result() const { return what > 0; }
  auto operator<=>(const Id&) const = default;
};

struct Item {
  Id id;
  EntryKind kind = EntryKind::kValue;
  std::string reply;
  Deadlines deadlines;
  std::size_t owner = 0;
  std::uint64_t epoch = 0;
};
struct Attached {
  FillId id = 0;
  std::size_t owner = 0;
  std::uint64_t epoch = 0;
  bool is_joinable = true;
};
struct Owner {
  std::uint64_t epoch = 0;
  base::TimePoint lease = base::kNever;
  bool may_fill = true;
  std::uint64_t lost_epoch = 0;
  base::TimePoint stale_until = base::TimePoint::min();
};

enum class Verdict : std::uint8_t { kServed, kRefreshed, kBypassed, kKept, kGone };

/// A cache that does what the headers promise in the simplest way there is: one list in the order of use, looked
/// through from end to end, and full times. Times must be whole milliseconds, to which the cache rounds.
class Reference {
 public:
  Reference(const Options& options, std::vector<std::uint64_t> hashes, std::size_t owners)
      : options_(options), hashes_(std::move(hashes)), owners_(owners) {}

  std::list<Item> items;  // most recently used first
  std::map<Id, Attached> fills;

  [[nodiscard]] Owner& owner(std::size_t number) { return owners_[number]; }
  /// Entries and roots.
  [[nodiscard]] std::size_t size() const {
    std::set<std::pair<std::size_t, std::uint32_t>> roots;
    for (const Item& item : items) {
      if (item.id.is_result()) roots.emplace(item.id.key, item.id.space);
    }
    if (pinned_) roots.insert(*pinned_);
    return items.size() + roots.size();
  }

  [[nodiscard]] std::list<Item>::iterator find(const Id& id) {
    return std::find_if(items.begin(), items.end(), [&](const Item& item) { return item.id == id; });
  }
  void touch(std::list<Item>::iterator item) { items.splice(items.begin(), items, item); }
  [[nodiscard]] bool is_current(std::size_t owner, std::uint64_t epoch) const {
    return epoch == owners_[owner].epoch + common_;
  }
  [[nodiscard]] std::uint64_t epoch_of(std::size_t owner) const { return owners_[owner].epoch + common_; }
  [[nodiscard]] bool is_alive(const Item& item, base::TimePoint now) const {
    if (now >= item.deadlines.hard) return false;
    if (!is_current(item.owner, item.epoch)) return may_serve_lost(item, now);
    return now < later(item.deadlines.soft, std::max(options_.stale_while_revalidate, options_.stale_if_error));
  }
  [[nodiscard]] Verdict judge(const Item& item, base::TimePoint now, bool upstream_is_down) const {
    if (!is_alive(item, now)) return Verdict::kGone;
    if (!is_current(item.owner, item.epoch)) return upstream_is_down ? Verdict::kServed : Verdict::kKept;
    if (now >= owners_[item.owner].lease) {
      const bool may_be_stale = upstream_is_down && now < later(owners_[item.owner].lease, options_.stale_if_error) &&
                                now < later(item.deadlines.soft, options_.stale_if_error);
      return may_be_stale ? Verdict::kServed : Verdict::kBypassed;
    }
    if (now < item.deadlines.soft) return Verdict::kServed;
    if (upstream_is_down && now < later(item.deadlines.soft, options_.stale_if_error)) return Verdict::kServed;
    if (now < later(item.deadlines.soft, options_.stale_while_revalidate)) return Verdict::kRefreshed;
    return Verdict::kKept;
  }
  [[nodiscard]] bool is_fresh(const Item& item, base::TimePoint now) const {
    return judge(item, now, false) == Verdict::kServed;
  }

  [[nodiscard]] const Attached* under_way(const Id& id) const {
    const auto found = fills.find(id);
    return found != fills.end() && is_current(found->second.owner, found->second.epoch) ? &found->second : nullptr;
  }
  [[nodiscard]] const Attached* joinable(const Id& id) const {
    const Attached* const fill = under_way(id);
    return fill != nullptr && fill->is_joinable ? fill : nullptr;
  }
  /// Whether `owner` has other entries of the key and can fill, so that it may be the one to fetch more of it.
  [[nodiscard]] bool has_filled(std::size_t owner, const Id& id, base::TimePoint now) const {
    if (!owners_[owner].may_fill || now >= owners_[owner].lease) return false;
    return std::ranges::any_of(items, [&](const Item& item) {
      return item.id.key == id.key && item.id.space == id.space && item.owner == owner &&
             is_current(item.owner, item.epoch);
    });
  }
  void attach(const Id& id, FillId fill, std::size_t owner, bool is_joinable) {
    fills[id] = {fill, owner, epoch_of(owner), is_joinable};
  }
  bool commit(Item item, FillId fill, base::TimePoint now) {
    const auto found = fills.find(item.id);
    if (found == fills.end() || found->second.id != fill) return false;
    item.owner = found->second.owner;
    item.epoch = found->second.epoch;
    fills.erase(found);
    if (!is_current(item.owner, item.epoch)) return false;
    std::erase_if(items, [&](const Item& old) { return old.id == item.id; });
    if (!is_alive(item, now)) return false;
    const bool has_room = make_room(item.id);
    if (has_room) items.push_front(std::move(item));
    pinned_.reset();
    return has_room;
  }
  void abandon(const Id& id, FillId fill) {
    if (const auto found = fills.find(id); found != fills.end() && found->second.id == fill) fills.erase(found);
  }

  /// The index tells keys apart by half of their hash, fills by the whole.
  void drop_entries(std::size_t key) {
    const auto low = [this](std::size_t of) { return static_cast<std::uint32_t>(hashes_[of]); };
    std::erase_if(items, [&](const Item& item) { return low(item.id.key) == low(key); });
  }
  void detach(std::size_t key) {
    std::erase_if(fills, [&](const auto& fill) { return hashes_[fill.first.key] == hashes_[key]; });
  }
  void drop(std::size_t key) {
    drop_entries(key);
    detach(key);
  }
  void supersede(std::size_t key, std::uint32_t space, std::size_t owner) {
    std::erase_if(
        items, [&](const Item& item) { return item.id.key == key && item.id.space == space && item.owner != owner; });
    std::erase_if(fills, [&](const auto& fill) {
      return fill.first.key == key && fill.first.space == space && fill.second.owner != owner;
    });
  }
  void observe(const Id& id, const std::string& reply) {
    detach(id.key);
    const auto item = find(id);
    if (item != items.end() && reply == (item->kind == EntryKind::kNil ? "$-1\r\n" : item->reply)) return;
    drop_entries(id.key);
  }

  void bump(std::size_t number) {
    ++owners_[number].epoch;
    owners_[number].stale_until = base::TimePoint::min();
  }
  void bump_all() {
    ++common_;
    for (Owner& owner : owners_) owner.stale_until = base::TimePoint::min();
  }
  void lose(std::size_t number, base::TimePoint now) {
    Owner& owner = owners_[number];
    if (now >= owner.stale_until && options_.stale_if_error > base::Duration::zero()) {
      owner.lost_epoch = epoch_of(number);
      owner.stale_until = now + options_.stale_if_error;
    }
    ++owner.epoch;
  }
  std::size_t expire(base::TimePoint now) {
    return std::erase_if(items, [&](const Item& item) { return !is_alive(item, now); });
  }

 private:
  [[nodiscard]] static base::TimePoint later(base::TimePoint time, base::Duration span) {
    return time == base::kNever ? time : time + span;
  }
  [[nodiscard]] bool may_serve_lost(const Item& item, base::TimePoint now) const {
    const Owner& owner = owners_[item.owner];
    return item.epoch == owner.lost_epoch && now < owner.stale_until;
  }
  // First for the root, which then stays, and then for the entry itself.
  bool make_room(const Id& id) {
    const auto evict = [this] {
      while (size() >= options_.capacity) {
        if (items.empty()) return false;
        items.pop_back();
      }
      return true;
    };
    if (!id.is_result()) return evict();
    if (options_.capacity < 2) return false;
    const bool has_root = std::any_of(items.begin(), items.end(), [&](const Item& item) {
      return item.id.is_result() && item.id.key == id.key && item.id.space == id.space;
    });
    if (!has_root && !evict()) return false;
    pinned_ = {id.key, id.space};
    return evict();
  }

  const Options options_;
  const std::vector<std::uint64_t> hashes_;
  std::vector<Owner> owners_;
  std::uint64_t common_ = 0;
  std::optional<std::pair<std::size_t, std::uint32_t>> pinned_;  // key and space of a root that must stay
};

}  // namespace anteroom::cache::model
