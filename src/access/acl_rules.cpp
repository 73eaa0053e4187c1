#include "access/acl_rules.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/ascii.hpp"

namespace anteroom::access {
namespace {

using base::equals_ignore_case;
using command::Facts;

/// Why a word is refused; nothing when it is not.
using Problem = std::optional<std::string_view>;

constexpr std::string_view kUnknownName = "Unknown command or category name in ACL";
constexpr std::string_view kSyntax = "Syntax error";
constexpr std::string_view kBadHash =
    "The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters";
constexpr std::string_view kNoSuchPassword = "The password you are trying to remove from the user does not exist";
constexpr std::string_view kHasAllKeys =
    "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any effect. "
    "Try 'resetkeys' to start with an empty list of patterns";
constexpr std::string_view kHasAllChannels =
    "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any effect. "
    "Try 'resetchannels' to start with an empty list of channels";
constexpr std::string_view kFirstArgOfSubcommand = "Allowing first-arg of a subcommand is not supported";

/// Applies words to one selector.
class SelectorWriter {
 public:
  SelectorWriter(const AclCommands& commands, Selector& selector) : commands_(commands), selector_(selector) {}

  Problem apply(std::string_view word) {
    if (is_whole_word(word)) return std::nullopt;
    switch (word.front()) {
      case '~':
        return add_key_pattern(word.substr(1), true, true);
      case '%':
        return add_key_pattern_with_access(word.substr(1));
      case '&':
        return add_channel(word.substr(1));
      case '+':
      case '-':
        return change_commands(word.substr(1), word.front() == '+');
      default:
        return kSyntax;
    }
  }

  void set_all_commands(bool is_allowed) {
    selector_.commands.assign(commands_.table().size(), is_allowed);
    selector_.has_all_commands = is_allowed;
    selector_.first_args.clear();
  }

 private:
  bool is_whole_word(std::string_view word) {
    const auto is = [word](std::string_view a, std::string_view b) {
      return equals_ignore_case(word, a) || equals_ignore_case(word, b);
    };
    if (is("allkeys", "~*") || is("resetkeys", "resetkeys")) {
      selector_.has_all_keys = !is("resetkeys", "resetkeys");
      selector_.keys.clear();
    } else if (is("allchannels", "&*") || is("resetchannels", "resetchannels")) {
      selector_.has_all_channels = !is("resetchannels", "resetchannels");
      selector_.channels.clear();
    } else if (is("allcommands", "+@all") || is("nocommands", "-@all")) {
      set_all_commands(is("allcommands", "+@all"));
    } else {
      return false;
    }
    return true;
  }

  /// "R~glob", "RW~glob"; as Redis has it, a word that ends before its '~' has an empty glob.
  Problem add_key_pattern_with_access(std::string_view text) {
    if (selector_.has_all_keys) return kHasAllKeys;
    bool may_read = false;
    bool may_write = false;
    std::size_t at = 0;
    for (; at < text.size() && text[at] != '~'; ++at) {
      bool& access = base::to_lower(text[at]) == 'r' ? may_read : may_write;
      const bool is_letter = base::to_lower(text[at]) == 'r' || base::to_lower(text[at]) == 'w';
      if (!is_letter || std::exchange(access, true)) return kSyntax;
    }
    if (!may_read && !may_write) return kSyntax;
    return add_key_pattern(text.substr(std::min(at + 1, text.size())), may_read, may_write);
  }

  Problem add_key_pattern(std::string_view glob, bool may_read, bool may_write) {
    if (selector_.has_all_keys) return kHasAllKeys;
    const auto known = std::ranges::find(selector_.keys, glob, &KeyPattern::glob);
    if (known == selector_.keys.end()) {
      selector_.keys.push_back({std::string(glob), may_read, may_write});
    } else {
      known->may_read |= may_read;
      known->may_write |= may_write;
    }
    return std::nullopt;
  }

  Problem add_channel(std::string_view glob) {
    if (selector_.has_all_channels) return kHasAllChannels;
    if (std::ranges::find(selector_.channels, glob) == selector_.channels.end()) selector_.channels.emplace_back(glob);
    return std::nullopt;
  }

