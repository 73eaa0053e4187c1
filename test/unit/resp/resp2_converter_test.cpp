#include "resp/resp2_converter.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/byte_queue.hpp"
#include "resp/value.hpp"
#include "support/resp2_reference.hpp"
#include "support/split.hpp"

namespace anteroom::resp {
namespace {

using namespace std::string_literals;
using Lines = std::vector<std::string>;
using NullArrays = ReplyShape::NullArrays;
using Options = Resp2Converter::Options;
using Pairs = ReplyShape::Pairs;
using Shapes = std::vector<ReplyShape>;
using Step = Resp2Converter::Step;

constexpr ReplyShape kAsTyped{};
constexpr ReplyShape kFlat{.pairs = Pairs::kFlat};
constexpr ReplyShape kPop{.null_arrays = NullArrays::kReply};
constexpr ReplyShape kXread{.pairs = Pairs::kOfMap, .null_arrays = NullArrays::kReply};
constexpr ReplyShape kXreadgroup{.pairs = Pairs::kOfMap, .null_arrays = NullArrays::kReplyAndEntries};
constexpr ReplyShape kGeopos{.null_arrays = NullArrays::kElements};
constexpr ReplyShape kXpending{.null_arrays = NullArrays::kFourthElement};

/// One line: what the first reply became, "<dropped>", or "<error>"; none while more is needed.
Lines convert_pieces(const test::Pieces& pieces, ReplyShape shape, const Shapes& queued, const Options& options) {
  Resp2Converter converter(shape, options);
  converter.reset(shape, queued);
  base::ByteQueue out;
  for (const std::string_view piece : pieces) {
    const Resp2Converter::Result result = converter.convert(piece, out);
    if (result.step == Step::kError) return {"<error>"};
    EXPECT_LE(result.used, piece.size());
    if (result.step == Step::kReply) return {out.to_string()};
    if (result.step == Step::kDroppedPush) return {"<dropped>" + out.to_string()};
    EXPECT_EQ(result.used, piece.size());
  }
  return {};
}

std::string converted(std::string_view reply, ReplyShape shape = {}, const Shapes& queued = {},
                      const Options& options = {}) {
  const Lines lines = test::expect_same_for_every_split(
      reply, [&](const test::Pieces& pieces) { return convert_pieces(pieces, shape, queued, options); });
  return lines.empty() ? "<needs more>" : lines.front();
}

TEST(Resp2Converter, WhatBothProtocolsWriteAlikeGoesThroughUnchanged) {
  const std::vector<std::string> replies{
      "+OK\r\n",
      "+\r\n",
      "-ERR x\r\n",
      "-\r\n",
      ":0\r\n",
      ":+5\r\n",
      ":-9223372036854775808\r\n",
      "$0\r\n\r\n",
      "$5\r\nhello\r\n",
      "$2\r\n\r\n\r\n",
      "$-1\r\n",
      "*-1\r\n",
      "*0\r\n",
      "*1\r\n*0\r\n",
      "*3\r\n$1\r\na\r\n:1\r\n+b\r\n",
      "*2\r\n+x\r\n*3\r\n$1\r\na\r\n-ERR b\r\n*-1\r\n",
      "$12\r\n_\r\n,1\r\n%1\r\n~\r\n",
      "$3\r\n\0\xff\n\r\n"s,
  };
  for (const std::string& reply : replies) {
    for (const ReplyShape shape : {kAsTyped, kFlat, kPop, kXread, kXreadgroup, kGeopos, kXpending}) {
      EXPECT_EQ(converted(reply, shape), reply) << reply;
    }
  }
}

TEST(Resp2Converter, ScalarsOfResp3BecomeThoseOfResp2) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"_\r\n", "$-1\r\n"},
      {"#t\r\n", ":1\r\n"},
      {"#f\r\n", ":0\r\n"},
      {",1.5\r\n", "$3\r\n1.5\r\n"},
      {",-1e-10\r\n", "$6\r\n-1e-10\r\n"},
      {",inf\r\n", "$3\r\ninf\r\n"},
      {",-inf\r\n", "$4\r\n-inf\r\n"},
      {",-nan\r\n", "$4\r\n-nan\r\n"},
      {",3.0000000000000000001234567890123456789\r\n", "$39\r\n3.0000000000000000001234567890123456789\r\n"},
      {"(abc\r\n", "$3\r\nabc\r\n"},
      {"(-3492890328409238509324850943850943825024385\r\n", "$44\r\n-3492890328409238509324850943850943825024385\r\n"},
      {"=7\r\ntxt:abc\r\n", "$3\r\nabc\r\n"},
      {"=4\r\nmkd:\r\n", "$0\r\n\r\n"},
      {"=8\r\n   :\r\n:\n\r\n", "$4\r\n\r\n:\n\r\n"},
      {"!5\r\nERR x\r\n", "-ERR x\r\n"},
      {"!7\r\nERR\ra\r\n\r\n", "-ERR a  \r\n"},
      {"!0\r\n\r\n", "-\r\n"},
  };
  for (const auto& [resp3, resp2] : cases) EXPECT_EQ(converted(resp3), resp2) << resp3;
}

