#include "config/describe.hpp"

#include <nlohmann/json.hpp>

#include "base/ascii.hpp"
#include "config/descriptor.hpp"
#include "config/listeners.hpp"
#include "config/value.hpp"

namespace anteroom::config {
namespace {

using Json = nlohmann::ordered_json;

/// Options of the original tool that are folded into others: shown by their effect.
bool is_only_an_old_name(const Descriptor& option) { return option.path == option.old_name; }

/// "" for options outside any section.
std::string_view section_of(const Descriptor& option) {
  const std::size_t dot = option.path.find('.');
  return dot == std::string_view::npos ? std::string_view{} : option.path.substr(0, dot);
}

Json json_of(const Descriptor& option, const Value& value) {
  // A mode as a JSON number would be read as a decimal.
  if (option.unit == Unit::kOctal) return text_of(option, value);
  if (option.is_secret) return text_of(option, value).empty() ? "" : "***";
  return std::visit([](const auto& held) { return Json(held); }, value);
}

Json json_of(const ListenerOptions& listener) {
  Json object = Json::object();
  for (const ListenerMember& member : listener_members()) {
    if (member.is_for(listener.type))
      object[std::string(member.form.path)] = json_of(member.form, member.read(listener));
  }
  return object;
}

/// In the form of the file. The passwords that files hold are not members of their own.
Json users_json(const AuthOptions& auth) {
  Json users = Json::array();
  for (const AuthUser& each : auth.users) {
    const AuthUser user = each.masked();
    Json members{{"name", user.name}, {"rules", user.rules}};
    if (!user.password_file.empty()) members["password_file"] = user.password_file;
    if (!user.upstream_user.empty()) members["upstream_user"] = user.upstream_user;
    if (!user.upstream_password_file.empty()) {
      members["upstream_password_file"] = user.upstream_password_file;
    } else if (!user.upstream_password.empty()) {
      members["upstream_password"] = user.upstream_password;
    }
    users.push_back(std::move(members));
  }
  return users;
}

std::string as_code(std::string_view text) { return text.empty() ? std::string{} : '`' + std::string(text) + '`'; }

std::string_view placeholder(const Descriptor& option) {
  if (option.kind == Kind::kBool) return "BOOL";
  if (option.kind == Kind::kList) return "LIST";
  if (option.kind == Kind::kChoice) return "NAME";
  if (option.kind != Kind::kInteger) return "TEXT";
  switch (option.unit) {
    case Unit::kNone:
      return "N";
    case Unit::kMilliseconds:
      return "MS";
    case Unit::kSeconds:
      return "S";
    case Unit::kBytes:
      return "SIZE";
    case Unit::kOctal:
      return "MODE";
  }
  return {};
}

std::string choices_of(const Descriptor& option, std::string_view separator) {
  std::string out;
  for (const std::string_view choice : option.choices) out.append(out.empty() ? "" : separator).append(choice);
  return out;
}

/// What the reference says about the values of an option.
std::string values_of(const Descriptor& option) {
  switch (option.kind) {
    case Kind::kBool:
      return "true, false";
    case Kind::kText:
      return "text";
    case Kind::kList:
      return "list";
    case Kind::kChoice:
      return choices_of(option, ", ");
    case Kind::kInteger:
      break;
  }
  const std::string range = text_of(option, option.min) + " to " + text_of(option, option.max);
  if (option.unit == Unit::kMilliseconds) return range + " ms";
  if (option.unit == Unit::kSeconds) return range + " s";
  return option.unit == Unit::kOctal ? range + ", octal" : range;
}

/// The commas of a list are followed by spaces, so that a table can break it.
std::string default_of(const Descriptor& option) {
  std::string out;
  for (const char c : text_of(option, option.default_value())) out.append(1, c).append(c == ',' ? " " : "");
  return out;
}

constexpr std::string_view kListenersStart =
    R"(
`listen.listeners`, in the file only, is a list of objects: listeners beside those of the options above, each with its
own rules. Their members:

)";

std::string listeners_reference() {
  std::string out(kListenersStart);
  const ListenerOptions usual;
  for (const ListenerMember& member : listener_members()) {
    out.append("* `").append(member.form.path).append("` (").append(values_of(member.form));
    if (member.types != "tcp unix tls") out.append("; for ").append(member.types);
    const std::string value = text_of(member.form, member.read(usual));
    // Of these the default would be no value that can be given.
    const bool is_needed = member.form.path == "type" || member.form.path == "port" || value.empty();
    if (!is_needed) out.append("; default ").append(as_code(value));
    out.append("): ").append(member.form.doc).append(".\n");
  }
  return out;
}

std::string reference_row(const Descriptor& option) {
  std::string flags = "`--" + std::string(option.flag) + '`';
  std::string variables = '`' + option.environment_name() + '`';
  std::string paths = '`' + std::string(option.path) + '`';
  if (!option.old_name.empty()) {
    variables += ", `" + base::uppercase(option.old_name) + '`';
    if (normalized_flag(option.old_name) != option.flag) flags += ", `--" + std::string(option.old_name) + '`';
    if (option.old_name != option.path) paths += ", `" + std::string(option.old_name) + '`';
  }
  return "| " + paths + " | " + flags + " | " + variables + " | " + values_of(option) + " | " +
         as_code(default_of(option)) + " | " + std::string(option.doc) + ". |\n";
}

constexpr std::string_view kReferenceStart =
    R"(# Options of anteroom

Made by `anteroom options` from the tables in `src/config/*descriptors.cpp` and `src/config/listeners.cpp`.

Every option can be given in the configuration file, in the environment, or as a flag. A flag beats the environment, which
beats the file, which beats the default; an empty variable counts as unset. `anteroom check` takes the same flags as
`anteroom serve`, and prints the effective configuration and where each value comes from.

* The file is named by `--config FILE` or `ANTEROOM_CONFIG`. It holds one JSON object; `listen.port` below stands for
  `{"listen": {"port": 8001}}`. A key that is not in the tables is an error.
* Flags are `--name value` or `--name=value`; `_` and `-` are the same in their names. One that is true or false may stand
  alone, and then is true.
* Lists are JSON lists of strings; in flags and variables their items are separated by commas.
* Sizes are bytes; they may end in `k`, `kb`, `m`, `mb`, `g` or `gb` (`1k` is 1000, `1kb` is 1024), in the file as a string.
* Where a second name is given, it is the one of the original caching tool. If both are in the environment, the first counts.
* `auth.users` is only in the file: a list of objects with the members `name`, `rules` (access rules of Redis 7, as
  `on #HASH ~cache:* +@read`, where `anteroom hash-password` makes HASH), `password_file` (one password more),
  `upstream_user`, and `upstream_password` or `upstream_password_file` (as whom the user's requests go to Redis; only
  then scripts are for others than users who may do everything). A user `default` with `nopass` is who has not logged in.
* Keep passwords in a file or the environment. Those given in flags are overwritten in the process's arguments, but the
  shell may remember them.
)";

