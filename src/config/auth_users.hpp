#pragma once

#include <string>
#include <string_view>

#include "config/error.hpp"
#include "config/json_file.hpp"
#include "config/loader.hpp"
#include "config/options.hpp"
#include "config/origin.hpp"

/// The options of `auth` that are more than one value: the list of users, which only the file can have, and what takes
/// several options to judge.
namespace anteroom::config {

inline constexpr std::string_view kUsersPath = "auth.users";

/// Takes the list of users.
void take_users(const Setting& setting, const std::string& file, AuthOptions& auth, Errors& errors);

/// Reads the files with passwords and refuses what contradicts itself. Rules are judged by access/.
void resolve_auth(AuthOptions& auth, Origins& origins, const FileReader& read, Errors& errors);

}  // namespace anteroom::config
