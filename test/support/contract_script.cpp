#include "support/contract_script.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <filesystem>
#include <optional>
#include <utility>

#include "support/temp_dir.hpp"

namespace anteroom::test {
namespace {

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\r");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1);
}

/// Takes the first word off `text`.
std::string_view take_word(std::string_view& text) {
  const std::size_t end = std::min(text.find(' '), text.size());
  const std::string_view word = text.substr(0, end);
  text = trimmed(text.substr(end));
  return word;
}

bool is_name(std::string_view text) {
  return !text.empty() &&
         std::ranges::all_of(text, [](char c) { return std::islower(c) != 0 || std::isdigit(c) != 0; });
}

std::optional<std::size_t> to_count(std::string_view text) {
  std::size_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return count;
}

/// One escape of a double-quoted word; `at` is behind the backslash and ends on the escape's last character.
char escape(std::string_view line, std::size_t& at) {
  const char c = line[at];
  if (c == 'x' && at + 2 < line.size() && std::isxdigit(line[at + 1]) != 0 && std::isxdigit(line[at + 2]) != 0) {
    unsigned value = 0;
    std::from_chars(line.data() + at + 1, line.data() + at + 3, value, 16);
    at += 2;
    return static_cast<char>(value);
  }
  constexpr std::string_view kLetters = "nrtba";
  constexpr std::string_view kMeanings = "\n\r\t\b\a";
  const std::size_t found = kLetters.find(c);
  return found == std::string_view::npos ? c : kMeanings[found];
}

/// Appends the quoted part that begins at `at` and moves `at` behind it. False if it does not end.
bool take_quoted(std::string_view line, std::size_t& at, std::string& word) {
  const char quote = line[at++];
  for (; at < line.size(); ++at) {
    if (line[at] == quote) {
      ++at;
      return true;
    }
    if (line[at] == '\\' && at + 1 < line.size() && quote == '"') {
      word += escape(line, ++at);
    } else if (line[at] == '\\' && line.substr(at + 1).starts_with('\'')) {
      word += line[++at];
    } else {
      word += line[at];
    }
  }
  return false;
}

/// Turns lines into steps. One script, then it is done.
class Parser {
 public:
  std::optional<std::string> add(std::size_t number, std::string_view text);  ///< what is wrong with the line
  [[nodiscard]] bool is_in_pipeline() const { return is_in_pipeline_; }
  std::vector<ScriptStep> steps;

 private:
  using Kind = ScriptStep::Kind;

  static bool take_prefix(std::string_view word, ScriptStep& step);
  std::optional<std::string> add_directive(std::string_view name, std::string_view rest, ScriptStep step);
  std::optional<std::string> add_counted(std::string_view rest, ScriptStep step);
  std::optional<std::string> add_command(std::string_view text, ScriptStep step);
  std::optional<std::string> add_to_pipeline(std::string_view text);

