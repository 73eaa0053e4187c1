// How a Session reads through the cache. What else it does is in session.cpp, the moving of bytes in session_io.cpp.
#include <algorithm>
#include <array>
#include <utility>

#include "base/check.hpp"
#include "net/event_loop.hpp"
#include "proxy/fill_table.hpp"
#include "proxy/forwarder.hpp"
#include "proxy/session.hpp"
#include "resp/value.hpp"
#include "resp/writer.hpp"
#include "upstream/pinned_pool.hpp"

namespace anteroom::proxy {
namespace {

bool is_hit(cache::ReadStatus status) { return status == cache::ReadStatus::kHit || status == cache::ReadStatus::kNil; }

std::string_view null_of(resp::Protocol protocol) {
  return protocol == resp::Protocol::kResp3 ? std::string_view("_\r\n") : cache::kNullBulk;
}

std::vector<cache::Query> queries_of(const cache::Cache& cache, int db, std::span<const std::string> keys) {
  std::vector<cache::Query> queries;
  queries.reserve(keys.size());
  for (const std::string& key : keys) {
    queries.push_back(cache::Cache::string_query(cache.key(cache::Space{static_cast<std::uint32_t>(db)}, key)));
  }
  return queries;
}

}  // namespace

cache::Asker Session::asker() const {
  const Coherence& coherence = services_.coherence;
  return coherence.asker(!coherence.wants_link_state() || services_.forwarder.is_link_up(*this, services_.loop.now()));
}

// Fills are shared by sessions of both protocols; of what they bring, only the null differs.
void Session::append_part(base::ByteQueue& sink, const base::SharedBytes& encoded) const {
  if (*encoded == cache::kNullBulk) {
    sink.append(null_of(lane_.protocol));
  } else if (encoded->size() <= base::ByteQueue::kCopyMax) {
    sink.append(*encoded);
  } else {
    sink.append_shared(encoded);
  }
}

bool Session::fetches_any_of(std::span<const cache::Key> keys) const {
  if (services_.fills.is_congested()) return true;
  return std::ranges::any_of(keys, [this](const cache::Key& key) {
    return std::ranges::any_of(fetched_keys_, [&](const FetchedKey& fetched) { return fetched.hash == key.hash; });
  });
}

void Session::end_fill(ReplyQueue::Slot slot) {
  --fills_outstanding_;
  // Nearly always the first: replies come in the order of their requests.
  const auto [first, last] = std::ranges::equal_range(fetched_keys_, slot, {}, &FetchedKey::slot);
  fetched_keys_.erase(first, last);
}

void Session::read_through_cache(const Request& request, const CacheableRead& read) {
  if (must_wait_for_fills({&read.query.key, 1})) {
    put_off(request, false);
    return;
  }
  const bool direct = replies_.empty() && !replies_.is_muted();
  const ReplyQueue::Slot slot = direct ? 0 : replies_.reserve();
  base::ByteQueue& sink = direct ? out_ : replies_.sink(slot);

  const cache::ReadResult result = services_.cache->read(read.query, asker(), sink);
  if (is_hit(result.status)) {
    if (result.status == cache::ReadStatus::kNil) sink.append(null_of(lane_.protocol));
    if (result.fill != 0) services_.fills.refresh(read, result.fill);
    if (!direct) replies_.finish(slot);
    note_answered(request, Outcome::Source::kCacheHit, {});
    return;
  }
  if (result.status == cache::ReadStatus::kBypass) {
    if (!direct) replies_.release_newest(slot);
    forward_bypassed(request, read.query);
    return;
  }
  const ReplyQueue::Slot awaited = direct ? replies_.reserve() : slot;
  ++fills_outstanding_;
  fetched_keys_.push_back({awaited, read.query.key.hash});
  note_started(awaited, request, Outcome::Source::kFill);
  services_.fills.wait(read, result, FillTable::Waiter{id_, awaited, 0});
}

// --- MGET, and EXISTS of many ---

void Session::read_many(const Request& request, std::span<const std::string_view> keys, cache::SnapshotView view,
                        MgetMode mode) {
  std::vector<cache::Key> named;
  named.reserve(keys.size());
  const cache::Space space{static_cast<std::uint32_t>(lane_.db)};
  for (const std::string_view key : keys) named.push_back(services_.cache->key(space, key));
  if (must_wait_for_fills(named)) {
    put_off(request, false);
    return;
  }
  if (answer_snapshot(request, named, view)) return;
  if (view == cache::SnapshotView::kExists) {
    services_.forwarder.forward_reads(*this, request, named);
  } else if (mode == MgetMode::kPerKey) {
    read_each(request, named);
  } else {
    fetch_snapshot(request, named);
  }
}

bool Session::answer_snapshot(const Request& request, std::span<const cache::Key> keys, cache::SnapshotView view) {
  base::ByteQueue reply;
  if (view == cache::SnapshotView::kMget) {
    std::string header;
    resp::append_array_header(header, keys.size());
    reply.append(header);
  }
  if (!services_.cache->read_snapshot(keys, view, asker(), reply, null_of(lane_.protocol))) return false;
  const ReplyQueue::Slot slot = replies_.reserve();
  replies_.sink(slot).append(std::move(reply));
  replies_.finish(slot);
  note_answered(request, Outcome::Source::kCacheHit, {});
  return true;
}

// All of them anew, by one MGET: values that are there already may be of another moment than those that are missing.
void Session::fetch_snapshot(const Request& request, std::span<const cache::Key> keys) {
  std::vector<cache::FillId> fills;
  fills.reserve(keys.size());
  for (const cache::Key& key : keys) {
    const cache::FillId fill = services_.cache->start_fill(cache::Cache::string_query(key), asker());
    if (fill == 0) break;
    fills.push_back(fill);
  }
  if (fills.size() < keys.size()) {
    for (std::size_t i = 0; i < fills.size(); ++i) {
      services_.cache->abandon(cache::Cache::string_query(keys[i]), fills[i]);
    }
    forward_many(request, keys);
    return;
  }
  const ReplyQueue::Slot slot = expect_gathered(request, keys);
  services_.fills.fetch_group(lane_.db, keys, fills, FillTable::Waiter{id_, slot, 0});
}

void Session::read_each(const Request& request, std::span<const cache::Key> keys) {
  std::vector<base::SharedBytes> hits(keys.size());
  std::vector<std::pair<std::size_t, cache::ReadResult>> misses;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    base::ByteQueue hit;
    const CacheableRead read{.query = cache::Cache::string_query(keys[i]), .db = lane_.db};
    const cache::ReadResult result = services_.cache->read(read.query, asker(), hit);
    if (is_hit(result.status)) {
      if (result.fill != 0) services_.fills.refresh(read, result.fill);
      hits[i] = std::make_shared<std::string>(result.status == cache::ReadStatus::kNil ? std::string(cache::kNullBulk)
                                                                                       : hit.to_string());
    } else {
      misses.emplace_back(i, result);
    }
  }
  const auto is_bypass = [](const auto& miss) { return miss.second.status == cache::ReadStatus::kBypass; };
  if (std::ranges::any_of(misses, is_bypass)) {
    for (const auto& [part, result] : misses) {
      if (result.status == cache::ReadStatus::kFill) {
        services_.cache->abandon(cache::Cache::string_query(keys[part]), result.fill);
      }
    }
    forward_many(request, keys);
    return;
  }
  const ReplyQueue::Slot slot = expect_gathered(request, keys);
  for (const auto& [part, result] : misses) {
    const CacheableRead read{.query = cache::Cache::string_query(keys[part]), .db = lane_.db};
    services_.fills.wait(read, result, FillTable::Waiter{id_, slot, part});
  }
  for (std::size_t i = 0; i < hits.size(); ++i) {
    if (hits[i]) on_fill_reply(slot, i, hits[i]);
  }
}

