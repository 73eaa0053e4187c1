// Handlers of the reads that the cache can answer.
#include <algorithm>
#include <string>
#include <vector>

#include "base/parse_int.hpp"
#include "proxy/cached_reads.hpp"
#include "proxy/coherence.hpp"
#include "proxy/forwarder.hpp"
#include "proxy/handlers.hpp"
#include "proxy/services.hpp"
#include "proxy/session.hpp"
#include "resp/writer.hpp"

namespace anteroom::proxy {
namespace {

// A key this long is no hot key; a fetch would copy it several times where a link sends the client's own bytes.
constexpr std::size_t kFetchedKeyBytesMax = 128 * 1024;
// More keys than this are not fetched as one: each costs a PTTL besides, and the reply is put together from parts.
constexpr std::size_t kGroupMax = 256;

/// How a string entry answers the request; not at all if its arguments are for the server to judge.
cache::View view_of(const CachedReads::Command& command, std::span<const std::string_view> args) {
  if (command.view != cache::View::Kind::kRange) return {.kind = command.view};
  const auto first = base::parse_int(args[2]);
  const auto last = base::parse_int(args[3]);
  if (!first || !last) return {};
  return {.kind = command.view, .first = *first, .last = *last};
}

void read_one(Session& session, const Request& request, const CachedReads::Command& command) {
  const cache::Cache& cache = *session.services().cache;
  const cache::Key key = cache.key(cache::Space{static_cast<std::uint32_t>(session.db())}, request.args[1]);
  CacheableRead read{
      .query = cache::Cache::string_query(key), .db = session.db(), .missing_reply = command.missing_reply};
  std::string encoded;
  if (command.kind != CachedReads::Kind::kGet) {
    // The client's own bytes name the result: they hold every argument.
    const bool is_resp3 = session.protocol() == resp::Protocol::kResp3 && !command.missing_reply3.empty();
    if (is_resp3) {
      encoded.push_back(kResp3Mark);
      encoded.append(request.raw);
      read.missing_reply = command.missing_reply3;
    }
    if (request.raw.empty()) resp::append_command(encoded, request.args);
    read.query = cache.result_query(key, encoded.empty() ? request.raw : encoded, view_of(command, request.args));
  }
  const bool can_fetch = !is_resp3_result(read.query.request) || session.services().coherence.fetches_resp3();
  if (session.must_read_on_link() || !can_fetch) {
    session.services().forwarder.forward_read(session, request, read.query);
  } else {
    session.read_through_cache(request, read);
  }
}

void read_several(Session& session, const Request& request, const CachedReads::Command& command) {
  const auto keys = request.args.subspan(1);
  const bool is_mget = command.kind == CachedReads::Kind::kMget;
  const CachedReads& reads = session.services().cached_reads;
  if (!session.must_read_on_link() && keys.size() <= kGroupMax) {
    session.read_many(request, keys, is_mget ? cache::SnapshotView::kMget : cache::SnapshotView::kExists, reads.mget());
  } else {
    forward_strings(session, request);
  }
}

bool covers(const CachedReads& reads, std::string_view key) {
  return key.size() <= kFetchedKeyBytesMax && reads.covers(key);
}

bool covers_all(const CachedReads& reads, std::span<const std::string_view> keys) {
  return std::ranges::all_of(keys, [&reads](std::string_view key) { return covers(reads, key); });
}

void handle_cached_read(Session& session, const Request& request) {
  Services& services = session.services();
  const CachedReads::Command& command = *services.cached_reads.find(*request.lookup.facts);
  const bool reads_several = command.kind == CachedReads::Kind::kMget ||
                             (command.kind == CachedReads::Kind::kExists && request.args.size() > 2);
  if (services.cache == nullptr) {
    handle_forward(session, request);
  } else if (!services.cached_reads.is_on(command, request.args.size(), services.coherence.hash_fields_expire()) ||
             !covers_all(services.cached_reads, request.args.subspan(1, reads_several ? request.args.size() - 1 : 1))) {
    services.metrics.reads_left_out.add();
    // It may still show strings that the cache holds in an older state.
    if (reads_several) {
      forward_strings(session, request);
    } else {
      handle_forward(session, request);
    }
  } else if (reads_several) {
    read_several(session, request, command);
  } else {
    read_one(session, request, command);
  }
}

// What most requests are, as long as nothing stands in the way of reading through the cache.
void handle_get(Session& session, const Request& request) {
  const Services& services = session.services();
  const std::string_view key = request.args[1];
  if (session.must_read_on_link() || !covers(services.cached_reads, key)) {
    handle_cached_read(session, request);
    return;
  }
  const cache::Space space{static_cast<std::uint32_t>(session.db())};
  const std::uint64_t hash = request.key_hash != 0 ? request.key_hash : services.cache->key(space, key).hash;
  session.read_through_cache(request, {.query = cache::Cache::string_query(key, hash, space), .db = session.db()});
}

}  // namespace

void forward_strings(Session& session, const Request& request) {
  std::vector<cache::Key> keys;
  for (const std::string_view key : request.args.subspan(1)) {
    keys.push_back(session.services().cache->key(cache::Space{}, key));
  }
  session.services().forwarder.forward_reads(session, request, keys);
}

std::span<const HandlerRegistry::Registration> read_handlers() noexcept {
  static const auto all = [] {
    std::vector<HandlerRegistry::Registration> handlers;
    for (const CachedReads::Command& command : CachedReads::commands()) {
      handlers.push_back({command.name, command.kind == CachedReads::Kind::kGet ? handle_get : handle_cached_read});
    }
    return handlers;
  }();
  return all;
}

}  // namespace anteroom::proxy
