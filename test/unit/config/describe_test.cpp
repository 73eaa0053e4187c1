#include "config/describe.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

#include "config/loader.hpp"
#include "support/temp_dir.hpp"

namespace anteroom::config {
namespace {

using Json = nlohmann::json;

Options loaded(const std::vector<std::string>& flags) {
  auto options = load(parse_command_line(flags), {});
  if (options) return std::move(*options);
  for (const Error& error : options.error()) ADD_FAILURE() << error.to_string();
  return {};
}

TEST(OptionsReference, EqualsTheFileInTheTree) {
  EXPECT_TRUE(options_reference() == test::read_file("conf/OPTIONS.md"))
      << "run: build/anteroom options > conf/OPTIONS.md";
}

TEST(OptionsReference, NamesEveryOptionInAllItsWays) {
  const std::string reference = options_reference();
  for (const Descriptor& option : descriptors()) {
    for (const std::string& name :
         {std::string(option.path), "--" + std::string(option.flag), option.environment_name()}) {
      EXPECT_NE(reference.find('`' + name + '`'), std::string::npos) << name;
    }
  }
  for (const char* name :
       {"REDIS_HOSTNAME", "REDIS_PASSWORD", "REDIS_DATABASE", "CACHE_TTL", "CACHE_PERIOD", "CAPACITY", "PORT"}) {
    EXPECT_NE(reference.find('`' + std::string(name) + '`'), std::string::npos) << name;
  }
}

TEST(OptionsReference, EveryRowOfATableHasSixCells) {
  const std::string reference = options_reference();
  for (std::size_t at = reference.find("\n| "); at != std::string::npos; at = reference.find("\n| ", at + 1)) {
    const std::string row = reference.substr(at + 1, reference.find('\n', at + 1) - at - 1);
    EXPECT_EQ(std::ranges::count(row, '|'), 7) << row;
  }
}

TEST(HelpText, HasOneLineForEachFlag) {
  const std::string help = help_text();
  for (const Descriptor& option : descriptors()) {
    EXPECT_NE(help.find("  --" + std::string(option.flag) + ' '), std::string::npos) << option.flag;
  }
  EXPECT_LT(std::ranges::count(help, '\n'), static_cast<long>(descriptors().size()) + 14);
}

TEST(EffectiveJson, HasEveryValueAndItsSource) {
  const Json json = Json::parse(effective_json(loaded({"--port", "5", "--unixsocketperm", "770", "--deny", "a,b"})));
  EXPECT_EQ(json["configuration"]["listen"]["port"], 5);
  EXPECT_EQ(json["configuration"]["listen"]["unixsocketperm"], "770");
  EXPECT_EQ(json["configuration"]["commands"]["deny"], (Json{"a", "b"}));
  EXPECT_EQ(json["configuration"]["cache"]["enabled"], true);
  EXPECT_EQ(json["configuration"]["workers"], 0);
  EXPECT_EQ(json["sources"]["listen.port"], "flag --port");
  EXPECT_EQ(json["sources"]["workers"], "default");
  EXPECT_EQ(json["config_file"], "");
}

TEST(EffectiveJson, ItsConfigurationIsAFileThatMeansTheSame) {
  const test::TempDir dir;
  const Options before = loaded(
      {"--upstream", "unix:///s%20t?db=3&user=u", "--cache-ttl", "7", "--bind", "*,::1", "--max-entry-bytes", "3mb"});
  const std::string json = effective_json(before);
  const std::string path = dir.write("c.json", Json::parse(json)["configuration"].dump());
  const Options after = loaded({"--config", path});
  EXPECT_EQ(Json::parse(effective_json(after))["configuration"], Json::parse(json)["configuration"]);
  EXPECT_EQ(after.upstream.target, before.upstream.target);
}

TEST(EffectiveJson, HasTheListenersOfTheFileAndTheirSource) {
  const test::TempDir dir;
  const std::string path = dir.write("c.json", R"({"listen":{"listeners":[
      {"type":"unix","path":"/a","permissions":"770"},{"type":"tcp","port":7,"allow":["10.0.0.0/8"]}]}})");
  const Json json = Json::parse(effective_json(loaded({"--config", path})));
  const Json& listeners = json["configuration"]["listen"]["listeners"];
  ASSERT_EQ(listeners.size(), 2U);
  EXPECT_EQ(listeners[0], Json::parse(R"({"type":"unix","path":"/a","permissions":"770","proxy_protocol":false,
                                          "auth":"inherit"})"));
  EXPECT_EQ(listeners[1]["allow"], Json{"10.0.0.0/8"});
  EXPECT_EQ(json["sources"]["listen.listeners"], path + ": listen.listeners");

  const std::string again = dir.write("again.json", json["configuration"].dump());
  EXPECT_EQ(Json::parse(effective_json(loaded({"--config", again})))["configuration"], json["configuration"]);
}

TEST(EffectiveJson, ShowsThatThereIsAPasswordAndNothingOfIt) {
  const std::string json = effective_json(loaded({"--redis_password", "secret"}));
  EXPECT_EQ(json.find("secret"), std::string::npos);
  EXPECT_EQ(Json::parse(json)["configuration"]["upstream"]["password"], "***");
  EXPECT_EQ(Json::parse(effective_json(loaded({})))["configuration"]["upstream"]["password"], "");
}

TEST(EffectiveJson, IsJsonAlsoWhenAPathIsNotUtf8) {
  EXPECT_TRUE(Json::accept(effective_json(loaded({"--log-file", "/tmp/\xff"}))));
}

TEST(ExampleConfiguration, IsValid) {
  EXPECT_EQ(loaded({"--config", "conf/anteroom.json"}).config_file, "conf/anteroom.json");
}

}  // namespace
}  // namespace anteroom::config
