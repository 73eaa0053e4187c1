#include "kv_load/replies.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "support/split.hpp"

namespace anteroom::kv_load {
namespace {

using Lines = std::vector<std::string>;
using Step = ReplyScanner::Step;

Lines scan(ReplyScanner scanner, const test::Pieces& pieces) {
  Lines out;
  for (std::string_view piece : pieces) {
    while (!piece.empty()) {
      const Step step = scanner.next(piece);
      if (step == Step::kNeedMore) continue;
      if (step == Step::kValues) out.push_back(std::to_string(scanner.hits()) + "/" + std::to_string(scanner.misses()));
      if (step == Step::kStatus) out.emplace_back("status");
      if (step == Step::kError) out.push_back("error " + scanner.first_error());
      if (step != Step::kBroken) continue;
      out.emplace_back("broken");
      return out;
    }
  }
  return out;
}

Lines resp(std::string_view bytes) {
  return test::expect_same_for_every_split(
      bytes, [](const auto& pieces) { return scan(ReplyScanner(Protocol::kResp), pieces); });
}
Lines memcached(std::string_view bytes) {
  return test::expect_same_for_every_split(
      bytes, [](const auto& pieces) { return scan(ReplyScanner(Protocol::kMemcached), pieces); });
}
Lines resp_pairs(std::string_view bytes) {
  return test::expect_same_for_every_split(
      bytes, [](const auto& pieces) { return scan(ReplyScanner(Protocol::kResp, 2), pieces); });
}

TEST(ReplyScanner, ValuesOfRespEndWhereTheirLengthSays) {
  EXPECT_EQ(resp("$3\r\na\nb\r\n$0\r\n\r\n$-1\r\n_\r\n"), (Lines{"1/0", "1/0", "0/1", "0/1"}));
}

TEST(ReplyScanner, ArrayIsOneReplyWithItsHitsAndMisses) {
  EXPECT_EQ(resp("*3\r\n$1\r\na\r\n$-1\r\n$2\r\nbc\r\n*0\r\n*-1\r\n"), (Lines{"2/1", "0/0", "0/1"}));
  EXPECT_EQ(resp("*2\r\n*1\r\n$1\r\na\r\n$1\r\nb\r\n"), (Lines{"2/0"}));
}

TEST(ReplyScanner, StatusOfRespIsNoValue) { EXPECT_EQ(resp("+OK\r\n:12\r\n"), (Lines{"status", "status"})); }

TEST(ReplyScanner, RepliesOfOneRequestAreTakenForOne) {
  EXPECT_EQ(resp_pairs("$1\r\na\r\n:-1\r\n$-1\r\n:-2\r\n:1\r\n"), (Lines{"1/0", "0/1"}));
  EXPECT_EQ(resp_pairs("$1\r\na\r\n-ERR x\r\n"), (Lines{"error -ERR x"}));
}

TEST(ReplyScanner, FirstErrorIsKeptInItsWords) {
  EXPECT_EQ(resp("-ERR one\r\n$1\r\na\r\n-ERR two\r\n"), (Lines{"error -ERR one", "1/0", "error -ERR one"}));
}

TEST(ReplyScanner, ErrorWithinAnArrayIsAnErrorOfTheWhole) {
  EXPECT_EQ(resp("*2\r\n$1\r\na\r\n-ERR x\r\n$-1\r\n"), (Lines{"error -ERR x", "0/1"}));
}

TEST(ReplyScanner, WhatIsNoRespIsBroken) {
  for (const std::string_view bytes :
       {"?3\r\n", "\r\n", "$\r\n", "$x\r\n", "$-2\r\n", "$3x\r\n", "*-7\r\n", "$99999999999999999999\r\n", "+OK\n"}) {
    EXPECT_EQ(resp(bytes), (Lines{"broken"})) << bytes;
  }
}

TEST(ReplyScanner, LineWithoutEndIsBroken) {
  const std::string endless(5'000, 'x');
  EXPECT_EQ(scan(ReplyScanner(Protocol::kResp), {"+", endless}), (Lines{"broken"}));
}

TEST(ReplyScanner, ValuesOfMemcachedGoOnToTheEndLine) {
  EXPECT_EQ(memcached("VALUE k:1 0 5\r\nEND\r\n\r\nEND\r\nEND\r\n"), (Lines{"1/0", "0/1"}));
}

TEST(ReplyScanner, StatusOfMemcachedIsNoValue) {
  EXPECT_EQ(memcached("STORED\r\nVERSION 1.6.18\r\n"), (Lines{"status", "status"}));
}

TEST(ReplyScanner, ErrorsOfMemcachedAreErrors) {
  EXPECT_EQ(memcached("ERROR\r\nEND\r\n"), (Lines{"error ERROR", "0/1"}));
  EXPECT_EQ(memcached("SERVER_ERROR out of memory\r\n"), (Lines{"error SERVER_ERROR out of memory"}));
  EXPECT_EQ(memcached("CLIENT_ERROR bad\r\n"), (Lines{"error CLIENT_ERROR bad"}));
  EXPECT_EQ(memcached("NOT_STORED\r\n"), (Lines{"error NOT_STORED"}));
}

TEST(ReplyScanner, WhatIsNoMemcachedIsBroken) {
  for (const std::string_view bytes : {"+OK\r\n", "VALUE k 0 -1\r\n", "VALUE k 0 x\r\n", "VALUE \r\n", "\r\n"}) {
    EXPECT_EQ(memcached(bytes), (Lines{"broken"})) << bytes;
  }
}

}  // namespace
}  // namespace anteroom::kv_load
