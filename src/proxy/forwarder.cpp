#include "proxy/forwarder.hpp"

#include <utility>

#include "base/check.hpp"
#include "command/key_extraction.hpp"
#include "command/reply_shape.hpp"
#include "command/table.hpp"
#include "metrics/worker_metrics.hpp"
#include "proxy/session.hpp"
#include "resp/writer.hpp"

namespace anteroom::proxy {
namespace {

// Of replies that a completion waits for: INFO, SELECT, MULTI, WAIT, and EXEC of a transaction with a SELECT in it; and
// of those to commands of ours.
constexpr std::size_t kCollectedBytesMax = 16u << 20;
constexpr std::string_view kTooLarge = "-ERR anteroom: the reply is too large to be collected\r\n";
// Old servers unblock a client up to a second late (UPSTREAM.md B1.1, T9g).
constexpr base::Milliseconds kBlockingGrace{1500};
// Keys of a transaction that are remembered: two megabytes. Whoever writes more has EXEC drop everything.
constexpr std::size_t kWrittenMax = 65536;

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
  record.observed = std::make_unique<Observed>(Observed{
      .key = std::string(query.key.bytes), .request = std::string(query.request), .query = query, .hashes = {}});
  record.observed->query.key.bytes = record.observed->key;
  record.observed->query.request = record.observed->request;
  send(session, request, session.lane(), std::move(record));
}

void Forwarder::forward_reads(Session& session, const Request& request, std::span<const cache::Key> keys) {
  if (!session.may_forward(request)) return;
  Record record;
  record.effect = Effect::kObserve;
  record.observed = std::make_unique<Observed>();
  for (const cache::Key& key : keys) record.observed->hashes.push_back(key.hash);
  send(session, request, session.lane(), std::move(record));
}

void Forwarder::forward_again(Session& session, ReplyQueue::Slot slot, const Request& request,
                              std::vector<std::uint64_t> key_hashes) {
  Record record;
  record.effect = Effect::kObserve;
  record.observed = std::make_unique<Observed>();
  record.observed->hashes = std::move(key_hashes);
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
  record.completion = std::move(completion);
  return send(session, request, lane, std::move(record));
}

ReplyQueue::Slot Forwarder::forward_blocking(Session& session, const Request& request, base::Milliseconds user_timeout,
                                             Completion completion) {
  Record record;
  record.completion = std::move(completion);
  record.timeout =
      user_timeout > base::Milliseconds::zero() ? user_timeout + kBlockingGrace : base::Milliseconds::zero();
  return send(session, request, session.lane(), std::move(record));
}

ReplyQueue::Slot Forwarder::forward_exec(Session& session, const Request& request, const Transaction& transaction,
                                         Completion completion) {
  Record record;
  record.completion = std::move(completion);
  record.queued_shapes = transaction.shapes;
  if (cache_ != nullptr) {
    record.effect = Effect::kGuard;
    record.guard = transaction.writes_anything ? cache_->guard_all(true) : cache_->guard(transaction.written, true);
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
    const cache::Key key = cache_->key(cache::Space{}, request.args[position]);
    transaction.written.push_back({.bytes = {}, .hash = key.hash, .space = key.space});
  }
  if (transaction.written.size() <= kWrittenMax) return;
  transaction.writes_anything = true;
  transaction.written = {};
}

void Forwarder::send_own(upstream::Link& link, std::string_view command, Done done) {
  Record record;
  record.done = std::move(done);
  if (const auto refused = link.refusal(command.size())) {
    answer_with_error(record, *refused);
    return;
  }
  const auto submitted = link.submit(add(std::move(record)), command);
  ANTEROOM_CHECK(!submitted);
}

void Forwarder::send_own(const upstream::Lane& lane, std::string_view command, Done done) {
  if (upstream::Link* const link = pool_->shared(lane)) {
    send_own(*link, command, std::move(done));
    return;
  }
  Record record;
  record.done = std::move(done);
  answer_with_error(record, base::StagedError::overloaded());
}

void Forwarder::read_on_link(const upstream::Lane& lane, std::string_view command,
                             std::vector<std::uint64_t> key_hashes, Done done) {
  Record record;
  record.done = std::move(done);
  record.is_fill = true;
  record.effect = Effect::kObserve;
  record.observed = std::make_unique<Observed>();
  record.observed->hashes = std::move(key_hashes);
  upstream::Link* const link = pool_->shared(lane);
  const auto refused = link != nullptr ? link->refusal(command.size()) : base::StagedError::overloaded();
  if (refused) {
    answer_with_error(record, *refused);
    return;
  }
  const auto submitted = link->submit(add(std::move(record)), command);
  ANTEROOM_CHECK(!submitted);
}

void Forwarder::set_effect(Record& record, const Request& request, bool drop_now) {
  if (cache_ == nullptr || record.effect != Effect::kNone) return;
  const command::Facts* const facts = facts_of(request);
  if (facts == nullptr) {
    record.effect = Effect::kUnlessUnknown;
    return;
  }
  switch (command::cache_effect(*facts, request.args)) {
    case command::CacheEffect::kNone:
      return;
    case command::CacheEffect::kMayWriteAnything:
      record.effect = Effect::kGuard;
      record.guard = cache_->guard_all(drop_now);
      return;
    case command::CacheEffect::kWritesKeys:
      break;
  }
  record.effect = Effect::kGuard;
  command::KeyList positions;
  if (command::extract_written_keys(*facts, request.args, positions) == command::Extraction::kUnknown) {
    record.guard = cache_->guard_all(drop_now);
    return;
  }
  std::vector<cache::Key> keys;
  keys.reserve(positions.size());
  for (const std::uint32_t position : positions) {
    keys.push_back(cache_->key(cache::Space{}, request.args[position]));  // a drop reaches every space
  }
  record.guard = cache_->guard(keys, drop_now);
}

ReplyQueue::Slot Forwarder::send(Session& session, const Request& request, const upstream::Lane& lane, Record record) {
  const ReplyQueue::Slot slot = session.expect_forwarded(request);
  send_for(session, slot, request, lane, std::move(record));
  return slot;
}

void Forwarder::send_for(Session& session, ReplyQueue::Slot slot, const Request& request, const upstream::Lane& lane,
                         Record record) {
  record.session = session.id();
  record.slot = slot;
  std::string_view bytes = request.raw;
  if (bytes.empty()) {
    encoded_.clear();
    resp::append_command(encoded_, request.args);
    bytes = encoded_;
  }
  upstream::Link* const link =
      session.pinned_link() != nullptr ? session.pinned_link() : pool_->shared(link_lane(lane));
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
  set_effect(record, request, link->state() == upstream::Link::State::kUp);
  const std::optional<base::Duration> timeout = record.timeout;
  const upstream::RequestId id = add(std::move(record));
  const auto submitted = timeout ? link->submit(id, bytes, *timeout) : link->submit(id, bytes);
  ANTEROOM_CHECK(!submitted);
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

bool Forwarder::is_link_up(const upstream::Lane& lane, base::TimePoint now) const {
  const upstream::Link* const link = pool_->shared(link_lane(lane));
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

// The cache is settled before the reply is queued: a client that has its answer must not read the older value (R3).
void Forwarder::settle(Record& record, std::string_view reply, bool is_whole) {
  switch (std::exchange(record.effect, Effect::kNone)) {
    case Effect::kNone:
      return;
    case Effect::kGuard:
      record.guard.release();
      return;
    case Effect::kUnlessUnknown:
      if (!reply.starts_with("-ERR unknown ") && !reply.starts_with("-ERR wrong number of arguments ")) {
        cache_->bump_all_epochs();
      }
      return;
    case Effect::kObserve:
      if (!reply.empty()) observe(*record.observed, reply, is_whole);
      record.observed.reset();
      return;
  }
}

void Forwarder::observe(const Observed& observed, std::string_view reply, bool is_whole) {
  // An error shows nothing of the value, but for the one that shows the key's type.
  if (reply.starts_with('-') && !reply.starts_with("-WRONGTYPE")) return;
  for (const std::uint64_t hash : observed.hashes) cache_->drop(hash, cache::DropCause::kObserved);
  if (!observed.hashes.empty()) return;
  if (reply == "_\r\n" && observed.query.request.empty()) reply = cache::kNullBulk;  // strings are kept as in RESP2
  cache_->observe(observed.query, is_whole ? &reply : nullptr);
}

void Forwarder::set_converter(Record& record, const Request& request) {
  resp::ReplyShape shape;
  if (request.lookup.facts != nullptr) shape = command::reply_shape(*request.lookup.facts, request.args);
  record.converter = std::make_unique<resp::Resp2Converter>();
  record.converter->reset(shape, std::exchange(record.queued_shapes, {}));
}

void Forwarder::on_reply(upstream::RequestId id, std::string_view piece, bool last) {
  if (!at(id).converter) {
    take_reply(id, piece, last);
    return;
  }
  converted_.clear();
  const auto result = at(id).converter->convert(piece, converted_);
  if (result.step != resp::Resp2Converter::Step::kError) {
    if (last || !converted_.empty()) take_reply(id, converted_, last);
    return;
  }
  // What a script has made up and RESP2 cannot say: the link is in order, the client can only be left.
  settle(at(id), {}, false);
  Session* const session = sessions_.find(at(id).session);
  if (session != nullptr && !std::exchange(at(id).is_answered, true)) session->on_forwarded_cut();
  if (last) release(id);
}

void Forwarder::take_reply(upstream::RequestId id, std::string_view piece, bool last) {
  Record& record = at(id);
  settle(record, piece, last && !record.is_started);
  if (record.done) {
    collect(id, piece, last);
    return;
  }
  Session* const session = sessions_.find(record.session);
  if (session != nullptr && !record.is_answered) {
    if (record.completion) {
      complete(record, *session, piece, last);
    } else if (last && !record.is_started) {
      session->on_forwarded_reply(record.slot, piece);
    } else {
      session->on_forwarded_piece(record.slot, piece, last);
    }
    record.is_started = true;
  }
  if (last) release(id);
}

void Forwarder::complete(Record& record, Session& session, std::string_view piece, bool last) {
  record.collected.append(piece);
  if (record.collected.size() > kCollectedBytesMax) {
    record.collected = {};
    record.is_answered = true;  // the rest is only taken off the stream
    session.on_forwarded_error(record.slot, "ERR anteroom: the reply is too large to be completed here");
  } else if (last) {
    record.completion(session, record.slot, std::move(record.collected));
  }
}

void Forwarder::collect(upstream::RequestId id, std::string_view piece, bool last) {
  Record& record = at(id);
  const bool fits = record.collected.size() + piece.size() <= (record.is_fill ? kReadBytesMax : kCollectedBytesMax);
  if (fits) record.collected.append(piece);
  if (fits && !last) return;
  if (!fits && !record.is_fill) record.collected = kTooLarge;
  Done done = std::exchange(record.done, nullptr);
  const bool has_reply = fits || !record.is_fill;
  const auto reply = has_reply ? std::make_shared<const std::string>(std::move(record.collected)) : nullptr;
  if (last) {
    release(id);
  } else {
    record.collected = {};
    record.is_answered = true;  // the rest is only taken off the stream
  }
  done(reply);
}

void Forwarder::on_failed(upstream::RequestId id, const base::StagedError& error) {
  if (error.executed == base::Executed::kNo) {
    at(id).guard.dismiss();
  } else {
    settle(at(id), {}, false);
  }
  answer_with_error(at(id), error);
  release(id);
}

void Forwarder::on_expired(upstream::RequestId id, const base::StagedError& error) {
  // The write may still happen: its guard stays until the link says that the outcome is known.
  answer_with_error(at(id), error);
  at(id).is_answered = true;
}

void Forwarder::on_discarded(upstream::RequestId id) {
  settle(at(id), {}, false);
  release(id);
}

void Forwarder::answer_with_error(Record& record, const base::StagedError& error) {
  if (Done done = std::exchange(record.done, nullptr)) {
    auto reply = std::make_shared<std::string>();
    resp::append_error(*reply, error.reply());
    record.is_answered = true;
    done(reply);
    return;
  }
  Session* const session = sessions_.find(record.session);
  if (session == nullptr || record.is_answered) return;
  if (record.is_started && !record.completion) {
    session->on_forwarded_cut();
  } else {
    session->on_forwarded_error(record.slot, error.reply());
  }
}

void Forwarder::on_drained(upstream::Link& link) {
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

void Forwarder::on_up(upstream::Link& link) {
  if (on_link_up_) on_link_up_();
  if (upstream_commands_ != nullptr && &link == pool_->shared(main_lane())) {
    upstream_commands_->on_link_up(*this, link);
  }
}

upstream::RequestId Forwarder::add(Record record) {
  if (free_.empty()) {
    records_.emplace_back();
    free_.push_back(records_.size() - 1);
  }
  const std::size_t index = free_.back();
  free_.pop_back();
  records_[index] = std::move(record);
  return upstream::RequestId{index};
}

void Forwarder::release(upstream::RequestId id) {
  at(id) = Record{};
  free_.push_back(static_cast<std::size_t>(id));
}

}  // namespace anteroom::proxy
