#pragma once

#include <optional>
#include <span>
#include <string>

#include "resp/reply_shape.hpp"
#include "resp/value.hpp"

namespace anteroom::test {

/// What Resp2Converter should make of a reply that has been parsed into a tree: short, slow, and written another way.
/// Nothing for a reply that contradicts its shape (of an array's elements only some are pairs).
[[nodiscard]] std::optional<std::string> resp2_reference(const resp::Value& reply, const resp::ReplyShape& shape,
                                                         std::span<const resp::ReplyShape> queued = {});

}  // namespace anteroom::test
