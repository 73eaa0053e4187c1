#include "server/users.hpp"

#include <vector>

namespace anteroom::server {

std::expected<std::shared_ptr<const access::UserTable>, std::string> make_users(const config::AuthOptions& auth,
                                                                                const command::Table& commands) {
  std::vector<access::UserSpec> specs;
  if (!auth.password.empty()) {
    specs.push_back({.name = std::string(access::UserTable::kDefaultUser),
                     .rules = "on ~* &* +@all",
                     .password = auth.password,
                     .upstream = {},
                     .where = "auth.password"});
  }
  for (const config::AuthUser& user : auth.users) {
    specs.push_back({.name = user.name,
                     .rules = user.rules,
                     .password = user.password,
                     .upstream = {.user = user.upstream_user, .password = user.upstream_password},
                     .where = "auth.users[" + std::to_string(&user - auth.users.data()) + ']'});
  }
  return access::UserTable::build(commands, specs);
}

std::string judge_users(const config::AuthOptions& auth) {
  const auto commands = command::Table::build();
  if (!commands) return commands.error();
  const auto users = make_users(auth, *commands);
  return users ? std::string{} : users.error();
}

}  // namespace anteroom::server
