// CLIENT PAUSE: what waits and what does not.
#include <gtest/gtest.h>

#include <string>

#include "support/session_rig.hpp"

namespace anteroom::proxy {
namespace {

using test::Client;

constexpr std::string_view kOk = "+OK\r\n";

/// With a cache and without.
class Pause : public test::ProxyTest, public testing::WithParamInterface<bool> {
 protected:
  void SetUp() override { options_.cache_enabled = GetParam(); }

  void pause_writes() {
    Client& other = connect();
    ask(other, "CLIENT PAUSE 100000 WRITE");
    expect(other, kOk);
  }
  void end_pause() {
    Client& other = connect();
    ask(other, "CLIENT UNPAUSE");
    expect(other, kOk);
  }
  /// The connection of a transaction in which `queued` is.
  test::ScriptedConnection& open_with(Client& client, const std::string& queued) {
    ask(client, "MULTI", queued);
    auto& server = link_with(queued);
    server.send("+OK\r\n+QUEUED\r\n");
    expect(client, "+OK\r\n+QUEUED\r\n");
    return server;
  }
  void expect_exec_waits(const std::string& queued) {
    SCOPED_TRACE(queued);
    Client& client = connect();
    auto& server = open_with(client, queued);
    pause_writes();

    ask(client, "EXEC");
    settle();
    EXPECT_FALSE(server.has("EXEC"));

    end_pause();
    EXPECT_TRUE(await([&] { return server.has("EXEC"); }));
    server.send("*1\r\n+OK\r\n");
    expect(client, "*1\r\n+OK\r\n");
  }
};

INSTANTIATE_TEST_SUITE_P(Cache, Pause, testing::Bool(), [](const auto& each) { return each.param ? "On" : "Off"; });

TEST_P(Pause, ExecOfAWriteWaits) { expect_exec_waits("SET a 1"); }
TEST_P(Pause, ExecOfWhatReplicasHearWaits) { expect_exec_waits("PUBLISH c m"); }
TEST_P(Pause, ExecOfAScriptWaits) { expect_exec_waits("EVAL return 0"); }
TEST_P(Pause, ExecOfWhatNobodyKnowsWaits) { expect_exec_waits("MODULE.WRITE a 1"); }

TEST_P(Pause, ExecOfReadsDoesNotWait) {
  Client& client = connect();
  auto& server = open_with(client, "GET a");
  pause_writes();

  ask(client, "EXEC");

  EXPECT_TRUE(await([&] { return server.has("EXEC"); }));
}

TEST_P(Pause, WhatMayWriteForAllThatIsKnownWaits) {
  Client& client = connect();
  pause_writes();

  ask(client, "MODULE.WRITE a 1");
  settle();
  EXPECT_EQ(forwarded(), 0u);

  end_pause();
  link_with("MODULE.WRITE a 1").send(kOk);
  expect(client, kOk);
}

TEST_P(Pause, RequestOfTheWrongShapeIsToldAtOnce) {
  Client& client = connect();
  pause_writes();

  ask(client, "GET");

  link_with("GET").send("-ERR wrong number of arguments for 'get' command\r\n");
  expect(client, "-ERR wrong number of arguments for 'get' command\r\n");
}

}  // namespace
}  // namespace anteroom::proxy
