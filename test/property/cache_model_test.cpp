#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cache/cache.hpp"
#include "property/cache_model.hpp"
#include "unit/cache/cache_fixture.hpp"

// Random calls to a cache and to a reference that does the same in the simplest way; every answer must be equal. Where
// the cache evicts by rules that the reference does not know, what it has evicted is taken out of the reference first,
// so that the claim becomes: nothing is answered that should not be, and nothing is lost but by eviction.
namespace anteroom::cache::model {
namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t kSpaces = 2;
constexpr std::size_t kOwners = 3;
constexpr base::HashSeed kSeed = {{0x9e3779b97f4a7c15, 0xbf58476d1ce4e5b9, 0x94d049bb133111eb, 0xd6e8feb86659fd93}};

// Few keys, so that everything happens to each; the first two are equal to the index.
const std::vector<std::string>& key_names() {
  static const std::vector<std::string> names = [] {
    const auto [a, b] = colliding_names(Cache({}, kSeed));
    return std::vector<std::string>{a, b, "k2", "", std::string(300, 'k')};
  }();
  return names;
}
constexpr std::size_t kKeys = 5;
// What is asked about a key: the string, two results, and STRLEN, which the string answers too.
constexpr std::array<std::string_view, 4> kCommands{"GET", "HGETALL", "HLEN", "STRLEN"};
constexpr std::size_t kStrlen = 3;

std::vector<std::uint64_t> hashes() {
  std::vector<std::uint64_t> all;
  for (const std::string& name : key_names()) all.push_back(base::hash64(kSeed, name));
  return all;
}

/// Runs one sequence of calls against both. A call is decoded from the digits of one number, so shrinking a number
/// makes a simpler call.
class Runner {
 public:
  Runner(const Options& options, bool evicts_alike)
      : evicts_alike_(evicts_alike),
        cache_(options, kSeed),
        model_(evicts_alike ? options : without_a_limit(options), hashes(), kOwners) {
    for (std::size_t key = 0; key < kKeys; ++key) {
      for (const std::string_view command : kCommands)
        requests_.push_back(std::string(command) + " " + key_names()[key]);
    }
  }

  void step(std::uint32_t code) {
    using Call = void (Runner::*)();
    static constexpr Call kCalls[] = {
        &Runner::read,      &Runner::read,         &Runner::read,    &Runner::read,       &Runner::read,
        &Runner::commit,    &Runner::commit,       &Runner::commit,  &Runner::commit,     &Runner::commit,
        &Runner::snapshot,  &Runner::start_fill,   &Runner::abandon, &Runner::drop,       &Runner::begin_write,
        &Runner::end_write, &Runner::bump,         &Runner::lose,    &Runner::recover,    &Runner::set_lease,
        &Runner::pass_time, &Runner::pass_time,    &Runner::expire,  &Runner::allow_fill, &Runner::supersede,
        &Runner::observe,   &Runner::drop_matching};
    code_ = code;
    (this->*kCalls[digit(std::size(kCalls))])();
  }
  void check() const {
    cache_.check_invariants();
    const Stats stats = cache_.stats();
    RC_ASSERT(stats.entries == model_.size() || !evicts_alike_);
    RC_ASSERT(stats.fills_attached == model_.fills.size());
    RC_ASSERT(stats.rehashes == 0u);
  }

 private:
  struct Ticket {
    Id id;
    FillId fill;
  };
  struct Write {
    WriteGuard guard;
    std::vector<std::size_t> keys;  // none: all
  };

