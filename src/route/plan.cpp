#include "route/plan.hpp"

#include <algorithm>
#include <array>

#include "command/key_extraction.hpp"
#include "route/hash_slot.hpp"

namespace anteroom::route {
namespace {

using command::Class;
using Args = std::span<const std::string_view>;

struct Row {
  std::string_view name;
  Target target;
  Merge merge;
};

// What goes to many nodes. Of the others in those classes, kAllSucceeded for all nodes and kSpecial for all primaries.
// The PUBSUB commands may be asked of any node, but each knows only its own subscribers.
constexpr std::array kRows = std::to_array<Row>({
    {"dbsize", Target::kAllPrimaries, Merge::kSum},
    {"keys", Target::kAllPrimaries, Merge::kConcatenate},
    {"flushall", Target::kAllPrimaries, Merge::kAllSucceeded},
    {"flushdb", Target::kAllPrimaries, Merge::kAllSucceeded},
    {"function|load", Target::kAllPrimaries, Merge::kAllSucceeded},
    {"function|delete", Target::kAllPrimaries, Merge::kAllSucceeded},
    {"function|flush", Target::kAllPrimaries, Merge::kAllSucceeded},
    {"function|restore", Target::kAllPrimaries, Merge::kAllSucceeded},
    {"function|kill", Target::kAllPrimaries, Merge::kOneSucceeded},
    {"memory|purge", Target::kAllPrimaries, Merge::kAllSucceeded},
    {"script|kill", Target::kAllPrimaries, Merge::kOneSucceeded},
    {"script|exists", Target::kAllPrimaries, Merge::kLogicalAnd},
    {"wait", Target::kAllPrimaries, Merge::kMin},
    {"waitaof", Target::kAllPrimaries, Merge::kMin},
    {"latency|doctor", Target::kAllNodes, Merge::kSpecial},
    {"latency|graph", Target::kAllNodes, Merge::kSpecial},
    {"latency|histogram", Target::kAllNodes, Merge::kSpecial},
    {"latency|history", Target::kAllNodes, Merge::kSpecial},
    {"latency|latest", Target::kAllNodes, Merge::kSpecial},
    {"latency|reset", Target::kAllNodes, Merge::kSum},
    {"slowlog|get", Target::kAllNodes, Merge::kConcatenate},
    {"slowlog|len", Target::kAllNodes, Merge::kSum},
    {"pubsub|channels", Target::kAllNodes, Merge::kUnion},
    {"pubsub|numpat", Target::kAllNodes, Merge::kSum},
    {"pubsub|numsub", Target::kAllNodes, Merge::kSumByKey},
    {"pubsub|shardchannels", Target::kAllPrimaries, Merge::kUnion},
    {"pubsub|shardnumsub", Target::kAllPrimaries, Merge::kSumByKey},
    {"mget", Target::kSplitBySlot, Merge::kByKey},
    {"mset", Target::kSplitBySlot, Merge::kAllSucceeded},
    {"del", Target::kSplitBySlot, Merge::kSum},
    {"unlink", Target::kSplitBySlot, Merge::kSum},
    {"touch", Target::kSplitBySlot, Merge::kSum},
    {"exists", Target::kSplitBySlot, Merge::kSum},
});

const Row* find_row(std::string_view name) noexcept {
  const auto* const found = std::ranges::find(kRows, name, &Row::name);
  return found != kRows.end() ? found : nullptr;
}

struct Slots {
  std::optional<std::uint16_t> first;
  bool are_several = false;
};

/// Of all keys and shard channels. None if they cannot be told.
Slots slots_of(const command::Facts& facts, Args args) {
  Slots slots;
  command::KeyList keys;
  for (std::size_t source = 0; source < command::key_sources(facts); ++source) {
    if (command::extract_keys_of(facts, args, source, keys) == command::Extraction::kUnknown) return {};
    for (const std::uint32_t key : keys) {
      const std::uint16_t slot = hash_slot(args[key]);
      if (slots.first && *slots.first != slot) slots.are_several = true;
      if (!slots.first) slots.first = slot;
    }
  }
  return slots;
}

/// Of a command that runs on one node: by its keys, if it has some.
Plan by_keys(const command::Facts& facts, Args args, Target without_keys, Target with_keys) {
  const Slots slots = slots_of(facts, args);
  if (slots.are_several) return {.target = Target::kCrossSlot};
  if (slots.first) return {.target = with_keys, .hash_slot = slots.first};
  return {.target = without_keys};
}

Plan split(const command::Facts& facts, Args args) {
  const Slots slots = slots_of(facts, args);
  if (!slots.first) return {.target = Target::kAnyNode};
  if (!slots.are_several) return {.target = Target::kOneSlot, .hash_slot = slots.first};
  const Row* const row = find_row(facts.name);
  return {.target = Target::kSplitBySlot, .merge = row != nullptr ? row->merge : Merge::kSpecial};
}

Plan fan_out(const command::Facts& facts, Target target, Merge usual) {
  if (const Row* const row = find_row(facts.name)) return {.target = row->target, .merge = row->merge};
  return {.target = target, .merge = usual};
}

Plan blocking(const command::Facts& facts, Args args) {
  if (const Row* const row = find_row(facts.name)) return {.target = row->target, .merge = row->merge};
  const Target with_keys = command::needs_pinned_link(facts, args) ? Target::kPinned : Target::kOneSlot;
  return by_keys(facts, args, Target::kAnyNode, with_keys);
}

}  // namespace

Plan plan(const command::Facts& facts, Args args) {
  switch (facts.command_class) {
    case Class::kSession:
    case Class::kClusterInfo:
    case Class::kContainer:
      return {.target = Target::kLocal};
    case Class::kMultiShard:
      return split(facts, args);
    case Class::kAllNodes:
      return fan_out(facts, Target::kAllNodes, Merge::kAllSucceeded);
    case Class::kAllShards:
      return fan_out(facts, Target::kAllPrimaries, Merge::kSpecial);
    case Class::kScan:
      return {.target = Target::kAllPrimaries, .merge = Merge::kCursor};
    case Class::kBlocking:
      return blocking(facts, args);
    case Class::kTransaction:
    case Class::kStream:
      return by_keys(facts, args, Target::kPinned, Target::kPinned);
    case Class::kAnyNode:
      if (find_row(facts.name) != nullptr) return fan_out(facts, Target::kAnyNode, Merge::kNone);
      return by_keys(facts, args, Target::kAnyNode, Target::kOneSlot);
    case Class::kKeyRead:
    case Class::kKeyWrite:
    case Class::kKeysRead:
    case Class::kKeysWrite:
    case Class::kScript:
    case Class::kSubscription:  // shard channels have hash slots, others are heard everywhere
    case Class::kAdmin:         // MIGRATE and its like have keys; the rest is for a node that the operator names
    case Class::kSentinel:
      return by_keys(facts, args, Target::kAnyNode, Target::kOneSlot);
  }
  return {};
}

}  // namespace anteroom::route
