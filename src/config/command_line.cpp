#include "config/command_line.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

#include "config/url.hpp"

namespace anteroom::config {
namespace {

constexpr std::array<std::pair<std::string_view, Subcommand>, 5> kSubcommands{
    {{"serve", Subcommand::kServe},
     {"check", Subcommand::kCheck},
     {"options", Subcommand::kOptions},
     {"hash-password", Subcommand::kHashPassword},
     {"gateway", Subcommand::kGateway}}};

std::vector<std::string> flag_names() {
  std::vector<std::string> names{"--config", "--help", "--version"};
  for (const Descriptor& option : descriptors()) {
    names.push_back("--" + std::string(option.flag));
    if (!option.old_name.empty()) names.push_back("--" + normalized_flag(option.old_name));
  }
  return names;
}

class Parser {
 public:
  explicit Parser(const std::vector<std::string>& arguments) : arguments_(arguments) {}

  CommandLine parse() {
    while (next_ < arguments_.size()) {
      const std::string& argument = arguments_[next_++];
      if (argument == "-h") {
        out_.wants_help = true;
      } else if (argument.starts_with("--")) {
        take_flag(argument);
      } else if (argument == "-l" || argument == "-r" || argument == "-u") {
        take_short_flag(argument);
      } else if (argument.starts_with('-') && argument.size() > 1) {
        // Two bytes only: what follows could be a value.
        refuse_flag(argument.substr(0, 2), argument.size() > 2);
      } else {
        take_word(argument);
      }
    }
    settle_short_flags();
    return std::move(out_);
  }

 private:
  void take_short_flag(const std::string& flag) {
    if (const auto value = next_value()) {
      short_flags_[flag] = *value;
    } else {
      refuse(flag, "needs a value");
    }
  }

  /// `-r` alone is an address of TCP, as `-u tcp` says; with `-u unix` it is a path. Either may be a URL, too.
  void settle_short_flags() {
    if (short_flags_.empty()) return;
    if (out_.subcommand != Subcommand::kGateway) {
      refuse(short_flags_.begin()->first, "is only for `anteroom gateway`");
      return;
    }
    if (const auto listen = short_flags_.find("-l"); listen != short_flags_.end()) {
      out_.flags.push_back({.option = find_by_path("gateway.listen"), .name = "-l", .value = listen->second});
    }
    const auto is_url = [this](const std::string& name) {
      const auto flag = short_flags_.find(name);
      return flag != short_flags_.end() && flag->second.contains("://");
    };
    if (is_url("-u") && short_flags_.contains("-r")) {
      refuse("-u", "is a URL, and so has no room for -r");
      return;
    }
    for (const std::string name : {"-r", "-u"}) {
      const auto url = short_flags_.find(name);
      if (url == short_flags_.end() || !url->second.contains("://")) continue;
      out_.flags.push_back({.option = find_by_path("upstream.url"), .name = url->first, .value = url->second});
      return;
    }
    const auto kind = short_flags_.find("-u");
    const bool is_unix = kind != short_flags_.end() && kind->second == "unix";
    if (kind != short_flags_.end() && !is_unix && kind->second != "tcp") {
      refuse("-u", in_quotes(kind->second) + " is not tcp or unix, nor a URL");
    } else if (const auto remote = short_flags_.find("-r"); remote != short_flags_.end()) {
      out_.flags.push_back({.option = find_by_path("upstream.url"),
                            .name = "-r",
                            .value = (is_unix ? "unix://" : "redis://") + remote->second});
    } else if (is_unix) {
      refuse("-u", "unix needs -r with the path of the socket");
    }
  }

