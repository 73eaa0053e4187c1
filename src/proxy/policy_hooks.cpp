#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/ascii.hpp"
#include "command/table.hpp"
#include "proxy/hooks.hpp"

namespace anteroom::proxy {
namespace {

// Arguments may be of any size; no name of a command or subcommand is longer than this.
constexpr std::size_t kNameBytesMax = 64;

/// Up to a NUL byte, where a name may end for the server: refusal_of_name() has why.
std::string name_in(std::string_view arg) {
  return base::lowercase(arg.substr(0, std::min(kNameBytesMax + 1, arg.find('\0'))));
}

/// What the table knows is judged by its id, whatever the spelling; the rest by its name.
class DenyHook final : public Hook {
 public:
  DenyHook(const command::Table& table, const std::vector<std::string>& names, DeniedAs denied_as)
      : denied_as_(denied_as), by_id_(table.size()) {
    for (const std::string& name : names) {
      const std::string& kept = names_.emplace_back(base::lowercase(name));
      by_name_.try_emplace(kept, names_.size());
      std::string row = kept;
      std::ranges::replace(row, ' ', '|');
      for (const command::Facts& facts : table) {
        if (facts.name == row || facts.name.starts_with(row + '|')) by_id_[facts.id] = names_.size();
      }
    }
  }

  [[nodiscard]] bool looks_at(const command::Facts& facts) const noexcept override { return by_id_[facts.id] != 0; }

  [[nodiscard]] Verdict on_request(const ClientView&, const Request& request) override {
    const command::Lookup& lookup = request.lookup;
    if (lookup.facts != nullptr) {
      const std::size_t number = by_id_[lookup.facts->id];
      if (number != 0) return refused(request, number);
      if (lookup.match != command::Match::kUnknownSubcommand) return Verdict::go_on();
    }
    return judge_by_name(request);
  }

  [[nodiscard]] bool wants_outcomes() const noexcept override { return false; }

 private:
  [[nodiscard]] Verdict judge_by_name(const Request& request) const {
    std::string name = name_in(request.args[0]);
    if (name.contains(' ')) return Verdict::go_on();  // one argument is no command with its subcommand
    if (const auto found = by_name_.find(name); found != by_name_.end()) return refused(request, found->second);
    if (request.args.size() == 1) return Verdict::go_on();
    name.append(" ").append(name_in(request.args[1]));
    const auto found = by_name_.find(name);
    return found != by_name_.end() ? refused(request, found->second) : Verdict::go_on();
  }

  /// `number` counts from 1.
  [[nodiscard]] Verdict refused(const Request& request, std::size_t number) const {
    const std::string& name = names_[number - 1];
    if (denied_as_ == DeniedAs::kNoPerm) {
      return Verdict::refuse("NOPERM anteroom: command '" + name + "' is disabled (stage=policy executed=no)");
    }
    return Verdict::refuse(name.contains(' ') ? command::unknown_subcommand_error(request.args)
                                              : command::unknown_command_error(request.args));
  }

  const DeniedAs denied_as_;
  std::vector<std::string> names_;
  std::vector<std::size_t> by_id_;  // 1 + index in names_; 0 is not denied
  std::unordered_map<std::string, std::size_t> by_name_;
};

/// A name that is taken must not be one of the table's, so of those it looks at the old ones only.
class RenameHook final : public Hook {
 public:
  RenameHook(const command::Table& table, const std::vector<Rename>& renames) : is_gone_by_id_(table.size(), false) {
    for (const Rename& rename : renames) {
      const std::string old_name = base::lowercase(rename.old_name);
      by_name_.insert_or_assign(old_name, std::string());
      if (!rename.new_name.empty()) by_name_.insert_or_assign(base::lowercase(rename.new_name), old_name);
      for (const command::Facts& facts : table) {
        if (facts.name == old_name || facts.name.starts_with(old_name + '|')) is_gone_by_id_[facts.id] = true;
      }
    }
  }

  [[nodiscard]] bool looks_at(const command::Facts& facts) const noexcept override { return is_gone_by_id_[facts.id]; }

  [[nodiscard]] Verdict on_request(const ClientView&, const Request& request) override {
    if (const command::Facts* const facts = request.lookup.facts) {
      return is_gone_by_id_[facts->id] ? unknown(request) : Verdict::go_on();
    }
    const auto found = by_name_.find(name_in(request.args[0]));
    if (found == by_name_.end()) return Verdict::go_on();
    if (found->second.empty()) return unknown(request);
    std::vector<std::string> args(request.args.begin(), request.args.end());
    args[0] = found->second;
    return Verdict::rewrite(std::move(args));
  }

  [[nodiscard]] bool wants_outcomes() const noexcept override { return false; }

 private:
  static Verdict unknown(const Request& request) {
    return Verdict::refuse(command::unknown_command_error(request.args));
  }

  std::vector<bool> is_gone_by_id_;
  std::unordered_map<std::string, std::string> by_name_;  // new name to the old one; an old one to nothing
};

}  // namespace

std::unique_ptr<Hook> make_deny_hook(const command::Table& table, const std::vector<std::string>& names,
                                     DeniedAs denied_as) {
  return std::make_unique<DenyHook>(table, names, denied_as);
}

std::unique_ptr<Hook> make_rename_hook(const command::Table& table, const std::vector<Rename>& renames) {
  return std::make_unique<RenameHook>(table, renames);
}

}  // namespace anteroom::proxy
