// Who may connect and what each may do: users of the front-end's own, and users of the server behind it.
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

constexpr std::string_view kNoAuth = "-NOAUTH Authentication required.\r\n";
constexpr std::string_view kNoKey =
    "-NOPERM this user has no permissions to access one of the keys used as arguments\r\n";

// sha256 of "secret".
constexpr std::string_view kSecretHash = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";

std::string proxy_users(int failures_max = 1000) {
  const std::string hash(kSecretHash);
  return R"({"auth":{"mode":"proxy","failures_max":)" + std::to_string(failures_max) +
         R"(,"failure_window_ms":1000,"users":[)"
         R"({"name":"admin","rules":"on #)" +
         hash +
         R"( ~* &* +@all"},)"
         R"({"name":"reader","rules":"on #)" +
         hash +
         R"( ~pub:* &news:* +@read +@pubsub +@connection -client|list -client|kill"},)"
         R"({"name":"writer","rules":"on #)" +
         hash + R"( ~pub:* +@all -@dangerous"}]}})";
}

class OwnUsers : public SharedRigTest<OwnUsers> {
 public:
  static Rig::Options rig_options() { return {.front = {.arguments = {"--workers", "2"}, .config = proxy_users()}}; }

 protected:
  RespClient logged_in(const std::string& user) {
    RespClient out = client();
    EXPECT_EQ(out.ask("AUTH", user, "secret"), kOk);
    return out;
  }
};
INSTANTIATE_TEST_SUITE_P(Over, OwnUsers, kBothTransports, transport_name);

TEST_P(OwnUsers, NothingIsDoneBeforeTheyHaveLoggedIn) {
  RespClient stranger = client();
  for (const char* line : {"GET k", "SET k v", "PING", "ECHO x", "INFO", "COMMAND", "CLIENT LIST", "SUBSCRIBE c",
                           "MULTI", "EXEC", "SELECT 1", "MONITOR", "ANTEROOM CACHE STATS", "BLPOP l 0"}) {
    EXPECT_EQ(stranger.ask(views(words(line))), kNoAuth) << line;
  }
  EXPECT_TRUE(starts_with(stranger.ask("HELLO", "3").raw, "-NOAUTH HELLO must be called with the client already "));
  EXPECT_EQ(stranger.ask("RESET"), "+RESET\r\n");
  EXPECT_EQ(stranger.ask("AUTH", "admin", "secret"), kOk);
  EXPECT_EQ(stranger.ask("PING"), kPong);
  EXPECT_EQ(stranger.ask("RESET"), "+RESET\r\n");
  EXPECT_EQ(stranger.ask("PING"), kNoAuth) << "RESET logs out";
  EXPECT_EQ(stranger.ask("QUIT"), kOk);
}

