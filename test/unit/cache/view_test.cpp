#include "cache/view.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>

namespace anteroom::cache {
namespace {

constexpr std::string_view kHello = "$5\r\nhello\r\n";
constexpr std::string_view kError = "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n";
constexpr auto kMin = std::numeric_limits<std::int64_t>::min();
constexpr auto kMax = std::numeric_limits<std::int64_t>::max();

std::string view_of(EntryKind kind, std::string_view reply, const View& view) {
  base::ByteQueue out;
  const bool is_answered = append_view(kind, reply, view, out);
  EXPECT_EQ(is_answered, answers_view(kind, reply, view.kind));
  EXPECT_EQ(is_answered, !out.empty());
  return is_answered ? out.to_string() : "not answered";
}
std::string range_of(std::string_view reply, std::int64_t first, std::int64_t last) {
  return view_of(EntryKind::kValue, reply, {View::Kind::kRange, first, last});
}

TEST(View, OfAValue) {
  EXPECT_EQ(view_of(EntryKind::kValue, kHello, {View::Kind::kLength}), ":5\r\n");
  EXPECT_EQ(view_of(EntryKind::kValue, kHello, {View::Kind::kExists}), ":1\r\n");
  EXPECT_EQ(view_of(EntryKind::kValue, kHello, {View::Kind::kType}), "+string\r\n");
  EXPECT_EQ(view_of(EntryKind::kValue, kHello, {View::Kind::kNone}), "not answered");
}

TEST(View, OfAnEmptyValue) {
  EXPECT_EQ(view_of(EntryKind::kValue, "$0\r\n\r\n", {View::Kind::kLength}), ":0\r\n");
  EXPECT_EQ(view_of(EntryKind::kValue, "$0\r\n\r\n", {View::Kind::kExists}), ":1\r\n");
  EXPECT_EQ(range_of("$0\r\n\r\n", 0, -1), "$0\r\n\r\n");
}

TEST(View, OfNothing) {
  EXPECT_EQ(view_of(EntryKind::kNil, "", {View::Kind::kLength}), ":0\r\n");
  EXPECT_EQ(view_of(EntryKind::kNil, "", {View::Kind::kExists}), ":0\r\n");
  EXPECT_EQ(view_of(EntryKind::kNil, "", {View::Kind::kRange, 0, -1}), "$0\r\n\r\n");
  EXPECT_EQ(view_of(EntryKind::kNil, "", {View::Kind::kType}), "+none\r\n");
  EXPECT_EQ(view_of(EntryKind::kNil, "", {View::Kind::kNone}), "not answered");
}

TEST(View, OfAnotherType) {
  EXPECT_EQ(view_of(EntryKind::kWrongType, kError, {View::Kind::kLength}), kError);
  EXPECT_EQ(view_of(EntryKind::kWrongType, kError, {View::Kind::kExists}), ":1\r\n");
  EXPECT_EQ(view_of(EntryKind::kWrongType, kError, {View::Kind::kRange, 0, 1}), kError);
  EXPECT_EQ(view_of(EntryKind::kWrongType, kError, {View::Kind::kType}), "not answered");
}

TEST(View, ValueThatIsNoBulkStringIsNotAnswered) {
  for (const std::string_view reply : {"", ":1\r\n", "$-1\r\n", "_\r\n", "+OK\r\n"}) {
    EXPECT_EQ(view_of(EntryKind::kValue, reply, {View::Kind::kLength}), "not answered");
  }
}

TEST(View, BinaryBytesAndLineEndsInTheValueAreKept) {
  const std::string reply("$6\r\n\r\na\0\r\n\r\n", 12);
  EXPECT_EQ(view_of(EntryKind::kValue, reply, {View::Kind::kLength}), ":6\r\n");
  EXPECT_EQ(range_of(reply, 1, 3), std::string("$3\r\n\na\0\r\n", 9));
}

// Each expectation is what redis-server 7.0.15 answers.
TEST(View, RangesAreThoseOfRedis) {
  EXPECT_EQ(range_of(kHello, 0, -1), kHello);
  EXPECT_EQ(range_of(kHello, 0, 4), kHello);
  EXPECT_EQ(range_of(kHello, 1, 3), "$3\r\nell\r\n");
  EXPECT_EQ(range_of(kHello, -3, -1), "$3\r\nllo\r\n");
  EXPECT_EQ(range_of(kHello, -3, 3), "$2\r\nll\r\n");
  EXPECT_EQ(range_of(kHello, 4, 4), "$1\r\no\r\n");
  EXPECT_EQ(range_of(kHello, 0, 100), kHello);
  EXPECT_EQ(range_of(kHello, -100, 100), kHello);
  EXPECT_EQ(range_of(kHello, 5, 10), "$0\r\n\r\n");
  EXPECT_EQ(range_of(kHello, 3, 1), "$0\r\n\r\n");
  EXPECT_EQ(range_of(kHello, -1, -3), "$0\r\n\r\n");
  EXPECT_EQ(range_of(kHello, 0, -100), "$1\r\nh\r\n") << "the end is clamped to the first byte";
  EXPECT_EQ(range_of(kHello, -100, -100), "$1\r\nh\r\n");
  EXPECT_EQ(range_of(kHello, 1, -100), "$0\r\n\r\n");
}

TEST(View, RangesDoNotOverflow) {
  EXPECT_EQ(range_of(kHello, kMin, kMax), kHello);
  EXPECT_EQ(range_of(kHello, kMax, kMin), "$0\r\n\r\n");
  EXPECT_EQ(range_of(kHello, kMin, kMin), "$1\r\nh\r\n");
  EXPECT_EQ(range_of(kHello, kMax, kMax), "$0\r\n\r\n");
  EXPECT_EQ(range_of(kHello, 0, kMin), "$1\r\nh\r\n");
}

}  // namespace
}  // namespace anteroom::cache
