#include "proxy/fill_table.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "base/check.hpp"
#include "resp/writer.hpp"

namespace anteroom::proxy {
namespace {

// Ids of fetches that have no ticket; those of the cache do not come so far.
constexpr cache::FillId kUncached = cache::FillId{1} << 63;

// Together not much, and more than are under way in most turns.
constexpr std::size_t kSparesMax = 1024;
constexpr std::size_t kSpareBytesMax = 512;

constexpr std::size_t kCacheLineBytes = 64;

cache::Space space_of(int db) { return cache::Space{static_cast<std::uint32_t>(db)}; }

}  // namespace

void FillTable::Target::assign(const CacheableRead& read) {
  key = read.query.key.bytes;
  request = read.query.request;
  key_hash = read.query.key.hash;
  request_hash = read.query.request_hash;
  view = read.query.view;
  db = read.db;
  missing_reply = read.missing_reply;
}

CacheableRead FillTable::Target::read() const noexcept {
  return {.query = query(), .db = db, .missing_reply = missing_reply};
}

cache::Query FillTable::Target::query() const noexcept {
  const cache::Key own{.bytes = key, .hash = key_hash, .space = space_of(db)};
  return {.key = own, .request = request, .request_hash = request_hash, .view = view};
}

FillTable::FillTable(Context context, const Options& options)
    : context_(context),
      options_(options),
      random_(static_cast<std::uint32_t>(owner()) + 1),
      timer_(context.loop, [this] { expire(); }) {}

void FillTable::wait(const CacheableRead& read, const cache::ReadResult& result, Waiter waiter) {
  context_.metrics.fill_waiters.add();
  if (result.status == cache::ReadStatus::kFill && result.owner == owner()) {
    add(read, result.fill).waiters.push_back(waiter);
    send(read, result.fill);
  } else if (result.status == cache::ReadStatus::kBypass) {
    fetch_uncached(read, waiter);
  } else if (result.owner == owner() && fills_.contains(result.fill)) {
    join_local(result.fill, waiter);
  } else {
    // Of another worker; or of this one, but on behalf of another whose message is still on its way.
    join_remote(read, result, waiter);
  }
}

void FillTable::refresh(const CacheableRead& read, cache::FillId fill) {
  add(read, fill);
  send(read, fill);
}

void FillTable::fetch_group(int db, std::span<const cache::Key> keys, std::span<const cache::FillId> fills,
                            Waiter waiter) {
  std::vector<backend::FetchId> ids;
  std::vector<std::string_view> names;
  const auto group = std::make_shared<const std::vector<cache::FillId>>(fills.begin(), fills.end());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    context_.metrics.fill_waiters.add();
    Fill& fill = add({.query = cache::Cache::string_query(keys[i]), .db = db}, fills[i]);
    fill.group = group;
    fill.waiters.push_back(waiter);
    ++waiter.part;
    ids.push_back(backend::FetchId{fills[i]});
    names.push_back(keys[i].bytes);
  }
  backend_->fetch_group(ids, db, names);
}

void FillTable::fetch_uncached(const CacheableRead& read, Waiter waiter) {
  const cache::FillId id = kUncached | ++uncached_;
  Fill& fill = add(read, id);
  fill.is_cacheable = false;
  fill.waiters.push_back(waiter);
  send(read, id);
}

void FillTable::send(const CacheableRead& read, cache::FillId id) {
  backend_->fetch(backend::FetchId{id}, {.db = read.db,
                                         .key = read.query.key.bytes,
                                         .command = command_of_result(read.query.request),
                                         .in_resp3 = is_resp3_result(read.query.request)});
}

FillTable::Fill& FillTable::add(const CacheableRead& read, cache::FillId id) {
  std::unique_ptr<Fill> fill = take_spare();
  fill->target.assign(read);
  fill->sent = context_.loop.now();
  const auto [place, is_new] = fills_.emplace(id, std::move(fill));
  ANTEROOM_CHECK(is_new);
  Fill& added = *place->second;
  if (options_.fill_timeout > base::Milliseconds::zero()) {
    deadlines_.emplace_back(added.sent + options_.fill_timeout, id);
    arm_timer();
  }
  return added;
}

void FillTable::join_local(cache::FillId id, Waiter waiter) {
  Fill& fill = *fills_.at(id);
  if (fill.reply) {
    answer({waiter}, fill.reply);
  } else if (fill.waiters.size() >= options_.waiters_max) {
    read_alone(fill.target.read(), waiter);
  } else {
    fill.waiters.push_back(waiter);
  }
}