TEST(Resp2Converter, AggregatesBecomeArrays) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"%0\r\n", "*0\r\n"},
      {"~0\r\n", "*0\r\n"},
      {"%1\r\n+a\r\n:1\r\n", "*2\r\n+a\r\n:1\r\n"},
      {"~2\r\n:1\r\n#t\r\n", "*2\r\n:1\r\n:1\r\n"},
      {"*2\r\n%1\r\n$1\r\nk\r\n~1\r\n,1\r\n_\r\n", "*2\r\n*2\r\n$1\r\nk\r\n*1\r\n$1\r\n1\r\n$-1\r\n"},
      {"%2\r\n+a\r\n%1\r\n+b\r\n*1\r\n_\r\n+c\r\n=5\r\ntxt:v\r\n",
       "*4\r\n+a\r\n*2\r\n+b\r\n*1\r\n$-1\r\n+c\r\n$1\r\nv\r\n"},
      {"*2\r\n!3\r\na\nb\r\n$1\r\nx\r\n", "*2\r\n-a b\r\n$1\r\nx\r\n"},
  };
  for (const auto& [resp3, resp2] : cases) EXPECT_EQ(converted(resp3), resp2) << resp3;
}

TEST(Resp2Converter, AttributesAreDroppedWhereverTheyStand) {
  EXPECT_EQ(converted("|1\r\n+ttl\r\n:3600\r\n$1\r\nv\r\n"), "$1\r\nv\r\n");
  EXPECT_EQ(converted("|0\r\n|1\r\n%1\r\n_\r\n!1\r\nx\r\n*1\r\n,1\r\n_\r\n"), "$-1\r\n");
  EXPECT_EQ(converted("*2\r\n|1\r\n+a\r\n=4\r\ntxt:\r\n:1\r\n|0\r\n:2\r\n"), "*2\r\n:1\r\n:2\r\n");
  EXPECT_EQ(converted("|1\r\n$?\r\n;1\r\na\r\n;0\r\n*?\r\n:1\r\n.\r\n+b\r\n"), "+b\r\n");
  EXPECT_EQ(converted("%1\r\n|1\r\n+a\r\n+b\r\n+k\r\n|1\r\n+a\r\n+b\r\n#t\r\n", kXread), "*1\r\n*2\r\n+k\r\n:1\r\n");
  EXPECT_EQ(converted("*1\r\n|1\r\n*2\r\n:1\r\n:2\r\n_\r\n*2\r\n+a\r\n,1\r\n", kFlat), "*2\r\n+a\r\n$1\r\n1\r\n");
}

TEST(Resp2Converter, PushIsDroppedUnlessAskedFor) {
  const std::string push = ">3\r\n$7\r\nmessage\r\n_\r\n%1\r\n+a\r\n,1\r\n";

  EXPECT_EQ(converted(push), "<dropped>");
  EXPECT_EQ(converted("|1\r\n+a\r\n+b\r\n" + push), "<dropped>");
  EXPECT_EQ(converted(push, {}, {}, {.keeps_pushes = true}), "*3\r\n$7\r\nmessage\r\n$-1\r\n*2\r\n+a\r\n$1\r\n1\r\n");
}

TEST(Resp2Converter, NullIsOfTheKindThatTheCommandHas) {
  EXPECT_EQ(converted("_\r\n", kPop), "*-1\r\n");
  EXPECT_EQ(converted("_\r\n", kXread), "*-1\r\n");
  EXPECT_EQ(converted("_\r\n", kXreadgroup), "*-1\r\n");
  EXPECT_EQ(converted("_\r\n", kFlat), "$-1\r\n");
  EXPECT_EQ(converted("_\r\n", kGeopos), "$-1\r\n");
  EXPECT_EQ(converted("|1\r\n+a\r\n_\r\n_\r\n", kPop), "*-1\r\n");
  EXPECT_EQ(converted("*2\r\n_\r\n*1\r\n_\r\n", kPop), "*2\r\n$-1\r\n*1\r\n$-1\r\n");
}

