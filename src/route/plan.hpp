#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "command/facts.hpp"

namespace anteroom::route {

/// Which nodes a request goes to. Where there is one server, each of them is that server.
enum class Target : std::uint8_t {
  kLocal,         ///< none: it is about the session, or about the map of the cluster
  kOneSlot,       ///< the node that has Plan::hash_slot
  kAnyNode,       ///< any one: it has no keys, or none that can be told, and then that node says what is wrong
  kAllPrimaries,  ///< every primary; Plan::merge makes one reply
  kAllNodes,      ///< every primary and replica; likewise
  kSplitBySlot,   ///< a part for each hash slot of its keys; likewise
  kPinned,        ///< a link of the session's own, to the node of Plan::hash_slot or, without, of the first key to come
  kCrossSlot,     ///< none: its keys are in several hash slots and it cannot be split
};

/// How the replies of the parts become one (the tips of Redis's commands; UPSTREAM.md B6.6).
enum class Merge : std::uint8_t {
  kNone,          ///< there is one part
  kAllSucceeded,  ///< any of them, or an error if there is one
  kOneSucceeded,  ///< the first that is no error
  kSum,
  kMin,
  kLogicalAnd,   ///< element by element
  kConcatenate,  ///< elements of all
  kByKey,        ///< elements in the order of the request's keys
  kUnion,        ///< elements of all, each once
  kSumByKey,     ///< names and numbers in turn: numbers of one name added
  kCursor,       ///< SCAN: one node after the other, and the cursor says which
  kSpecial,      ///< no rule for it: each command its own
};

struct Plan {
  Target target = Target::kAnyNode;
  std::optional<std::uint16_t> hash_slot{};
  Merge merge = Merge::kNone;

  friend bool operator==(const Plan&, const Plan&) = default;
};

/// Where a request goes that Table::find() matched to `facts`. Pure; any bytes may be in the arguments.
[[nodiscard]] Plan plan(const command::Facts& facts, std::span<const std::string_view> args);

}  // namespace anteroom::route
