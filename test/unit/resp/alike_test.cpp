// What the parser says of commands that are spelled like the one before them.
#include <gtest/gtest.h>

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "base/read_buffer.hpp"
#include "resp/request_parser.hpp"
#include "resp/writer.hpp"

namespace anteroom::resp {
namespace {

using Words = std::vector<std::string_view>;

std::string encoded(const std::vector<Words>& commands) {
  std::string bytes;
  for (const Words& words : commands) append_command(bytes, words);
  return bytes;
}

class Alike : public testing::Test {
 protected:
  /// The next command, which is whole.
  const Command& next() {
    EXPECT_EQ(parser_.next(in_, command_), Step::kCommand);
    return command_;
  }
  /// Of each of these commands, whether it is alike.
  std::vector<bool> alike(const std::string& bytes) {
    in_.append(bytes);
    std::vector<bool> all;
    while (parser_.next(in_, command_) == Step::kCommand) all.push_back(command_.is_alike);
    return all;
  }
  std::vector<std::string_view> peek(std::string_view& bytes, std::size_t count = 8) {
    std::vector<std::string_view> arguments(count);
    arguments.resize(parser_.peek_alike(bytes, arguments));
    return arguments;
  }

  RequestParser parser_;
  base::ReadBuffer in_;
  Command command_;
};

TEST_F(Alike, SameNameWithAsManyArguments) {
  EXPECT_EQ(alike(encoded({{"GET", "a"}, {"GET", ""}, {"GET", "other"}})), (std::vector{false, true, true}));
  EXPECT_EQ(alike(encoded({{"GET", "in the next read"}})), std::vector{true});
}

TEST_F(Alike, OtherNamesSpellingsAndNumbersOfArgumentsAreNot) {
  const std::string all = encoded({{"GET", "a"}, {"SET", "a"}, {"set", "a"}, {"set", "a", "b"}, {"sets", "a", "b"}});
  EXPECT_EQ(alike(all), (std::vector{false, false, false, false, false}));
}

TEST_F(Alike, CommandIsReadAsIfItStoodAlone) {
  in_.append(encoded({{"SET", "a", "1"}, {"SET", "b", "2"}}));
  next();
  const Command& second = next();

  EXPECT_TRUE(second.is_alike);
  EXPECT_EQ(Words(second.args.begin(), second.args.end()), (Words{"SET", "b", "2"}));
  EXPECT_EQ(second.raw, encoded({{"SET", "b", "2"}}));
}

TEST_F(Alike, WhatIsTakenAsAlikeIsWhatWouldHaveBeenRead) {
  const std::string bytes = encoded({{"GET", "a"}, {"GET", "other"}, {"GET", ""}, {"SET", "a"}});
  in_.append(bytes);
  next();
  std::string_view behind = in_.readable();
  const std::vector<std::string_view> arguments = peek(behind);
  ASSERT_EQ(arguments.size(), 2u);

  std::vector<Words> taken;
  std::string raw;
  for (const std::string_view argument : arguments) {
    parser_.take_alike(in_, argument, command_);
    EXPECT_TRUE(command_.is_alike);
    taken.emplace_back(command_.args.begin(), command_.args.end());
    raw += command_.raw;
  }

  EXPECT_EQ(taken, (std::vector<Words>{{"GET", "other"}, {"GET", ""}}));
  EXPECT_EQ(raw, encoded({{"GET", "other"}, {"GET", ""}}));
  EXPECT_EQ(next().raw, encoded({{"SET", "a"}}));
}

TEST_F(Alike, NamesOfAnyLengthAreReadRight) {
  const std::string letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
  for (std::size_t size = 0; size <= letters.size(); ++size) {
    const std::string_view name = std::string_view(letters).substr(0, size);
    for (int time = 0; time < 3; ++time) {
      in_.append(encoded({{name}}));
      ASSERT_EQ(next().args.size(), 1u);
      EXPECT_EQ(command_.args[0], name);
    }
    // It differs in one byte, wherever that is.
    for (std::size_t at = 0; at < size; ++at) {
      std::string other(name);
      other[at] = '!';
      in_.append(encoded({{name}, {other}}));
      next();
      EXPECT_EQ(next().args[0], other);
      EXPECT_FALSE(command_.is_alike);
    }
  }
}

TEST_F(Alike, NothingIsToACommandThatTheStatesHaveRead) {
  EXPECT_EQ(alike("GET a\r\n" + encoded({{"GET", "a"}})), (std::vector{false, false}));
  EXPECT_EQ(alike("*2\r\n$3\r\nGET..$1\r\na\r\n" + encoded({{"GET", "a"}})), (std::vector{false, false}));
}

TEST_F(Alike, CommandInPiecesIsNot) {
  const std::string get = encoded({{"GET", "a"}});
  EXPECT_EQ(alike(get + get.substr(0, 16)), std::vector{false});
  EXPECT_EQ(alike(get.substr(16) + get), (std::vector{false, false}));
}

TEST_F(Alike, NothingIsToACommandWhoseMemoryWasGivenBack) {
  const Words many(5000, "x");
  EXPECT_EQ(alike(encoded({many, {"GET", "a"}})), (std::vector{false, false}));
  EXPECT_EQ(alike(encoded({{"GET", "a"}, {"GET", "b"}})), (std::vector{false, true}));
}

// The memory of so many arguments is unmapped when it is given back.
TEST_F(Alike, MemoryOfAHugeCommandIsGivenBackByThePlainOneBehindIt) {
  in_.append(encoded({Words(500'000, "x"), {"BLPOP", "queue", "0"}}));
  const void* const huge = next().args.data();

  EXPECT_NE(next().args.data(), huge);
}

TEST_F(Alike, PeekGivesTheArgumentsAndTakesNothing) {
  in_.append(encoded({{"GET", "a"}, {"GET", "b"}, {"GET", ""}, {"GET", "long key"}}));
  next();
  std::string_view behind = in_.readable();

  EXPECT_EQ(peek(behind, 2), (Words{"b", ""}));
  EXPECT_EQ(behind, encoded({{"GET", "long key"}}));
  EXPECT_EQ(peek(behind), Words{"long key"});
  EXPECT_EQ(behind, "");

  EXPECT_EQ(next().args[1], "b");
}

TEST_F(Alike, PeekEndsBeforeWhatIsNotAlikeOrNotWhole) {
  const std::string get = encoded({{"GET", "key"}});
  const std::string others[] = {
      encoded({{"GET", "a", "b"}}),      encoded({{"TTL", "a"}}),         "GET a\r\n",
      "*2\r\n$3\r\nGET\r\n$+1\r\na\r\n", "*2\r\n$3\r\nGET\r\n$12345\r\n", "*2\r\n$3\r\nGET\r\n$1\r\na.."};
  for (const std::string& other : others) {
    in_ = {};
    in_.append(get + get + other);
    next();
    std::string_view behind = in_.readable();
    EXPECT_EQ(peek(behind), Words{"key"}) << other;
    EXPECT_EQ(behind, other);
  }
  for (std::size_t size = 0; size < get.size(); ++size) {
    std::string_view cut = std::string_view(get).substr(0, size);
    EXPECT_EQ(peek(cut), Words{}) << size;
    EXPECT_EQ(cut.size(), size);
  }
}

TEST_F(Alike, PeekLooksForCommandsOfOneArgumentOnly) {
  in_.append(encoded({{"SET", "a", "1"}, {"SET", "b", "2"}}));
  next();
  std::string_view behind = in_.readable();
  EXPECT_EQ(peek(behind), Words{});
}

TEST_F(Alike, PeekKeepsToNewLimits) {
  in_.append(encoded({{"GET", "a"}, {"GET", std::string(100, 'b')}}));
  next();
  parser_.set_limits({.bulk_bytes_max = 10});
  std::string_view behind = in_.readable();

  EXPECT_EQ(peek(behind), Words{});
  EXPECT_EQ(parser_.next(in_, command_), Step::kError);
}

}  // namespace
}  // namespace anteroom::resp
