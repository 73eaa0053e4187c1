#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cache/cache.hpp"
#include "cache/timing_wheel.hpp"

// Random calls to a cache and to a reference that does the same with a list and a map; every answer must be equal.
namespace anteroom::cache {
namespace {

using namespace std::chrono_literals;

// Few keys with crafted hashes, so that collisions of all kinds happen: whole hash, its low half (what the index
// stores), low bits only. Every key exists in two spaces.
struct Name {
  const char* bytes;
  std::uint64_t hash;
};
constexpr std::array<Name, 7> kNames{{{"k0", 7},
                                      {"k1", 7},
                                      {"k2", 7 + (std::uint64_t{1} << 32)},
                                      {"k3", 7 + 1024},
                                      {"k4", 8},
                                      {"k5", 1'000'003},
                                      {"k6", ~std::uint64_t{0}}}};
constexpr std::uint32_t kSpaces = 2;
constexpr std::uint32_t kOwners = 2;
constexpr std::size_t kReplyBytes = 12;  // all alike, so that a limit of bytes is one of entries as well

using Id = std::pair<std::size_t, std::uint32_t>;  // number in kNames, space

Key key_of(const Id& id) {
  return {.bytes = kNames[id.first].bytes, .hash = kNames[id.first].hash, .space = Space{id.second}};
}

std::string reply_number(std::uint64_t number) {
  std::string digits = std::to_string(number);
  return std::string(kReplyBytes - digits.size(), '0') + digits;
}

class Reference {
 public:
  struct Item {
    Id id;
    EntryKind kind;
    std::string reply;
    base::TimePoint deadline;
    std::uint32_t owner;
    std::uint64_t epoch;
  };
  struct Attached {
    FillId id;
    std::uint32_t owner;
    std::uint64_t epoch;
  };

  explicit Reference(std::size_t capacity) : capacity_(capacity) {}

  /// The valid item of `id`, made the most recently used.
  const Item* find(const Id& id, base::TimePoint now) {
    const auto found = std::find_if(items_.begin(), items_.end(), [&](const Item& item) { return item.id == id; });
    if (found == items_.end()) return nullptr;
    if (now >= found->deadline || found->epoch != epochs_[found->owner]) {
      items_.erase(found);
      return nullptr;
    }
    items_.splice(items_.begin(), items_, found);
    return &items_.front();
  }
  const Attached* joinable(const Id& id) const {
    const auto found = fills_.find(id);
    if (found == fills_.end() || found->second.epoch != epochs_[found->second.owner]) return nullptr;
    return &found->second;
  }
  void attach(const Id& id, FillId fill, std::uint32_t owner) { fills_[id] = {fill, owner, epochs_[owner]}; }
  bool commit(const Id& id, FillId fill, Item item, base::TimePoint now) {
    const auto found = fills_.find(id);
    if (found == fills_.end() || found->second.id != fill) return false;
    item.owner = found->second.owner;
    item.epoch = found->second.epoch;
    fills_.erase(found);
    if (item.epoch != epochs_[item.owner] || now >= item.deadline) return false;
    if (items_.size() == capacity_) items_.pop_back();
    items_.push_front(std::move(item));
    return true;
  }
  void abandon(const Id& id, FillId fill) {
    if (const auto found = fills_.find(id); found != fills_.end() && found->second.id == fill) fills_.erase(found);
  }
  void drop(std::uint64_t hash) {
    std::erase_if(items_, [hash](const Item& item) { return kNames[item.id.first].hash == hash; });
    std::erase_if(fills_, [hash](const auto& fill) { return kNames[fill.first.first].hash == hash; });
  }
  void bump(std::uint32_t owner) { ++epochs_[owner]; }
  std::size_t expire(base::TimePoint now) {
    const auto tick = [](base::TimePoint time) { return time.time_since_epoch() / TimingWheel::kTick; };
    return std::erase_if(
        items_, [&](const Item& item) { return item.deadline != base::kNever && tick(item.deadline) < tick(now); });
  }
  std::size_t size() const { return items_.size(); }

