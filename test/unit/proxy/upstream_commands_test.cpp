#include "proxy/upstream_commands.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "support/session_rig.hpp"

namespace anteroom::proxy {
namespace {

using test::bulk;
using test::Client;

/// One command as COMMAND of an old server has it; `flag` begins with '+'.
std::string row(const std::string& name, const std::string& flag, bool has_key = true) {
  const std::string key = has_key ? ":1\r\n" : ":0\r\n";
  return "*6\r\n" + bulk(name) + ":-2\r\n*1\r\n" + flag + "\r\n" + key + key + key;
}

class UpstreamCommandsTest : public test::ProxyTest {
 protected:
  void SetUp() override {
    server_.set_answers([this](const std::string& request) -> std::optional<std::string> {
      if (request == "UP") return "+OK\r\n";
      if (request != "COMMAND") return std::nullopt;
      ++asked_;
      return reply_;
    });
  }
  /// A client whose link is up, with the answer of the server taken.
  Client& connect_to_known() {
    rig().forwarder.set_upstream_commands(commands_);
    Client& client = connect();
    ask(client, "UP");
    expect(client, "+OK\r\n");
    EXPECT_TRUE(await([this] { return asked_ > 0 && rig().pool.pending() == 0; }));
    return client;
  }
  /// Sends the one command and answers it.
  void run(Client& client, const std::string& command) {
    ask(client, command);
    link_with(command).send("+OK\r\n");
    expect(client, "+OK\r\n");
  }

