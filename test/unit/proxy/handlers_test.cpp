// Commands that are answered here, or that the front-end adds something to.
#include <gtest/gtest.h>

#include <string>

#include "proxy/handlers.hpp"
#include "support/session_rig.hpp"

namespace anteroom::proxy {
namespace {

using test::bulk;
using test::Client;

class Handlers : public test::ProxyTest {
 protected:
  /// The reply to one command that needs no server.
  std::string reply_to(std::string_view words) {
    ask(client(), words);
    settle();
    EXPECT_EQ(forwarded(), 0u) << words;
    return client().peer.take_written();
  }
  Client& client() {
    if (client_ == nullptr) client_ = &connect();
    return *client_;
  }

 private:
  Client* client_ = nullptr;
};

constexpr std::string_view kBadName = "-ERR Client names cannot contain spaces, newlines or special characters.\r\n";

TEST_F(Handlers, PingAndEchoAreAnsweredHere) {
  EXPECT_EQ(reply_to("PING"), "+PONG\r\n");
  EXPECT_EQ(reply_to("ping hello"), bulk("hello"));
  EXPECT_EQ(reply_to("PING a b"), "-ERR wrong number of arguments for 'ping' command\r\n");
  EXPECT_EQ(reply_to("ECHO hello"), bulk("hello"));
  EXPECT_EQ(reply_to("ECHO"), "-ERR wrong number of arguments for 'echo' command\r\n");
}

TEST_F(Handlers, QuitIsAnsweredAndWhatFollowsIsIgnored) {
  ask(client(), "QUIT", "PING");

  expect_closed(client());
  EXPECT_EQ(client().peer.take_written(), "+OK\r\n");
}

TEST_F(Handlers, QuitLeavesBehindTheRepliesThatAreOwed) {
  ask(client(), "INCR n", "QUIT");
  EXPECT_TRUE(is_alive(client()));

  link_with("INCR n").send(":1\r\n");

  expect(client(), ":1\r\n+OK\r\n");
  expect_closed(client());
}

TEST_F(Handlers, ResetForgetsDbAndName) {
  EXPECT_EQ(reply_to("CLIENT SETNAME me"), "+OK\r\n");
  ask(client(), "SELECT 3");
  link_with("SELECT 3", "3").send("+OK\r\n");
  expect(client(), "+OK\r\n");
  EXPECT_EQ(session_of(client())->db(), 3);

  ask(client(), "RESET", "CLIENT GETNAME");

  expect(client(), "+RESET\r\n$-1\r\n");
  EXPECT_EQ(session_of(client())->db(), 0);
}

TEST_F(Handlers, SelectWithABadNumberIsRefusedHere) {
  EXPECT_EQ(reply_to("SELECT x"), "-ERR value is not an integer or out of range\r\n");
  EXPECT_EQ(reply_to("SELECT 01"), "-ERR value is not an integer or out of range\r\n");
  EXPECT_EQ(reply_to("SELECT +1"), "-ERR value is not an integer or out of range\r\n");
  EXPECT_EQ(reply_to("SELECT 9223372036854775808"), "-ERR value is not an integer or out of range\r\n");
  EXPECT_EQ(reply_to("SELECT 2147483648"),
            "-ERR value is out of range, value must between -2147483648 and 2147483647\r\n");
  EXPECT_EQ(reply_to("SELECT -1"), "-ERR DB index is out of range\r\n");
  EXPECT_EQ(reply_to("SELECT 0"), "+OK\r\n");
}

TEST_F(Handlers, SessionBeginsInTheDbOfTheUpstreamUrl) {
  options_.link.db = 5;

  ask(client(), "GET k");

  ASSERT_EQ(fetches().size(), 1u);
  EXPECT_EQ(fetches()[0].db, 5);
}

TEST_F(Handlers, AuthKnowsOnlyTheDefaultUserWithAnyPassword) {
  EXPECT_TRUE(reply_to("AUTH secret").starts_with("-ERR AUTH <password> called without any password configured"));
  EXPECT_EQ(reply_to("AUTH default anything"), "+OK\r\n");
  EXPECT_EQ(reply_to("AUTH alice secret"), "-WRONGPASS invalid username-password pair or user is disabled.\r\n");
  EXPECT_EQ(reply_to("AUTH a b c"), "-ERR syntax error\r\n");
}

TEST_F(Handlers, HelloDescribesTheServerInResp2) {
  rig().facts.set_version("7.2.4");

  EXPECT_EQ(
      reply_to("HELLO"),
      "*14\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$5\r\n7.2.4\r\n$5\r\nproto\r\n:2\r\n$2\r\nid\r\n:1\r\n"
      "$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n$7\r\nmodules\r\n*0\r\n");
  EXPECT_TRUE(reply_to("HELLO 2 AUTH default x SETNAME me").starts_with("*14\r\n"));
  EXPECT_EQ(reply_to("CLIENT GETNAME"), bulk("me"));
}

TEST_F(Handlers, HelloRefusesWhatItCannotDoAndChangesNothing) {
  EXPECT_EQ(reply_to("HELLO 4"), "-NOPROTO unsupported protocol version\r\n");
  EXPECT_EQ(reply_to("HELLO x"), "-ERR Protocol version is not an integer or out of range\r\n");
  EXPECT_EQ(reply_to("HELLO 2 NONSENSE"), "-ERR Syntax error in HELLO option 'NONSENSE'\r\n");
  EXPECT_EQ(reply_to("HELLO 2 AUTH default"), "-ERR Syntax error in HELLO option 'AUTH'\r\n");
  EXPECT_EQ(reply_to("HELLO 2 AUTH alice x SETNAME me"),
            "-WRONGPASS invalid username-password pair or user is disabled.\r\n");
  EXPECT_EQ(reply_to("HELLO 2 SETNAME caf\xc3\xa9"), kBadName);
  EXPECT_EQ(reply_to("CLIENT GETNAME"), "$-1\r\n");
}

TEST_F(Handlers, Resp3IsNotOfferedBeforeAServerThatDoesNotSpeakIt) {
  rig().facts.set_speaks_resp3(false);
  EXPECT_EQ(reply_to("HELLO 3"), "-NOPROTO unsupported protocol version\r\n");
}

TEST_F(Handlers, ClientCommandsAreAboutTheSession) {
  EXPECT_EQ(reply_to("CLIENT ID"), ":1\r\n");
  EXPECT_EQ(reply_to("client setname me"), "+OK\r\n");
  EXPECT_EQ(reply_to("CLIENT GETNAME"), bulk("me"));
  EXPECT_EQ(reply_to("CLIENT SETNAME caf\xc3\xa9"), kBadName);
  EXPECT_EQ(reply_to("CLIENT GETNAME"), bulk("me"));
  EXPECT_EQ(reply_to("CLIENT SETINFO LIB-NAME lib"), "+OK\r\n");
  EXPECT_EQ(reply_to("CLIENT SETINFO lib-ver 1.2"), "+OK\r\n");
  EXPECT_EQ(reply_to("CLIENT SETINFO LIB-COLOR red"), "-ERR Unrecognized option 'LIB-COLOR'\r\n");
  EXPECT_EQ(reply_to("CLIENT SETINFO LIB-NAME caf\xc3\xa9"),
            "-ERR lib-name cannot contain spaces, newlines or special characters.\r\n");

  const std::string info = reply_to("CLIENT INFO");
  for (const char* part : {"id=1 ", " addr=192.0.2.1:1234 ", " name=me ", " db=0 ", " cmd=client|info ",
                           " lib-name=lib ", " lib-ver=1.2\n"}) {
    EXPECT_NE(info.find(part), std::string::npos) << part << " in " << info;
  }
}

TEST_F(Handlers, EmptyNameTakesTheNameAway) {
  EXPECT_EQ(reply_to("CLIENT SETNAME me"), "+OK\r\n");
  EXPECT_EQ(reply_to("CLIENT SETNAME "), "+OK\r\n");
  EXPECT_EQ(reply_to("CLIENT GETNAME"), "$-1\r\n");
}

TEST_F(Handlers, ClientSubcommandsThatWouldActOnASharedLinkNeverReachTheServer) {
  EXPECT_TRUE(reply_to("CLIENT LIST").starts_with("$"));
  EXPECT_EQ(reply_to("CLIENT KILL ID 3"), ":0\r\n");
  EXPECT_EQ(reply_to("CLIENT UNBLOCK 3"), ":0\r\n");
  EXPECT_EQ(reply_to("CLIENT NO-EVICT ON"), "+OK\r\n");
  EXPECT_TRUE(reply_to("CLIENT NONSENSE").starts_with("-ERR unknown subcommand 'NONSENSE'"));
  EXPECT_TRUE(reply_to("CLIENT").starts_with("-ERR wrong number of arguments for 'client' command"));
  EXPECT_EQ(reply_to("CLIENT PAUSE 10"), "+OK\r\n");
}

TEST_F(Handlers, CommandsThatNeedAConnectionOfTheirOwnAreRefused) {
  for (const char* words : {"SYNC", "PSYNC ? -1", "SCRIPT DEBUG YES"}) {
    const std::string reply = reply_to(words);
    EXPECT_TRUE(reply.starts_with("-ERR anteroom: '")) << words << ": " << reply;
    EXPECT_NE(reply.find("(stage=policy executed=no)"), std::string::npos) << words;
  }
  EXPECT_EQ(rig().metrics.commands_refused.value(), 3u);
}

TEST_F(Handlers, StreamReadThatDoesNotBlockIsForwarded) {
  ask(client(), "XREAD STREAMS s 0");

  link_with("XREAD STREAMS s 0").send("*-1\r\n");

  expect(client(), "*-1\r\n");
}

TEST_F(Handlers, ClusterModeCommandsAnswerAsAServerWithoutClusterDoes) {
  for (const char* words : {"READONLY", "READWRITE", "ASKING"}) {
    EXPECT_EQ(reply_to(words), "-ERR This instance has cluster support disabled\r\n") << words;
  }
}

TEST_F(Handlers, WrongNumberOfArgumentsIsToldByTheServerAndCostsNoHit) {
  const auto bumps = rig().cache.stats().epoch_bumps;
  ask(client(), "HTTL k");
  link_with("HTTL k").send("-ERR unknown command 'HTTL', with args beginning with: 'k' \r\n");
  expect(client(), "-ERR unknown command 'HTTL', with args beginning with: 'k' \r\n");
  static_cast<void>(client().peer.take_written());
  ask(client(), "GET");
  link_with("GET").send("-ERR wrong number of arguments for 'get' command\r\n");
  expect(client(), "-ERR wrong number of arguments for 'get' command\r\n");
  EXPECT_EQ(rig().cache.stats().epoch_bumps, bumps);
}

TEST_F(Handlers, WrongNumberOfArgumentsOfASessionCommandIsToldHere) {
  EXPECT_EQ(reply_to("SELECT"), "-ERR wrong number of arguments for 'select' command\r\n");
}

TEST_F(Handlers, InfoOfTheServerGetsOurSectionAtItsEnd) {
  ask(client(), "INFO");

  link_with("INFO").send(bulk("# Server\r\nredis_version:7.0.15\r\n"));

  expect(client(),
         bulk("# Server\r\nredis_version:7.0.15\r\n\r\n# anteroom\r\nanswer:42\r\n\r\n# cache\r\nhits:7\r\n"));
}

TEST_F(Handlers, InfoOfOtherSectionsIsPassedOnAsItIs) {
  ask(client(), "INFO memory");

  link_with("INFO memory").send(bulk("# Memory\r\n"));

  expect(client(), bulk("# Memory\r\n"));
}

TEST_F(Handlers, InfoAboutUsAloneNeedsNoServer) {
  EXPECT_EQ(reply_to("INFO ANTEROOM"), bulk("# anteroom\r\nanswer:42\r\n"));
  EXPECT_EQ(reply_to("INFO cache"), bulk("# cache\r\nhits:7\r\n"));
  EXPECT_EQ(reply_to("INFO cache anteroom"), bulk("# anteroom\r\nanswer:42\r\n\r\n# cache\r\nhits:7\r\n"));
}

TEST_F(Handlers, ErrorInsteadOfInfoIsPassedOn) {
  ask(client(), "INFO ALL");

  link_with("INFO ALL").send("-LOADING Redis is loading the dataset in memory\r\n");

  expect(client(), "-LOADING Redis is loading the dataset in memory\r\n");
}

TEST_F(Handlers, LongInfoThatComesInPiecesIsOneReply) {
  ask(client(), "INFO everything", "PING");
  const std::string text = std::string(50'000, 'x') + "\r\n";
  const std::string reply = bulk(text);
  auto& link = link_with("INFO everything");

  link.send(reply.substr(0, 30'000));
  expect_nothing(client());
  link.send(reply.substr(30'000));

  expect(client(), bulk(text + "\r\n# anteroom\r\nanswer:42\r\n\r\n# cache\r\nhits:7\r\n") + "+PONG\r\n");
}

// --- The registry ---

TEST(HandlerRegistry, BuiltInHandlersFitTheTable) {
  const auto table = command::Table::build();
  ASSERT_TRUE(table.has_value()) << table.error();
  EXPECT_TRUE(HandlerRegistry::build(*table, built_in_handlers()).has_value());
}

TEST(HandlerRegistry, UnknownOrDoubleRegistrationIsAnErrorThatNamesIt) {
  const auto table = command::Table::build();
  const HandlerRegistry::Registration unknown[] = {{"nonsense", handle_forward}};
  const HandlerRegistry::Registration twice[] = {{"get", handle_forward}, {"get", handle_forward}};

  const auto first = HandlerRegistry::build(*table, unknown);
  const auto second = HandlerRegistry::build(*table, twice);

  ASSERT_FALSE(first.has_value());
  EXPECT_EQ(first.error(), "handler for an unknown command: nonsense");
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error(), "two handlers for one command: get");
}

TEST(HandlerRegistry, ClassDecidesWithoutARegistration) {
  const auto table = command::Table::build();
  const auto registry = HandlerRegistry::build(*table, {});
  ASSERT_TRUE(registry.has_value());

  EXPECT_EQ(registry->find(*table->find_name("set")), handle_forward);
  EXPECT_EQ(registry->find(*table->find_name("multi")), handle_stateful);
  EXPECT_EQ(registry->find(*table->find_name("client|kill")), handle_unsupported_session_command);
}

}  // namespace
}  // namespace anteroom::proxy
