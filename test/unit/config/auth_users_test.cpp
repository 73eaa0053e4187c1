#include "config/auth_users.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <expected>
#include <map>
#include <string>
#include <vector>

#include "config/describe.hpp"
#include "config/loader.hpp"

namespace anteroom::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Strings = std::vector<std::string>;

/// `auth` is the value of "auth" in the file.
std::expected<Options, Errors> load_auth(const std::string& auth, const Strings& flags = {},
                                         const std::map<std::string, std::string>& files = {}) {
  const FileReader read = [&](const std::string& path,
                              std::size_t /*bytes_max*/) -> std::expected<std::string, std::string> {
    if (path == "c.json") return "{\"auth\":" + auth + "}";
    const auto found = files.find(path);
    if (found == files.end()) return std::unexpected("No such file or directory");
    return found->second;
  };
  Strings arguments = flags;
  arguments.insert(arguments.end(), {"--config", "c.json"});
  return load(parse_command_line(arguments), {}, read);
}

Options loaded(const std::string& auth, const Strings& flags = {},
               const std::map<std::string, std::string>& files = {}) {
  auto options = load_auth(auth, flags, files);
  if (options) return std::move(*options);
  for (const Error& error : options.error()) ADD_FAILURE() << error.to_string();
  return {};
}

Strings errors_of(const std::string& auth, const Strings& flags = {},
                  const std::map<std::string, std::string>& files = {}) {
  const auto options = load_auth(auth, flags, files);
  Strings out;
  if (!options) std::ranges::transform(options.error(), std::back_inserter(out), &Error::to_string);
  return out;
}

/// With mode proxy and these users.
std::string users(const std::string& list) { return R"({"mode":"proxy","users":)" + list + "}"; }

TEST(AuthUsers, AreReadInTheirOrder) {
  const Options options = loaded(users(R"([{"name":"a","rules":"on nopass"},
                                           {"rules":"off","name":"b","upstream_user":"u","upstream_password":"p"}])"));
  ASSERT_EQ(options.auth.users.size(), 2U);
  EXPECT_EQ(options.auth.users[0], (AuthUser{.name = "a", .rules = "on nopass"}));
  EXPECT_EQ(options.auth.users[1],
            (AuthUser{.name = "b", .rules = "off", .upstream_user = "u", .upstream_password = "p"}));
  EXPECT_EQ(options.auth.mode, AuthMode::kProxy);
  EXPECT_EQ(options.sources.at("auth.users"), "c.json: auth.users");
}

TEST(AuthUsers, PasswordFilesAreRead) {
  const Options options = loaded(users(R"([{"name":"a","rules":"on","password_file":"p","upstream_user":"u",
                        "upstream_password_file":"q"}])"),
                                 {}, {{"p", "one\n"}, {"q", "two\r\n"}});
  ASSERT_EQ(options.auth.users.size(), 1U);
  EXPECT_EQ(options.auth.users[0].password, "one");
  EXPECT_EQ(options.auth.users[0].upstream_password, "two");
}

TEST(AuthUsers, ErrorsNameThePlace) {
  EXPECT_THAT(errors_of(users(R"([{"name":"a"},{"name":"b","rule":"on"}])")),
              ElementsAre("auth.users[1].rule: unknown key, did you mean rules? (from c.json)"));
  EXPECT_THAT(errors_of(users(R"([{"name":"a","rules":5}])")),
              ElementsAre("auth.users[0].rules: needs a string (from c.json)"));
  EXPECT_THAT(errors_of(users(R"([{"name":"a","rules":"a\u0000b"}])")),
              ElementsAre("auth.users[0].rules: has a NUL byte (from c.json)"));
  EXPECT_THAT(errors_of(users(R"([{"name":"a","name":"b"}])")),
              ElementsAre("auth.users[0].name: is given twice (from c.json)"));
  EXPECT_THAT(errors_of(users(R"([{"name":"a"},{"rules":"on"}])")), ElementsAre("auth.users[1].name: is missing"));
  EXPECT_THAT(errors_of(users("[{}]")), ElementsAre("auth.users[0]: is empty (from c.json)",  //
                                                    "auth.users[0].name: is missing"));
  EXPECT_THAT(errors_of(users(R"([{"name":"a","password_file":"none"}])")),
              ElementsAre("auth.users[0].password_file: none: No such file or directory"));
  EXPECT_THAT(errors_of(users(R"([{"name":"a","upstream_password":"secret"}])")),
              ElementsAre("auth.users[0].upstream_user: is missing, but there is a password for it"));
}

