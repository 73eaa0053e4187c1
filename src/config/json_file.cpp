#include "config/json_file.hpp"

#include <algorithm>
#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "base/ascii.hpp"

namespace anteroom::config {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kLevelsMax = 8;
constexpr std::size_t kSettingsMax = 1000;
constexpr std::string_view kLongList = "a list of more than a thousand items";
constexpr std::string_view kMixedList = "a list with other things than strings";
constexpr std::string_view kTooLarge = "a number beyond all ranges";

bool is_key_character(char c) {
  return base::is_digit(c) || c == '_' || c == '-' || (base::to_lower(c) >= 'a' && base::to_lower(c) <= 'z');
}

std::string shown_key(const std::string& key) {
  const bool is_plain = !key.empty() && std::ranges::all_of(key, is_key_character);
  return is_plain ? key : in_quotes(key);
}

/// Receives the parser's events. Builds no tree, so hostile nesting costs nothing; false stops the parser, which then
/// does not throw.
class SettingsReader final : public nlohmann::json_sax<Json> {
 public:
  std::vector<Setting> settings;
  std::optional<std::string> problem;  ///< ours; the parser's own goes to `syntax`
  std::optional<std::string> syntax;
  std::size_t syntax_position = 0;  ///< bytes read

  bool null() override { return add(OtherJson{"null"}); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(std::int64_t{value}); }
  bool number_unsigned(number_unsigned_t value) override {
    constexpr auto kMax = static_cast<number_unsigned_t>(std::numeric_limits<std::int64_t>::max());
    if (value > kMax) return add(OtherJson{kTooLarge});
    return add(static_cast<std::int64_t>(value));
  }
  bool number_float(number_float_t /*value*/, const string_t& text) override {
    const bool is_whole = text.find_first_of(".eE") == std::string_view::npos;
    return add(OtherJson{is_whole ? kTooLarge : "a fraction"});
  }
  bool string(string_t& value) override { return add(std::move(value)); }
  bool binary(binary_t& /*value*/) override { return add(OtherJson{"binary"}); }

  bool start_object(std::size_t /*elements*/) override { return enter({.settings_before = settings.size()}); }
  bool key(string_t& key) override {
    levels_.back().key = shown_key(key);
    levels_.back().is_empty = false;
    return true;
  }
  bool end_object() override {
    const Level ended = leave();
    if (levels_.empty()) return true;
    if (levels_.back().is_list) return add_to_list(ended);
    return ended.is_empty ? add(OtherJson{"an object"}) : true;
  }

  bool start_array(std::size_t /*elements*/) override {
    if (levels_.empty()) return fail("the file must hold one JSON object, not an array");
    return enter({.is_list = true, .settings_before = settings.size()});
  }
  bool end_array() override {
    Level ended = leave();
    if (levels_.back().is_list) {
      levels_.back().has_others = true;
      return true;
    }
    if (!ended.has_others && ended.objects.empty()) return add(std::move(ended.texts));
    const bool has_others = ended.has_others || !ended.texts.empty();
    if (!add(OtherJson{kMixedList})) return false;
    if (!has_others) settings.back().objects = std::move(ended.objects);
    return true;
  }

  bool parse_error(std::size_t position, const std::string& /*token*/, const Json::exception& error) override {
    syntax_position = position;
    syntax = error.what();
    return false;
  }

 private:
  /// An object or a list that is being read.
  struct Level {
    bool is_list = false;
    std::size_t settings_before = 0;   // those behind are its own
    std::string key{};                 // of an object: the member being read
    bool is_empty = true;              // of an object
    std::vector<std::string> texts{};  // of a list, with the next two
    std::vector<std::vector<Setting>> objects{};
    bool has_others = false;
  };

  bool fail(std::string what) {
    problem = std::move(what);
    return false;
  }

  bool enter(Level level) {
    if (levels_.size() >= kLevelsMax) return fail("more than eight levels of nesting");
    levels_.push_back(std::move(level));
    return true;
  }
  Level leave() {
    Level ended = std::move(levels_.back());
    levels_.pop_back();
    return ended;
  }

  bool add(JsonValue value) {
    if (levels_.empty()) return fail("the file must hold one JSON object");
    if (levels_.back().is_list) return add_to_list(std::move(value));
    if (values_ >= kSettingsMax) return fail("more than a thousand values");
    ++values_;
    settings.push_back({.path = path(), .section = levels_.front().key, .value = std::move(value), .objects = {}});
    return true;
  }

  bool add_to_list(JsonValue value) {
    Level& list = levels_.back();
    auto* text = std::get_if<std::string>(&value);
    if (text == nullptr) {
      list.has_others = true;
      return true;
    }
    if (is_full(list)) return fail(std::string(kLongList));
    list.texts.push_back(std::move(*text));
    return true;
  }
  /// What was read of an object in a list is taken out of the settings.
  bool add_to_list(const Level& object) {
    Level& list = levels_.back();
    if (is_full(list)) return fail(std::string(kLongList));
    const auto first = settings.begin() + static_cast<std::ptrdiff_t>(object.settings_before);
    list.objects.emplace_back(std::move_iterator(first), std::move_iterator(settings.end()));
    settings.erase(first, settings.end());
    return true;
  }
  static bool is_full(const Level& list) { return list.texts.size() + list.objects.size() >= kSettingsMax; }

  [[nodiscard]] std::string path() const {
    std::string out;
    for (const Level& level : levels_) {
      if (level.is_list) {
        out += '[' + std::to_string(level.objects.size()) + ']';
      } else {
        if (!out.empty()) out += '.';
        out += level.key;
      }
    }
    return out;
  }

  std::vector<Level> levels_;
  std::size_t values_ = 0;  // settings, also those that stand in lists
};

std::string line_and_column(std::string_view text, std::size_t bytes_read) {
  const std::string_view before = text.substr(0, bytes_read == 0 ? 0 : bytes_read - 1);
  const auto line = std::ranges::count(before, '\n') + 1;
  const std::size_t newline = before.rfind('\n');
  const std::size_t column = before.size() - (newline == std::string_view::npos ? 0 : newline + 1) + 1;
  return "line " + std::to_string(line) + ", column " + std::to_string(column);
}

/// The parser's reason without its own position, and without "last read", which could be part of a secret.
std::string reason_of(std::string_view what) {
  constexpr std::string_view kBefore = ": syntax error ";
  const std::size_t start = what.find(kBefore);
  if (start == std::string_view::npos) return "it is not valid JSON";
  const std::string_view reason = what.substr(start + 2);
  return std::string(reason.substr(0, reason.find("; last read:")));
}

}  // namespace

std::expected<std::vector<Setting>, std::string> parse_json_settings(std::string_view text) {
  if (text.size() > kConfigBytesMax) return std::unexpected("it is larger than 1048576 bytes");
  SettingsReader reader;
  const bool is_complete = Json::sax_parse(text.begin(), text.end(), &reader);
  if (reader.problem) return std::unexpected(std::move(*reader.problem));
  if (is_complete) return std::move(reader.settings);
  return std::unexpected(line_and_column(text, reader.syntax_position) + ": " + reason_of(reader.syntax.value_or("")));
}

}  // namespace anteroom::config