// A server with the same users is asked the same.
TEST_P(OwnUsers, RepliesAreThoseOfAServerThatHasTheseUsers) {
  RedisServer reference{RedisServer::Options{}};
  ASSERT_TRUE(reference.start());
  {
    RespClient admin = reference.connect();
    const std::string hash = "#" + std::string(kSecretHash);
    admin.ask("ACL", "SETUSER", "admin", "on", hash, "~*", "&*", "+@all");
    admin.ask("ACL", "SETUSER", "reader", "on", hash, "~pub:*", "resetchannels", "&news:*", "+@read", "+@pubsub",
              "+@connection", "-client|list", "-client|kill");
    admin.ask("ACL", "SETUSER", "writer", "on", hash, "~pub:*", "+@all", "-@dangerous");
    admin.ask("ACL", "SETUSER", "default", "off");
  }
  for (const Transport transport : {GetParam()}) {
    RespClient through = front().connect(transport);
    RespClient straight = reference.connect();
    for (const char* line : {"GET pub:1",
                             "FOO a b",
                             "GET",
                             "CLIENT FOO",
                             "AUTH",
                             "AUTH secret",
                             "AUTH nobody secret",
                             "AUTH reader wrong",
                             "AUTH a b c d",
                             "HELLO",
                             "HELLO 2",
                             "HELLO 2 AUTH reader wrong",
                             "GET pub:1",
                             "HELLO 2 SETNAME x",
                             "AUTH reader secret",
                             "GET pub:1",
                             "GET priv:1",
                             "MGET pub:1 priv:1",
                             "EXISTS priv:1",
                             "SET pub:1 v",
                             "TYPE priv:1",
                             "ACL WHOAMI",
                             "SUBSCRIBE other",
                             "PUBLISH news:1 x",
                             "CONFIG GET maxmemory",
                             "KEYS *",
                             "FLUSHALL",
                             "CLIENT GETNAME",
                             "CLIENT KILL ID 999999",
                             "AUTH writer wrong",
                             "GET pub:1",
                             "AUTH writer secret",
                             "SET pub:1 v",
                             "SET priv:1 v",
                             "GET pub:1",
                             "KEYS *",
                             "FLUSHALL",
                             "MULTI",
                             "SET priv:1 x",
                             "EXEC",
                             "RENAME pub:1 priv:1",
                             "DEL pub:1",
                             "AUTH admin secret",
                             "SET priv:1 v",
                             "GET priv:1",
                             "ACL WHOAMI",
                             "DEL priv:1",
                             "RESET",
                             "GET pub:1"}) {
      EXPECT_EQ(through.ask(views(words(line))), straight.ask(views(words(line)))) << line;
    }
    EXPECT_EQ(through.ask("HELLO", "3", "AUTH", "reader", "secret", "SETNAME", "me").type, '%');
    EXPECT_EQ(through.ask("CLIENT", "GETNAME"), bulk("me"));
    EXPECT_TRUE(contains(through.ask("CLIENT", "INFO").text, " user=reader "));
  }
}

TEST_P(OwnUsers, AHitIsNotForThoseWhoMayNotReadTheKey) {
  const std::string key = unique_key("priv");
  RespClient admin = logged_in("admin");
  admin.ask("SET", key, "confidential");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(admin.ask("GET", key), bulk("confidential"));
  RespClient reader = logged_in("reader");
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(reader.ask("GET", key), kNoKey);
    EXPECT_EQ(reader.ask("STRLEN", key), kNoKey);
    EXPECT_EQ(reader.ask("MGET", "pub:x", key), kNoKey);
    EXPECT_EQ(reader.ask("HGETALL", key), kNoKey);
  }
}

TEST_P(OwnUsers, ChannelsAreJudgedToo) {
  RespClient reader = logged_in("reader");
  EXPECT_TRUE(starts_with(reader.ask("SUBSCRIBE", "news:1", "secret").raw, "-NOPERM "));
  EXPECT_TRUE(starts_with(reader.ask("PSUBSCRIBE", "*").raw, "-NOPERM "));
  EXPECT_EQ(reader.ask("SUBSCRIBE", "news:1").items.size(), 3U);
  EXPECT_TRUE(starts_with(logged_in("reader").ask("PUBLISH", "secret", "x").raw, "-NOPERM "));
}

