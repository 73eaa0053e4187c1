#include "backend/resp2_encoding.hpp"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <string_view>

#include "backend/hiredis_reader.hpp"

namespace anteroom::backend {
namespace {

using Append = void (*)(std::string&, const redisReply&);

std::string encoded(std::string_view resp3, Append append) {
  HiredisReader reader;
  reader.feed(resp3);
  const redisReply* const reply = reader.next();
  if (reply == nullptr) return "no reply";
  std::string out;
  append(out, *reply);
  return out;
}

/// What a client is told when the server has answered `resp3`.
std::string as_resp2(std::string_view resp3) { return encoded(resp3, append_as_resp2); }
std::string as_resp3(std::string_view resp3) { return encoded(resp3, append_as_resp3); }

TEST(CommandEncoding, IsAnArrayOfBulkStrings) {
  base::ByteQueue out;
  out.append("+");
  append_command(out, std::array<std::string_view, 3>{"GET", "", std::string_view("a\r\n\0b", 5)});
  EXPECT_EQ(out.to_string(), std::string("+*3\r\n$3\r\nGET\r\n$0\r\n\r\n$5\r\na\r\n\0b\r\n", 31));
}

TEST(Resp3Encoding, EverythingStaysAsTheServerWroteIt) {
  for (const std::string_view same : {"+OK\r\n",
                                      "-ERR text\r\n",
                                      ":-12\r\n",
                                      "$0\r\n\r\n",
                                      "$4\r\na\r\nb\r\n",
                                      "*0\r\n",
                                      "_\r\n",
                                      "#t\r\n",
                                      "#f\r\n",
                                      ",1.5\r\n",
                                      ",3\r\n",
                                      ",inf\r\n",
                                      ",-inf\r\n",
                                      ",1e+300\r\n",
                                      "(12345678901234567890\r\n",
                                      "=7\r\ntxt:abc\r\n",
                                      "%0\r\n",
                                      "%2\r\n+a\r\n:1\r\n$1\r\nb\r\n~1\r\n_\r\n",
                                      "~2\r\n+a\r\n+b\r\n",
                                      "*2\r\n*2\r\n$1\r\na\r\n,1\r\n*2\r\n$1\r\nb\r\n,2.5\r\n",
                                      "*2\r\n_\r\n$1\r\nx\r\n"}) {
    EXPECT_EQ(as_resp3(same), same);
  }
}

TEST(Resp2Encoding, TypesOfResp2StayAsTheyAre) {
  for (const std::string_view same : {"+OK\r\n", "-ERR text\r\n", ":-12\r\n", "$0\r\n\r\n", "$4\r\na\r\nb\r\n",
                                      "$-1\r\n", "*0\r\n", "*3\r\n:1\r\n$1\r\na\r\n*1\r\n$-1\r\n"}) {
    EXPECT_EQ(as_resp2(same), same);
  }
}

TEST(Resp2Encoding, TypesOfResp3BecomeWhatRedisSendsInstead) {
  EXPECT_EQ(as_resp2("_\r\n"), "$-1\r\n");
  EXPECT_EQ(as_resp2("#t\r\n"), ":1\r\n");
  EXPECT_EQ(as_resp2("#f\r\n"), ":0\r\n");
  EXPECT_EQ(as_resp2(",1.5\r\n"), "$3\r\n1.5\r\n");
  EXPECT_EQ(as_resp2(",inf\r\n"), "$3\r\ninf\r\n");
  EXPECT_EQ(as_resp2("(12345678901234567890\r\n"), "$20\r\n12345678901234567890\r\n");
  EXPECT_EQ(as_resp2("=7\r\ntxt:abc\r\n"), "$3\r\nabc\r\n");
}

TEST(Resp2Encoding, MapsAndSetsBecomeArrays) {
  EXPECT_EQ(as_resp2("%2\r\n+a\r\n:1\r\n+b\r\n:2\r\n"), "*4\r\n+a\r\n:1\r\n+b\r\n:2\r\n");
  EXPECT_EQ(as_resp2("~2\r\n+a\r\n+b\r\n"), "*2\r\n+a\r\n+b\r\n");
  EXPECT_EQ(as_resp2("%0\r\n"), "*0\r\n");
}

TEST(Resp2Encoding, MembersWithTheirScoresAreFlattened) {
  EXPECT_EQ(as_resp2("*2\r\n*2\r\n$1\r\na\r\n,1\r\n*2\r\n$1\r\nb\r\n,2.5\r\n"),
            "*4\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$3\r\n2.5\r\n");
}

TEST(Resp2Encoding, ArrayOfWhichOnlySomeArePairsIsNotFlattened) {
  EXPECT_EQ(as_resp2("*2\r\n*2\r\n+a\r\n,1\r\n+b\r\n"), "*2\r\n*2\r\n+a\r\n$1\r\n1\r\n+b\r\n");
  EXPECT_EQ(as_resp2("*2\r\n+b\r\n*2\r\n+a\r\n,1\r\n"), "*2\r\n+b\r\n*2\r\n+a\r\n$1\r\n1\r\n");
}

}  // namespace
}  // namespace anteroom::backend