ReplyQueue::Slot Session::expect_gathered(const Request& request, std::span<const cache::Key> keys) {
  const ReplyQueue::Slot slot = replies_.reserve();
  Gather& gather = awaited().gathers[slot];
  gather.parts.resize(keys.size());
  gather.missing = keys.size();
  gather.keys.reserve(keys.size());
  for (const cache::Key& key : keys) gather.keys.emplace_back(key.bytes);
  ++fills_outstanding_;
  for (const cache::Key& key : keys) fetched_keys_.push_back({slot, key.hash});
  note_started(slot, request, Outcome::Source::kFill);
  return slot;
}

Session::Gather* Session::find_gather(ReplyQueue::Slot slot) noexcept {
  if (!awaited_) return nullptr;
  const auto found = awaited_->gathers.find(slot);
  return found != awaited_->gathers.end() ? &found->second : nullptr;
}

void Session::on_fill_reply(ReplyQueue::Slot slot, std::size_t part, const base::SharedBytes& encoded) {
  if (Gather* const gather = find_gather(slot)) {
    ANTEROOM_CHECK(part < gather->parts.size() && !gather->parts[part]);
    gather->parts[part] = encoded;
    if (--gather->missing > 0) return;
    const Gather whole = std::move(*gather);
    awaited_->gathers.erase(slot);
    finish_gather(slot, whole);
    return;
  }
  append_part(replies_.sink(slot), encoded);
  schedule_flush();
  end_fill(slot);
  slot_ended(slot, error_of(*encoded));
}

