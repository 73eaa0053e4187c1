// Forwarded requests: what they do to the cache, and what their clients hear when it goes wrong.
#include "proxy/forwarder.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "support/session_rig.hpp"

namespace anteroom::proxy {
namespace {

using test::bulk;
using test::Client;
using test::contains_all;

/// Runs a function whenever a reply has been queued.
class ReplyHook final : public Hook {
 public:
  explicit ReplyHook(std::function<void()> on_each) : on_each_(std::move(on_each)) {}
  void on_reply(const Outcome&) override { on_each_(); }
  [[nodiscard]] bool wants_outcomes() const noexcept override { return true; }

 private:
  std::function<void()> on_each_;
};

class ForwarderTest : public test::ProxyTest {
 protected:
  /// A client has sent `words`, and the server has it.
  Client& client_waiting_for(std::string_view words) {
    Client& client = connect();
    ask(client, words);
    static_cast<void>(link_with(words));
    return client;
  }
  /// A reply has come over the link.
  void bring_link_up() {
    Client& client = client_waiting_for("DBSIZE");
    reply(":0\r\n");
    expect(client, ":0\r\n");
  }
  /// A fetch of `key` is answered, whatever is under way.
  void fill(std::string_view key) { cache_value(key, "value"); }
  void reply(std::string_view bytes) { server_.last().send(bytes); }
  void lose_link() { server_.last().close(); }
  /// The error that the client is sent next.
  std::string error_of(Client& client) {
    static_cast<void>(await([&] { return client.peer.written().ends_with("\r\n") || client.peer.is_closed(); }));
    return client.peer.take_written();
  }
};

// --- The cache ---

TEST_F(ForwarderTest, IdThatWasNotGivenNamesNoSession) {
  Client& first = connect();

  EXPECT_EQ(rig().sessions.find(SessionId{}), nullptr);
  EXPECT_NE(session_of(first), nullptr);
}

TEST_F(ForwarderTest, WriteDropsTheKeyWhenItIsSent) {
  bring_link_up();
  fill("k");
  Client& client = client_waiting_for("SET k v");

  EXPECT_FALSE(is_cached("k"));

  reply("+OK\r\n");
  expect(client, "+OK\r\n");
}

TEST_F(ForwarderTest, ValueFetchedWhileAWriteIsOutstandingIsDroppedBeforeTheReplyIsQueued) {
  std::optional<bool> cached_when_queued;
  Client& client = client_waiting_for("SET k v");
  fill("k");
  EXPECT_TRUE(is_cached("k"));
  rig().hooks.add(std::make_unique<ReplyHook>([&] { cached_when_queued = is_cached("k"); }));
  Client& second = client_waiting_for("SET k w");
  fill("k");

  reply("+OK\r\n+OK\r\n");
  expect(client, "+OK\r\n");
  expect(second, "+OK\r\n");

  EXPECT_EQ(cached_when_queued, std::optional(false));
  EXPECT_FALSE(is_cached("k"));
}

TEST_F(ForwarderTest, FetchThatBeganBeforeTheOutcomeOfAWriteAnswersButIsNotStored) {
  Client& writer = client_waiting_for("SET k v");
  Client& reader = connect();
  ask(reader, "GET k");
  reply("+OK\r\n");
  expect(writer, "+OK\r\n");

  in_turn([this] { rig().backend.answer(0, "old"); });

  expect(reader, bulk("old"));
  EXPECT_FALSE(is_cached("k"));
}

TEST_F(ForwarderTest, FailedWriteDropsTheKeyToo) {
  Client& client = client_waiting_for("SET k v");
  fill("k");

  lose_link();

  EXPECT_TRUE(contains_all(error_of(client), {"-CONNLOST "}));
  EXPECT_FALSE(is_cached("k"));
}

TEST_F(ForwarderTest, WriteThatTimedOutKeepsItsGuardUntilItsLateReply) {
  options_.link.response_timeout = std::chrono::milliseconds(300);
  Client& client = client_waiting_for("SET k v");
  EXPECT_TRUE(contains_all(error_of(client), {"-TIMEOUT ", "stage=response", "executed=unknown"}));
  fill("k");
  EXPECT_TRUE(is_cached("k"));

  reply("+OK\r\n");

  EXPECT_TRUE(await([this] { return !is_cached("k"); }));
  expect_nothing(client);
}

TEST_F(ForwarderTest, WriteThatTimedOutKeepsItsGuardUntilItsLinkEnds) {
  options_.link.response_timeout = std::chrono::milliseconds(300);
  Client& client = client_waiting_for("SET k v");
  EXPECT_TRUE(contains_all(error_of(client), {"-TIMEOUT "}));
  fill("k");

  lose_link();

  EXPECT_TRUE(await([this] { return !is_cached("k"); }));
  expect_nothing(client);
}

TEST_F(ForwarderTest, ReplyBehindALateOneReachesItsOwnClient) {
  options_.link.response_timeout = std::chrono::milliseconds(300);
  Client& late = client_waiting_for("INCR slow");
  EXPECT_TRUE(contains_all(error_of(late), {"-TIMEOUT "}));
  Client& next = client_waiting_for("INCR next");

  reply(":1\r\n:2\r\n");

  expect(next, ":2\r\n");
  expect_nothing(late);
}

TEST_F(ForwarderTest, GuardOutlivesItsClient) {
  Client& client = client_waiting_for("SET k v");
  in_turn([&] { session_of(client)->close(); });
  fill("k");

  reply("+OK\r\n");

  EXPECT_TRUE(await([this] { return !is_cached("k"); }));
}

TEST_F(ForwarderTest, WriteDropsEachOfItsKeysInEveryDb) {
  for (const char* key : {"a", "b", "c", "d", "untouched"}) fill(key);
  Client& mover = connect();
  ask(mover, "SELECT 3");
  link_with("SELECT 3", "3").send("+OK\r\n");
  expect(mover, "+OK\r\n");
  ask(mover, "DEL a b c d");
  link_with("DEL a b c d", "3").send(":4\r\n");
  expect(mover, ":4\r\n");

  for (const char* key : {"a", "b", "c", "d"}) EXPECT_FALSE(is_cached(key)) << key;
  EXPECT_TRUE(is_cached("untouched"));
}

TEST_F(ForwarderTest, WriteThatWaitsForTheLinkDropsTheKeyWithItsReply) {
  fill("k");
  Client& client = client_waiting_for("SET k v");
  EXPECT_TRUE(is_cached("k")) << "the link was not up: it might never have been sent";

  reply("+OK\r\n");
  expect(client, "+OK\r\n");
  EXPECT_FALSE(is_cached("k"));
}

TEST_F(ForwarderTest, CommandsThatCertainlyDidNotRunDropNothing) {
  fill("k");
  server_.stop_listening();
  Client& client = connect();

  for (const std::string_view words : {"SET k v", "FLUSHALL", "NOSUCHCOMMAND", "EVAL script 0", "SET k w"}) {
    ask(client, words);
    EXPECT_TRUE(error_of(client).starts_with("-MASTERDOWN ")) << words;
    EXPECT_TRUE(is_cached("k")) << words;
  }
}

TEST_F(ForwarderTest, ReadDropsNothing) {
  fill("k");
  Client& client = client_waiting_for("TTL k");
  reply(":5\r\n");
  expect(client, ":5\r\n");

  EXPECT_TRUE(is_cached("k"));
}

TEST_F(ForwarderTest, CommandThatMayWriteAnythingEmptiesTheCacheAtBothEnds) {
  bring_link_up();
  fill("a");
  Client& client = client_waiting_for("FLUSHALL");
  EXPECT_FALSE(is_cached("a"));
  fill("b");

  reply("+OK\r\n");
  expect(client, "+OK\r\n");

  EXPECT_FALSE(is_cached("b"));
}

TEST_F(ForwarderTest, CommandThatNobodyKnowsLeavesTheCacheAlone) {
  fill("k");
  Client& client = client_waiting_for("NONSENSE x");
  reply("-ERR unknown command 'NONSENSE', with args beginning with: 'x' \r\n");

  expect(client, "-ERR unknown command 'NONSENSE', with args beginning with: 'x' \r\n");
  EXPECT_TRUE(is_cached("k"));
}

TEST_F(ForwarderTest, SubcommandThatNobodyKnowsLeavesTheCacheAlone) {
  fill("k");
  Client& client = client_waiting_for("CONFIG NONSENSE");
  reply("-ERR unknown subcommand 'NONSENSE'. Try CONFIG HELP.\r\n");

  expect(client, "-ERR unknown subcommand 'NONSENSE'. Try CONFIG HELP.\r\n");
  EXPECT_TRUE(is_cached("k"));
}

TEST_F(ForwarderTest, CommandThatOnlyTheServerKnowsEmptiesTheCache) {
  std::size_t asked = 0;
  for (const char* answer : {"+OK\r\n", "-ERR something else\r\n"}) {
    fill("k");
    Client& client = connect();
    ask(client, "MODULE.WRITE k");
    ASSERT_TRUE(await([&] { return server_.accepted() > 0 && server_.last().count() > asked; }));
    ++asked;
    reply(answer);
    expect(client, answer);
    EXPECT_FALSE(is_cached("k")) << answer;
  }
}

TEST_F(ForwarderTest, CommandThatOnlyTheServerKnowsEmptiesTheCacheAlsoWhenItsOutcomeIsUnknown) {
  fill("k");
  Client& client = client_waiting_for("MODULE.WRITE k");

  lose_link();

  EXPECT_TRUE(contains_all(error_of(client), {"-CONNLOST "}));
  EXPECT_FALSE(is_cached("k"));
}

// --- Replies ---

TEST_F(ForwarderTest, LongReplyIsPassedOnBeforeItIsComplete) {
  Client& client = client_waiting_for("DUMP k");
  const std::string whole = bulk(std::string(100'000, 'x'));

  reply(whole.substr(0, 50'000));
  EXPECT_TRUE(await([&] { return client.peer.written().size() >= 40'000; }));
  reply(whole.substr(50'000));

  expect(client, whole);
}

TEST_F(ForwarderTest, ReplyThatIsCutInTheMiddleClosesItsClientAndNoOther) {
  Client& client = client_waiting_for("DUMP k");
  Client& behind = client_waiting_for("INCR n");
  reply(bulk(std::string(100'000, 'x')).substr(0, 50'000));
  ASSERT_TRUE(await([&] { return !client.peer.written().empty(); }));

  lose_link();

  expect_closed(client);
  EXPECT_TRUE(contains_all(error_of(behind), {"-CONNLOST ", "executed=unknown"}));
  EXPECT_TRUE(is_alive(behind));
}

TEST_F(ForwarderTest, CutReplyThatHasNotBeenPassedOnBecomesAnError) {
  Client& client = client_waiting_for("INFO");
  reply(bulk(std::string(100'000, 'x')).substr(0, 50'000));
  expect_nothing(client);

  lose_link();

  EXPECT_TRUE(contains_all(error_of(client), {"-CONNLOST ", "stage=reply_stall", "executed=yes"}));
  EXPECT_TRUE(is_alive(client));
}

// --- Errors, by how far a request came ---

TEST_F(ForwarderTest, NoServerIsAnErrorThatInvitesARetry) {
  server_.stop_listening();
  options_.link.reconnect_base = options_.link.reconnect_cap = std::chrono::hours(1);
  Client& client = connect();

  ask(client, "SET k v");
  EXPECT_TRUE(contains_all(error_of(client), {"-MASTERDOWN ", "stage=connect_unix", "executed=no"}));

  ask(client, "SET k v");  // at once, because the link is in its pause
  EXPECT_TRUE(contains_all(client.peer.take_written(), {"-MASTERDOWN ", "stage=connect_unix", "executed=no"}));
}

TEST_F(ForwarderTest, WrongPasswordIsOurTroubleAndNotTheClients) {
  server_.set_handshake([](const std::string&) { return "-WRONGPASS invalid username-password pair\r\n"; });
  options_.link.credentials = {"", "secret"};
  Client& client = connect();

  ask(client, "SET k v");

  const std::string error = error_of(client);
  EXPECT_TRUE(contains_all(error, {"-ERR anteroom: upstream authentication failed", "stage=handshake", "WRONGPASS"}));
  EXPECT_EQ(error.find("secret"), std::string::npos);
}

TEST_F(ForwarderTest, RequestThatWasSentMayHaveRun) {
  Client& client = client_waiting_for("INCR n");
  lose_link();

  EXPECT_TRUE(contains_all(error_of(client), {"-CONNLOST ", "stage=response", "executed=unknown"}));
}

TEST_F(ForwarderTest, RequestThatWasNotSentWholeDidNotRun) {
  client_waiting_for("INCR n");
  server_.last().pause_reading();
  Client& client = connect();
  ask(client, "SET k " + std::string(8 << 20, 'x'));
  expect_nothing(client);

  lose_link();

  EXPECT_TRUE(contains_all(error_of(client), {"-TRYAGAIN ", "stage=response", "executed=no"}));
}

TEST_F(ForwarderTest, FullQueueIsToldAtOnce) {
  options_.link.queue_requests_max = 1;
  client_waiting_for("INCR n");
  Client& client = connect();

  ask(client, "INCR m", "PING");

  const std::string replies = client.peer.take_written();
  EXPECT_TRUE(contains_all(replies, {"-TRYAGAIN ", "stage=admission", "executed=no", "\r\n+PONG\r\n"}));
}

TEST_F(ForwarderTest, TooManyDbsAtOnceAreRefused) {
  server_.set_answers([](const std::string&) { return "+OK\r\n"; });
  for (int db = 1; db <= static_cast<int>(upstream::Pool::kLinksMax); ++db) {
    static_cast<void>(rig().pool.shared(db));
    ASSERT_TRUE(await([&] { return rig().pool.shared(db)->state() == upstream::Link::State::kUp; }));
  }
  Client& client = connect();

  ask(client, "SET k v");

  EXPECT_TRUE(contains_all(client.peer.take_written(), {"-TRYAGAIN ", "stage=admission"}));
}

TEST_F(ForwarderTest, ClosedPoolRefusesEverything) {
  Client& client = client_waiting_for("INCR n");
  in_turn([this] { rig().pool.close(); });
  EXPECT_TRUE(contains_all(error_of(client), {"-CONNLOST "}));

  ask(client, "INCR n");

  EXPECT_TRUE(contains_all(error_of(client), {"-TRYAGAIN ", "shutting down", "executed=no"}));
}

}  // namespace
}  // namespace anteroom::proxy