TEST(Resp2Converter, NullsInsideAReplyAreOfTheKindThatTheirPlaceHas) {
  EXPECT_EQ(converted("*2\r\n_\r\n*2\r\n,1\r\n_\r\n", kGeopos), "*2\r\n*-1\r\n*2\r\n$1\r\n1\r\n$-1\r\n");
  EXPECT_EQ(converted("*4\r\n:0\r\n_\r\n_\r\n_\r\n", kXpending), "*4\r\n:0\r\n$-1\r\n$-1\r\n*-1\r\n");
  EXPECT_EQ(converted("*4\r\n$1\r\na\r\n|1\r\n_\r\n_\r\n_\r\n:1\r\n_\r\n", kXpending),
            "*4\r\n$1\r\na\r\n$-1\r\n:1\r\n*-1\r\n");
  EXPECT_EQ(
      converted("%1\r\n$1\r\ns\r\n*2\r\n*2\r\n$3\r\n1-1\r\n_\r\n*2\r\n$3\r\n1-2\r\n*2\r\n_\r\n+b\r\n", kXreadgroup),
      "*1\r\n*2\r\n$1\r\ns\r\n*2\r\n*2\r\n$3\r\n1-1\r\n*-1\r\n*2\r\n$3\r\n1-2\r\n*2\r\n$-1\r\n+b\r\n");
}

TEST(Resp2Converter, ArrayOfPairsBecomesFlatWhenTheCommandWantsIt) {
  const std::string pairs = "*2\r\n*2\r\n$1\r\na\r\n,1\r\n*2\r\n$1\r\nb\r\n,2.5\r\n";

  EXPECT_EQ(converted(pairs, kFlat), "*4\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$3\r\n2.5\r\n");
  EXPECT_EQ(converted(pairs), "*2\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n*2\r\n$1\r\nb\r\n$3\r\n2.5\r\n");
  EXPECT_EQ(converted("*2\r\n$1\r\na\r\n,1\r\n", kFlat), "*2\r\n$1\r\na\r\n$1\r\n1\r\n");
  EXPECT_EQ(converted("*2\r\n+a\r\n*2\r\n:1\r\n:2\r\n", kFlat), "*2\r\n+a\r\n*2\r\n:1\r\n:2\r\n");
  EXPECT_EQ(converted("*1\r\n*2\r\n*2\r\n:1\r\n:2\r\n_\r\n", kFlat), "*2\r\n*2\r\n:1\r\n:2\r\n$-1\r\n");
  EXPECT_EQ(converted("*1\r\n*3\r\n:1\r\n:2\r\n:3\r\n", kFlat), "*1\r\n*3\r\n:1\r\n:2\r\n:3\r\n");
}

TEST(Resp2Converter, ArrayOfWhichOnlySomeElementsArePairsIsAnError) {
  for (const std::string_view second :
       {"$1\r\na\r\n", "+a\r\n", ":1\r\n", "_\r\n", "*0\r\n", "*3\r\n", "*?\r\n", "%1\r\n"}) {
    EXPECT_EQ(converted("*2\r\n*2\r\n:1\r\n:2\r\n" + std::string(second), kFlat), "<error>") << second;
  }
}

TEST(Resp2Converter, MapOfStreamsBecomesAnArrayOfPairs) {
  const std::string streams =
      "%2\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n1-1\r\n*2\r\n+f\r\n+v\r\n$1\r\nt\r\n%1\r\n+a\r\n+b\r\n";

  EXPECT_EQ(converted(streams, kXread),
            "*2\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n1-1\r\n*2\r\n+f\r\n+v\r\n*2\r\n$1\r\nt\r\n*2\r\n+a\r\n+b\r\n");
  EXPECT_EQ(converted(streams).substr(0, 4), "*4\r\n");
  EXPECT_EQ(converted("%0\r\n", kXread), "*0\r\n");
}

