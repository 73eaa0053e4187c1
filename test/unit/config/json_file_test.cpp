#include "config/json_file.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace anteroom::config {
namespace {

/// `path=value` of each setting; a list is shown as [a,b], another type by its name in angle brackets.
std::vector<std::string> settings_of(const std::string& text) {
  const auto settings = parse_json_settings(text);
  if (!settings) return {"error: " + settings.error()};
  std::vector<std::string> out;
  for (const Setting& setting : *settings) {
    std::string shown = setting.path + '=';
    if (const auto* flag = std::get_if<bool>(&setting.value)) shown += *flag ? "true" : "false";
    if (const auto* number = std::get_if<std::int64_t>(&setting.value)) shown += std::to_string(*number);
    if (const auto* string = std::get_if<std::string>(&setting.value)) shown += '\'' + *string + '\'';
    if (const auto* other = std::get_if<OtherJson>(&setting.value)) shown.append("<").append(other->type).append(">");
    if (const auto* list = std::get_if<std::vector<std::string>>(&setting.value)) {
      shown += '[';
      for (const std::string& item : *list) shown += item + ',';
      shown += ']';
    }
    out.push_back(shown);
  }
  return out;
}

using Strings = std::vector<std::string>;

std::string error_of(const std::string& text) {
  const auto settings = parse_json_settings(text);
  return settings ? "no error" : settings.error();
}

TEST(JsonFile, NestedValuesBecomePaths) {
  EXPECT_EQ(settings_of(R"({"a":{"b":1,"c":{"d":"x"}},"e":true,"f":["x","y"],"g":-5})"),
            (Strings{"a.b=1", "a.c.d='x'", "e=true", "f=[x,y,]", "g=-5"}));
  EXPECT_EQ(settings_of("{}"), Strings{});
  EXPECT_EQ(settings_of(R"({"a":[]})"), Strings{"a=[]"});
}

TEST(JsonFile, TheSectionIsTheOutermostKey) {
  const auto settings = parse_json_settings(R"({"a.b":{"c":1}})");
  ASSERT_TRUE(settings.has_value());
  ASSERT_EQ(settings->size(), 1U);
  EXPECT_EQ(settings->front().section, "\"a.b\"");
}

TEST(JsonFile, TypesThatNoOptionHasAreNamed) {
  EXPECT_EQ(settings_of(R"({"a":null,"b":1.5,"c":18446744073709551615,"d":99999999999999999999,"e":{},"f":1e3})"),
            (Strings{"a=<null>", "b=<a fraction>", "c=<a number beyond all ranges>", "d=<a number beyond all ranges>",
                     "e=<an object>", "f=<a fraction>"}));
}

TEST(JsonFile, AListOfOtherThingsThanStringsIsOneValue) {
  const std::string expected = "=<a list with other things than strings>";
  for (const char* list : {"[1]", "[[\"x\"]]", "[{\"k\":\"v\"}]", "[{}]", "[\"a\",null,\"b\"]", "[[],[]]"}) {
    EXPECT_EQ(settings_of(std::string("{\"a\":") + list + ",\"b\":1}"), (Strings{"a" + expected, "b=1"})) << list;
  }
}

TEST(JsonFile, TheObjectsOfAListHaveSettingsOfTheirOwn) {
  const auto settings = parse_json_settings(R"({"a":{"b":[{"c":1,"d":["x"]},{},{"e":{"f":"y"}}],"g":2}})");
  ASSERT_TRUE(settings.has_value());
  ASSERT_EQ(settings->size(), 2U);
  EXPECT_EQ(settings->at(0).path, "a.b");
  EXPECT_EQ(settings->at(1).path, "a.g");
  const auto& objects = settings->at(0).objects;
  ASSERT_EQ(objects.size(), 3U);
  ASSERT_EQ(objects[0].size(), 2U);
  EXPECT_EQ(objects[0][0].path, "a.b[0].c");
  EXPECT_EQ(std::get<std::int64_t>(objects[0][0].value), 1);
  EXPECT_EQ(objects[0][1].path, "a.b[0].d");
  EXPECT_EQ(std::get<Strings>(objects[0][1].value), Strings{"x"});
  EXPECT_EQ(objects[1].size(), 0U);
  ASSERT_EQ(objects[2].size(), 1U);
  EXPECT_EQ(objects[2][0].path, "a.b[2].e.f");
  EXPECT_EQ(objects[2][0].section, "a");
}

TEST(JsonFile, AListOfObjectsAndOtherThingsHasNoObjects) {
  for (const char* list : {R"([{"k":1},"x"])", R"(["x",{"k":1}])", R"([{"k":1},2])", R"([[{"k":1}]])", "[[],{}]"}) {
    const auto settings = parse_json_settings(std::string("{\"a\":") + list + ",\"b\":1}");
    ASSERT_TRUE(settings.has_value());
    ASSERT_EQ(settings->size(), 2U) << list;
    EXPECT_TRUE(settings->front().objects.empty()) << list;
  }
}

TEST(JsonFile, AKeyWithADotIsNoPath) {
  EXPECT_EQ(settings_of(R"({"listen.port":1,"":2,"a\u0007":3})"), (Strings{"\"listen.port\"=1", "\"\"=2", "\"a?\"=3"}));
}

TEST(JsonFile, RepeatedKeysAreAllReported) {
  EXPECT_EQ(settings_of(R"({"a":{"b":1},"a":{"b":2}})"), (Strings{"a.b=1", "a.b=2"}));
}

TEST(JsonFile, SyntaxErrorsHaveLineAndColumn) {
  EXPECT_TRUE(error_of("{\n  \"a\": 1,,\n}").starts_with("line 2, column 10: syntax error"))
      << error_of("{\n  \"a\": 1,,\n}");
  EXPECT_TRUE(error_of("").starts_with("line 1, column 1: ")) << error_of("");
  EXPECT_TRUE(error_of("{} {}").starts_with("line 1, column 4: ")) << error_of("{} {}");
  EXPECT_TRUE(error_of("{\"a\":'x'}").starts_with("line 1, column 6: ")) << error_of("{\"a\":'x'}");
  EXPECT_TRUE(error_of("{\"a\": 1").starts_with("line 1, column ")) << error_of("{\"a\": 1");
}

TEST(JsonFile, SyntaxErrorsShowNothingOfTheFile) {
  for (const char* text :
       {R"({"password": "secret)", R"({"password": "secret\q"})", R"({"password": secret})",
        "{\"password\": \"secret\n\"}", "{\"password\": \"secret\xff\"}", R"({"password": "'; expected secret)"}) {
    const std::string error = error_of(text);
    EXPECT_TRUE(error.starts_with("line 1, column ")) << error;
    EXPECT_EQ(error.find("secret"), std::string::npos) << error;
    EXPECT_EQ(error.find('\n'), std::string::npos) << error;
  }
}

TEST(JsonFile, TheTopMustBeAnObject) {
  for (const char* text : {"[]", "5", "\"x\"", "null", "true", "[{\"a\":1}]", "1.5"}) {
    EXPECT_TRUE(error_of(text).starts_with("the file must hold one JSON object")) << text << ": " << error_of(text);
  }
}

TEST(JsonFile, LimitsEndHostileFiles) {
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "{\"a\":";
  EXPECT_EQ(error_of(deep), "more than eight levels of nesting");
  EXPECT_EQ(error_of("{\"a\":" + std::string(100'000, '[')), "more than eight levels of nesting");
  std::string wide = "{\"a\":0";
  for (int i = 0; i < 1000; ++i) wide += ",\"a\":0";
  EXPECT_EQ(error_of(wide + "}"), "more than a thousand values");
  std::string list = "{\"a\":[\"\"";
  for (int i = 0; i < 1000; ++i) list += ",\"\"";
  EXPECT_EQ(error_of(list + "]}"), "a list of more than a thousand items");
  std::string objects = "{\"a\":[{}";
  for (int i = 0; i < 1000; ++i) objects += ",{}";
  EXPECT_EQ(error_of(objects + "]}"), "a list of more than a thousand items");
  std::string members = "{\"a\":[{\"b\":0";
  for (int i = 0; i < 1000; ++i) members += ",\"b\":0";
  EXPECT_EQ(error_of(members + "}]}"), "more than a thousand values");
  EXPECT_EQ(error_of("{}" + std::string(kConfigBytesMax, ' ')), "it is larger than 1048576 bytes");
}

}  // namespace
}  // namespace anteroom::config
