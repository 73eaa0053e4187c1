#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "access/password.hpp"
#include "command/acl_categories.hpp"
#include "command/table.hpp"

/// Redis's access rules (redis.io: ACL) from text to values, with the meaning and the words of Redis 7.0.15.
namespace anteroom::access {

/// The commands of one Table as rules see them. Immutable; refers to the table, which must outlive it.
class AclCommands {
 public:
  /// An error is a fault in the program's own data: do not start.
  [[nodiscard]] static std::expected<AclCommands, std::string> build(const command::Table& table);

  /// By name ("get", "config|get"), in any case; null for what is unknown or a Sentinel's.
  [[nodiscard]] const command::Facts* find(std::string_view name) const noexcept;
  /// Never null for a command that find() knows; null for a Sentinel's.
  [[nodiscard]] const command::AclFacts* acl_facts(std::size_t id) const noexcept { return facts_[id]; }
  [[nodiscard]] const command::Table& table() const noexcept { return *table_; }

 private:
  const command::Table* table_ = nullptr;
  std::vector<const command::AclFacts*> facts_;  // by Facts::id
};

struct KeyPattern {
  std::string glob;
  bool may_read = false;
  bool may_write = false;
};

/// One set of permissions; a request needs one selector that permits all of it.
struct Selector {
  std::vector<bool> commands;     ///< by Facts::id; empty: none
  bool has_all_commands = false;  ///< also those that the table does not know
  bool has_all_keys = false;
  bool has_all_channels = false;
  std::vector<KeyPattern> keys;
  std::vector<std::string> channels;                             ///< globs
  std::map<std::uint16_t, std::vector<std::string>> first_args;  ///< of commands not in `commands`, by Facts::id
};

/// All that the rules of one user say.
struct Rules {
  bool is_enabled = false;
  bool needs_no_password = false;
  std::vector<Digest> passwords;
  std::vector<Selector> selectors{1};  ///< the first is the user's own, the others stood in parentheses
};

/// Applies rule words, separated by spaces, in their order to a user without any rights. Words:
///
/// on off reset; nopass resetpass >password <password #sha256 !sha256; ~glob %R~glob %W~glob %RW~glob allkeys
/// resetkeys; &glob allchannels resetchannels; +command -command +command|subcommand -command|subcommand
/// +command|first-argument
/// +@category -@category allcommands nocommands; (rules of one more selector) clearselectors; sanitize-payload and
/// skip-sanitize-payload, without effect.
///
/// The error is Redis's, such as "Error in ACL SETUSER modifier '+nosuch': Unknown command or category name in ACL",
/// but shows no password and no hash.
[[nodiscard]] std::expected<Rules, std::string> parse_rules(const AclCommands& commands, std::string_view text);

}  // namespace anteroom::access