// --- Fetches of other workers ---

void FillTable::join_remote(const CacheableRead& read, const cache::ReadResult& result, Waiter waiter) {
  const auto [entry, is_first] = remote_joins_.try_emplace(result.fill, read);
  RemoteJoin& join = entry->second;
  if (join.waiters.size() >= options_.waiters_max) {
    read_alone(read, waiter);
    return;
  }
  join.waiters.push_back(waiter);
  if (!is_first) return;
  if (result.status == cache::ReadStatus::kFill) {
    context_.mesh.post(result.owner, [id = result.fill, from = owner(), copy = RemoteJoin(read)](FillTable& table) {
      table.start_for(copy, id, from);
    });
    return;
  }
  context_.mesh.post(result.owner,
                     [id = result.fill, from = owner()](FillTable& table) { table.accept_remote(id, from); });
}

// Whoever joins the fill before this message has come finds that it has not begun, and looks into the cache again.
void FillTable::start_for(const RemoteJoin& join, cache::FillId id, cache::OwnerId from) {
  const CacheableRead read = join.target.read();
  add(read, id).remote_waiters.push_back(from);
  send(read, id);
}

void FillTable::accept_remote(cache::FillId id, cache::OwnerId from) {
  const auto found = fills_.find(id);
  Fill* const fill = found != fills_.end() ? found->second.get() : nullptr;
  if (fill != nullptr && !fill->reply && !fill->is_abandoned) {
    fill->remote_waiters.push_back(from);
    return;
  }
  const base::SharedBytes reply = fill != nullptr ? fill->reply : nullptr;
  context_.mesh.post(from, [id, reply](FillTable& table) { table.finish_remote(id, reply); });
}

void FillTable::finish_remote(cache::FillId id, const base::SharedBytes& reply) {
  const auto found = remote_joins_.find(id);
  if (found == remote_joins_.end()) return;
  RemoteJoin join = std::move(found->second);
  remote_joins_.erase(found);
  if (reply) {
    answer(join.waiters, reply);
  } else {
    read_again(join);
  }
}

void FillTable::leave_remote(cache::FillId id) {
  const auto found = remote_joins_.find(id);
  if (found == remote_joins_.end()) return;
  const RemoteJoin join = std::move(found->second);
  remote_joins_.erase(found);
  leave_to_readers({id, join.target, join.waiters, {}});
}

void FillTable::read_again(const RemoteJoin& join) {
  // The fetch was over before we could join it. What it left in the cache, or a new fetch, is new enough for readers
  // that came before.
  const CacheableRead read = join.target.read();
  for (const Waiter& waiter : join.waiters) {
    base::ByteQueue hit;
    cache::ReadResult result = context_.cache.read(read.query, context_.coherence.asker(true), hit);
    switch (result.status) {
      case cache::ReadStatus::kHit:
        if (result.fill != 0) refresh(read, result.fill);
        answer({waiter}, std::make_shared<std::string>(hit.to_string()));
        break;
      case cache::ReadStatus::kNil:
        if (result.fill != 0) refresh(read, result.fill);
        answer({waiter}, std::make_shared<std::string>(cache::kNullBulk));
        break;
      case cache::ReadStatus::kBypass:
        if (context_.cache.is_known_large(read.query, context_.loop.now())) {
          context_.readers.on_fill_left(waiter.session, waiter.slot, waiter.part, read);
        } else {
          wait(read, result, waiter);
        }
        break;
      case cache::ReadStatus::kFill:
      case cache::ReadStatus::kJoin:
        wait(read, result, waiter);
        break;
    }
  }
}

// --- Replies of the backend ---

FillTable::Fill& FillTable::at(backend::FetchId fetch) {
  const auto found = fills_.find(static_cast<cache::FillId>(fetch));
  ANTEROOM_CHECK(found != fills_.end());
  return *found->second;
}

std::unique_ptr<FillTable::Fill> FillTable::take(backend::FetchId fetch) {
  const auto id = static_cast<cache::FillId>(fetch);
  const auto found = fills_.find(id);
  ANTEROOM_CHECK(found != fills_.end());
  std::unique_ptr<Fill> fill = std::move(found.value());
  fills_.erase(id);  // by its place, the table would look for the next one
  return fill;
}

std::unique_ptr<FillTable::Fill> FillTable::take_spare() {
  if (spare_.empty()) return std::make_unique<Fill>();
  std::unique_ptr<Fill> fill = std::move(spare_.back());
  spare_.pop_back();
  return fill;
}

