// What tests of logging in share: the errors, users of our own, and users of the server.
#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "access/failure_limiter.hpp"
#include "access/user_table.hpp"
#include "support/session_rig.hpp"

namespace anteroom::test {

inline constexpr std::string_view kOk = "+OK\r\n";
inline constexpr std::string_view kNoAuth = "-NOAUTH Authentication required.\r\n";
inline constexpr std::string_view kWrongPassword = "-WRONGPASS invalid username-password pair or user is disabled.\r\n";
inline constexpr std::string_view kNoPassword =
    "-ERR AUTH <password> called without any password configured for the default user. Are you sure your "
    "configuration is correct?\r\n";
inline constexpr std::string_view kTooManyFailures =
    "-ERR anteroom: too many failed authentications from this address (stage=policy executed=no)\r\n";
inline constexpr std::string_view kNoKey =
    "-NOPERM this user has no permissions to access one of the keys used as arguments\r\n";

inline access::UserSpec user(std::string name, std::string rules, access::UpstreamIdentity upstream = {}) {
  return {.name = std::move(name),
          .rules = std::move(rules),
          .password = {},
          .upstream = std::move(upstream),
          .where = "auth.users[0]"};
}

/// What the server tells of its users, and who has failed. Asked until the last of the rig has gone, so it must outlive
/// that.
struct ServersUsers {
  access::FailureLimiter failures_{{.failures_max = 3}};
  std::string acl_line_;
  int acl_lists_ = 0;
};

/// Sessions that log in.
class LoginTest : protected ServersUsers, public ProxyTest {
 protected:
  /// For sessions from now on.
  void use_users(const std::vector<access::UserSpec>& specs) {
    auto users = access::UserTable::build(rig().commands, specs);
    ASSERT_TRUE(users.has_value()) << users.error();
    rig().auth.users = *users;
    use_mode(proxy::ListenerAuth::kProxy);
  }
  void use_mode(proxy::ListenerAuth mode) {
    rig().auth.mode = mode;
    rig().auth.failures = &failures_;
  }
  /// The server tells these users, and every other request waits for the test.
  void use_passthrough(const std::string& acl_line) {
    acl_line_ = acl_line;
    ServersUsers& users = *this;
    server_.set_answers([&users](const std::string& request) -> std::optional<std::string> {
      if (request != "ACL LIST") return std::nullopt;
      ++users.acl_lists_;
      return users.acl_line_;
    });
    use_mode(proxy::ListenerAuth::kPassthrough);
  }
  static std::string acl_list(std::string_view line) { return "*1\r\n" + bulk(line); }
  Client& log_in(const std::string& words) {
    Client& client = connect();
    ask(client, words);
    expect(client, kOk);
    return client;
  }
  /// One that the server lets in, and whose rights are known.
  Client& log_in_upstream(const std::string& words) {
    Client& client = log_in(words);
    EXPECT_TRUE(await([this] { return acl_lists_ > 0 && rig().pool.pending() == 0; }));
    return client;
  }
  std::string answer_to(Client& client, const std::string& words) {
    ask(client, words);
    return client.peer.take_written();
  }
  /// The newest connection that logged in with these words.
  ScriptedConnection& link_of(const std::string& auth) {
    for (std::size_t i = server_.accepted(); i > 0; --i) {
      const auto& first = server_.connection(i - 1).handshake_requests();
      if (!first.empty() && first[0] == auth) return server_.connection(i - 1);
    }
    throw std::runtime_error("nobody has logged in with " + auth);
  }
};

}  // namespace anteroom::test
