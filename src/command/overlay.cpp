#include "command/overlay.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <utility>

#include "base/ascii.hpp"
#include "resp/value.hpp"

namespace anteroom::command {
namespace {

using resp::Value;

// Elements of one command, counted from 0. Before Redis 6 there are six, before Redis 7 seven.
constexpr std::size_t kName = 0;
constexpr std::size_t kArity = 1;
constexpr std::size_t kFlags = 2;
constexpr std::size_t kFirstKey = 3;
constexpr std::size_t kLastKey = 4;
constexpr std::size_t kKeyStep = 5;
constexpr std::size_t kCategories = 6;
constexpr std::size_t kKeySpecs = 8;
constexpr std::size_t kSubcommands = 9;
constexpr std::size_t kElementsMin = 6;

constexpr auto kFlagNames = std::to_array<std::pair<std::string_view, Flag>>({
    {"write", kWrite},
    {"readonly", kReadonly},
    {"denyoom", kDenyOom},
    {"admin", kAdmin},
    {"pubsub", kPubsub},
    {"noscript", kNoScript},
    {"blocking", kBlocking},
    {"loading", kLoading},
    {"stale", kStale},
    {"skip_monitor", kSkipMonitor},
    {"skip_slowlog", kSkipSlowlog},
    {"asking", kAsking},
    {"fast", kFast},
    {"no_auth", kNoAuth},
    {"may_replicate", kMayReplicate},
    {"no_mandatory_keys", kNoMandatoryKeys},
    {"no_async_loading", kNoAsyncLoading},
    {"no_multi", kNoMulti},
    {"movablekeys", kMovableKeys},
    {"allow_busy", kAllowBusy},
});

bool is_text(const Value& value) noexcept {
  return value.type == Value::Type::kBulk || value.type == Value::Type::kSimple;
}

/// A list of words: an array in RESP2, a set in RESP3.
bool has_word(const Value& list, std::string_view word) noexcept {
  return list.is_aggregate() &&
         std::ranges::any_of(list.items, [word](const Value& item) { return is_text(item) && item.text == word; });
}

std::uint32_t flags_of(const Value& list) noexcept {
  std::uint32_t flags = 0;
  for (const auto& [name, flag] : kFlagNames) {
    if (has_word(list, name)) flags |= flag;
  }
  return flags;
}

std::optional<std::int64_t> number_in(const Value& map, std::string_view key) noexcept {
  const Value* const found = map.find(key);
  if (found == nullptr || found->type != Value::Type::kInteger) return std::nullopt;
  return found->integer;
}

/// `part` is {"type": ..., "spec": {...}}. Null unless it is of that type.
const Value* spec_of(const Value* part, std::string_view type) noexcept {
  if (part == nullptr) return nullptr;
  const Value* const found = part->find("type");
  return found != nullptr && is_text(*found) && found->text == type ? part->find("spec") : nullptr;
}

KeySpec::Access access_of(const Value& flags) noexcept {
  if (has_word(flags, "not_key")) return KeySpec::Access::kChannel;
  if (has_word(flags, "variable_flags")) return KeySpec::Access::kReadWrite;
  if (has_word(flags, "RO")) return KeySpec::Access::kReadOnly;
  if (has_word(flags, "OW")) return KeySpec::Access::kOverwrite;
  if (has_word(flags, "RM")) return KeySpec::Access::kRemove;
  return KeySpec::Access::kReadWrite;
}

std::optional<KeySpec> range_spec(KeySpec::Access access, std::int64_t begin, std::int64_t last, std::int64_t step) {
  if (begin < 1 || begin > std::numeric_limits<std::uint8_t>::max()) return std::nullopt;
  if (step < 1 || step > std::numeric_limits<std::uint8_t>::max()) return std::nullopt;
  const bool fits = last >= std::numeric_limits<std::int8_t>::min() && last <= std::numeric_limits<std::int8_t>::max();
  if (!fits || (last >= 0 && last < begin)) return std::nullopt;
  return KeySpec{.find = KeySpec::Find::kRange,
                 .access = access,
                 .begin = static_cast<std::uint8_t>(begin),
                 .last = static_cast<std::int8_t>(last),
                 .step = static_cast<std::uint8_t>(step)};
}

std::optional<KeySpec> counted_spec(KeySpec::Access access, std::int64_t begin, const Value& rule) {
  constexpr std::int64_t kBeginMax = std::numeric_limits<std::uint8_t>::max();
  const auto count_at = number_in(rule, "keynumidx");
  const auto first = number_in(rule, "firstkey");
  const auto step = number_in(rule, "keystep");
  if (!count_at || !first || !step || *count_at < 0 || *count_at > kBeginMax) return std::nullopt;
  if (*first != *count_at + 1 || *step != 1) return std::nullopt;  // the only form that commands have
  if (begin < 1 || begin + *count_at > kBeginMax) return std::nullopt;
  return KeySpec{.find = KeySpec::Find::kCount,
                 .access = access,
                 .begin = static_cast<std::uint8_t>(begin + *count_at),
                 .last = 0,
                 .step = 1};
}

/// Nothing if no KeySpec can say it: keys behind a keyword, a part of the arguments, or what the server itself does
/// not know.
std::optional<KeySpec> key_spec(const Value& value) {
  const Value* const flags = value.find("flags");
  const Value* const search = spec_of(value.find("begin_search"), "index");
  if (flags == nullptr || search == nullptr || has_word(*flags, "incomplete")) return std::nullopt;
  const auto begin = number_in(*search, "index");
  if (!begin || *begin > std::numeric_limits<std::uint8_t>::max()) return std::nullopt;
  const KeySpec::Access access = access_of(*flags);
  const Value* const find = value.find("find_keys");
  if (const Value* const counted = spec_of(find, "keynum")) return counted_spec(access, *begin, *counted);
  const Value* const range = spec_of(find, "range");
  if (range == nullptr) return std::nullopt;
  const auto last = number_in(*range, "lastkey");
  const auto step = number_in(*range, "keystep");
  const auto limit = number_in(*range, "limit");
  if (!last || !step || !limit || *last > std::numeric_limits<std::int8_t>::max()) return std::nullopt;
  if (*last == -1 && *limit > 1) return std::nullopt;  // only one half, or less, of the arguments
  return range_spec(access, *begin, *last < 0 ? *last : *begin + *last, *step);
}

/// Where the command's keys are; nothing if that is not known. Empty: it has none.
std::optional<std::vector<KeySpec>> keys_of(const Value& row) {
  std::vector<KeySpec> keys;
  if (row.items.size() > kKeySpecs && !row.items[kKeySpecs].items.empty()) {
    for (const Value& value : row.items[kKeySpecs].items) {
      const auto spec = key_spec(value);
      if (!spec) return std::nullopt;
      keys.push_back(*spec);
    }
    return keys;
  }
  const std::int64_t first = row.items[kFirstKey].integer;
  if (first == 0) return keys;
  const auto spec =
      range_spec(KeySpec::Access::kReadWrite, first, row.items[kLastKey].integer, row.items[kKeyStep].integer);
  if (!spec) return std::nullopt;
  keys.push_back(*spec);
  return keys;
}

bool is_written(const KeySpec& spec) noexcept {
  return spec.access != KeySpec::Access::kReadOnly && spec.access != KeySpec::Access::kChannel;
}

/// Sets the effect and returns the keys that it needs.
std::vector<KeySpec> judge_effect(const Value& row, Facts& facts) {
  facts.effect = CacheEffect::kMayWriteAnything;
  if (facts.has(kReadonly) && !facts.has(kWrite)) {
    facts.effect = CacheEffect::kNone;
    return {};
  }
  // Whoever says neither may do anything: scripts do, and calls of a module's library.
  if (!facts.has(kWrite) || facts.has(kMovableKeys)) return {};
  auto keys = keys_of(row);
  if (!keys || std::ranges::none_of(*keys, is_written)) return {};
  facts.effect = CacheEffect::kWritesKeys;
  return std::move(*keys);
}

// What Redis tells of a command that acts on the connection: its category, and of a subscription that no script may run
// it (PUBLISH may be).
Overlay::Link link_for(const Value& row, const Facts& facts) noexcept {
  if (facts.has(kBlocking)) return Overlay::Link::kPinned;
  if (facts.has(kPubsub) && facts.has(kNoScript)) return Overlay::Link::kNone;
  const bool has_categories = row.items.size() > kCategories;
  if (has_categories &&
      (has_word(row.items[kCategories], "@connection") || has_word(row.items[kCategories], "@transaction"))) {
    return Overlay::Link::kNone;
  }
  return Overlay::Link::kShared;
}

bool is_row(const Value& row) noexcept {
  if (row.type != Value::Type::kArray || row.items.size() < kElementsMin || !is_text(row.items[kName])) return false;
  const auto is_number = [&](std::size_t at) { return row.items[at].type == Value::Type::kInteger; };
  const std::int64_t arity = row.items[kArity].integer;
  return is_number(kArity) && arity >= std::numeric_limits<int>::min() && arity <= std::numeric_limits<int>::max() &&
         row.items[kFlags].is_aggregate() && is_number(kFirstKey) && is_number(kLastKey) && is_number(kKeyStep);
}

/// `text` in lower case behind what `buffer` has already; empty if it does not fit.
template <std::size_t N>
std::size_t append_lower(std::array<char, N>& buffer, std::size_t used, std::string_view text) noexcept {
  if (text.empty() || text.size() > Overlay::kNameBytesMax || used + text.size() > N) return 0;
  for (const char c : text) buffer[used++] = base::to_lower(c);
  return used;
}

}  // namespace

/// Fills an Overlay from the tree of a reply.
struct Overlay::Reader {
  Overlay& overlay;
  const Table& known;