  Problem change_commands(std::string_view name, bool is_allowed) {
    if (name.starts_with('@')) return change_category(name.substr(1), is_allowed);
    const std::size_t bar = name.rfind('|');
    if (is_allowed && bar != std::string_view::npos) return allow_part(name, bar);
    const Facts* facts = commands_.find(name);
    if (facts == nullptr) return kUnknownName;
    change(*facts, is_allowed);
    return std::nullopt;
  }

  /// "+command|subcommand", or a command with one first argument.
  Problem allow_part(std::string_view name, std::size_t bar) {
    const Facts* command = commands_.find(name.substr(0, bar));
    const std::string_view part = name.substr(bar + 1);
    if (command == nullptr) return kUnknownName;
    if (command->name.contains('|')) return kFirstArgOfSubcommand;
    if (part.empty()) return kSyntax;
    if (!command->is_container) {
      std::vector<std::string>& args = selector_.first_args[command->id];
      const auto is_same = [part](const std::string& arg) { return equals_ignore_case(arg, part); };
      if (std::ranges::none_of(args, is_same)) args.emplace_back(part);
      return std::nullopt;
    }
    const Facts* subcommand = commands_.find(name);
    if (subcommand == nullptr) return kUnknownName;
    change(*subcommand, true);
    return std::nullopt;
  }

  Problem change_category(std::string_view name, bool is_allowed) {
    const std::uint32_t category = command::acl_category(name);
    if (category == 0) return kUnknownName;
    // A container stands before its subcommands, so that those have the last word.
    for (const Facts& facts : commands_.table()) {
      const command::AclFacts* acl_facts = commands_.acl_facts(facts.id);
      if (acl_facts != nullptr && (acl_facts->categories & category) != 0) change(facts, is_allowed);
    }
    return std::nullopt;
  }

  /// With a container all its subcommands.
  void change(const Facts& facts, bool is_allowed) {
    selector_.commands.resize(commands_.table().size());
    selector_.commands[facts.id] = is_allowed;
    selector_.first_args.erase(facts.id);
    if (!is_allowed) selector_.has_all_commands = false;
    if (!facts.is_container) return;
    for (const Facts& other : commands_.table()) {
      const bool is_subcommand = other.name.size() > facts.name.size() && other.name.starts_with(facts.name) &&
                                 other.name[facts.name.size()] == '|';
      if (is_subcommand) selector_.commands[other.id] = is_allowed;
    }
  }

  const AclCommands& commands_;
  Selector& selector_;
};

std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> words;
  for (std::size_t at = 0; at < text.size();) {
    const bool is_gap = base::is_space(text[at]);
    std::size_t end = at;
    while (end < text.size() && base::is_space(text[end]) == is_gap) ++end;
    if (!is_gap) words.push_back(text.substr(at, end - at));
    at = end;
  }
  return words;
}

/// Applies words to one user.
class RulesWriter {
 public:
  explicit RulesWriter(const AclCommands& commands) : commands_(commands) {}

  Problem apply(std::string_view word) {
    switch (word.front()) {
      case '>':
        add_password(digest_of(word.substr(1)));
        return std::nullopt;
      case '<':
        return remove_password(digest_of(word.substr(1)));
      case '#':
      case '!':
        return apply_hash(word);
      case '(':
        if (word.ends_with(')')) return add_selector(word.substr(1, word.size() - 2));
        break;
      default:
        break;
    }
    if (is_user_word(word)) return std::nullopt;
    return SelectorWriter(commands_, rules_.selectors.front()).apply(word);
  }

  [[nodiscard]] Rules take() { return std::move(rules_); }

 private:
  bool is_user_word(std::string_view word) {
    const auto is = [word](std::string_view known) { return equals_ignore_case(word, known); };
    if (is("on") || is("off")) {
      rules_.is_enabled = is("on");
    } else if (is("nopass") || is("resetpass")) {
      rules_.needs_no_password = is("nopass");
      rules_.passwords.clear();
    } else if (is("clearselectors")) {
      rules_.selectors.resize(1);
    } else if (is("reset")) {
      rules_ = Rules{};
    } else {
      // About RESTORE, which is the server's business.
      return is("sanitize-payload") || is("skip-sanitize-payload");
    }
    return true;
  }