  std::uint32_t digit(std::size_t base) {
    const auto value = code_ % static_cast<std::uint32_t>(base);
    code_ /= static_cast<std::uint32_t>(base);
    return value;
  }
  // What the cache has evicted is taken out; the reference must not choose others.
  static Options without_a_limit(Options options) {
    options.capacity = 1'000'000;
    return options;
  }
  Id any_id() {
    const std::size_t key = digit(kKeys);
    const std::uint32_t space = digit(kSpaces);
    return {key, space, digit(kCommands.size())};
  }
  Key key_of(const Id& id) const { return cache_.key(Space{id.space}, key_names()[id.key]); }
  Query query_of(const Id& id) const {
    if (!id.is_result()) return Cache::string_query(key_of(id));
    const View view{id.what == kStrlen ? View::Kind::kLength : View::Kind::kNone};
    return cache_.result_query(key_of(id), requests_[id.key * kCommands.size() + id.what], view);
  }
  Asker asker(std::size_t owner, bool upstream_is_down = false) const {
    return {OwnerId{static_cast<std::uint8_t>(owner)}, now_, upstream_is_down};
  }

  // Takes out of the model what the cache does not have any more of a key.
  void follow_evictions(const Id& of) {
    if (evicts_alike_) return;
    const std::vector<Inspection> there = cache_.inspect(key_of(of), asker(0));
    std::erase_if(model_.items, [&](const Item& item) {
      if (item.id.key != of.key || item.id.space != of.space) return false;
      return std::none_of(there.begin(), there.end(), [&](const Inspection& about) {
        const Query query = query_of(item.id);
        return about.what != Inspection::What::kFill && about.request == query.request;
      });
    });
  }

  void read() {
    const Id id = any_id();
    follow_evictions(id);
    const std::size_t owner = digit(kOwners);
    const bool upstream_is_down = digit(4) == 0;
    base::ByteQueue out;
    const ReadResult result = cache_.read(query_of(id), asker(owner, upstream_is_down), out);
    const std::string bytes = out.to_string();
    if (id.what == kStrlen && expect_view(id, upstream_is_down, result, bytes)) return;
    if (expect_entry(id, owner, upstream_is_down, result, bytes)) return;

    RC_ASSERT(bytes.empty());
    const Attached* const fill = model_.joinable(id);
    if (fill != nullptr && now_ >= model_.owner(fill->owner).lease) {
      RC_ASSERT(result.status == ReadStatus::kBypass);
    } else if (fill != nullptr) {
      RC_ASSERT(result.status == ReadStatus::kJoin);
      RC_ASSERT(result.fill == fill->id);
      RC_ASSERT(static_cast<std::size_t>(result.owner) == fill->owner);
    } else if (!model_.owner(owner).may_fill) {
      RC_ASSERT(result.status == ReadStatus::kBypass);
    } else {
      RC_ASSERT(result.status == ReadStatus::kFill);
      const auto filler = static_cast<std::size_t>(result.owner);
      RC_ASSERT(filler == owner || model_.has_filled(filler, id, now_));
      attach(id, result.fill, filler);
    }
  }
  void attach(const Id& id, FillId fill, std::size_t owner, bool is_joinable = true) {
    RC_ASSERT(fill != 0u);
    model_.attach(id, fill, owner, is_joinable);
    tickets_.push_back({id, fill});
  }