TEST(AuthUsers, OtherThingsThanAListOfObjectsAreRefused) {
  constexpr std::string_view kNeeds = "auth.users: needs a list of objects whose members are strings (from c.json)";
  for (const std::string_view list : {"5", "\"a\"", "[\"a\"]", "[5]", R"({"name":"a"})"}) {
    EXPECT_THAT(errors_of(users(std::string(list))), testing::Contains(testing::StartsWith("auth.users"))) << list;
  }
  EXPECT_THAT(errors_of(users(R"(["a",{"name":"a"}])")), testing::Contains(kNeeds));
  EXPECT_THAT(errors_of(users(R"([{"name":["a"]}])")),
              testing::Contains("auth.users[0].name: needs a string (from c.json)"));
}

TEST(AuthUsers, AListOfObjectsForAnotherOptionIsOneError) {
  EXPECT_THAT(errors_of(R"({"failures_max":[{"a":"b","c":"d"},{}]})"),
              ElementsAre("auth.failures_max: needs a whole number, not a list with other things than strings "
                          "(from c.json: auth.failures_max)"));
}

TEST(AuthUsers, WithoutThemProxyLetsNobodyIn) {
  EXPECT_THAT(errors_of(R"({"mode":"proxy"})"), ElementsAre(HasSubstr("auth.mode: is proxy, but there is neither")));
  EXPECT_THAT(errors_of(users("[]")), ElementsAre(HasSubstr("auth.mode: is proxy, but there is neither")));
  EXPECT_THAT(errors_of(R"({"mode":"proxy","password":"p"})"), IsEmpty());
}

TEST(AuthUsers, AreAMistakeWithoutProxy) {
  for (const std::string_view mode : {"none", "passthrough"}) {
    const std::string given(mode);
    EXPECT_THAT(errors_of(R"({"password":"p","mode":")" + given + "\"}"),
                ElementsAre(HasSubstr("auth.mode: is not proxy")));
    EXPECT_THAT(errors_of(R"({"users":[{"name":"a"}],"mode":")" + given + "\"}"),
                ElementsAre(HasSubstr("auth.mode: is not proxy")));
    EXPECT_THAT(errors_of(R"({"mode":")" + given + "\"}"), IsEmpty());
  }
}

TEST(AuthUsers, AModeThatDoesNotExistIsOneError) {
  EXPECT_THAT(errors_of(R"({"mode":"proxi","users":[{"name":"a"}]})"),
              ElementsAre(HasSubstr("\"proxi\" is not one of")));
}

TEST(AuthUsers, ThePasswordOfTheDefaultUserMayBeInAFile) {
  const std::map<std::string, std::string> files{{"p", "secret\n"}};
  EXPECT_EQ(loaded(R"({"mode":"proxy","password_file":"p"})", {}, files).auth.password, "secret");
  EXPECT_EQ(loaded(R"({"mode":"proxy","password":"x"})", {"--auth-password-file", "p"}, files).auth.password, "secret");
  EXPECT_EQ(loaded(R"({"mode":"proxy","password_file":"p"})", {"--auth-password", "x"}, files).auth.password, "x");
  EXPECT_THAT(errors_of(R"({"mode":"proxy","password":"x","password_file":"p"})", {}, files),
              ElementsAre(HasSubstr("auth.password: auth.password_file is given as well")));
  EXPECT_THAT(errors_of(R"({"mode":"proxy","password_file":"q"})", {}, files),
              ElementsAre(HasSubstr("auth.password_file: q: No such file")));
  EXPECT_THAT(errors_of(R"({"mode":"proxy","password":"x","users":[{"name":"default","rules":"on nopass"}]})"),
              ElementsAre("auth.users[0].name: the user default has auth.password already"));
}

TEST(AuthUsers, NoSecretIsShown) {
  const Options options =
      loaded(users(R"([{"name":"a","rules":"on >secret1 #secret2 (+get <secret3) !secret4 ~key#1","password_file":"p",
                        "upstream_user":"u","upstream_password":"secret5"}])"),
             {"--auth-password", "secret6"}, {{"p", "secret7"}});
  const std::string json = effective_json(options);
  EXPECT_EQ(json.find("secret"), std::string::npos) << json;
  EXPECT_THAT(json, HasSubstr(R"("rules": "on >*** #*** (+get <*** !*** ~key#1")"));
  EXPECT_THAT(json, HasSubstr(R"("upstream_password": "***")"));
  EXPECT_THAT(json, HasSubstr(R"("auth.users": "c.json: auth.users")"));
  for (const std::string& error : errors_of(users(R"([{"name":"a","rules":{"secret":"secret"}}])"))) {
    EXPECT_EQ(error.find("secret"), std::string::npos) << error;
  }
}

}  // namespace
}  // namespace anteroom::config
