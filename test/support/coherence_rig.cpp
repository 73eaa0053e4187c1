#include "support/coherence_rig.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/check.hpp"
#include "base/staged_error.hpp"

namespace anteroom::test {
namespace {

constexpr base::Milliseconds kTimeUnit{10};
// Longer than the time of any run, so that the lease of one run is over before the next.
constexpr base::Milliseconds kRunTime{200};
// The times of a value are not the model's subject: an entry ends only by what the server says.
constexpr cache::TtlPolicy kForever{.ttl = base::Duration::max(), .negative_ttl = {}, .min_ttl = {}, .jitter = 0};
constexpr std::size_t kHeader = 4;  // "$n\r\n"
constexpr std::size_t kFrame = kHeader + 2;

// Each version has a length of its own, because that is what Cache::inspect() shows of a value.
std::string encoded(std::size_t version) {
  const std::string text(version + 1, static_cast<char>('0' + version));
  return "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n";
}

Version version_in(std::string_view reply, std::size_t at = 0) {
  ANTEROOM_CHECK(reply.size() > at + kFrame && reply[at] == '$');
  return static_cast<Version>(reply[at + kHeader] - '0');
}

}  // namespace

CoherenceRig::CoherenceRig(const cache::Rules& rules)
    : cache_({.capacity = 64, .rules = rules}, base::HashSeed::fixed(1)),
      coherence_(loop_, cache_, metrics_, {.max_staleness = kTimeUnit * kModelStaleness}),
      fills_({loop_, *this, cache_, coherence_, *this, *this, metrics_},
             {.ttl = kForever, .untracked_ttl = kForever, .fill_timeout = base::Milliseconds{0}}) {
  fills_.set_backend(*this);
  coherence_.set_backend(*this);
  for (std::size_t i = 0; i < replies_.size(); ++i) replies_[i] = std::make_shared<const std::string>(encoded(i));
  // The loop's clock stands still at its first reading; the model's times are later.
  start_ = loop_.now() + kRunTime;
  connect(0);
}

void CoherenceRig::begin() {
  ++runs_;
  start_ += kRunTime;
  for (std::size_t i = 0; i < kModelKeys; ++i) {
    names_[i] = (i == 0 ? "a" : "b") + std::to_string(runs_);
    keys_[i] = cache_.key(cache::Space{}, names_[i]);
  }
  fence(0);
}

void CoherenceRig::end() {
  for (cache::WriteGuard& guard : guards_) guard.dismiss();
  guards_.clear();
  for (const UnderWay& fetch : under_way_) {
    if (!fetch.has_value) fetch_events_.on_value(fetch.id, replies_[0]);
    fetch_events_.on_ttl(fetch.id, 0);  // what ends at once is not stored
  }
  under_way_.clear();
  answers_.clear();
  if (coherence_.state() != proxy::CoherenceState::kCoherent) connect(0);
}

// --- Clients: what Session and Forwarder do ---

CoherenceRig::Read CoherenceRig::get(std::size_t key, std::uint8_t now) {
  base::ByteQueue out;
  const cache::ReadResult result = cache_.read(cache::Cache::string_query(keys_[key]), asker(now), out);
  ANTEROOM_CHECK(result.status != cache::ReadStatus::kNil);
  Read read;
  if (result.status == cache::ReadStatus::kBypass) return read;
  if (result.status != cache::ReadStatus::kHit) return wait(key, result);
  ANTEROOM_CHECK(result.fill == 0);
  read.outcome = Outcome::kAnswered;
  read.is_hit = true;
  read.versions[key] = version_in(out.to_string());
  return read;
}

CoherenceRig::Read CoherenceRig::wait(std::size_t key, const cache::ReadResult& result) {
  const std::size_t before = under_way_.size();
  const Waiter waiter{.slot = ++slots_, .part = 0};
  fills_.wait({.query = cache::Cache::string_query(keys_[key]), .db = 0}, result,
              {.session = {}, .slot = waiter.slot, .part = waiter.part});
  Read read;
  if (!answers_.empty()) {
    ANTEROOM_CHECK(answers_.size() == 1 && answers_.front().waiter == waiter);
    read.outcome = Outcome::kAnswered;
    read.versions[key] = version_in(*answers_.front().reply);
    answers_.clear();
    return read;
  }
  const auto fetch = std::find_if(under_way_.begin(), under_way_.end(),
                                  [&](const UnderWay& each) { return each.id == backend::FetchId{result.fill}; });
  ANTEROOM_CHECK(fetch != under_way_.end());
  fetch->waiters.push_back(waiter);
  read.outcome = under_way_.size() > before ? Outcome::kFetches : Outcome::kJoins;
  read.fetch = static_cast<std::size_t>(std::distance(under_way_.begin(), fetch));
  return read;
}

CoherenceRig::Read CoherenceRig::mget(std::uint8_t now) {
  base::ByteQueue out;
  Read read;
  if (cache_.read_snapshot(keys_, cache::SnapshotView::kMget, asker(now), out)) {
    const std::string reply = out.to_string();
    read.outcome = Outcome::kAnswered;
    read.is_hit = true;
    read.versions[0] = version_in(reply);
    read.versions[1] = version_in(reply, encoded(read.versions[0]).size());
    return read;
  }
  std::array<cache::FillId, kModelKeys> fills{};
  for (std::size_t i = 0; i < kModelKeys; ++i) {
    fills[i] = cache_.start_fill(cache::Cache::string_query(keys_[i]), asker(now));
    ANTEROOM_CHECK(fills[i] != 0);  // MGET that must be forwarded is not modelled
  }
  const std::size_t before = under_way_.size();
  const proxy::ReplyQueue::Slot slot = ++slots_;
  fills_.fetch_group(0, keys_, fills, {.session = {}, .slot = slot, .part = 0});
  ANTEROOM_CHECK(under_way_.size() == before + kModelKeys && answers_.empty());
  for (std::size_t i = 0; i < kModelKeys; ++i) {
    under_way_[before + i].waiters.push_back({.slot = slot, .part = i});
  }
  read.outcome = Outcome::kFetches;
  return read;
}

// In the model the links are lost with the fill connection. Reads that go there are modelled by themselves.
void CoherenceRig::read_on_link(const upstream::Lane&, std::string_view, std::vector<std::uint64_t>, Done done) {
  done(std::make_shared<const std::string>("-ERR lost\r\n"));
}

void CoherenceRig::forward_write() { guards_.emplace_back(); }

void CoherenceRig::first_drop() {
  *std::ranges::find_if_not(guards_, &cache::WriteGuard::active) = cache_.guard({&keys_[0].hash, 1});
}

void CoherenceRig::guard_without_drop() {
  *std::ranges::find_if_not(guards_, &cache::WriteGuard::active) = cache_.guard({&keys_[0].hash, 1}, false);
}

void CoherenceRig::acknowledge() {
  guards_.front().release();
  guards_.pop_front();
}

void CoherenceRig::observe(Version version) {
  const std::string_view reply = *replies_[version];
  cache_.observe(cache::Cache::string_query(keys_[0]), &reply);
}

// --- The fill connection ---

bool CoherenceRig::value(std::span<const Version> versions) {
  const auto first =
      std::find_if(under_way_.begin(), under_way_.end(), [](const UnderWay& fetch) { return !fetch.has_value; });
  ANTEROOM_CHECK(std::distance(first, under_way_.end()) >= static_cast<std::ptrdiff_t>(versions.size()));
  bool are_right = true;
  for (std::size_t i = 0; i < versions.size(); ++i) {
    UnderWay& fetch = first[static_cast<std::ptrdiff_t>(i)];
    fetch.has_value = true;
    fetch_events_.on_value(fetch.id, replies_[versions[i]]);
    are_right &= std::equal(answers_.begin(), answers_.end(), fetch.waiters.begin(), fetch.waiters.end(),
                            [&](const Answer& answer, const Waiter& waiter) {
                              return answer.waiter == waiter && version_in(*answer.reply) == versions[i];
                            });
    answers_.clear();
  }
  return are_right;
}

void CoherenceRig::ttl() {
  ANTEROOM_CHECK(!under_way_.empty() && under_way_.front().has_value);
  const backend::FetchId id = under_way_.front().id;
  under_way_.erase(under_way_.begin());
  fetch_events_.on_ttl(id, -1);
}

void CoherenceRig::push(std::size_t key) { coherence_events_.on_invalidated(names_[key]); }
void CoherenceRig::fence(std::uint8_t sent) { coherence_events_.on_fence(time(sent)); }

void CoherenceRig::lose() {
  static const base::StagedError lost = base::StagedError::connection_lost(base::Executed::kUnknown);
  coherence_events_.on_lost();
  std::size_t waiting = 0;
  for (const UnderWay& fetch : std::exchange(under_way_, {})) {
    if (!fetch.has_value) waiting += fetch.waiters.size();
    fetch_events_.on_failed(fetch.id, lost);
  }
  ANTEROOM_CHECK(answers_.size() == waiting);
  answers_.clear();
}

void CoherenceRig::connect(std::uint8_t now) {
  coherence_events_.on_connected(
      {.tracks = true, .why_not = {}, .expires_hash_fields = false, .fence_sent = time(now)});
}

CoherenceRig::View CoherenceRig::view(std::size_t key, std::uint8_t now) const {
  using cache::Inspection;
  View view;
  for (const Inspection& about : cache_.inspect(keys_[key], asker(now))) {
    if (about.what == Inspection::What::kFill) {
      view.is_attached = about.epoch == about.current_epoch;
    } else if (about.verdict == Inspection::Verdict::kServed || about.verdict == Inspection::Verdict::kNoLease) {
      view.entry = static_cast<std::uint8_t>(about.reply_bytes - kFrame);
      view.is_served = about.verdict == Inspection::Verdict::kServed;
    }
  }
  return view;
}

base::TimePoint CoherenceRig::time(std::uint8_t now) const { return start_ + now * kTimeUnit; }

cache::Asker CoherenceRig::asker(std::uint8_t now) const {
  cache::Asker asker = coherence_.asker(true);
  asker.now = time(now);
  return asker;
}

// --- What the real parts call ---

void CoherenceRig::on_fill_reply(proxy::SessionId, proxy::ReplyQueue::Slot slot, std::size_t part,
                                 const base::SharedBytes& reply) {
  answers_.push_back({.waiter = {.slot = slot, .part = part}, .reply = reply});
}

// Who reads on a link himself has his answer, which is not from a fetch.
void CoherenceRig::on_fill_left(proxy::SessionId, proxy::ReplyQueue::Slot slot, std::size_t part,
                                const proxy::CacheableRead&) {
  answers_.push_back({.waiter = {.slot = slot, .part = part}, .reply = nullptr});
}

void CoherenceRig::post(cache::OwnerId, std::move_only_function<void(proxy::FillTable&)>) {
  ANTEROOM_CHECK(false);  // there is one worker, so every fetch must be found in its own table
}

void CoherenceRig::fetch(backend::FetchId id, const backend::FetchRequest&) {
  under_way_.push_back({.id = id, .has_value = false, .waiters = {}});
}

void CoherenceRig::fetch_group(std::span<const backend::FetchId> ids, int, std::span<const std::string_view>) {
  for (const backend::FetchId id : ids) under_way_.push_back({.id = id, .has_value = false, .waiters = {}});
}

}  // namespace anteroom::test