 private:
  const std::size_t capacity_;
  std::list<Item> items_;  // most recently used first
  std::map<Id, Attached> fills_;
  std::array<std::uint64_t, kOwners> epochs_{};
};

/// Runs one sequence of calls against both. A call is decoded from the digits of one number, so shrinking a number
/// makes a simpler call.
class Runner {
 public:
  Runner(const Options& options, std::size_t entries) : cache_(options, base::HashSeed::fixed(1)), model_(entries) {}

  void step(std::uint32_t code) {
    code_ = code;
    switch (digit(16)) {
      case 0:
      case 1:
      case 2:
      case 3:
        return read();
      case 4:
      case 5:
      case 6:
      case 7:
        return commit();
      case 8:
        return abandon();
      case 9:
        return drop();
      case 10:
        return begin_write();
      case 11:
        return end_write();
      case 12:
        return bump();
      case 13:
      case 14:
        return pass_time();
      default:
        return expire();
    }
  }
  void check() const {
    cache_.check_invariants();
    RC_ASSERT(cache_.stats().entries == model_.size());
    RC_ASSERT(cache_.stats().rehashes == 0u);
  }

 private:
  struct Ticket {
    Id id;
    FillId fill;
  };
  struct Write {
    WriteGuard guard;
    std::vector<Key> keys;  // none: all
  };

  std::uint32_t digit(std::uint32_t base) {
    const std::uint32_t value = code_ % base;
    code_ /= base;
    return value;
  }
  Id any_id() {
    const std::size_t name = digit(kNames.size());
    return {name, digit(kSpaces)};
  }

  void read() {
    const Id id = any_id();
    const std::uint32_t owner = digit(kOwners);
    base::ByteQueue out;
    const ReadResult result = cache_.read(key_of(id), OwnerId{static_cast<std::uint8_t>(owner)}, now_, out);
    if (const Reference::Item* const item = model_.find(id, now_)) {
      RC_ASSERT(result.status == (item->kind == EntryKind::kNil ? ReadStatus::kNil : ReadStatus::kHit));
      RC_ASSERT(out.to_string() == item->reply);
    } else if (const Reference::Attached* const fill = model_.joinable(id)) {
      RC_ASSERT(result.status == ReadStatus::kJoin);
      RC_ASSERT(result.fill == fill->id);
      RC_ASSERT(static_cast<std::uint32_t>(result.owner) == fill->owner);
    } else {
      RC_ASSERT(result.status == ReadStatus::kFill);
      model_.attach(id, result.fill, owner);
      tickets_.push_back({id, result.fill});
    }
  }

  // Mostly a recent ticket; it may be detached, ended or of an old epoch.
  const Ticket* any_ticket() {
    if (tickets_.empty()) return nullptr;
    return &tickets_[tickets_.size() - 1 - std::min<std::size_t>(digit(8), tickets_.size() - 1)];
  }

  void commit() {
    const Ticket* const ticket = any_ticket();
    if (ticket == nullptr) return;
    constexpr base::Duration kLives[] = {0ms, 1ms, 100ms, 1s, 20s, 300s, 2h, base::Duration::max()};
    const base::Duration life = kLives[digit(8)];
    const base::TimePoint deadline = life == base::Duration::max() ? base::kNever : now_ + life;
    const EntryKind kind = digit(4) == 0 && !all_alike_ ? EntryKind::kNil : EntryKind::kValue;
    const std::string reply = kind == EntryKind::kNil ? "" : reply_number(++replies_);
    const bool stored = cache_.commit(key_of(ticket->id), ticket->fill, kind, reply, deadline, now_);
    RC_ASSERT(stored == model_.commit(ticket->id, ticket->fill, {ticket->id, kind, reply, deadline, 0, 0}, now_));
  }
  void abandon() {
    const Ticket* const ticket = any_ticket();
    if (ticket == nullptr) return;
    cache_.abandon(key_of(ticket->id), ticket->fill);
    model_.abandon(ticket->id, ticket->fill);
  }
  void drop() {
    const std::uint64_t hash = key_of(any_id()).hash;
    cache_.drop(hash);
    model_.drop(hash);
  }

