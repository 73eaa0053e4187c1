#include "proxy/fill_table.hpp"

#include <memory>
#include <utility>

#include "base/check.hpp"
#include "proxy/session.hpp"
#include "resp/writer.hpp"

namespace anteroom::proxy {
namespace {

constexpr std::string_view kNullBulk = "$-1\r\n";

cache::Space space_of(int db) { return cache::Space{static_cast<std::uint32_t>(db)}; }

base::SharedBytes error_reply(std::string_view text) {
  auto encoded = std::make_shared<std::string>();
  resp::append_error(*encoded, text);
  return encoded;
}

}  // namespace

FillTable::FillTable(net::EventLoop& loop, SessionTable& sessions, cache::Cache& cache, FillMesh& mesh,
                     metrics::WorkerMetrics& metrics, const Options& options)
    : loop_(loop),
      sessions_(sessions),
      cache_(cache),
      mesh_(mesh),
      metrics_(metrics),
      options_(options),
      timer_(loop, [this] { expire(); }) {}

void FillTable::wait(const cache::Key& key, int db, const cache::ReadResult& result, Waiter waiter) {
  metrics_.fill_waiters.add();
  if (result.status == cache::ReadStatus::kFill) {
    start(key, db, result.fill, waiter);
  } else if (result.owner == options_.owner) {
    join_local(result.fill, waiter);
  } else {
    join_remote(key, db, result, waiter);
  }
}

void FillTable::start(const cache::Key& key, int db, cache::FillId id, Waiter waiter) {
  Fill& fill = fills_[id];
  fill.key = key.bytes;
  fill.hash = key.hash;
  fill.db = db;
  fill.sent = loop_.now();
  fill.waiters.push_back(waiter);
  if (options_.fill_timeout > base::Milliseconds::zero()) {
    deadlines_.emplace_back(loop_.now() + options_.fill_timeout, id);
    arm_timer();
  }
  backend_->fetch(backend::FetchId{id}, db, key.bytes);
}

void FillTable::join_local(cache::FillId id, Waiter waiter) {
  const auto found = fills_.find(id);
  ANTEROOM_CHECK(found != fills_.end());  // attached means under way, and only this thread ends it
  Fill& fill = found->second;
  if (fill.reply) {
    answer({waiter}, fill.reply);
  } else if (fill.waiters.size() >= options_.waiters_max) {
    answer({waiter}, error_reply(base::StagedError::overloaded().reply()));
  } else {
    fill.waiters.push_back(waiter);
  }
}

// --- Fetches of other workers ---

void FillTable::join_remote(const cache::Key& key, int db, const cache::ReadResult& result, Waiter waiter) {
  const auto [entry, is_first] = remote_joins_.try_emplace(result.fill);
  RemoteJoin& join = entry->second;
  if (join.waiters.size() >= options_.waiters_max) {
    answer({waiter}, error_reply(base::StagedError::overloaded().reply()));
    return;
  }
  join.waiters.push_back(waiter);
  if (!is_first) return;
  join.key = key.bytes;
  join.hash = key.hash;
  join.db = db;
  mesh_.post(result.owner,
             [id = result.fill, from = options_.owner](FillTable& table) { table.accept_remote(id, from); });
}

void FillTable::accept_remote(cache::FillId id, cache::OwnerId from) {
  const auto found = fills_.find(id);
  if (found != fills_.end() && !found->second.reply && !found->second.is_abandoned) {
    found->second.remote_waiters.push_back(from);
    return;
  }
  const base::SharedBytes reply = found != fills_.end() ? found->second.reply : nullptr;
  mesh_.post(from, [id, reply](FillTable& table) { table.finish_remote(id, reply); });
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

void FillTable::read_again(const RemoteJoin& join) {
  // The fetch was over before we could join it. What it left in the cache, or a new fetch, is new enough for readers
  // that came before.
  const cache::Key key{join.key, join.hash, space_of(join.db)};
  for (const Waiter& waiter : join.waiters) {
    base::ByteQueue hit;
    const cache::ReadResult result = cache_.read(key, options_.owner, loop_.now(), hit);
    switch (result.status) {
      case cache::ReadStatus::kHit:
        answer({waiter}, std::make_shared<std::string>(hit.to_string()));
        break;
      case cache::ReadStatus::kNil:
        answer({waiter}, std::make_shared<std::string>(kNullBulk));
        break;
      case cache::ReadStatus::kFill:
      case cache::ReadStatus::kJoin:
        wait(key, join.db, result, waiter);
        break;
    }
  }
}

// --- Replies of the backend ---

void FillTable::on_value(backend::FetchId fetch, base::SharedBytes encoded_reply) {
  const auto id = static_cast<cache::FillId>(fetch);
  const auto found = fills_.find(id);
  ANTEROOM_CHECK(found != fills_.end());
  Fill& fill = found->second;
  if (fill.is_abandoned) return;
  fill.exists = encoded_reply != nullptr;
  fill.reply = fill.exists ? std::move(encoded_reply) : std::make_shared<std::string>(kNullBulk);
  answer_all(id, fill, fill.reply);
}

void FillTable::on_ttl(backend::FetchId fetch, std::int64_t pttl_ms) {
  const auto id = static_cast<cache::FillId>(fetch);
  const auto found = fills_.find(id);
  ANTEROOM_CHECK(found != fills_.end());
  const Fill fill = std::move(found->second);
  fills_.erase(found);
  if (fill.is_abandoned) return;  // the ticket was given back when it timed out

  const auto kind = fill.exists ? cache::EntryKind::kValue : cache::EntryKind::kNil;
  const auto deadline = cache::entry_deadline(options_.ttl, kind, fill.sent, pttl_ms, loop_.now());
  if (!deadline) {
    cache_.abandon(key_of(fill), id);
    return;
  }
  const std::string_view reply = fill.exists ? std::string_view(*fill.reply) : std::string_view{};
  cache_.commit(key_of(fill), id, kind, reply, *deadline, loop_.now());
}

void FillTable::on_server_error(backend::FetchId fetch, std::string_view error) {
  fail(static_cast<cache::FillId>(fetch), std::string(error));
}

void FillTable::on_failed(backend::FetchId fetch, const base::StagedError& error) {
  fail(static_cast<cache::FillId>(fetch), error.reply());
}

void FillTable::fail(cache::FillId id, const std::string& error) {
  const auto found = fills_.find(id);
  ANTEROOM_CHECK(found != fills_.end());
  Fill fill = std::move(found->second);
  fills_.erase(found);
  if (fill.is_abandoned) return;
  cache_.abandon(key_of(fill), id);
  if (fill.reply) return;  // everyone has been answered; only the time to live was missing
  metrics_.fill_errors.add();
  answer_all(id, fill, error_reply(error));
}

// --- Answers ---

void FillTable::answer_all(cache::FillId id, Fill& fill, const base::SharedBytes& reply) {
  answer(std::exchange(fill.waiters, {}), reply);
  for (const cache::OwnerId worker : std::exchange(fill.remote_waiters, {})) {
    mesh_.post(worker, [id, reply](FillTable& table) { table.finish_remote(id, reply); });
  }
}

void FillTable::answer(const std::vector<Waiter>& waiters, const base::SharedBytes& reply) {
  for (const Waiter& waiter : waiters) {
    if (Session* session = sessions_.find(waiter.session)) session->on_fill_reply(waiter.slot, reply);
  }
}

cache::Key FillTable::key_of(const Fill& fill) const noexcept { return {fill.key, fill.hash, space_of(fill.db)}; }

// --- Timeouts ---

void FillTable::expire() {
  while (!deadlines_.empty() && deadlines_.front().first <= loop_.now()) {
    const cache::FillId id = deadlines_.front().second;
    deadlines_.pop_front();
    const auto found = fills_.find(id);
    if (found == fills_.end() || found->second.is_abandoned) continue;
    Fill& fill = found->second;
    fill.is_abandoned = true;
    cache_.abandon(key_of(fill), id);
    if (fill.reply) continue;
    metrics_.fill_timeouts.add();
    answer_all(id, fill, error_reply(base::StagedError::no_reply(options_.fill_timeout).reply()));
  }
  arm_timer();
}

void FillTable::arm_timer() {
  // Those that were answered in time leave the front without a look at the clock.
  while (!deadlines_.empty() && !fills_.contains(deadlines_.front().second)) deadlines_.pop_front();
  if (deadlines_.empty() || timer_.is_running()) return;
  const base::TimePoint now = loop_.now();
  timer_.start(deadlines_.front().first > now ? deadlines_.front().first - now : base::Duration::zero());
}

}  // namespace anteroom::proxy
