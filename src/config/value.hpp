#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "config/descriptor.hpp"
#include "config/json_file.hpp"

/// Values of options from text and JSON, and back. Pure. Errors say what is wrong in words that follow the option's
/// name, and show no value of a secret option.
namespace anteroom::config {

/// From a flag or the environment. Lists are separated by commas; sizes may end in k, kb, m, mb, g or gb as in Redis's
/// own configuration (1k is 1000, 1kb is 1024).
[[nodiscard]] std::expected<Value, std::string> value_from_text(const Descriptor& option, std::string_view text);

/// From the file: a value of the option's own JSON type. Sizes and modes may be strings too, lists also texts with
/// commas.
[[nodiscard]] std::expected<Value, std::string> value_from_json(const Descriptor& option, const JsonValue& json);

/// As one writes it on a command line: "64mb", "700", "a,b".
[[nodiscard]] std::string text_of(const Descriptor& option, const Value& value);

}  // namespace anteroom::config
