#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "access/acl_rules.hpp"
#include "command/table.hpp"

namespace anteroom::access {

/// What a user may not do. Of several selectors' reasons the last one counts, as with Redis.
enum class Denied : std::uint8_t { kCommand, kKey, kChannel, kSortBy, kSortGet };

struct Denial {
  Denied what = Denied::kCommand;
  std::uint32_t index = 0;  ///< of the argument that is denied; 0 for kCommand

  bool operator==(const Denial&) const = default;
};

/// As whom a user's requests go to the upstream.
struct UpstreamIdentity {
  std::string user;      ///< empty: as everybody without an identity of his own
  std::string password;  ///< a secret
};

/// One user and what he may do. Immutable: any thread, no lock.
class User {
 public:
  User(std::string name, Rules rules, UpstreamIdentity upstream, std::shared_ptr<const AclCommands> commands);

  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] bool is_enabled() const noexcept { return rules_.is_enabled; }
  [[nodiscard]] bool needs_no_password() const noexcept { return rules_.needs_no_password; }
  [[nodiscard]] const std::vector<Digest>& passwords() const noexcept { return rules_.passwords; }
  [[nodiscard]] const UpstreamIdentity& upstream() const noexcept { return upstream_; }

  /// Every command, key and channel. Then check() permits everything, at no cost.
  [[nodiscard]] bool is_unrestricted() const noexcept { return is_unrestricted_; }

  /// Whether the command alone, whatever its arguments, is permitted. AUTH, HELLO, QUIT and RESET are to everyone.
  [[nodiscard]] bool may_run(const command::Facts& facts) const noexcept;

  /// Whether the request is permitted: nothing if so. `lookup` is what Table::find() said of `args`. Ask for every
  /// request, also one that the cache could answer. Requests of kWrongArity are to be refused for that before.
  ///
  /// As Redis 7.0.15 decides, but for what cannot be seen here, which is denied rather than let through:
  /// * What the table does not know is only for a user of all commands and keys (kCommand).
  /// * A request whose keys cannot be told, mostly malformed, needs all keys (kKey, index 0).
  /// * Scripts and functions touch keys that they need not name. Redis judges each of their commands; here they are
  /// only
  ///   for unrestricted users and for those that have an upstream user of their own, of whom the upstream judges.
  /// * BY and GET patterns of SORT, which Redis judges when it runs SORT, need a selector that may read all keys.
  [[nodiscard]] std::optional<Denial> check(const command::Lookup& lookup,
                                            std::span<const std::string_view> args) const;

 private:
  [[nodiscard]] std::optional<Denial> check_known(const command::Facts& facts,
                                                  std::span<const std::string_view> args) const;
  [[nodiscard]] std::optional<Denial> check_sort(const command::Facts& facts,
                                                 std::span<const std::string_view> args) const;

  std::string name_;
  Rules rules_;
  UpstreamIdentity upstream_;
  std::shared_ptr<const AclCommands> commands_;
  bool is_unrestricted_ = false;
};

/// The error reply of Redis 7.0.15, without the leading '-' and the line end.
[[nodiscard]] std::string denial_error(const Denial& denial, const command::Lookup& lookup,
                                       std::span<const std::string_view> args);

}  // namespace anteroom::access
