#include "resp/request_parser.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "base/read_buffer.hpp"
#include "unit/resp/parsed_lines.hpp"

namespace anteroom::resp {
namespace {

using namespace std::string_literals;

TEST(RequestParser, ArrayOfBulkStringsIsOneCommand) {
  EXPECT_EQ(parse(kPing), Lines{"PING"});
  EXPECT_EQ(parse("*2\r\n$3\r\nGET\r\n$5\r\nmykey\r\n"), Lines{"GET|mykey"});
  EXPECT_EQ(parse("*3\r\n$3\r\nSET\r\n$0\r\n\r\n$2\r\n\r\n\r\n"), Lines{"SET||\r\n"});
}

TEST(RequestParser, ArgumentsMayHoldAnyByte) {
  EXPECT_EQ(parse("*2\r\n$4\r\nECHO\r\n$7\r\n\0\r\n*$\xff\n\r\n"s), Lines{"ECHO|\0\r\n*$\xff\n"s});
}

TEST(RequestParser, PipelinedCommandsComeOutInOrder) {
  EXPECT_EQ(parse("*2\r\n$3\r\nGET\r\n$1\r\na\r\nGET b\r\n*2\r\n$3\r\nGET\r\n$1\r\nc\r\n"),
            (Lines{"GET|a", "~GET|b", "GET|c"}));
}

TEST(RequestParser, UnfinishedCommandIsNoCommand) {
  for (std::size_t size = 0; size < kPing.size(); ++size) EXPECT_EQ(parse(kPing.substr(0, size)).size(), 0U);
}

TEST(RequestParser, RawIsTheFrameWithoutWhatWasSkippedBeforeIt) {
  RequestParser parser;
  base::ReadBuffer in;
  Command command;
  in.append("*0\r\n\r\n*2\r\n$3\r\nGET\r\n$1\r\na\r\nGET b\r\n");

  ASSERT_EQ(parser.next(in, command), Step::kCommand);
  EXPECT_EQ(command.raw, "*2\r\n$3\r\nGET\r\n$1\r\na\r\n");
  ASSERT_EQ(parser.next(in, command), Step::kCommand);
  EXPECT_EQ(command.raw, "");
}

TEST(RequestParser, ArgumentsAreSlicesOfTheBufferAndOutliveItsConsumption) {
  RequestParser parser;
  base::ReadBuffer in;
  Command command;
  in.append("*2\r\n$3\r\nGET\r\n$1\r\na\r\n");
  const char* const begin = in.readable().data();

  ASSERT_EQ(parser.next(in, command), Step::kCommand);

  EXPECT_TRUE(in.empty());
  EXPECT_EQ(command.args[0].data(), begin + 8);
  EXPECT_EQ(command.args[1], "a");
  EXPECT_EQ(command.raw.data(), begin);
}

TEST(RequestParser, NeedMoreLeavesTheUnfinishedCommandInTheBuffer) {
  RequestParser parser;
  base::ReadBuffer in;
  Command command;
  in.append("*0\r\n*2\r\n$3\r\nGET\r\n$1");

  EXPECT_EQ(parser.next(in, command), Step::kNeedMore);
  EXPECT_EQ(in.readable(), "*2\r\n$3\r\nGET\r\n$1");
}

TEST(RequestParser, EmptyRequestsAreSkipped) {
  for (const std::string_view nothing :
       {"*0\r\n", "*-1\r\n", "*-5\r\n", "*-9223372036854775808\r\n", "\r\n", "\n", "  \t\v\f\r\n"}) {
    EXPECT_EQ(parse(std::string(nothing) += kPing), Lines{"PING"}) << nothing;
  }
}

// The answers of redis-server 7.0.15 to the same bytes, each on a connection of its own.
TEST(RequestParser, MalformedArrayGetsRedissOwnErrorText) {
  const std::vector<std::pair<std::string, std::string_view>> cases{
      {"*x\r\n", "invalid multibulk length"},
      {"*\r\n", "invalid multibulk length"},
      {"*-0\r\n", "invalid multibulk length"},
      {"*+1\r\n", "invalid multibulk length"},
      {"*01\r\n", "invalid multibulk length"},
      {"* 1\r\n", "invalid multibulk length"},
      {"*1 \r\n", "invalid multibulk length"},
      {"*1.0\r\n", "invalid multibulk length"},
      {"*1\n$4\nPING\r\n", "invalid multibulk length"},
      {"*2147483648\r\n", "invalid multibulk length"},
      {"*9223372036854775808\r\n", "invalid multibulk length"},
      {"*-9223372036854775809\r\n", "invalid multibulk length"},
      {"*" + std::string(40, '1') + "\r\n", "invalid multibulk length"},
      {"*1\r\n$\r\n", "invalid bulk length"},
      {"*1\r\n$-1\r\n", "invalid bulk length"},
      {"*1\r\n$-0\r\n", "invalid bulk length"},
      {"*1\r\n$x\r\n", "invalid bulk length"},
      {"*1\r\n$+4\r\nPING\r\n", "invalid bulk length"},
      {"*1\r\n$04\r\nPING\r\n", "invalid bulk length"},
      {"*1\r\n$4\nPING\r\n", "invalid bulk length"},
      {"*1\r\n$536870913\r\n", "invalid bulk length"},
      {"*1\r\n$9223372036854775808\r\n", "invalid bulk length"},
      {"*1\r\n:4\r\n", "expected '$', got ':'"},
      {"*1\r\nPING\r\n", "expected '$', got 'P'"},
      {"*1\r\n\r\n", "expected '$', got ' '"},
      {"*1\r\n\n\r\n", "expected '$', got ' '"},
      {"*1\r\n\x01\r\n", "expected '$', got '\x01'"},
      {"*1\r\n\xff\r\n", "expected '$', got '\xff'"},
      {"*2\r\n$4\r\nECHO\r\n*1\r\n", "expected '$', got '*'"},
  };
  for (const auto& [input, text] : cases) EXPECT_EQ(parse(input), protocol_error(text)) << input;
}

TEST(RequestParser, LargestLengthsThatRedisTakesAreTaken) {
  for (const std::string_view input : {"*2147483647\r\n", "*1\r\n$536870912\r\n", "*2147483647\r\n$536870912\r\n"}) {
    EXPECT_EQ(parse(input), Lines{}) << input;
  }
}

TEST(RequestParser, CommandsBeforeAnErrorAreStillGivenOut) {
  EXPECT_EQ(parse(std::string(kPing) + "*x\r\n"), (Lines{"PING", "!ERR Protocol error: invalid multibulk length"}));
}

TEST(RequestParser, ErrorIsSticky) {
  RequestParser parser;
  base::ReadBuffer in;
  Command command;
  in.append("*x\r\n");
  EXPECT_EQ(parser.next(in, command), Step::kError);

  in.append(kPing);

  EXPECT_EQ(parser.next(in, command), Step::kError);
  EXPECT_EQ(parser.error(), "ERR Protocol error: invalid multibulk length");
}

// Whole commands with short headers are read in one go, all others header by header.
TEST(RequestParser, WholeCommandsAreReadLikeThoseThatComeInPieces) {
  const auto command = [](std::size_t args, std::size_t size) {
    std::string out = "*" + std::to_string(args) + "\r\n";
    for (std::size_t i = 0; i < args; ++i) {
      out += "$" + std::to_string(size) + "\r\n" + std::string(size, '1') + "\r\n";
    }
    return out;
  };
  for (const std::size_t args : {1U, 9U, 10U, 63U, 64U, 65U, 100U}) {
    for (const std::size_t size : {0U, 1U, 9U, 10U, 99U, 100U, 999U, 1000U, 9999U, 10000U}) {
      const std::string input = command(args, size) + std::string(kPing) + command(args, size);
      const Lines whole = parse_pieces({input}, {});
      ASSERT_EQ(whole.size(), 3U) << args << ' ' << size;
      EXPECT_EQ(whole, parse_pieces(test::byte_by_byte(input), {})) << args << ' ' << size;

      const Limits exact{.args_max = static_cast<std::int64_t>(args),
                         .bulk_bytes_max = static_cast<std::int64_t>(size)};
      EXPECT_EQ(parse_pieces({command(args, size)}, exact).size(), 1U);
      EXPECT_EQ(parse_pieces({command(args + 1, size)}, exact), protocol_error("invalid multibulk length"));
      EXPECT_EQ(parse_pieces({command(args, size + 1)}, exact), protocol_error("invalid bulk length"));
    }
  }
}

// Redis looks neither at the byte behind a '\r' nor at the two behind an argument. Such a frame is understood as Redis
// understands it, but never forwarded as it is.
TEST(RequestParser, SloppyLineEndsAreReadLikeRedisAndNotForwarded) {
  EXPECT_EQ(parse("*1\r\n$4\r\nPINGxx*1\r\n$4\r\nPING\r\n"), (Lines{"~PING", "PING"}));
  EXPECT_EQ(parse("*1\rx$4\r\nPING\r\n"), Lines{"~PING"});
  EXPECT_EQ(parse("*1\r\n$4\rxPING\r\n"), Lines{"~PING"});
  EXPECT_EQ(parse("*1\r\n$4\r\nPING\n\n"), Lines{"~PING"});
  EXPECT_EQ(parse("*1\r\n$4\r\nPING\r\r"), Lines{"~PING"});
}

TEST(RequestParser, StrangersMayNotSendMuch) {
  const Limits limits = Limits::unauthenticated();
  std::string ten = "*10\r\n";
  for (int i = 0; i < 10; ++i) ten += "$1\r\nx\r\n";
  EXPECT_EQ(parse(ten, limits), Lines{"x|x|x|x|x|x|x|x|x|x"});
  EXPECT_EQ(parse("*11\r\n", limits), protocol_error("unauthenticated multibulk length"));
  EXPECT_EQ(parse("*1\r\n$16384\r\n", limits), Lines{});
  EXPECT_EQ(parse("*1\r\n$16385\r\n", limits), protocol_error("unauthenticated bulk length"));
  EXPECT_EQ(parse("*2147483648\r\n", limits), protocol_error("invalid multibulk length"));
  EXPECT_EQ(parse("*1\r\n$536870913\r\n", limits), protocol_error("invalid bulk length"));
}

TEST(RequestParser, NewLimitsHoldFromTheNextLine) {
  RequestParser parser(Limits::unauthenticated());
  base::ReadBuffer in;
  Command command;
  in.append("*2\r\n$1\r\na\r\n");
  EXPECT_EQ(parser.next(in, command), Step::kNeedMore);

  parser.set_limits({});
  in.append("$16385\r\n");

  EXPECT_EQ(parser.next(in, command), Step::kNeedMore);
  EXPECT_EQ(parser.missing_bytes(), 16387U);
}

TEST(RequestParser, OwnLimitsReplaceRedissDefaults) {
  const Limits limits{.inline_bytes_max = 64, .args_max = 2, .bulk_bytes_max = 3};
  EXPECT_EQ(parse("*2\r\n$3\r\nGET\r\n$3\r\nabc\r\n", limits), Lines{"GET|abc"});
  EXPECT_EQ(parse("*3\r\n", limits), protocol_error("invalid multibulk length"));
  EXPECT_EQ(parse("*1\r\n$4\r\n", limits), protocol_error("invalid bulk length"));
}

TEST(RequestParser, CommandAboveTheQueryBufferLimitIsRefusedBeforeItIsHeld) {
  const std::string exact = "*2\r\n$3\r\nGET\r\n$3\r\nabc\r\n";
  EXPECT_EQ(parse(exact, {.command_bytes_max = exact.size()}), Lines{"GET|abc"});
  EXPECT_EQ(parse(exact, {.command_bytes_max = exact.size() - 1}), protocol_error("too big request"));
}

// Measured on redis-server 7.0.15: 65536 bytes without a line end wait, 65537 do not.
TEST(RequestParser, EndlessLineIsRefusedAtRedissLimit) {
  const std::size_t limit = 64 * 1024;
  const std::vector<std::pair<std::string, std::string_view>> cases{
      {"", "too big inline request"},
      {"*", "too big mbulk count string"},
      {"*1\r\n", "too big bulk count string"},
      {"*1\r\n$", "too big bulk count string"},
      {"*2\r\n$4\r\nECHO\r\n$", "too big bulk count string"},
  };
  for (const auto& [start, text] : cases) {
    const std::size_t line = start.rfind('\n') == std::string::npos ? 0 : start.rfind('\n') + 1;
    std::string input = start + std::string(limit - (start.size() - line), '1');
    EXPECT_EQ(parse_pieces({input}, {}), Lines{}) << start;
    input += '1';
    EXPECT_EQ(parse_pieces({input}, {}), protocol_error(text)) << start;
    EXPECT_EQ(parse_pieces(test::byte_by_byte(input), {}), protocol_error(text)) << start;
  }
}

TEST(RequestParser, LineLimitDoesNotDependOnTheCut) {
  const Limits limits{.inline_bytes_max = 8};
  EXPECT_EQ(parse("12345678\n", limits), Lines{"~12345678"});
  EXPECT_EQ(parse("123456789\n", limits), protocol_error("too big inline request"));
  EXPECT_EQ(parse("*12345678\r\n", limits), protocol_error("too big mbulk count string"));
  EXPECT_EQ(parse("*1\r\n$12345678\r\n", limits), protocol_error("too big bulk count string"));
}

// Redis searches line ends with strchr, so a NUL hides them until the line is too long.
TEST(RequestParser, NulInALineHidesItsEndAsInRedis) {
  const Limits limits{.inline_bytes_max = 32};
  EXPECT_EQ(parse("EC\0HO a\nPING\n"s, limits), Lines{});
  EXPECT_EQ(parse("*\0\r\n"s + std::string(kPing), limits), Lines{});
  EXPECT_EQ(parse("*1\r\n\0\r\n"s, limits), Lines{});
  EXPECT_EQ(parse("\0"s + std::string(40, '\n'), limits), protocol_error("too big inline request"));
  EXPECT_EQ(parse("*\0"s + std::string(40, '\r'), limits), protocol_error("too big mbulk count string"));
  EXPECT_EQ(parse("*1\r\n$\0"s + std::string(40, '\r'), limits), protocol_error("too big bulk count string"));
}

TEST(RequestParser, MissingBytesTellsWhatALargeArgumentNeeds) {
  RequestParser parser;
  base::ReadBuffer in;
  Command command;
  in.append("*2\r\n$3\r\nGET\r\n$1000");
  EXPECT_EQ(parser.next(in, command), Step::kNeedMore);
  EXPECT_EQ(parser.missing_bytes(), 1U);

  in.append("\r\n12345");

  EXPECT_EQ(parser.next(in, command), Step::kNeedMore);
  EXPECT_EQ(parser.missing_bytes(), 997U);
}

TEST(RequestParser, MissingBytesAreExactForTheLastArgument) {
  RequestParser parser;
  base::ReadBuffer in;
  Command command;
  in.append("*1\r\n$4\r\n");
  ASSERT_EQ(parser.next(in, command), Step::kNeedMore);
  in.append(std::string(parser.missing_bytes() - 1, 'x'));
  EXPECT_EQ(parser.next(in, command), Step::kNeedMore);
  in.append("\n");
  EXPECT_EQ(parser.next(in, command), Step::kCommand);
}

TEST(RequestParser, BufferMayMoveInTheMiddleOfACommand) {
  RequestParser parser;
  base::ReadBuffer in;
  Command command;
  in.append("*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$100000\r\n");
  ASSERT_EQ(parser.next(in, command), Step::kNeedMore);
  const char* const before = in.readable().data();

  in.append(std::string(100000, 'v') + "\r\n");

  ASSERT_NE(in.readable().data(), before);
  ASSERT_EQ(parser.next(in, command), Step::kCommand);
  EXPECT_EQ(command.args[1], "key");
  EXPECT_EQ(command.args[2], std::string(100000, 'v'));
}

/// Overwrites what a parser has been shown and has no reason to look at again; the newest `kept` bytes stay.
void scribble(const base::ReadBuffer& in, char ink, std::size_t kept) {
  const std::string_view shown = in.readable();
  if (shown.size() > kept) std::memset(const_cast<char*>(shown.data()), ink, shown.size() - kept);
}

// Counts without a clock: a parser that looked at a byte again would see the scribble and stop, fail or answer early.
TEST(RequestParser, LengthsAndLineEndsAreNeverLookedAtAgain) {
  for (const char ink : {'\r', '\n', '\0', '"', '9'}) {
    RequestParser parser;
    base::ReadBuffer in;
    Command command;
    const std::string_view input = "*3\r\n$3\r\nSET\r\n$11\r\nkey\r\n$5\r\n*9\r\n$2\r\nxy\r\n";
    for (const char c : input) {
      EXPECT_EQ(parser.next(in, command), Step::kNeedMore);
      // A line is read when its end is there: its own bytes are needed until then ("$11\r", the longest).
      scribble(in, ink, 4);
      in.append({&c, 1});
    }
    ASSERT_EQ(parser.next(in, command), Step::kCommand) << int{ink};
    ASSERT_EQ(command.args.size(), 3U);
    EXPECT_EQ(command.args[1].size(), 11U);
    EXPECT_TRUE(in.empty());
  }
}

TEST(RequestParser, InlineLineEndIsNeverSearchedAgain) {
  RequestParser parser;
  base::ReadBuffer in;
  Command command;
  for (int i = 0; i < 1000; ++i) {
    in.append("x");
    ASSERT_EQ(parser.next(in, command), Step::kNeedMore);
    scribble(in, '\n', 0);
  }
  in.append("PING\n");

  ASSERT_EQ(parser.next(in, command), Step::kCommand);
  EXPECT_EQ(command.args[0], "PING");
  EXPECT_EQ(parser.next(in, command), Step::kNeedMore);
  EXPECT_TRUE(in.empty());
}

TEST(RequestParser, ManyArgumentsAreOneCommand) {
  constexpr int kArgs = 100'000;
  std::string input = "*" + std::to_string(kArgs) + "\r\n";
  for (int i = 0; i < kArgs; ++i) input += "$1\r\na\r\n";
  RequestParser parser;
  base::ReadBuffer in;
  Command command;
  for (std::size_t at = 0; at < input.size(); at += 1000) {
    ASSERT_EQ(parser.next(in, command), Step::kNeedMore);
    in.append(std::string_view(input).substr(at, 1000));
  }

  ASSERT_EQ(parser.next(in, command), Step::kCommand);
  EXPECT_EQ(command.args.size(), static_cast<std::size_t>(kArgs));
  EXPECT_TRUE(std::ranges::all_of(command.args, [](std::string_view arg) { return arg == "a"; }));
  in.append(kPing);
  ASSERT_EQ(parser.next(in, command), Step::kCommand);
  EXPECT_EQ(describe(command), "PING");
}

}  // namespace
}  // namespace anteroom::resp