  void take_command(const Value& row) {
    if (!is_row(row)) return;
    std::string name = base::lowercase(row.items[kName].text);
    if (name.empty() || name.size() > kNameBytesMax || name.contains('|')) return;
    if (!overlay.names_.insert(name).second) return;
    take_row(row, name);
    if (row.items.size() <= kSubcommands) return;
    for (const Value& subcommand : row.items[kSubcommands].items) take_subcommand(subcommand, name);
  }

  void take_subcommand(const Value& row, const std::string& container) {
    if (!is_row(row)) return;
    const std::string name = base::lowercase(row.items[kName].text);
    const std::string prefix = container + '|';
    if (!name.starts_with(prefix)) return;
    if (name.size() == prefix.size() || name.size() - prefix.size() > kNameBytesMax) return;
    take_row(row, name);
    // Its container is one, known to the table or not.
    if (const auto found = overlay.rows_.find(container); found != overlay.rows_.end()) {
      found->second.entry.facts.is_container = true;
    }
  }

  void take_row(const Value& row, const std::string& name) {
    if (known.find_name(name) != nullptr) return;
    const auto [at, is_new] = overlay.rows_.try_emplace(name);
    if (!is_new) return;
    Row& kept = at->second;
    Facts& facts = kept.entry.facts;
    facts.name = at->first;
    facts.arity = static_cast<int>(row.items[kArity].integer);
    facts.flags = flags_of(row.items[kFlags]);
    kept.keys = judge_effect(row, facts);
    facts.keys = kept.keys;
    kept.entry.link = link_for(row, facts);
    facts.command_class = kept.entry.link == Link::kPinned ? Class::kBlocking : Class::kAnyNode;
  }
};

std::expected<Overlay, std::string> Overlay::parse(std::string_view reply, const Table& known) {
  if (reply.size() > kReplyBytesMax) return std::unexpected("longer than " + std::to_string(kReplyBytesMax) + " bytes");
  const auto value = resp::parse_value(reply);
  if (!value) return std::unexpected("no whole RESP value");
  if (value->is_error()) return std::unexpected(value->text);
  if (value->type != Value::Type::kArray) return std::unexpected("no array");
  Overlay overlay;
  for (const Value& row : value->items) Reader{overlay, known}.take_command(row);
  return overlay;
}

const Overlay::Entry* Overlay::find(std::span<const std::string_view> args) const noexcept {
  std::array<char, 2 * kNameBytesMax + 1> name;
  if (args.empty() || args[0].contains('|')) return nullptr;
  std::size_t size = append_lower(name, 0, args[0]);
  if (size == 0) return nullptr;
  const auto whole = rows_.find(std::string_view(name.data(), size));
  const bool is_plain = whole != rows_.end() && !whole->second.entry.facts.is_container;
  if (is_plain || args.size() == 1) return whole != rows_.end() ? &whole->second.entry : nullptr;
  name[size++] = '|';
  size = append_lower(name, size, args[1]);
  const auto part = size == 0 ? rows_.end() : rows_.find(std::string_view(name.data(), size));
  return part != rows_.end() ? &part->second.entry : nullptr;
}

bool Overlay::knows(std::string_view name) const noexcept {
  std::array<char, kNameBytesMax> lower;
  const std::size_t size = append_lower(lower, 0, name);
  return size != 0 && names_.contains(std::string_view(lower.data(), size));
}

}  // namespace anteroom::command