// A fill needs a string and a list, which the next one is likely to need as well.
void FillTable::spare(std::unique_ptr<Fill> fill) {
  const std::size_t bytes =
      fill->target.key.capacity() + fill->target.request.capacity() + fill->waiters.capacity() * sizeof(Waiter);
  if (spare_.size() >= kSparesMax || bytes > kSpareBytesMax) return;
  fill->reset();
  spare_.push_back(std::move(fill));
}

void FillTable::Fill::reset() noexcept {
  waiters.clear();
  remote_waiters.clear();
  reply.reset();
  kind = cache::EntryKind::kValue;
  group.reset();
  is_cacheable = true;
  is_abandoned = false;
}

// With many under way, nothing of a fill is in the nearer caches when its reply comes. Each step loads what the one
// before it leads to.
void FillTable::on_due(std::span<const backend::FetchId> fetches) {
  std::array<const Fill*, kDueMax> fills;
  std::size_t count = 0;
  for (const backend::FetchId fetch : fetches.first(std::min(fetches.size(), kDueMax))) {
    const Fill& fill = at(fetch);
    const char* const begin = reinterpret_cast<const char*>(&fill);
    for (std::size_t byte = 0; byte < sizeof(Fill); byte += kCacheLineBytes) __builtin_prefetch(begin + byte);
    __builtin_prefetch(begin + sizeof(Fill) - 1);  // it seldom begins with a line
    fills[count++] = &fill;
  }
  for (const Fill* const fill : std::span(fills).first(count)) {
    context_.cache.prefetch(fill->target.key_hash);
    __builtin_prefetch(fill->target.key.data());
    __builtin_prefetch(fill->waiters.data());
  }
}

void FillTable::on_value(backend::FetchId fetch, base::SharedBytes encoded_reply) {
  Fill& fill = at(fetch);
  if (fill.is_abandoned) return;
  fill.kind = encoded_reply ? cache::EntryKind::kValue : cache::EntryKind::kNil;
  fill.reply = encoded_reply ? std::move(encoded_reply) : std::make_shared<std::string>(cache::kNullBulk);
  give_out(static_cast<cache::FillId>(fetch), fill);
}

void FillTable::on_server_error(backend::FetchId fetch, std::string_view error) {
  Fill& fill = at(fetch);
  if (fill.is_abandoned) return;
  // That a key is of another type is tracked like a value; every other error may be gone the next moment.
  fill.is_cacheable = error.starts_with("WRONGTYPE");
  if (fill.is_cacheable && fill.target.request.empty()) fill.kind = cache::EntryKind::kWrongType;
  if (!fill.is_cacheable) context_.metrics.fill_errors.add();
  fill.reply = error_reply(error);
  give_out(static_cast<cache::FillId>(fetch), fill);
}

void FillTable::on_ttl(backend::FetchId fetch, std::int64_t pttl_ms) {
  std::unique_ptr<Fill> fill = take(fetch);
  if (!fill->is_abandoned) store(*fill, static_cast<cache::FillId>(fetch), pttl_ms);  // else its ticket was given back
  spare(std::move(fill));
}

void FillTable::store(const Fill& fill, cache::FillId id, std::int64_t pttl_ms) {
  const cache::TtlPolicy& policy = context_.coherence.is_tracked() ? options_.ttl : options_.untracked_ttl;
  const auto deadlines = fill.is_cacheable ? cache::entry_deadlines(policy, presence(fill, pttl_ms), fill.sent, pttl_ms,
                                                                    context_.loop.now(), jitter())
                                           : std::nullopt;
  if (!deadlines) {
    context_.cache.abandon(fill.target.query(), id);
    return;
  }
  const std::string_view reply = fill.kind == cache::EntryKind::kNil ? std::string_view{} : *fill.reply;
  context_.cache.commit(fill.target.query(), id, fill.kind, reply, *deadlines, context_.loop.now());
}

// Whatever comes of it after that is dropped: the fill stays, abandoned, until the backend's last word.
void FillTable::on_too_large(backend::FetchId fetch) {
  Fill& fill = at(fetch);
  const auto id = static_cast<cache::FillId>(fetch);
  context_.cache.refuse_large(fill.target.query(), id, context_.loop.now());
  if (std::exchange(fill.is_abandoned, true)) return;
  leave_to_readers({id, fill.target, std::exchange(fill.waiters, {}), std::exchange(fill.remote_waiters, {})});
}