TEST(Resp2Converter, EveryElementOfExecHasTheShapeOfItsCommand) {
  const std::string reply = "*7\r\n_\r\n_\r\n*1\r\n*2\r\n+a\r\n,1\r\n%1\r\n+s\r\n*0\r\n*1\r\n_\r\n$1\r\nx\r\n_\r\n";
  const std::string expected =
      "*7\r\n*-1\r\n$-1\r\n*2\r\n+a\r\n$1\r\n1\r\n*1\r\n*2\r\n+s\r\n*0\r\n*1\r\n*-1\r\n$1\r\nx\r\n$-1\r\n";

  EXPECT_EQ(converted(reply, kPop, {kPop, kAsTyped, kFlat, kXread, kGeopos, kPop}), expected);
  EXPECT_EQ(converted("|1\r\n_\r\n_\r\n*1\r\n|1\r\n_\r\n_\r\n_\r\n", kPop, {kPop}), "*1\r\n*-1\r\n");
  EXPECT_EQ(converted("_\r\n", kPop, {kAsTyped}), "*-1\r\n");
  EXPECT_EQ(converted("-EXECABORT x\r\n", kPop, {kAsTyped}), "-EXECABORT x\r\n");
}

TEST(Resp2Converter, StreamedFormsGetTheirSize) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"$?\r\n;2\r\nab\r\n;1\r\nc\r\n;0\r\n", "$3\r\nabc\r\n"},
      {"$?\r\n;0\r\n", "$0\r\n\r\n"},
      {"*?\r\n.\r\n", "*0\r\n"},
      {"*?\r\n:1\r\n~?\r\n+a\r\n.\r\n_\r\n.\r\n", "*3\r\n:1\r\n*1\r\n+a\r\n$-1\r\n"},
      {"%?\r\n+a\r\n$?\r\n;1\r\nx\r\n;0\r\n+b\r\n%?\r\n.\r\n.\r\n", "*4\r\n+a\r\n$1\r\nx\r\n+b\r\n*0\r\n"},
      {"*2\r\n$1\r\na\r\n*?\r\n!1\r\nx\r\n.\r\n", "*2\r\n$1\r\na\r\n*1\r\n-x\r\n"},
      {"*?\r\n|1\r\n+a\r\n*?\r\n.\r\n:1\r\n.\r\n", "*1\r\n:1\r\n"},
  };
  for (const auto& [resp3, resp2] : cases) EXPECT_EQ(converted(resp3), resp2) << resp3;
  EXPECT_EQ(converted("*?\r\n*2\r\n+a\r\n,1\r\n*2\r\n+b\r\n,2\r\n.\r\n", kFlat),
            "*4\r\n+a\r\n$1\r\n1\r\n+b\r\n$1\r\n2\r\n");
  EXPECT_EQ(converted("*?\r\n+a\r\n.\r\n", kFlat), "*1\r\n+a\r\n");
  EXPECT_EQ(converted("*?\r\n.\r\n", kFlat), "*0\r\n");
  EXPECT_EQ(converted("%?\r\n+s\r\n*0\r\n.\r\n", kXread), "*1\r\n*2\r\n+s\r\n*0\r\n");
}

TEST(Resp2Converter, WhatMustBeHeldHasALimit) {
  const Options options{.held_bytes_max = 12};
  EXPECT_EQ(converted("$?\r\n;6\r\nabcdef\r\n;6\r\nabcdef\r\n;0\r\n", {}, {}, options), "$12\r\nabcdefabcdef\r\n");
  EXPECT_EQ(converted("$?\r\n;6\r\nabcdef\r\n;7\r\nabcdefg\r\n;0\r\n", {}, {}, options), "<error>");
  EXPECT_EQ(converted("*?\r\n$5\r\nabcde\r\n+a\r\n.\r\n", {}, {}, options), "<error>");
  EXPECT_EQ(converted("(123456789\r\n", {}, {}, options), "$9\r\n123456789\r\n");
  EXPECT_EQ(converted("(1234567890\r\n", {}, {}, options), "<error>");
  EXPECT_EQ(converted("$40\r\n" + std::string(40, 'x') + "\r\n", {}, {}, options).size(), 47U);
  EXPECT_EQ(converted("-" + std::string(40, 'x') + "\r\n", {}, {}, options).size(), 43U);
}

