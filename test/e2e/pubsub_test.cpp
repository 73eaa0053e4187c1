// Subscriptions and MONITOR: what clients get is what the server would send them, and the server has few of them.
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "support/deadline.hpp"
#include "support/rig.hpp"
#include "support/words.hpp"

namespace anteroom::test {
namespace {

using namespace std::chrono_literals;

std::string array_of(const std::vector<std::string>& texts, char mark = '*') {
  std::string out = mark + std::to_string(texts.size()) + "\r\n";
  for (const std::string& text : texts) out += bulk(text);
  return out;
}
std::string message(const std::string& channel, const std::string& text, char mark = '*') {
  return array_of({"message", channel, text}, mark);
}

class PubSub : public SharedRigTest<PubSub> {
 public:
  static Rig::Options rig_options() { return {.front = {.arguments = {"--workers", "2"}}}; }

 protected:
  /// How often the server has the channel.
  std::int64_t subscriptions(const std::string& channel) {
    const Reply reply = direct().ask("PUBSUB", "NUMSUB", channel);
    return reply.items.size() == 2 ? reply.items[1].number() : -1;
  }
};
INSTANTIATE_TEST_SUITE_P(Over, PubSub, kBothTransports, transport_name);

TEST_P(PubSub, MessagesReachSubscribersInTheirOwnProtocol) {
  const std::string channel = unique_key("channel");
  RespClient two = client();
  RespClient three = client();
  three.ask("HELLO", "3");
  EXPECT_EQ(two.ask("SUBSCRIBE", channel).raw, "*3\r\n$9\r\nsubscribe\r\n" + bulk(channel) + ":1\r\n");
  EXPECT_EQ(three.ask("SUBSCRIBE", channel).raw, ">3\r\n$9\r\nsubscribe\r\n" + bulk(channel) + ":1\r\n");
  RespClient publisher = client();
  for (const std::string& text :
       {std::string("hello"), std::string("\0\r\n\xff", 4), std::string(), std::string(300'000, 'x')}) {
    publisher.ask("PUBLISH", channel, text);
    EXPECT_EQ(two.read(), message(channel, text));
    EXPECT_EQ(three.read(), message(channel, text, '>'));
  }
}

TEST_P(PubSub, MessagesComeInTheOrderOfPublication) {
  const std::string channel = unique_key("channel");
  RespClient reader = client();
  reader.ask("SUBSCRIBE", channel);
  RespClient publisher = client();
  std::string sent;
  for (int i = 0; i < 5000; ++i) sent += encode({"PUBLISH", channel, std::to_string(i)});
  publisher.send_raw(sent);
  for (int i = 0; i < 5000; ++i) ASSERT_EQ(reader.read(), message(channel, std::to_string(i)));
  EXPECT_EQ(publisher.read_many(5000).back().type, ':');
}

TEST_P(PubSub, PatternsAndShardChannelsAreTheirOwn) {
  const std::string base = unique_key("c");
  RespClient reader = client();
  reader.ask("PSUBSCRIBE", base + "*");
  EXPECT_EQ(reader.ask("SSUBSCRIBE", base + "shard").raw,
            "*3\r\n$10\r\nssubscribe\r\n" + bulk(base + "shard") + ":1\r\n");
  reader.ask("SUBSCRIBE", base + "x");
  RespClient publisher = client();
  publisher.ask("PUBLISH", base + "x", "1");
  const Reply first = reader.read();
  const Reply second = reader.read();
  EXPECT_EQ(first.raw + second.raw, message(base + "x", "1") + array_of({"pmessage", base + "*", base + "x", "1"}));
  publisher.ask("SPUBLISH", base + "shard", "2");
  EXPECT_EQ(reader.read(), array_of({"smessage", base + "shard", "2"}));
}

// The same words to both; replies may differ in nothing.
TEST_P(PubSub, ConfirmationsAndRefusalsAreThoseOfTheServer) {
  for (const char* hello : {"HELLO 2", "HELLO 3"}) {
    RespClient through = client();
    RespClient straight = direct();
    through.ask(views(words(hello)));
    straight.ask(views(words(hello)));
    // Replies to a line: how many.
    const std::vector<std::pair<std::string, std::size_t>> lines{{"UNSUBSCRIBE", 1},
                                                                 {"PUNSUBSCRIBE", 1},
                                                                 {"SUNSUBSCRIBE", 1},
                                                                 {"UNSUBSCRIBE never", 1},
                                                                 {"SUBSCRIBE a b a c", 4},
                                                                 {"PSUBSCRIBE p*", 1},
                                                                 {"PSUBSCRIBE p* q?", 2},
                                                                 {"SSUBSCRIBE s", 1},
                                                                 {"PING", 1},
                                                                 {"PING text", 1},
                                                                 {"SUBSCRIBE", 1},
                                                                 {"UNSUBSCRIBE b", 1},
                                                                 {"UNSUBSCRIBE b c", 2},
                                                                 {"SUBSCRIBE a", 1},
                                                                 {"SUNSUBSCRIBE s s", 2},
                                                                 {"GET nokey", 1},
                                                                 {"HGETALL nokey", 1},
                                                                 {"ECHO x", 1},
                                                                 {"PING a b", 1},
                                                                 {"UNSUBSCRIBE a", 1},
                                                                 {"PUNSUBSCRIBE p* q?", 2},
                                                                 {"GET nokey", 1},
                                                                 {"PING", 1},
                                                                 {"SUBSCRIBE z", 1},
                                                                 {"RESET", 1},
                                                                 {"GET nokey", 1}};
    for (const auto& [line, count] : lines) {
      through.send(views(words(line)));
      straight.send(views(words(line)));
      for (std::size_t i = 0; i < count; ++i) EXPECT_EQ(through.read(), straight.read()) << hello << ": " << line;
    }
  }
}

TEST_P(PubSub, OneSubscriptionAtTheServerForEachWorkerHoweverManyClients) {
  const std::string channel = unique_key("channel");
  std::vector<RespClient> readers;
  for (int i = 0; i < 60; ++i) {
    readers.push_back(client());
    readers.back().ask("SUBSCRIBE", channel);
  }
  EXPECT_EQ(subscriptions(channel), 2);
  direct().ask("PUBLISH", channel, "x");
  for (RespClient& reader : readers) EXPECT_EQ(reader.read(), message(channel, "x"));
  for (std::size_t i = 1; i < readers.size(); ++i) readers[i].close();
  EXPECT_TRUE(eventually([&] { return subscriptions(channel) == 1; }));
  direct().ask("PUBLISH", channel, "y");
  EXPECT_EQ(readers[0].read(), message(channel, "y"));
  readers[0].close();
  EXPECT_TRUE(eventually([&] { return subscriptions(channel) == 0; }));
}

TEST_P(PubSub, LeavingByUnsubscribeByResetAndByQuitFreesTheServersSubscription) {
  for (const std::string leave : {"UNSUBSCRIBE", "RESET", "QUIT"}) {
    const std::string channel = unique_key("channel");
    RespClient reader = client();
    reader.ask("SUBSCRIBE", channel);
    EXPECT_EQ(subscriptions(channel), 1);
    reader.ask(leave);
    EXPECT_TRUE(eventually([&] { return subscriptions(channel) == 0; })) << leave;
  }
}

TEST_P(PubSub, AChannelLeftAndJoinedInOnePacketIsSubscribed) {
  const std::string channel = unique_key("channel");
  RespClient reader = client();
  std::string sent;
  for (int i = 0; i < 50; ++i) sent += encode({"SUBSCRIBE", channel}) + encode({"UNSUBSCRIBE", channel});
  reader.send_raw(sent + encode({"SUBSCRIBE", channel}));
  for (int i = 0; i < 101; ++i) EXPECT_EQ(reader.read().items.size(), 3U);
  direct().ask("PUBLISH", channel, "x");
  EXPECT_EQ(reader.read(), message(channel, "x"));
}

TEST_P(PubSub, Resp3SessionsReadBetweenMessagesAndNoReplyIsCutByOne) {
  const std::string channel = unique_key("channel");
  const std::string key = unique_key();
  const std::string value(700'000, 'v');
  RespClient user = client();
  user.ask("HELLO", "3");
  user.ask("SUBSCRIBE", channel);
  user.ask("SET", key, value);
  std::thread publisher([this, channel] {
    RespClient backend = direct();
    for (int i = 0; i < 2000; ++i) backend.ask("PUBLISH", channel, std::to_string(i));
  });
  int messages = 0;
  const auto read_reply = [&] {
    for (;;) {
      Reply reply = user.read();
      if (reply.type != '>') return reply;
      EXPECT_EQ(reply.raw, message(channel, std::to_string(messages++), '>'));
    }
  };
  for (int i = 0; i < 40; ++i) {
    user.send_raw(encode({"GETRANGE", key, "0", "-1"}) + encode({"SET", key, value}) + encode({"GET", key}) +
                  encode({"LRANGE", key, "0", "1"}));
    EXPECT_EQ(read_reply().text.size(), value.size());
    EXPECT_EQ(read_reply(), kOk);
    EXPECT_EQ(read_reply().text, value);
    EXPECT_TRUE(read_reply().is_error());
  }
  publisher.join();
  while (messages < 2000) {
    const Reply reply = user.read();
    ASSERT_EQ(reply.raw, message(channel, std::to_string(messages), '>'));
    ++messages;
  }
}

TEST_P(PubSub, SubscribersWhoseServerRestartsAreSubscribedAgain) {
  Rig rig({.upstream = GetParam(), .front = {.arguments = {"--workers", "1"}}});
  ASSERT_TRUE(rig.is_ready());
  RespClient reader = rig.front.connect(GetParam());
  reader.ask("SUBSCRIBE", "a", "b");
  EXPECT_EQ(reader.read().items.size(), 3U);
  reader.ask("PSUBSCRIBE", "p*");
  rig.redis.kill();
  ASSERT_TRUE(rig.redis.start());
  ASSERT_TRUE(eventually([&] { return rig.redis.connect().ask("PUBLISH", "a", "again").number() == 1; }));
  Reply reply = reader.read();
  EXPECT_EQ(reply, message("a", "again"));
  EXPECT_TRUE(eventually([&] { return rig.redis.connect().ask("PUBLISH", "pub", "x").number() == 1; }));
  EXPECT_EQ(reader.read(), array_of({"pmessage", "p*", "pub", "x"}));
  EXPECT_TRUE(contains(rig.front.connect(GetParam()).ask("INFO", "anteroom").text, "pubsub_resubscriptions:1"));
}

TEST_P(PubSub, SubscribingWhileTheServerIsDownIsAnErrorAndLaterWorks) {
  Rig rig({.upstream = GetParam(), .front = {.arguments = {"--workers", "1"}}});
  ASSERT_TRUE(rig.is_ready());
  RespClient reader = rig.front.connect(GetParam());
  rig.redis.kill();
  const Reply refused = reader.ask("SUBSCRIBE", "a", "b");
  EXPECT_TRUE(starts_with(refused.raw, "-MASTERDOWN ")) << refused.raw;
  EXPECT_TRUE(reader.ask("GET", "x").is_error()) << "not in subscribed mode, where the text would be another";
  ASSERT_TRUE(rig.redis.start());
  ASSERT_TRUE(eventually([&] { return !reader.ask("SUBSCRIBE", "a").is_error(); }));
  rig.redis.connect().ask("PUBLISH", "a", "x");
  EXPECT_EQ(reader.read(), message("a", "x"));
}

TEST_P(PubSub, ChannelsThatTheServerDeniesAreRefusedInItsWordsAndAllOrNothing) {
  Rig rig({.upstream = GetParam(), .front = {.arguments = {"--workers", "1"}}});
  ASSERT_TRUE(rig.is_ready());
  RespClient backend = rig.redis.connect();
  backend.ask("ACL", "SETUSER", "default", "resetchannels", "&ok*");
  RespClient reader = rig.front.connect(GetParam());
  EXPECT_TRUE(starts_with(reader.ask("SUBSCRIBE", "ok1", "no").raw, "-NOPERM "));
  EXPECT_EQ(reader.ask("PING"), kPong) << "not subscribed to anything";
  EXPECT_TRUE(eventually([&] { return backend.ask("PUBSUB", "CHANNELS").items.empty(); }));
  EXPECT_EQ(reader.ask("SUBSCRIBE", "ok1").items.size(), 3U);
}

TEST_P(PubSub, SlowSubscribersAreClosedAtTheirLimitAndOthersGetEverything) {
  Rig rig({.upstream = GetParam(), .front = {.arguments = {"--workers", "1", "--pubsub-output-bytes", "2mb"}}});
  ASSERT_TRUE(rig.is_ready());
  RespClient slow = rig.front.connect(GetParam());
  RespClient good = rig.front.connect(GetParam());
  slow.ask("SUBSCRIBE", "c");
  good.ask("SUBSCRIBE", "c");
  RespClient backend = rig.redis.connect();
  const std::string text(100'000, 'x');
  for (int i = 0; i < 200; ++i) {
    backend.ask("PUBLISH", "c", text);
    ASSERT_EQ(good.read().items.size(), 3U);
  }
  EXPECT_TRUE(slow.is_closed_by_peer());
  EXPECT_TRUE(contains(rig.front.connect(GetParam()).ask("INFO", "anteroom").text, "clients_closed_pubsub_limit:1"));
}

TEST_P(PubSub, WhatSlowSubscribersHoldIsTold) {
  Rig rig({.upstream = GetParam(), .front = {.arguments = {"--workers", "1"}}});
  ASSERT_TRUE(rig.is_ready());
  RespClient slow = rig.front.connect(GetParam());
  slow.ask("SUBSCRIBE", "c");
  RespClient backend = rig.redis.connect();
  for (int i = 0; i < 100; ++i) backend.ask("PUBLISH", "c", std::string(100'000, 'x'));
  RespClient user = rig.front.connect(GetParam());
  EXPECT_TRUE(eventually(
      [&] { return info_field(user.ask("INFO", "anteroom").text, "memory_client_output_bytes").size() >= 7; }));
}

TEST_P(PubSub, SubscribersThatStayOverTheSoftLimitAreClosedInTime) {
  Rig rig({.upstream = GetParam(),
           .front = {.arguments = {"--workers", "1", "--pubsub-output-soft-bytes", "64kb", "--pubsub-output-soft-time",
                                   "500"}}});
  ASSERT_TRUE(rig.is_ready());
  RespClient slow = rig.front.connect(GetParam());
  slow.ask("SUBSCRIBE", "c");
  RespClient backend = rig.redis.connect();
  for (int i = 0; i < 80; ++i) backend.ask("PUBLISH", "c", std::string(100'000, 'x'));
  EXPECT_TRUE(eventually([&] {
    return rig.front.connect(GetParam()).ask("INFO", "anteroom").text.find("pubsub_clients:0") != std::string::npos;
  }));
}

TEST_P(PubSub, SubscribersAreNotIdle) {
  Rig rig({.upstream = GetParam(), .front = {.arguments = {"--workers", "1", "--timeout", "1"}}});
  ASSERT_TRUE(rig.is_ready());
  RespClient reader = rig.front.connect(GetParam());
  RespClient idle = rig.front.connect(GetParam());
  reader.ask("SUBSCRIBE", "c");
  EXPECT_TRUE(idle.is_closed_by_peer());
  rig.redis.connect().ask("PUBLISH", "c", "x");
  EXPECT_EQ(reader.read(), message("c", "x"));
}

class Monitor : public SharedRigTest<Monitor> {
 public:
  static Rig::Options rig_options() { return {.front = {.arguments = {"--workers", "2"}}}; }

 protected:
  /// The next line of the feed that speaks of `text`.
  static bool sees(RespClient& watcher, const std::string& text) {
    for (int i = 0; i < 1000; ++i) {
      const Reply line = watcher.read();
      if (line.type != '+') return false;
      if (line.text.find('"' + text + '"') != std::string::npos) return true;
    }
    return false;
  }
  std::int64_t monitors_at_server() {
    const std::string list = direct().ask("CLIENT", "LIST").text;
    std::int64_t count = 0;
    for (std::size_t at = list.find("flags=O"); at != std::string::npos; at = list.find("flags=O", at + 1)) ++count;
    return count;
  }
};
INSTANTIATE_TEST_SUITE_P(Over, Monitor, kBothTransports, transport_name);

TEST_P(Monitor, ShowsWhatTheServerShows) {
  RespClient watcher = client();
  EXPECT_EQ(watcher.ask("MONITOR"), kOk);
  const std::string key = unique_key();
  direct().ask("SET", key, "x");
  EXPECT_TRUE(sees(watcher, key));
  const std::string other = unique_key();
  client().ask("INCR", other);
  EXPECT_TRUE(sees(watcher, other));
}

TEST_P(Monitor, ManyWatchersCostTheServerOneForEachWorker) {
  std::vector<RespClient> watchers;
  for (int i = 0; i < 20; ++i) {
    watchers.push_back(client());
    ASSERT_EQ(watchers.back().ask("MONITOR"), kOk);
  }
  EXPECT_LE(monitors_at_server(), 2);
  const std::string key = unique_key();
  direct().ask("SET", key, "x");
  for (RespClient& watcher : watchers) EXPECT_TRUE(sees(watcher, key));
  watchers.clear();
  EXPECT_TRUE(eventually([&] { return monitors_at_server() == 0; }));
}

TEST_P(Monitor, MayNotTouchKeysAndEndsWithReset) {
  RespClient watcher = client();
  ASSERT_EQ(watcher.ask("MONITOR"), kOk);
  watcher.send({"GET", "x"});
  Reply reply = watcher.read();
  while (reply.type == '+') reply = watcher.read();
  EXPECT_EQ(reply, "-ERR Replica can't interact with the keyspace\r\n");
  watcher.send({"RESET"});
  do {
    reply = watcher.read();
  } while (reply.type == '+' && reply.text != "RESET");
  EXPECT_EQ(reply.text, "RESET");
  direct().ask("SET", unique_key(), "x");
  EXPECT_EQ(watcher.ask("GET", unique_key()), kNil);
}

TEST_P(Monitor, WhileTheServerIsDownItIsAnError) {
  Rig rig({.upstream = GetParam(), .front = {.arguments = {"--workers", "1"}}});
  ASSERT_TRUE(rig.is_ready());
  rig.redis.kill();
  RespClient watcher = rig.front.connect(GetParam());
  EXPECT_TRUE(starts_with(watcher.ask("MONITOR").raw, "-MASTERDOWN "));
}

}  // namespace
}  // namespace anteroom::test
