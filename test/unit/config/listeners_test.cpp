#include "config/listeners.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "config/loader.hpp"

namespace anteroom::config {
namespace {

using Strings = std::vector<std::string>;

std::expected<Options, Errors> load_listeners(const std::string& listeners, Strings flags = {}) {
  const FileReader read = [&](const std::string&, std::size_t) {
    return "{\"listen\":{\"listeners\":" + listeners + "}}";
  };
  flags.insert(flags.end(), {"--config", "c.json"});
  return load(parse_command_line(flags), {}, read);
}

std::vector<ListenerOptions> listeners_of(const std::string& listeners, const Strings& flags = {}) {
  const auto options = load_listeners(listeners, flags);
  if (options) return all_listeners(options->listen);
  for (const Error& error : options.error()) ADD_FAILURE() << error.to_string();
  return {};
}

/// The one error.
std::string error_of(const std::string& listeners, const Strings& flags = {}) {
  const auto options = load_listeners(listeners, flags);
  if (options) return "no error";
  if (options.error().size() != 1) return std::to_string(options.error().size()) + " errors";
  return options.error().front().to_string();
}

TEST(Listeners, TheSimpleOptionsMakeOneOfEachType) {
  const auto all = listeners_of(
      "[]", {"--port", "1", "--unixsocket", "/s", "--unixsocketperm", "770", "--bind", "::1", "--tls-port", "2",
             "--tls-cert", "c", "--tls-key", "k", "--tls-ca", "a", "--tls-verify-client", "optional"});
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(all[0].type, ListenerType::kTcp);
  EXPECT_EQ(all[0].port, 1);
  EXPECT_EQ(all[0].bind, Strings{"::1"});
  EXPECT_EQ(all[1].type, ListenerType::kUnix);
  EXPECT_EQ(all[1].path, "/s");
  EXPECT_EQ(all[1].permissions, 0770U);
  EXPECT_EQ(all[2].type, ListenerType::kTls);
  EXPECT_EQ(all[2].port, 2);
  EXPECT_EQ(all[2].bind, Strings{"::1"});
  EXPECT_EQ(all[2].tls_cert + all[2].tls_key + all[2].tls_ca, "cka");
  EXPECT_EQ(all[2].tls_verify_client, ClientCertificates::kOptional);
  EXPECT_EQ(all[2].option_of("port"), "listen.tls_port");
  EXPECT_EQ(all[1].option_of("path"), "listen.unixsocket");
}

TEST(Listeners, TheListComesBesideTheSimpleOnes) {
  const auto all = listeners_of(R"([
      {"type":"tcp","bind":["10.0.0.1","::1"],"port":5,"allow":["10.0.0.0/8"],"proxy_protocol":true,"auth":"none"},
      {"type":"unix","path":"/u","permissions":"0600","auth":"passthrough"},
      {"type":"tls","port":6,"tls_cert":"c","tls_key":"k","tls_ca":"a","tls_verify_client":"required","auth":"proxy"}])");
  ASSERT_EQ(all.size(), 4U);
  EXPECT_EQ(all[0].port, 8001);
  EXPECT_EQ(all[0].auth, ListenerAuth::kInherit);
  EXPECT_EQ(all[1].bind, (Strings{"10.0.0.1", "::1"}));
  EXPECT_EQ(all[1].port, 5);
  EXPECT_EQ(all[1].allow, Strings{"10.0.0.0/8"});
  EXPECT_TRUE(all[1].proxy_protocol);
  EXPECT_EQ(all[1].auth, ListenerAuth::kNone);
  EXPECT_EQ(all[2].path, "/u");
  EXPECT_EQ(all[2].permissions, 0600U);
  EXPECT_FALSE(all[2].proxy_protocol);
  EXPECT_EQ(all[2].auth, ListenerAuth::kPassthrough);
  EXPECT_EQ(all[3].tls_verify_client, ClientCertificates::kRequired);
  EXPECT_EQ(all[3].bind, Strings{"127.0.0.1"});
  EXPECT_EQ(all[3].auth, ListenerAuth::kProxy);
  EXPECT_EQ(all[3].option_of("port"), "listen.listeners[2].port");
}

TEST(Listeners, QuicIsLikeTlsButOverUdp) {
  const auto all = listeners_of(
      R"([{"type":"quic","port":8001,"tls_cert":"c","tls_key":"k"},{"type":"tls","port":6,"tls_cert":"c","tls_key":"k"}])");
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(all[1].type, ListenerType::kQuic);
  EXPECT_EQ(all[1].port, all[0].port) << "a port of UDP is another than that of TCP";
  EXPECT_EQ(
      error_of(R"([{"type":"quic","port":1,"tls_cert":"c"}])"),
      "listen.listeners[0].tls_key: is missing, and a listener of type quic needs it (from c.json: listen.listeners)");
  EXPECT_EQ(error_of(R"([{"type":"quic","port":1,"tls_cert":"c","tls_key":"k","proxy_protocol":true}])"),
            "listen.listeners[0].proxy_protocol: has no meaning for a listener of type quic (from c.json: "
            "listen.listeners[0].proxy_protocol)");
  EXPECT_EQ(error_of(R"([{"type":"quic","port":1,"tls_cert":"c","tls_key":"k"},
                         {"type":"quic","port":1,"tls_cert":"c","tls_key":"k"}])"),
            "listen.listeners[1].port: 1 is the port of listen.listeners[0].port as well (from c.json: "
            "listen.listeners[1].port)");
}

