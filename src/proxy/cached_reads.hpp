#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/glob.hpp"
#include "cache/types.hpp"
#include "command/table.hpp"

namespace anteroom::proxy {

enum class MgetMode : std::uint8_t {
  kSnapshot,  ///< from the cache only as values of one moment
  kPerKey,    ///< each key for itself
  kOff,       ///< always from the server
};

enum class HashCommands : std::uint8_t { kAuto, kOn, kOff };

/// A read that can be answered from the cache: what it asks of the cache, and what its command answers for a key that
/// does not exist, encoded as the fetch brings it (to tell a missing key from one that went between its reply and
/// PTTL's).
struct CacheableRead {
  cache::Query query;  ///< its bytes belong to the request
  int db = 0;
  std::string_view missing_reply = cache::kNullBulk;  ///< of static storage
};

/// The name of a cached result is the command that brings it, behind a mark if it is the reply in RESP3.
inline constexpr char kResp3Mark = '3';
[[nodiscard]] inline bool is_resp3_result(std::string_view name) noexcept { return name.starts_with(kResp3Mark); }
[[nodiscard]] inline std::string_view command_of_result(std::string_view name) noexcept {
  return name.substr(is_resp3_result(name) ? 1 : 0);
}

/// Which commands, and of them which keys, may be answered from the cache (COHERENCE.md B.1, classes 1 and 2). All
/// other reads depend on more than the value of one key: on time, chance, a cursor or several keys. Immutable; any
/// thread.
class CachedReads {
 public:
  enum class Kind : std::uint8_t {
    kGet,
    kStringView,  ///< about a string: answered from what GET brought, too
    kResult,      ///< of another type: cached as it is
    kHashResult,
    kMget,
    kExists,
  };
  struct Command {
    std::string_view name;
    Kind kind = Kind::kResult;
    std::string_view missing_reply{};  ///< in RESP2, of a key that does not exist; empty: not cached for such
    cache::View::Kind view = cache::View::Kind::kNone;
    int args_max = 0;  ///< with more arguments it is not cached; 0 = no limit
    /// The same in RESP3, if the command may answer otherwise there: results are then kept for each protocol. Empty:
    /// the bytes are the same.
    std::string_view missing_reply3{};
  };
  struct Rules {
    base::GlobList include{};  ///< empty: every key
    base::GlobList exclude{};
    bool results = true;  ///< kResult and kHashResult
    HashCommands hashes = HashCommands::kAuto;
    MgetMode mget = MgetMode::kSnapshot;
  };

  CachedReads(const command::Table& table, Rules rules);

  /// Null if the command is never cached.
  [[nodiscard]] const Command* find(const command::Facts& facts) const noexcept { return by_id_[facts.id]; }
  [[nodiscard]] bool is_get(const command::Facts& facts) const noexcept {
    const Command* const command = find(facts);
    return command != nullptr && command->kind == Kind::kGet;
  }
  /// Whether the command is cached by the rules. `hash_fields_expire`: the server can expire single fields of a hash,
  /// of which neither PTTL nor a push in time tells.
  [[nodiscard]] bool is_on(const Command& command, std::size_t args, bool hash_fields_expire) const noexcept;
  /// Whether this key may be cached.
  [[nodiscard]] bool covers(std::string_view key) const noexcept { return covers_all_ || matches_rules(key); }
  [[nodiscard]] MgetMode mget() const noexcept { return rules_.mget; }

  /// All of them, for registering handlers and for tests.
  [[nodiscard]] static std::span<const Command> commands() noexcept;

 private:
  [[nodiscard]] bool matches_rules(std::string_view key) const noexcept {
    return (rules_.include.empty() || rules_.include.matches(key)) && !rules_.exclude.matches(key);
  }

  const Rules rules_;
  const bool covers_all_;              // there are no rules about keys
  std::vector<const Command*> by_id_;  // by command::Facts::id
};

}  // namespace anteroom::proxy
