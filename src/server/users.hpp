#pragma once

#include <expected>
#include <memory>
#include <string>

#include "access/user_table.hpp"
#include "command/table.hpp"
#include "config/options.hpp"

namespace anteroom::server {

/// The users that the configuration names, none unless auth.mode is proxy. `commands` must outlive them. The error
/// names the place, as "auth.users[2].rules: ...".
[[nodiscard]] std::expected<std::shared_ptr<const access::UserTable>, std::string> make_users(
    const config::AuthOptions& auth, const command::Table& commands);

/// The same for who only wants to know what is wrong: empty, or the error.
[[nodiscard]] std::string judge_users(const config::AuthOptions& auth);

}  // namespace anteroom::server
