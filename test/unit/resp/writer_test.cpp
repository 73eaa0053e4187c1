#include "resp/writer.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "resp/value.hpp"

namespace anteroom::resp {
namespace {

using namespace std::string_literals;

std::string written(const std::function<void(std::string&)>& append) {
  std::string out = "before";
  append(out);
  EXPECT_TRUE(out.starts_with("before"));
  return out.substr(6);
}

TEST(Writer, AppendsEachTypeInBothProtocols) {
  struct Case {
    std::function<void(std::string&, Protocol)> append;
    std::string_view resp2;
    std::string_view resp3;
  };
  const std::vector<Case> cases{
      {[](std::string& out, Protocol p) { append_null(out, p); }, "$-1\r\n", "_\r\n"},
      {[](std::string& out, Protocol p) { append_null_array(out, p); }, "*-1\r\n", "_\r\n"},
      {[](std::string& out, Protocol p) { append_boolean(out, true, p); }, ":1\r\n", "#t\r\n"},
      {[](std::string& out, Protocol p) { append_boolean(out, false, p); }, ":0\r\n", "#f\r\n"},
      {[](std::string& out, Protocol p) { append_double(out, 1.5, p); }, "$3\r\n1.5\r\n", ",1.5\r\n"},
      {[](std::string& out, Protocol p) { append_double(out, 0.1, p); }, "$3\r\n0.1\r\n", ",0.1\r\n"},
      {[](std::string& out, Protocol p) { append_double(out, 10, p); }, "$2\r\n10\r\n", ",10\r\n"},
      {[](std::string& out, Protocol p) { append_double(out, -std::numeric_limits<double>::infinity(), p); },
       "$4\r\n-inf\r\n", ",-inf\r\n"},
      {[](std::string& out, Protocol p) { append_double(out, -std::numeric_limits<double>::quiet_NaN(), p); },
       "$3\r\nnan\r\n", ",nan\r\n"},
      {[](std::string& out, Protocol p) { append_verbatim(out, "txt", "a\r\nb", p); }, "$4\r\na\r\nb\r\n",
       "=8\r\ntxt:a\r\nb\r\n"},
      {[](std::string& out, Protocol p) { append_map_header(out, 3, p); }, "*6\r\n", "%3\r\n"},
      {[](std::string& out, Protocol p) { append_set_header(out, 3, p); }, "*3\r\n", "~3\r\n"},
      {[](std::string& out, Protocol p) { append_push_header(out, 3, p); }, "*3\r\n", ">3\r\n"},
  };
  for (const Case& test : cases) {
    EXPECT_EQ(written([&](std::string& out) { test.append(out, Protocol::kResp2); }), test.resp2);
    EXPECT_EQ(written([&](std::string& out) { test.append(out, Protocol::kResp3); }), test.resp3);
  }
}

TEST(Writer, AppendsWhatBothProtocolsShare) {
  EXPECT_EQ(written([](std::string& out) { append_simple(out, "OK"); }), "+OK\r\n");
  EXPECT_EQ(written([](std::string& out) { append_error(out, "ERR no"); }), "-ERR no\r\n");
  EXPECT_EQ(written([](std::string& out) { append_integer(out, std::numeric_limits<std::int64_t>::min()); }),
            ":-9223372036854775808\r\n");
  EXPECT_EQ(written([](std::string& out) { append_bulk(out, ""); }), "$0\r\n\r\n");
  EXPECT_EQ(written([](std::string& out) { append_bulk(out, "a\0\r\n"s); }), "$4\r\na\0\r\n\r\n"s);
  EXPECT_EQ(written([](std::string& out) { append_array_header(out, 0); }), "*0\r\n");
}

TEST(Writer, CommandIsAnArrayOfBulkStrings) {
  EXPECT_EQ(written([](std::string& out) { append_command(out, std::array<std::string_view, 2>{"GET", "a b"}); }),
            "*2\r\n$3\r\nGET\r\n$3\r\na b\r\n");
}

TEST(Writer, LineEndInATextCannotBeginAnotherReply) {
  EXPECT_EQ(written([](std::string& out) { append_error(out, "ERR a\r\n+OK\r\n"); }), "-ERR a  +OK  \r\n");
  EXPECT_EQ(written([](std::string& out) { append_simple(out, "a\r\nb"); }), "+a  b\r\n");
}

TEST(Writer, LongErrorIsCut) {
  const std::string text(kErrorBytesMax, 'x');
  EXPECT_EQ(written([&](std::string& out) { append_error(out, text); }), "-" + text + "\r\n");
  EXPECT_EQ(written([&](std::string& out) { append_error(out, text + "y"); }), "-" + text + "\r\n");
}

TEST(Writer, EveryByteInAnErrorStillMakesOneReply) {
  std::string text;
  for (int byte = 0; byte < 256; ++byte) text += static_cast<char>(byte);
  const std::string out = written([&](std::string& to) { append_error(to, text); });

  std::size_t used = 0;
  const auto value = parse_value(out, &used);

  ASSERT_TRUE(value);
  EXPECT_EQ(used, out.size());
  EXPECT_EQ(value->text.size(), 256U);
}

}  // namespace
}  // namespace anteroom::resp
