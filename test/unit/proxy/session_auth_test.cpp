// Who a session is, and as whom its requests go to the server.
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "access/failure_limiter.hpp"
#include "access/user_table.hpp"
#include "support/session_rig.hpp"

namespace anteroom::proxy {
namespace {

using test::bulk;
using test::Client;

constexpr std::string_view kOk = "+OK\r\n";
constexpr std::string_view kWrongPassword = "-WRONGPASS invalid username-password pair or user is disabled.\r\n";

/// What the server says of its users. Asked until the last of the rig has gone, so it must outlive that.
struct ServersUsers {
  [[nodiscard]] std::optional<std::string> answer(const std::string& request) const {
    if (request == "PING") return "+PONG\r\n";
    if (request.starts_with("AUTH ")) return std::string(right_.contains(request) ? kOk : kWrongPassword);
    if (request != "ACL LIST") return std::nullopt;
    std::string reply = "*" + std::to_string(acl_.size()) + "\r\n";
    for (const std::string& line : acl_) reply += bulk(line);
    return reply;
  }

  std::set<std::string> right_;  // "AUTH alice secret"
  std::vector<std::string> acl_;
  access::FailureLimiter failures_{{.failures_max = 5, .window = std::chrono::minutes(1)}};
};

class SessionAuth : protected ServersUsers, public test::ProxyTest {
 protected:
  /// The server's users: those of `right_` may log in, and ACL LIST has `acl_`.
  void use_servers_users() {
    rig().auth.mode = ListenerAuth::kPassthrough;
    rig().auth.failures = &failures_;
    server_.set_handshake([this](const std::string& request) { return answer(request).value_or("+OK\r\n"); });
    server_.set_answers([this](const std::string& request) { return answer(request); });
  }
  /// Users of our own.
  void use_own_users(const std::vector<access::UserSpec>& users) {
    rig().auth.mode = ListenerAuth::kProxy;
    rig().auth.failures = &failures_;
    rig().auth.users = *access::UserTable::build(rig().commands, users);
    server_.set_answers([this](const std::string& request) { return answer(request); });
  }
};

// --- Users of the server ---

TEST_F(SessionAuth, PasswordThatWasTakenAwayLetsNobodyInOverALinkThatIsStillUp) {
  use_servers_users();
  right_ = {"AUTH alice old"};
  Client& early = connect();
  ask(early, "AUTH alice old");
  expect(early, kOk);

  right_ = {"AUTH alice new"};
  Client& late = connect();
  ask(late, "AUTH alice old");

  expect(late, kWrongPassword);
}

TEST_F(SessionAuth, EmptyPasswordIsTheServersToJudge) {
  use_servers_users();
  Client& client = connect();

  ask(client, "AUTH admin ", "GET k");

  expect(client, std::string(kWrongPassword) + "-NOAUTH Authentication required.\r\n");
}

TEST_F(SessionAuth, EmptyNameIsNobody) {
  use_servers_users();
  Client& client = connect();

  ask(client, "AUTH  ", "GET k");

  expect(client, std::string(kWrongPassword) + "-NOAUTH Authentication required.\r\n");
}

TEST_F(SessionAuth, NothingIsToldHereToThoseWhoMayNotAskTheServer) {
  acl_ = {"user alice on #" + std::string(64, '0') + " ~* resetchannels -@all +get"};
  right_ = {"AUTH alice a"};
  use_servers_users();
  Client& client = connect();
  ask(client, "AUTH alice a");
  expect(client, kOk);
  EXPECT_TRUE(await([&] { return rig().upstream_users.find("alice") != nullptr; }));

  ask(client, "INFO anteroom");

  expect(client, "-NOPERM this user has no permissions to run the 'info' command\r\n");
}

TEST_F(SessionAuth, OnlyWhoMayChangeUsersMakesTheirRightsUnknown) {
  acl_ = {"user alice on #" + std::string(64, '0') + " ~* resetchannels -@all +acl|whoami +auth",
          "user root on #" + std::string(64, '0') + " ~* resetchannels +@all"};
  right_ = {"AUTH alice a", "AUTH root r"};
  use_servers_users();
  Client& client = connect();
  ask(client, "AUTH alice a");
  expect(client, kOk);
  EXPECT_TRUE(await([&] { return rig().upstream_users.find("alice") != nullptr; }));

  // The turn does not end between the request and the look, so nobody can have been asked anew.
  const auto are_known_after = [&](std::string_view request) {
    bool are_known = false;
    client.peer.queue(test::resp_command(request));
    in_turn([&] {
      client.peer.deliver();
      are_known = rig().upstream_users.find("alice") != nullptr;
    });
    return are_known;
  };
  EXPECT_TRUE(are_known_after("ACL WHOAMI"));
  EXPECT_TRUE(are_known_after("ACL SETUSER bob on")) << "the server will refuse it";
  EXPECT_TRUE(await([&] { return forwarded() == 2; }));
  server_.last().send(bulk("alice") + "-NOPERM\r\n");
  expect(client, bulk("alice") + "-NOPERM\r\n");
  ask(client, "AUTH root r");
  expect(client, kOk);
  EXPECT_TRUE(are_known_after("ACL LIST"));
  EXPECT_FALSE(are_known_after("ACL SETUSER bob on"));
}

// --- Becoming another user ---

TEST_F(SessionAuth, WhatFollowsAuthDoesNotRunInTheFormerUsersName) {
  right_ = {"AUTH alice a", "AUTH bob b"};
  use_servers_users();
  Client& client = connect();
  ask(client, "AUTH alice a");
  expect(client, kOk);
  ask(client, "WATCH k");
  EXPECT_TRUE(await([&] { return server_.last().has("WATCH k"); }));
  auto& former = server_.last();
  former.send(kOk);
  expect(client, kOk);
  ask(client, "AUTH bob b");
  expect(client, kOk);

  ask(client, "INCR n");

  EXPECT_TRUE(await([&] { return forwarded() == 2; }));
  EXPECT_TRUE(await([&] { return former.is_closed_by_peer(); }));
  EXPECT_FALSE(former.has("INCR n"));
  auto& own = link_with("INCR n");
  EXPECT_EQ(own.handshake_requests().front(), "AUTH bob b");
  own.send(":1\r\n");
  expect(client, ":1\r\n");
}

TEST_F(SessionAuth, WhatTheFormerUserWatchedMakesExecFail) {
  right_ = {"AUTH alice a", "AUTH bob b"};
  use_servers_users();
  Client& client = connect();
  ask(client, "AUTH alice a");
  expect(client, kOk);
  ask(client, "WATCH k");
  EXPECT_TRUE(await([&] { return server_.last().has("WATCH k"); }));
  server_.last().send(kOk);
  expect(client, kOk);

  ask(client, "AUTH bob b", "MULTI", "EXEC");

  expect(client, "+OK\r\n+OK\r\n-EXECABORT Transaction discarded because of previous errors.\r\n");
}

TEST_F(SessionAuth, SameUserAgainKeepsWhatItWatches) {
  right_ = {"AUTH alice a", "AUTH alice b"};
  use_servers_users();
  Client& client = connect();
  ask(client, "AUTH alice a");
  expect(client, kOk);
  ask(client, "WATCH k");
  EXPECT_TRUE(await([&] { return server_.last().has("WATCH k"); }));
  auto& server = server_.last();
  server.send(kOk);
  expect(client, kOk);

  ask(client, "AUTH alice a", "AUTH alice b", "MULTI", "EXEC");

  expect(client, std::string(kOk) + std::string(kOk));
  EXPECT_TRUE(await([&] { return server.has("EXEC"); }));
}

TEST_F(SessionAuth, FormerUsersRightsDoNotKeepTheNextFromTheCache) {
  use_own_users({{.name = "alice",
                  .rules = "on ~* &* +@all",
                  .password = "a",
                  .upstream = {.user = "nobody-knows", .password = "x"},
                  .where = "test"},
                 {.name = "bob", .rules = "on ~* &* +@all", .password = "b", .upstream = {}, .where = "test"}});
  Client& client = connect();
  ask(client, "AUTH alice a", "AUTH bob b");
  expect(client, std::string(kOk) + std::string(kOk));

  ask(client, "GET k");

  EXPECT_EQ(fetches().size(), 1u);
}

}  // namespace
}  // namespace anteroom::proxy