  const command::Table table_ = command::Table::build().value();
  UpstreamCommands commands_{table_};
  std::optional<std::string> reply_ = "*5\r\n" + row("m.set", "+write") + row("m.get", "+readonly") +
                                      row("m.run", "+write", false) + row("m.wait", "+blocking") +
                                      row("m.listen", "+pubsub", false);
  int asked_ = 0;
};

TEST_F(UpstreamCommandsTest, WriteOfAModuleDropsItsKeyOnly) {
  Client& client = connect_to_known();
  cache_value("a", "1");
  cache_value("b", "2");

  run(client, "M.SET a");

  EXPECT_FALSE(is_cached("a"));
  EXPECT_TRUE(is_cached("b"));
  EXPECT_EQ(asked_, 1);
}

TEST_F(UpstreamCommandsTest, ReadOfAModuleDropsNothing) {
  Client& client = connect_to_known();
  cache_value("a", "1");

  run(client, "m.get a");

  EXPECT_TRUE(is_cached("a"));
}

TEST_F(UpstreamCommandsTest, WriteWithoutKnownKeysAndUnknownCommandsDropEverything) {
  Client& client = connect_to_known();
  cache_value("a", "1");
  run(client, "m.run a");
  EXPECT_FALSE(is_cached("a"));

  cache_value("a", "1");
  run(client, "nobody.knows x");
  EXPECT_FALSE(is_cached("a"));
}

TEST_F(UpstreamCommandsTest, KeysWrittenInATransactionAreDroppedWhenItHasRun) {
  Client& client = connect_to_known();
  cache_value("a", "1");
  cache_value("b", "2");
  ask(client, "MULTI");
  auto& own = link_with("MULTI");
  own.send("+OK\r\n");
  ask(client, "m.get b", "m.set a", "EXEC");
  ASSERT_TRUE(await([&] { return own.has("EXEC"); }));
  own.send("+QUEUED\r\n+QUEUED\r\n");
  cache_value("a", "1");

  own.send("*2\r\n+x\r\n+OK\r\n");

  expect(client, "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+x\r\n+OK\r\n");
  EXPECT_FALSE(is_cached("a"));
  EXPECT_TRUE(is_cached("b"));
}

TEST_F(UpstreamCommandsTest, CommandThatMayBlockHasALinkOfItsOwn) {
  Client& client = connect_to_known();
  Client& other = connect();

  ask(client, "m.wait k");
  auto& own = link_with("m.wait k");
  ask(other, "INCR n");
  auto& shared = server_.connection(0);
  ASSERT_TRUE(await([&] { return shared.has("INCR n"); }));
  shared.send(":1\r\n");

  expect(other, ":1\r\n");
  EXPECT_FALSE(own.has("INCR n"));
  in_turn([&] { session_of(client)->close(); });
  EXPECT_TRUE(await([&] { return own.is_closed_by_peer(); })) << "it ends with its client";
}

TEST_F(UpstreamCommandsTest, CommandThatChangesItsConnectionIsRefusedAlsoInATransaction) {
  reply_ = "*1\r\n*7\r\n" + bulk("m.multi") + ":1\r\n*1\r\n+fast\r\n:0\r\n:0\r\n:0\r\n*1\r\n+@transaction\r\n";
  Client& client = connect_to_known();
  const std::string refused =
      "-ERR anteroom: 'm.multi' changes its connection, which is not offered (stage=policy executed=no)\r\n";

  ask(client, "m.multi");
  expect(client, refused);

  ask(client, "MULTI");
  auto& own = link_with("MULTI");
  own.send("+OK\r\n");
  ask(client, "m.multi", "EXEC");
  ASSERT_TRUE(await([&] { return own.has("DISCARD"); }));
  expect(client, "+OK\r\n" + refused + "-EXECABORT Transaction discarded because of previous errors.\r\n");
  EXPECT_FALSE(own.has("m.multi"));
}

TEST_F(UpstreamCommandsTest, NothingIsKnownBeforeTheAnswer) {
  reply_.reset();
  rig().forwarder.set_upstream_commands(commands_);
  Client& client = connect();
  ask(client, "UP");
  expect(client, "+OK\r\n");
  ASSERT_TRUE(await([this] { return asked_ == 1; }));
  cache_value("a", "1");
  ask(client, "m.get a");
  auto& link = link_with("m.get a");

  link.send("*0\r\n+OK\r\n");

  expect(client, "+OK\r\n");
  EXPECT_FALSE(is_cached("a"));
}

TEST_F(UpstreamCommandsTest, TheNextServerIsAskedAnewAndWhatTheLastOneSaidIsForgotten) {
  Client& client = connect_to_known();
  reply_ = "*1\r\n" + row("m.get", "+write");
  server_.link("0")->close();
  ASSERT_TRUE(await([this] { return asked_ == 2 && rig().pool.pending() == 0; }));
  cache_value("a", "1");
  cache_value("b", "1");

  run(client, "m.get a");

  EXPECT_FALSE(is_cached("a"));
  EXPECT_TRUE(is_cached("b"));
  run(client, "m.set a");
  EXPECT_FALSE(is_cached("b")) << "this server has not said what it does";
}

TEST_F(UpstreamCommandsTest, ServerThatDoesNotTellIsNotAskedAgain) {
  reply_ = "-NOPERM this user has no permissions to run the 'command' command\r\n";
  Client& client = connect_to_known();
  cache_value("a", "1");

  for (int second = 0; second < 3; ++second) in_turn([this] { commands_.tick(rig().forwarder); });
  run(client, "m.get a");

  EXPECT_EQ(asked_, 1);
  EXPECT_FALSE(is_cached("a"));
  EXPECT_TRUE(log_.has("NOPERM"));
}

TEST_F(UpstreamCommandsTest, ServerThatIsBusyIsAskedAgain) {
  reply_ = "-BUSY Redis is busy running a script.\r\n";
  Client& client = connect_to_known();
  reply_ = "*1\r\n" + row("m.get", "+readonly");
  cache_value("a", "1");

  in_turn([this] { commands_.tick(rig().forwarder); });
  ASSERT_TRUE(await([this] { return asked_ == 2 && rig().pool.pending() == 0; }));
  run(client, "m.get a");

  EXPECT_TRUE(is_cached("a"));
  in_turn([this] { commands_.tick(rig().forwarder); });
  EXPECT_EQ(asked_, 2);
}

TEST_F(UpstreamCommandsTest, OtherLinksAreNotAsked) {
  Client& client = connect_to_known();
  ask(client, "SELECT 1");
  ASSERT_TRUE(await([this] { return server_.link("1") != nullptr && server_.link("1")->has("SELECT 1"); }));
  server_.link("1")->send("+OK\r\n");
  expect(client, "+OK\r\n");
  ask(client, "m.wait k");
  auto& own = link_with("m.wait k", "1");
  own.send("+OK\r\n");
  expect(client, "+OK\r\n");

  EXPECT_EQ(asked_, 1);
}

}  // namespace
}  // namespace anteroom::proxy