TEST(Resp2Converter, MalformedBytesAreAnError) {
  const std::vector<std::string> cases{"x",
                                       "\r\n",
                                       "\0"s,
                                       "PING\r\n",
                                       ".\r\n",
                                       ";1\r\na\r\n",
                                       "+a\nb\r\n",
                                       "+a\rb\r\n",
                                       ":\r\n",
                                       ":-\r\n",
                                       ":1a\r\n",
                                       ":01\r\n",
                                       ":-0\r\n",
                                       ":+-1\r\n",
                                       ":9223372036854775808\r\n",
                                       ":" + std::string(30, '1'),
                                       "$x\r\n",
                                       "$\r\n",
                                       "$-2\r\n",
                                       "$01\r\n",
                                       "$+1\r\n",
                                       "$1\n",
                                       "$1?\r\n",
                                       "$1\r\nab\r\n",
                                       "$1\r\na\rb",
                                       "$9223372036854775807\r\n",
                                       "*x\r\n",
                                       "*-2\r\n",
                                       "*1\r\nx",
                                       "*1\r\n.\r\n",
                                       "*4294967296\r\n",
                                       "_x\r\n",
                                       "_\n",
                                       "#x\r\n",
                                       "#\r\n",
                                       "#tt\r\n",
                                       ",\r\n",
                                       ",1x\r\n",
                                       "!-1\r\n",
                                       "!?\r\n",
                                       "=3\r\ntxt\r\n",
                                       "=5\r\ntxtxy\r\n",
                                       "=-1\r\n",
                                       "=?\r\n",
                                       "%-1\r\n",
                                       "~-1\r\n",
                                       "|-1\r\n",
                                       "|?\r\n",
                                       ">?\r\n",
                                       ">0\r\n",
                                       ">-1\r\n",
                                       "*1\r\n>1\r\n+a\r\n",
                                       "|1\r\n>1\r\n+a\r\n",
                                       "$?\r\n$1",
                                       "$?\r\n;-1\r\n",
                                       "$?\r\n;?\r\n",
                                       "$?\r\n;1\r\na\r\n+",
                                       "%?\r\n+a\r\n.\r\n",
                                       "*?\r\n|1\r\n+a\r\n+b\r\n.\r\n",
                                       "*?\r\n|0\r\n.\r\n",
                                       "*?\r\n.x\r\n",
                                       "*1\r\n|0\r\n.\r\n"};
  for (const std::string& input : cases) {
    for (const ReplyShape shape : {kAsTyped, kFlat, kXreadgroup})
      EXPECT_EQ(converted(input, shape), "<error>") << input;
  }
}

TEST(Resp2Converter, ErrorIsStickyUntilReset) {
  Resp2Converter converter;
  std::string out;
  EXPECT_EQ(converter.convert("x", out).step, Step::kError);
  EXPECT_EQ(converter.convert("+OK\r\n", out).step, Step::kError);

  converter.reset({});

  EXPECT_EQ(converter.convert("+OK\r\n", out).step, Step::kReply);
  EXPECT_EQ(out, "+OK\r\n");
}

TEST(Resp2Converter, StopsBehindTheReply) {
  Resp2Converter converter(kPop);
  std::string out;
  const Resp2Converter::Result result = converter.convert("_\r\n$1\r\na\r\n", out);
  EXPECT_EQ(result.step, Step::kReply);
  EXPECT_EQ(result.used, 3U);

  EXPECT_EQ(converter.convert("$1\r\na\r\n", out).used, 0U);
  converter.reset(kAsTyped);
  EXPECT_EQ(converter.convert("$1\r\na\r\n", out).used, 7U);

  EXPECT_EQ(out, "*-1\r\n$1\r\na\r\n");
}

TEST(Resp2Converter, LargeStringIsPassedOnAsItComes) {
  Resp2Converter converter;
  base::ByteQueue out;
  const std::string piece(1 << 20, 'x');
  EXPECT_EQ(converter.convert("%1\r\n+k\r\n$67108864\r\n", out).step, Step::kNeedMore);
  for (int i = 0; i < 64; ++i) {
    out.clear();
    EXPECT_EQ(converter.convert(piece, out).step, Step::kNeedMore);
    EXPECT_EQ(out.size(), piece.size());
  }
  EXPECT_EQ(converter.convert("\r\n", out).step, Step::kReply);
}