TEST_P(OwnUsers, StrangersMayNotSendMuch) {
  RespClient args = client();
  args.send_raw("*11\r\n");
  EXPECT_EQ(args.read_rest().bytes, "-ERR Protocol error: unauthenticated multibulk length\r\n");
  RespClient size = client();
  size.send_raw("*2\r\n$4\r\nAUTH\r\n$16385\r\n");
  EXPECT_EQ(size.read_rest().bytes, "-ERR Protocol error: unauthenticated bulk length\r\n");
  RespClient known = logged_in("admin");
  EXPECT_EQ(known.ask("SET", "k", std::string(100'000, 'x')), kOk);
}

TEST_P(OwnUsers, GuessingIsSlowedDownAndCounted) {
  Rig rig({.upstream = GetParam(), .front = {.arguments = {"--workers", "2"}, .config = proxy_users(5)}});
  ASSERT_TRUE(rig.is_ready());
  RespClient guesser = rig.front.connect(GetParam());
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(starts_with(guesser.ask("AUTH", "admin", "no").raw, "-WRONGPASS "));
  EXPECT_TRUE(
      starts_with(guesser.ask("AUTH", "admin", "secret").raw, "-ERR anteroom: too many failed authentications"));
  RespClient again = rig.front.connect(GetParam());
  EXPECT_TRUE(starts_with(again.ask("HELLO", "3", "AUTH", "admin", "secret").raw, "-ERR anteroom: too many"));
  EXPECT_TRUE(eventually([&] { return again.ask("AUTH", "admin", "secret") == kOk; }));
  EXPECT_TRUE(contains(again.ask("INFO", "anteroom").text, "auth_failures:5"));
}

TEST_P(OwnUsers, NobodyIsListedOrKilledByThoseWhoMayNot) {
  RespClient reader = logged_in("reader");
  EXPECT_TRUE(starts_with(reader.ask("CLIENT", "LIST").raw, "-NOPERM "));
  EXPECT_TRUE(starts_with(reader.ask("ANTEROOM", "CACHE", "FLUSH").raw, "-NOPERM "));
  RespClient admin = logged_in("admin");
  RespClient victim = logged_in("reader");
  EXPECT_TRUE(contains(admin.ask("CLIENT", "LIST").text, "user=reader"));
  EXPECT_NE(admin.ask("CLIENT", "KILL", "USER", "reader"), integer(0));
  EXPECT_TRUE(victim.is_closed_by_peer());
}

// Redis would leave it there for ever: one byte now and then, and never a request that could be refused.
TEST(Strangers, AreClosedInTimeHoweverBusyAndUsersAreNot) {
  Rig rig({.front = {.arguments = {"--auth-mode", "proxy", "--auth-password", "secret", "--preauth-timeout", "2000"}}});
  ASSERT_TRUE(rig.is_ready());
  RespClient user = rig.front.connect(Transport::kTcp);
  EXPECT_EQ(user.ask("AUTH", "secret"), kOk);
  EXPECT_EQ(user.ask("RESET"), "+RESET\r\n");
  EXPECT_EQ(user.ask("AUTH", "secret"), kOk);
  const auto start = Clock::now();
  RespClient stranger = rig.front.connect(Transport::kTcp);
  stranger.send_raw("*2\r\n$4\r\nAUTH\r\n$1000\r\n");
  EXPECT_TRUE(eventually([&] {
    stranger.send_raw("x");
    return stranger.has_input(50ms);
  }));
  EXPECT_TRUE(stranger.is_closed_by_peer());
  EXPECT_GE(Clock::now() - start, 1500ms);
  EXPECT_EQ(user.ask("PING"), kPong);
  EXPECT_TRUE(contains(user.ask("INFO", "anteroom").text, "clients_closed_preauth:1\r\n"));
}

TEST(OwnUsersUpstream, RequestsOfAMappedUserGoThereInItsName) {
  Rig rig({.upstream = Transport::kTcp,
           .front = {.arguments = {"--workers", "1"},
                     .config = R"({"auth":{"mode":"proxy","users":[{"name":"app","rules":"on #)" +
                               std::string(kSecretHash) +
                               R"( ~* &* +@all","upstream_user":"inner","upstream_password":"inside"}]}})"}});
  ASSERT_TRUE(rig.is_ready());
  RespClient backend = rig.redis.connect();
  backend.ask("ACL", "SETUSER", "inner", "on", ">inside", "~in:*", "+@all");
  backend.ask("SET", "out:1", "x");
  RespClient app = rig.front.connect(Transport::kTcp);
  ASSERT_EQ(app.ask("AUTH", "app", "secret"), kOk);
  EXPECT_EQ(app.ask("SET", "in:1", "v"), kOk);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(app.ask("GET", "in:1"), bulk("v"));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(app.ask("GET", "out:1"), kNoKey);
  EXPECT_TRUE(app.ask("EVAL", "return redis.call('get','out:1')", "0").is_error());
  EXPECT_TRUE(contains(backend.ask("CLIENT", "LIST").text, "user=inner"));
}

class UpstreamUsers : public testing::Test {
 protected:
  UpstreamUsers() {
    if (!rig_.is_ready()) return;
    RespClient admin = backend();
    admin.ask("ACL", "SETUSER", "alice", "on", ">a", "~a:*", "resetchannels", "&a:*", "+@all", "-@dangerous");
    admin.ask("ACL", "SETUSER", "bob", "on", ">b", "~*", "&*", "+@all");
    admin.ask("SET", "a:1", "for alice");
    admin.ask("SET", "b:1", "for bob");
  }
  void SetUp() override { ASSERT_TRUE(rig_.is_ready()); }

  RespClient backend() {
    RespClient out = rig_.redis.connect();
    out.ask("AUTH", "service");
    return out;
  }
  RespClient stranger() { return rig_.front.connect(Transport::kTcp); }
  RespClient logged_in(const std::string& user) {
    RespClient out = stranger();
    EXPECT_EQ(out.ask("AUTH", user, user.substr(0, 1)), kOk);
    return out;
  }
  std::uint64_t hits() { return number_in("cache_hits:"); }
  std::uint64_t number_in(const std::string& field) {
    RespClient asker = logged_in("bob");
    const std::string info = asker.ask("INFO", "cache").text;
    return std::stoull(info.substr(info.find(field) + field.size()));
  }

  Rig rig_{{.upstream = Transport::kTcp,
            .front = {.arguments = {"--workers", "2"}, .config = R"({"auth":{"mode":"passthrough"}})"},
            .redis = {.password = "service"}}};
};

TEST_F(UpstreamUsers, LogInWithTheServersPasswordsOnly) {
  RespClient client = stranger();
  EXPECT_EQ(client.ask("GET", "a:1"), kNoAuth);
  EXPECT_EQ(client.ask("AUTH", "alice", "wrong"), "-WRONGPASS invalid username-password pair or user is disabled.\r\n");
  EXPECT_EQ(client.ask("GET", "a:1"), kNoAuth);
  EXPECT_EQ(client.ask("HELLO", "3", "AUTH", "alice", "a").type, '%');
  EXPECT_EQ(client.ask("ACL", "WHOAMI"), bulk("alice"));
  EXPECT_EQ(client.ask("AUTH", "service"), kOk) << "the default user's password alone";
  EXPECT_EQ(client.ask("ACL", "WHOAMI"), bulk("default"));
}

TEST_F(UpstreamUsers, AreServedFromTheCacheAsFarAsTheyMayRead) {
  RespClient bob = logged_in("bob");
  RespClient alice = logged_in("alice");
  ASSERT_TRUE(eventually([&] {
    const std::uint64_t before = hits();
    alice.ask("GET", "a:1");
    bob.ask("GET", "b:1");
    return hits() >= before + 2;
  }));
  EXPECT_EQ(alice.ask("GET", "a:1"), bulk("for alice"));
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(bob.ask("GET", "b:1"), bulk("for bob"));
    EXPECT_EQ(alice.ask("GET", "b:1"), kNoKey);
    EXPECT_EQ(alice.ask("MGET", "a:1", "b:1"), kNoKey);
    EXPECT_EQ(alice.ask("STRLEN", "b:1"), kNoKey);
  }
}

