// What belongs to one client: its database, name and id, and the commands that the front-end answers itself or refuses.
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "support/rig.hpp"
#include "support/words.hpp"

namespace anteroom::test {
namespace {

class Session : public SharedRigTest<Session> {};

INSTANTIATE_TEST_SUITE_P(Over, Session, kBothTransports, transport_name);

TEST_P(Session, SelectedDatabasesOfInterleavedSessionsNeverLeak) {
  constexpr int kSessions = 8;
  const std::string key = unique_key();
  std::vector<RespClient> sessions;
  for (int db = 0; db < kSessions; ++db) {
    sessions.push_back(client());
    ASSERT_EQ(sessions.back().ask("SELECT", std::to_string(db)), kOk);
  }
  for (int round = 1; round <= 50; ++round) {
    for (int db = 0; db < kSessions; ++db) {
      sessions[static_cast<std::size_t>(db)].send({"INCRBY", key, std::to_string(db + 1)});
    }
    for (int db = kSessions - 1; db >= 0; --db) {
      ASSERT_EQ(sessions[static_cast<std::size_t>(db)].read(), integer(round * (db + 1)));
    }
  }
  for (int db = 0; db < kSessions; ++db) {
    EXPECT_EQ(sessions[static_cast<std::size_t>(db)].ask("GET", key), bulk(std::to_string(50 * (db + 1))));
    RespClient backend = direct();
    backend.ask("SELECT", std::to_string(db));
    EXPECT_EQ(backend.ask("GET", key), bulk(std::to_string(50 * (db + 1))));
  }
  EXPECT_EQ(client().ask("GET", key), bulk("50")) << "a new session starts in database 0";
}

TEST_P(Session, SelectInsideAPipelineActsFromThereOn) {
  const std::string key = unique_key();
  RespClient user = client();
  user.send_raw(encode({"SET", key, "zero"}) + encode({"SELECT", "4"}) + encode({"GET", key}) +
                encode({"SET", key, "four"}) + encode({"SELECT", "0"}) + encode({"GET", key}) +
                encode({"STRLEN", key}) + encode({"SELECT", "4"}) + encode({"GET", key}));
  EXPECT_EQ(user.read(), kOk);
  EXPECT_EQ(user.read(), kOk);
  EXPECT_EQ(user.read(), kNil);
  EXPECT_EQ(user.read(), kOk);
  EXPECT_EQ(user.read(), kOk);
  EXPECT_EQ(user.read(), bulk("zero"));
  EXPECT_EQ(user.read(), integer(4));
  EXPECT_EQ(user.read(), kOk);
  EXPECT_EQ(user.read(), bulk("four"));
}

TEST_P(Session, AFailedSelectGivesTheServersErrorAndChangesNothing) {
  const std::string key = unique_key();
  RespClient user = client();
  RespClient backend = direct();
  user.ask("SELECT", "5");
  user.ask("SET", key, "five");
  for (const char* bad : {"99999", "16", "-1", "abc", "", "1x", "99999999999999999999", "1.0", " 1"}) {
    EXPECT_EQ(user.ask("SELECT", bad), backend.ask("SELECT", bad)) << '"' << bad << '"';
    EXPECT_EQ(user.ask("GET", key), bulk("five")) << bad;
    EXPECT_EQ(user.ask("STRLEN", key), integer(4)) << bad;
  }
}

TEST_P(Session, FlushDbEmptiesOnlyTheSelectedDatabase) {
  const std::string key = unique_key();
  RespClient zero = client();
  RespClient six = client();
  six.ask("SELECT", "6");
  zero.ask("SET", key, "zero");
  six.ask("SET", key, "six");
  zero.ask("GET", key);
  six.ask("GET", key);
  EXPECT_EQ(six.ask("FLUSHDB"), kOk);
  EXPECT_EQ(six.ask("GET", key), kNil);
  EXPECT_EQ(zero.ask("GET", key), bulk("zero"));
}

TEST_P(Session, QuitAnswersWhatCameBeforeItAndThenCloses) {
  const std::string key = unique_key();
  RespClient user = client();
  user.send_raw(encode({"SET", key, "1"}) + encode({"GET", key}) + encode({"INCR", key}) + encode({"QUIT"}) +
                encode({"INCR", key}));
  const auto rest = user.read_rest();
  EXPECT_EQ(rest.bytes, "+OK\r\n$1\r\n1\r\n:2\r\n+OK\r\n");
  EXPECT_TRUE(rest.is_closed);
  EXPECT_EQ(client().ask("GET", key), bulk("2")) << "nothing after QUIT is run";
}

TEST_P(Session, EchoAndPingAreAnsweredBinarySafe) {
  using namespace std::string_literals;
  RespClient user = client();
  for (const std::string& text : {""s, "x"s, "\r\n\0\xff"s, std::string(100'000, 'e')}) {
    EXPECT_EQ(user.ask("ECHO", text), bulk(text));
    EXPECT_EQ(user.ask("PING", text), bulk(text));
  }
}

TEST_P(Session, HelloDescribesTheServerAsAFlatArrayInResp2) {
  RespClient user = client();
  for (const std::vector<std::string_view>& hello : {std::vector<std::string_view>{"HELLO"}, {"HELLO", "2"}}) {
    const Reply reply = user.ask(hello);
    ASSERT_EQ(reply.type, '*') << reply.raw;
    ASSERT_EQ(reply.items.size(), 14U);
    EXPECT_EQ(reply.items[0].text, "server");
    EXPECT_EQ(reply.items[2].text, "version");
    EXPECT_EQ(reply.items[4].text, "proto");
    EXPECT_EQ(reply.items[5].number(), 2);
    EXPECT_EQ(reply.items[6].text, "id");
    EXPECT_EQ(reply.items[8].text, "mode");
    EXPECT_EQ(reply.items[9].text, "standalone");
    EXPECT_EQ(reply.items[10].text, "role");
    EXPECT_EQ(reply.items[11].text, "master");
    EXPECT_EQ(reply.items[12].text, "modules");
    EXPECT_EQ(reply.items[13].type, '*');
  }
}

TEST_P(Session, HelloIdIsTheClientId) {
  RespClient user = client();
  const Reply hello = user.ask("HELLO", "2");
  ASSERT_EQ(hello.items.size(), 14U) << hello.raw;
  EXPECT_EQ(hello.items[7].number(), user.ask("CLIENT", "ID").number());
}

TEST_P(Session, HelloRefusesVersionsAndOptionsWithTheServersTexts) {
  RespClient user = client();
  RespClient backend = direct();
  for (const char* line :
       {"HELLO 4", "HELLO 1", "HELLO 0", "HELLO -2", "HELLO abc", "HELLO ''", "HELLO 2 FOO", "HELLO 2 SETNAME",
        "HELLO 2 AUTH", "HELLO 2 AUTH x", "HELLO 2 SETNAME 'a b'", "HELLO 2.0", "HELLO 99999999999999999999"}) {
    const std::vector<std::string> args = words(line);
    EXPECT_EQ(user.ask(views(args)), backend.ask(views(args))) << line;
  }
  EXPECT_EQ(user.ask("PING"), kPong);
}

TEST_P(Session, AuthWithoutAnyPasswordConfiguredGivesTheServersText) {
  RespClient user = client();
  EXPECT_EQ(user.ask("AUTH", "secret"), direct().ask("AUTH", "secret"));
  EXPECT_EQ(user.ask("AUTH"), direct().ask("AUTH"));
  EXPECT_EQ(user.ask("AUTH", "a", "b", "c"), direct().ask("AUTH", "a", "b", "c"));
  EXPECT_EQ(user.ask("PING"), kPong);
}

TEST_P(Session, HelloSetsTheName) {
  RespClient user = client();
  EXPECT_EQ(user.ask("HELLO", "2", "SETNAME", "me").type, '*');
  EXPECT_EQ(user.ask("CLIENT", "GETNAME"), bulk("me"));
  EXPECT_EQ(user.ask("HELLO", "4", "SETNAME", "other").type, '-');
  EXPECT_EQ(user.ask("CLIENT", "GETNAME"), bulk("me")) << "a refused HELLO changes nothing";
}

TEST_P(Session, ClientNamesBelongToOneSession) {
  RespClient a = client();
  RespClient b = client();
  EXPECT_EQ(a.ask("CLIENT", "GETNAME"), kNil);
  EXPECT_EQ(a.ask("CLIENT", "SETNAME", "alpha"), kOk);
  EXPECT_EQ(b.ask("client", "setname", "beta"), kOk);
  EXPECT_EQ(a.ask("CLIENT", "GETNAME"), bulk("alpha"));
  EXPECT_EQ(b.ask("CLIENT", "GETNAME"), bulk("beta"));
  EXPECT_EQ(a.ask("CLIENT", "SETNAME", "with space"), direct().ask("CLIENT", "SETNAME", "with space"));
  EXPECT_EQ(a.ask("CLIENT", "GETNAME"), bulk("alpha"));
  EXPECT_EQ(a.ask("CLIENT", "SETNAME", ""), kOk);
  EXPECT_EQ(a.ask("CLIENT", "GETNAME"), kNil);
  EXPECT_EQ(client().ask("CLIENT", "GETNAME"), kNil);
}

TEST_P(Session, ClientIdsAreDifferentAndStay) {
  std::set<std::int64_t> ids;
  for (int i = 0; i < 20; ++i) {
    RespClient user = client();
    const std::int64_t id = user.ask("CLIENT", "ID").number();
    EXPECT_GT(id, 0);
    EXPECT_EQ(user.ask("CLIENT", "ID").number(), id);
    ids.insert(id);
  }
  EXPECT_EQ(ids.size(), 20U);
}

TEST_P(Session, ClientSetInfoIsTakenAndBadAttributesAreRefused) {
  RespClient user = client();
  EXPECT_EQ(user.ask("CLIENT", "SETINFO", "LIB-NAME", "redis-py"), kOk);
  EXPECT_EQ(user.ask("CLIENT", "SETINFO", "lib-ver", "5.0.1"), kOk);
  EXPECT_TRUE(starts_with(user.ask("CLIENT", "SETINFO", "nope", "x").raw, "-ERR "));
  EXPECT_TRUE(user.ask("CLIENT", "SETINFO", "LIB-NAME").is_error());
  EXPECT_TRUE(starts_with(user.ask("CLIENT", "SETINFO", "LIB-NAME", "with space").raw, "-ERR "));
  EXPECT_EQ(user.ask("PING"), kPong);
}

TEST_P(Session, ClientInfoIsOneLineAboutThisSession) {
  RespClient user = client();
  user.ask("CLIENT", "SETNAME", "informed");
  user.ask("SELECT", "3");
  const std::int64_t id = user.ask("CLIENT", "ID").number();
  const Reply info = user.ask("CLIENT", "INFO");
  ASSERT_EQ(info.type, '$') << info.raw;
  EXPECT_TRUE(starts_with(info.text, "id=" + std::to_string(id) + " "));
  EXPECT_TRUE(contains(info.text, " name=informed "));
  EXPECT_TRUE(contains(info.text, " db=3 "));
  EXPECT_TRUE(contains(info.text, "addr="));
}

TEST_P(Session, InfoHasTheServersFieldsAndASectionOfItsOwn) {
  RespClient user = client();
  const Reply all = user.ask("INFO");
  ASSERT_EQ(all.type, '$') << all.raw;
  EXPECT_TRUE(contains(all.text, "# anteroom\r\n"));
  EXPECT_NE(info_field(all.text, "redis_version"), "");
  EXPECT_NE(info_field(all.text, "role"), "");
  const Reply own = user.ask("INFO", "anteroom");
  EXPECT_TRUE(contains(own.text, "# anteroom\r\n"));
  EXPECT_FALSE(contains(own.text, "# Server"));
  EXPECT_EQ(info_field(user.ask("INFO", "server").text, "redis_version"),
            info_field(direct().ask("INFO", "server").text, "redis_version"));
}

TEST_P(Session, CommandAndItsDocsAnswerSoThatClientsStartCleanly) {
  RespClient user = client();
  EXPECT_GT(user.ask("COMMAND").items.size(), 200U);
  EXPECT_GT(user.ask("COMMAND", "COUNT").number(), 200);
  EXPECT_GT(user.ask("COMMAND", "DOCS").items.size(), 400U);
  const Reply docs = user.ask("COMMAND", "DOCS", "get", "set");
  ASSERT_EQ(docs.items.size(), 4U) << docs.raw.substr(0, 200);
  EXPECT_EQ(docs.items[0].text, "get");
  EXPECT_EQ(user.ask("COMMAND", "DOCS", "nope").items.size(), 0U);
  EXPECT_EQ(user.ask("COMMAND", "INFO", "get", "nope"), direct().ask("COMMAND", "INFO", "get", "nope"));
}

TEST_P(Session, UnknownCommandsAndWrongArityGiveTheServersTexts) {
  RespClient user = client();
  RespClient backend = direct();
  std::string line_of_many = "MANY";
  for (int i = 0; i < 40; ++i) line_of_many += " argument" + std::to_string(i);
  const std::string long_name = std::string(300, 'n') + " " + std::string(300, 'a');
  std::vector<std::string> lines{line_of_many, long_name};
  for (const char* line :
       {"NOPE",        "nope with args", "'' x",           "'a b' 'c d'", "GET",         "GET a b",    "get",
        "SET a",       "PING a b",       "ECHO",           "ECHO a b",    "SELECT",      "SELECT 1 2", "CLIENT",
        "CLIENT NOPE", "CLIENT ID x",    "CLIENT SETNAME", "CONFIG",      "CONFIG NOPE", "CONFIG GET", "OBJECT NOPE x",
        "MSET a",      "COMMAND NOPE",   "EVAL x",         "HSET a b",    "DEL",         "XGROUP",     "GETrange a"}) {
    lines.emplace_back(line);
  }
  for (const std::string& line : lines) {
    const std::vector<std::string> args = words(line);
    EXPECT_EQ(user.ask(views(args)), backend.ask(views(args))) << line.substr(0, 100);
  }
  EXPECT_EQ(user.ask("PING"), kPong);
}

TEST_P(Session, ControlBytesInAnUnknownNameDoNotBreakTheErrorLine) {
  RespClient user = client();
  RespClient backend = direct();
  EXPECT_EQ(user.ask("a\r\nb", "c\r\nx"), backend.ask("a\r\nb", "c\r\nx"));
  EXPECT_EQ(user.ask("PING"), kPong);
}

TEST_P(Session, InlineCommandsWorkLikeArrays) {
  const std::string key = unique_key();
  RespClient user = client();
  user.send_raw("PING\r\nset " + key + " \"a\\x41\\n b\"\r\nGET " + key + "\n\r\n  STRLEN   '" + key +
                "'  \r\nECHO ''\r\n");
  EXPECT_EQ(user.read(), kPong);
  EXPECT_EQ(user.read(), kOk);
  EXPECT_EQ(user.read(), bulk("aA\n b"));
  EXPECT_EQ(user.read(), integer(5));
  EXPECT_EQ(user.read(), bulk(""));
}

}  // namespace
}  // namespace anteroom::test