  // Whether the key's string decides about STRLEN.
  bool expect_view(const Id& id, bool upstream_is_down, const ReadResult& result, const std::string& bytes) {
    const auto item = model_.find({id.key, id.space, 0});
    if (item == model_.items.end()) return false;
    switch (model_.judge(*item, now_, upstream_is_down)) {
      case Verdict::kServed:
        RC_ASSERT(result.status == ReadStatus::kHit);
        RC_ASSERT(bytes == length_of(*item));
        model_.touch(item);
        return true;
      case Verdict::kBypassed:
        RC_ASSERT(result.status == ReadStatus::kBypass);
        return true;
      case Verdict::kGone:
        model_.items.erase(item);
        return false;
      case Verdict::kRefreshed:
      case Verdict::kKept:
        return false;
    }
    return false;
  }
  static std::string length_of(const Item& item) {
    if (item.kind == EntryKind::kNil) return ":0\r\n";
    if (item.kind == EntryKind::kWrongType) return item.reply;
    return ":" + std::to_string(item.reply.size() - item.reply.find('\n') - 3) + "\r\n";
  }
  // Whether the entry of the name decides.
  bool expect_entry(const Id& id, std::size_t owner, bool upstream_is_down, const ReadResult& result,
                    const std::string& bytes) {
    const auto item = model_.find(id);
    if (item == model_.items.end()) return false;
    const Verdict verdict = model_.judge(*item, now_, upstream_is_down);
    if (verdict == Verdict::kGone) model_.items.erase(item);
    if (verdict == Verdict::kGone || verdict == Verdict::kKept) return false;
    const bool is_fetched = model_.under_way(id) != nullptr;
    const bool cannot_refresh = verdict == Verdict::kRefreshed && !is_fetched && !model_.owner(owner).may_fill;
    if (verdict == Verdict::kBypassed || cannot_refresh) {
      RC_ASSERT(result.status == ReadStatus::kBypass);
      return true;
    }
    RC_ASSERT(result.status == (item->kind == EntryKind::kNil ? ReadStatus::kNil : ReadStatus::kHit));
    RC_ASSERT(bytes == item->reply);
    model_.touch(item);
    if (verdict == Verdict::kRefreshed && !is_fetched) {
      RC_ASSERT(static_cast<std::size_t>(result.owner) == owner);
      attach(id, result.fill, owner);
    } else {
      RC_ASSERT(result.fill == 0u);
    }
    return true;
  }

  void snapshot() {
    std::vector<Id> ids;
    for (std::uint32_t left = digit(5); left > 0; --left) {
      ids.push_back({digit(kKeys), digit(kSpaces), 0});
      follow_evictions(ids.back());
    }
    const bool is_mget = digit(2) == 0;
    std::vector<Key> keys;
    for (const Id& id : ids) keys.push_back(key_of(id));
    base::ByteQueue out;
    const bool is_answered =
        cache_.read_snapshot(keys, is_mget ? SnapshotView::kMget : SnapshotView::kExists, asker(0), out);
    const auto is_good = [&](const Id& id) {
      const auto item = model_.find(id);
      return item != model_.items.end() && model_.is_fresh(*item, now_) &&
             item->owner == model_.find(ids.front())->owner;
    };
    const bool should_be = !ids.empty() && std::all_of(ids.begin(), ids.end(), is_good);
    RC_ASSERT(is_answered == should_be);
    RC_ASSERT(out.to_string() == (should_be ? snapshot_of(ids, is_mget) : ""));
  }
  std::string snapshot_of(const std::vector<Id>& ids, bool is_mget) {
    std::string bytes;
    std::size_t existing = 0;
    for (const Id& id : ids) {
      const auto item = model_.find(id);
      if (item->kind != EntryKind::kNil) ++existing;
      bytes += item->kind == EntryKind::kValue ? item->reply : "$-1\r\n";
      model_.touch(item);
    }
    return is_mget ? bytes : ":" + std::to_string(existing) + "\r\n";
  }

  void start_fill() {
    const Id id = any_id();
    const std::size_t owner = digit(kOwners);
    const FillId fill = cache_.start_fill(query_of(id), asker(owner));
    if (model_.owner(owner).may_fill) {
      attach(id, fill, owner, false);
    } else {
      RC_ASSERT(fill == 0u);
    }
  }