// As deep as a script's table can be; see ReplyScanner's test.
TEST(Resp2Converter, DeepestTableOfAScriptPassesAndEndlessNestingIsAnError) {
  std::string reply;
  for (int i = 0; i < 7995; ++i) reply += "*1\r\n";
  reply += "_\r\n";
  std::string nested;
  for (int i = 0; i < 100'000; ++i) nested += "~1\r\n";

  const Lines lines = convert_pieces({reply}, {}, {}, {});

  EXPECT_EQ(lines, Lines{reply.substr(0, reply.size() - 3) + "$-1\r\n"});
  EXPECT_EQ(convert_pieces({nested}, {}, {}, {}), Lines{"<error>"});
}

/// Replies of all types, of a few levels.
class AnyReply {
 public:
  explicit AnyReply(std::uint64_t seed) : random_(seed) {}

  std::size_t number(std::size_t below) { return static_cast<std::size_t>(random_() % below); }

  std::string next(int depth = 0) { return number(depth < 4 ? 2 : 3) == 0 ? aggregate(depth + 1) : scalar(); }

 private:
  std::string elements(std::size_t count, int depth) {
    std::string all;
    for (std::size_t i = 0; i < count; ++i) all += depth < 6 ? next(depth) : scalar();
    return all;
  }
  std::string counted(char type, std::string_view prefix) {
    constexpr std::string_view kBytes = "a\r\n:_*$%";
    std::string bytes(prefix);
    for (std::size_t i = number(6); i > 0; --i) bytes += kBytes[number(kBytes.size())];
    return type + std::to_string(bytes.size()) + "\r\n" + bytes + "\r\n";
  }
  std::string scalar() {
    static const Lines lines{"+\r\n",     "+OK\r\n",   "-ERR x\r\n",   ":17\r\n", "$-1\r\n", "*-1\r\n",
                             "_\r\n",     "_\r\n",     "_\r\n",        "#t\r\n",  "#f\r\n",  ",1.25\r\n",
                             ",-inf\r\n", "(1234\r\n", "$?\r\n;0\r\n", "*0\r\n",  "%0\r\n",  "~0\r\n"};
    switch (number(6)) {
      case 0:
        return counted('=', "txt:");
      case 1:
        return counted('!', "ERR ");
      case 2:
        return "$?\r\n" + counted(';', "x") + counted(';', "y") + ";0\r\n";
      case 3:
        return counted('$', "");
      default:
        return lines[number(lines.size())];
    }
  }
  std::string aggregate(int depth) {
    const std::size_t count = 1 + number(4);
    const std::string size = std::to_string(count) + "\r\n";
    switch (number(8)) {
      case 0:
        return "%" + size + elements(2 * count, depth);
      case 1:
        return "~" + size + elements(count, depth);
      case 2:
        return "|" + size + elements(2 * count, depth) + scalar();
      case 3:
        return "*?\r\n" + elements(count, depth) + ".\r\n";
      case 4:
        return "%?\r\n" + elements(2 * count, depth) + ".\r\n";
      case 5:
        return "*2\r\n*2\r\n" + elements(2, depth) + "*2\r\n" + elements(2, depth);
      default:
        return "*" + size + elements(count, depth);
    }
  }

  std::mt19937_64 random_;
};

TEST(Resp2Converter, AnyReplyInAnyPiecesBecomesWhatTheReferenceMakesOfIt) {
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  const Shapes shapes{kAsTyped, kFlat, kPop, kXread, kXreadgroup, kGeopos, kXpending};
  AnyReply replies(seed);
  int contradictions = 0;
  for (int i = 0; i < 20'000; ++i) {
    const std::string reply = replies.next();
    Shapes queued(replies.number(4));
    const ReplyShape shape = queued.empty() ? shapes[replies.number(shapes.size())] : kPop;
    for (ReplyShape& each : queued) each = shapes[replies.number(shapes.size())];
    // A streamed array of two is no pair; the tree does not show that it was streamed.
    const bool has_flat = shape == kFlat || std::ranges::find(queued, kFlat) != queued.end();
    if (has_flat && reply.contains("*?")) continue;
    const auto value = parse_value(reply);
    ASSERT_TRUE(value) << reply;
    test::Pieces pieces;
    for (std::string_view rest = reply; !rest.empty(); rest.remove_prefix(pieces.back().size())) {
      pieces.push_back(rest.substr(0, 1 + replies.number(rest.size())));
    }

    const auto expected = test::resp2_reference(*value, shape, queued);

    contradictions += expected ? 0 : 1;
    ASSERT_EQ(convert_pieces(pieces, shape, queued, {}), Lines{expected.value_or("<error>")}) << reply;
    ASSERT_EQ(convert_pieces({reply}, shape, queued, {}), Lines{expected.value_or("<error>")}) << reply;
  }
  EXPECT_GT(contradictions, 0);
}

}  // namespace
}  // namespace anteroom::resp
