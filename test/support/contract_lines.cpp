#include "support/contract_lines.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "command/table.hpp"

namespace anteroom::test {
namespace {

using command::Class;
using command::Facts;
using command::KeySpec;

command::Table commands() { return *command::Table::build(); }

/// "config|get" becomes CONFIG and GET.
std::vector<std::string> name_of(const Facts& facts) {
  std::vector<std::string> words(1);
  for (const char c : facts.name) {
    if (c == '|') {
      words.emplace_back();
    } else {
      words.back() += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    }
  }
  return words;
}

std::string joined(const std::vector<std::string>& words) {
  std::string line;
  for (const std::string& word : words) line += (line.empty() ? "" : " ") + word;
  return line;
}

void add_line(ContractScript& script, std::vector<std::string> lines, Compare compare = Compare::kBytes) {
  ScriptStep step{.line = script.steps.size() + 1, .commands = std::move(lines), .reply = {}, .name = {}};
  step.compare = compare;
  script.steps.push_back(std::move(step));
}

/// The name and as many arguments as make `size` words.
std::string filled(std::vector<std::string> words, std::size_t size) {
  words.resize(std::max(size, words.size()), "x");
  return joined(words);
}

/// The smallest request that the server takes for whole, every key of it `key`.
std::vector<std::string> on_key(const Facts& facts, const std::string& key) {
  std::vector<std::string> words = name_of(facts);
  words.resize(static_cast<std::size_t>(std::abs(facts.arity)), "1");
  for (const KeySpec& spec : facts.keys) {
    if (spec.find == KeySpec::Find::kCount) {
      words.resize(std::max<std::size_t>(words.size(), spec.begin + 2U), "1");
      words[spec.begin + 1U] = key;
      continue;
    }
    const int last = spec.last < 0 ? static_cast<int>(words.size()) + spec.last : spec.last;
    const std::size_t end = static_cast<std::size_t>(last) + 1;
    for (std::size_t at = spec.begin; at < end; at += spec.step) words[at] = key;
  }
  return words;
}

/// Left out: what changes the connection, what would wait for another server, and arguments that a rule cannot make.
bool is_tried_on_keys(const Facts& facts) {
  if (facts.keys.empty() || facts.key_walk == command::KeyWalk::kStreams) return false;
  if (facts.key_walk == command::KeyWalk::kMigrate) return false;
  return facts.command_class != Class::kSubscription && facts.command_class != Class::kTransaction;
}

/// What a clock or an allocator says.
Compare comparison_of(const Facts& facts) {
  const bool is_measured = facts.name == "object|idletime" || facts.name == "memory|usage";
  return is_measured ? Compare::kShape : Compare::kBytes;
}

/// What redis-server learnt after 7.0, by name or by the beginning of several.
bool is_newer(const Facts& facts) {
  constexpr auto kNewer =
      std::to_array<std::string_view>({"client|no-touch", "client|setinfo", "cluster|myshardid", "waitaof", "sflush",
                                       "hexpire", "hexpireat", "hexpiretime", "hpersist", "hpttl", "httl"});
  return facts.name.starts_with("hpexpire") || std::ranges::find(kNewer, facts.name) != kNewer.end();
}

bool is_own(const Facts& facts) { return facts.name.starts_with("anteroom"); }

ContractScript wrong_arities(std::string name_of_script, bool of_newer) {
  ContractScript script{.name = std::move(name_of_script), .steps = {}};
  for (const Facts& facts : commands()) {
    // The front-end has what is newer about its own clients, whichever server is behind it.
    if (is_own(facts) || is_newer(facts) != of_newer || (of_newer && facts.name.starts_with("client|"))) continue;
    const std::vector<std::string> name = name_of(facts);
    const auto least = static_cast<std::size_t>(std::abs(facts.arity));
    if (least > name.size()) add_line(script, {joined(name)});
    if (least > name.size() + 1) add_line(script, {filled(name, least - 1)});
    if (facts.arity > 0) add_line(script, {filled(name, least + 1)});
  }
  return script;
}

}  // namespace

ContractScript script_of_wrong_arities() { return wrong_arities("wrong_arities", false); }

ContractScript script_of_newer_commands() { return wrong_arities("newer_commands", true); }

ContractScript script_of_wrong_types() {
  ContractScript script{.name = "wrong_types", .steps = {}};
  for (const Facts& facts : commands()) {
    if (!is_tried_on_keys(facts)) continue;
    for (const char* key : {"s", "l", "h"}) {
      add_line(script, {"FLUSHALL", "SET s v", "RPUSH l a", "HSET h f v"});
      add_line(script, {joined(on_key(facts, key))}, comparison_of(facts));
    }
  }
  return script;
}

}  // namespace anteroom::test
