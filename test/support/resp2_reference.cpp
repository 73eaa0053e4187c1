#include "support/resp2_reference.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

namespace anteroom::test {
namespace {

using resp::ReplyShape;
using resp::Value;
using Type = Value::Type;
using NullArrays = ReplyShape::NullArrays;
using Pairs = ReplyShape::Pairs;

bool is_pair(const Value& value) { return value.type == Type::kArray && value.items.size() == 2; }

Value array_of(std::vector<Value> items) { return {.type = Type::kArray, .items = std::move(items)}; }

/// The nulls that the shape names become null arrays. `depth` counts from the reply, `index` within its parent.
void mark_null_arrays(Value& value, NullArrays null_arrays, int depth, std::size_t index) {
  if (value.type == Type::kNull) {
    const bool is_array =
        ((null_arrays == NullArrays::kReply || null_arrays == NullArrays::kReplyAndEntries) && depth == 0) ||
        (null_arrays == NullArrays::kElements && depth == 1) ||
        (null_arrays == NullArrays::kFourthElement && depth == 1 && index == 3) ||
        (null_arrays == NullArrays::kReplyAndEntries && depth == 3);
    if (is_array) value.type = Type::kNullArray;
  }
  for (std::size_t i = 0; i < value.items.size(); ++i) mark_null_arrays(value.items[i], null_arrays, depth + 1, i);
}

/// False when the reply contradicts its shape.
bool rearrange_pairs(Value& reply, Pairs pairs) {
  std::vector<Value> items;
  if (pairs == Pairs::kOfMap && reply.type == Type::kMap) {
    for (std::size_t i = 0; i < reply.items.size(); i += 2) {
      items.push_back(array_of({reply.items[i], reply.items[i + 1]}));
    }
    reply = array_of(std::move(items));
  } else if (pairs == Pairs::kFlat && reply.type == Type::kArray && !reply.items.empty() &&
             is_pair(reply.items.front())) {
    if (!std::ranges::all_of(reply.items, is_pair)) return false;
    for (const Value& pair : reply.items) items.insert(items.end(), pair.items.begin(), pair.items.end());
    reply = array_of(std::move(items));
  }
  return true;
}

void convert_types(Value& value) {
  value.attributes.clear();
  switch (value.type) {
    case Type::kNull:
      value.type = Type::kNullBulk;
      break;
    case Type::kBoolean:
      value.type = Type::kInteger;
      break;
    case Type::kDouble:
    case Type::kBigNumber:
      value.type = Type::kBulk;
      break;
    case Type::kVerbatim:
      value.type = Type::kBulk;
      value.text.erase(0, 4);
      break;
    case Type::kBlobError:
      value.type = Type::kError;
      std::ranges::replace(value.text, '\r', ' ');
      std::ranges::replace(value.text, '\n', ' ');
      break;
    case Type::kMap:
    case Type::kSet:
    case Type::kPush:
      value.type = Type::kArray;
      break;
    default:
      break;
  }
  for (Value& item : value.items) convert_types(item);
}

bool apply_shape(Value& value, const ReplyShape& shape) {
  mark_null_arrays(value, shape.null_arrays, 0, 0);
  return rearrange_pairs(value, shape.pairs);
}

}  // namespace

std::optional<std::string> resp2_reference(const Value& reply, const ReplyShape& shape,
                                           std::span<const ReplyShape> queued) {
  Value value = reply;
  for (std::size_t i = 0; i < std::min(queued.size(), value.items.size()); ++i) {
    if (!apply_shape(value.items[i], queued[i])) return std::nullopt;
  }
  if (queued.empty() || !value.is_aggregate()) {
    if (!apply_shape(value, shape)) return std::nullopt;
  }
  convert_types(value);
  std::string out;
  encode(value, out);
  return out;
}

}  // namespace anteroom::test