  // Mostly a recent ticket; it may be detached, ended or of an old epoch.
  const Ticket* any_ticket() {
    if (tickets_.empty()) return nullptr;
    return &tickets_[tickets_.size() - 1 - std::min<std::size_t>(digit(8), tickets_.size() - 1)];
  }
  base::TimePoint deadline(base::Duration life) const {
    return life == base::Duration::max() ? base::kNever : now_ + life;
  }
  void commit() {
    const Ticket* const ticket = any_ticket();
    if (ticket == nullptr) return;
    constexpr base::Duration kLives[] = {0ms, 1ms, 100ms, 1s, 20s, 300s, 2h, base::Duration::max()};
    const base::TimePoint hard = deadline(kLives[digit(8)]);
    const base::TimePoint soft = std::min(hard, deadline(kLives[digit(8)]));
    const std::uint32_t kind_number = digit(8);
    const EntryKind kind = ticket->id.is_result() || kind_number > 2 ? EntryKind::kValue
                           : kind_number == 2                        ? EntryKind::kWrongType
                                                                     : EntryKind::kNil;
    constexpr std::size_t kSizes[] = {10, 11, 30, 100, 1000, 2100, 6000};
    std::string value = std::to_string(++replies_);
    value.resize(kSizes[digit(evicts_alike_ ? 2 : std::size(kSizes))], '.');
    std::string reply = kind == EntryKind::kNil         ? ""
                        : kind == EntryKind::kWrongType ? "-WRONGTYPE " + value + "\r\n"
                                                        : "$" + std::to_string(value.size()) + "\r\n" + value + "\r\n";
    const bool is_stored =
        cache_.commit(query_of(ticket->id), ticket->fill, kind, reply, {.soft = soft, .hard = hard}, now_);
    const Item item{ticket->id, kind, std::move(reply), {.soft = soft, .hard = hard}};
    const bool should_be = model_.commit(item, ticket->fill, now_);
    RC_ASSERT(is_stored == should_be || (should_be && !evicts_alike_));
    follow_evictions(ticket->id);
  }
  void abandon() {
    const Ticket* const ticket = any_ticket();
    if (ticket == nullptr) return;
    cache_.abandon(query_of(ticket->id), ticket->fill);
    model_.abandon(ticket->id, ticket->fill);
  }

  void drop() {
    const Id id = any_id();
    cache_.drop(key_of(id).hash, static_cast<DropCause>(digit(4)));
    model_.drop(id.key);
  }
  void supersede() {
    const Id id = any_id();
    const std::size_t owner = digit(kOwners);
    cache_.supersede(key_of(id), OwnerId{static_cast<std::uint8_t>(owner)});
    model_.supersede(id.key, id.space, owner);
  }
  void observe() {
    const Id id = any_id();
    follow_evictions(id);
    const auto item = model_.find(id);
    std::string reply = "$-1\r\n";
    if (item != model_.items.end() && digit(3) > 0) reply = item->reply;
    const std::string_view view = reply;
    cache_.observe(query_of(id), &view);
    model_.observe(id, reply);
  }
  void drop_matching() {
    const std::string_view glob = digit(4) == 0 ? "*" : "k2";
    cache_.drop_matching(glob);
    for (std::size_t key = 0; key < kKeys; ++key) {
      if (glob == "*" || key_names()[key] == glob) model_.drop(key);
    }
    std::erase_if(model_.fills, [](const auto& fill) { return fill.first.is_result(); });
  }

  void model_write(const std::vector<std::size_t>& keys) {
    for (const std::size_t key : keys) model_.drop(key);
    if (keys.empty()) model_.bump_all();
  }
  void begin_write() {
    std::vector<std::size_t> numbers;
    std::vector<std::uint64_t> keys;
    for (std::uint32_t left = digit(5); left > 0; --left) {
      const Id id = any_id();
      numbers.push_back(id.key);
      keys.push_back(key_of(id).hash);
    }
    writes_.push_back({keys.empty() ? cache_.guard_all() : cache_.guard(keys), numbers});
    model_write(numbers);
  }
  void end_write() {
    if (writes_.empty()) return;
    const std::size_t number = digit(4) % writes_.size();
    model_write(writes_[number].keys);
    writes_[number].guard.release();
    writes_.erase(writes_.begin() + static_cast<std::ptrdiff_t>(number));
  }

