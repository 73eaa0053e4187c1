#include "access/user_table.hpp"

#include <algorithm>
#include <utility>

#include "base/ascii.hpp"

namespace anteroom::access {
namespace {

bool is_name(std::string_view name) {
  return !name.empty() && std::ranges::none_of(name, [](char c) { return base::is_space(c) || c == '\0'; });
}

std::expected<User, std::string> make_user(const std::shared_ptr<const AclCommands>& commands, const UserSpec& spec) {
  if (!is_name(spec.name)) return std::unexpected(spec.where + ".name: is empty or has a space in it");
  auto rules = parse_rules(*commands, spec.rules);
  if (!rules) return std::unexpected(spec.where + ".rules: " + rules.error());
  if (!spec.password.empty()) {
    rules->needs_no_password = false;
    rules->passwords.push_back(digest_of(spec.password));
  }
  if (rules->is_enabled && !rules->needs_no_password && rules->passwords.empty()) {
    return std::unexpected(spec.where +
                           ": the user is on but has no password, so nobody could log in (give \"#HASH\" in the "
                           "rules or a password_file; \"nopass\" lets everybody in)");
  }
  return User(spec.name, std::move(*rules), spec.upstream, commands);
}

}  // namespace

std::expected<std::shared_ptr<const UserTable>, std::string> UserTable::build(const command::Table& commands,
                                                                              std::span<const UserSpec> specs) {
  auto acl_commands = AclCommands::build(commands);
  if (!acl_commands) return std::unexpected(acl_commands.error());
  const auto shared = std::make_shared<const AclCommands>(std::move(*acl_commands));
  auto table = std::make_shared<UserTable>();
  for (const UserSpec& spec : specs) {
    auto user = make_user(shared, spec);
    if (!user) return std::unexpected(std::move(user.error()));
    table->passwords_max_ = std::max(table->passwords_max_, user->passwords().size());
    const bool is_new = table->users_.emplace(spec.name, std::move(*user)).second;
    if (!is_new) return std::unexpected(spec.where + ".name: there is another user of this name");
  }
  return table;
}

std::shared_ptr<const UserTable> UserTable::import(const command::Table& commands, std::span<const std::string> lines) {
  constexpr std::string_view kStart = "user ";
  auto table = std::make_shared<UserTable>();
  auto acl_commands = AclCommands::build(commands);
  if (!acl_commands) return table;
  const auto shared = std::make_shared<const AclCommands>(std::move(*acl_commands));
  for (const std::string_view line : lines) {
    const std::size_t space = line.find(' ', kStart.size());
    if (!line.starts_with(kStart) || space == std::string_view::npos) continue;
    const std::string name(line.substr(kStart.size(), space - kStart.size()));
    auto rules = parse_rules(*shared, line.substr(space + 1));
    if (!rules || !rules->is_enabled) continue;
    rules->passwords.clear();
    rules->needs_no_password = false;
    // An upstream user of his own: what scripts touch is judged where they run.
    table->users_.emplace(name, User(name, std::move(*rules), {.user = name, .password = {}}, shared));
  }
  return table;
}

const User* UserTable::authenticate(std::string_view name, std::string_view password) const noexcept {
  const Digest given = digest_of(password);
  const User* user = find(name);
  const std::size_t known = user == nullptr ? 0 : user->passwords().size();
  bool is_one_of_his = false;
  for (std::size_t i = 0; i < passwords_max_; ++i) {
    // Compared with itself where there is nothing to compare with, so that the number of comparisons tells nothing.
    const bool is_equal = are_equal(given, i < known ? user->passwords()[i] : given);
    is_one_of_his |= is_equal && i < known;
  }
  if (user == nullptr || !user->is_enabled()) return nullptr;
  return is_one_of_his || user->needs_no_password() ? user : nullptr;
}

const User* UserTable::find(std::string_view name) const noexcept {
  const auto found = users_.find(name);
  return found == users_.end() ? nullptr : &found->second;
}

const User* UserTable::initial_user() const noexcept {
  const User* user = find(kDefaultUser);
  return user != nullptr && user->is_enabled() && user->needs_no_password() ? user : nullptr;
}

}  // namespace anteroom::access