  void take_flag(const std::string& argument) {
    const std::size_t equals = argument.find('=');
    const std::string name = argument.substr(0, equals);
    const std::string flag = normalized_flag(std::string_view(name).substr(2));
    const Descriptor* option = find_by_flag(flag);
    if (flag == "help" || flag == "version") {
      (flag == "help" ? out_.wants_help : out_.wants_version) = true;
      if (equals != std::string_view::npos) refuse(name, "takes no value");
      return;
    }
    if (option == nullptr && flag != "config") {
      refuse_flag(name, equals != std::string::npos);
      return;
    }
    const bool is_switch = option != nullptr && option->kind == Kind::kBool;
    const auto value = equals != std::string_view::npos ? std::optional(argument.substr(equals + 1))
                       : is_switch                      ? std::optional(next_switch())
                                                        : next_value();
    if (!value) {
      refuse(name, "needs a value");
    } else if (option != nullptr) {
      out_.flags.push_back({.option = option, .name = name, .value = *value});
    } else if (value->empty()) {
      refuse(name, "needs the name of a file");
    } else {
      out_.config_file = *value;
    }
  }

  /// What follows a flag is its value, also "-1", unless it is a flag itself.
  std::optional<std::string> next_value() {
    if (next_ >= arguments_.size() || arguments_[next_].starts_with("--")) return std::nullopt;
    return arguments_[next_++];
  }

  /// A switch may stand alone, and then is on.
  std::string next_switch() {
    const auto is_word = [this](const auto& subcommand) { return subcommand.first == arguments_[next_]; };
    const bool is_alone =
        next_ >= arguments_.size() || arguments_[next_].starts_with('-') || std::ranges::any_of(kSubcommands, is_word);
    return is_alone ? "true" : arguments_[next_++];
  }

  void take_word(const std::string& word) {
    for (const auto& [name, subcommand] : kSubcommands) {
      if (word != name) continue;
      if (std::exchange(has_subcommand_, true)) refuse(word, "is a second subcommand");
      out_.subcommand = subcommand;
      return;
    }
    if (has_subcommand_) {
      refuse(in_quotes(word), "unexpected argument");
      return;
    }
    has_subcommand_ = true;
    refuse(in_quotes(word), "unknown subcommand" +
                                suggestion(word, {"serve", "check", "options", "hash-password", "gateway", "cli"}) +
                                " (there are serve, gateway, cli, check, options and hash-password)");
  }

  void refuse_flag(std::string_view name, bool has_value) {
    const std::string shown = in_quotes(name);
    refuse(shown.substr(1, shown.size() - 2), "unknown option" + suggestion(normalized_flag(name), flag_names()));
    // What follows is most likely its value, which nobody needs to see.
    if (!has_value && next_ < arguments_.size() && !arguments_[next_].starts_with('-') &&
        !is_subcommand(arguments_[next_]))
      ++next_;
  }

  static bool is_subcommand(std::string_view word) {
    return std::ranges::any_of(kSubcommands, [word](const auto& known) { return known.first == word; });
  }

  void refuse(std::string what, std::string problem) {
    out_.errors.push_back({.option = std::move(what), .problem = std::move(problem), .source = {}});
  }

  const std::vector<std::string>& arguments_;
  std::size_t next_ = 0;
  bool has_subcommand_ = false;
  std::map<std::string, std::string> short_flags_;
  CommandLine out_;
};

}  // namespace

CommandLine parse_command_line(const std::vector<std::string>& arguments) { return Parser(arguments).parse(); }

void scrub_argv(int argc, char** argv) noexcept {
  bool is_secret_value = false;
  for (int i = 1; i < argc; ++i) {
    char* argument = argv[i];
    const std::size_t size = std::strlen(argument);
    const std::string_view text(argument, size);
    if (!text.starts_with("--")) {
      if (is_secret_value) std::fill_n(argument, size, '*');
      mask_url_password(argument, size);
      is_secret_value = false;
      continue;
    }
    const std::size_t equals = std::min(text.find('='), size);
    const Descriptor* option = find_by_flag(text.substr(2, equals - 2));
    const bool is_secret = option != nullptr && option->is_secret;
    is_secret_value = is_secret && equals == size;
    if (equals == size) continue;
    char* value = argument + equals + 1;
    const std::size_t value_size = size - equals - 1;
    if (is_secret) std::fill_n(value, value_size, '*');
    mask_url_password(value, value_size);
  }
}

}  // namespace anteroom::config