constexpr std::string_view kTableStart =
    "| In the file | Flag | Environment | Values | Default | Meaning |\n"
    "|---|---|---|---|---|---|\n";

constexpr std::string_view kHelpStart =
    R"(anteroom, a caching front-end for Redis

  anteroom [serve] [FLAGS]   serve clients until SIGTERM or Ctrl-C
  anteroom gateway [FLAGS]   stand beside Redis and pass on what comes by QUIC; -l, -r and -u as well
  anteroom cli --quic ...    talk to a gateway; see `anteroom cli --help`
  anteroom check [FLAGS]     print the effective configuration and where each value comes from, or all that is wrong with it
  anteroom options           print the reference of all options, with their names in the file and the environment
  anteroom hash-password     read a password from standard input and print its hash for auth.users
  anteroom --version

Flags:
  --config FILE                   JSON file with options; flags and environment variables go before it
)";

}  // namespace

std::string effective_json(const Options& options) {
  Json configuration = Json::object();
  Json sources = Json::object();
  for (const Descriptor& option : descriptors()) {
    if (is_only_an_old_name(option)) continue;
    const std::string path(option.path);
    const std::string section(section_of(option));
    Json& parent = section.empty() ? configuration : configuration[section];
    parent[section.empty() ? path : path.substr(section.size() + 1)] = json_of(option, option.read(options));
    const auto source = options.sources.find(path);
    sources[path] = source == options.sources.end() ? "default" : source->second;
  }
  Json& listeners = configuration["listen"]["listeners"] = Json::array();
  for (const ListenerOptions& listener : options.listen.listeners) listeners.push_back(json_of(listener));
  const auto origin = options.sources.find(kListenersPath);
  sources[std::string(kListenersPath)] = origin == options.sources.end() ? "default" : origin->second;
  configuration["auth"]["users"] = users_json(options.auth);
  const auto users_source = options.sources.find("auth.users");
  sources["auth.users"] = users_source == options.sources.end() ? "default" : users_source->second;
  const Json all{{"config_file", options.config_file}, {"configuration", configuration}, {"sources", sources}};
  // Paths need not be UTF-8.
  return all.dump(2, ' ', false, Json::error_handler_t::replace) + '\n';
}

std::string options_reference() {
  std::string out(kReferenceStart);
  std::string_view section = "none yet";
  for (const Descriptor& option : descriptors()) {
    // The old names stand beside what they are about.
    const std::string_view own = is_only_an_old_name(option) ? section : section_of(option);
    if (own != section) {
      if (section == "listen") out += listeners_reference();
      out.append("\n## ").append(own.empty() ? "process" : own).append("\n\n").append(kTableStart);
      section = own;
    }
    out += reference_row(option);
  }
  return out;
}

std::string help_text() {
  constexpr std::size_t kColumn = 34;
  std::string out(kHelpStart);
  for (const Descriptor& option : descriptors()) {
    std::string line = "  --" + std::string(option.flag) + ' ';
    line += placeholder(option);
    line += std::string(line.size() < kColumn ? kColumn - line.size() : 1, ' ');
    for (const char c : option.doc) line.append(c == '`' ? 0 : 1, c);
    if (option.choices.size() > 1) line += " (" + choices_of(option, "|") + ')';
    const std::string usual = text_of(option, option.default_value());
    // The deny list is too long for a line.
    if (!usual.empty() && option.kind != Kind::kList) line += " [" + usual + ']';
    out += line + '\n';
  }
  return out;
}

}  // namespace anteroom::config
