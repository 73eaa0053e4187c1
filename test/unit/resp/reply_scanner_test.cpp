#include "resp/reply_scanner.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "support/split.hpp"

namespace anteroom::resp {
namespace {

using namespace std::string_literals;
using Lines = std::vector<std::string>;
using Step = ReplyScanner::Step;

/// "$ $1\r\na\r\n": type and bytes of a reply; "push > ..." for a push; "error 7" with the number of good bytes before
/// it.
Lines scan_pieces(const test::Pieces& pieces, const ReplyScanner::Options& options) {
  ReplyScanner scanner(options);
  Lines lines;
  std::string reply;
  std::size_t total = 0;
  for (std::string_view piece : pieces) {
    while (!piece.empty()) {
      const ReplyScanner::Result result = scanner.scan(piece);
      total += result.used;
      reply += piece.substr(0, result.used);
      piece.remove_prefix(result.used);
      if (result.step == Step::kError) {
        lines.push_back("error " + std::to_string(total));
        return lines;
      }
      if (result.step == Step::kNeedMore) {
        EXPECT_TRUE(piece.empty());
        EXPECT_FALSE(scanner.is_between_replies());
        continue;
      }
      EXPECT_TRUE(scanner.is_between_replies());
      lines.push_back((result.step == Step::kPush ? "push " : "") + std::string(1, scanner.type()) + " " + reply);
      reply.clear();
    }
  }
  return lines;
}

Lines scan(std::string_view input, const ReplyScanner::Options& options = {}) {
  return test::expect_same_for_every_split(
      input, [&options](const test::Pieces& pieces) { return scan_pieces(pieces, options); });
}

// Whole strings with short headers are read at once, and byte by byte otherwise.
TEST(ReplyScanner, StringsOfAnyLengthEndAtTheSamePlaceHoweverTheyCome) {
  for (const std::size_t size : {0u, 1u, 9u, 10u, 99u, 100u, 999u, 1000u, 9999u, 10000u, 12345u}) {
    const std::string reply = "$" + std::to_string(size) + "\r\n" + std::string(size, 'x') + "\r\n";
    const std::string wrong = "$" + std::to_string(size) + "\r\n" + std::string(size, 'x') + "y\r\n";
    for (const std::string& replies : {reply + "+OK\r\n" + reply, "+OK\r\n" + wrong, reply + wrong}) {
      test::Pieces bytes;
      for (std::size_t i = 0; i < replies.size(); ++i) bytes.push_back(std::string_view(replies).substr(i, 1));
      EXPECT_EQ(scan_pieces({replies}, {}), scan_pieces(bytes, {})) << size;
    }
    EXPECT_EQ(scan_pieces({reply}, {}), Lines{"$ " + reply});
  }
}

TEST(ReplyScanner, EveryLegalReplyEndsWhereItEnds) {
  const std::vector<std::string> replies{
      "+OK\r\n",
      "+\r\n",
      "-ERR x\r\n",
      "-\r\n",
      ":0\r\n",
      ":-1\r\n",
      ":+5\r\n",
      ":9223372036854775807\r\n",
      ":-9223372036854775808\r\n",
      "$0\r\n\r\n",
      "$5\r\nhello\r\n",
      "$2\r\n\r\n\r\n",
      "$-1\r\n",
      "*-1\r\n",
      "*0\r\n",
      "*1\r\n*0\r\n",
      "*2\r\n$1\r\na\r\n:1\r\n",
      "*3\r\n*-1\r\n$-1\r\n_\r\n",
      "_\r\n",
      "#t\r\n",
      "#f\r\n",
      ",1.5\r\n",
      ",-1e-10\r\n",
      ",inf\r\n",
      ",-inf\r\n",
      ",nan\r\n",
      ",10\r\n",
      "(3492890328409238509324850943850943825024385\r\n",
      "(-1\r\n",
      "(\r\n",
      "(what a script calls one\r\n",
      "!8\r\nERR a\r\nb\r\n",
      "=7\r\ntxt:abc\r\n",
      "=4\r\nmkd:\r\n",
      "%0\r\n",
      "%1\r\n+a\r\n:1\r\n",
      "~2\r\n:1\r\n:2\r\n",
      "~0\r\n",
      "%2\r\n+a\r\n%1\r\n+b\r\n*1\r\n_\r\n+c\r\n#t\r\n",
      "$3\r\n\0\xff\n\r\n"s,
  };
  std::string all;
  Lines expected;
  for (const std::string& reply : replies) {
    EXPECT_EQ(scan(reply), Lines{reply.substr(0, 1) + " " + reply}) << reply;
    all += reply;
    expected.push_back(reply.substr(0, 1) + " " + reply);
  }
  EXPECT_EQ(scan(all), expected);
}

TEST(ReplyScanner, PrefixOfAReplyNeedsMore) {
  const std::string reply =
      "|1\r\n+a\r\n,0.5\r\n%2\r\n+k\r\n*2\r\n$3\r\nabc\r\n_\r\n$?\r\n;1\r\nx\r\n;0\r\n=5\r\ntxt:v\r\n";
  EXPECT_EQ(scan(reply).size(), 1U);
  for (std::size_t size = 0; size < reply.size(); ++size) EXPECT_EQ(scan_pieces({reply.substr(0, size)}, {}), Lines{});
}

TEST(ReplyScanner, PushesAreToldApartFromReplies) {
  EXPECT_EQ(scan(">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n$1\r\nv\r\n"),
            (Lines{"push > >2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n", "$ $1\r\nv\r\n"}));
}

TEST(ReplyScanner, AttributeAndItsReplyAreOne) {
  EXPECT_EQ(scan("|1\r\n+ttl\r\n:3600\r\n$1\r\nv\r\n:1\r\n"),
            (Lines{"$ |1\r\n+ttl\r\n:3600\r\n$1\r\nv\r\n", ": :1\r\n"}));
  EXPECT_EQ(scan("|0\r\n|1\r\n+a\r\n*1\r\n_\r\n+OK\r\n"), Lines{"+ |0\r\n|1\r\n+a\r\n*1\r\n_\r\n+OK\r\n"});
  EXPECT_EQ(scan("|1\r\n+a\r\n+b\r\n>1\r\n+x\r\n"), Lines{"push > |1\r\n+a\r\n+b\r\n>1\r\n+x\r\n"});
}

TEST(ReplyScanner, AttributesInsideAnAggregateAreNoElements) {
  EXPECT_EQ(scan("*2\r\n|1\r\n+a\r\n+b\r\n:1\r\n|0\r\n:2\r\n:3\r\n"),
            (Lines{"* *2\r\n|1\r\n+a\r\n+b\r\n:1\r\n|0\r\n:2\r\n", ": :3\r\n"}));
  EXPECT_EQ(scan("*1\r\n|1\r\n+a\r\n+b\r\n*1\r\n:1\r\n"), Lines{"* *1\r\n|1\r\n+a\r\n+b\r\n*1\r\n:1\r\n"});
}

TEST(ReplyScanner, StreamedStringsAndAggregatesEndWithTheirMark) {
  for (const std::string_view reply :
       {"$?\r\n;4\r\nHell\r\n;5\r\no wor\r\n;0\r\n", "$?\r\n;0\r\n", "*?\r\n:1\r\n*?\r\n.\r\n.\r\n", "*?\r\n.\r\n",
        "~?\r\n+a\r\n.\r\n", "%?\r\n+a\r\n:1\r\n+b\r\n*0\r\n.\r\n", "%?\r\n.\r\n",
        "*2\r\n$?\r\n;1\r\na\r\n;0\r\n%?\r\n+k\r\n%?\r\n.\r\n.\r\n"}) {
    EXPECT_EQ(scan(reply), Lines{std::string(1, reply[0]) + " " + std::string(reply)}) << reply;
  }
}

TEST(ReplyScanner, EveryMalformedByteIsAnErrorWhereItStands) {
  const std::vector<std::pair<std::string, std::size_t>> cases{
      {"x", 0},
      {"\r\n", 0},
      {"\0"s, 0},
      {"PING\r\n", 0},
      {".\r\n", 0},
      {";1\r\na\r\n", 0},
      {"n\r\n", 0},
      {"+a\nb\r\n", 2},
      {"+a\rb\r\n", 3},
      {"+OK\r\r\n", 4},
      {":\r\n", 1},
      {":-\r\n", 2},
      {":1a\r\n", 2},
      {":01\r\n", 3},
      {":-0\r\n", 3},
      {":+-1\r\n", 2},
      {": 1\r\n", 1},
      {":1 \r\n", 2},
      {":9223372036854775808\r\n", 20},
      {":123456789012345678901\r\n", 21},
      {"$x\r\n", 1},
      {"$\r\n", 2},
      {"$-2\r\n", 4},
      {"$01\r\n", 4},
      {"$+1\r\n", 1},
      {"$1\n", 2},
      {"$1?\r\n", 2},
      {"$1\r\nab\r\n", 5},
      {"$1\r\na\rb", 6},
      {"$123456789012345678901\r\n", 21},
      {"$9223372036854775807\r\n", 21},
      {"*x\r\n", 1},
      {"*-2\r\n", 4},
      {"*1\r\nx", 4},
      {"*1\r\n.\r\n", 4},
      {"*4294967296\r\n", 12},
      {"*9223372036854775807\r\n", 21},
      {"_x", 1},
      {"_\n", 1},
      {"#x\r\n", 1},
      {"#\r\n", 1},
      {"#tt\r\n", 2},
      {"#T\r\n", 1},
      {",\r\n", 1},
      {",1x\r\n", 2},
      {",1,5\r\n", 2},
      {"!-1\r\n", 4},
      {"!?\r\n", 3},
      {"=3\r\ntxt\r\n", 3},
      {"=5\r\ntxtxy\r\n", 7},
      {"=-1\r\n", 4},
      {"=?\r\n", 3},
      {"%-1\r\n", 4},
      {"~-1\r\n", 4},
      {"|-1\r\n", 4},
      {"|?\r\n", 3},
      {">?\r\n", 3},
      {">0\r\n", 3},
      {">-1\r\n", 4},
      {"*1\r\n>1\r\n+a\r\n", 4},
      {"|1\r\n>1\r\n+a\r\n", 4},
      {"%4294967296\r\n", 12},
      {"$?\r\n$", 4},
      {"$?\r\n;-1\r\n", 8},
      {"$?\r\n;?\r\n", 7},
      {"$?\r\n;1\r\na\r\n+", 11},
      {"%?\r\n+a\r\n.\r\n", 8},
      {"*?\r\n|1\r\n+a\r\n+b\r\n.\r\n", 16},
      {"*?\r\n|0\r\n.\r\n", 8},
      {"*?\r\n.x", 5},
      {"*1\r\n|0\r\n.", 8},
  };
  for (const auto& [input, good] : cases) EXPECT_EQ(scan(input), Lines{"error " + std::to_string(good)}) << input;
}

TEST(ReplyScanner, ErrorIsSticky) {
  ReplyScanner scanner;
  EXPECT_EQ(scanner.scan("x").step, Step::kError);

  const ReplyScanner::Result result = scanner.scan("+OK\r\n");

  EXPECT_EQ(result.step, Step::kError);
  EXPECT_EQ(result.used, 0U);
}

TEST(ReplyScanner, TypeIsKnownFromTheFirstByteBehindTheAttribute) {
  ReplyScanner scanner;
  EXPECT_EQ(scanner.type(), '\0');
  EXPECT_TRUE(scanner.is_between_replies());

  EXPECT_EQ(scanner.scan("|1\r\n+a\r\n+b\r\n").step, Step::kNeedMore);
  EXPECT_EQ(scanner.type(), '\0');
  EXPECT_EQ(scanner.scan("*").step, Step::kNeedMore);
  EXPECT_EQ(scanner.type(), '*');
  EXPECT_EQ(scanner.scan("1\r\n:1\r\n").step, Step::kReply);
  EXPECT_EQ(scanner.type(), '*');
  EXPECT_EQ(scanner.scan("|").step, Step::kNeedMore);
  EXPECT_EQ(scanner.type(), '\0');
}

TEST(ReplyScanner, ScanOfNothingChangesNothing) {
  ReplyScanner scanner;
  EXPECT_EQ(scanner.scan("").step, Step::kNeedMore);
  EXPECT_TRUE(scanner.is_between_replies());
}

TEST(ReplyScanner, LimitsAreKeptToTheByte) {
  const ReplyScanner::Options options{
      .depth_max = 2, .line_bytes_max = 4, .aggregate_count_max = 3, .bulk_bytes_max = 5};
  EXPECT_EQ(scan("*1\r\n*1\r\n:1\r\n", options).front().front(), '*');
  EXPECT_EQ(scan("*1\r\n*1\r\n*0\r\n", options).front().front(), '*');
  EXPECT_EQ(scan("*1\r\n*1\r\n*1\r\n:1\r\n", options), Lines{"error 11"});
  EXPECT_EQ(scan("*1\r\n|1\r\n*1\r\n:1\r\n", options), Lines{"error 11"});
  EXPECT_EQ(scan("*?\r\n*?\r\n*?\r\n", options), Lines{"error 11"});
  EXPECT_EQ(scan("+abcd\r\n", options), Lines{"+ +abcd\r\n"});
  EXPECT_EQ(scan("+abcde\r\n", options), Lines{"error 5"});
  EXPECT_EQ(scan("%3\r\n", options), Lines{});
  EXPECT_EQ(scan("*4\r\n", options), Lines{"error 3"});
  EXPECT_EQ(scan("$5\r\nabcde\r\n", options).size(), 1U);
  EXPECT_EQ(scan("$6\r\nabcdef\r\n", options), Lines{"error 3"});
  EXPECT_EQ(scan("$?\r\n;6\r\nabcdef\r\n", options), Lines{"error 7"});
}

// redis-server 7.0.15 returns a Lua table as deep as this; deeper ones end in "-ERR reached lua stack limit".
TEST(ReplyScanner, DeepestTableOfAScriptPasses) {
  std::string reply;
  for (int i = 0; i < 7995; ++i) reply += "*1\r\n";
  reply += "-ERR reached lua stack limit\r\n";
  EXPECT_EQ(scan_pieces({reply + "+OK\r\n"}, {}), (Lines{"* " + reply, "+ +OK\r\n"}));
  EXPECT_EQ(scan_pieces(test::byte_by_byte(reply), {}).size(), 1U);
}

TEST(ReplyScanner, EndlessNestingIsAnErrorNotMemory) {
  std::string nested;
  for (int i = 0; i < 100'000; ++i) nested += "*1\r\n";
  EXPECT_EQ(scan_pieces({nested}, {}), Lines{"error " + std::to_string(8192 * 4 + 3)});
}

TEST(ReplyScanner, HugeLengthsCostNothing) {
  ReplyScanner scanner;
  EXPECT_EQ(scanner.scan("*4294967295\r\n$4611686018427387904\r\n").step, Step::kNeedMore);
  const std::string chunk(1 << 20, 'x');
  for (int i = 0; i < 64; ++i) EXPECT_EQ(scanner.scan(chunk).step, Step::kNeedMore);
}

}  // namespace
}  // namespace anteroom::resp
