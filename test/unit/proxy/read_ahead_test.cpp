#include "proxy/read_ahead.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/read_buffer.hpp"
#include "support/session_rig.hpp"

namespace anteroom::proxy {
namespace {

constexpr std::size_t kBatch = ReadAhead::kBatch;

/// Walks over the commands as a session does, and steps at each GET; those that were read ahead must be what they are.
std::vector<std::size_t> steps(const std::vector<std::string>& commands) {
  const cache::Cache cache({.capacity = 100}, base::HashSeed::fixed(1));
  resp::RequestParser parser;
  base::ReadBuffer in;
  resp::Command command;
  ReadAhead ahead;
  std::vector<std::size_t> begun;
  for (const std::string& words : commands) in.append(test::resp_command(words));
  for (const std::string& words : commands) {
    if (const ReadAhead::Read* const read = ahead.next()) {
      EXPECT_EQ(read->key_hash, cache.key({}, read->key).hash);
      parser.take_alike(in, read->key, command);
    } else {
      EXPECT_EQ(parser.next(in, command), resp::Step::kCommand);
    }
    EXPECT_EQ(command.raw, test::resp_command(words));
    if (command.args[0] == "GET") begun.push_back(ahead.step(parser, in.readable(), cache));
  }
  EXPECT_TRUE(in.empty());
  return begun;
}

std::vector<std::string> gets(std::size_t count) {
  std::vector<std::string> all;
  for (std::size_t i = 0; i < count; ++i) all.push_back("GET key" + std::to_string(i));
  return all;
}

TEST(ReadAhead, EachEntryIsLoadedOnceAndBeforeItsCommand) {
  std::vector<std::size_t> expected(3 * kBatch + 3, 0);
  // At the last command of each batch, the next one is begun.
  expected[0] = expected[kBatch] = expected[2 * kBatch] = kBatch;
  expected[3 * kBatch] = 2;

  EXPECT_EQ(steps(gets(expected.size())), expected);
}

TEST(ReadAhead, OneCommandAloneHasNothingBehindIt) { EXPECT_EQ(steps(gets(1)), std::vector<std::size_t>{0}); }

TEST(ReadAhead, BeginsAnewBehindOtherCommands) {
  std::vector<std::string> commands = gets(3);
  commands.emplace_back("SET a b");
  commands.emplace_back("GET x");
  commands.emplace_back("GET y");

  EXPECT_EQ(steps(commands), (std::vector<std::size_t>{2, 0, 0, 1, 0}));
}

class PipelineTest : public test::ProxyTest {
 protected:
  void SetUp() override {
    shared_.use_cache({.capacity = 2 * cache::Cache::kShardEntriesMin});
    ASSERT_TRUE(shared_.cache->outgrows_processor());
  }
};

TEST_F(PipelineTest, RepliesAreTheSameAsOfSingleRequests) {
  for (int i = 0; i < 5; ++i) cache_value("k" + std::to_string(i), "value" + std::to_string(i));
  test::Client& client = connect();
  std::string requests;
  std::string replies;
  for (int i = 0; i < 50; ++i) {
    requests += test::resp_command("GET k" + std::to_string(i % 5));
    replies += test::bulk("value" + std::to_string(i % 5));
  }

  send(client, requests);

  EXPECT_EQ(client.peer.take_written(), replies);
  EXPECT_EQ(shared_.cache->stats().hits, 50u);
}

TEST_F(PipelineTest, GetBehindAnotherCommandIsOfItsOwnKey) {
  for (const std::string key : {"a", "b", "c"}) cache_value(key, "value of " + key);
  test::Client& client = connect();

  ask(client, "GET a", "GET b", "PING", "GET c");

  EXPECT_EQ(client.peer.take_written(),
            test::bulk("value of a") + test::bulk("value of b") + "+PONG\r\n" + test::bulk("value of c"));
  EXPECT_EQ(shared_.cache->stats().hits, 3u);
}

TEST_F(PipelineTest, IsCutIntoTurnsLikeAnyOther) {
  options_.limits.requests_per_turn = 3;
  cache_value("k", "value");
  test::Client& client = connect();
  std::string requests;
  std::string replies;
  for (int i = 0; i < 8; ++i) {
    requests += test::resp_command("GET k");
    replies += test::bulk("value");
  }
  client.peer.queue(requests);

  in_turn([&] { client.peer.deliver(); });
  EXPECT_EQ(client.peer.written(), test::bulk("value") + test::bulk("value") + test::bulk("value"));

  expect(client, replies);
}

TEST_F(PipelineTest, IsReadNoFurtherThanItsDepth) {
  options_.limits.pipeline_depth = 4;
  test::Client& client = connect();
  std::string requests;
  for (int i = 0; i < 8; ++i) requests += test::resp_command("GET k" + std::to_string(i));

  send(client, requests);

  EXPECT_EQ(rig().backend.fetches.size(), 4u);
}

TEST_F(PipelineTest, StopsAtACommandThatIsPutOff) {
  test::Client& client = connect();

  // A second read of a key that is being fetched waits for that, and what is behind it waits too.
  ask(client, "GET k", "GET k", "GET k", "GET other");
  in_turn([this] {
    rig().backend.value(0, "x");
    rig().backend.ttl(0, -1);
  });
  ASSERT_TRUE(await([this] { return rig().backend.fetches.size() == 2; }));
  in_turn([this] {
    rig().backend.value(1, "y");
    rig().backend.ttl(1, -1);
  });

  expect(client, test::bulk("x") + test::bulk("x") + test::bulk("x") + test::bulk("y"));
}

TEST_F(PipelineTest, IsOfTheSessionsDb) {
  cache_value("k", "of db 0");
  test::Client& client = connect();
  ask(client, "SELECT 1");
  link_with("SELECT 1", "1").send("+OK\r\n");
  expect(client, "+OK\r\n");

  ask(client, "GET k", "GET k", "GET k");

  ASSERT_GE(rig().backend.fetches.size(), 2u);
  EXPECT_EQ(rig().backend.fetches[1].db, 1);
  EXPECT_EQ(shared_.cache->stats().hits, 0u);
}

// Their frames begin alike, and only the second word tells which command it is.
TEST_F(PipelineTest, SubcommandsAreToldApart) {
  test::Client& client = connect();

  ask(client, "CLIENT GETNAME", "CLIENT NOSUCH", "CLIENT GETNAME");

  const std::string replies = client.peer.take_written();
  EXPECT_TRUE(replies.starts_with("$-1\r\n-ERR ")) << replies;
  EXPECT_TRUE(replies.ends_with("\r\n$-1\r\n")) << replies;
}

TEST_F(PipelineTest, NumberOfArgumentsIsCheckedEachTime) {
  cache_value("k", "value");
  test::Client& client = connect();

  ask(client, "GET k", "GET k", "GET", "GET k");

  const std::string replies = client.peer.take_written();
  EXPECT_TRUE(replies.starts_with(test::bulk("value") + test::bulk("value"))) << replies;
}

}  // namespace
}  // namespace anteroom::proxy