TEST_F(UpstreamUsers, LoseTheirHitsWithTheirRights) {
  RespClient alice = logged_in("alice");
  ASSERT_TRUE(eventually([&] {
    const std::uint64_t before = hits();
    alice.ask("GET", "a:1");
    return hits() > before;
  }));
  backend().ask("ACL", "SETUSER", "alice", "resetkeys");
  EXPECT_TRUE(eventually([&] { return alice.ask("GET", "a:1") == kNoKey; }, 3s));
  EXPECT_EQ(alice.ask("GET", "a:1"), kNoKey);
  // Through the front-end it takes effect at once.
  RespClient bob = logged_in("bob");
  EXPECT_EQ(bob.ask("ACL", "SETUSER", "alice", "~a:*"), kOk);
  ASSERT_TRUE(eventually([&] { return alice.ask("GET", "a:1") == bulk("for alice"); }));
}

TEST_F(UpstreamUsers, AreJudgedByTheServerInScriptsAndTransactions) {
  RespClient alice = logged_in("alice");
  EXPECT_TRUE(alice.ask("EVAL", "return redis.call('get','b:1')", "0").is_error());
  EXPECT_EQ(alice.ask("EVAL", "return redis.call('get',KEYS[1])", "1", "a:1"), bulk("for alice"));
  EXPECT_EQ(alice.ask("MULTI"), kOk);
  EXPECT_EQ(alice.ask("GET", "b:1"), kNoKey);
  EXPECT_TRUE(starts_with(alice.ask("EXEC").raw, "-EXECABORT "));
  EXPECT_EQ(alice.ask("BLPOP", "b:list", "0.01"), kNoKey);
}

