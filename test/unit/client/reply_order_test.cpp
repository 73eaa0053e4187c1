#include "client/reply_order.hpp"

#include <gtest/gtest.h>

#include <string>

namespace anteroom::client {
namespace {

using Verdict = ReplyOrder::Verdict;

class ReplyOrderTest : public testing::Test {
 protected:
  Verdict judge(const std::string& reply) { return order_.judge(reply, reply.front()); }
  /// As the server sends it, in RESP2 or as a push.
  static std::string event(char type, const std::string& kind, const std::string& name) {
    return std::string(1, type) + "3\r\n$" + std::to_string(kind.size()) + "\r\n" + kind + "\r\n" +
           (name.empty() ? "$-1\r\n" : "$" + std::to_string(name.size()) + "\r\n" + name + "\r\n") + ":1\r\n";
  }
  void speak_resp3() {
    order_.add({"HELLO", "3"});
    ASSERT_EQ(judge("%1\r\n+proto\r\n:3\r\n"), Verdict::kLastReply);
  }

  ReplyOrder order_;
};

TEST_F(ReplyOrderTest, EachQueryHasOneReply) {
  order_.add({"GET", "k"});
  order_.add({"GET", "k"});

  EXPECT_EQ(judge("+a\r\n"), Verdict::kLastReply);
  EXPECT_EQ(judge("*1\r\n+a\r\n"), Verdict::kLastReply);
  EXPECT_EQ(judge("+a\r\n"), Verdict::kUnexpected);
}

TEST_F(ReplyOrderTest, SubscribeHasOneForEachChannelInBothProtocols) {
  for (const char type : {'*', '>'}) {
    if (type == '>') speak_resp3();
    order_.add({"Subscribe", "a", "b"});
    order_.add({"PING"});

    EXPECT_EQ(judge(event(type, "subscribe", "a")), Verdict::kReply);
    EXPECT_EQ(judge(event(type, "message", "a")), Verdict::kPush);
    EXPECT_EQ(judge(event(type, "subscribe", "b")), Verdict::kLastReply);
    EXPECT_EQ(judge("*2\r\n+pong\r\n+\r\n"), Verdict::kLastReply);

    order_.add({"RESET"});
    EXPECT_EQ(judge("+RESET\r\n"), Verdict::kLastReply);
  }
}

TEST_F(ReplyOrderTest, UnsubscribeWithoutChannelsHasOneForEachThatIsLeft) {
  order_.add({"SUBSCRIBE", "a", "b"});
  order_.add({"PSUBSCRIBE", "p*"});
  order_.add({"UNSUBSCRIBE"});
  for (const char* const name : {"a", "b"}) static_cast<void>(judge(event('*', "subscribe", name)));
  EXPECT_EQ(judge(event('*', "psubscribe", "p*")), Verdict::kLastReply);

  EXPECT_EQ(judge(event('*', "unsubscribe", "b")), Verdict::kReply);
  EXPECT_EQ(judge(event('*', "unsubscribe", "a")), Verdict::kLastReply);

  order_.add({"UNSUBSCRIBE"});
  EXPECT_EQ(judge(event('*', "unsubscribe", "")), Verdict::kLastReply);
}

TEST_F(ReplyOrderTest, ErrorEndsASubscribe) {
  order_.add({"SUBSCRIBE", "a", "b"});
  order_.add({"PING"});

  EXPECT_EQ(judge("-NOPERM\r\n"), Verdict::kLastReply);
  EXPECT_EQ(judge("+PONG\r\n"), Verdict::kLastReply);
}

TEST_F(ReplyOrderTest, ListThatLooksLikeAMessageIsAReply) {
  order_.add({"LRANGE", "l", "0", "-1"});
  EXPECT_EQ(judge(event('*', "message", "a")), Verdict::kLastReply);

  speak_resp3();
  order_.add({"SUBSCRIBE", "a"});
  order_.add({"LRANGE", "l", "0", "-1"});
  EXPECT_EQ(judge(event('>', "subscribe", "a")), Verdict::kLastReply);
  EXPECT_EQ(judge(event('*', "message", "a")), Verdict::kLastReply);
}

TEST_F(ReplyOrderTest, MessagesComeAsArraysAgainAfterHello2) {
  speak_resp3();
  order_.add({"SUBSCRIBE", "a"});
  order_.add({"HELLO", "2"});
  EXPECT_EQ(judge(event('>', "subscribe", "a")), Verdict::kLastReply);
  EXPECT_EQ(judge("*2\r\n+proto\r\n:2\r\n"), Verdict::kLastReply);

  EXPECT_EQ(judge(event('*', "message", "a")), Verdict::kPush);
}

TEST_F(ReplyOrderTest, WhatTheServerUnsubscribesFromIsAPush) {
  order_.add({"SSUBSCRIBE", "a"});
  EXPECT_EQ(judge(event('*', "ssubscribe", "a")), Verdict::kLastReply);
  order_.add({"PING"});

  EXPECT_EQ(judge(event('*', "sunsubscribe", "a")), Verdict::kPush);
  EXPECT_EQ(judge("+PONG\r\n"), Verdict::kLastReply);
}

}  // namespace
}  // namespace anteroom::client
