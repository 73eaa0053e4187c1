#include "backend/hiredis_reader.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "backend/hiredis_replies.hpp"
#include "backend/resp2_encoding.hpp"

namespace anteroom::backend {
namespace {

/// All whole replies in the reader, as RESP3.
std::vector<std::string> replies_in(HiredisReader& reader) {
  std::vector<std::string> out;
  while (const redisReply* const reply = reader.next()) append_as_resp3(out.emplace_back(), *reply);
  return out;
}

TEST(HiredisReader, RepliesAreTheSameInWhateverPiecesTheyCome) {
  const std::vector<std::string> replies{"+OK\r\n",
                                         "$3\r\nabc\r\n",
                                         ":12\r\n",
                                         "_\r\n",
                                         "-ERR no\r\n",
                                         "$0\r\n\r\n",
                                         "=7\r\ntxt:abc\r\n",
                                         ",1.5\r\n",
                                         "#t\r\n",
                                         "(123456\r\n",
                                         "*2\r\n$1\r\na\r\n:1\r\n",
                                         ">2\r\n+a\r\n_\r\n"};
  std::string stream;
  for (const std::string& reply : replies) stream += reply;
  for (std::size_t size = 1; size <= stream.size(); ++size) {
    HiredisReader reader;
    std::vector<std::string> seen;
    for (std::size_t at = 0; at < stream.size(); at += size) {
      reader.feed(std::string_view(stream).substr(at, size));
      for (std::string& reply : replies_in(reader)) seen.push_back(std::move(reply));
    }
    ASSERT_EQ(seen, replies) << "in pieces of " << size;
  }
}

// They are made in the same place, one after the other.
TEST(HiredisReader, ReplyKeepsNothingOfTheOneBefore) {
  HiredisReader reader;
  reader.feed("$5\r\nabcde\r\n:7\r\n$1\r\nx\r\n_\r\n-ERR\r\n");
  EXPECT_EQ(text(*reader.next()), "abcde");
  const redisReply* const number = reader.next();
  EXPECT_EQ(text(*number), "");
  EXPECT_EQ(integer(*number), 7);
  EXPECT_EQ(text(*reader.next()), "x");
  const redisReply* const null = reader.next();
  EXPECT_EQ(null->type, REDIS_REPLY_NIL);
  EXPECT_EQ(text(*null), "");
  EXPECT_EQ(error_text(*reader.next()), "ERR");
}

TEST(HiredisReader, LongStringIsWholeAndTheNextOneRight) {
  const std::string value(300'000, 'v');
  HiredisReader reader;
  reader.feed("$300000\r\n" + value + "\r\n$2\r\nok\r\n");
  EXPECT_EQ(text(*reader.next()), value);
  EXPECT_EQ(text(*reader.next()), "ok");
  EXPECT_EQ(reader.next(), nullptr);
}

TEST(HiredisReader, HoldsAReplyFromItsFirstByteUntilItIsGivenOut) {
  HiredisReader reader;
  EXPECT_FALSE(reader.holds_reply());
  for (const std::string_view byte : {"$", "1", "\r", "\n", "x", "\r"}) {
    reader.feed(byte);
    EXPECT_EQ(reader.next(), nullptr);
    EXPECT_TRUE(reader.holds_reply());
  }
  reader.feed("\n");
  EXPECT_TRUE(reader.holds_reply());
  EXPECT_NE(reader.next(), nullptr);
  EXPECT_FALSE(reader.holds_reply());
}

TEST(HiredisReader, PartOfAPushIsNoReply) {
  HiredisReader reader;
  for (const std::string_view byte : {">", "2", "\r", "\n", "+", "a", "\r", "\n"}) {
    reader.feed(byte);
    EXPECT_EQ(reader.next(), nullptr);
    EXPECT_FALSE(reader.holds_reply());
  }
}

TEST(HiredisReader, WhatIsNoRespFailsForGood) {
  HiredisReader reader;
  reader.feed("HTTP/1.1 400 Bad Request\r\n");
  EXPECT_EQ(reader.next(), nullptr);
  EXPECT_TRUE(reader.has_failed());
  reader.feed("+OK\r\n");
  EXPECT_EQ(reader.next(), nullptr);
}

TEST(HiredisReader, NestingAndNumberOfElementsAreLimited) {
  std::string deep;
  for (std::size_t depth = 0; depth < HiredisReader::kDepthMax; ++depth) deep += "*1\r\n";
  HiredisReader allowed;
  allowed.feed(deep + ":1\r\n");
  EXPECT_NE(allowed.next(), nullptr);
  HiredisReader refused;
  refused.feed("*1\r\n" + deep + ":1\r\n");
  EXPECT_EQ(refused.next(), nullptr);
  EXPECT_TRUE(refused.has_failed());
  HiredisReader small(2);
  small.feed("*3\r\n");
  EXPECT_EQ(small.next(), nullptr);
  EXPECT_TRUE(small.has_failed());
}

}  // namespace
}  // namespace anteroom::backend