void FillTable::on_failed(backend::FetchId fetch, const base::StagedError&) {
  const auto id = static_cast<cache::FillId>(fetch);
  move_to_link(id);
  const std::unique_ptr<Fill> fill = take(fetch);
  // With a reply, everyone has been answered, and only the time to live was missing.
  if (fill->reply && !fill->is_abandoned) context_.cache.abandon(fill->target.query(), id);
}

cache::Presence FillTable::presence(const Fill& fill, std::int64_t pttl_ms) noexcept {
  constexpr std::int64_t kPttlNoKey = -2;
  const bool is_string = fill.target.request.empty();
  if (is_string) {
    return fill.kind == cache::EntryKind::kNil ? cache::Presence::kMissing : cache::Presence::kPresent;
  }
  // A reply such as an empty array may be that of a missing key or of one that is there; PTTL tells which.
  const bool may_be_missing = *fill.reply == fill.target.missing_reply;
  return may_be_missing && pttl_ms == kPttlNoKey ? cache::Presence::kMissing : cache::Presence::kPresent;
}

double FillTable::jitter() {
  return static_cast<double>(random_() - std::minstd_rand::min()) /
         static_cast<double>(std::minstd_rand::max() - std::minstd_rand::min());
}

// --- Answers ---

base::SharedBytes FillTable::error_reply(std::string_view text) {
  auto encoded = std::make_shared<std::string>();
  resp::append_error(*encoded, text);
  return encoded;
}

void FillTable::give_out(cache::FillId id, Fill& fill) {
  context_.cache.answered(fill.target.query(), id);
  // What other workers' connections brought may be older, and must not be read after this (R14).
  if (options_.has_other_workers) context_.cache.supersede(fill.target.query().key, owner());
  answer_all(id, fill, fill.reply);
}

void FillTable::answer_all(cache::FillId id, Fill& fill, const base::SharedBytes& reply) {
  std::vector<Waiter> waiters = std::move(fill.waiters);
  answer(waiters, reply);
  waiters.clear();
  // Nobody joins any more, and the next fill can use the memory; but one that timed out may be kept for long.
  if (!fill.is_abandoned) fill.waiters = std::move(waiters);
  answer_workers(id, std::exchange(fill.remote_waiters, {}), reply);
}

void FillTable::answer_workers(cache::FillId id, const std::vector<cache::OwnerId>& workers,
                               const base::SharedBytes& reply) {
  for (const cache::OwnerId worker : workers) {
    context_.mesh.post(worker, [id, reply](FillTable& table) { table.finish_remote(id, reply); });
  }
}

void FillTable::answer(const std::vector<Waiter>& waiters, const base::SharedBytes& reply) {
  for (const Waiter& waiter : waiters) context_.readers.on_fill_reply(waiter.session, waiter.slot, waiter.part, reply);
}

void FillTable::leave_to_readers(const LinkPart& part) {
  const CacheableRead read = part.target.read();
  for (const Waiter& waiter : part.waiters) {
    context_.readers.on_fill_left(waiter.session, waiter.slot, waiter.part, read);
  }
  for (const cache::OwnerId worker : part.workers) {
    context_.mesh.post(worker, [id = part.id](FillTable& table) { table.leave_remote(id); });
  }
}

// --- Timeouts ---

void FillTable::expire() {
  while (!deadlines_.empty() && deadlines_.front().first <= context_.loop.now()) {
    const cache::FillId id = deadlines_.front().second;
    deadlines_.pop_front();
    const auto found = fills_.find(id);
    if (found == fills_.end() || found->second->is_abandoned) continue;
    Fill& fill = *found.value();
    fill.is_abandoned = true;
    context_.cache.abandon(fill.target.query(), id);
    if (fill.reply) continue;
    context_.metrics.fill_timeouts.add();
    answer_all(id, fill, error_reply(base::StagedError::no_reply(options_.fill_timeout).reply()));
  }
  arm_timer();
}

void FillTable::arm_timer() {
  // Those that were answered in time leave the front without a look at the clock.
  while (!deadlines_.empty() && !fills_.contains(deadlines_.front().second)) deadlines_.pop_front();
  if (deadlines_.empty() || timer_.is_running()) return;
  const base::TimePoint now = context_.loop.now();
  timer_.start(deadlines_.front().first > now ? deadlines_.front().first - now : base::Duration::zero());
}

}  // namespace anteroom::proxy
