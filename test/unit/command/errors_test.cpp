// Expected texts are what redis-server 7.0.15 answered.
#include <gtest/gtest.h>

#include <initializer_list>
#include <string>

#include "command/table.hpp"

namespace anteroom::command {
namespace {

using namespace std::string_view_literals;

std::string unknown(std::initializer_list<std::string_view> args) {
  return unknown_command_error({args.begin(), args.size()});
}

std::string unknown_subcommand(std::initializer_list<std::string_view> args) {
  return unknown_subcommand_error({args.begin(), args.size()});
}

std::string wrong_arity(std::string_view name) {
  static const Table table = Table::build().value();
  return wrong_arity_error(*table.find_name(name));
}

TEST(CommandErrors, UnknownCommandShowsNameAndArgumentsAsSent) {
  EXPECT_EQ(unknown({"foo"}), "ERR unknown command 'foo', with args beginning with: ");
  EXPECT_EQ(unknown({"Foo", "bar"}), "ERR unknown command 'Foo', with args beginning with: 'bar' ");
  EXPECT_EQ(unknown({"foo", "a", "", "b c"}), "ERR unknown command 'foo', with args beginning with: 'a' '' 'b c' ");
  EXPECT_EQ(unknown({"", "x"}), "ERR unknown command '', with args beginning with: 'x' ");
}

TEST(CommandErrors, LongNamesAndArgumentsAreCutAt128Bytes) {
  const std::string x(200, 'x');
  const std::string y(126, 'y');

  EXPECT_EQ(unknown({x}), "ERR unknown command '" + x.substr(0, 128) + "', with args beginning with: ");
  EXPECT_EQ(unknown({"foo", x, "more"}),
            "ERR unknown command 'foo', with args beginning with: '" + x.substr(0, 128) + "' ");
  EXPECT_EQ(unknown({"foo", "ab", x, "more"}),
            "ERR unknown command 'foo', with args beginning with: 'ab' '" + x.substr(0, 123) + "' ");
  EXPECT_EQ(unknown({"foo", y, "more"}), "ERR unknown command 'foo', with args beginning with: '" + y + "' ");
  EXPECT_EQ(unknown({"foo", std::string_view(y).substr(2), "more", "z"}),
            "ERR unknown command 'foo', with args beginning with: '" + y.substr(2) + "' 'm' ");
}

TEST(CommandErrors, LineEndsBecomeSpacesAndNulEndsAnArgument) {
  EXPECT_EQ(unknown({"f\r\n12", "a\nb"}), "ERR unknown command 'f  12', with args beginning with: 'a b' ");
  EXPECT_EQ(unknown({"f\0oo"sv, "a\0b"sv, "c"}), "ERR unknown command 'f', with args beginning with: 'a' 'c' ");
  EXPECT_EQ(unknown_subcommand({"config", "a\r\nb\0c"sv}), "ERR unknown subcommand 'a  b'. Try CONFIG HELP.");
}

TEST(CommandErrors, UnknownSubcommandNamesTheContainerInUpperCase) {
  EXPECT_EQ(unknown_subcommand({"config", "x"}), "ERR unknown subcommand 'x'. Try CONFIG HELP.");
  EXPECT_EQ(unknown_subcommand({"ObjEct", "X", "k"}), "ERR unknown subcommand 'X'. Try OBJECT HELP.");
  const std::string long_name(200, 'x');
  EXPECT_EQ(unknown_subcommand({"acl", long_name}),
            "ERR unknown subcommand '" + long_name.substr(0, 128) + "'. Try ACL HELP.");
}

TEST(CommandErrors, WrongArityNamesTheCommandInLowerCase) {
  EXPECT_EQ(wrong_arity("get"), "ERR wrong number of arguments for 'get' command");
  EXPECT_EQ(wrong_arity("config|get"), "ERR wrong number of arguments for 'config|get' command");
  EXPECT_EQ(wrong_arity("config"), "ERR wrong number of arguments for 'config' command");
}

TEST(CommandErrors, WrongArityOfExecEndsTheTransaction) {
  EXPECT_EQ(wrong_arity("exec"),
            "EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command");
}

}  // namespace
}  // namespace anteroom::command