  void model_write(const std::vector<Key>& keys) {
    for (const Key& key : keys) model_.drop(key.hash);
    if (!keys.empty()) return;
    for (std::uint32_t owner = 0; owner < kOwners; ++owner) model_.bump(owner);
  }
  void begin_write() {
    std::vector<Key> keys;
    for (std::uint32_t left = digit(5); left > 0; --left) keys.push_back(key_of(any_id()));
    writes_.push_back({keys.empty() ? cache_.guard_all() : cache_.guard(keys), keys});
    model_write(keys);
  }
  void end_write() {
    if (writes_.empty()) return;
    const std::size_t number = digit(4) % writes_.size();
    model_write(writes_[number].keys);
    writes_[number].guard.release();
    writes_.erase(writes_.begin() + static_cast<std::ptrdiff_t>(number));
  }

  void bump() {
    const std::uint32_t owner = digit(kOwners);
    cache_.bump_epoch(OwnerId{static_cast<std::uint8_t>(owner)});
    model_.bump(owner);
  }
  void pass_time() {
    constexpr base::Duration kPauses[] = {1ms, 63ms, 64ms, 100ms, 900ms, 20s, 299s, 3h};
    now_ += kPauses[digit(8)];
  }
  void expire() {
    // Enough for any number of levels: what this reclaims is then known exactly.
    RC_ASSERT(cache_.expire(0, now_, 1000) == model_.expire(now_));
  }

 public:
  bool all_alike_ = false;  ///< only values of one size are stored

 private:
  Cache cache_;
  Reference model_;
  std::vector<Ticket> tickets_;
  std::vector<Write> writes_;
  base::TimePoint now_{1000h};
  std::uint64_t replies_ = 0;
  std::uint32_t code_ = 0;
};

constexpr std::size_t kSteps = 1200;

std::vector<std::uint32_t> any_calls() {
  const auto code = rc::gen::resize(rc::kNominalSize, rc::gen::inRange<std::uint32_t>(0, 1u << 31));
  return *rc::gen::container<std::vector<std::uint32_t>>(kSteps, code);
}

// Each property runs 100 times: 120,000 steps.
RC_GTEST_PROP(CacheModel, AgreesWithTheReferenceAtEveryCapacity, ()) {
  const std::size_t capacity = *rc::gen::inRange<std::size_t>(1, kNames.size() * kSpaces + 2);
  Runner runner({.capacity = capacity}, capacity);
  for (const std::uint32_t code : any_calls()) {
    runner.step(code);
    runner.check();
  }
}

// What one entry of the model is charged in a cache with these options.
std::size_t charge_of_one(const Options& options) {
  Cache cache(options, base::HashSeed::fixed(1));
  base::ByteQueue out;
  const base::TimePoint now{1h};
  const Key key = key_of({0, 0});
  const FillId fill = cache.read(key, OwnerId{0}, now, out).fill;
  if (!cache.commit(key, fill, EntryKind::kValue, reply_number(1), now + 1s, now)) return 0;
  return cache.stats().bytes;
}

RC_GTEST_PROP(CacheModel, AgreesWithTheReferenceUnderALimitOfBytes, ()) {
  const Options options{.capacity = 1000, .capacity_bytes = *rc::gen::inRange<std::size_t>(400, 1500)};
  const std::size_t charge = charge_of_one(options);
  RC_PRE(charge > 0u);
  Runner runner(options, options.capacity_bytes / charge);
  runner.all_alike_ = true;
  for (const std::uint32_t code : any_calls()) {
    runner.step(code);
    runner.check();
  }
}

}  // namespace
}  // namespace anteroom::cache