  OwnerId any_owner() { return OwnerId{static_cast<std::uint8_t>(digit(kOwners))}; }
  Owner& model_of(OwnerId owner) { return model_.owner(static_cast<std::size_t>(owner)); }
  void bump() {
    const OwnerId owner = any_owner();
    cache_.bump_epoch(owner);
    model_.bump(static_cast<std::size_t>(owner));
  }
  void lose() {
    const OwnerId owner = any_owner();
    cache_.lose(owner, now_);
    model_.lose(static_cast<std::size_t>(owner), now_);
  }
  void recover() {
    const OwnerId owner = any_owner();
    cache_.recover(owner);
    model_of(owner).stale_until = base::TimePoint::min();
  }
  void set_lease() {
    const OwnerId owner = any_owner();
    const base::TimePoint until = digit(3) == 0 ? now_ + 500ms : base::kNever;
    cache_.set_lease(owner, until);
    model_of(owner).lease = until;
  }
  void allow_fill() {
    const OwnerId owner = any_owner();
    const bool allowed = digit(3) > 0;
    cache_.allow_fills(owner, allowed);
    model_of(owner).may_fill = allowed;
  }
  void pass_time() {
    constexpr base::Duration kPauses[] = {1ms, 63ms, 64ms, 100ms, 900ms, 20s, 299s, 3h};
    now_ += kPauses[digit(8)];
    if (digit(64) > 0) return;
    // Beyond what 32 bits of milliseconds hold. Only entries without any deadline can tell that time started anew.
    now_ += 24h * 30;
    model_.items.clear();
    cache_.expire(0, now_, 1);
  }
  void expire() {
    // Enough places for any layout, so that a sweep under way comes to its end and what it leaves is known.
    cache_.expire(0, now_, 1'000'000);
    cache_.expire(0, now_, 1'000'000);
    model_.expire(now_);
    if (evicts_alike_) RC_ASSERT(cache_.stats().entries == model_.size());
  }

  const bool evicts_alike_;
  Cache cache_;
  Reference model_;
  std::vector<std::string> requests_;
  std::vector<Ticket> tickets_;
  std::vector<Write> writes_;
  base::TimePoint now_{1000h};
  std::uint64_t replies_ = 0;
  std::uint32_t code_ = 0;
};

constexpr std::size_t kSteps = 1200;

// Each property runs 100 times: 120,000 steps.
void run(const Options& options, bool evicts_alike) {
  const auto code = rc::gen::resize(rc::kNominalSize, rc::gen::inRange<std::uint32_t>(0, 1u << 31));
  Runner runner(options, evicts_alike);
  for (const std::uint32_t call : *rc::gen::container<std::vector<std::uint32_t>>(kSteps, code)) {
    runner.step(call);
    runner.check();
  }
}
base::Duration any_span() { return *rc::gen::element<base::Duration>(0ms, 0ms, 100ms, 30s); }

RC_GTEST_PROP(CacheModel, AgreesWithTheReferenceAtEveryCapacity, ()) {
  run({.capacity = *rc::gen::inRange<std::size_t>(1, 50),
       .stale_while_revalidate = any_span(),
       .stale_if_error = any_span()},
      true);
}

RC_GTEST_PROP(CacheModel, LosesOnlyByEvictionUnderALimitOfBytes, ()) {
  run({.capacity = 1000,
       .capacity_bytes = *rc::gen::inRange<std::size_t>(20'000, 120'000),
       .policy = *rc::gen::element(Policy::kLru, Policy::kS3Fifo),
       .stale_while_revalidate = any_span(),
       .stale_if_error = any_span()},
      false);
}

RC_GTEST_PROP(CacheModel, LosesOnlyByEvictionWithS3Fifo, ()) {
  run({.capacity = *rc::gen::inRange<std::size_t>(1, 30),
       .policy = Policy::kS3Fifo,
       .stale_while_revalidate = any_span(),
       .stale_if_error = any_span()},
      false);
}

}  // namespace
}  // namespace anteroom::cache::model
