// Who a session is and what it may do: everybody, users of the configuration, and strangers.
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "access/password.hpp"
#include "support/login_rig.hpp"

namespace anteroom::test {
namespace {

using proxy::ListenerAuth;
using Requests = std::vector<std::string>;

class SessionLogin : public LoginTest {};

// --- Everybody may come in ---

TEST_F(SessionLogin, WithoutAuthenticationEverybodyIsTheDefaultUser) {
  Client& client = connect();

  EXPECT_EQ(answer_to(client, "PING"), "+PONG\r\n");
  EXPECT_EQ(answer_to(client, "AUTH default anything"), kOk);
  EXPECT_EQ(answer_to(client, "AUTH anything"), kNoPassword);
  EXPECT_EQ(answer_to(client, "AUTH alice anything"), kWrongPassword);
  EXPECT_EQ(answer_to(client, "HELLO 3 AUTH alice anything"), kWrongPassword);
  EXPECT_EQ(answer_to(client, "CLIENT GETNAME"), "$-1\r\n") << "still RESP2";
  EXPECT_TRUE(answer_to(client, "HELLO 3 AUTH default anything").starts_with("%7\r\n"));
  EXPECT_EQ(server_.accepted(), 0u);
}

// --- Users of the configuration ---

TEST_F(SessionLogin, NothingIsDoneBeforeAuthentication) {
  use_users({user("alice", "on >secret ~* &* +@all")});
  Client& client = connect();
  for (const std::string request :
       {"GET k", "SET k v", "PING", "ECHO x", "INFO", "CLIENT LIST", "SUBSCRIBE c", "MULTI", "EXEC", "SELECT 1",
        "MONITOR", "ANTEROOM CACHE STATS", "BLPOP l 0", "CLIENT TRACKING ON", "CLIENT PAUSE 1000"}) {
    EXPECT_EQ(answer_to(client, request), kNoAuth) << request;
  }
  EXPECT_TRUE(answer_to(client, "NONSENSE a").starts_with("-ERR unknown command 'NONSENSE'"));
  EXPECT_TRUE(answer_to(client, "CLIENT NONSENSE").starts_with("-ERR unknown subcommand 'NONSENSE'"));
  EXPECT_EQ(answer_to(client, "GET"), "-ERR wrong number of arguments for 'get' command\r\n");
  EXPECT_TRUE(answer_to(client, "HELLO 3").starts_with("-NOAUTH HELLO must be called"));
  EXPECT_EQ(answer_to(client, "RESET"), "+RESET\r\n");
  EXPECT_EQ(answer_to(client, "PING"), kNoAuth);
  EXPECT_EQ(server_.accepted(), 0u);
  EXPECT_TRUE(fetches().empty());

  EXPECT_EQ(answer_to(client, "QUIT"), kOk);
  expect_closed(client);
}

TEST_F(SessionLogin, PasswordOfAUserLetsItsClientIn) {
  use_users({user("alice", "on >one >two ~* &* +@all"), user("bob", "off >one ~* +@all")});
  Client& client = connect();

  EXPECT_EQ(answer_to(client, "AUTH alice wrong"), kWrongPassword);
  EXPECT_EQ(answer_to(client, "AUTH nobody one"), kWrongPassword);
  EXPECT_EQ(answer_to(client, "PING"), kNoAuth);
  EXPECT_EQ(answer_to(client, "AUTH alice two"), kOk);
  EXPECT_EQ(answer_to(client, "ACL WHOAMI"), bulk("alice"));
  EXPECT_EQ(failures_.failures(), 2u);
  EXPECT_EQ(answer_to(client, "AUTH bob one"), kWrongPassword) << "is off";
  EXPECT_EQ(answer_to(client, "ACL WHOAMI"), bulk("alice")) << "who fails stays what he is";
}

TEST_F(SessionLogin, FormWithoutAUserIsAboutTheDefaultUser) {
  use_users({user("alice", "on >secret ~* +@all")});
  EXPECT_EQ(answer_to(connect(), "AUTH secret"), kNoPassword) << "there is none";
  use_users({user("default", "on >main ~* +@all"), user("alice", "on >secret ~* +@all")});
  Client& client = connect();

  EXPECT_EQ(answer_to(client, "AUTH secret"), kWrongPassword);
  EXPECT_EQ(answer_to(client, "AUTH a b c"), "-ERR syntax error\r\n");
  EXPECT_EQ(answer_to(client, "AUTH main"), kOk);
  EXPECT_EQ(answer_to(client, "ACL WHOAMI"), bulk("default"));
}

TEST_F(SessionLogin, DefaultUserWithoutAPasswordIsWhomEverybodyBeginsAs) {
  use_users({user("default", "on nopass ~pub:* +get"), user("alice", "on >secret ~* +@all")});
  Client& client = connect();

  EXPECT_EQ(answer_to(client, "GET priv"), kNoKey);
  EXPECT_TRUE(answer_to(client, "PING").starts_with("-NOPERM this user has no permissions to run the 'ping' command"));
  EXPECT_EQ(answer_to(client, "AUTH secret"), kNoPassword);
  EXPECT_EQ(answer_to(client, "AUTH alice secret"), kOk);
  EXPECT_EQ(answer_to(client, "PING"), "+PONG\r\n");
  EXPECT_EQ(answer_to(client, "RESET"), "+RESET\r\n");
  EXPECT_EQ(answer_to(client, "GET priv"), kNoKey) << "is the default user again";
}

TEST_F(SessionLogin, HelloLogsInNamesAndSwitchesAtOnceOrNotAtAll) {
  use_users({user("alice", "on >secret ~* &* +@all")});
  Client& client = connect();

  EXPECT_EQ(answer_to(client, "HELLO 3 AUTH alice wrong SETNAME me"), kWrongPassword);
  EXPECT_EQ(answer_to(client, "PING"), kNoAuth);
  EXPECT_EQ(answer_to(client, "AUTH alice secret"), kOk);
  EXPECT_EQ(answer_to(client, "CLIENT GETNAME"), "$-1\r\n");
  EXPECT_EQ(answer_to(client, "RESET"), "+RESET\r\n");

  EXPECT_TRUE(answer_to(client, "HELLO 3 AUTH alice secret SETNAME me").starts_with("%7\r\n"));
  EXPECT_EQ(answer_to(client, "CLIENT GETNAME"), bulk("me"));
}

TEST_F(SessionLogin, ListenerOfItsOwnModeIsNotAskedForWhatOthersAre) {
  use_users({user("alice", "on >secret ~* +@all")});

  EXPECT_EQ(answer_to(connect_from("unix:", ListenerAuth::kNone), "PING"), "+PONG\r\n");
  EXPECT_EQ(answer_to(connect_from("192.0.2.1:1", ListenerAuth::kProxy), "PING"), kNoAuth);
}

TEST_F(SessionLogin, HitIsNotForAUserWithoutTheKey) {
  cache_value("pub:1", "public");
  cache_value("priv:1", "private");
  use_users({user("alice", "on >secret ~pub:* +@read"), user("bob", "on >secret ~* +@write +auth")});
  Client& client = log_in("AUTH alice secret");

  EXPECT_EQ(answer_to(client, "GET pub:1"), bulk("public"));
  for (const std::string request : {"GET priv:1", "MGET pub:1 priv:1", "EXISTS priv:1", "STRLEN priv:1"}) {
    EXPECT_EQ(answer_to(client, request), kNoKey) << request;
  }
  EXPECT_EQ(answer_to(client, "AUTH bob secret"), kOk);
  EXPECT_TRUE(answer_to(client, "GET pub:1").starts_with("-NOPERM this user has no permissions to run the 'get'"));
}

// A server newer than the table could take it for a command, and would carry it out in our name.
TEST_F(SessionLogin, WrongNumberOfArgumentsIsNotForTheServerToJudgeOfARestrictedUser) {
  use_users({user("alice", "on >secret ~pub:* +@read"), user("root", "on >secret ~* &* +@all")});
  Client& client = log_in("AUTH alice secret");

  EXPECT_EQ(answer_to(client, "GET priv:1 x"), "-ERR wrong number of arguments for 'get' command\r\n");
  EXPECT_EQ(answer_to(client, "SET priv:1"), "-ERR wrong number of arguments for 'set' command\r\n");
  EXPECT_EQ(forwarded(), 0u);
  EXPECT_EQ(answer_to(client, "AUTH root secret"), kOk);
  EXPECT_EQ(answer_to(client, "GET priv:1 x"), "") << "who may do everything may ask";
  EXPECT_EQ(forwarded(), 1u);
}

TEST_F(SessionLogin, SubscriptionsOfAnotherUserAreLeftAndOnesOwnKept) {
  use_users({user("alice", "on >secret ~* &* +@all"), user("bob", "on >secret ~* &* +@all")});
  server_.set_handshake(resp3_handshake);
  Client& client = connect();
  EXPECT_TRUE(answer_to(client, "HELLO 3 AUTH alice secret").starts_with('%'));
  ask(client, "SUBSCRIBE c");
  ScriptedConnection& server = link_with("SUBSCRIBE c");
  const std::string confirmed = ">3\r\n" + bulk("subscribe") + bulk("c") + ":1\r\n";
  server.send(confirmed);
  expect(client, confirmed);

  EXPECT_EQ(answer_to(client, "AUTH alice secret"), kOk);
  EXPECT_EQ(rig().subscriptions.topics(), 1u);
  EXPECT_EQ(answer_to(client, "AUTH bob secret"), kOk);

  EXPECT_EQ(rig().subscriptions.topics(), 0u);
  EXPECT_TRUE(await([&] { return server.has("UNSUBSCRIBE c"); }));
}

TEST_F(SessionLogin, RequestsOfAMappedUserGoToTheServerInItsName) {
  use_users({user("alice", "on >secret ~* +@all", {.user = "app", .password = "hidden"})});
  Client& client = log_in("AUTH alice secret");

  ask(client, "INCR n");
  EXPECT_TRUE(
      await([&] { return server_.accepted() == 2 && server_.last().count() + server_.connection(0).count() == 2; }));

  ScriptedConnection& server = link_of("AUTH app hidden");
  EXPECT_EQ(server.requests(), Requests{"INCR n"});
  server.send(":1\r\n");
  expect(client, ":1\r\n");
}

TEST_F(SessionLogin, WhatWasTrueOfAMappedUserIsNotOfTheNext) {
  cache_value("k", "v");
  use_users({user("mapped", "on >secret ~* +@all", {.user = "app", .password = "hidden"}),
             user("plain", "on >secret ~* +@all")});
  Client& client = log_in("AUTH mapped secret");  // whose rights the server has not told
  EXPECT_EQ(answer_to(client, "AUTH plain secret"), kOk);

  EXPECT_EQ(answer_to(client, "GET k"), bulk("v")) << "a hit again";
}

// --- Strangers ---

TEST_F(SessionLogin, StrangersMayNotMakeUsHoldMuch) {
  use_users({user("alice", "on >secret ~* +@all")});
  Client& many = connect();
  send(many, "*11\r\n");
  EXPECT_EQ(many.peer.take_written(), "-ERR Protocol error: unauthenticated multibulk length\r\n");
  expect_closed(many);
  Client& large = connect();
  send(large, "*2\r\n$4\r\nAUTH\r\n$16385\r\n");
  EXPECT_EQ(large.peer.take_written(), "-ERR Protocol error: unauthenticated bulk length\r\n");
  expect_closed(large);
}

TEST_F(SessionLogin, LimitsOfStrangersEndWithTheirLoginAndReturnWithReset) {
  use_users({user("alice", "on >secret ~* +@all")});
  Client& client = log_in("AUTH alice secret");
  const std::string text(20'000, 'x');

  EXPECT_EQ(answer_to(client, "ECHO " + text), bulk(text));
  EXPECT_EQ(answer_to(client, "RESET"), "+RESET\r\n");

  EXPECT_EQ(answer_to(client, "ECHO " + text), "-ERR Protocol error: unauthenticated bulk length\r\n");
  expect_closed(client);
}

TEST_F(SessionLogin, WhoGuessesTooOftenIsNotHeardAnyMore) {
  use_users({user("alice", "on >secret ~* +@all")});
  Client& client = connect_from("192.0.2.7:1");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(answer_to(client, "AUTH alice wrong"), kWrongPassword);

  EXPECT_EQ(answer_to(client, "AUTH alice secret"), kTooManyFailures);
  EXPECT_EQ(answer_to(client, "HELLO 2 AUTH alice secret"), kTooManyFailures);
  EXPECT_EQ(answer_to(connect_from("192.0.2.7:2"), "AUTH alice secret"), kTooManyFailures) << "another port";
  EXPECT_EQ(answer_to(connect_from("192.0.2.8:1"), "AUTH alice secret"), kOk) << "another host";
}

TEST_F(SessionLogin, ClientsOverUnixSocketsCountAsOnePeer) {
  use_users({user("alice", "on >secret ~* +@all")});
  for (int i = 0; i < 3; ++i) EXPECT_EQ(answer_to(connect_from("unix:/run/a"), "AUTH alice wrong"), kWrongPassword);

  EXPECT_EQ(answer_to(connect_from("unix:"), "AUTH alice secret"), kTooManyFailures);
}

// The server is slow to judge, and meanwhile everybody tries.
TEST_F(SessionLogin, GuessesAtTheSameTimeAreNoMoreThanOneAfterTheOther) {
  std::size_t asked = 0;
  std::vector<ScriptedConnection*> judges;
  use_mode(ListenerAuth::kPassthrough);
  server_.set_handshake([&](const std::string& request) -> std::optional<std::string> {
    if (!request.starts_with("AUTH ")) return std::string(kOk);
    ++asked;
    return "-WRONGPASS invalid username-password pair or user is disabled.\r\n";
  });
  std::vector<Client*> guessers;
  for (int i = 0; i < 40; ++i) {
    guessers.push_back(&connect_from("192.0.2.9:" + std::to_string(i + 1)));
    guessers.back()->peer.queue(resp_command("AUTH alice guess" + std::to_string(i)));
  }

  std::size_t refused = 0;
  for (Client* guesser : guessers) {
    EXPECT_TRUE(await([&] { return !guesser->peer.written().empty(); }));
    if (guesser->peer.take_written() == kTooManyFailures) ++refused;
  }

  EXPECT_LE(asked, 3 + proxy::LoginQueue::kAtATime);
  EXPECT_EQ(refused + asked, guessers.size());
}

TEST_F(SessionLogin, WhoWaitsForHisTurnAndLeavesDoesNotTakeIt) {
  use_mode(ListenerAuth::kPassthrough);
  std::set<std::string> asked;  // each is, on a new link and again on it
  server_.set_handshake([&](const std::string& request) -> std::optional<std::string> {
    if (request.starts_with("AUTH ")) {
      if (asked.insert(request).second) return std::nullopt;  // not yet
    }
    return std::string(kOk);
  });
  std::vector<Client*> clients;
  for (std::size_t i = 0; i < proxy::LoginQueue::kAtATime + 3; ++i) {
    clients.push_back(&connect_from("192.0.2.9:" + std::to_string(i + 1)));
    ask(*clients.back(), "AUTH alice secret" + std::to_string(i));
  }
  EXPECT_TRUE(await([&] { return asked.size() == proxy::LoginQueue::kAtATime; }));
  kill(*clients[proxy::LoginQueue::kAtATime]);
  kill(*clients[proxy::LoginQueue::kAtATime + 1]);

  for (std::size_t i = 0; i < server_.accepted(); ++i) {
    const auto& greeting = server_.connection(i).handshake_requests();
    if (!greeting.empty() && greeting.front().starts_with("AUTH ")) server_.connection(i).send(kOk);
  }

  EXPECT_TRUE(await([&] { return asked.size() == proxy::LoginQueue::kAtATime + 1; }));
  EXPECT_TRUE(never([&] { return asked.size() > proxy::LoginQueue::kAtATime + 1; }));
}

// However their addresses are written: "2001:db8::a:0:0:1" and "2001:db8::b:0:0:1" have the first 64 bits in common.
TEST_F(SessionLogin, HostsOfOneIpv6NetworkCountAsOnePeer) {
  use_users({user("alice", "on >secret ~* +@all")});
  for (const std::string host : {"[2001:db8::a:0:0:1]:1", "[2001:db8::b:0:0:1]:1", "[2001:db8::1]:1"}) {
    EXPECT_EQ(answer_to(connect_from(host), "AUTH alice wrong"), kWrongPassword) << host;
  }

  EXPECT_EQ(answer_to(connect_from("[2001:db8::c:1:2:3]:1"), "AUTH alice secret"), kTooManyFailures);
  EXPECT_EQ(answer_to(connect_from("[2001:db8:0:1::1]:1"), "AUTH alice secret"), kOk) << "another network";
}

}  // namespace
}  // namespace anteroom::test
