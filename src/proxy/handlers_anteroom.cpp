// ANTEROOM: questions about this program itself. Never forwarded.
#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <vector>

#include "base/ascii.hpp"
#include "proxy/cached_reads.hpp"
#include "proxy/coherence.hpp"
#include "proxy/forwarder.hpp"
#include "proxy/handlers.hpp"
#include "proxy/services.hpp"
#include "proxy/session.hpp"
#include "resp/writer.hpp"

namespace anteroom::proxy {
namespace {

using cache::Inspection;

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.empty()) lines.push_back(line);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

void answer_stats(Session& session, const Request& request) {
  const std::string section = session.services().info.cache_section();
  std::vector<std::string_view> words;
  for (const std::string_view line : lines_of(section)) {
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;  // the heading
    words.push_back(line.substr(0, colon));
    words.push_back(line.substr(colon + 1));
  }
  std::string reply;
  resp::append_command(reply, words);
  session.answer(request, reply);
}

void answer_state(Session& session, const Request& request) {
  const std::string states = session.services().info.coherence_states();
  std::string reply;
  resp::append_command(reply, lines_of(states));
  session.answer(request, reply);
}

void answer_flush(Session& session, const Request& request) {
  cache::Cache* const cache = session.services().cache;
  if (request.args.size() > 3) {
    std::string reply;
    const std::size_t dropped = cache != nullptr ? cache->drop_matching(request.args[3]) : 0;
    resp::append_integer(reply, static_cast<std::int64_t>(dropped));
    session.answer(request, reply);
    return;
  }
  if (cache != nullptr) cache->bump_all_epochs();
  session.answer(request, "+OK\r\n");
}

// --- ANTEROOM CACHE KEY ---

std::string_view text_of(Inspection::What what) {
  switch (what) {
    case Inspection::What::kString:
      return "string";
    case Inspection::What::kResult:
      return "result";
    case Inspection::What::kFill:
      break;
  }
  return "fill";
}

std::string_view text_of(Inspection::Verdict verdict) {
  switch (verdict) {
    case Inspection::Verdict::kServed:
      return "hit";
    case Inspection::Verdict::kServedStale:
      return "hit (stale)";
    case Inspection::Verdict::kExpired:
      return "miss: past its deadline";
    case Inspection::Verdict::kOldEpoch:
      return "miss: its fill connection was lost or everything was invalidated since";
    case Inspection::Verdict::kNoLease:
      return "miss: the lease of its fill connection is over";
    case Inspection::Verdict::kFetching:
      break;
  }
  return "being fetched";
}

std::string_view text_of(cache::EntryKind kind) {
  switch (kind) {
    case cache::EntryKind::kValue:
      return "value";
    case cache::EntryKind::kNil:
      return "missing key";
    case cache::EntryKind::kWrongType:
      break;
  }
  return "key of another type";
}

std::string milliseconds_until(base::TimePoint deadline, base::TimePoint now) {
  if (deadline == base::kNever) return "never";
  return std::to_string(std::chrono::duration_cast<base::Milliseconds>(deadline - now).count());
}

/// What has no entry: the first reason that a lookup would meet.
std::string_view why_not_cached(const Services& services, std::string_view key) {
  if (services.cache == nullptr) return "miss: the cache is off";
  if (!services.cached_reads.covers(key)) return "miss: left out by cache.include or cache.exclude";
  switch (services.coherence.state()) {
    case CoherenceState::kSuspect:
      return "miss, not cached: the lease of this worker's fill connection is over";
    case CoherenceState::kDegraded:
      return "miss, not cached: this worker's fill connection is lost";
    case CoherenceState::kTtlOnly:
    case CoherenceState::kConnecting:
    case CoherenceState::kCoherent:
      break;
  }
  return "miss: not cached";
}

/// What GET would meet.
std::string_view lookup_of(const std::vector<Inspection>& found, const Services& services, std::string_view key) {
  if (found.empty()) return why_not_cached(services, key);
  if (found[0].what == Inspection::What::kString) return text_of(found[0].verdict);
  const bool has_result =
      std::ranges::any_of(found, [](const Inspection& each) { return each.what == Inspection::What::kResult; });
  return has_result ? "miss: only replies to other commands are cached" : "miss: being fetched";
}

std::vector<std::string> describe(const Inspection& entry, base::TimePoint now) {
  std::vector<std::string> words{"what", std::string(text_of(entry.what)), "lookup",
                                 std::string(text_of(entry.verdict))};
  const auto add = [&words](std::string_view name, std::string value) {
    words.emplace_back(name);
    words.push_back(std::move(value));
  };
  if (!entry.request.empty()) {
    std::string shown;
    for (const std::string_view line : lines_of(command_of_result(entry.request))) {
      if (line.starts_with('*') || line.starts_with('$')) continue;
      shown.append(shown.empty() ? "" : " ").append(line);
    }
    add("request", std::move(shown));
    if (is_resp3_result(entry.request)) add("protocol", "RESP3");
  }
  add("owner", std::to_string(static_cast<int>(entry.owner)));
  add("epoch", std::to_string(entry.epoch));
  add("owner_epoch", std::to_string(entry.current_epoch));
  add("age_ms", std::to_string(std::chrono::duration_cast<base::Milliseconds>(entry.age).count()));
  if (entry.what == Inspection::What::kFill) return words;
  add("holds", std::string(text_of(entry.kind)));
  add("bytes", std::to_string(entry.reply_bytes));
  add("fresh_for_ms", milliseconds_until(entry.deadlines.soft, now));
  add("ttl_left_ms", milliseconds_until(entry.deadlines.hard, now));
  return words;
}

void answer_key(Session& session, const Request& request) {
  const Services& services = session.services();
  const std::string_view name = request.args[3];
  std::vector<Inspection> found;
  const cache::Asker asker = services.coherence.asker(services.forwarder.is_link_up(session, services.loop.now()));
  if (services.cache != nullptr) {
    found = services.cache->inspect(services.cache->key(cache::Space{static_cast<std::uint32_t>(session.db())}, name),
                                    asker);
  }
  const bool is_present =
      std::ranges::any_of(found, [](const Inspection& each) { return each.what != Inspection::What::kFill; });
  std::string reply;
  resp::append_array_header(reply, 6);
  resp::append_bulk(reply, "present");
  resp::append_bulk(reply, is_present ? "yes" : "no");
  resp::append_bulk(reply, "lookup");
  resp::append_bulk(reply, lookup_of(found, services, name));
  resp::append_bulk(reply, "entries");
  resp::append_array_header(reply, found.size());
  for (const Inspection& entry : found) {
    const std::vector<std::string> words = describe(entry, asker.now);
    resp::append_command(reply, std::vector<std::string_view>(words.begin(), words.end()));
  }
  session.answer(request, reply);
}

void handle_cache(Session& session, const Request& request) {
  const std::string_view what = request.args[2];
  const std::size_t args = request.args.size();
  if (base::equals_ignore_case(what, "STATS") && args == 3) {
    answer_stats(session, request);
  } else if (base::equals_ignore_case(what, "STATE") && args == 3) {
    answer_state(session, request);
  } else if (base::equals_ignore_case(what, "FLUSH") && args <= 4) {
    answer_flush(session, request);
  } else if (base::equals_ignore_case(what, "KEY") && args == 4) {
    answer_key(session, request);
  } else {
    session.answer_error(request, "ERR anteroom: use ANTEROOM CACHE STATS, STATE, KEY key or FLUSH [glob]");
  }
}

// --- ANTEROOM CONFIG ---

void answer_options(Session& session, const Request& request) {
  std::map<std::string, std::string> found;  // an option that two globs cover is told once
  for (const std::string_view glob : request.args.subspan(3)) {
    for (auto& [name, value] : session.services().info.options(glob)) found[std::move(name)] = std::move(value);
  }
  std::string reply;
  resp::append_map_header(reply, found.size(), session.protocol());
  for (const auto& [name, value] : found) {
    resp::append_bulk(reply, name);
    resp::append_bulk(reply, value);
  }
  session.answer(request, reply);
}

void handle_config(Session& session, const Request& request) {
  const std::string_view what = request.args[2];
  if (base::equals_ignore_case(what, "GET") && request.args.size() >= 4) {
    answer_options(session, request);
  } else if (base::equals_ignore_case(what, "SET") && request.args.size() == 5) {
    const std::string error = session.services().info.set_option(request.args[3], request.args[4]);
    error.empty() ? session.answer(request, "+OK\r\n") : session.answer_error(request, "ERR anteroom: " + error);
  } else {
    session.answer_error(request, "ERR anteroom: use ANTEROOM CONFIG GET glob [glob ...] or SET option value");
  }
}

constexpr std::array kHandlers = std::to_array<HandlerRegistry::Registration>({
    {"anteroom|cache", handle_cache},
    {"anteroom|config", handle_config},
});

}  // namespace

std::span<const HandlerRegistry::Registration> anteroom_handlers() noexcept { return kHandlers; }

}  // namespace anteroom::proxy
