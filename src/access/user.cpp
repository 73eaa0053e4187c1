#include "access/user.hpp"

#include <algorithm>
#include <utility>

#include "base/ascii.hpp"
#include "base/glob.hpp"
#include "command/key_extraction.hpp"

namespace anteroom::access {
namespace {

using Args = std::span<const std::string_view>;
using base::equals_ignore_case;
using command::Facts;
using command::KeyList;

/// One key of a request, and what the request does with it.
struct KeyUse {
  std::uint32_t index = 0;
  bool is_read = false;
  bool is_written = false;
};

/// The keys of a request. `are_known` is false when they cannot be told.
struct KeyUses {
  std::vector<KeyUse> keys;
  bool are_known = true;
};

bool set_reads(Args args) {
  const auto options = args.subspan(std::min<std::size_t>(3, args.size()));
  return std::ranges::any_of(options, [](std::string_view arg) { return equals_ignore_case(arg, "get"); });
}

/// Whether anything but GET may be among the subcommands of BITFIELD.
bool bitfield_writes(Args args) {
  for (std::size_t i = 2; i < args.size(); ++i) {
    const std::size_t left = args.size() - i - 1;
    if (equals_ignore_case(args[i], "get") && left >= 2) {
      i += 2;
    } else if (equals_ignore_case(args[i], "overflow") && left >= 1) {
      i += 1;
    } else {
      return true;
    }
  }
  return false;
}

/// The letter of AclFacts::key_uses for this request.
char use_of(const Facts& facts, char most, Args args) {
  if (facts.name == "set") return set_reads(args) ? 'b' : 'w';
  if (facts.name == "bitfield") return bitfield_writes(args) ? 'b' : 'r';
  return most;
}

KeyUses key_uses_of(const Facts& facts, std::string_view letters, Args args) {
  KeyUses uses;
  KeyList found;
  for (std::size_t source = 0; source < letters.size(); ++source) {
    if (letters[source] == '-') continue;
    if (command::extract_keys_of(facts, args, source, found) == command::Extraction::kUnknown) {
      return {.keys = {}, .are_known = false};
    }
    const char use = use_of(facts, letters[source], args);
    for (const std::uint32_t index : found) {
      uses.keys.push_back(
          {.index = index, .is_read = use == 'r' || use == 'b', .is_written = use == 'w' || use == 'b'});
    }
  }
  return uses;
}

/// An empty text is matched by an empty glob only: Redis's "*" is all keys where it stands for `allkeys`, not here.
bool matches(std::string_view glob, std::string_view text) noexcept {
  return text.empty() ? glob.empty() : base::glob_matches(glob, text);
}

bool permits_key(const Selector& selector, std::string_view key, KeyUse use) noexcept {
  return std::ranges::any_of(selector.keys, [&](const KeyPattern& pattern) {
    return (pattern.may_read || !use.is_read) && (pattern.may_write || !use.is_written) && matches(pattern.glob, key);
  });
}

bool may_read_all_keys(const Selector& selector) noexcept {
  return selector.has_all_keys || std::ranges::any_of(selector.keys, [](const KeyPattern& pattern) {
           return pattern.may_read && pattern.glob == "*";
         });
}

bool permits_command(const Selector& selector, const Facts& facts) noexcept {
  if (selector.has_all_commands || facts.has(command::kNoAuth)) return true;
  return facts.id < selector.commands.size() && selector.commands[facts.id];
}

bool permits_first_arg(const Selector& selector, const Facts& facts, Args args) {
  const auto known = selector.first_args.find(facts.id);
  if (known == selector.first_args.end() || args.size() < 2) return false;
  return std::ranges::any_of(known->second,
                             [&](const std::string& allowed) { return equals_ignore_case(allowed, args[1]); });
}

/// The arguments that are channels to publish on or to subscribe to. Redis's commands_with_channels.
struct ChannelArgs {
  std::size_t begin = 0;
  std::size_t end = 0;
  bool are_patterns = false;
};

ChannelArgs channels_of(const Facts& facts, Args args) {
  if (facts.name == "publish" || facts.name == "spublish") return {1, std::min<std::size_t>(2, args.size()), false};
  if (facts.name == "subscribe" || facts.name == "ssubscribe") return {1, args.size(), false};
  if (facts.name == "psubscribe") return {1, args.size(), true};
  return {};
}

std::optional<std::uint32_t> denied_channel(const Selector& selector, const ChannelArgs& channels, Args args) {
  for (std::size_t i = channels.begin; i < channels.end; ++i) {
    // A pattern is permitted as a whole: what it matches cannot be compared with what a rule matches.
    const bool is_permitted = std::ranges::any_of(selector.channels, [&](const std::string& glob) {
      return channels.are_patterns ? glob == args[i] : matches(glob, args[i]);
    });
    if (!is_permitted) return static_cast<std::uint32_t>(i);
  }
  return std::nullopt;
}

/// A request as one selector after the other looks at it; its keys are looked for once, and only if one asks.
class Request {
 public:
  Request(const Facts& facts, std::string_view letters, Args args) : facts_(facts), letters_(letters), args_(args) {}

  [[nodiscard]] std::optional<Denial> check(const Selector& selector) {
    if (!permits_command(selector, facts_) && !permits_first_arg(selector, facts_, args_)) return Denial{};
    if (!selector.has_all_keys && !letters_.empty()) {
      if (const auto index = denied_key(selector)) return Denial{.what = Denied::kKey, .index = *index};
    }
    if (!selector.has_all_channels) {
      if (const auto index = denied_channel(selector, channels_of(facts_, args_), args_)) {
        return Denial{.what = Denied::kChannel, .index = *index};
      }
    }
    return std::nullopt;
  }