TEST_F(UpstreamUsers, MayHearAndEndOnlyWhatTheServerWouldLetThem) {
  RespClient alice = logged_in("alice");
  EXPECT_TRUE(starts_with(alice.ask("SUBSCRIBE", "b:news").raw, "-NOPERM "));
  EXPECT_TRUE(starts_with(alice.ask("CLIENT", "KILL", "TYPE", "normal").raw, "-NOPERM "));
  EXPECT_TRUE(starts_with(alice.ask("CLIENT", "LIST").raw, "-NOPERM "));
  EXPECT_TRUE(starts_with(alice.ask("MONITOR").raw, "-NOPERM "));
  EXPECT_TRUE(starts_with(alice.ask("ANTEROOM", "CACHE", "FLUSH").raw, "-NOPERM "));
  ASSERT_TRUE(eventually([&] { return alice.ask("SUBSCRIBE", "a:news").items.size() == 3; }));
  backend().ask("PUBLISH", "a:news", "x");
  EXPECT_EQ(alice.read().items.size(), 3U);
}

TEST_F(UpstreamUsers, LogInWithThePasswordsOfNow) {
  RespClient alice = logged_in("alice");
  EXPECT_EQ(alice.ask("GET", "a:1"), bulk("for alice"));
  backend().ask("ACL", "SETUSER", "alice", "resetpass", ">new");

  RespClient late = stranger();

  EXPECT_TRUE(starts_with(late.ask("AUTH", "alice", "a").raw, "-WRONGPASS "));
  EXPECT_EQ(late.ask("GET", "a:1"), kNoAuth);
  EXPECT_EQ(late.ask("AUTH", "alice", "new"), kOk);
  EXPECT_EQ(alice.ask("GET", "a:1"), bulk("for alice")) << "who is in stays in, as on a connection to the server";
}

TEST_F(UpstreamUsers, AreNobodyWithoutAPassword) {
  backend().ask("ACL", "SETUSER", "default", "nopass");
  RespClient client = stranger();
  EXPECT_TRUE(starts_with(client.ask("AUTH", "alice", "").raw, "-WRONGPASS "));
  EXPECT_TRUE(starts_with(client.ask("AUTH", "", "").raw, "-WRONGPASS "));
  EXPECT_EQ(client.ask("GET", "a:1"), kNoAuth);
}

TEST_F(UpstreamUsers, DoNotGoOnInTheNameOfWhoeverWatchedBeforeThem) {
  RespClient client = logged_in("bob");
  EXPECT_EQ(client.ask("WATCH", "b:1"), kOk);
  EXPECT_EQ(client.ask("AUTH", "alice", "a"), kOk);
  EXPECT_EQ(client.ask("GET", "b:1"), kNoKey);
  EXPECT_EQ(client.ask("ACL", "WHOAMI"), bulk("alice"));
}

