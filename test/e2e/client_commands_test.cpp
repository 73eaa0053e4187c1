// CLIENT subcommands are about the clients of the front-end, whichever worker they are with.
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "support/deadline.hpp"
#include "support/rig.hpp"
#include "support/words.hpp"

namespace anteroom::test {
namespace {

using namespace std::chrono_literals;

class Clients : public SharedRigTest<Clients> {
 public:
  static Rig::Options rig_options() { return {.front = {.arguments = {"--workers", "2"}}}; }

 protected:
  static std::string id_of(RespClient& client) { return std::to_string(client.ask("CLIENT", "ID").number()); }
  static std::size_t lines(const std::string& text) { return static_cast<std::size_t>(std::ranges::count(text, '\n')); }
};
INSTANTIATE_TEST_SUITE_P(Over, Clients, kBothTransports, transport_name);

TEST_P(Clients, ListShowsThoseOfAllWorkersInTheOrderOfTheirIds) {
  std::vector<RespClient> all;
  std::string last_id;
  for (int i = 0; i < 9; ++i) {
    all.push_back(client());
    all.back().ask("CLIENT", "SETNAME", "client" + std::to_string(i));
  }
  const std::string list = all[4].ask("CLIENT", "LIST").text;
  std::size_t at = 0;
  for (int i = 0; i < 9; ++i) {
    const std::size_t found = list.find("name=client" + std::to_string(i) + " ");
    ASSERT_NE(found, std::string::npos) << list;
    EXPECT_GT(found, at);
    at = found;
  }
  EXPECT_TRUE(contains(list, "cmd=client|list"));
  EXPECT_EQ(lines(all[0].ask("CLIENT", "LIST", "ID", id_of(all[3]), id_of(all[8]), "99999999").text), 2U);
}

TEST_P(Clients, ListFiltersByType) {
  RespClient reader = client();
  RespClient user = client();
  reader.ask("CLIENT", "SETNAME", "the-subscriber");
  reader.ask("SUBSCRIBE", "c");
  EXPECT_TRUE(contains(user.ask("CLIENT", "LIST", "TYPE", "pubsub").text, "name=the-subscriber"));
  EXPECT_TRUE(contains(user.ask("CLIENT", "LIST", "TYPE", "pubsub").text, " sub=1 "));
  EXPECT_EQ(user.ask("CLIENT", "LIST", "TYPE", "NORMAL").text.find("the-subscriber"), std::string::npos);
  EXPECT_EQ(user.ask("CLIENT", "LIST", "TYPE", "master").text, "");
}

TEST_P(Clients, RefusalsAreTheServers) {
  RespClient user = client();
  RespClient backend = direct();
  for (const char* line : {"CLIENT LIST TYPE foo",
                           "CLIENT LIST ID",
                           "CLIENT LIST ID x",
                           "CLIENT LIST ID 999999",
                           "CLIENT LIST foo",
                           "CLIENT LIST TYPE normal ID 1",
                           "CLIENT LIST TYPE replica",
                           "CLIENT KILL",
                           "CLIENT KILL 1.2.3.4:5",
                           "CLIENT KILL ID",
                           "CLIENT KILL ID x",
                           "CLIENT KILL ID 0",
                           "CLIENT KILL ID 999999",
                           "CLIENT KILL TYPE foo",
                           "CLIENT KILL USER nobody",
                           "CLIENT KILL USER default SKIPME maybe",
                           "CLIENT KILL ADDR x LADDR y",
                           "CLIENT KILL ID 1 foo",
                           "CLIENT REPLY foo",
                           "CLIENT REPLY ON",
                           "CLIENT NO-EVICT foo",
                           "CLIENT NO-EVICT on",
                           "CLIENT NO-EVICT off",
                           "CLIENT NO-TOUCH on",
                           "CLIENT PAUSE x",
                           "CLIENT PAUSE -1",
                           "CLIENT PAUSE 1 foo",
                           "CLIENT PAUSE 1 WRITE x",
                           "CLIENT PAUSE 99999999999999999999",
                           "CLIENT PAUSE 0",
                           "CLIENT UNPAUSE",
                           "CLIENT UNBLOCK x",
                           "CLIENT UNBLOCK 999999",
                           "CLIENT UNBLOCK 999999 foo",
                           "CLIENT UNBLOCK 999999 ERROR x",
                           "CLIENT GETREDIR",
                           "CLIENT TRACKINGINFO",
                           "CLIENT CACHING yes",
                           "CLIENT TRACKING",
                           "CLIENT TRACKING foo",
                           "CLIENT TRACKING on OPTIN OPTOUT",
                           "CLIENT TRACKING on PREFIX a",
                           "CLIENT TRACKING on BCAST OPTIN",
                           "CLIENT foo",
                           "CLIENT",
                           "CLIENT ID x"}) {
    EXPECT_EQ(user.ask(views(words(line))), backend.ask(views(words(line)))) << line;
  }
}

TEST_P(Clients, KillEndsTheOneMeantOnWhicheverWorker) {
  for (int i = 0; i < 4; ++i) {
    RespClient killer = client();
    RespClient victim = client();
    RespClient other = client();
    const std::string id = id_of(victim);
    EXPECT_EQ(killer.ask("CLIENT", "KILL", "ID", id), integer(1));
    EXPECT_TRUE(victim.is_closed_by_peer());
    EXPECT_EQ(killer.ask("CLIENT", "KILL", "ID", id), integer(0));
    EXPECT_EQ(other.ask("PING"), kPong);
  }
}

TEST_P(Clients, KillingOneselfIsAnsweredFirst) {
  RespClient user = client();
  EXPECT_EQ(user.ask("CLIENT", "KILL", "ID", id_of(user)), integer(0)) << "SKIPME is the default";
  EXPECT_EQ(user.ask("CLIENT", "KILL", "ID", id_of(user), "SKIPME", "no"), integer(1));
  EXPECT_TRUE(user.is_closed_by_peer());
}

TEST_P(Clients, KillByAddressInBothForms) {
  if (GetParam() != Transport::kTcp) {
    RespClient user = client();
    EXPECT_EQ(user.ask("CLIENT", "KILL", "127.0.0.1:1"), "-ERR No such client\r\n");
    return;
  }
  const auto address_of = [](RespClient& of) {
    const std::string info = of.ask("CLIENT", "INFO").text;
    const std::size_t at = info.find(" addr=") + 6;
    return info.substr(at, info.find(' ', at) - at);
  };
  RespClient killer = client();
  RespClient first = client();
  RespClient second = client();
  EXPECT_EQ(killer.ask("CLIENT", "KILL", address_of(first)), kOk);
  EXPECT_TRUE(first.is_closed_by_peer());
  EXPECT_EQ(killer.ask("CLIENT", "KILL", "ADDR", address_of(second), "TYPE", "normal"), integer(1));
  EXPECT_TRUE(second.is_closed_by_peer());
}

TEST_P(Clients, KilledSubscriberIsUnsubscribed) {
  const std::string channel = unique_key("channel");
  RespClient reader = client();
  const std::string id = id_of(reader);
  reader.ask("SUBSCRIBE", channel);
  EXPECT_EQ(client().ask("CLIENT", "KILL", "TYPE", "pubsub", "ID", id), integer(1));
  EXPECT_TRUE(eventually([&] { return direct().ask("PUBLISH", channel, "x") == integer(0); }));
}

TEST_P(Clients, UnblockEndsABlockingCommandAsTheServerDoes) {
  for (const bool with_error : {false, true}) {
    RespClient blocked = client();
    RespClient other = client();
    const std::string id = id_of(blocked);
    EXPECT_EQ(other.ask("CLIENT", "UNBLOCK", id), integer(0)) << "it is not blocked yet";
    blocked.send({"BLPOP", unique_key("list"), "0"});
    ASSERT_TRUE(eventually(
        [&] { return direct().ask("INFO", "clients").text.find("blocked_clients:1") != std::string::npos; }));
    const std::string_view how = with_error ? "ERROR" : "TIMEOUT";
    other.send_raw(encode({"CLIENT", "UNBLOCK", id, how}) + encode({"CLIENT", "UNBLOCK", id, how}));
    EXPECT_EQ(other.read(), integer(1));
    EXPECT_EQ(other.read(), integer(0)) << "it is being unblocked";
    EXPECT_EQ(blocked.read(), with_error ? "-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n" : "*-1\r\n");
    EXPECT_EQ(blocked.ask("PING"), kPong);
  }
}

TEST_P(Clients, PauseHoldsEverythingUntilItIsOver) {
  Rig rig({.upstream = GetParam(), .front = {.arguments = {"--workers", "2"}}});
  ASSERT_TRUE(rig.is_ready());
  std::vector<RespClient> users;
  for (int i = 0; i < 4; ++i) users.push_back(rig.front.connect(GetParam()));
  users[0].ask("SET", "k", "v");
  users[0].ask("GET", "k");
  const auto begun = std::chrono::steady_clock::now();
  EXPECT_EQ(users[0].ask("CLIENT", "PAUSE", "400"), kOk);
  for (RespClient& user : users) user.send_raw(encode({"GET", "k"}) + encode({"PING"}) + encode({"SET", "k", "v"}));
  for (RespClient& user : users) {
    EXPECT_EQ(user.read(), bulk("v"));
    EXPECT_EQ(user.read(), kPong);
    EXPECT_EQ(user.read(), kOk);
  }
  EXPECT_GE(std::chrono::steady_clock::now() - begun, 395ms);
}

TEST_P(Clients, PauseOfWritesLetsReadersGoOnAndUnpauseEndsIt) {
  Rig rig({.upstream = GetParam(), .front = {.arguments = {"--workers", "2"}}});
  ASSERT_TRUE(rig.is_ready());
  RespClient admin = rig.front.connect(GetParam());
  std::vector<RespClient> writers;
  for (int i = 0; i < 4; ++i) writers.push_back(rig.front.connect(GetParam()));
  EXPECT_EQ(admin.ask("CLIENT", "PAUSE", "100000", "WRITE"), kOk);
  for (RespClient& writer : writers) writer.send_raw(encode({"GET", "k"}) + encode({"INCR", "k"}) + encode({"PING"}));
  for (RespClient& writer : writers) EXPECT_EQ(writer.read(), kNil);
  EXPECT_FALSE(writers[1].has_input(100ms));
  EXPECT_EQ(admin.ask("GET", "k"), kNil);
  EXPECT_EQ(admin.ask("CLIENT", "UNPAUSE"), kOk);
  for (RespClient& writer : writers) {
    EXPECT_EQ(writer.read().type, ':');
    EXPECT_EQ(writer.read(), kPong);
  }
  EXPECT_EQ(admin.ask("GET", "k"), bulk("4"));
}

TEST_P(Clients, ReplyOffAndSkipSilenceRepliesAndNothingElse) {
  const std::string key = unique_key();
  RespClient user = client();
  user.send_raw(encode({"CLIENT", "REPLY", "SKIP"}) + encode({"SET", key, "1"}) + encode({"GET", key}));
  EXPECT_EQ(user.read(), bulk("1"));
  user.send_raw(encode({"CLIENT", "REPLY", "OFF"}) + encode({"INCR", key}) + encode({"GET", key}) + encode({"FOO"}) +
                encode({"CLIENT", "REPLY", "SKIP"}) + encode({"GET", key}) + encode({"PING"}) +
                encode({"CLIENT", "REPLY", "ON"}) + encode({"GET", key}));
  EXPECT_EQ(user.read(), kOk);
  EXPECT_EQ(user.read(), bulk("2"));
  user.send_raw(encode({"CLIENT", "REPLY", "OFF"}) + encode({"RESET"}) + encode({"PING"}));
  RespClient same = direct();
  same.send_raw(encode({"CLIENT", "REPLY", "OFF"}) + encode({"RESET"}) + encode({"PING"}));
  EXPECT_EQ(user.read(), same.read());
}

TEST_P(Clients, SilencedClientsStillHearWhatIsNoReply) {
  for (const std::string_view protocol : {"2", "3"}) {
    std::vector<std::string> heard;
    for (const bool is_front : {true, false}) {
      RespClient user = is_front ? client() : direct();
      user.ask("HELLO", protocol);
      const std::string channel = "silence:" + std::string(protocol) + (is_front ? "f" : "d");
      user.send_raw(encode({"CLIENT", "REPLY", "OFF"}) + encode({"SUBSCRIBE", channel}));
      std::string all = user.read().raw;
      direct().ask("PUBLISH", channel, "x");
      all += user.read().raw;
      user.send_raw(encode({"UNSUBSCRIBE", channel}));
      all += user.read().raw;
      user.send_raw(encode({"CLIENT", "REPLY", "ON"}));
      all += user.read().raw;
      user.send_raw(encode({"CLIENT", "REPLY", "SKIP"}) + encode({"RESET"}) + encode({"PING"}));
      all += user.read().raw;
      for (std::size_t at = 0; (at = all.find(channel, at)) != std::string::npos;) all.replace(at, channel.size(), "C");
      heard.push_back(all);
    }
    EXPECT_EQ(heard[0], heard[1]) << protocol;
  }
}

TEST_P(Clients, RepliesAreSilencedAlsoWhereACommandHasToWait) {
  const std::string key = unique_key();
  RespClient user = client();
  direct().ask("SET", key, "1");
  // A fetch, a command behind it, a transaction that waits for a link, a snapshot.
  user.send_raw(encode({"CLIENT", "REPLY", "SKIP"}) + encode({"GET", key}) + encode({"CLIENT", "REPLY", "SKIP"}) +
                encode({"MULTI"}) + encode({"INCR", key}) + encode({"CLIENT", "REPLY", "ON"}) + encode({"EXEC"}) +
                encode({"CLIENT", "REPLY", "SKIP"}) + encode({"MGET", key, key}) + encode({"GET", key}));
  EXPECT_EQ(user.read(), "+QUEUED\r\n");
  const Reply in_transaction = user.read();  // CLIENT is not offered there
  EXPECT_TRUE(in_transaction.is_error());
  EXPECT_TRUE(user.read().is_error());
  EXPECT_EQ(user.read(), bulk("1"));
}

TEST_P(Clients, TrackingTellsOfChangesByOthersAndByItself) {
  const std::string key = unique_key();
  RespClient user = client();
  RespClient other = client();
  user.ask("HELLO", "3");
  EXPECT_EQ(user.ask("CLIENT", "TRACKING", "ON"), kOk);
  EXPECT_EQ(user.ask("GET", key), "_\r\n");
  other.ask("SET", key, "1");
  EXPECT_EQ(user.read(), ">2\r\n$10\r\ninvalidate\r\n*1\r\n" + bulk(key));
  EXPECT_EQ(user.ask("GET", key), bulk("1"));
  direct().ask("FLUSHALL");
  EXPECT_EQ(user.read(), ">2\r\n$10\r\ninvalidate\r\n_\r\n");
  EXPECT_TRUE(contains(user.ask("CLIENT", "TRACKINGINFO").raw, "$2\r\non\r\n"));
  EXPECT_EQ(user.ask("CLIENT", "TRACKING", "OFF"), kOk);
  user.ask("GET", key);
  other.ask("SET", key, "2");
  EXPECT_EQ(user.ask("PING"), kPong) << "no more invalidations";
}

TEST_P(Clients, TrackingModesAreTheServers) {
  const std::string base = unique_key("p");
  for (const char* mode : {"BCAST PREFIX $", "OPTIN", "OPTOUT", "NOLOOP"}) {
    RespClient user = client();
    RespClient straight = direct();
    for (RespClient* each : {&user, &straight}) each->ask("HELLO", "3");
    std::vector<std::string> args = words("CLIENT TRACKING ON " + std::string(mode));
    for (std::string& arg : args) {
      if (arg == "$") arg = base;
    }
    EXPECT_EQ(user.ask(views(args)), straight.ask(views(args))) << mode;
    EXPECT_EQ(user.ask("CLIENT", "TRACKINGINFO"), straight.ask("CLIENT", "TRACKINGINFO")) << mode;
    EXPECT_EQ(user.ask("CLIENT", "GETREDIR"), straight.ask("CLIENT", "GETREDIR")) << mode;
    EXPECT_EQ(user.ask("CLIENT", "CACHING", "yes"), straight.ask("CLIENT", "CACHING", "yes")) << mode;
    EXPECT_EQ(user.ask("GET", base), straight.ask("GET", base)) << mode;
  }
}

TEST_P(Clients, InvalidationsAreRedirectedToAnotherClientInItsProtocol) {
  for (const bool target_is_resp3 : {false, true}) {
    const std::string key = unique_key();
    for (int i = 0; i < 3; ++i) {  // on the same worker and on others
      RespClient target = client();
      RespClient user = client();
      if (target_is_resp3) target.ask("HELLO", "3");
      const std::string id = id_of(target);
      target.ask("SUBSCRIBE", "__redis__:invalidate");
      ASSERT_EQ(user.ask("CLIENT", "TRACKING", "ON", "REDIRECT", id), kOk);
      EXPECT_EQ(user.ask("CLIENT", "GETREDIR"), ":" + id + "\r\n");
      EXPECT_TRUE(contains(user.ask("CLIENT", "TRACKINGINFO").raw, "$8\r\nredirect\r\n:" + id + "\r\n"));
      user.ask("GET", key);
      direct().ask("SET", key, "x");
      EXPECT_EQ(target.read(), target_is_resp3
                                   ? ">2\r\n$10\r\ninvalidate\r\n*1\r\n" + bulk(key)
                                   : "*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n*1\r\n" + bulk(key));
      EXPECT_EQ(user.ask("CLIENT", "TRACKING", "OFF"), kOk);
      EXPECT_EQ(user.ask("CLIENT", "GETREDIR"), ":-1\r\n");
    }
  }
  EXPECT_EQ(client().ask("CLIENT", "TRACKING", "ON", "REDIRECT", "99999999"),
            direct().ask("CLIENT", "TRACKING", "ON", "REDIRECT", "99999999"));
}

TEST_P(Clients, TrackerHearsThatItsTargetIsGone) {
  const std::string key = unique_key();
  std::vector<std::string> told;
  for (const bool is_front : {true, false}) {
    const auto connect = [&] { return is_front ? client() : direct(); };
    RespClient user = connect();
    user.ask("HELLO", "3");
    auto target = std::make_unique<RespClient>(connect());
    const std::string id = id_of(*target);
    ASSERT_EQ(user.ask("CLIENT", "TRACKING", "ON", "REDIRECT", id), kOk);
    user.ask("GET", key);
    target.reset();
    ASSERT_TRUE(
        eventually([&] { return !contains(client().ask("CLIENT", "LIST", "ID", id).text, "id=" + id) || !is_front; }));
    ASSERT_TRUE(eventually([&] {
      user.ask("GET", key);
      direct().ask("SET", key, "x");
      return user.has_input(milliseconds{100});
    }));
    EXPECT_EQ(user.read(), ">2\r\n$21\r\ntracking-redir-broken\r\n:" + id + "\r\n");
    const std::string info = user.ask("CLIENT", "TRACKINGINFO").raw;
    told.push_back(info.substr(0, info.find("redirect\r\n:")));
  }
  EXPECT_EQ(told[0], told[1]);
}

TEST_P(Clients, TrackingThatIsLostWithItsLinkEndsTheConnection) {
  Rig rig({.upstream = GetParam(), .front = {.arguments = {"--workers", "1"}}});
  ASSERT_TRUE(rig.is_ready());
  RespClient user = rig.front.connect(GetParam());
  user.ask("HELLO", "3");
  ASSERT_EQ(user.ask("CLIENT", "TRACKING", "ON"), kOk);
  user.ask("GET", "k");
  rig.redis.connect().ask("CLIENT", "KILL", "TYPE", "normal");
  user.send({"GET", "k"});
  EXPECT_TRUE(user.is_closed_by_peer());
}

TEST_P(Clients, ResetEndsTracking) {
  const std::string key = unique_key();
  RespClient user = client();
  user.ask("HELLO", "3");
  ASSERT_EQ(user.ask("CLIENT", "TRACKING", "ON"), kOk);
  user.ask("GET", key);
  EXPECT_EQ(user.ask("RESET"), "+RESET\r\n");
  direct().ask("SET", key, "x");
  EXPECT_EQ(user.ask("GET", key), bulk("x"));
  EXPECT_TRUE(contains(user.ask("CLIENT", "TRACKINGINFO").raw, "off"));
}

}  // namespace
}  // namespace anteroom::test
