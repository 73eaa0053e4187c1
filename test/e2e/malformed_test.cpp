// Malformed input in families: every element of the protocol with every kind of damage, in every state of a connection.
// The answer and whether the connection is closed must be those of redis-server, which is asked when the test runs.
#include <gtest/gtest.h>

#include <cstddef>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "support/rig.hpp"

namespace anteroom::test {
namespace {

using namespace std::string_literals;

const std::string kPing = "*1\r\n$4\r\nPING\r\n";
const std::string kLast = "*2\r\n$4\r\nECHO\r\n$6\r\nlast!!\r\n";
constexpr std::string_view kLastReply = "$6\r\nlast!!\r\n";

/// Bytes that end in one of two ways: with kLast, whose answer shows that the connection is open and in step; or, when
/// they leave the server waiting for more, with the end of the stream.
struct Malformed {
  std::string bytes;
  bool is_followed = true;
};

struct Family {
  std::string name;
  std::vector<Malformed> inputs;
};

/// What may stand where a number is expected, none of it that number.
std::vector<std::string> bad_numbers() {
  return {"",
          "-",
          "+",
          "-2",
          "-10",
          "+1",
          "00",
          "01",
          " 1",
          "1 ",
          "\t1",
          "1.0",
          "1e1",
          "0x1",
          "x",
          "1x",
          "--1",
          "2147483648",
          "-2147483649",
          "4294967297",
          "536870913",
          "9223372036854775807",
          "9223372036854775808",
          "-9223372036854775808",
          "-9223372036854775809",
          "18446744073709551617",
          "123456789012345678901234567890",
          "\xff",
          "\x01",
          "1\n",
          "1\n1",
          "1\x7f"};
}

Family counts() {
  Family family{.name = "Counts", .inputs = {}};
  for (const std::string& number : bad_numbers()) family.inputs.push_back({"*" + number + "\r\n"});
  // As if the number was meant: the arguments follow.
  for (const char* number : {"+1", "01", " 1", "1 ", "1.0", "1x", "0", "-1", "-5"}) {
    family.inputs.push_back({"*" + std::string(number) + "\r\n$4\r\nPING\r\n"});
  }
  return family;
}

Family lengths() {
  Family family{.name = "Lengths", .inputs = {}};
  for (const std::string& number : bad_numbers()) {
    family.inputs.push_back({"*1\r\n$" + number + "\r\n"});
    family.inputs.push_back({"*2\r\n$4\r\nECHO\r\n$" + number + "\r\nx\r\n"});
  }
  return family;
}

/// The server searches a line's end no further than to a NUL, and so waits for more.
Family nul_bytes() {
  return {"NulBytes",
          {{"*\0\r\n"s, false},
           {"*1\0\r\n"s, false},
           {"*1\r\n$\0\r\n"s, false},
           {"*1\r\n$4\0\r\nPING\r\n"s, false},
           {"*\0"s + "1\r\n", false},
           {"PING\0\r\n"s, false},
           {"\0"s, false},
           {"\0\r\n"s, false},
           {"\0PING\r\n"s, false},
           {"*2\r\n$4\r\nECHO\r\n$1\r\n\0\r\n"s},
           {"*1\r\n$4\r\nP\0NG\r\n"s},
           {"*1\r\n$1\r\n\0\r\n"s}}};
}

Family type_bytes() {
  Family family{.name = "TypeBytes", .inputs = {}};
  for (const char type : std::string("+-:,#_(!=%~>|*.;?0aZ \t\x01\x7f\x80\xff")) {
    family.inputs.push_back({"*1\r\n"s + type + "4\r\nPING\r\n"});
    family.inputs.push_back({"*2\r\n$4\r\nECHO\r\n"s + type + "1\r\nx\r\n"});
  }
  return family;
}

/// Types of RESP3, and replies of RESP2, where a request is expected. To the server these are words of an inline one.
Family other_types() {
  Family family{.name = "OtherTypes", .inputs = {}};
  for (const char* text : {"+OK\r\n",
                           "-ERR x\r\n",
                           ":1\r\n",
                           "$4\r\nPING\r\n",
                           "$-1\r\n",
                           "_\r\n",
                           "#t\r\n",
                           "#f\r\n",
                           ",1.5\r\n",
                           ",inf\r\n",
                           "(12345678901234567890\r\n",
                           "!5\r\nERR x\r\n",
                           "=8\r\ntxt:PING\r\n",
                           "%1\r\n$4\r\nPING\r\n$1\r\nx\r\n",
                           "~1\r\n$4\r\nPING\r\n",
                           ">1\r\n$4\r\nPING\r\n",
                           "|1\r\n$1\r\na\r\n$1\r\nb\r\n*1\r\n$4\r\nPING\r\n",
                           "*?\r\n$4\r\nPING\r\n.\r\n",
                           "*1\r\n$?\r\n;4\r\nPING\r\n;0\r\n",
                           "*1\r\n*1\r\n$4\r\nPING\r\n",
                           "*2\r\n*1\r\n$4\r\nPING\r\n$1\r\nx\r\n",
                           "*2\r\n$4\r\nECHO\r\n*1\r\n$1\r\nx\r\n",
                           "*1\r\n%1\r\n$1\r\na\r\n$1\r\nb\r\n",
                           "*1\r\n+PING\r\n",
                           "*1\r\n:1\r\n",
                           "*1\r\n_\r\n",
                           "*2\r\n$4\r\nECHO\r\n$-1\r\n",
                           "*2\r\n$4\r\nECHO\r\n_\r\n"}) {
    family.inputs.push_back({text});
  }
  return family;
}

Family line_ends() {
  return {"LineEnds",
          {{"*1\n$4\nPING\n", false},
           {"*1\r\n$4\nPING\r\n", false},
           {"*1\r\n$4\r\nPING\n\n"},
           {"*1\r\n$4\r\nPING\r\r"},
           {"*1\r\n$4\r\nPINGxx"},
           {"*1\r\n$4\r\nPING\r\n\r\n"},
           {"*1\r\n$4\r\nPING\n" + kPing},
           {"*1\r$4\r\nPING\r\n"},
           {"*1\rx$4\r\nPING\r\n"},
           {"*1\r\n$4\rxPING\r\n"},
           {"*1\r\r\n$4\r\nPING\r\n"},
           {"*1\n\r$4\r\nPING\r\n"},
           {"*1\r\n\r\n$4\r\nPING\r\n"},
           {"*1\r\n\n$4\r\nPING\r\n"},
           {"*1\r\n $4\r\nPING\r\n"},
           {" *1\r\n$4\r\nPING\r\n"},
           {"\n*1\r\n$4\r\nPING\r\n"},
           {"\r*1\r\n$4\r\nPING\r\n"},
           {"\r\n\r\n\r\n"},
           {"\r\r\n"},
           {"\n\n\n"},
           {"*0\r\n*0\r\n*-1\r\n"},
           {"*1\r\n$3\r\nPING\r\n"},
           {"*1\r\n$5\r\nPING\r\n", false},
           {"*1\r\n$0\r\nPING\r\n"},
           {"*1\r\n$0\r\n\r\n"},
           {"*2\r\n$0\r\n\r\n$0\r\n\r\n"}}};
}

Family inline_requests() {
  Family family{.name = "Inline", .inputs = {}};
  for (const char* line : {"PING \"",
                           "PING '",
                           "ECHO \"a",
                           "ECHO 'a",
                           "ECHO \"a\"b",
                           "ECHO 'a'b",
                           "ECHO a\"b\"",
                           "ECHO a\"b",
                           "ECHO \"a\\\"",
                           "ECHO 'a\\'",
                           "ECHO \"\\x4\"",
                           "ECHO \"\\xzz\"",
                           "ECHO \"\\x41\\x00\\xff\"",
                           "ECHO \"\\n\\r\\t\\b\\a\\q\"",
                           "ECHO '\\n'",
                           "ECHO 'it\\'s'",
                           "ECHO \"\"",
                           "ECHO ''",
                           "\"\"",
                           "''",
                           "\"PING\"",
                           "'PING'",
                           "PING \"\" \"\"",
                           "  PING",
                           "PING  ",
                           "\tPING\t",
                           "PING\tx",
                           "\x0bPING",
                           "\x0cPING\x0c",
                           "PING\x01",
                           "\x7fPING",
                           "\xc3\xa9",
                           "PING\xff",
                           "ECHO \xf0\x9f\x98\x80",
                           "ECHO a\rb",
                           "ECHO a\r\rb",
                           "PING\r",
                           "GET",
                           "GET a b",
                           "NOSUCH",
                           "*",
                           "$",
                           "$4",
                           "**1",
                           "-",
                           "+",
                           ":",
                           "ECHO \\",
                           "ECHO \"\\\\\"",
                           "ECHO '\\\\'",
                           "PING;PING",
                           "# comment",
                           "GET / HTTP/1.1"}) {
    family.inputs.push_back({std::string(line) + "\r\n"});
    family.inputs.push_back({std::string(line) + "\n"});
  }
  return family;
}

Family too_long() {
  return {"TooLong",
          {{std::string(65'535, 'a'), false},
           {std::string(65'536, 'a'), false},
           {std::string(65'537, 'a'), false},
           {std::string(200'000, 'a'), false},
           {std::string(60'000, ' ') + "PING\r\n"},
           {"PING " + std::string(60'000, 'x') + "\r\n"},
           {"ECHO \"" + std::string(70'000, 'x'), false},
           {"*" + std::string(65'530, '1'), false},
           {"*" + std::string(70'000, '1'), false},
           {"*1" + std::string(70'000, ' '), false},
           {"*1\r\n$" + std::string(70'000, '1'), false},
           {"*1\r\n" + std::string(70'000, 'x'), false},
           {"*1\r\n$4" + std::string(100'000, ' '), false},
           {"*1\r\n$300\r\n" + std::string(300, 'N') + "\r\n"},
           {"*2\r\n$300\r\n" + std::string(300, 'N') + "\r\n$300\r\n" + std::string(300, 'a') + "\r\n"},
           {"*1\r\n$70000\r\n" + std::string(70'000, 'N') + "\r\n"}}};
}

Family many_arguments() {
  const auto repeated = [](std::size_t count, std::string_view argument) {
    std::string bytes = "*" + std::to_string(count) + "\r\n";
    for (std::size_t i = 0; i < count; ++i) bytes += argument;
    return bytes;
  };
  return {"ManyArguments",
          {{repeated(1'000, "$0\r\n\r\n")},
           {repeated(100'000, "$1\r\nx\r\n")},
           {repeated(1'000, "$4\r\nPING\r\n")},
           {repeated(1'000, "$3\r\nGET\r\n") + "x\r\n"},
           {"*1048576\r\n" + kPing + kPing, false},
           {"*1048576\r\n$4\r\nPING\r\n$x\r\n"},
           {"*1048577\r\n$4\r\nPING\r\n$x\r\n"},
           {"*2147483647\r\n$4\r\nPING\r\n$x\r\n"},
           {"*1024\r\n" + repeated(3, "$1\r\na\r\n").substr(4) + "+\r\n"}}};
}

/// A good command cut off at every byte, and the same behind a whole one.
Family truncations() {
  Family family{.name = "Truncations", .inputs = {}};
  const std::string whole = "*3\r\n$3\r\nSET\r\n$9\r\ntruncated\r\n$11\r\nhello\r\nend!\r\n";
  for (std::size_t size = 0; size < whole.size(); ++size) {
    family.inputs.push_back({whole.substr(0, size), false});
    if (size % 4 == 1) family.inputs.push_back({kPing + whole.substr(0, size), false});
  }
  const std::string line = "ECHO \"a b\"\r\n";
  for (std::size_t size = 1; size + 1 < line.size(); ++size) family.inputs.push_back({line.substr(0, size), false});
  return family;
}

/// One of each kind of damage, for where it is not the kind that matters.
std::vector<std::string> one_of_each() {
  return {"*x\r\n",
          "*-2147483649\r\n",
          "*1\r\n$x\r\n",
          "*1\r\n$-1\r\n",
          "*1\r\n$536870913\r\n",
          "*1\r\n:1\r\n",
          "*1\r\n*1\r\n",
          "*2\r\n$4\r\nECHO\r\n+x\r\n",
          "ECHO \"x\r\n",
          "NOSUCH 'x'y\r\n",
          "%1\r\n",
          "*1\r\n$4\r\nPINGxx",
          "*0\r\n",
          "*1\r\n$0\r\n\r\n",
          "*3\r\n$3\r\nGET\r\n$1\r\na\r\n$1\r\nb\r\n"};
}

/// `behind` ends the state that `before` has begun, so that kLast is answered as everywhere.
Family after(std::string name, const std::string& before, const std::string& behind = {}) {
  Family family{.name = std::move(name), .inputs = {}};
  for (const std::string& damage : one_of_each()) {
    std::string bytes = before;
    bytes.append(damage).append(behind);
    family.inputs.push_back({std::move(bytes)});
  }
  return family;
}

/// Good commands before and behind, of which those before are answered.
Family in_pipelines() {
  Family family = after("InPipelines", kPing + encode({"SET", "piped", "1"}) + encode({"GET", "piped"}) +
                                           encode({"STRLEN", "piped"}) + encode({"GET", "nothere"}));
  const std::string behind = kPing + encode({"GET", "piped"});
  for (Malformed& input : family.inputs) input.bytes += behind;
  return family;
}

/// Nothing is wrong with these but that no more will come: all that was asked is answered, then the connection ends.
Family half_closed() {
  return {"HalfClosed",
          {{kPing, false},
           {encode({"SET", "half", "1"}), false},
           {encode({"SET", "half", "1"}) + encode({"GET", "half"}), false},
           {encode({"GET", "half"}) + encode({"GET", "nothere"}), false},
           {encode({"MULTI"}) + encode({"SET", "half", "2"}) + encode({"EXEC"}), false},
           {encode({"MULTI"}) + encode({"SET", "half", "2"}), false},
           {encode({"EVAL", "return 1", "0"}) + encode({"NOSUCH"}) + kPing, false},
           {"SET half 3\r\nGET half\r\nQUIT\r\n", false},
           {"GET half\r\n\r\n", false}}};
}

/// A good pipeline with one byte replaced, taken out or put in, the same mutants in each run. It has a db of its own.
Family mutants() {
  constexpr int kMutants = 400;
  constexpr std::string_view kBytes = "*$:+-0123456789\r\n \"'\\xGETget\x01\xff";
  const std::string before = encode({"SELECT", "9"}) + encode({"FLUSHDB"});
  const std::string good = encode({"SET", "k", "v1"}) + encode({"GET", "k"}) + "ECHO \"a b\"\r\n" +
                           encode({"RPUSH", "l", "", "x\r\ny"}) + encode({"LRANGE", "l", "0", "-1"}) + kPing;
  Family family{.name = "Mutants", .inputs = {}};
  unsigned state = 20'000;
  const auto next = [&state](std::size_t below) {
    state = state * 1'103'515'245U + 12'345U;
    return (state >> 16) % below;
  };
  for (int i = 0; i < kMutants; ++i) {
    const std::size_t at = next(good.size());
    const std::size_t taken = next(3) == 0 ? 0 : 1;
    const std::size_t put = next(4) == 0 ? 0 : 1;
    const char byte = kBytes[next(kBytes.size())];
    std::string mutant = good;
    mutant.replace(at, taken, put, byte);
    family.inputs.push_back({before + mutant, false});
  }
  return family;
}

std::vector<Family> families() {
  return {counts(),
          lengths(),
          nul_bytes(),
          type_bytes(),
          other_types(),
          line_ends(),
          inline_requests(),
          too_long(),
          many_arguments(),
          truncations(),
          half_closed(),
          mutants(),
          in_pipelines(),
          after("AfterGoodOnes", kPing + kPing),
          after("InsideMulti", encode({"MULTI"}) + encode({"SET", "tx", "1"}), encode({"DISCARD"})),
          after("WhileWatching", encode({"WATCH", "watched"})),
          after("WhileSubscribed", encode({"SUBSCRIBE", "channel"}), encode({"UNSUBSCRIBE"})),
          after("InResp2AfterReset", encode({"RESET"})),
          after("AfterAnError", encode({"NOSUCH"}) + encode({"GET"})),
          after("AfterAForwardedCommand", encode({"INCRBY", "number", "0"}))};
}

class MalformedInput : public SharedRig<MalformedInput>,
                       public testing::WithParamInterface<std::tuple<Transport, Family>> {
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

std::ostream& operator<<(std::ostream& out, const Family& family) { return out << family.name; }

INSTANTIATE_TEST_SUITE_P(Of, MalformedInput, testing::Combine(kBothTransports, testing::ValuesIn(families())),
                         case_name<Family>);

/// The answer, with "<open>" or "<closed>". What is closed early may cost the end of what was sent.
std::string outcome(RespClient client, const Malformed& input) {
  client.send_raw(input.is_followed ? input.bytes + kLast : input.bytes);
  if (!input.is_followed) client.shut_down_writing();
  const RespClient::Rest rest = client.read_rest(input.is_followed ? kLastReply : std::string_view{});
  return rest.bytes + (rest.is_closed ? "<closed>" : "<open>");
}

/// HELLO 3's answer has an id and a version, so it is read before the input is sent.
RespClient in_resp3(RespClient client) {
  EXPECT_EQ(client.ask("HELLO", "3").type, '%');
  return client;
}

TEST_P(MalformedInput, IsAnsweredAndClosedLikeTheServerDoes) {
  const std::string key = unique_key();
  RespClient bystander = client();
  bystander.ask("SET", key, "v");
  for (const Malformed& input : std::get<1>(GetParam()).inputs) {
    const std::string expected = outcome(reference_->connect(), input);
    ASSERT_EQ(expected.find("<timeout>"), std::string::npos) << "the case says nothing: " << escaped(input.bytes);
    EXPECT_EQ(escaped(outcome(client(), input)), escaped(expected)) << escaped(input.bytes);
  }
  EXPECT_EQ(bystander.ask("GET", key), bulk("v"));
  EXPECT_EQ(bystander.ask("STRLEN", key), integer(1));
}

TEST_P(MalformedInput, IsAnsweredAndClosedLikeTheServerDoesInResp3) {
  for (const Malformed& input : std::get<1>(GetParam()).inputs) {
    const std::string expected = outcome(in_resp3(reference_->connect()), input);
    ASSERT_EQ(expected.find("<timeout>"), std::string::npos) << "the case says nothing: " << escaped(input.bytes);
    EXPECT_EQ(escaped(outcome(in_resp3(client()), input)), escaped(expected)) << escaped(input.bytes);
  }
}

TEST(MalformedInputs, AreAtLeast300) {
  std::set<std::string> distinct;
  for (const Family& family : families()) {
    for (const Malformed& input : family.inputs) distinct.insert(input.bytes);
  }
  EXPECT_GE(distinct.size(), 300U);
}

}  // namespace
}  // namespace anteroom::test
