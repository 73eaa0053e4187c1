#include "config/loader.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <set>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "base/ascii.hpp"
#include "base/unique_fd.hpp"
#include "config/auth_users.hpp"
#include "config/descriptor.hpp"
#include "config/json_file.hpp"
#include "config/listeners.hpp"
#include "config/origin.hpp"
#include "config/resolve.hpp"
#include "config/value.hpp"

namespace anteroom::config {
namespace {

constexpr const char* kConfigVariable = "ANTEROOM_CONFIG";

/// "listen" of "listen.port"; the whole path when it has one part only.
std::string_view first_part(std::string_view path) { return path.substr(0, path.find('.')); }

bool is_section(std::string_view name) {
  return std::ranges::any_of(descriptors(), [name](const Descriptor& option) {
    return option.path != name && first_part(option.path) == name;
  });
}

std::vector<std::string> known_paths() {
  std::vector<std::string> paths{std::string(kListenersPath)};
  for (const Descriptor& option : descriptors()) {
    paths.emplace_back(option.path);
    paths.emplace_back(first_part(option.path));
    if (!option.old_name.empty()) paths.emplace_back(option.old_name);
  }
  paths.emplace_back(kUsersPath);
  return paths;
}

class Loader {
 public:
  Loader(const CommandLine& command_line, const Environment& environment, const FileReader& read)
      : command_line_(command_line), environment_(environment), read_(read), errors_(command_line.errors) {}

  std::expected<Options, Errors> load() {
    take_file();
    take_environment();
    take_flags();
    resolve(options_, origins_, read_, errors_);
    if (!errors_.empty()) return std::unexpected(std::move(errors_));
    for (auto& [path, origin] : origins_) options_.sources[path] = std::move(origin.source);
    return std::move(options_);
  }

 private:
  void refuse(std::string_view option, std::string problem, std::string source) {
    errors_.push_back({.option = std::string(option), .problem = std::move(problem), .source = std::move(source)});
  }

  /// The levels come in ascending order, so the last is the strongest.
  void take(const Descriptor& option, std::expected<Value, std::string> value, Origin origin) {
    if (value) {
      option.store(options_, *value);
    } else {
      refuse(option.path, std::move(value.error()), origin.source);
    }
    origins_[std::string(option.path)] = std::move(origin);
  }

  [[nodiscard]] std::string variable(const std::string& name) const {
    const auto found = environment_.find(name);
    return found == environment_.end() ? std::string{} : found->second;
  }

  void take_file() {
    const bool is_flag = !command_line_.config_file.empty();
    const std::string path = is_flag ? command_line_.config_file : variable(kConfigVariable);
    if (path.empty()) return;
    const std::string source = is_flag ? "flag --config" : std::string("environment ") + kConfigVariable;
    const auto text = read_(path, kConfigBytesMax);
    if (!text) return refuse(path, text.error(), source);
    const auto settings = parse_json_settings(*text);
    if (!settings) return refuse(path, settings.error(), source);
    options_.config_file = path;
    for (const Setting& setting : *settings) take_setting(setting, path);
  }

  void take_setting(const Setting& setting, const std::string& file) {
    if (setting.path == kListenersPath) return take_listeners(setting, file, options_.listen, origins_, errors_);
    if (setting.path == kUsersPath) {
      take_users(setting, file, options_.auth, errors_);
      origins_[std::string(kUsersPath)] = {.level = Level::kFile, .source = file + ": " + std::string(kUsersPath)};
      return;
    }
    const Descriptor* option = find_by_path(setting.path);
    if (option == nullptr) return refuse_setting(setting, file);
    const auto [earlier, is_first] = file_paths_.emplace(option->path, setting.path);
    if (!is_first) {
      const std::string how =
          earlier->second == setting.path ? "" : ", as " + earlier->second + " and as " + setting.path;
      return refuse(option->path, "is given twice" + how, file);
    }
    take(*option, value_from_json(*option, setting.value),
         {.level = Level::kFile, .source = file + ": " + setting.path});
  }

  void refuse_setting(const Setting& setting, const std::string& file) {
    const std::string& section = setting.section;
    // Of a list of objects where strings belong only the list itself is worth a word.
    const std::string list = setting.path.substr(0, setting.path.find('['));
    if (const Descriptor* option = find_by_path(list); option != nullptr) {
      const JsonValue mixed = OtherJson{"a list with other things than strings"};
      if (reported_.insert(list).second)
        refuse(option->path, value_from_json(*option, mixed).error(), file + ": " + list);
      return;
    }
    const bool is_known_section = is_section(section);
    const auto* other = std::get_if<OtherJson>(&setting.value);
    if (is_known_section && section == setting.path) {
      if (other == nullptr || other->type != "an object") refuse(section, "needs an object", file);
      return;
    }
    // An object where a value belongs, or a section that nobody knows, is one mistake however much is in it.
    const std::size_t last_dot = setting.path.rfind('.');
    const std::string parent = setting.path.substr(0, last_dot == std::string_view::npos ? 0 : last_dot);
    if (const Descriptor* option = find_by_path(parent); option != nullptr) {
      if (reported_.insert(parent).second) refuse(option->path, "needs a value, not an object", file + ": " + parent);
      return;
    }
    if (parent == kListenersPath) {
      if (reported_.insert(parent).second) refuse(parent, "needs a list of objects", file);
      return;
    }
    const std::string& wrong = is_known_section ? setting.path : section;
    if (reported_.insert(wrong).second) refuse(wrong, "unknown key" + suggestion(wrong, known_paths()), file);
  }

  void take_environment() {
    for (const Descriptor& option : descriptors()) {
      // Our own name is the more specific one: PORT may be there for others.
      for (const std::string& name : {option.environment_name(), base::uppercase(option.old_name)}) {
        const std::string value = variable(name);
        if (value.empty()) continue;
        take(option, value_from_text(option, value), {.level = Level::kEnvironment, .source = "environment " + name});
        break;
      }
    }
  }

  void take_flags() {
    for (const Flag& flag : command_line_.flags) {
      take(*flag.option, value_from_text(*flag.option, flag.value),
           {.level = Level::kFlag, .source = "flag " + flag.name});
    }
  }

  const CommandLine& command_line_;
  const Environment& environment_;
  const FileReader& read_;
  Options options_;
  Origins origins_;
  Errors errors_;
  std::map<std::string, std::string, std::less<>> file_paths_;  // option to the path it has in the file
  std::set<std::string> reported_;
};

std::string system_reason() { return std::generic_category().message(errno); }

}  // namespace

std::expected<std::string, std::string> read_file(const std::string& path, std::size_t bytes_max) {
  const base::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.is_open()) return std::unexpected(system_reason());
  std::string content;
  std::array<char, 16 * 1024> chunk;
  while (true) {
    const ssize_t size = ::read(fd.value(), chunk.data(), chunk.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return std::unexpected(system_reason());
    if (size == 0) return content;
    content.append(chunk.data(), static_cast<std::size_t>(size));
    if (content.size() > bytes_max) return std::unexpected("it is larger than " + std::to_string(bytes_max) + " bytes");
  }
}

Environment process_environment() {
  Environment environment;
  for (char** entry = ::environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const std::size_t equals = text.find('=');
    if (equals != std::string_view::npos) environment.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return environment;
}

std::expected<Options, Errors> load(const CommandLine& command_line, const Environment& environment,
                                    const FileReader& read) {
  return Loader(command_line, environment, read).load();
}

}  // namespace anteroom::config
