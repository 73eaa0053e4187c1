// Malformed input: the same bytes are sent to redis-server and to the front-end; the reply and whether the connection
// is closed must be equal, and nobody else notices.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "support/rig.hpp"

namespace anteroom::test {
namespace {

using namespace std::string_literals;

struct Input {
  std::string name;
  std::string bytes;
  bool is_followed = true;  ///< by kLast, whose answer shows that the connection is open and still in step
};

const std::string kPing = "*1\r\n$4\r\nPING\r\n";
const std::string kLast = "*2\r\n$4\r\nECHO\r\n$6\r\nlast!!\r\n";
constexpr std::string_view kLastReply = "$6\r\nlast!!\r\n";

// NUL bytes in header lines are left out: redis-server does not look for line ends behind them and waits for more.
std::vector<Input> inputs() {
  return {
      {"CountIsNoNumber", "*abc\r\n"},
      {"CountIsEmpty", "*\r\n"},
      {"CountHasAPlus", "*+1\r\n$4\r\nPING\r\n"},
      {"CountHasALeadingZero", "*01\r\n$4\r\nPING\r\n"},
      {"CountHasALeadingSpace", "* 1\r\n$4\r\nPING\r\n"},
      {"CountHasATrailingSpace", "*1 \r\n$4\r\nPING\r\n"},
      {"CountIsAboveIntMax", "*2147483648\r\n"},
      {"CountOverflows64Bits", "*99999999999999999999\r\n"},
      {"CountIsBelowInt64", "*-99999999999999999999\r\n"},
      {"CountIsZero", "*0\r\n"},
      {"CountIsMinusOne", "*-1\r\n"},
      {"CountIsMinusFive", "*-5\r\n"},
      {"CountIsAFraction", "*1.5\r\n$4\r\nPING\r\n"},
      {"CountLineEndsWithLfOnly", "*1\n$4\r\nPING\r\n", false},
      {"CountLineIsTooLong", "*" + std::string(70'000, '1'), false},
      {"BulkLineIsTooLong", "*1\r\n$" + std::string(70'000, '1'), false},
      {"BulkHeaderIsALetter", "*1\r\nabc\r\n"},
      {"BulkHeaderIsAnInteger", "*1\r\n:5\r\n"},
      {"BulkHeaderIsAnArray", "*1\r\n*1\r\n"},
      {"BulkHeaderIsAStatus", "*1\r\n+OK\r\n"},
      {"BulkHeaderIsEmpty", "*1\r\n\r\n"},
      {"BulkHeaderIsAControlByte",
       "*1\r\n\x01"
       "5\r\n"},
      {"BulkHeaderIsAHighByte",
       "*1\r\n\xff"
       "5\r\n"},
      {"SecondBulkHeaderIsBad", "*2\r\n$3\r\nGET\r\nx\r\n"},
      {"LengthIsNoNumber", "*1\r\n$abc\r\n"},
      {"LengthIsEmpty", "*1\r\n$\r\n"},
      {"LengthIsMinusOne", "*1\r\n$-1\r\n"},
      {"LengthIsMinusFive", "*2\r\n$4\r\nECHO\r\n$-5\r\n"},
      {"LengthIsAboveTheLimit", "*1\r\n$536870913\r\n"},
      {"LengthOverflows64Bits", "*1\r\n$99999999999999999999\r\n"},
      {"LengthHasAPlus", "*1\r\n$+4\r\nPING\r\n"},
      {"LengthHasALeadingZero", "*1\r\n$04\r\nPING\r\n"},
      {"LengthHasASpace", "*1\r\n$4 \r\nPING\r\n"},
      {"BulkIsNotFollowedByCrLf", "*1\r\n$4\r\nPINGxy"},
      {"BulkIsLongerThanItsLength", "*2\r\n$4\r\nECHO\r\n$2\r\nabcd*1\r\n$4\r\nPING\r\n"},
      {"BulkIsShorterThanItsLength", "*2\r\n$4\r\nECHO\r\n$6\r\nab\r\nxx\r\n"},
      {"EmptyLines", "\r\n\r\n\n\r\n"},
      {"EmptyCommandName", "*1\r\n$0\r\n\r\n"},
      {"GoodThenBad", "*1\r\n$4\r\nPING\r\n*x\r\n"},
      {"ManyGoodThenBad", kPing + kPing + "*2\r\n$4\r\nECHO\r\n$1\r\nx\r\n*1\r\n$-9\r\n"},
      {"ForwardedThenBad", "*2\r\n$6\r\nSTRLEN\r\n$4\r\nnone\r\n*1\r\n!\r\n"},
      {"MissThenBad", "*2\r\n$3\r\nGET\r\n$4\r\nnone\r\n*1\r\n!\r\n"},
      {"InlineUnbalancedDoubleQuote", "GET \"abc\r\n"},
      {"InlineUnbalancedSingleQuote", "GET 'abc\r\n"},
      {"InlineTextAfterQuote", "GET \"a\"b\r\n"},
      {"InlineQuoteInsideAWord", "ECHO a\"b\r\n"},
      {"InlineBadHexEscape", "ECHO \"\\xZZ\"\r\n"},
      {"InlineEscapes", "ECHO \"\\x41\\n\\t\\\\\\\"\"\r\n"},
      {"InlineSingleQuoteEscape", "ECHO 'it\\'s'\r\n"},
      {"InlineTabsAndSpaces", " \t PING \t \r\n"},
      {"InlineLfOnly", "PING\n"},
      {"InlineOnlySpaces", "   \r\n"},
      {"InlineUnknown", "+OK\r\n"},
      {"InlineBulkOutsideOfAnArray", "$3\r\nfoo\r\n"},
      {"InlineIsTooLong", std::string(65'800, 'a'), false},
      {"InlineHighBytes", "\xff\xfe\xfd\r\n"},
      {"InlineCarriageReturnInside", "ECHO a\rb\r\n"},
      {"Resp3MapAsCommand", "%1\r\n$4\r\nPING\r\n$1\r\nx\r\n"},
      {"LongArrayOfTooManyThenBad", "*3\r\n$4\r\nECHO\r\n$1\r\na\r\n$z\r\n"},
  };
}

class BadInput : public SharedRig<BadInput>, public testing::WithParamInterface<std::tuple<Transport, Input>> {
 public:
  static Rig::Options rig_options() { return {}; }

 protected:
  static void SetUpTestSuite() {
    reference_ = std::make_unique<RedisServer>();
    reference_->start();
  }
  static void TearDownTestSuite() {
    reference_.reset();
    SharedRig::TearDownTestSuite();
  }
  void SetUp() override { use(std::get<0>(GetParam())); }

  static inline std::unique_ptr<RedisServer> reference_;
};

std::ostream& operator<<(std::ostream& out, const Input& input) { return out << escaped(input.bytes, 60); }

INSTANTIATE_TEST_SUITE_P(Of, BadInput, testing::Combine(kBothTransports, testing::ValuesIn(inputs())),
                         case_name<Input>);

TEST_P(BadInput, IsAnsweredAndClosedLikeTheServerDoesAndHarmsNobody) {
  const Input& input = std::get<1>(GetParam());
  const std::string bytes = input.bytes + (input.is_followed ? kLast : "");
  RespClient bystander = client();
  const std::string key = unique_key();
  bystander.ask("SET", key, "v");
  RespClient to_reference = reference_->connect();
  to_reference.send_raw(bytes);
  const RespClient::Rest expected = to_reference.read_rest(kLastReply);
  ASSERT_FALSE(expected.bytes.ends_with("<timeout>")) << "the case says nothing: " << escaped(expected.bytes);

  RespClient user = client();
  user.send_raw(bytes);
  const RespClient::Rest actual = user.read_rest(kLastReply);

  EXPECT_EQ(escaped(actual.bytes), escaped(expected.bytes));
  EXPECT_EQ(actual.is_closed, expected.is_closed);
  EXPECT_EQ(bystander.ask("GET", key), bulk("v"));
  EXPECT_EQ(bystander.ask("STRLEN", key), integer(1));
}

class HostileInput : public SharedRigTest<HostileInput> {};

INSTANTIATE_TEST_SUITE_P(Over, HostileInput, kBothTransports, transport_name);

TEST_P(HostileInput, AnHttpRequestDoesNotCostOtherClientsTheirReplies) {
  // redis-server closes the connection that sends POST or Host:. On a shared link that would hit every session.
  const std::string key = unique_key();
  RespClient bystander = client();
  for (const char* request :
       {"POST / HTTP/1.1\r\nHost: localhost\r\n\r\n", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "host: x\r\n"}) {
    RespClient intruder = client();
    intruder.send_raw(request);
    for (int i = 0; i < 20; ++i) ASSERT_FALSE(bystander.ask("INCR", key).is_error()) << request;
    (void)intruder.has_input(kPatience);
  }
  EXPECT_EQ(bystander.ask("GET", key), bulk("60"));
}

TEST_P(HostileInput, AnHttpRequestInATransactionEndsItWithoutAWord) {
  const std::string key = unique_key();
  RespClient intruder = client();
  ASSERT_EQ(intruder.ask("MULTI"), kOk);
  intruder.send_raw(encode({"SET", key, "x"}) + "POST / HTTP/1.1\r\n");
  std::string all;
  while (intruder.has_input(kPatience) && !intruder.is_closed_by_peer()) all += intruder.read().raw;
  EXPECT_TRUE(all.empty() || all == "+QUEUED\r\n") << all;
  EXPECT_EQ(client().ask("EXISTS", key), integer(0));
}

TEST_P(HostileInput, AHugeArgumentThatIsAnnouncedButNotSentCostsNoMemory) {
  const auto resident_kilobytes = [&] {
    const std::string status = read_file("/proc/" + std::to_string(front().process().pid()) + "/status");
    const std::size_t at = status.find("VmRSS:");
    return at == std::string::npos ? 0L : std::stol(status.substr(at + 6));
  };
  const long before = resident_kilobytes();
  std::vector<RespClient> idlers;
  for (int i = 0; i < 20; ++i) {
    idlers.push_back(client());
    idlers.back().send_raw("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$500000000\r\nabc");
  }
  EXPECT_TRUE(eventually([&] { return bytes_not_read_by_server(idlers) == 0; }));
  EXPECT_EQ(client().ask("PING"), kPong);
  EXPECT_LT(resident_kilobytes() - before, 300'000);
}

TEST_P(HostileInput, RandomBytesNeverStopTheFrontEnd) {
  const std::string key = unique_key();
  RespClient bystander = client();
  std::string alphabet = "*$:+-0123456789\r\n abcGETPING\"'\\x";
  unsigned state = 12345;
  for (int i = 0; i < 200; ++i) {
    std::string junk;
    for (int j = 0; j < 200; ++j) {
      state = state * 1'103'515'245U + 12'345U;
      junk += alphabet[(state >> 16) % alphabet.size()];
    }
    RespClient user = client();
    user.send_raw(junk);
    if (i % 20 == 0) {
      ASSERT_FALSE(bystander.ask("INCR", key).is_error());
    }
  }
  EXPECT_EQ(bystander.ask("GET", key), bulk("10"));
}

}  // namespace
}  // namespace anteroom::test
