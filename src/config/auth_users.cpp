#include "config/auth_users.hpp"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "base/ascii.hpp"
#include "config/resolve.hpp"

namespace anteroom::config {
namespace {

struct Member {
  std::string_view name;
  std::string AuthUser::* member;
};

constexpr std::array<Member, 6> kMembers{{{"name", &AuthUser::name},
                                          {"rules", &AuthUser::rules},
                                          {"password_file", &AuthUser::password_file},
                                          {"upstream_user", &AuthUser::upstream_user},
                                          {"upstream_password", &AuthUser::upstream_password},
                                          {"upstream_password_file", &AuthUser::upstream_password_file}}};

std::string place_of(std::size_t index) { return std::string(kUsersPath) + '[' + std::to_string(index) + ']'; }

/// `***` for what stands behind '>', '<', '#' and '!'.
std::string masked_rules(std::string_view rules) {
  constexpr std::string_view kBeforeSecrets = "<>#!";
  std::string out;
  bool is_secret = false;
  bool is_start = true;
  for (const char c : rules) {
    if (base::is_space(c)) is_secret = false;
    if (!is_secret) out += c;
    if (is_start && kBeforeSecrets.contains(c)) {
      is_secret = true;
      out += "***";
    }
    // A selector's first word begins behind its parenthesis.
    is_start = base::is_space(c) || (is_start && c == '(');
  }
  return out;
}

class AuthResolver {
 public:
  AuthResolver(AuthOptions& auth, Origins& origins, const FileReader& read, Errors& errors)
      : auth_(auth), origins_(origins), read_(read), errors_(errors) {}

  void resolve() {
    resolve_password();
    for (std::size_t i = 0; i < auth_.users.size(); ++i) resolve_user(auth_.users[i], place_of(i));
    check_mode();
  }

 private:
  [[nodiscard]] Origin origin(std::string_view path) const {
    const auto found = origins_.find(path);
    return found == origins_.end() ? Origin{} : found->second;
  }

  void refuse(std::string_view path, std::string problem) {
    const Origin from = origin(path);
    errors_.push_back({.option = std::string(path),
                       .problem = std::move(problem),
                       .source = from.level == Level::kDefault ? std::string{} : from.source});
  }

  void read_secret(std::string_view path, const std::string& file, std::string& secret) {
    auto content = read_secret_file(read_, file);
    if (!content) return refuse(path, content.error());
    secret = std::move(*content);
  }

  void resolve_password() {
    constexpr std::string_view kPassword = "auth.password";
    constexpr std::string_view kPasswordFile = "auth.password_file";
    if (auth_.password_file.empty()) return;
    const Level level = origin(kPassword).level;
    const Level file_level = origin(kPasswordFile).level;
    if (!auth_.password.empty() && level == file_level) {
      return refuse(kPassword, std::string(kPasswordFile) + " is given as well, by " + origin(kPasswordFile).source);
    }
    if (level > file_level) return;
    read_secret(kPasswordFile, auth_.password_file, auth_.password);
    origins_[std::string(kPassword)] = origin(kPasswordFile);
  }

  void resolve_user(AuthUser& user, const std::string& place) {
    if (user.name.empty()) refuse(place + ".name", "is missing");
    if (!user.password_file.empty()) read_secret(place + ".password_file", user.password_file, user.password);
    if (!user.upstream_password_file.empty()) {
      const std::string path = place + ".upstream_password_file";
      if (!user.upstream_password.empty()) refuse(path, "upstream_password is given as well");
      read_secret(path, user.upstream_password_file, user.upstream_password);
    }
    if (user.upstream_user.empty() && !user.upstream_password.empty()) {
      refuse(place + ".upstream_user", "is missing, but there is a password for it");
    }
    if (user.name == "default" && !auth_.password.empty()) {
      refuse(place + ".name", "the user default has auth.password already");
    }
  }

  /// Users who have no effect would make one believe that nobody else gets in.
  void check_mode() {
    if (std::ranges::find(errors_, "auth.mode", &Error::option) != errors_.end()) return;
    const bool has_users = !auth_.users.empty() || !auth_.password.empty();
    if (auth_.mode == AuthMode::kProxy && !has_users && errors_.empty()) {
      refuse("auth.mode", "is proxy, but there is neither auth.password nor auth.users, so nobody could log in");
    }
    if (auth_.mode != AuthMode::kProxy && has_users) {
      refuse("auth.mode", "is not proxy, but there are users of our own (auth.password or auth.users)");
    }
  }

  AuthOptions& auth_;
  Origins& origins_;
  const FileReader& read_;
  Errors& errors_;
};

void take_member(const Setting& setting, const std::string& file, AuthUser& user, Errors& errors) {
  // What is inside an object that stands where text belongs is not worth a word, and may be secret.
  const std::size_t start = setting.path.find(']') + 2;
  const std::size_t dot = setting.path.find('.', start);
  const auto refuse = [&](std::string problem) {
    errors.push_back({.option = setting.path.substr(0, dot), .problem = std::move(problem), .source = file});
  };
  const std::string_view name = std::string_view(setting.path).substr(0, dot).substr(start);
  const auto known = std::ranges::find(kMembers, name, &Member::name);
  if (known == kMembers.end()) {
    std::vector<std::string> names;
    names.reserve(kMembers.size());
    for (const Member& member : kMembers) names.emplace_back(member.name);
    return refuse("unknown key" + suggestion(name, names));
  }
  const auto* text = std::get_if<std::string>(&setting.value);
  if (text == nullptr || dot != std::string::npos) return refuse("needs a string");
  if (text->contains('\0')) return refuse("has a NUL byte");
  std::string& member = user.*known->member;
  if (!member.empty()) return refuse("is given twice");
  member = *text;
}

}  // namespace

AuthUser AuthUser::masked() const {
  AuthUser out = *this;
  out.rules = masked_rules(rules);
  for (std::string* secret : {&out.password, &out.upstream_password}) {
    if (!secret->empty()) *secret = "***";
  }
  return out;
}

void take_users(const Setting& setting, const std::string& file, AuthOptions& auth, Errors& errors) {
  const auto* texts = std::get_if<std::vector<std::string>>(&setting.value);
  const bool is_empty_list = texts != nullptr && texts->empty();
  if (setting.objects.empty() && !is_empty_list) {
    errors.push_back(
        {.option = setting.path, .problem = "needs a list of objects whose members are strings", .source = file});
  }
  for (const std::vector<Setting>& members : setting.objects) {
    AuthUser& user = auth.users.emplace_back();
    if (members.empty()) {
      errors.push_back({.option = place_of(auth.users.size() - 1), .problem = "is empty", .source = file});
    }
    for (const Setting& member : members) take_member(member, file, user, errors);
  }
}

void resolve_auth(AuthOptions& auth, Origins& origins, const FileReader& read, Errors& errors) {
  AuthResolver(auth, origins, read, errors).resolve();
}

}  // namespace anteroom::config
