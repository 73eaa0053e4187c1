#pragma once

#include <cstddef>
#include <expected>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "access/user.hpp"
#include "command/table.hpp"

namespace anteroom::access {

/// One user as the configuration has him: plain values.
struct UserSpec {
  std::string name;
  std::string rules;     ///< see parse_rules()
  std::string password;  ///< one more, in clear; empty: none. A secret.
  UpstreamIdentity upstream;
  std::string where;  ///< for errors: "auth.users[2]"
};

/// All users by name. Immutable and shared by all threads.
class UserTable {
 public:
  static constexpr std::string_view kDefaultUser = "default";

  /// `commands` must outlive the table. The error names the place, as "auth.users[2].rules: Error in ACL SETUSER
  /// modifier ...", and shows no secret. Refused are bad rules, names that are empty, have spaces or are given twice,
  /// and users that are on but have no password and no `nopass`.
  [[nodiscard]] static std::expected<std::shared_ptr<const UserTable>, std::string> build(
      const command::Table& commands, std::span<const UserSpec> specs);

  /// Users of another server, as ACL LIST tells them ("user NAME RULES"): to judge requests by, not to log in, so
  /// without passwords. Lines that cannot be read are left out: such a user is unknown.
  [[nodiscard]] static std::shared_ptr<const UserTable> import(const command::Table& commands,
                                                               std::span<const std::string> lines);

  /// The user, if he is enabled and this is one of his passwords, or if he needs none; else null. Takes the same time
  /// whether the user exists or not: the password is hashed and compared with as many hashes as any user has.
  [[nodiscard]] const User* authenticate(std::string_view name, std::string_view password) const noexcept;

  /// Also users that are off; null if there is none of that name.
  [[nodiscard]] const User* find(std::string_view name) const noexcept;

  /// As whom a new connection begins: the user "default", if he is enabled and needs no password; else null, and the
  /// client must authenticate.
  [[nodiscard]] const User* initial_user() const noexcept;

  [[nodiscard]] std::size_t size() const noexcept { return users_.size(); }

 private:
  std::map<std::string, User, std::less<>> users_;
  std::size_t passwords_max_ = 1;  // of one user
};

}  // namespace anteroom::access