TEST(Listeners, TheListAloneIsEnough) {
  EXPECT_EQ(listeners_of(R"([{"type":"tcp","port":5}])", {"--port", "0"}).size(), 1U);
  EXPECT_EQ(error_of("[]", {"--port", "0"}),
            "listen.port: is 0 and there is no listen.unixsocket, so nobody could connect (from flag --port)");
}

TEST(Listeners, WhatIsNoListOfObjectsIsRefused) {
  for (const char* wrong : {"5", "\"x\"", "null", "[1]", R"(["tcp"])", R"({"type":"tcp"})",
                            R"({"type":"tcp","port":1})", R"([{"type":"tcp","port":1},"x"])", "[[]]", "{}"}) {
    EXPECT_EQ(error_of(wrong), "listen.listeners: needs a list of objects (from c.json)") << wrong;
  }
}

TEST(Listeners, AnUnknownMemberIsNamedWithWhatWasMeant) {
  EXPECT_EQ(error_of(R"([{"type":"tcp","tls_crt":"x"}])"),
            "listen.listeners[0].tls_crt: unknown key, did you mean tls_cert? (from c.json)");
  EXPECT_EQ(error_of(R"([{"type":"tcp","port":5},{"type":"tcp","port":6,"tls":{"cert":"x"}}])"),
            "listen.listeners[1].tls.cert: unknown key, did you mean tls_cert? (from c.json)");
}

TEST(Listeners, AValueOfTheWrongTypeOrRangeIsNamed) {
  const auto error = [](const std::string& member) { return error_of(R"([{"type":"tls",)" + member + "}]"); };
  const std::string place = "listen.listeners[0].";
  EXPECT_EQ(error(R"("port":"5")"), place + "port: needs a whole number, not a string (from c.json)");
  EXPECT_EQ(error(R"("port":70000)"), place + "port: 70000 is not between 1 and 65535 (from c.json)");
  EXPECT_EQ(error(R"("port":0)"), place + "port: 0 is not between 1 and 65535 (from c.json)");
  EXPECT_EQ(error(R"("bind":[])"), place + "bind: is empty (from c.json)");
  EXPECT_EQ(error(R"("bind":[1])"),
            place + "bind: needs a list of strings, not a list with other things than strings (from c.json)");
  EXPECT_EQ(error(R"("path":"")"), place + "path: is empty (from c.json)");
  EXPECT_EQ(error("\"path\":\"" + std::string(108, 'x') + '"'),
            place + "path: is longer than the 107 bytes that a UNIX socket allows (from c.json)");
  EXPECT_EQ(error(R"("permissions":"999")"),
            place + "permissions: \"999\" is not an octal mode like 700 (from c.json)");
  EXPECT_EQ(error(R"("proxy_protocol":"yes")"),
            place + "proxy_protocol: needs true or false, not a string (from c.json)");
  EXPECT_EQ(error(R"("tls_cert":null)"), place + "tls_cert: needs a string, not null (from c.json)");
  EXPECT_EQ(error(R"("tls_verify_client":"maybe")"),
            place + "tls_verify_client: \"maybe\" is not one of none, optional, required (from c.json)");
  EXPECT_EQ(error(R"("auth":"acl")"),
            place + "auth: \"acl\" is not one of inherit, none, proxy, passthrough (from c.json)");
  EXPECT_EQ(error_of(R"([{"type":"http","port":1}])"),
            place + "type: \"http\" is not one of tcp, unix, tls, quic (from c.json)");
  EXPECT_EQ(error_of(R"([{"port":1}])"), place + "type: is missing (tcp, unix, tls or quic) (from c.json)");
  EXPECT_EQ(error_of("[{}]"), place + "type: is missing (tcp, unix, tls or quic) (from c.json)");
  EXPECT_EQ(error(R"("port":1,"port":2)"), place + "port: is given twice (from c.json)");
}

TEST(Listeners, AListGivenTwiceIsRefused) {
  EXPECT_EQ(error_of("[],\"listeners\":[]"), "listen.listeners: is given twice (from c.json)");
}

