#include "command/reply_shape.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

namespace anteroom::command {
namespace {

using resp::ReplyShape;
using NullArrays = ReplyShape::NullArrays;
using Pairs = ReplyShape::Pairs;

struct Row {
  std::string_view name;
  ReplyShape shape{};
  /// With fewer arguments the shape is the default: LPOP has another null without a count.
  std::size_t args_min = 0;
  bool is_plain_when_queued = false;
};

constexpr ReplyShape kFlat{.pairs = Pairs::kFlat};
constexpr ReplyShape kNullArray{.null_arrays = NullArrays::kReply};

// Where redis-server 7.0.15 calls addReplyNullArray(), or asks for the protocol before it writes pairs. Whether there
// are scores or values in the reply need not be known: without them no element is a pair.
constexpr auto kRows = std::to_array<Row>({
    {"blmove", kNullArray, 0, true},
    {"blmpop", kNullArray},
    {"blpop", kNullArray},
    {"brpop", kNullArray},
    {"brpoplpush", kNullArray, 0, true},
    {"bzmpop", kNullArray},
    {"bzpopmax", kNullArray},
    {"bzpopmin", kNullArray},
    {"exec", kNullArray},
    {"geopos", {.null_arrays = NullArrays::kElements}},
    {"hrandfield", kFlat},
    {"lmpop", kNullArray},
    {"lpop", kNullArray, 3},
    {"rpop", kNullArray, 3},
    {"sentinel|get-master-addr-by-name", kNullArray},
    {"xpending", {.null_arrays = NullArrays::kFourthElement}},
    {"xrange", kNullArray},
    {"xread", {.pairs = Pairs::kOfMap, .null_arrays = NullArrays::kReply}},
    {"xreadgroup", {.pairs = Pairs::kOfMap, .null_arrays = NullArrays::kReplyAndEntries}},
    {"xrevrange", kNullArray},
    {"zdiff", kFlat},
    {"zinter", kFlat},
    {"zmpop", kNullArray},
    {"zpopmax", kFlat},
    {"zpopmin", kFlat},
    {"zrandmember", kFlat},
    {"zrange", kFlat},
    {"zrangebyscore", kFlat},
    {"zrank", kNullArray, 4},
    {"zrevrange", kFlat},
    {"zrevrangebyscore", kFlat},
    {"zrevrank", kNullArray, 4},
    {"zunion", kFlat},
});
static_assert(std::ranges::is_sorted(kRows, {}, &Row::name));

ReplyShape shape_of(const Facts& facts, std::size_t args_count, bool is_queued) noexcept {
  const auto* const row = std::ranges::lower_bound(kRows, facts.name, {}, &Row::name);
  if (row == kRows.end() || row->name != facts.name) return {};
  return args_count < row->args_min || (is_queued && row->is_plain_when_queued) ? ReplyShape{} : row->shape;
}

}  // namespace

ReplyShape reply_shape(const Facts& facts, std::span<const std::string_view> args) noexcept {
  return shape_of(facts, args.size(), false);
}

ReplyShape queued_reply_shape(const Facts& facts, std::span<const std::string_view> args) noexcept {
  return shape_of(facts, args.size(), true);
}

}  // namespace anteroom::command
