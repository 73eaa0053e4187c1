#include "support/contract_script.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "support/contract_lines.hpp"

namespace anteroom::test {
namespace {

using Words = std::vector<std::string>;
using Kind = ScriptStep::Kind;

ContractScript parsed(std::string_view text) {
  auto script = parse_contract_script("s", text);
  EXPECT_TRUE(script.has_value()) << script.error();
  return script.value_or(ContractScript{});
}

TEST(ContractScript, WordsAreQuotedAsRedisCliHasIt) {
  EXPECT_EQ(script_arguments("SET k v"), (Words{"SET", "k", "v"}));
  EXPECT_EQ(script_arguments(R"(ECHO "a \"b\" \x41\x0a\n\\")"), (Words{"ECHO", "a \"b\" A\n\n\\"}));
  EXPECT_EQ(script_arguments(R"(ECHO 'it\'s' "" '\n')"), (Words{"ECHO", "it's", "", "\\n"}));
  EXPECT_EQ(script_arguments(std::string_view("ECHO \"a\\x00b\"")), (Words{"ECHO", std::string("a\0b", 3)}));
}

TEST(ContractScript, QuotesThatDoNotMatchGiveNoWords) {
  EXPECT_TRUE(script_arguments(R"(ECHO "a)").empty());
  EXPECT_TRUE(script_arguments("ECHO 'a").empty());
  EXPECT_TRUE(script_arguments(R"(ECHO "a"b)").empty());
  EXPECT_TRUE(script_arguments("  ").empty());
}

TEST(ContractScript, LinesNameTheirConnectionOrAreOfMain) {
  const ContractScript script = parsed("# about\n\nSET k a:b\n  b2: GET k\n");

  ASSERT_EQ(script.steps.size(), 2U);
  EXPECT_EQ(script.steps[0].connection, "main");
  EXPECT_EQ(script.steps[0].line, 3U);
  EXPECT_EQ(script.steps[1].connection, "b2");
  EXPECT_EQ(script.steps[1].commands, Words{"GET k"});
}

TEST(ContractScript, PrefixesSayWhatIsComparedAndForWhom) {
  const ContractScript script =
      parsed("@unordered @resp3 SMEMBERS s\n@volatile a: TIME\n@fields @read a\n@resp2 PING\n");

  EXPECT_EQ(script.steps.at(0).compare, Compare::kAnyOrder);
  EXPECT_FALSE(script.steps.at(0).is_for(Protocol::kResp2));
  EXPECT_TRUE(script.steps.at(0).is_for(Protocol::kResp3));
  EXPECT_EQ(script.steps.at(1).compare, Compare::kShape);
  EXPECT_EQ(script.steps.at(2).kind, Kind::kRead);
  EXPECT_EQ(script.steps.at(2).compare, Compare::kFields);
  EXPECT_FALSE(script.steps.at(3).is_for(Protocol::kResp3));
}

TEST(ContractScript, DirectivesBecomeSteps) {
  const ContractScript script = parsed(
      "@send a: BLPOP l 0\n@blocked 1\n@read a 3\n@closed a\n@until :0 EXISTS k\n@direct DEL k\n@keep id b: CLIENT "
      "ID\n");

  EXPECT_EQ(script.steps.at(0).kind, Kind::kSend);
  EXPECT_EQ(script.steps.at(0).connection, "a");
  EXPECT_EQ(script.steps.at(1).kind, Kind::kBlocked);
  EXPECT_EQ(script.steps.at(2).count, 3U);
  EXPECT_EQ(script.steps.at(3).kind, Kind::kClosed);
  EXPECT_EQ(script.steps.at(4).reply, ":0");
  EXPECT_EQ(script.steps.at(4).commands, Words{"EXISTS k"});
  EXPECT_EQ(script.steps.at(5).kind, Kind::kDirect);
  EXPECT_EQ(script.steps.at(6).kind, Kind::kKeep);
  EXPECT_EQ(script.steps.at(6).name, "id");
  EXPECT_EQ(script.steps.at(6).connection, "b");
}

TEST(ContractScript, APipelineIsOneStep) {
  const ContractScript script = parsed("@pipeline a\nSET k v\n# why\nGET k\n@end\nPING\n");

  ASSERT_EQ(script.steps.size(), 2U);
  EXPECT_EQ(script.steps[0].connection, "a");
  EXPECT_EQ(script.steps[0].commands, (Words{"SET k v", "GET k"}));
}

TEST(ContractScript, ErrorsNameTheLine) {
  const auto error = [](std::string_view text) {
    const auto script = parse_contract_script("s", text);
    return script ? "" : script.error();
  };

  EXPECT_EQ(error("PING\nECHO \"a\n"), "s:2: no command, or quotes that do not match");
  EXPECT_EQ(error("@nope 1\n"), "s:1: unknown directive");
  EXPECT_EQ(error("@read\n"), "s:1: no name of a connection");
  EXPECT_EQ(error("@read a x\n"), "s:1: not a number");
  EXPECT_EQ(error("@blocked\n"), "s:1: not a number");
  EXPECT_EQ(error("@closed A\n"), "s:1: no name of a connection");
  EXPECT_EQ(error("@keep I a: CLIENT ID\n"), "s:1: no name to keep it by");
  EXPECT_EQ(error("@keep id\n"), "s:1: no command, or quotes that do not match");
  EXPECT_EQ(error("@until :1\n"), "s:1: no command, or quotes that do not match");
  EXPECT_EQ(error("@pipeline a\n@end\n"), "s:2: an empty pipeline");
  EXPECT_EQ(error("@pipeline a\n@read a\n"), "s:2: no command, but in a pipeline");
  EXPECT_EQ(error("@pipeline a\nPING\n"), "s: a pipeline without @end");
  EXPECT_EQ(error("# nothing\n"), "s: no commands");
}

TEST(ContractScript, AFolderThatIsNotThereIsAnError) {
  const auto scripts = contract_scripts("/no/such/folder");

  ASSERT_FALSE(scripts.has_value());
  EXPECT_TRUE(scripts.error().starts_with("/no/such/folder: ")) << scripts.error();
}

TEST(ContractLines, CoverTheTable) {
  EXPECT_GE(script_of_wrong_arities().steps.size(), 400U);
  EXPECT_GE(script_of_newer_commands().steps.size(), 20U);
  EXPECT_GE(script_of_wrong_types().steps.size(), 600U);
}

TEST(ReplyCompare, LeavesOutWhatMayDiffer) {
  const auto part = [](std::string_view bytes, Compare compare) {
    return comparable_part(parse_reply(bytes).reply, compare);
  };
  const std::string_view ab = "*2\r\n$1\r\na\r\n$1\r\nb\r\n";
  const std::string_view ba = "*2\r\n$1\r\nb\r\n$1\r\na\r\n";

  EXPECT_NE(part(ab, Compare::kBytes), part(ba, Compare::kBytes));
  EXPECT_EQ(part(ab, Compare::kAnyOrder), part(ba, Compare::kAnyOrder));
  EXPECT_NE(part(ab, Compare::kAnyOrder), part("*1\r\n$1\r\na\r\n", Compare::kAnyOrder));
  EXPECT_EQ(part(ab, Compare::kShape), part(ba, Compare::kShape));
  EXPECT_NE(part(ab, Compare::kShape), part("*2\r\n$1\r\na\r\n:1\r\n", Compare::kShape));
  EXPECT_NE(part("$-1\r\n", Compare::kShape), part("$1\r\na\r\n", Compare::kShape));
  EXPECT_EQ(part("+id=1 addr=x\r\n", Compare::kFields), part("+id=2 addr=y\r\n", Compare::kFields));
  EXPECT_NE(part("+id=1 addr=x\r\n", Compare::kFields), part("+id=1 name=x\r\n", Compare::kFields));
  EXPECT_EQ(part("$12\r\n# A\r\nb:c=d 1\r\n", Compare::kFields), part("$12\r\n# A\r\nb:x=y 1\r\n", Compare::kFields));
  EXPECT_NE(part("$7\r\nid=1\r\nx\r\n", Compare::kFields), part(":1\r\n", Compare::kFields));
}

}  // namespace
}  // namespace anteroom::test