TEST_F(UpstreamUsers, KeepTheirSubscriptionsWhenTheyLogInAgain) {
  backend().ask("ACL", "SETUSER", "alice", ">renewed");
  RespClient alice = stranger();
  EXPECT_EQ(alice.ask("HELLO", "3", "AUTH", "alice", "a").type, '%');
  ASSERT_TRUE(eventually([&] { return alice.ask("SUBSCRIBE", "a:news").items.size() == 3; }));
  EXPECT_EQ(alice.ask("AUTH", "alice", "renewed"), kOk);

  backend().ask("PUBLISH", "a:news", "x");

  EXPECT_EQ(alice.read().items.size(), 3U);
}

TEST_F(UpstreamUsers, LoseTheirSubscriptionsWithTheirRights) {
  RespClient alice = logged_in("alice");
  RespClient bob = logged_in("bob");
  ASSERT_TRUE(eventually([&] { return alice.ask("SUBSCRIBE", "a:news").items.size() == 3; }));
  ASSERT_TRUE(eventually([&] { return bob.ask("SUBSCRIBE", "a:news").items.size() == 3; }));

  backend().ask("ACL", "SETUSER", "alice", "resetchannels");

  EXPECT_TRUE(alice.is_closed_by_peer());
  backend().ask("PUBLISH", "a:news", "x");
  EXPECT_EQ(bob.read().items.size(), 3U);
}

TEST_F(UpstreamUsers, AreClosedWhenTheyAreDeleted) {
  RespClient alice = logged_in("alice");
  RespClient blocked = logged_in("alice");
  blocked.send({"BLPOP", "a:list", "0"});
  ASSERT_TRUE(eventually([&] { return contains(backend().ask("CLIENT", "LIST").text, "cmd=blpop"); }));

  backend().ask("ACL", "DELUSER", "alice");

  EXPECT_TRUE(alice.is_closed_by_peer());
  EXPECT_TRUE(eventually([&] { return blocked.is_closed_by_peer() || !blocked.read().raw.empty(); }));
  EXPECT_TRUE(blocked.is_closed_by_peer());
}

TEST_F(UpstreamUsers, MayAskOfTheirConnectionWhatTheServerWouldAnswer) {
  backend().ask("ACL", "SETUSER", "only-get", "on", ">o", "~*", "-@all", "+get");
  RespClient client = stranger();
  ASSERT_EQ(client.ask("AUTH", "only-get", "o"), kOk);
  RespClient direct = rig_.redis.connect();
  ASSERT_EQ(direct.ask("AUTH", "only-get", "o"), kOk);
  ASSERT_TRUE(eventually([&] { return starts_with(client.ask("PING").raw, "-NOPERM "); }));
  for (const char* line : {"PING", "ECHO x", "CLIENT ID", "CLIENT SETNAME n", "SELECT 0", "COMMAND COUNT", "TIME"}) {
    EXPECT_EQ(client.ask(views(words(line))), direct.ask(views(words(line)))) << line;
  }
  EXPECT_EQ(client.ask("QUIT"), kOk);
}

TEST_F(UpstreamUsers, WrongPasswordsDoNotLookLikeAnOutage) {
  RespClient bob = logged_in("bob");
  for (int i = 0; i < 5; ++i) {
    stranger().ask("AUTH", "alice", "wrong" + std::to_string(i));
    EXPECT_EQ(bob.ask("SET", "b:2", "x"), kOk);
  }
  EXPECT_TRUE(contains(bob.ask("INFO", "anteroom").text, "upstream_status:up"));
}

TEST_F(UpstreamUsers, WhoWasCreatedAfterAFailedAttemptMayLogInAtOnce) {
  RespClient client = stranger();
  EXPECT_TRUE(starts_with(client.ask("AUTH", "carol", "c").raw, "-WRONGPASS "));
  backend().ask("ACL", "SETUSER", "carol", "on", ">c", "~*", "+@all");
  EXPECT_EQ(client.ask("AUTH", "carol", "c"), kOk);
}

}  // namespace
}  // namespace anteroom::test