 private:
  std::optional<std::uint32_t> denied_key(const Selector& selector) {
    if (!uses_) uses_ = key_uses_of(facts_, letters_, args_);
    if (!uses_->are_known) return 0;
    for (const KeyUse& use : uses_->keys) {
      if (!permits_key(selector, args_[use.index], use)) return use.index;
    }
    return std::nullopt;
  }

  const Facts& facts_;
  std::string_view letters_;
  Args args_;
  std::optional<KeyUses> uses_;
};

/// The first option of SORT that reads keys of its own making. The options are walked as the server walks them, which
/// refuses the request at the first that it does not know.
std::optional<Denial> first_sort_pattern(const Facts& facts, Args args) {
  for (std::size_t i = 2; i < args.size(); ++i) {
    const auto is = [&](std::string_view word, std::size_t values) {
      return equals_ignore_case(args[i], word) && args.size() - i > values;
    };
    const auto index = static_cast<std::uint32_t>(i + 1);
    if (is("get", 1)) return Denial{.what = Denied::kSortGet, .index = index};
    if (is("by", 1)) {
      // Without a '*' it only says not to sort.
      if (args[i + 1].contains('*')) return Denial{.what = Denied::kSortBy, .index = index};
      ++i;
    } else if (is("limit", 2)) {
      i += 2;
    } else if (facts.name == "sort" && is("store", 1)) {
      ++i;
    } else if (!is("asc", 0) && !is("desc", 0) && !is("alpha", 0)) {
      return std::nullopt;
    }
  }
  return std::nullopt;
}

bool has_everything(const Selector& selector) {
  return selector.has_all_commands && selector.has_all_keys && selector.has_all_channels;
}

/// As the server shows names that it does not know: cut, and on one line.
std::string shown_name(std::string_view name) {
  constexpr std::size_t kShownBytesMax = 128;
  std::string text = base::lowercase(name.substr(0, std::min(kShownBytesMax, name.find('\0'))));
  std::ranges::replace_if(text, [](char c) { return c == '\r' || c == '\n'; }, ' ');
  return text;
}

}  // namespace

User::User(std::string name, Rules rules, UpstreamIdentity upstream, std::shared_ptr<const AclCommands> commands)
    : name_(std::move(name)),
      rules_(std::move(rules)),
      upstream_(std::move(upstream)),
      commands_(std::move(commands)),
      is_unrestricted_(std::ranges::any_of(rules_.selectors, has_everything)) {}

bool User::may_run(const Facts& facts) const noexcept {
  return std::ranges::any_of(rules_.selectors,
                             [&](const Selector& selector) { return permits_command(selector, facts); });
}

std::optional<Denial> User::check(const command::Lookup& lookup, Args args) const {
  if (is_unrestricted_) return std::nullopt;
  const bool is_known = lookup.match == command::Match::kFound || lookup.match == command::Match::kWrongArity;
  if (is_known && commands_->acl_facts(lookup.facts->id) != nullptr) return check_known(*lookup.facts, args);
  const bool is_permitted = std::ranges::any_of(
      rules_.selectors, [](const Selector& selector) { return selector.has_all_commands && selector.has_all_keys; });
  return is_permitted ? std::nullopt : std::optional(Denial{});
}

std::optional<Denial> User::check_known(const Facts& facts, Args args) const {
  if (facts.command_class == command::Class::kScript && upstream_.user.empty()) return Denial{};
  Request request(facts, commands_->acl_facts(facts.id)->key_uses, args);
  Denial relevant;
  for (const Selector& selector : rules_.selectors) {
    const auto denial = request.check(selector);
    if (!denial) return check_sort(facts, args);
    if (std::pair(denial->what, denial->index) > std::pair(relevant.what, relevant.index)) relevant = *denial;
  }
  return relevant;
}

std::optional<Denial> User::check_sort(const Facts& facts, Args args) const {
  if (facts.name != "sort" && facts.name != "sort_ro") return std::nullopt;
  const auto pattern = first_sort_pattern(facts, args);
  if (!pattern) return std::nullopt;
  Request request(facts, commands_->acl_facts(facts.id)->key_uses, args);
  const bool is_permitted = std::ranges::any_of(rules_.selectors, [&](const Selector& selector) {
    return may_read_all_keys(selector) && !request.check(selector);
  });
  return is_permitted ? std::nullopt : pattern;
}

std::string denial_error(const Denial& denial, const command::Lookup& lookup, Args args) {
  switch (denial.what) {
    case Denied::kCommand: {
      const bool is_known = lookup.match == command::Match::kFound || lookup.match == command::Match::kWrongArity;
      const std::string name = is_known ? std::string(lookup.facts->name) : shown_name(args[0]);
      return "NOPERM this user has no permissions to run the '" + name + "' command";
    }
    case Denied::kKey:
      return "NOPERM this user has no permissions to access one of the keys used as arguments";
    case Denied::kChannel:
      return "NOPERM this user has no permissions to access one of the channels used as arguments";
    case Denied::kSortBy:
      return "ERR BY option of SORT denied due to insufficient ACL permissions.";
    case Denied::kSortGet:
      return "ERR GET option of SORT denied due to insufficient ACL permissions.";
  }
  return {};
}

}  // namespace anteroom::access