  Problem apply_hash(std::string_view word) {
    const auto digest = parse_digest(word.substr(1));
    if (!digest) return kBadHash;
    if (word.front() == '!') return remove_password(*digest);
    add_password(*digest);
    return std::nullopt;
  }

  void add_password(const Digest& digest) {
    rules_.needs_no_password = false;
    if (std::ranges::find(rules_.passwords, digest) == rules_.passwords.end()) rules_.passwords.push_back(digest);
  }

  Problem remove_password(const Digest& digest) {
    return std::erase(rules_.passwords, digest) == 0 ? Problem(kNoSuchPassword) : std::nullopt;
  }

  Problem add_selector(std::string_view text) {
    Selector selector;
    SelectorWriter writer(commands_, selector);
    for (const std::string_view word : split(text)) {
      if (const Problem problem = writer.apply(word)) return problem;
    }
    rules_.selectors.push_back(std::move(selector));
    return std::nullopt;
  }

  const AclCommands& commands_;
  Rules rules_;
};

/// Words that belong to one selector become one, with one space between them. The error is that word which opens it.
std::expected<std::vector<std::string>, std::string_view> merge_selectors(const std::vector<std::string_view>& words) {
  std::vector<std::string> merged;
  std::optional<std::string_view> opening;
  for (const std::string_view word : words) {
    if (opening) {
      merged.back().append(" ").append(word);
      if (word.ends_with(')')) opening.reset();
      continue;
    }
    merged.emplace_back(word);
    if (word.starts_with('(') && !word.ends_with(')')) opening = word;
  }
  if (opening) return std::unexpected(*opening);
  return merged;
}

/// A word, or a selector, fit to be shown: without what may be a secret and without control characters.
std::string shown(std::string_view word) {
  constexpr std::string_view kBeforeSecrets = "<>#!";
  std::string text;
  for (std::string_view part : split(word)) {
    if (!text.empty()) text += ' ';
    if (part.starts_with('(')) text += '(';
    if (part.starts_with('(')) part.remove_prefix(1);
    const bool is_secret = !part.empty() && kBeforeSecrets.contains(part.front());
    text += is_secret ? part.front() + std::string(part.ends_with(')') ? "***)" : "***") : std::string(part);
  }
  std::ranges::replace_if(text, [](char c) { return (c >= 0 && c < ' ') || c == '\x7f'; }, '?');
  return text;
}

}  // namespace

std::expected<AclCommands, std::string> AclCommands::build(const command::Table& table) {
  AclCommands commands;
  commands.table_ = &table;
  for (const Facts& facts : table) {
    const bool is_sentinels = facts.has(command::kOnlySentinel);
    const command::AclFacts* acl_facts = is_sentinels ? nullptr : command::find_acl_facts(facts.name);
    if (!is_sentinels && acl_facts == nullptr) {
      return std::unexpected("access rules: no categories for '" + std::string(facts.name) + "'");
    }
    commands.facts_.push_back(acl_facts);
  }
  return commands;
}

const Facts* AclCommands::find(std::string_view name) const noexcept {
  const Facts* facts = table_->find_name(name);
  return facts == nullptr || acl_facts(facts->id) == nullptr ? nullptr : facts;
}

std::expected<Rules, std::string> parse_rules(const AclCommands& commands, std::string_view text) {
  const auto words = merge_selectors(split(text));
  if (!words)
    return std::unexpected("Unmatched parenthesis in acl selector starting at '" + shown(words.error()) + "'.");
  RulesWriter writer(commands);
  for (const std::string& word : *words) {
    if (const Problem problem = writer.apply(word)) {
      return std::unexpected("Error in ACL SETUSER modifier '" + shown(word) + "': " + std::string(*problem));
    }
  }
  return writer.take();
}

}  // namespace anteroom::access