  bool is_in_pipeline_ = false;
};

bool Parser::take_prefix(std::string_view word, ScriptStep& step) {
  if (word == "@unordered") {
    step.compare = Compare::kAnyOrder;
  } else if (word == "@volatile") {
    step.compare = Compare::kShape;
  } else if (word == "@fields") {
    step.compare = Compare::kFields;
  } else if (word == "@resp2") {
    step.is_for_resp3 = false;
  } else if (word == "@resp3") {
    step.is_for_resp2 = false;
  } else if (word == "@send") {
    step.kind = Kind::kSend;
  } else {
    return false;
  }
  return true;
}

std::optional<std::string> Parser::add(std::size_t number, std::string_view text) {
  text = trimmed(text);
  if (text.empty() || text.starts_with('#')) return std::nullopt;
  if (is_in_pipeline_) return add_to_pipeline(text);
  ScriptStep step{.line = number, .commands = {}, .reply = {}, .name = {}};
  while (text.starts_with('@')) {
    std::string_view rest = text;
    const std::string_view word = take_word(rest);
    if (!take_prefix(word, step)) return add_directive(word, rest, std::move(step));
    text = rest;
  }
  return add_command(text, std::move(step));
}

std::optional<std::string> Parser::add_to_pipeline(std::string_view text) {
  if (text == "@end") {
    is_in_pipeline_ = false;
    if (steps.back().commands.empty()) return "an empty pipeline";
    return std::nullopt;
  }
  if (text.starts_with('@') || script_arguments(text).empty()) return "no command, but in a pipeline";
  steps.back().commands.emplace_back(text);
  return std::nullopt;
}

std::optional<std::string> Parser::add_directive(std::string_view name, std::string_view rest, ScriptStep step) {
  if (name == "@read" || name == "@blocked") {
    step.kind = name == "@read" ? Kind::kRead : Kind::kBlocked;
    return add_counted(rest, std::move(step));
  }
  if (name == "@closed" || name == "@pipeline") {
    if (!is_name(rest)) return "no name of a connection";
    step.kind = name == "@closed" ? Kind::kClosed : Kind::kAsk;
    step.connection = rest;
    is_in_pipeline_ = name == "@pipeline";
    steps.push_back(std::move(step));
    return std::nullopt;
  }
  if (name == "@keep") {
    step.kind = Kind::kKeep;
    step.name = take_word(rest);
    if (!is_name(step.name)) return "no name to keep it by";
    return add_command(rest, std::move(step));
  }
  if (name != "@until" && name != "@direct") return "unknown directive";
  step.kind = name == "@until" ? Kind::kUntil : Kind::kDirect;
  if (name == "@until") step.reply = take_word(rest);
  if (script_arguments(rest).empty()) return "no command, or quotes that do not match";
  step.commands.emplace_back(rest);
  steps.push_back(std::move(step));
  return std::nullopt;
}

std::optional<std::string> Parser::add_counted(std::string_view rest, ScriptStep step) {
  if (step.kind == Kind::kRead) {
    step.connection = take_word(rest);
    if (!is_name(step.connection)) return "no name of a connection";
    if (rest.empty()) rest = "1";
  }
  const std::optional<std::size_t> count = to_count(rest);
  if (!count) return "not a number";
  step.count = *count;
  steps.push_back(std::move(step));
  return std::nullopt;
}

std::optional<std::string> Parser::add_command(std::string_view text, ScriptStep step) {
  const std::size_t colon = text.find(": ");
  if (colon != std::string_view::npos && is_name(text.substr(0, colon))) {
    step.connection = text.substr(0, colon);
    text = trimmed(text.substr(colon + 1));
  }
  if (script_arguments(text).empty()) return "no command, or quotes that do not match";
  step.commands.emplace_back(text);
  steps.push_back(std::move(step));
  return std::nullopt;
}

}  // namespace

std::vector<std::string> script_arguments(std::string_view line) {
  std::vector<std::string> arguments;
  std::size_t at = 0;
  while (at < line.size()) {
    if (line[at] == ' ' || line[at] == '\t') {
      ++at;
      continue;
    }
    std::string& word = arguments.emplace_back();
    while (at < line.size() && line[at] != ' ' && line[at] != '\t') {
      if (line[at] != '"' && line[at] != '\'') {
        word += line[at++];
        continue;
      }
      if (!take_quoted(line, at, word)) return {};
      if (at < line.size() && line[at] != ' ' && line[at] != '\t') return {};
    }
  }
  return arguments;
}

std::expected<ContractScript, std::string> parse_contract_script(std::string name, std::string_view text) {
  Parser parser;
  std::size_t number = 0;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::optional<std::string> trouble = parser.add(++number, text.substr(0, end));
    if (trouble) return std::unexpected(name + ":" + std::to_string(number) + ": " + *trouble);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  if (parser.is_in_pipeline()) return std::unexpected(name + ": a pipeline without @end");
  if (parser.steps.empty()) return std::unexpected(name + ": no commands");
  return ContractScript{.name = std::move(name), .steps = std::move(parser.steps)};
}

std::expected<std::vector<ContractScript>, std::string> contract_scripts(const std::string& folder) {
  std::vector<ContractScript> scripts;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (entry.path().extension() != ".txt") continue;
    auto script = parse_contract_script(entry.path().stem().string(), read_file(entry.path().string()));
    if (!script) return std::unexpected(script.error());
    scripts.push_back(std::move(*script));
  }
  if (error) return std::unexpected(folder + ": " + error.message());
  std::ranges::sort(scripts, {}, &ContractScript::name);
  return scripts;
}

}  // namespace anteroom::test