void Session::finish_gather(ReplyQueue::Slot slot, const Gather& gather) {
  if (gather.is_left) {
    std::vector<std::string_view> args{"MGET"};
    args.insert(args.end(), gather.keys.begin(), gather.keys.end());
    read_again_on_link(slot, args, queries_of(*services_.cache, lane_.db, gather.keys));
    return;
  }
  end_fill(slot);
  schedule_flush();
  // One part that could not be fetched spoils the whole, but to MGET a key of another type is as good as none.
  for (const base::SharedBytes& part : gather.parts) {
    if (!part->starts_with('-') || part->starts_with("-WRONGTYPE")) continue;
    replies_.append(slot, *part);
    slot_ended(slot, error_of(*part));
    return;
  }
  std::string header;
  resp::append_array_header(header, gather.parts.size());
  base::ByteQueue& sink = replies_.sink(slot);
  sink.append(header);
  for (const base::SharedBytes& part : gather.parts) {
    if (part->starts_with('-')) {
      sink.append(null_of(lane_.protocol));
    } else {
      append_part(sink, part);
    }
  }
  slot_ended(slot, {});
}

// --- On a link instead ---

void Session::on_fill_left(ReplyQueue::Slot slot, std::size_t part, const CacheableRead& read) {
  if (Gather* const gather = find_gather(slot)) {
    gather->is_left = true;
    on_fill_reply(slot, part, std::make_shared<const std::string>());
    return;
  }
  const std::string_view command = command_of_result(read.query.request);
  if (command.empty()) {
    read_again_on_link(slot, std::array<std::string_view, 2>{"GET", read.query.key.bytes}, {&read.query, 1});
    return;
  }
  const auto parsed = resp::parse_value(command);
  ANTEROOM_CHECK(parsed && !parsed->items.empty());  // a client's command, or made of one
  std::vector<std::string_view> args;
  for (const resp::Value& item : parsed->items) args.emplace_back(item.text);
  read_again_on_link(slot, args, {&read.query, 1});
}

// What of this session is outstanding are reads, of other keys: none has to be before it.
void Session::read_again_on_link(ReplyQueue::Slot slot, std::span<const std::string_view> args,
                                 std::span<const cache::Query> queries) {
  end_fill(slot);
  choose_link(queries);
  std::vector<std::uint64_t> hashes;
  for (const cache::Query& query : queries) hashes.push_back(query.key.hash);
  services_.forwarder.forward_again(*this, slot, Request{{.args = args}, services_.commands.find(args)},
                                    std::move(hashes));
  if (put_off_is_due()) schedule_input();
}

// Before what is known to be large is forwarded: on a shared link, the replies of other sessions would have to wait.
// But behind what this one has outstanding on a shared link it has to stay there.
void Session::choose_link(std::span<const cache::Query> queries) {
  if (pinned_ != nullptr || forwards_outstanding_ > 0) return;
  const auto is_large = [this](const cache::Query& query) {
    return services_.cache->is_known_large(query, services_.loop.now());
  };
  if (std::ranges::none_of(queries, is_large)) return;
  pinned_ = services_.pinned.take_spare(services_.forwarder.link_lane(lane_));
}

void Session::forward_bypassed(const Request& request, const cache::Query& query) {
  if (!may_forward(request)) return;
  choose_link({&query, 1});
  services_.forwarder.forward_read(*this, request, query);
}

void Session::forward_many(const Request& request, std::span<const cache::Key> keys) {
  if (!may_forward(request)) return;
  std::vector<cache::Query> queries;
  for (const cache::Key& key : keys) queries.push_back(cache::Cache::string_query(key));
  choose_link(queries);
  services_.forwarder.forward_reads(*this, request, keys);
}

}  // namespace anteroom::proxy
