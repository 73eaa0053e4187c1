// CLIENT PAUSE: what waits, how long, and what becomes of it.
#include "proxy/client_pause.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/upstream_commands.hpp"
#include "support/session_rig.hpp"

namespace anteroom::test {
namespace {

using Mode = proxy::ClientPause::Mode;

constexpr std::string_view kOk = "+OK\r\n";

// --- When it is on ---

base::TimePoint at(int millisecond) { return base::TimePoint{} + milliseconds(1000 + millisecond); }

TEST(ClientPause, LastsUntilItsTimeAndNoLonger) {
  proxy::ClientPause pause;
  EXPECT_TRUE(pause.is_off());
  EXPECT_EQ(pause.mode(at(0)), Mode::kNone);

  pause.pause(at(10), Mode::kWrites, at(0));

  EXPECT_FALSE(pause.is_off());
  EXPECT_EQ(pause.mode(at(9)), Mode::kWrites);
  EXPECT_EQ(pause.mode(at(10)), Mode::kNone);
}

TEST(ClientPause, IsNeitherShortenedNorMadeMilderByAnotherOne) {
  proxy::ClientPause pause;
  pause.pause(at(10), Mode::kAll, at(0));

  pause.pause(at(5), Mode::kWrites, at(1));
  EXPECT_EQ(pause.until(), at(10));
  EXPECT_EQ(pause.mode(at(9)), Mode::kAll);
  pause.pause(at(20), Mode::kWrites, at(1));

  EXPECT_EQ(pause.mode(at(19)), Mode::kAll);
}

TEST(ClientPause, BecomesStricterByAnotherOne) {
  proxy::ClientPause pause;
  pause.pause(at(10), Mode::kWrites, at(0));

  pause.pause(at(5), Mode::kAll, at(1));

  EXPECT_EQ(pause.mode(at(9)), Mode::kAll);
}

TEST(ClientPause, OneThatIsOverHasNoSayInTheNext) {
  proxy::ClientPause pause;
  pause.pause(at(10), Mode::kAll, at(0));

  pause.pause(at(15), Mode::kWrites, at(10));
  EXPECT_EQ(pause.mode(at(11)), Mode::kWrites);
  pause.lift();
  EXPECT_TRUE(pause.is_off());
  pause.pause(at(13), Mode::kWrites, at(11));

  EXPECT_EQ(pause.until(), at(13));
}

// --- Who waits ---

class PauseGate : public ProxyTest {
 protected:
  /// For a time that no test takes, by a client of its own.
  void pause(const std::string& mode = "ALL") {
    Client& other = connect();
    ask(other, "CLIENT PAUSE 100000 " + mode);
    expect(other, kOk);
  }
  void unpause() {
    Client& other = connect();
    ask(other, "CLIENT UNPAUSE");
    expect(other, kOk);
  }
  void expect_held(const std::string& command) {
    Client& client = connect();
    ask(client, command);
    EXPECT_TRUE(session_of(client)->is_put_off()) << command;
    EXPECT_EQ(client.peer.take_written(), "") << command;
  }
  void expect_not_held(const std::string& command) {
    Client& client = connect();
    ask(client, command);
    EXPECT_FALSE(session_of(client)->is_put_off()) << command;
  }
};

TEST_F(PauseGate, PauseOfAllHoldsEverythingUntilItIsLifted) {
  cache_value("k", "v");
  pause();
  Client& reader = connect();
  Client& writer = connect();

  ask(reader, "GET k", "PING");
  ask(writer, "SET k new");
  expect_nothing(reader);
  expect_nothing(writer);
  EXPECT_EQ(forwarded(), 0u);
  expect_held("NONSENSE");
  expect_held("CLIENT PAUSE 1");
  unpause();

  expect(reader, bulk("v") + "+PONG\r\n");
  link_with("SET k new").send(kOk);
  expect(writer, kOk);
}

TEST_F(PauseGate, PauseWithoutAModeIsOfAll) {
  Client& client = connect();
  ask(client, "CLIENT PAUSE 100000", "PING");
  expect(client, kOk);
  EXPECT_TRUE(session_of(client)->is_put_off()) << "nor is it spared itself";
}

TEST_F(PauseGate, PauseOfWritesHoldsWhateverMayWrite) {
  cache_value("k", "v");
  pause("WRITE");

  for (const std::string command : {"SET k v", "DEL k", "PUBLISH c x", "EVAL return 0", "FCALL f 0", "FLUSHALL",
                                    "BLPOP q 0", "PFCOUNT h", "NONSENSE k"}) {
    expect_held(command);
  }
  for (const std::string command : {"GET k", "GET other", "EVAL_RO return 0", "FCALL_RO f 0", "PING", "MULTI",
                                    "CLIENT ID", "SUBSCRIBE c", "DBSIZE", "SET k"}) {
    expect_not_held(command);
  }
}

TEST_F(PauseGate, CommandOfAModuleIsHeldIfTheServerSaysThatItWrites) {
  const auto row = [](const std::string& name, const std::string& flag) {
    return "*6\r\n" + bulk(name) + ":-2\r\n*1\r\n" + flag + "\r\n:1\r\n:1\r\n:1\r\n";
  };
  bool is_told = false;
  server_.set_answers([&](const std::string& request) -> std::optional<std::string> {
    if (request == "UP") return std::string(kOk);
    if (request != "COMMAND") return std::nullopt;
    is_told = true;
    return "*2\r\n" + row("m.set", "+write") + row("m.get", "+readonly");
  });
  proxy::UpstreamCommands commands(rig().commands);
  rig().forwarder.set_upstream_commands(commands);
  Client& first = connect();
  ask(first, "UP");
  EXPECT_TRUE(await([&] { return is_told && rig().pool.pending() == 0; }));

  pause("WRITE");

  expect_held("M.SET k v");
  expect_not_held("M.GET k");
}

TEST_F(PauseGate, WhatComesBehindAHeldCommandWaitsToo) {
  pause("WRITE");
  Client& client = connect();
  ask(client, "SET k v", "PING");
  expect_nothing(client);

  unpause();

  link_with("SET k v").send(kOk);
  expect(client, "+OK\r\n+PONG\r\n");
}

TEST_F(PauseGate, TransactionWaitsIfItWrites) {
  Client& writer = connect();
  Client& reader = connect();
  for (Client* client : {&writer, &reader}) {
    ask(*client, "MULTI", client == &writer ? "SET k v" : "GET k");
    link_with(client == &writer ? "SET k v" : "GET k").send("+OK\r\n+QUEUED\r\n");
    expect(*client, "+OK\r\n+QUEUED\r\n");
  }
  pause("WRITE");

  ask(writer, "EXEC");
  ask(reader, "EXEC");

  EXPECT_TRUE(session_of(writer)->is_put_off());
  EXPECT_TRUE(await([&] { return server_.connection(1).has("EXEC"); }));
  unpause();
  EXPECT_TRUE(await([&] { return server_.connection(0).has("EXEC"); }));
}

TEST_F(PauseGate, WhatWasAskedBeforeIsAnswered) {
  Client& client = connect();
  ask(client, "GET k", "INCR n");
  pause();

  in_turn([&] { rig().backend.answer(0, "v"); });

  expect(client, bulk("v"));
  EXPECT_TRUE(session_of(client)->is_put_off());
  unpause();
  link_with("INCR n").send(":1\r\n");
  expect(client, ":1\r\n");
}

TEST_F(PauseGate, ReplyThatIsToBeSkippedIsThatOfTheHeldCommand) {
  pause("WRITE");
  Client& client = connect();
  ask(client, "CLIENT REPLY SKIP", "SET k v", "PING");

  unpause();
  link_with("SET k v").send(kOk);

  expect(client, "+PONG\r\n");
}

// --- When it ends ---

TEST_F(PauseGate, PauseEndsByItself) {
  Client& client = connect();

  ask(client, "CLIENT PAUSE 20", "PING");

  expect(client, "+OK\r\n+PONG\r\n");
}

TEST_F(PauseGate, PauseThatWasMadeLongerIsWaitedFor) {
  Client& client = connect();
  ask(client, "CLIENT PAUSE 20", "PING");
  expect(client, kOk);
  in_turn([this] { rig().pause.pause(loop_.now() + std::chrono::hours(1), Mode::kAll, loop_.now()); });

  EXPECT_TRUE(never([&] { return !client.peer.written().empty(); }));

  unpause();
  expect(client, "+PONG\r\n");
}

TEST_F(PauseGate, PauseOfNoTimeIsNone) {
  Client& client = connect();
  ask(client, "CLIENT PAUSE 0", "PING");
  EXPECT_EQ(client.peer.take_written(), "+OK\r\n+PONG\r\n");
}

TEST_F(PauseGate, LookingAgainBeforeTheEndLetsNobodyThrough) {
  pause();
  Client& client = connect();
  ask(client, "PING");

  in_turn([this] { rig().pause_gate.look_again(); });

  expect_nothing(client);
}

TEST_F(PauseGate, HeldCommandIsHeldAgainByTheNextPause) {
  pause();
  Client& client = connect();
  ask(client, "PING");
  in_turn([this] {  // in one turn, so that the command has not been run between them
    rig().pause.lift();
    rig().pause_gate.look_again();
    rig().pause.pause(loop_.now() + std::chrono::hours(1), Mode::kAll, loop_.now());
  });
  expect_nothing(client);

  unpause();

  expect(client, "+PONG\r\n");
}

// --- The client goes ---

TEST_F(PauseGate, CommandOfAClientThatIsClosedIsNotCarriedOut) {
  pause();
  Client& client = connect();
  ask(client, "SET k v");
  kill(client);

  unpause();
  settle();

  EXPECT_EQ(forwarded(), 0u);
  EXPECT_EQ(server_.accepted(), 0u);
}

TEST_F(PauseGate, CommandOfAClientThatSendsNothingMoreIsCarriedOut) {
  pause();
  Client& client = connect();
  ask(client, "SET k v");
  client.peer.end_input();
  expect_nothing(client);
  EXPECT_TRUE(is_alive(client));

  unpause();
  link_with("SET k v").send(kOk);

  expect(client, kOk);
  expect_closed(client);
}

// --- The commands themselves ---

TEST_F(PauseGate, WhatIsNoPauseIsRefusedInTheServersWords) {
  Client& client = connect();
  const std::vector<std::pair<std::string, std::string>> cases{
      {"CLIENT PAUSE", "ERR wrong number of arguments for 'client|pause' command"},
      {"CLIENT PAUSE x", "ERR timeout is not an integer or out of range"},
      {"CLIENT PAUSE -1", "ERR timeout is negative"},
      {"CLIENT PAUSE 1000 SOME", "ERR CLIENT PAUSE mode must be WRITE or ALL"},
      {"CLIENT PAUSE 1000 ALL x", "ERR unknown subcommand or wrong number of arguments for 'PAUSE'. Try CLIENT HELP."}};
  for (const auto& [command, error] : cases) {
    ask(client, command);
    EXPECT_EQ(client.peer.take_written(), "-" + error + "\r\n") << command;
  }
  EXPECT_TRUE(rig().pause.is_off());
}

TEST_F(PauseGate, LongestPauseStillIsOne) {
  Client& client = connect();
  ask(client, "CLIENT PAUSE 9223372036854775807", "PING");
  EXPECT_EQ(client.peer.take_written(), kOk);

  unpause();

  expect(client, "+PONG\r\n");
}

TEST_F(PauseGate, UnpauseWithoutAPauseIsNoError) {
  unpause();
  Client& client = connect();
  ask(client, "PING");
  EXPECT_EQ(client.peer.take_written(), "+PONG\r\n");
}

}  // namespace
}  // namespace anteroom::test