TEST(Listeners, MoreThanSixtyFourAreTooMany) {
  std::string many = R"([{"type":"tcp","port":1})";
  for (int port = 2; port <= 65; ++port) many += R"(,{"type":"tcp","port":)" + std::to_string(port) + "}";
  EXPECT_EQ(error_of(many + "]"), "listen.listeners: has more than 64 (from c.json)");
}

TEST(Listeners, WhatATypeNeedsMustBeThere) {
  const std::string place = "listen.listeners[0].";
  const std::string source = " (from c.json: listen.listeners)";
  EXPECT_EQ(error_of(R"([{"type":"tcp"}])"), place + "port: is missing, and a listener of type tcp needs it" + source);
  EXPECT_EQ(error_of(R"([{"type":"unix"}])"),
            place + "path: is missing, and a listener of type unix needs it" + source);
  EXPECT_EQ(error_of(R"([{"type":"tls","port":1,"tls_key":"k"}])"),
            place + "tls_cert: is missing, and a listener of type tls needs it" + source);
  EXPECT_EQ(error_of(R"([{"type":"tls","port":1,"tls_cert":"c"}])"),
            place + "tls_key: is missing, and a listener of type tls needs it" + source);
  EXPECT_EQ(
      error_of(R"([{"type":"tls","port":1,"tls_cert":"c","tls_key":"k","tls_verify_client":"required"}])"),
      place + "tls_verify_client: needs a CA in " + place + "tls_ca (from c.json: " + place + "tls_verify_client)");
}

TEST(Listeners, TheSimpleTlsPortNeedsItsCertificateToo) {
  EXPECT_EQ(error_of("[]", {"--tls-port", "5", "--tls-key", "k"}),
            "listen.tls_cert: is missing, and a listener of type tls needs it");
  EXPECT_EQ(error_of("[]", {"--tls-port", "5", "--tls-cert", "c"}),
            "listen.tls_key: is missing, and a listener of type tls needs it");
  EXPECT_EQ(error_of("[]", {"--tls-port", "5", "--tls-cert", "c", "--tls-key", "k", "--tls-verify-client", "required"}),
            "listen.tls_verify_client: needs a CA in listen.tls_ca (from flag --tls-verify-client)");
}

TEST(Listeners, WhatATypeHasNoUseForIsRefused) {
  const std::string place = "listen.listeners[0].";
  const auto error = [](const std::string& rest) { return error_of("[{" + rest + "}]"); };
  for (const char* member : {"tls_cert", "tls_key", "tls_ca", "path"}) {
    EXPECT_EQ(error(R"("type":"tcp","port":1,")" + std::string(member) + R"(":"x")"),
              place + member + ": has no meaning for a listener of type tcp (from c.json: " + place + member + ")");
  }
  EXPECT_EQ(error(R"("type":"unix","path":"/a","port":1)"),
            place + "port: has no meaning for a listener of type unix (from c.json: " + place + "port)");
  EXPECT_EQ(error(R"("type":"unix","path":"/a","allow":["10.0.0.0/8"])"),
            place + "allow: has no meaning for a listener of type unix (from c.json: " + place + "allow)");
}

TEST(Listeners, TwoAtOnePlaceClash) {
  const std::string source = " (from c.json: listen.listeners[0].port)";
  EXPECT_EQ(error_of(R"([{"type":"tcp","port":8001}])"),
            "listen.listeners[0].port: 8001 is the port of listen.port as well" + source);
  EXPECT_EQ(error_of(R"([{"type":"tcp","port":8001,"bind":["*"]}])"),
            "listen.listeners[0].port: 8001 is the port of listen.port as well" + source);
  EXPECT_EQ(error_of(R"([{"type":"tcp","port":5}])", {"--tls-port", "5", "--tls-cert", "c", "--tls-key", "k"}),
            "listen.listeners[0].port: 5 is the port of listen.tls_port as well" + source);
  EXPECT_EQ(error_of("[]", {"--port", "5", "--tls-port", "5", "--tls-cert", "c", "--tls-key", "k"}),
            "listen.tls_port: 5 is the port of listen.port as well (from flag --tls-port)");
  EXPECT_EQ(
      error_of(R"([{"type":"unix","path":"/s"}])", {"--unixsocket", "/s"}),
      "listen.listeners[0].path: is the path of listen.unixsocket as well (from c.json: listen.listeners[0].path)");
  EXPECT_EQ(listeners_of(R"([{"type":"tcp","port":8001,"bind":["::1"]}])").size(), 2U);
}

TEST(Listeners, MembersAreDocumented) {
  for (const ListenerMember& member : listener_members()) {
    EXPECT_GT(member.form.doc.size(), 8U) << member.form.path;
    EXPECT_FALSE(member.types.empty()) << member.form.path;
  }
}

}  // namespace
}  // namespace anteroom::config
