// Commands that need an upstream connection of their own, or that the operator does not allow, are refused in one clear
// line, and the session goes on.
#include <gtest/gtest.h>

#include <ostream>
#include <string>
#include <tuple>
#include <vector>

#include "support/rig.hpp"
#include "support/words.hpp"

namespace anteroom::test {
namespace {

struct Refused {
  const char* name;
  const char* line;
};

const Refused kNeedsOwnLink[] = {
    {"LowerCase", "psync ? -1"},
    {"Exec", "EXEC"},
    {"Discard", "DISCARD"},
    {"Sync", "SYNC"},
    {"Psync", "PSYNC ? -1"},
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

}  // namespace
}  // namespace anteroom::test
