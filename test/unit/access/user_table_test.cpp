#include "access/user_table.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace anteroom::access {
namespace {

const command::Table& table() {
  static const command::Table built = command::Table::build().value();
  return built;
}

std::shared_ptr<const UserTable> built(const std::vector<UserSpec>& specs) {
  auto users = UserTable::build(table(), specs);
  EXPECT_TRUE(users.has_value()) << (users ? "" : users.error());
  return users ? *users : nullptr;
}

std::string error_of(const std::vector<UserSpec>& specs) {
  const auto users = UserTable::build(table(), specs);
  return users ? "no error" : users.error();
}

UserSpec spec(std::string name, std::string rules) {
  return {.name = std::move(name), .rules = std::move(rules), .password = {}, .upstream = {}, .where = "auth.users[0]"};
}

TEST(UserTable, AUserLogsInWithAnyOfHisPasswords) {
  UserSpec alice = spec("alice", "on >one >two +@read ~*");
  alice.password = "three";
  const auto users = built({alice, spec("bob", "on >b")});
  for (const std::string_view password : {"one", "two", "three"}) {
    const User* user = users->authenticate("alice", password);
    ASSERT_NE(user, nullptr) << password;
    EXPECT_EQ(user->name(), "alice");
  }
  for (const std::string_view password : {"", "On", "onee", "b"}) {
    EXPECT_EQ(users->authenticate("alice", password), nullptr) << password;
  }
  EXPECT_EQ(users->authenticate("bob", "one"), nullptr);
  EXPECT_EQ(users->size(), 2U);
}

TEST(UserTable, UnknownUsersNeverLogIn) {
  const auto users = built({spec("alice", "on >one")});
  EXPECT_EQ(users->authenticate("Alice", "one"), nullptr);
  EXPECT_EQ(users->authenticate("", "one"), nullptr);
  EXPECT_EQ(users->authenticate("nobody", "one"), nullptr);
  EXPECT_EQ(built({})->authenticate("default", ""), nullptr);
}

TEST(UserTable, AUserThatIsOffDoesNotLogIn) {
  const auto users = built({spec("alice", "off >one"), spec("bob", "nopass")});
  EXPECT_EQ(users->authenticate("alice", "one"), nullptr);
  EXPECT_EQ(users->authenticate("bob", "x"), nullptr);
  EXPECT_NE(users->find("alice"), nullptr);
}

TEST(UserTable, WithNopassEveryPasswordIsRight) {
  const auto users = built({spec("guest", "on nopass")});
  EXPECT_NE(users->authenticate("guest", ""), nullptr);
  EXPECT_NE(users->authenticate("guest", "anything"), nullptr);
}

TEST(UserTable, OnlyADefaultUserWithoutPasswordIsTheInitialOne) {
  EXPECT_NE(built({spec("default", "on nopass +@all")})->initial_user(), nullptr);
  EXPECT_EQ(built({spec("default", "on >x +@all")})->initial_user(), nullptr);
  EXPECT_EQ(built({spec("default", "nopass")})->initial_user(), nullptr);
  EXPECT_EQ(built({spec("guest", "on nopass")})->initial_user(), nullptr);
}

TEST(UserTable, APasswordOfItsOwnEndsNopass) {
  UserSpec alice = spec("alice", "on nopass");
  alice.password = "p";
  EXPECT_EQ(built({alice})->authenticate("alice", "x"), nullptr);
}

TEST(UserTable, UsersKeepTheirUpstreamIdentity) {
  UserSpec alice = spec("alice", "on >p");
  alice.upstream = {.user = "up", .password = "up-secret"};
  const auto table = built({alice});
  const User* user = table->find("alice");
  ASSERT_NE(user, nullptr);
  EXPECT_EQ(user->upstream().user, "up");
  EXPECT_EQ(user->upstream().password, "up-secret");
}

TEST(UserTable, ErrorsNameThePlace) {
  UserSpec second = spec("bob", "on >x +nosuch");
  second.where = "auth.users[1]";
  EXPECT_EQ(error_of({spec("alice", "on >p"), second}),
            "auth.users[1].rules: Error in ACL SETUSER modifier '+nosuch': Unknown command or category name in ACL");
  second = spec("alice", "on >x");
  second.where = "auth.users[1]";
  EXPECT_EQ(error_of({spec("alice", "on >p"), second}), "auth.users[1].name: there is another user of this name");
  for (const std::string& name : std::vector<std::string>{"", "a b", "a\nb", std::string("a\0b", 3)}) {
    EXPECT_EQ(error_of({spec(name, "on >p")}), "auth.users[0].name: is empty or has a space in it");
  }
}

TEST(UserTable, AUserThatIsOnButCannotLogInIsAnError) {
  EXPECT_TRUE(error_of({spec("alice", "on +@all")}).starts_with("auth.users[0]: the user is on but has no password"));
  EXPECT_EQ(error_of({spec("alice", "off +@all")}), "no error");
  EXPECT_EQ(error_of({spec("alice", "on nopass")}), "no error");
}

}  // namespace
}  // namespace anteroom::access
