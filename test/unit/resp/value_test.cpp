#include "resp/value.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <string>
#include <string_view>
#include <vector>

#include "resp/reply_scanner.hpp"
#include "support/split.hpp"

namespace anteroom::resp {
namespace {

using Type = Value::Type;

std::string encoded(const Value& value) {
  std::string out;
  encode(value, out);
  return out;
}

/// Parses each time more bytes have come, as a caller with a growing buffer does; encodes again what it got.
std::vector<std::string> parse_pieces(const test::Pieces& pieces) {
  std::vector<std::string> lines;
  std::string pending;
  for (const std::string_view piece : pieces) {
    pending += piece;
    while (!pending.empty()) {
      std::size_t used = 0;
      const auto value = parse_value(pending, &used);
      if (!value && value.error() == ParseError::kIncomplete) break;
      lines.push_back(value ? encoded(*value) : value.error() == ParseError::kTooDeep ? "too deep" : "malformed");
      if (!value) return lines;
      pending.erase(0, used);
    }
  }
  return lines;
}

TEST(Value, ParsedAndEncodedAgainIsTheSame) {
  const std::vector<std::string> texts{
      "+OK\r\n",
      "-ERR x\r\n",
      ":-42\r\n",
      "$3\r\na\r\n\r\n",
      "$0\r\n\r\n",
      "$-1\r\n",
      "*-1\r\n",
      "_\r\n",
      "#t\r\n",
      "#f\r\n",
      ",3.1000000000000001\r\n",
      ",inf\r\n",
      "(12345678901234567890123\r\n",
      "!5\r\nERR x\r\n",
      "=5\r\ntxt:a\r\n",
      "*0\r\n",
      "*2\r\n:1\r\n*1\r\n$-1\r\n",
      "%1\r\n+k\r\n~1\r\n_\r\n",
      ">2\r\n+message\r\n+x\r\n",
      "|1\r\n+a\r\n:1\r\n*1\r\n|1\r\n+b\r\n_\r\n:2\r\n",
  };
  std::string all;
  for (const std::string& text : texts) {
    EXPECT_EQ(test::expect_same_for_every_split(text, parse_pieces), std::vector{text});
    all += text;
  }
  EXPECT_EQ(test::expect_same_for_every_split(all, parse_pieces), texts);
}

TEST(Value, StreamedFormsBecomeOrdinaryOnes) {
  const std::vector<std::pair<std::string_view, std::string>> cases{
      {"$?\r\n;2\r\nab\r\n;1\r\nc\r\n;0\r\n", "$3\r\nabc\r\n"},
      {"$?\r\n;0\r\n", "$0\r\n\r\n"},
      {"*?\r\n:1\r\n~?\r\n.\r\n.\r\n", "*2\r\n:1\r\n~0\r\n"},
      {"%?\r\n+a\r\n:1\r\n.\r\n", "%1\r\n+a\r\n:1\r\n"},
  };
  for (const auto& [streamed, plain] : cases) {
    EXPECT_EQ(test::expect_same_for_every_split(streamed, parse_pieces), std::vector{plain});
  }
}

TEST(Value, FieldsHoldWhatWasSent) {
  const auto value = parse_value("*6\r\n+OK\r\n:+7\r\n#t\r\n$1\r\nb\r\n=7\r\ntxt:abc\r\n*-1\r\n");
  ASSERT_TRUE(value);
  ASSERT_EQ(value->items.size(), 6U);
  EXPECT_EQ(value->type, Type::kArray);
  EXPECT_TRUE(value->is_aggregate());
  EXPECT_EQ(value->items[0].text, "OK");
  EXPECT_EQ(value->items[1].integer, 7);
  EXPECT_EQ(value->items[2].integer, 1);
  EXPECT_EQ(value->items[3].text, "b");
  EXPECT_EQ(value->items[4].text, "txt:abc");
  EXPECT_TRUE(value->items[5].is_null());
  EXPECT_FALSE(value->items[5].is_aggregate());
  EXPECT_FALSE(value->is_error());
  EXPECT_TRUE(parse_value("!1\r\nx\r\n")->is_error());
}

TEST(Value, FindReadsMapsOfBothProtocols) {
  for (const std::string_view text : {"%2\r\n+a\r\n:1\r\n$1\r\nb\r\n:2\r\n", "*4\r\n+a\r\n:1\r\n$1\r\nb\r\n:2\r\n"}) {
    const auto value = parse_value(text);
    ASSERT_TRUE(value);
    ASSERT_NE(value->find("b"), nullptr);
    EXPECT_EQ(value->find("b")->integer, 2);
    EXPECT_EQ(value->find("c"), nullptr);
  }
  EXPECT_EQ(parse_value("~2\r\n+a\r\n:1\r\n")->find("a"), nullptr);
  EXPECT_EQ(parse_value("*1\r\n+a\r\n")->find("a"), nullptr);
}

TEST(Value, OnlyTheLastOfSeveralAttributesIsKept) {
  const auto value = parse_value("|1\r\n+a\r\n:1\r\n|1\r\n+b\r\n:2\r\n+OK\r\n");
  ASSERT_TRUE(value);
  EXPECT_EQ(encoded(*value), "|1\r\n+b\r\n:2\r\n+OK\r\n");
}

TEST(Value, UsedIsLeftAloneOnError) {
  std::size_t used = 77;
  EXPECT_EQ(parse_value("$3\r\nab", &used).error(), ParseError::kIncomplete);
  EXPECT_EQ(parse_value("", &used).error(), ParseError::kIncomplete);
  EXPECT_EQ(parse_value("x\r\n", &used).error(), ParseError::kMalformed);
  EXPECT_EQ(used, 77U);
}

TEST(Value, DepthIsBounded) {
  std::string nested;
  for (std::size_t i = 0; i < kValueDepthMax; ++i) nested += "*1\r\n";
  EXPECT_TRUE(parse_value(nested + ":1\r\n"));
  EXPECT_TRUE(parse_value(nested + "*0\r\n"));
  for (const std::string_view deeper : {"*1\r\n:1\r\n", "*?\r\n.\r\n", "|1\r\n+a\r\n+b\r\n:1\r\n"}) {
    EXPECT_EQ(parse_value(nested + std::string(deeper)).error(), ParseError::kTooDeep) << deeper;
  }
}

TEST(Value, EndlessAttributesDoNotRecurse) {
  std::string attributes;
  for (int i = 0; i < 200'000; ++i) attributes += "|0\r\n";
  EXPECT_TRUE(parse_value(attributes + "+OK\r\n"));
}

TEST(Value, ClaimedLengthsCostNoMemory) {
  EXPECT_EQ(parse_value("*4294967295\r\n").error(), ParseError::kIncomplete);
  EXPECT_EQ(parse_value("$4611686018427387904\r\nabc").error(), ParseError::kIncomplete);
  EXPECT_EQ(parse_value("*4294967296\r\n").error(), ParseError::kMalformed);
}

std::string line_text() {
  return *rc::gen::container<std::string>(
      rc::gen::suchThat(rc::gen::arbitrary<char>(), [](char c) { return c != '\r' && c != '\n'; }));
}

Value any_value(int depth);

std::vector<Value> any_items(int depth, bool in_pairs) {
  const int count = *rc::gen::inRange(0, 4) * (in_pairs ? 2 : 1);
  std::vector<Value> items;
  for (int i = 0; i < count; ++i) items.push_back(any_value(depth));
  return items;
}

Value any_value(int depth) {
  static const std::vector<Type> kPlain{Type::kSimple,  Type::kError,     Type::kInteger,   Type::kBulk,
                                        Type::kNull,    Type::kNullBulk,  Type::kNullArray, Type::kDouble,
                                        Type::kBoolean, Type::kBlobError, Type::kVerbatim,  Type::kBigNumber};
  static const std::vector<Type> kAggregates{Type::kArray, Type::kMap, Type::kSet};
  Value value;
  const bool is_aggregate = depth > 0 && *rc::gen::arbitrary<bool>();
  value.type = *rc::gen::elementOf(is_aggregate ? kAggregates : kPlain);
  if (is_aggregate) value.items = any_items(depth - 1, value.type == Type::kMap);
  if (depth > 0 && *rc::gen::inRange(0, 8) == 0) value.attributes = any_items(depth - 1, true);
  switch (value.type) {
    case Type::kSimple:
    case Type::kError:
      value.text = line_text();
      break;
    case Type::kInteger:
      value.integer = *rc::gen::arbitrary<std::int64_t>();
      break;
    case Type::kBoolean:
      value.integer = *rc::gen::inRange(0, 2);
      break;
    case Type::kBulk:
    case Type::kBlobError:
      value.text = *rc::gen::arbitrary<std::string>();
      break;
    case Type::kVerbatim:
      value.text = "txt:" + *rc::gen::arbitrary<std::string>();
      break;
    case Type::kDouble:
      value.text = std::to_string(*rc::gen::arbitrary<double>());
      break;
    case Type::kBigNumber:
      value.text = std::to_string(*rc::gen::arbitrary<std::int64_t>()) + "0123456789";
      break;
    default:
      break;
  }
  return value;
}

template <class Property>
void check(const char* name, Property&& property) {
  EXPECT_TRUE(rc::check(name, std::forward<Property>(property)));
}

TEST(Value, AnyTreeSurvivesTheRoundTrip) {
  check("parse(encode(v)) == v", [] {
    const Value value = any_value(4);
    const std::string bytes = encoded(value);
    std::size_t used = 0;
    const auto parsed = parse_value(bytes + "trailer", &used);
    RC_ASSERT(parsed.has_value());
    RC_ASSERT(*parsed == value);
    RC_ASSERT(used == bytes.size());
  });
}

TEST(Value, ScannerFindsTheEndOfAnyTree) {
  check("scan(encode(v)) uses all of it", [] {
    const std::string bytes = encoded(any_value(4));
    ReplyScanner scanner;
    const ReplyScanner::Result result = scanner.scan(bytes + "trailer");
    RC_ASSERT(result.step == ReplyScanner::Step::kReply);
    RC_ASSERT(result.used == bytes.size());
  });
}

TEST(Value, OneChangedByteIsReadAlikeByParserAndScanner) {
  check("parse and scan agree", [] {
    std::string bytes = encoded(any_value(3));
    bytes[*rc::gen::inRange<std::size_t>(0, bytes.size())] =
        *rc::gen::element('\r', '\n', '0', '1', '9', '-', '?', '*', '|', 'x');
    std::size_t used = 0;
    const auto parsed = parse_value(bytes, &used);
    ReplyScanner scanner;
    const ReplyScanner::Result result = scanner.scan(bytes);
    const bool is_complete = result.step == ReplyScanner::Step::kReply || result.step == ReplyScanner::Step::kPush;
    RC_ASSERT(parsed.has_value() == is_complete);
    if (parsed) RC_ASSERT(used == result.used);
    if (!parsed && parsed.error() == ParseError::kMalformed) RC_ASSERT(result.step == ReplyScanner::Step::kError);
  });
}

}  // namespace
}  // namespace anteroom::resp
