// Commands that need an upstream connection of their own, or that the operator does not allow, are refused in one clear
// line, and the session goes on.
#include <gtest/gtest.h>

#include <ostream>
#include <string>
#include <tuple>
#include <vector>

#include "support/deadline.hpp"
#include "support/rig.hpp"
#include "support/words.hpp"

namespace anteroom::test {
namespace {

struct Refused {
  const char* name;
  const char* line;
};

const Refused kNeedsOwnLink[] = {
    {"LowerCase", "psync ? -1"}, {"Exec", "EXEC"}, {"Discard", "DISCARD"}, {"Sync", "SYNC"}, {"Psync", "PSYNC ? -1"},
};

class NeedsOwnLink : public SharedRig<NeedsOwnLink>,
                     public testing::WithParamInterface<std::tuple<Transport, Refused>> {
 public:
  static Rig::Options rig_options() { return {}; }

 protected:
  void SetUp() override { use(std::get<0>(GetParam())); }
};

std::ostream& operator<<(std::ostream& out, const Refused& refused) { return out << refused.line; }

INSTANTIATE_TEST_SUITE_P(Of, NeedsOwnLink, testing::Combine(kBothTransports, testing::ValuesIn(kNeedsOwnLink)),
                         case_name<Refused>);

TEST_P(NeedsOwnLink, IsRefusedClearlyAndTheConnectionStaysUsable) {
  const std::string key = unique_key();
  RespClient user = client();
  RespClient bystander = client();
  user.send_raw(encode({"SET", key, "1"}) + encode(views(words(std::get<1>(GetParam()).line))) + encode({"INCR", key}) +
                encode({"PING"}));
  EXPECT_EQ(user.read(), kOk);
  const Reply refusal = user.read();
  EXPECT_TRUE(refusal.is_error() && refusal.text.size() > 15) << refusal.raw;
  EXPECT_EQ(user.read(), integer(2));
  EXPECT_EQ(user.read(), kPong);
  EXPECT_EQ(bystander.ask("GET", key), bulk("2"));
}

class Denied : public SharedRigTest<Denied> {
 public:
  static Rig::Options rig_options() {
    return {.front = {.config = R"({"commands":{"deny":["flushall","config set","shutdown"]}})"}};
  }
};

INSTANTIATE_TEST_SUITE_P(Over, Denied, kBothTransports, transport_name);

TEST_P(Denied, CommandsOfTheListAreRefusedWithTheirSubcommandAndNothingElseIs) {
  const std::string key = unique_key();
  RespClient user = client();
  user.ask("SET", key, "v");
  for (const char* line :
       {"FLUSHALL", "flushall ASYNC", "CONFIG SET maxmemory 0", "config set maxmemory 0", "SHUTDOWN NOSAVE"}) {
    const Reply reply = user.ask(views(words(line)));
    EXPECT_TRUE(reply.raw.starts_with("-NOPERM ") || reply.raw.starts_with("-ERR ")) << line << ": " << reply.raw;
  }
  EXPECT_EQ(user.ask("GET", key), bulk("v"));
  EXPECT_EQ(user.ask("CONFIG", "GET", "maxmemory").items.size(), 2U);
  EXPECT_EQ(user.ask("FLUSHDB"), kOk);
}

class DeniedByDefault : public SharedRigTest<DeniedByDefault> {};

INSTANTIATE_TEST_SUITE_P(Over, DeniedByDefault, kBothTransports, transport_name);

TEST_P(DeniedByDefault, NobodyCanStopOrTurnTheServerThroughTheFrontEnd) {
  RespClient user = client();
  for (const char* line : {"SHUTDOWN NOSAVE", "DEBUG SLEEP 0", "REPLICAOF localhost 1", "SLAVEOF localhost 1",
                           "MODULE LOAD /x.so", "REPLCONF ACK 1"}) {
    EXPECT_TRUE(user.ask(views(words(line))).is_error()) << line;
  }
  EXPECT_EQ(direct().ask("ROLE").items.at(0).text, "master");
  EXPECT_EQ(user.ask("PING"), kPong);
}

// The reasons are with the default in src/config/options.hpp.
TEST_P(DeniedByDefault, EveryAdministratorsCommandIsDeniedOrHasAReasonNotToBe) {
  RespClient user = client();
  for (const char* line : {"SHUTDOWN",
                           "MODULE LOAD /x.so",
                           "MODULE LOADEX /x.so",
                           "MODULE UNLOAD x",
                           "REPLICAOF NO ONE",
                           "SLAVEOF NO ONE",
                           "SYNC",
                           "PSYNC ? -1",
                           "REPLCONF ACK 1",
                           "FAILOVER",
                           "RESTORE-ASKING k 0 x",
                           "CLUSTER ADDSLOTS 1",
                           "CLUSTER ADDSLOTSRANGE 1 2",
                           "CLUSTER BUMPEPOCH",
                           "CLUSTER DELSLOTS 1",
                           "CLUSTER DELSLOTSRANGE 1 2",
                           "CLUSTER FAILOVER",
                           "CLUSTER FLUSHSLOTS",
                           "CLUSTER FORGET x",
                           "CLUSTER MEET h 1",
                           "CLUSTER REPLICATE x",
                           "CLUSTER RESET",
                           "CLUSTER SET-CONFIG-EPOCH 1",
                           "CLUSTER SETSLOT 1 STABLE",
                           "DEBUG JMAP",
                           "PFDEBUG ENCODING k",
                           "PFSELFTEST"}) {
    EXPECT_TRUE(starts_with(user.ask(views(words(line))).raw, "-NOPERM anteroom: command '")) << line;
  }
  for (const char* line : {"BGREWRITEAOF", "BGSAVE SCHEDULE", "SAVE", "MOVE k 1", "SWAPDB 0 0", "MIGRATE h 1 k 0 1 x",
                           "CLUSTER COUNT-FAILURE-REPORTS x", "CLUSTER REPLICAS x", "CLUSTER SLAVES x",
                           "CLUSTER SAVECONFIG", "CLUSTER INFO", "MODULE LIST"}) {
    EXPECT_FALSE(user.ask(views(words(line))).raw.starts_with("-NOPERM ")) << line;
  }
}

TEST_P(DeniedByDefault, NoOtherSpellingReachesADeniedCommand) {
  RespClient user = client();
  for (const char* bytes :
       {"debug sleep 0\r\n", "dEbUg SLEEP 0\r\n", "\"debug\" sleep 0\r\n", "'DEBUG' sleep 0\r\n",
        "\"\\x64ebug\" sleep 0\r\n", "   debug\tsleep 0\r\n", "*3\r\n$5\r\nDebuG\r\n$5\r\nsleep\r\n$1\r\n0\r\n",
        "*1\r\n$5\r\ndebug\r\n", "module load x\r\n", "MoDuLe \"LoAd\" x\r\n", "module LOAD\r\n",
        "*2\r\n$6\r\nmodule\r\n$4\r\nLOAD\r\n"}) {
    user.send_raw(bytes);
    EXPECT_TRUE(starts_with(user.read().raw, "-NOPERM anteroom: command '")) << bytes;
  }
}

// What is not a spelling of it for the server either.
TEST_P(DeniedByDefault, NamesThatOnlyLookLikeADeniedOneAreUnknownToTheServer) {
  RespClient user = client();
  RespClient backend = direct();
  for (const std::string& name : {std::string("debug|sleep"), std::string(" debug"), std::string("module load"),
                                  std::string("module|load"), std::string("")}) {
    const Reply reply = user.ask(name, "0");
    EXPECT_TRUE(starts_with(reply.raw, "-ERR unknown command ")) << name;
    EXPECT_EQ(reply, backend.ask(name, "0")) << name;
  }
}

// Redis finds a command by a hash of the whole name and then compares C strings: some of these names would be DEBUG,
// MULTI or CONFIG SET to it, others of MULTI's would be nobody's transaction on a link that all share.
TEST_P(DeniedByDefault, NamesWithANulByteNeverReachTheServer) {
  RespClient user = client();
  RespClient other = client();
  const std::string key = unique_key();
  for (int i = 0; i < 2000; ++i) {
    const std::string tail = std::string(1, '\0') + std::to_string(i);
    const std::string debug = "debug" + tail;
    const std::string multi = "multi" + tail;
    const std::string reply = "reply" + tail;
    const std::string load = "load" + tail;
    user.send_raw(encode({debug, "jmap"}) + encode({multi}) + encode({"client", reply, "off"}) +
                  encode({"module", load, "x"}));
  }
  for (int i = 0; i < 2000; ++i) {
    ASSERT_EQ(user.read(), "-NOPERM anteroom: command 'debug' is disabled (stage=policy executed=no)\r\n");
    ASSERT_EQ(user.read(), "-ERR unknown command 'multi', with args beginning with: \r\n");
    ASSERT_EQ(user.read(), "-ERR unknown subcommand 'reply'. Try CLIENT HELP.\r\n");
    ASSERT_EQ(user.read(), "-NOPERM anteroom: command 'module load' is disabled (stage=policy executed=no)\r\n");
  }
  EXPECT_EQ(other.ask("SET", key, "v"), kOk);
  EXPECT_EQ(user.ask("MULTI"), kOk);
  EXPECT_TRUE(starts_with(user.ask(std::string("set\0", 4), key, "w").raw, "-ERR unknown command 'set'"));
  EXPECT_TRUE(starts_with(user.ask("EXEC").raw, "-EXECABORT "));
}

TEST_P(DeniedByDefault, DeniedCommandMakesExecFail) {
  const std::string key = unique_key();
  RespClient user = client();
  EXPECT_EQ(user.ask("MULTI"), kOk);
  EXPECT_EQ(user.ask("SET", key, "v"), "+QUEUED\r\n");
  EXPECT_TRUE(starts_with(user.ask("debug", "sleep", "0").raw, "-NOPERM "));
  EXPECT_EQ(user.ask("EXEC"), "-EXECABORT Transaction discarded because of previous errors.\r\n");
  EXPECT_EQ(user.ask("EXISTS", key), integer(0));
}

// --- Hidden and renamed ---

class Hidden : public SharedRigTest<Hidden> {
 public:
  static Rig::Options rig_options() {
    return {.front = {.config =
                          R"({"commands":{"deny":["flushall","config set","script","mod.cmd"],"denied_as":"hidden",)"
                          R"("rename":["KEYS=FindKeys","OBJECT=xobject","SWAPDB="]}})"}};
  }
};

INSTANTIATE_TEST_SUITE_P(Over, Hidden, kBothTransports, transport_name);

/// A server that has been told the same by its own means.
TEST_P(Hidden, RepliesAreThoseOfAServerThatHasNoSuchCommand) {
  RedisServer reference(
      {.arguments = {"--rename-command", "FLUSHALL", "", "--rename-command", "SCRIPT", "", "--rename-command", "KEYS",
                     "FindKeys", "--rename-command", "OBJECT", "xobject", "--rename-command", "SWAPDB", ""}});
  ASSERT_TRUE(reference.start());
  for (const char* protocol : {"2", "3"}) {
    RespClient user = client();
    RespClient plain = reference.connect();
    user.ask("HELLO", protocol);
    plain.ask("HELLO", protocol);
    for (const char* line : {"FLUSHALL",
                             "flushall ASYNC",
                             "Script Load x",
                             "SCRIPT",
                             "SCRIPT NOSUCH",
                             "MOD.CMD a b",
                             "SWAPDB 0 1",
                             "swapdb",
                             "KEYS *",
                             "KEYS",
                             "FindKeys nothing*",
                             "findkeys",
                             "OBJECT HELP",
                             "xobject encoding nothing",
                             "xobject",
                             "XOBJECT freq",
                             "MULTI",
                             "FLUSHALL",
                             "EXEC",
                             "MULTI",
                             "findkeys nothing*",
                             "EXEC",
                             "MULTI",
                             "KEYS *",
                             "EXEC",
                             "MULTI",
                             "swapdb 0 0",
                             "EXEC",
                             "PING"}) {
      EXPECT_EQ(user.ask(views(words(line))), plain.ask(views(words(line)))) << line << " in RESP" << protocol;
    }
    EXPECT_EQ(user.ask("Config", "Set", "maxmemory", "0"), "-ERR unknown subcommand 'Set'. Try CONFIG HELP.\r\n");
    EXPECT_EQ(user.ask("CONFIG", "GET", "maxmemory").type, std::string_view(protocol) == "3" ? '%' : '*');
  }
}

TEST_P(Hidden, RenamedCommandHasTheSameCacheAndTheSameKeys) {
  Rig rig({.upstream = GetParam(),
           .front = {.arguments = {"--workers", "1", "--rename-command", "get=fetch,set=put,blpop=bpop,multi=begin"}}});
  ASSERT_TRUE(rig.is_ready());
  RespClient user = rig.front.connect(GetParam());
  EXPECT_EQ(user.ask("PUT", "k", "1"), kOk);
  EXPECT_EQ(user.ask("Fetch", "k"), bulk("1"));
  const std::int64_t calls = rig.redis.calls("get");
  EXPECT_TRUE(eventually([&] {
    const std::int64_t before = rig.redis.calls("get");
    return user.ask("fetch", "k") == bulk("1") && rig.redis.calls("get") == before;
  })) << "answered from the cache";
  EXPECT_GE(calls, 1);
  EXPECT_EQ(user.ask("put", "k", "2"), kOk);
  EXPECT_EQ(user.ask("fetch", "k"), bulk("2"));
  EXPECT_EQ(user.ask("begin"), kOk);
  EXPECT_EQ(user.ask("put", "k", "3"), "+QUEUED\r\n");
  EXPECT_EQ(user.ask("EXEC"), "*1\r\n+OK\r\n");
  EXPECT_EQ(user.ask("fetch", "k"), bulk("3"));
  user.send({"bpop", "list", "0"});
  EXPECT_TRUE(eventually([&] { return rig.redis.connect().ask("RPUSH", "list", "v") == integer(1); }));
  EXPECT_EQ(user.read(), "*2\r\n$4\r\nlist\r\n$1\r\nv\r\n");
}

TEST(Renames, ClashesAndBadNamesAreErrorsAtTheStart) {
  const struct {
    const char* rename;
    const char* error;
  } cases[] = {
      {"get=set", "commands.rename (from flag --rename-command): 'set' is the name of another command"},
      {"get=sentinel", "'sentinel' is the name of another command"},
      {"get", "is not OLD=NEW"},
      {"=x", "is no name of a command"},
      {"a b=x", "is no name of a command"},
      {"get=x y", "is no name for a command"},
      {"get=a,get=b", "is named twice"},
      {"get=a,set=a", "is named twice"},
      {"debug=mydebug", "which commands.deny denies by any name"},
  };
  for (const auto& each : cases) {
    const Finished finished =
        run_anteroom({"serve", "--port", "0", "--unixsocket", "/nowhere/at/all", "--rename-command", each.rename});
    EXPECT_EQ(finished.status, ExitStatus{.code = 2}) << each.rename;
    EXPECT_TRUE(contains(finished.errors, each.error)) << each.rename;
  }
}

TEST(Renames, UnknownNameIsWarnedOf) {
  AnteroomProcess front{{.upstream = "unix:///nowhere", .arguments = {"--rename-command", "gte=fetch,set=put"}}};
  ASSERT_TRUE(front.start());
  EXPECT_TRUE(eventually([&] { return contains(front.output(), "command=gte"); })) << front.output();
  EXPECT_FALSE(contains(front.output(), "command=set"));
}

}  // namespace
}  // namespace anteroom::test
