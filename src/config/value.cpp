#include "config/value.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <utility>

#include "base/ascii.hpp"
#include "base/check.hpp"
#include "base/parse_int.hpp"

namespace anteroom::config {
namespace {

using Result = std::expected<Value, std::string>;

struct Suffix {
  std::string_view text;
  std::int64_t factor;
};

/// Redis's memtoull().
constexpr std::array<Suffix, 7> kSuffixes{{{"gb", 1024LL * 1024 * 1024},
                                           {"mb", 1024LL * 1024},
                                           {"kb", 1024},
                                           {"g", 1'000'000'000},
                                           {"m", 1'000'000},
                                           {"k", 1'000},
                                           {"b", 1}}};

std::optional<std::int64_t> parse_size(std::string_view text) {
  const std::string lower = base::lowercase(text);
  std::string_view digits = lower;
  std::int64_t factor = 1;
  for (const Suffix& suffix : kSuffixes) {
    if (!digits.ends_with(suffix.text)) continue;
    digits.remove_suffix(suffix.text.size());
    factor = suffix.factor;
    break;
  }
  const auto number = base::parse_int(digits, std::numeric_limits<std::int64_t>::min() / factor,
                                      std::numeric_limits<std::int64_t>::max() / factor);
  return number ? std::optional(*number * factor) : std::nullopt;
}

/// "0700" and "700" are the same mode.
std::optional<std::int64_t> parse_octal(std::string_view text) {
  constexpr std::size_t kDigitsMax = 6;
  if (text.empty() || text.size() > kDigitsMax) return std::nullopt;
  std::int64_t number = 0;
  for (const char c : text) {
    if (c < '0' || c > '7') return std::nullopt;
    number = number * 8 + (c - '0');
  }
  return number;
}

std::string octal(std::int64_t number) {
  std::string out;
  do {
    out.insert(out.begin(), static_cast<char>('0' + number % 8));
    number /= 8;
  } while (number > 0);
  return out;
}

std::string size_text(std::int64_t bytes) {
  for (const Suffix& suffix : kSuffixes) {
    if (suffix.text.size() == 2 && bytes != 0 && bytes % suffix.factor == 0) {
      return std::to_string(bytes / suffix.factor) + std::string(suffix.text);
    }
  }
  return std::to_string(bytes);
}

std::string number_text(const Descriptor& option, std::int64_t number) {
  if (option.unit == Unit::kOctal) return octal(number);
  return option.unit == Unit::kBytes ? size_text(number) : std::to_string(number);
}

std::string_view form_of_number(Unit unit) {
  if (unit == Unit::kOctal) return "an octal mode like 700";
  return unit == Unit::kBytes ? "a size like 1048576 or 1mb" : "a whole number";
}

std::string shown(const Descriptor& option, std::string_view text) {
  return option.is_secret ? "the value" : in_quotes(text);
}

/// The last step for every value: the option's own judgement.
Result judged(const Descriptor& option, Value value) {
  if (option.judge != nullptr) {
    if (auto problem = option.judge(value)) return std::unexpected(std::move(*problem));
  }
  return value;
}

Result ranged(const Descriptor& option, std::int64_t number) {
  if (number >= option.min && number <= option.max) return judged(option, number);
  return std::unexpected(number_text(option, number) + " is not between " + number_text(option, option.min) + " and " +
                         number_text(option, option.max));
}

Result number_from(const Descriptor& option, std::string_view text) {
  const auto number = option.unit == Unit::kOctal   ? parse_octal(text)
                      : option.unit == Unit::kBytes ? parse_size(text)
                                                    : base::parse_int(text);
  if (!number) return std::unexpected(in_quotes(text) + " is not " + std::string(form_of_number(option.unit)));
  return ranged(option, *number);
}

Result bool_from(std::string_view text) {
  for (const std::string_view word : {"true", "yes", "on", "1"}) {
    if (base::equals_ignore_case(text, word)) return true;
  }
  for (const std::string_view word : {"false", "no", "off", "0"}) {
    if (base::equals_ignore_case(text, word)) return false;
  }
  return std::unexpected(in_quotes(text) + " is neither true nor false");
}

Result choice_from(const Descriptor& option, std::string_view text) {
  const std::string lower = base::lowercase(text);
  if (std::ranges::find(option.choices, lower) != option.choices.end()) return judged(option, lower);
  std::string names;
  for (const std::string_view choice : option.choices) names.append(names.empty() ? "" : ", ").append(choice);
  return std::unexpected(in_quotes(text) + " is not one of " + names);
}

Result text_from(const Descriptor& option, std::string_view text) {
  // The system's interfaces would take what stands before the NUL.
  if (text.find('\0') != std::string_view::npos) return std::unexpected(shown(option, text) + " has a NUL byte");
  return judged(option, std::string(text));
}

Result list_from(const Descriptor& option, std::vector<std::string> items) {
  for (std::string& item : items) {
    item = std::string(base::trim(item));
    if (item.empty()) return std::unexpected("has an empty item");
    if (item.find('\0') != std::string_view::npos) return std::unexpected(in_quotes(item) + " has a NUL byte");
  }
  return judged(option, std::move(items));
}

Result list_from_text(const Descriptor& option, std::string_view text) {
  std::vector<std::string> items;
  if (base::trim(text).empty()) return list_from(option, {});
  while (true) {
    const std::size_t comma = text.find(',');
    items.emplace_back(text.substr(0, comma));
    if (comma == std::string_view::npos) break;
    text.remove_prefix(comma + 1);
  }
  return list_from(option, std::move(items));
}

std::string_view type_of(const JsonValue& json) {
  if (const auto* other = std::get_if<OtherJson>(&json)) return other->type;
  constexpr std::array<std::string_view, 5> kTypes{"", "true or false", "a number", "a string", "a list"};
  return kTypes[json.index()];
}

std::string_view needed_type(const Descriptor& option) {
  switch (option.kind) {
    case Kind::kBool:
      return "true or false";
    case Kind::kInteger:
      return form_of_number(option.unit);
    case Kind::kText:
    case Kind::kChoice:
      return "a string";
    case Kind::kList:
      return "a list of strings";
  }
  return {};
}

}  // namespace

Result value_from_text(const Descriptor& option, std::string_view text) {
  switch (option.kind) {
    case Kind::kBool:
      return bool_from(text);
    case Kind::kInteger:
      return number_from(option, text);
    case Kind::kText:
      return text_from(option, text);
    case Kind::kList:
      return list_from_text(option, text);
    case Kind::kChoice:
      return choice_from(option, text);
  }
  ANTEROOM_CHECK(false);
  std::unreachable();
}

Result value_from_json(const Descriptor& option, const JsonValue& json) {
  const auto* text = std::get_if<std::string>(&json);
  const auto* number = std::get_if<std::int64_t>(&json);
  const auto* flag = std::get_if<bool>(&json);
  const auto* list = std::get_if<std::vector<std::string>>(&json);
  const bool is_number = option.kind == Kind::kInteger;
  const bool may_be_text = !is_number || option.unit == Unit::kBytes || option.unit == Unit::kOctal;
  if (text != nullptr && option.kind != Kind::kBool && may_be_text) return value_from_text(option, *text);
  // 700 in the file is the mode 0700, as people write it.
  if (number != nullptr && option.unit == Unit::kOctal) return number_from(option, std::to_string(*number));
  if (number != nullptr && is_number) return ranged(option, *number);
  if (flag != nullptr && option.kind == Kind::kBool) return *flag;
  if (list != nullptr && option.kind == Kind::kList) return list_from(option, *list);
  return std::unexpected("needs " + std::string(needed_type(option)) + ", not " + std::string(type_of(json)));
}

std::string text_of(const Descriptor& option, const Value& value) {
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
  if (const auto* number = std::get_if<std::int64_t>(&value)) return number_text(option, *number);
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  std::string out;
  for (const std::string& item : std::get<std::vector<std::string>>(value))
    out.append(out.empty() ? "" : ",").append(item);
  return out;
}

}  // namespace anteroom::config
