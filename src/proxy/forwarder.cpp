#include "proxy/forwarder.hpp"

#include <algorithm>
#include <utility>

#include "command/key_extraction.hpp"
#include "command/reply_shape.hpp"
#include "command/table.hpp"
#include "metrics/worker_metrics.hpp"
#include "proxy/session.hpp"
#include "resp/writer.hpp"

namespace anteroom::proxy {
namespace {

// Old servers unblock a client up to a second late (UPSTREAM.md B1.1, T9g).
constexpr base::Milliseconds kBlockingGrace{1500};
// Keys of a transaction that are remembered: half a megabyte. Whoever writes more has EXEC drop everything.
constexpr std::size_t kWrittenMax = 65536;
// Room for so many keys of a request is kept for the next one.
constexpr std::size_t kWrittenKept = 1024;
// So many writes are enough for what each of them drops to have been loaded before.
constexpr std::size_t kUndroppedMax = 32;

// Whether the server may have to tell its replicas.
bool may_replicate(const Request& request) noexcept {
  if (request.lookup.match != command::Match::kFound) return true;
  const command::Facts& facts = *request.lookup.facts;
  return facts.has(command::kWrite) || facts.has(command::kMayReplicate) ||
         facts.command_class == command::Class::kScript || facts.name == "exec";
}

}  // namespace

void Forwarder::forward(Session& session, const Request& request) {
  if (!session.may_forward(request)) return;
  send(session, request, session.lane(), Record{});
}

void Forwarder::forward_read(Session& session, const Request& request, const cache::Query& query) {
  if (!session.may_forward(request)) return;
  Record record;
  record.effect = Effect::kObserve;
  Observed& observed = record.more().observed;
  observed.key = query.key.bytes;
  observed.request = query.request;
  observed.query = query;
  observed.query.key.bytes = observed.key;
  observed.query.request = observed.request;
  send(session, request, session.lane(), std::move(record));
}

void Forwarder::forward_reads(Session& session, const Request& request, std::span<const cache::Key> keys) {
  if (!session.may_forward(request)) return;
  Record record;
  record.effect = Effect::kObserve;
  Observed& observed = record.more().observed;
  for (const cache::Key& key : keys) observed.hashes.push_back(key.hash);
  send(session, request, session.lane(), std::move(record));
}

void Forwarder::forward_again(Session& session, ReplyQueue::Slot slot, const Request& request,
                              std::vector<std::uint64_t> key_hashes) {
  Record record;
  record.effect = Effect::kObserve;
  record.more().observed.hashes = std::move(key_hashes);
  session.note_forwarded_again(slot);
  send_for(session, slot, request, session.lane(), std::move(record));
}

void Forwarder::forward_unknown(Session& session, const Request& request) {
  if (!session.may_forward(request)) return;
  send(session, request, session.lane(), Record{});
}

ReplyQueue::Slot Forwarder::forward_with(Session& session, const Request& request, const upstream::Lane& lane,
                                         Completion completion) {
  Record record;
  record.more().completion = std::move(completion);
  return send(session, request, lane, std::move(record));
}

ReplyQueue::Slot Forwarder::forward_blocking(Session& session, const Request& request, base::Milliseconds user_timeout,
                                             Completion completion) {
  Record record;
  record.more().completion = std::move(completion);
  record.more().timeout =
      user_timeout > base::Milliseconds::zero() ? user_timeout + kBlockingGrace : base::Milliseconds::zero();
  return send(session, request, session.lane(), std::move(record));
}

ReplyQueue::Slot Forwarder::forward_exec(Session& session, const Request& request, const Transaction& transaction,
                                         Completion completion) {
  Record record;
  record.more().completion = std::move(completion);
  record.more().queued_shapes = transaction.shapes;
  if (cache_ != nullptr) {
    const upstream::Link* const link = session.pinned_link();
    const bool is_link_up = link != nullptr && link->state() == upstream::Link::State::kUp;
    record.effect = Effect::kGuard;
    record.guard =
        transaction.writes_anything ? cache_->guard_all(is_link_up) : cache_->guard(transaction.written, is_link_up);
  }
  return send(session, request, session.lane(), std::move(record));
}

void Forwarder::note_queued(const Request& request, Transaction& transaction) const {
  const command::Facts* const queued = request.lookup.facts;
  const bool is_found = request.lookup.match == command::Match::kFound;
  const bool is_element = is_found && queued->name != "multi" && queued->name != "watch";
  if (is_element && pool_->main_lane().protocol == resp::Protocol::kResp3) {
    transaction.shapes.resize(transaction.queued);
    if (transaction.queued > 0) {
      transaction.shapes.back() = command::queued_reply_shape(*queued, request.args);
    }
  }
  if (cache_ == nullptr || transaction.writes_anything) return;
  const command::Facts* const known = facts_of(request);
  if (known == nullptr) {
    transaction.writes_anything = true;
    return;
  }
  const command::Facts& facts = *known;
  command::KeyList positions;
  switch (command::cache_effect(facts, request.args)) {
    case command::CacheEffect::kNone:
      return;
    case command::CacheEffect::kMayWriteAnything:
      transaction.writes_anything = true;
      return;
    case command::CacheEffect::kWritesKeys:
      break;
  }
  if (command::extract_written_keys(facts, request.args, positions) == command::Extraction::kUnknown) {
    transaction.writes_anything = true;
    return;
  }
  for (const std::uint32_t position : positions) {
    transaction.written.push_back(cache_->key(cache::Space{}, request.args[position]).hash);
  }
  if (transaction.written.size() <= kWrittenMax) return;
  transaction.writes_anything = true;
  transaction.written = {};
}

void Forwarder::send_own(upstream::Link& link, std::string_view command, Done done) {
  Record record;
  record.more().done = std::move(done);
  if (const auto refused = link.refusal(command.size())) {
    answer_with_error(record, *refused);
    return;
  }
  link.append(add(std::move(record)), command);
}

void Forwarder::send_own(const upstream::Lane& lane, std::string_view command, Done done) {
  if (upstream::Link* const link = pool_->shared(lane)) {
    send_own(*link, command, std::move(done));
    return;
  }
  Record record;
  record.more().done = std::move(done);
  answer_with_error(record, base::StagedError::overloaded());
}

void Forwarder::read_on_link(const upstream::Lane& lane, std::string_view command,
                             std::vector<std::uint64_t> key_hashes, Done done) {
  Record record;
  record.more().done = std::move(done);
  record.more().is_fill = true;
  record.effect = Effect::kObserve;
  record.more().observed.hashes = std::move(key_hashes);
  upstream::Link* const link = pool_->shared(lane);
  const auto refused = link != nullptr ? link->refusal(command.size()) : base::StagedError::overloaded();
  if (refused) {
    answer_with_error(record, *refused);
    return;
  }
  link->append(add(std::move(record)), command);
}

Forwarder::Guarded Forwarder::set_effect(Record& record, const Request& request) {
  if (cache_ == nullptr || record.effect != Effect::kNone) return Guarded::kNothing;
  const command::Facts* const facts = facts_of(request);
  if (facts == nullptr) {
    record.effect = Effect::kUnlessUnknown;
    return Guarded::kNothing;
  }
  if (written_.capacity() > kWrittenKept) written_ = {};
  written_.clear();
  if (const std::size_t lone = command::lone_written_key(*facts); lone != 0 && lone < request.args.size()) {
    record.effect = Effect::kGuard;
    note_written(request.args[lone]);
    return Guarded::kWrittenKeys;
  }
  const command::CacheEffect effect = command::cache_effect(*facts, request.args);
  if (effect == command::CacheEffect::kNone) return Guarded::kNothing;
  record.effect = Effect::kGuard;
  command::KeyList positions;
  if (effect == command::CacheEffect::kMayWriteAnything ||
      command::extract_written_keys(*facts, request.args, positions) == command::Extraction::kUnknown) {
    return Guarded::kEverything;
  }
  for (const std::uint32_t position : positions) note_written(request.args[position]);
  return Guarded::kWrittenKeys;
}

void Forwarder::note_written(std::string_view key) {
  written_.push_back(cache_->key(cache::Space{}, key).hash);  // a drop reaches every space
  cache_->prefetch(written_.back());
}

void Forwarder::guard(upstream::RequestId id, Guarded guarded, bool link_is_up) {
  switch (guarded) {
    case Guarded::kNothing:
      return;
    case Guarded::kEverything:
      at(id).guard = cache_->guard_all(link_is_up);
      return;
    case Guarded::kWrittenKeys:
      break;
  }
  if (!link_is_up || written_.size() > cache::WriteGuard::kInlineKeys) {
    at(id).guard = cache_->guard(written_, link_is_up);
    return;
  }
  Written& last = undropped_.emplace_back();
  last.id = id;
  last.count = written_.size();
  std::ranges::copy(written_, last.hashes.begin());
  if (undropped_.size() >= kUndroppedMax) drop_written();
}

// A look into the index waits for memory, unless that was asked for some time before, as set_effect() has done.
void Forwarder::drop_written() {
  for (const Written& each : undropped_) at(each.id).guard = cache_->guard(std::span(each.hashes).first(each.count));
  undropped_.clear();
}

void Forwarder::forget_written(upstream::RequestId id) {
  std::erase_if(undropped_, [id](const Written& written) { return written.id == id; });
}

void Forwarder::before_write(upstream::Link&) { drop_written(); }

ReplyQueue::Slot Forwarder::send(Session& session, const Request& request, const upstream::Lane& lane,
                                 Record&& record) {
  const ReplyQueue::Slot slot = session.expect_forwarded(request);
  send_for(session, slot, request, lane, std::move(record));
  return slot;
}

void Forwarder::send_for(Session& session, ReplyQueue::Slot slot, const Request& request, const upstream::Lane& lane,
                         Record&& record) {
  record.session = session.id();
  record.slot = slot;
  const Guarded guarded = set_effect(record, request);
  std::string_view bytes = request.raw;
  if (bytes.empty()) {
    encoded_.clear();
    resp::append_command(encoded_, request.args);
    bytes = encoded_;
  }
  upstream::Link* const link = session.pinned_link() != nullptr ? session.pinned_link() : shared_link(session, lane);
  const auto refused = link != nullptr ? link->refusal(bytes.size()) : base::StagedError::overloaded();
  if (refused) {
    record.guard.dismiss();
    // Before any guard: what is not sent changes nothing, and hits must survive an outage.
    answer_with_error(record, *refused);
    return;
  }
  // Elsewhere a link speaks what its sessions do.
  const bool is_resp3_for_all = pool_->main_lane().protocol == resp::Protocol::kResp3;
  if (is_resp3_for_all && session.protocol() == resp::Protocol::kResp2) set_converter(record, request);
  const bool is_link_up = link->state() == upstream::Link::State::kUp;
  const std::optional<base::Duration> timeout = record.special ? record.special->timeout : std::nullopt;
  const upstream::RequestId id = add(std::move(record));
  if (timeout) {
    link->append(id, bytes, *timeout);
  } else {
    link->append(id, bytes);
  }
  guard(id, guarded, is_link_up);
  session.services().metrics.commands_forwarded.add();
  if (may_replicate(request)) session.note_write();
  if (link->is_congested()) wait_for_link(*link, session);
}

upstream::Lane Forwarder::main_lane() const { return pool_->main_lane(); }

upstream::Lane Forwarder::link_lane(upstream::Lane lane) const {
  // Where all links speak RESP3, replies are converted for those who do not.
  if (pool_->main_lane().protocol == resp::Protocol::kResp3) lane.protocol = resp::Protocol::kResp3;
  return lane;
}
const command::Overlay::Entry* Forwarder::unlisted(const Request& request) const {
  if (upstream_commands_ == nullptr) return nullptr;
  const command::Overlay::Entry* const entry = upstream_commands_->find(request);
  if (entry == nullptr) return nullptr;
  // While the main link is down, the next server may be one that means something else by the name.
  const upstream::Link* const link = pool_->shared(main_lane());
  return link != nullptr && link->state() == upstream::Link::State::kUp ? entry : nullptr;
}

const command::Facts* Forwarder::facts_of(const Request& request) const {
  if (request.lookup.match == command::Match::kFound) return request.lookup.facts;
  const command::Overlay::Entry* const entry = unlisted(request);
  return entry != nullptr ? &entry->facts : nullptr;
}

upstream::Link* Forwarder::shared_link(const Session& session, const upstream::Lane& lane) const {
  upstream::Lane own = link_lane(lane);
  own.number = pool_->number_of(session.id().index);
  return pool_->shared(own);
}

bool Forwarder::is_link_up(const Session& session, base::TimePoint now) const {
  const upstream::Link* const link = shared_link(session, session.lane());
  return link != nullptr && link->is_responsive(now, kSilenceMax);
}

void Forwarder::wait_for_link(const upstream::Link& link, Session& session) {
  std::vector<SessionId>& waiting = waiting_for_link_[&link];
  if (waiting.size() > 2 * sessions_.size()) {
    std::erase_if(waiting, [this](SessionId id) { return sessions_.find(id) == nullptr; });
  }
  waiting.push_back(session.id());
  session.on_upstream_congested();
}

void Forwarder::wake_waiting(const upstream::Link& link) {
  const auto found = waiting_for_link_.find(&link);
  if (found == waiting_for_link_.end()) return;
  const std::vector<SessionId> waiting = std::move(found->second);
  waiting_for_link_.erase(found);
  for (const SessionId id : waiting) {
    if (Session* session = sessions_.find(id)) session->on_upstream_drained();
  }
}

void Forwarder::on_push(upstream::Link& link, std::string_view push) {
  if (const auto found = push_readers_.find(&link); found != push_readers_.end()) found->second(push);
}

void Forwarder::on_ready(upstream::Link& link, upstream::Ready why) {
  if (why == upstream::Ready::kDrained) {
    wake_waiting(link);
    return;
  }
  if (on_link_up_) on_link_up_();
  if (upstream_commands_ != nullptr && &link == pool_->shared(main_lane())) {
    upstream_commands_->on_link_up(*this, link);
  }
}

upstream::RequestId Forwarder::add(Record&& record) {
  if (first_free_ == kNoRecord) {
    records_.push_back(std::move(record));
    return upstream::RequestId{records_.size() - 1};
  }
  const std::uint32_t index = first_free_;
  Record& place = records_[index];
  first_free_ = place.next_free;
  place = std::move(record);
  return upstream::RequestId{index};
}

void Forwarder::release(upstream::RequestId id) {
  Record& record = at(id);
  record.guard.release();
  record.special.reset();
  const auto index = static_cast<std::uint32_t>(id);
  record.next_free = kNoRecord;
  (first_free_ == kNoRecord ? first_free_ : records_[last_free_].next_free) = index;
  last_free_ = index;
}

}  // namespace anteroom::proxy
