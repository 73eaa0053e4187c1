#pragma once

#include <string>

#include "resp/value.hpp"

namespace anteroom::client {

/// A reply as redis-cli shows it to people: quoted strings, numbered elements, "(integer) 1", "(nil)". No newline at
/// the end.
[[nodiscard]] std::string reply_text(const resp::Value& reply);

}  // namespace anteroom::client
