#include "command/key_extraction.hpp"

#include <optional>

#include "base/ascii.hpp"
#include "base/parse_int.hpp"

namespace anteroom::command {
namespace {

using Args = std::span<const std::string_view>;
using base::equals_ignore_case;

bool push_range(std::size_t begin, std::size_t last, std::size_t step, Args args, KeyList& out) {
  if (begin > last || last >= args.size()) return false;
  for (std::size_t i = begin; i <= last; i += step) out.push_back(static_cast<std::uint32_t>(i));
  return true;
}

bool push_counted(std::size_t begin, bool may_be_none, Args args, KeyList& out) {
  if (begin >= args.size()) return false;
  const std::size_t after = args.size() - begin - 1;
  const auto count = base::parse_int(args[begin], may_be_none ? 0 : 1, static_cast<std::int64_t>(after));
  if (!count) return false;
  return *count == 0 || push_range(begin + 1, begin + static_cast<std::size_t>(*count), 1, args, out);
}

/// False if the request has not the shape that the rule expects.
bool push_spec(const KeySpec& spec, const Facts& facts, Args args, KeyList& out) {
  const std::size_t begin = spec.begin;
  if (spec.find == KeySpec::Find::kCount) return push_counted(begin, facts.has(kNoMandatoryKeys), args, out);
  const auto size = static_cast<std::ptrdiff_t>(args.size());
  const std::ptrdiff_t last = spec.last < 0 ? size + spec.last : spec.last;
  if (last < 0) return false;
  // "PFMERGE dst" is complete without sources; other commands' arity asks for one key at least.
  if (begin == args.size() && spec.last < 0) return true;
  return push_range(begin, static_cast<std::size_t>(last), spec.step, args, out);
}

/// The last STORE of SORT counts; the value of another option is never a keyword.
std::optional<std::size_t> sort_destination(Args args) {
  std::optional<std::size_t> found;
  for (std::size_t i = 2; i + 1 < args.size(); ++i) {
    if (equals_ignore_case(args[i], "store")) {
      found = ++i;
    } else if (equals_ignore_case(args[i], "by") || equals_ignore_case(args[i], "get")) {
      ++i;
    } else if (equals_ignore_case(args[i], "limit")) {
      i += 2;
    }
  }
  return found;
}

/// Calls `found` with the index of each key after STORE or STOREDIST. The options begin after the required arguments.
template <typename Found>
void walk_geo_destinations(const Facts& facts, Args args, Found found) {
  for (auto i = static_cast<std::size_t>(-facts.arity); i + 1 < args.size(); ++i) {
    if (equals_ignore_case(args[i], "store") || equals_ignore_case(args[i], "storedist")) found(++i);
  }
}

struct StreamOptions {
  std::size_t keys_at = 0;  // 0: no STREAMS
  bool blocks = false;
};

StreamOptions stream_options(Args args) {
  StreamOptions options;
  for (std::size_t i = 1; i + 1 < args.size(); ++i) {
    if (equals_ignore_case(args[i], "streams")) {
      options.keys_at = i + 1;
      return options;
    }
    if (equals_ignore_case(args[i], "group")) {
      i += 2;
    } else if (equals_ignore_case(args[i], "count")) {
      ++i;
    } else if (equals_ignore_case(args[i], "block")) {
      options.blocks = true;
      ++i;
    }
  }
  return options;
}

bool push_streams(Args args, KeyList& out) {
  const std::size_t begin = stream_options(args).keys_at;
  if (begin == 0) return false;
  const std::size_t keys = (args.size() - begin) / 2;  // as many ids follow
  return keys > 0 && push_range(begin, begin + keys - 1, 1, args, out);
}

bool push_migrated(Args args, KeyList& out) {
  constexpr std::size_t kOneKey = 3;
  if (args.size() <= kOneKey) return false;
  for (std::size_t i = 6; i < args.size(); ++i) {
    if (equals_ignore_case(args[i], "keys")) {
      return args[kOneKey].empty() && push_range(i + 1, args.size() - 1, 1, args, out);
    }
    if (equals_ignore_case(args[i], "auth")) {
      ++i;
    } else if (equals_ignore_case(args[i], "auth2")) {
      i += 2;
    }
  }
  out.push_back(kOneKey);
  return true;
}

bool push_walk(const Facts& facts, Args args, KeyList& out) {
  switch (facts.key_walk) {
    case KeyWalk::kNone:
      return true;
    case KeyWalk::kSort:
      if (const auto destination = sort_destination(args)) out.push_back(static_cast<std::uint32_t>(*destination));
      return true;
    case KeyWalk::kGeoRadius:
      walk_geo_destinations(facts, args, [&](std::size_t i) { out.push_back(static_cast<std::uint32_t>(i)); });
      return true;
    case KeyWalk::kStreams:
      return push_streams(args, out);
    case KeyWalk::kMigrate:
      return push_migrated(args, out);
  }
  return false;
}

template <typename Wanted>
Extraction extract(const Facts& facts, Args args, KeyList& out, bool with_walk, Wanted wanted) {
  out.clear();
  for (const KeySpec& spec : facts.keys) {
    if (!wanted(spec.access)) continue;
    if (!push_spec(spec, facts, args, out)) {
      out.clear();
      return Extraction::kUnknown;
    }
  }
  if (with_walk && !push_walk(facts, args, out)) {
    out.clear();
    return Extraction::kUnknown;
  }
  return out.empty() ? Extraction::kNoKeys : Extraction::kKeys;
}

}  // namespace

void KeyList::push_back(std::uint32_t index) {
  if (size_ < kInline) {
    few_[size_] = index;
  } else {
    if (many_.empty()) many_.assign(few_.begin(), few_.end());
    many_.push_back(index);
  }
  ++size_;
}

void KeyList::clear() noexcept {
  size_ = 0;
  many_.clear();
}

Extraction extract_keys(const Facts& facts, Args args, KeyList& out) {
  return extract(facts, args, out, true, [](KeySpec::Access access) { return access != KeySpec::Access::kChannel; });
}

Extraction extract_written_keys(const Facts& facts, Args args, KeyList& out) {
  // What a walk finds in a write command is its destination, or all its keys.
  return extract(facts, args, out, facts.has(kWrite), is_write);
}

std::size_t key_sources(const Facts& facts) noexcept {
  return facts.keys.size() + (facts.key_walk == KeyWalk::kNone ? 0 : 1);
}

Extraction extract_keys_of(const Facts& facts, Args args, std::size_t source, KeyList& out) {
  out.clear();
  const bool is_found =
      source < facts.keys.size() ? push_spec(facts.keys[source], facts, args, out) : push_walk(facts, args, out);
  if (!is_found) {
    out.clear();
    return Extraction::kUnknown;
  }
  return out.empty() ? Extraction::kNoKeys : Extraction::kKeys;
}

CacheEffect cache_effect(const Facts& facts, Args args) noexcept {
  bool stores = true;
  if (facts.key_walk == KeyWalk::kSort) {
    stores = sort_destination(args).has_value();
  } else if (facts.key_walk == KeyWalk::kGeoRadius) {
    stores = false;
    walk_geo_destinations(facts, args, [&](std::size_t) { stores = true; });
  }
  return stores ? facts.effect : CacheEffect::kNone;
}

CacheEffect cache_effect(const Lookup& lookup, Args args) noexcept {
  if (lookup.match != Match::kFound) return CacheEffect::kMayWriteAnything;
  return cache_effect(*lookup.facts, args);
}

bool needs_pinned_link(const Facts& facts, Args args) noexcept {
  switch (facts.command_class) {
    case Class::kBlocking:
      return facts.key_walk != KeyWalk::kStreams || stream_options(args).blocks;
    case Class::kTransaction:
    case Class::kSubscription:
    case Class::kStream:
      return true;
    default:
      return facts.name == "script|debug";
  }
}

}  // namespace anteroom::command
