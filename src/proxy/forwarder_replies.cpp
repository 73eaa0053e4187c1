// What becomes of a request that was sent: its reply, in pieces or collected, or the error in its place.
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "command/reply_shape.hpp"
#include "proxy/forwarder.hpp"
#include "proxy/session.hpp"
#include "resp/writer.hpp"

namespace anteroom::proxy {
namespace {

// Of replies that a completion waits for: INFO, SELECT, MULTI, WAIT, and EXEC of a transaction with a SELECT in it; and
// of those to commands of ours.
constexpr std::size_t kCollectedBytesMax = 16u << 20;
constexpr std::string_view kTooLarge = "-ERR anteroom: the reply is too large to be collected\r\n";

}  // namespace

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
      if (!reply.empty()) observe(record.special->observed, reply, is_whole);
      record.special->observed = {};
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
  Special& special = record.more();
  special.converter = std::make_unique<resp::Resp2Converter>();
  special.converter->reset(shape, std::exchange(special.queued_shapes, {}));
}

void Forwarder::on_reply(upstream::RequestId id, std::string_view piece, bool last) {
  const Special* const special = at(id).special.get();
  if (special == nullptr || !special->converter) {
    take_reply(id, piece, last);
    return;
  }
  converted_.clear();
  const auto result = special->converter->convert(piece, converted_);
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
  if (record.has_done()) {
    collect(id, piece, last);
    return;
  }
  Session* const session = sessions_.find(record.session);
  if (session != nullptr && !record.is_answered) {
    // Whoever takes it may send something, and the records move, or end the link, and this one is another request's.
    const bool is_first = !std::exchange(record.is_started, true);
    if (record.has_completion()) {
      complete(record, *session, piece, last);
    } else if (is_first && last) {
      session->on_forwarded_reply(record.slot, piece);
    } else {
      session->on_forwarded_piece(record.slot, piece, last);
    }
  }
  if (last) release(id);
}

void Forwarder::complete(Record& record, Session& session, std::string_view piece, bool last) {
  std::string& collected = record.special->collected;
  collected.append(piece);
  if (collected.size() > kCollectedBytesMax) {
    collected = {};
    record.is_answered = true;  // the rest is only taken off the stream
    session.on_forwarded_error(record.slot, "ERR anteroom: the reply is too large to be completed here");
  } else if (last) {
    record.special->completion(session, record.slot, std::move(collected));
  }
}

void Forwarder::collect(upstream::RequestId id, std::string_view piece, bool last) {
  Record& record = at(id);
  Special& special = *record.special;
  const bool fits = special.collected.size() + piece.size() <= (special.is_fill ? kReadBytesMax : kCollectedBytesMax);
  if (fits) special.collected.append(piece);
  if (fits && !last) return;
  if (!fits && !special.is_fill) special.collected = kTooLarge;
  Done done = std::exchange(special.done, nullptr);
  const bool has_reply = fits || !special.is_fill;
  const auto reply = has_reply ? std::make_shared<const std::string>(std::move(special.collected)) : nullptr;
  if (last) {
    release(id);
  } else {
    special.collected = {};
    record.is_answered = true;  // the rest is only taken off the stream
  }
  done(reply);
}

void Forwarder::on_failed(upstream::RequestId id, const base::StagedError& error) {
  if (error.executed == base::Executed::kNo) {
    at(id).guard.dismiss();
    forget_written(id);
  } else {
    settle(at(id), {}, false);
  }
  answer_with_error(at(id), error);
  release(id);
}

void Forwarder::on_expired(upstream::RequestId id, const base::StagedError& error) {
  // The write may still happen: its guard stays until the link says that the outcome is known.
  answer_with_error(at(id), error);
}

void Forwarder::on_discarded(upstream::RequestId id) {
  settle(at(id), {}, false);
  release(id);
}

// Whoever hears of it may end the link, and then the record is another request's: nothing is done to it afterwards.
void Forwarder::answer_with_error(Record& record, const base::StagedError& error) {
  if (record.has_done()) {
    Done done = std::exchange(record.special->done, nullptr);
    auto reply = std::make_shared<std::string>();
    resp::append_error(*reply, error.reply());
    record.is_answered = true;
    done(reply);
    return;
  }
  Session* const session = sessions_.find(record.session);
  if (session == nullptr || std::exchange(record.is_answered, true)) return;
  if (record.is_started && !record.has_completion()) {
    session->on_forwarded_cut();
  } else {
    session->on_forwarded_error(record.slot, error.reply());
  }
}

}  // namespace anteroom::proxy
