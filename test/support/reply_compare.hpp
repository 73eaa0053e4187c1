#pragma once

#include <cstdint>
#include <string>

#include "support/reply.hpp"

namespace anteroom::test {

/// What must be equal of two replies.
enum class Compare : std::uint8_t {
  kBytes,     ///< everything
  kAnyOrder,  ///< everything but the order of elements, at any depth: sets and hash tables
  kShape,     ///< types and numbers of elements: times, ids, random choices, memory
  kFields,    ///< of texts made of `name=value` or `name:value`, their names; of all else the bytes
};

/// That part of `reply`, written so that equal means comparable. `reply` is as read, or one of its elements.
[[nodiscard]] std::string comparable_part(const Reply& reply, Compare compare);

}  // namespace anteroom::test
