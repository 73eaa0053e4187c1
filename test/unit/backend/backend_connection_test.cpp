// How a HiredisBackend connects, loses its connection and ends.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "unit/backend/backend_fixture.hpp"

namespace anteroom::backend {
namespace {

using std::chrono::milliseconds;

// --- Coming up ---

TEST_F(HiredisBackendTest, LogsInAndNamesItselfFirst) {
  options_.user = "bob";
  options_.password = "secret";
  fetch(1, "a");

  EXPECT_EQ(server_with(2).handshake_requests(),
            (std::vector<std::string>{"HELLO 3 AUTH bob secret SETNAME anteroom-fill"}));
}

TEST_F(HiredisBackendTest, PasswordAloneIsForTheDefaultUser) {
  options_.password = "secret";
  fetch(1, "a");

  EXPECT_EQ(server_with(2).handshake_requests().front(), "HELLO 3 AUTH default secret SETNAME anteroom-fill");
}

TEST_F(HiredisBackendTest, WrongPasswordFailsWithOurOwnErrorAndNoSecret) {
  options_.password = "hush";

  const std::string error = error_after_handshake_reply("-WRONGPASS invalid username-password pair\r\n");

  EXPECT_TRUE(error.starts_with("ERR anteroom: upstream authentication failed (stage=handshake executed=no"));
  EXPECT_EQ(error.find("hush"), std::string::npos);
  EXPECT_FALSE(outages_.is_up());
}

TEST_F(HiredisBackendTest, MissingPasswordFailsTheHandshake) {
  EXPECT_TRUE(error_after_handshake_reply("-NOAUTH Authentication required.\r\n")
                  .starts_with("ERR anteroom: upstream authentication failed"));
}

TEST_F(HiredisBackendTest, FullOrProtectedServerFailsTheHandshake) {
  EXPECT_TRUE(error_after_handshake_reply("-ERR max number of clients reached\r\n").starts_with("MASTERDOWN "));
}

TEST_F(HiredisBackendTest, ServerThatSpeaksNoRespFailsTheHandshake) {
  EXPECT_TRUE(error_after_handshake_reply("HTTP/1.1 400 Bad Request\r\n").starts_with("MASTERDOWN "));
}

TEST_F(HiredisBackendTest, RefusedNameIsNoReasonToFail) {
  server_.set_handshake([](const std::string&) { return "-NOPERM no CLIENT for you\r\n"; });
  fetch(1, "a");

  server_with(2).send("$1\r\nA\r\n:-1\r\n");

  EXPECT_TRUE(over(1));
  EXPECT_EQ(fetches_[1].value, "$1\r\nA\r\n");
}

TEST_F(HiredisBackendTest, SilentHandshakeFailsAfterItsTimeout) {
  options_.handshake_timeout = milliseconds(30);
  server_.set_handshake([](const std::string&) { return std::nullopt; });
  fetch(1, "a");

  ASSERT_TRUE(over(1));
  EXPECT_TRUE(fetches_[1].failed.starts_with("MASTERDOWN anteroom: upstream did not answer the handshake"));
}

TEST_F(HiredisBackendTest, ConnectionThatEndsInTheHandshakeFailsWhatWaits) {
  server_.set_handshake([this](const std::string&) {
    server_.last().close();
    return std::nullopt;
  });
  fetch(1, "a");

  ASSERT_TRUE(over(1));
  EXPECT_TRUE(fetches_[1].failed.starts_with("MASTERDOWN anteroom: upstream closed the connection in the handshake"));
}

TEST_F(HiredisBackendTest, NoServerFailsWhatWaitsAndInThePauseAtOnce) {
  server_.stop_listening();
  fetch(1, "a");
  ASSERT_TRUE(over(1));
  EXPECT_TRUE(fetches_[1].failed.starts_with("MASTERDOWN anteroom: cannot connect to upstream"));

  fetch(2, "b");
  run_turn();

  EXPECT_EQ(fetches_[2].failed, fetches_[1].failed);
  EXPECT_EQ(metrics_.upstream_dials.value(), 1u);
}

TEST_F(HiredisBackendTest, ComesBackByItselfAfterThePause) {
  options_.reconnect_base = options_.reconnect_cap = milliseconds(10);
  server_.stop_listening();
  backend().start();
  ASSERT_TRUE(run_until([this] { return metrics_.upstream_dial_errors.value() > 0; }));
  server_.listen();
  ASSERT_TRUE(run_until([this] { return metrics_.upstream_links.value() == 1; }));

  fetch(1, "a");
  server_with(2).send("$1\r\nA\r\n:-1\r\n");

  EXPECT_TRUE(over(1));
}

// --- Loss ---

TEST_F(HiredisBackendTest, LossFailsWhatIsUnderWay) {
  fetch(1, "a");
  fetch(2, "b");
  auto& server = server_with(4);
  server.send("$1\r\nA\r\n");
  ASSERT_TRUE(run_until([this] { return !fetches_[1].value.empty(); }));
  server_.stop_listening();

  server.close();

  ASSERT_TRUE(over(1, 2));
  EXPECT_TRUE(fetches_[1].failed.starts_with("CONNLOST ")) << "its time to live is not known";
  EXPECT_TRUE(fetches_[2].failed.starts_with("CONNLOST "));
  EXPECT_EQ(fetches_[2].value, "");
  EXPECT_EQ(metrics_.upstream_links.value(), 0);
  EXPECT_EQ(metrics_.upstream_losses.value(), 1u);
}

TEST_F(HiredisBackendTest, LostConnectionIsMadeAnewAtOnceTheFirstTimeAndAfterAPauseTheSecond) {
  for (std::uint64_t id = 1; id <= 2; ++id) {
    fetch(id, "a");
    ASSERT_TRUE(run_until([&] { return server_.accepted() == id; }));
    server_with(2).close();
    ASSERT_TRUE(over(id));
  }

  fetch(3, "a");
  run_turn();

  EXPECT_TRUE(fetches_[3].failed.starts_with("MASTERDOWN "));
  EXPECT_EQ(server_.accepted(), 2u);
}

TEST_F(HiredisBackendTest, ReplyThatIsNoRespEndsTheConnection) {
  fetch(1, "a");
  auto& server = server_with(2);
  server.send("nonsense\r\n");

  ASSERT_TRUE(over(1));
  EXPECT_TRUE(fetches_[1].failed.starts_with("CONNLOST "));
  EXPECT_TRUE(run_until([&] { return server.is_closed_by_peer(); }));
}

TEST_F(HiredisBackendTest, ReplyThatIsNestedTooDeeplyEndsTheConnection) {
  fetch(1, "a");
  auto& server = server_with(2);
  std::string nested;
  for (int i = 0; i < 300'000; ++i) nested += "*1\r\n";

  server.send(nested);

  ASSERT_TRUE(over(1));
  EXPECT_FALSE(fetches_[1].failed.empty());
}

TEST_F(HiredisBackendTest, PeerThatIsSilentForTwoTimeoutsIsLeft) {
  options_.response_timeout = milliseconds(30);
  fetch(1, "a");
  auto& server = server_with(2);

  ASSERT_TRUE(over(1));
  EXPECT_TRUE(fetches_[1].failed.starts_with("CONNLOST "));
  EXPECT_TRUE(run_until([&] { return server.is_closed_by_peer(); }));
}

TEST_F(HiredisBackendTest, IdleConnectionIsNotTakenForSilent) {
  options_.response_timeout = milliseconds(10);
  fetch(1, "a");
  auto& server = server_with(2);
  server.send("$1\r\nA\r\n:-1\r\n");
  ASSERT_TRUE(over(1));

  EXPECT_TRUE(never([&] { return server.is_closed_by_peer(); }));
}

TEST_F(HiredisBackendTest, CongestionBeginsWithAMegabyteOfKeysAndEndsWhenTheyAreGone) {
  server_.set_answers([](const std::string& request) { return request.starts_with("GET ") ? "$-1\r\n" : ":-2\r\n"; });
  EXPECT_FALSE(backend().is_congested());
  for (std::uint64_t id = 1; id <= 3; ++id) fetch(id, std::to_string(id) + std::string(512u << 10, 'k'));
  EXPECT_TRUE(backend().is_congested());

  ASSERT_TRUE(over(1, 3));
  EXPECT_FALSE(backend().is_congested());
}

TEST_F(HiredisBackendTest, TooManyFetchesAreRefused) {
  options_.queue_max = 2;
  fetch(1, "a");
  fetch(2, "b");
  fetch(3, "c");
  run_turn();

  EXPECT_TRUE(fetches_[3].failed.starts_with("TRYAGAIN anteroom: overloaded"));
  server_with(4).send("$1\r\nA\r\n:-1\r\n$1\r\nB\r\n:-1\r\n");
  EXPECT_TRUE(over(1, 2));
}

TEST_F(HiredisBackendTest, CloseFailsWhatWaitsAndWhatIsUnderWay) {
  fetch(1, "a");
  auto& server = server_with(2);
  backend().close();
  run_turn();

  EXPECT_TRUE(fetches_[1].is_over);
  EXPECT_NE(fetches_[1].failed, "");
  EXPECT_TRUE(run_until([&] { return server.is_closed_by_peer(); }));
}

TEST_F(HiredisBackendTest, CloseWhileItDialsFailsWhatWaits) {
  fetch(1, "a");
  backend().close();
  run_turn();

  EXPECT_TRUE(fetches_[1].failed.starts_with("TRYAGAIN anteroom: shutting down"));
}

// --- What nobody asked for ---

TEST_F(HiredisBackendTest, ReplyThatNobodyAskedForNeverAnswersALaterFetch) {
  fetch(1, "a");
  auto& server = server_with(2);
  server.send("$1\r\nA\r\n:-1\r\n$5\r\nwrong\r\n:-1\r\n");
  ASSERT_TRUE(over(1));
  for (int turn = 0; turn < 3; ++turn) run_turn();

  fetch(2, "b");
  run_turn();

  EXPECT_EQ(fetches_[2].value, "");
  EXPECT_TRUE(run_until([&] { return server.is_closed_by_peer(); }));
}

TEST_F(HiredisBackendTest, ReplyOnAnIdleConnectionEndsIt) {
  backend().start();
  ASSERT_TRUE(run_until([this] { return metrics_.upstream_links.value() == 1; }));
  auto& server = server_.last();

  server.send("+unasked\r\n");

  EXPECT_TRUE(run_until([&] { return server.is_closed_by_peer(); }));
}

}  // namespace
}  // namespace anteroom::backend
