// Users of the server: who a session is and what it may do, as the server says.
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <string_view>

#include "support/login_rig.hpp"

namespace anteroom::test {
namespace {

using proxy::ListenerAuth;

class SessionPassthrough : public LoginTest {
 protected:
  /// Every password is wrong, and the others of the greeting are taken.
  void refuse_passwords() {
    server_.set_handshake([](const std::string& request) -> std::optional<std::string> {
      return std::string(request.starts_with("AUTH ") ? kWrongPassword : kOk);
    });
  }
  /// The link that the client, logged in with these words, has for itself from now on.
  ScriptedConnection& watch(Client& client, const std::string& auth) {
    ask(client, "WATCH k");
    EXPECT_TRUE(await([&] { return link_of(auth).has("WATCH k"); }));
    ScriptedConnection& link = link_of(auth);
    link.send(kOk);
    expect(client, kOk);
    return link;
  }
};

// --- Users of the server ---

TEST_F(SessionPassthrough, ServerLetsItsUsersIn) {
  use_passthrough(acl_list("user alice on nopass ~* &* +@all"));
  Client& client = connect();
  EXPECT_EQ(answer_to(client, "GET k"), kNoAuth);
  EXPECT_EQ(server_.accepted(), 0u);

  ask(client, "AUTH alice secret", "INCR n");
  expect(client, kOk);
  EXPECT_TRUE(await([&] { return link_of("AUTH alice secret").has("INCR n"); }));
  link_of("AUTH alice secret").send(":1\r\n");

  expect(client, ":1\r\n");
  EXPECT_EQ(failures_.failures(), 0u);
}

TEST_F(SessionPassthrough, PasswordThatTheServerDoesNotKnowIsWrong) {
  refuse_passwords();
  use_passthrough(acl_list("user alice on nopass ~* +@all"));
  Client& client = connect();

  ask(client, "AUTH alice wrong");
  expect(client, kWrongPassword);

  EXPECT_EQ(answer_to(client, "GET k"), kNoAuth);
  EXPECT_EQ(failures_.failures(), 1u);
  EXPECT_TRUE(rig().outages.is_up()) << "no outage";
}

TEST_F(SessionPassthrough, ServerThatIsNotThereIsNoWrongPassword) {
  use_passthrough({});
  server_.stop_listening();
  Client& client = connect();

  ask(client, "AUTH alice secret");
  EXPECT_TRUE(await([&] { return client.peer.written().ends_with("\r\n"); }));

  EXPECT_TRUE(client.peer.take_written().starts_with("-MASTERDOWN"));
  EXPECT_EQ(answer_to(client, "GET k"), kNoAuth);
  EXPECT_EQ(failures_.failures(), 0u);
}

TEST_F(SessionPassthrough, EmptyPasswordIsTheServersToJudge) {
  refuse_passwords();
  use_passthrough({});
  Client& client = connect();

  ask(client, "AUTH admin ", "GET k");

  expect(client, std::string(kWrongPassword) + std::string(kNoAuth));
}

TEST_F(SessionPassthrough, EmptyNameIsNobody) {
  refuse_passwords();
  use_passthrough({});
  Client& client = connect();

  ask(client, "AUTH  ", "GET k");

  expect(client, std::string(kWrongPassword) + std::string(kNoAuth));
}

// Links live longer than passwords.
TEST_F(SessionPassthrough, PasswordIsAskedOfTheServerEachTime) {
  use_passthrough(acl_list("user alice on nopass ~* +@all"));
  Client& first = log_in_upstream("AUTH alice old");
  ScriptedConnection& server = link_of("AUTH alice old");
  ask(first, "INCR n");
  EXPECT_TRUE(await([&] { return server.has("INCR n"); }));
  server.send(":1\r\n");
  expect(first, ":1\r\n");
  Client& second = connect();

  ask(second, "AUTH alice old");  // which has been changed meanwhile
  EXPECT_TRUE(await([&] { return server.has("AUTH alice old"); }));
  server.send(kWrongPassword);

  expect(second, kWrongPassword);
  EXPECT_EQ(answer_to(second, "GET k"), kNoAuth);
  EXPECT_EQ(failures_.failures(), 1u);
}

TEST_F(SessionPassthrough, HitIsForThoseWhomTheServerWouldLetRead) {
  cache_value("pub:1", "public");
  cache_value("priv:1", "private");
  use_passthrough(acl_list("user alice on nopass ~pub:* +@read"));
  Client& client = log_in_upstream("AUTH alice secret");

  EXPECT_EQ(answer_to(client, "GET pub:1"), bulk("public"));
  ask(client, "GET priv:1");
  ScriptedConnection& server = link_of("AUTH alice secret");
  EXPECT_TRUE(await([&] { return server.has("GET priv:1"); }));
  server.send(kNoKey);

  expect(client, kNoKey);
}

TEST_F(SessionPassthrough, RightThatWasTakenAwayEndsTheHits) {
  cache_value("k", "v");
  use_passthrough(acl_list("user alice on nopass ~* +@read"));
  Client& client = log_in_upstream("AUTH alice secret");
  EXPECT_EQ(answer_to(client, "GET k"), bulk("v"));

  acl_line_ = acl_list("user alice on nopass ~other +@read");
  in_turn([this] { rig().upstream_users.tick(rig().forwarder); });
  EXPECT_TRUE(await([this] { return acl_lists_ == 2 && rig().pool.pending() == 0; }));
  ask(client, "GET k");

  EXPECT_EQ(client.peer.take_written(), "");
  EXPECT_TRUE(await([&] { return link_of("AUTH alice secret").has("GET k"); }));
}

TEST_F(SessionPassthrough, UserWhoIsGoneHasNoHits) {
  cache_value("k", "v");
  use_passthrough(acl_list("user bob on nopass ~* +@all"));
  Client& client = log_in_upstream("AUTH alice secret");

  EXPECT_EQ(answer_to(client, "GET k"), "");
}

TEST_F(SessionPassthrough, ServerThatDoesNotTellItsUsersLeavesNoHits) {
  cache_value("k", "v");
  use_passthrough("-NOPERM no acl\r\n");
  Client& client = log_in_upstream("AUTH alice secret");

  EXPECT_EQ(answer_to(client, "GET k"), "");
  EXPECT_TRUE(log_.has("users of the server not known"));
}

TEST_F(SessionPassthrough, NothingIsKnownOfRightsOnceAnAclCommandHasBeenSent) {
  cache_value("k", "v");
  use_passthrough(acl_list("user alice on nopass ~* +@all"));
  Client& client = log_in_upstream("AUTH alice secret");
  EXPECT_EQ(answer_to(client, "GET k"), bulk("v"));

  ask(client, "ACL SETUSER alice resetkeys", "PING", "GET k");

  EXPECT_EQ(client.peer.take_written(), "") << "neither is answered before the server has";
  EXPECT_TRUE(await([&] { return link_of("AUTH alice secret").has("GET k"); }));
  EXPECT_EQ(acl_lists_, 2);
}

TEST_F(SessionPassthrough, WhatIsAnsweredHereInTheServersPlaceIsRefusedAsThere) {
  use_passthrough(acl_list("user alice on nopass ~* resetchannels &news +@read +subscribe +client"));
  Client& client = log_in_upstream("AUTH alice secret");

  EXPECT_EQ(answer_to(client, "SUBSCRIBE other"),
            "-NOPERM this user has no permissions to access one of the channels used as arguments\r\n");
  EXPECT_TRUE(answer_to(client, "MONITOR").starts_with("-NOPERM this user has no permissions to run the 'monitor'"));
  EXPECT_TRUE(answer_to(client, "ANTEROOM CACHE FLUSH").starts_with("-NOPERM this user has no permissions to run the"));
}

TEST_F(SessionPassthrough, NothingIsToldHereToThoseWhoMayNotAskTheServer) {
  use_passthrough(acl_list("user alice on nopass ~* resetchannels -@all +get"));
  Client& client = log_in_upstream("AUTH alice secret");

  EXPECT_EQ(answer_to(client, "INFO anteroom"), "-NOPERM this user has no permissions to run the 'info' command\r\n");
}

TEST_F(SessionPassthrough, OnlyWhoMayChangeUsersMakesTheirRightsUnknown) {
  use_passthrough("*2\r\n" + bulk("user alice on nopass ~* resetchannels -@all +acl|whoami +auth") +
                  bulk("user root on nopass ~* resetchannels +@all"));
  Client& client = log_in_upstream("AUTH alice secret");

  // The turn does not end between the request and the look, so nobody can have been asked anew.
  const auto are_known_after = [&](std::string_view request) {
    bool are_known = false;
    client.peer.queue(resp_command(request));
    in_turn([&] {
      client.peer.deliver();
      are_known = rig().upstream_users.find("alice") != nullptr;
    });
    return are_known;
  };
  EXPECT_TRUE(are_known_after("ACL WHOAMI"));
  EXPECT_TRUE(are_known_after("ACL SETUSER bob on")) << "the server will refuse it";
  EXPECT_TRUE(await([&] { return link_of("AUTH alice secret").has("ACL SETUSER bob on"); }));
  link_of("AUTH alice secret").send(bulk("alice") + "-NOPERM\r\n");
  expect(client, bulk("alice") + "-NOPERM\r\n");
  ask(client, "AUTH root secret");
  expect(client, kOk);
  EXPECT_TRUE(are_known_after("ACL LIST"));
  EXPECT_FALSE(are_known_after("ACL SETUSER bob on"));
}

// --- A link of one's own ---

TEST_F(SessionPassthrough, WhatTheUserBeforeWatchedMakesExecFail) {
  use_passthrough(acl_list("user alice on nopass ~* +@all"));
  Client& client = log_in_upstream("AUTH alice secret");
  ScriptedConnection& watching = watch(client, "AUTH alice secret");

  ask(client, "AUTH bob secret");
  expect(client, kOk);
  EXPECT_TRUE(await([&] { return watching.is_closed_by_peer(); }));
  ask(client, "MULTI", "EXEC");

  expect(client, "+OK\r\n-EXECABORT Transaction discarded because of previous errors.\r\n");
}

TEST_F(SessionPassthrough, TrackingOfTheUserBeforeEndsWithItsConnection) {
  use_passthrough(acl_list("user alice on nopass ~* +@all"));
  Client& client = log_in_upstream("AUTH alice secret");
  ask(client, "CLIENT TRACKING ON NOLOOP");
  EXPECT_TRUE(await([&] { return link_of("AUTH alice secret").has("CLIENT TRACKING ON NOLOOP"); }));
  link_of("AUTH alice secret").send(kOk);
  expect(client, kOk);

  ask(client, "AUTH bob secret");

  EXPECT_TRUE(await([&] { return client.peer.is_closed(); }));
  EXPECT_EQ(client.peer.take_written(), kOk);
}

TEST_F(SessionPassthrough, LinkOfOnesOwnIsKeptByWhoLogsInAgain) {
  use_passthrough(acl_list("user alice on nopass ~* +@all"));
  Client& client = log_in_upstream("AUTH alice secret");
  ScriptedConnection& watching = watch(client, "AUTH alice secret");

  ask(client, "AUTH alice secret", "AUTH alice another");
  expect(client, std::string(kOk) + std::string(kOk));
  ask(client, "MULTI");

  EXPECT_TRUE(await([&] { return watching.has("MULTI"); }));
}

TEST_F(SessionPassthrough, LinkOfTheUserBeforeIsNotTheNextOnes) {
  use_passthrough(acl_list("user alice on nopass ~* +@all"));
  Client& client = log_in_upstream("AUTH alice secret");
  ScriptedConnection& watching = watch(client, "AUTH alice secret");
  ask(client, "AUTH bob secret");
  expect(client, kOk);

  ask(client, "INCR n");

  EXPECT_TRUE(await([&] { return link_of("AUTH bob secret").has("INCR n"); }));
  EXPECT_TRUE(await([&] { return watching.is_closed_by_peer(); }));
  EXPECT_FALSE(watching.has("INCR n"));
  link_of("AUTH bob secret").send(":1\r\n");
  expect(client, ":1\r\n");
}

}  // namespace
}  // namespace anteroom::test
