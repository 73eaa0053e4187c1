#include "backend/hiredis_backend.hpp"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "net/mailbox.hpp"
#include "net/outage_log.hpp"
#include "net/resolver.hpp"
#include "support/loop_fixture.hpp"
#include "support/scripted_server.hpp"

namespace anteroom::backend {
namespace {

using std::chrono::milliseconds;

/// Writes down what became of each fetch, and that it is told once.
class RecordedFetches final : public FetchEvents {
 public:
  struct Fetch {
    std::string value;  ///< as encoded, "nil" for null
    std::optional<std::int64_t> ttl;
    std::string server_error;
    std::string failed;
    bool is_over = false;
  };

  void on_value(FetchId id, base::SharedBytes encoded_reply) override {
    open(id).value = encoded_reply ? *encoded_reply : "nil";
  }
  void on_ttl(FetchId id, std::int64_t pttl_ms) override {
    open(id).ttl = pttl_ms;
    end(id);
  }
  void on_server_error(FetchId id, std::string_view error) override { open(id).server_error = error; }
  void on_failed(FetchId id, const base::StagedError& error) override {
    open(id).failed = error.reply();
    end(id);
  }

  [[nodiscard]] Fetch& operator[](std::uint64_t id) { return fetches_[id]; }
  [[nodiscard]] bool are_over(std::uint64_t first, std::uint64_t last) {
    for (std::uint64_t id = first; id <= last; ++id) {
      if (!fetches_[id].is_over) return false;
    }
    return true;
  }

 private:
  Fetch& open(FetchId id) {
    Fetch& fetch = fetches_[static_cast<std::uint64_t>(id)];
    EXPECT_FALSE(fetch.is_over);
    return fetch;
  }
  void end(FetchId id) { fetches_[static_cast<std::uint64_t>(id)].is_over = true; }

  std::map<std::uint64_t, Fetch> fetches_;
};

/// Writes down what the server said about coherence, in order.
class RecordedCoherence final : public CoherenceEvents {
 public:
  void on_connected(const Greeting& greeting) override {
    last_greeting = greeting;
    said.push_back(greeting.tracks ? "tracks" : "does not track");
  }
  void on_lost() override { said.push_back("lost"); }
  void on_invalidated(std::string_view key) override { said.push_back("invalidated " + std::string(key)); }
  void on_all_invalidated() override { said.push_back("all invalidated"); }
  void on_fence(base::TimePoint sent) override {
    said.push_back("fence");
    last_fence = sent;
  }

  std::vector<std::string> said;
  Greeting last_greeting;
  base::TimePoint last_fence{};
};

class HiredisBackendTest : public test::LoopFixture {
 protected:
  HiredisBackendTest() {
    options_.target = server_.target();
    options_.reconnect_base = options_.reconnect_cap = std::chrono::hours(1);
  }
  void TearDown() override {
    if (!backend_) return;
    backend_->close();
    run_turn();
    backend_.reset();
    run_turn();
  }

  HiredisBackend& backend() {
    if (!backend_) {
      backend_ = std::make_unique<HiredisBackend>(
          HiredisBackend::Context{loop_, resolver_, mailbox_, outages_, metrics_, fetches_, coherence_}, options_, 1);
    }
    return *backend_;
  }
  void fetch(std::uint64_t id, std::string_view key, int db = 0) {
    backend().fetch(FetchId{id}, {.db = db, .key = key});
  }
  [[nodiscard]] bool over(std::uint64_t first, std::uint64_t last) {
    return run_until([&] { return fetches_.are_over(first, last); });
  }
  [[nodiscard]] bool over(std::uint64_t id) { return over(id, id); }
  /// The newest connection, when it has got `count` requests.
  test::ScriptedConnection& server_with(std::size_t count) {
    EXPECT_TRUE(run_until([&] { return server_.accepted() > 0 && server_.last().count() >= count; }));
    return server_.last();
  }
  /// What a fetch fails with when each command of the handshake is answered with `reply`.
  std::string error_after_handshake_reply(const std::string& reply) {
    server_.set_handshake([reply](const std::string&) { return reply; });
    fetch(1, "k");
    EXPECT_TRUE(over(1));
    return fetches_[1].failed;
  }

  log::ScopedCapture log_{log::Level::kInfo};
  test::ScriptedServer server_{loop_};
  HiredisBackend::Options options_;
  net::Resolver resolver_;
  net::Mailbox mailbox_{loop_};
  net::OutageLog outages_{"test"};
  metrics::WorkerMetrics metrics_;
  RecordedFetches fetches_;
  RecordedCoherence coherence_;
  std::unique_ptr<HiredisBackend> backend_;
};

// --- Fetching ---

TEST_F(HiredisBackendTest, SendsGetAndPttlPipelinedAndTellsBothReplies) {
  fetch(1, "a");
  fetch(2, "b");
  auto& server = server_with(4);
  EXPECT_EQ(server.requests(), (std::vector<std::string>{"GET a", "PTTL a", "GET b", "PTTL b"}));

  server.send("$1\r\nA\r\n:1500\r\n$1\r\nB\r\n:-1\r\n");

  ASSERT_TRUE(over(1, 2));
  EXPECT_EQ(fetches_[1].value, "$1\r\nA\r\n");
  EXPECT_EQ(fetches_[1].ttl, 1500);
  EXPECT_EQ(fetches_[2].value, "$1\r\nB\r\n");
  EXPECT_EQ(fetches_[2].ttl, -1);
}

TEST_F(HiredisBackendTest, ValueIsToldBeforeTheTimeToLiveIsKnown) {
  fetch(1, "a");
  auto& server = server_with(2);
  server.send("$1\r\nA\r\n");
  ASSERT_TRUE(run_until([this] { return !fetches_[1].value.empty(); }));
  EXPECT_FALSE(fetches_[1].is_over);

  server.send(":7\r\n");

  EXPECT_TRUE(over(1));
}

TEST_F(HiredisBackendTest, FetchIsNeverAnsweredFromInside) {
  backend().close();
  fetch(1, "a");
  EXPECT_FALSE(fetches_[1].is_over);

  EXPECT_TRUE(over(1));
  EXPECT_TRUE(fetches_[1].failed.starts_with("TRYAGAIN anteroom: shutting down"));
}

TEST_F(HiredisBackendTest, MissingKeyIsNullAndEmptyValueIsNot) {
  fetch(1, "missing");
  fetch(2, "empty");
  server_with(4).send("$-1\r\n:-2\r\n$0\r\n\r\n:-1\r\n");

  ASSERT_TRUE(over(1, 2));
  EXPECT_EQ(fetches_[1].value, "nil");
  EXPECT_EQ(fetches_[1].ttl, -2);
  EXPECT_EQ(fetches_[2].value, "$0\r\n\r\n");
}

TEST_F(HiredisBackendTest, KeyAndValueMayBeAnyBytes) {
  const std::string bytes("\0\r\n$\xff", 5);
  fetch(1, bytes);
  auto& server = server_with(2);
  EXPECT_EQ(server.requests()[0], "GET " + bytes);

  server.send("$5\r\n" + bytes + "\r\n:-1\r\n");

  ASSERT_TRUE(over(1));
  EXPECT_EQ(fetches_[1].value, "$5\r\n" + bytes + "\r\n");
}

TEST_F(HiredisBackendTest, LargeValueArrivesWhole) {
  const std::string value(3'000'000, 'x');
  fetch(1, "k");
  server_with(2).send("$3000000\r\n" + value + "\r\n:-1\r\n");

  ASSERT_TRUE(over(1));
  EXPECT_EQ(fetches_[1].value, "$3000000\r\n" + value + "\r\n");
}

TEST_F(HiredisBackendTest, ErrorOfTheServerIsToldAsItIsAndTheNextFetchIsRight) {
  fetch(1, "list");
  fetch(2, "b");
  server_with(4).send(
      "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n:-1\r\n$1\r\nB\r\n:-1\r\n");

  ASSERT_TRUE(over(1, 2));
  EXPECT_EQ(fetches_[1].server_error, "WRONGTYPE Operation against a key holding the wrong kind of value");
  EXPECT_EQ(fetches_[1].ttl, -1);
  EXPECT_EQ(fetches_[2].value, "$1\r\nB\r\n");
}

TEST_F(HiredisBackendTest, ErrorInsteadOfTheTimeToLiveLeavesTheValueGood) {
  fetch(1, "k");
  server_with(2).send("$1\r\nA\r\n-NOPERM no PTTL for you\r\n");

  ASSERT_TRUE(over(1));
  EXPECT_EQ(fetches_[1].value, "$1\r\nA\r\n");
  EXPECT_EQ(fetches_[1].failed, "NOPERM no PTTL for you");
}

TEST_F(HiredisBackendTest, BurstLargerThanTheSocketsBufferIsAnsweredWhole) {
  server_.set_answers(
      [](const std::string& request) { return request.starts_with("GET ") ? "$1\r\nA\r\n" : ":-1\r\n"; });
  backend().start();
  ASSERT_TRUE(run_until([this] { return metrics_.upstream_links.value() == 1; }));

  constexpr std::uint64_t kFetches = 5000;
  for (std::uint64_t id = 1; id <= kFetches; ++id) fetch(id, std::to_string(id) + std::string(200, 'k'));

  ASSERT_TRUE(over(1, kFetches));
  for (std::uint64_t id = 1; id <= kFetches; ++id) ASSERT_EQ(fetches_[id].failed, "") << id;
  EXPECT_EQ(server_.accepted(), 1u);
  EXPECT_EQ(metrics_.fills_sent.value(), kFetches);
}

// --- Dbs ---

TEST_F(HiredisBackendTest, SelectsWheneverTheDbChangesAndOnlyThen) {
  fetch(1, "a", 0);
  fetch(2, "b", 3);
  fetch(3, "c", 3);
  fetch(4, "d", 0);
  auto& server = server_with(10);
  EXPECT_EQ(server.requests(), (std::vector<std::string>{"GET a", "PTTL a", "SELECT 3", "GET b", "PTTL b", "GET c",
                                                         "PTTL c", "SELECT 0", "GET d", "PTTL d"}));

  server.send("$1\r\n1\r\n:-1\r\n+OK\r\n$1\r\n2\r\n:-1\r\n$1\r\n3\r\n:-1\r\n+OK\r\n$1\r\n4\r\n:-1\r\n");

  ASSERT_TRUE(over(1, 4));
  for (std::uint64_t id = 1; id <= 4; ++id) {
    EXPECT_EQ(fetches_[id].value, "$1\r\n" + std::to_string(id) + "\r\n");
  }
}

TEST_F(HiredisBackendTest, WhatFollowsASelectThatFailedIsNoValue) {
  fetch(1, "a", 99);
  fetch(2, "b", 99);
  fetch(3, "c", 0);
  auto& server = server_with(8);

  server.send(
      "-ERR DB index is out of range\r\n$5\r\nwrong\r\n:-1\r\n$5\r\nwrong\r\n:-1\r\n+OK\r\n$5\r\nright\r\n:-1\r\n");

  ASSERT_TRUE(over(1, 3));
  EXPECT_EQ(fetches_[1].server_error, "ERR DB index is out of range");
  EXPECT_EQ(fetches_[2].server_error, "ERR DB index is out of range");
  EXPECT_EQ(fetches_[1].value + fetches_[2].value, "");
  EXPECT_EQ(fetches_[3].value, "$5\r\nright\r\n");
}

TEST_F(HiredisBackendTest, FailedSelectIsTriedAgainByTheNextFetch) {
  fetch(1, "a", 1);
  server_with(3).send("-BUSY Redis is busy running a script\r\n$-1\r\n:-2\r\n");
  ASSERT_TRUE(over(1));
  EXPECT_EQ(fetches_[1].server_error, "BUSY Redis is busy running a script");

  fetch(2, "b", 1);
  auto& server = server_with(6);
  EXPECT_EQ(server.requests()[3], "SELECT 1");
  server.send("+OK\r\n$5\r\nright\r\n:-1\r\n");

  ASSERT_TRUE(over(2));
  EXPECT_EQ(fetches_[2].value, "$5\r\nright\r\n");
}

TEST_F(HiredisBackendTest, ReplyToSelectMayComeBeforeTheGetBehindItHasLeft) {
  server_.set_answers([](const std::string& request) {
    if (request.starts_with("SELECT")) return "+OK\r\n";
    return request.starts_with("GET ") ? "$1\r\nA\r\n" : ":-1\r\n";
  });
  backend().start();
  ASSERT_TRUE(run_until([this] { return metrics_.upstream_links.value() == 1; }));

  fetch(1, std::string(1u << 20, 'k'), 1);

  ASSERT_TRUE(over(1));
  EXPECT_EQ(fetches_[1].failed, "");
  EXPECT_EQ(server_.accepted(), 1u);
}

TEST_F(HiredisBackendTest, NewConnectionBeginsInDbZero) {
  options_.reconnect_base = options_.reconnect_cap = milliseconds(10);
  fetch(1, "a", 3);
  server_with(3).close();
  ASSERT_TRUE(over(1));
  ASSERT_TRUE(run_until([this] { return server_.accepted() == 2 && outages_.is_up(); }));

  ASSERT_TRUE(run_until([this] { return metrics_.upstream_links.value() == 1; }));
  fetch(2, "b", 3);

  EXPECT_EQ(server_with(3).requests(), (std::vector<std::string>{"SELECT 3", "GET b", "PTTL b"}));
}

// --- Coming up ---

TEST_F(HiredisBackendTest, LogsInAndNamesItselfFirst) {
  options_.user = "bob";
  options_.password = "secret";
  fetch(1, "a");

  EXPECT_EQ(server_with(2).handshake_requests(),
            (std::vector<std::string>{"AUTH bob secret", "CLIENT SETNAME anteroom-fill"}));
}

TEST_F(HiredisBackendTest, PasswordAloneIsForTheDefaultUser) {
  options_.password = "secret";
  fetch(1, "a");

  EXPECT_EQ(server_with(2).handshake_requests().front(), "AUTH secret");
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

// --- What nobody asked for (hiredis alone would end the process) ---

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

// --- Tracking ---

class TrackingBackendTest : public HiredisBackendTest {
 protected:
  TrackingBackendTest() {
    options_.tracking = true;
    server_.set_handshake([](const std::string& request) -> std::string {
      if (request.starts_with("HELLO")) return "%2\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$6\r\n7.0.15\r\n";
      if (request.starts_with("COMMAND")) return "*1\r\n_\r\n";
      if (request == "PING") return "+PONG\r\n";
      return "+OK\r\n";
    });
  }
  [[nodiscard]] bool said(const std::vector<std::string>& words) {
    return run_until([&] { return coherence_.said.size() >= words.size(); }) && coherence_.said == words;
  }
  test::ScriptedConnection& connected() {
    backend().start();
    EXPECT_TRUE(said({"tracks"}));
    return server_.last();
  }
};

std::string invalidate(std::string_view key) {
  return ">2\r\n$10\r\ninvalidate\r\n*1\r\n$" + std::to_string(key.size()) + "\r\n" + std::string(key) + "\r\n";
}

TEST_F(TrackingBackendTest, FetchesGoOutOnlyOnceTheServerTracks) {
  fetch(1, "a");
  auto& server = server_with(2);

  EXPECT_EQ(server.requests(), (std::vector<std::string>{"GET a", "PTTL a"}));
  EXPECT_EQ(coherence_.said, std::vector<std::string>{"tracks"});
  EXPECT_GT(coherence_.last_greeting.fence_sent, base::TimePoint{});
}

TEST_F(TrackingBackendTest, InvalidationsAreHeardBetweenTheRepliesWhereTheyStand) {
  auto& server = connected();
  fetch(1, "a");
  EXPECT_TRUE(run_until([&] { return server.count() >= 2; }));

  server.send("$1\r\nA\r\n" + invalidate("a") + ":-1\r\n" + invalidate("b"));

  ASSERT_TRUE(over(1));
  EXPECT_TRUE(said({"tracks", "invalidated a", "invalidated b"}));
  EXPECT_EQ(fetches_[1].value, "$1\r\nA\r\n");
}

TEST_F(TrackingBackendTest, InvalidationsOnAnIdleConnectionAreHeardInWhateverPieces) {
  auto& server = connected();
  const std::string bytes = invalidate("key") + ">2\r\n$10\r\ninvalidate\r\n_\r\n";

  for (const char c : bytes) {
    server.send(std::string(1, c));
    run_turn();
  }

  EXPECT_TRUE(said({"tracks", "invalidated key", "all invalidated"}));
}

TEST_F(TrackingBackendTest, OnePushMayNameSeveralKeys) {
  auto& server = connected();
  server.send(">2\r\n$10\r\ninvalidate\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n");
  EXPECT_TRUE(said({"tracks", "invalidated a", "invalidated b"}));
}

TEST_F(TrackingBackendTest, PushesOfOtherKindsAreLeftAlone) {
  auto& server = connected();
  server.send(">2\r\n+tracking-redir-broken\r\n:1\r\n" + invalidate("a"));
  EXPECT_TRUE(said({"tracks", "invalidated a"}));
}

TEST_F(TrackingBackendTest, ReplyBehindAPushThatNobodyAskedForEndsTheConnection) {
  auto& server = connected();
  server.send(invalidate("a") + "+unasked\r\n");
  EXPECT_TRUE(run_until([&] { return server.is_closed_by_peer(); }));
  EXPECT_EQ(coherence_.said.at(1), "invalidated a");
  EXPECT_EQ(coherence_.said.at(2), "lost");
}

TEST_F(TrackingBackendTest, FenceReturnsInTheOrderOfTheStream) {
  auto& server = connected();
  fetch(1, "a");
  const base::TimePoint before = loop_.now();
  backend().fence();
  EXPECT_TRUE(run_until([&] { return server.count() >= 3; }));
  EXPECT_EQ(server.requests().back(), "PING");

  server.send("$1\r\nA\r\n:-1\r\n" + invalidate("a") + "+PONG\r\n");

  EXPECT_TRUE(said({"tracks", "invalidated a", "fence"}));
  EXPECT_GE(coherence_.last_fence, before);
  EXPECT_TRUE(fetches_[1].is_over);
}

TEST_F(TrackingBackendTest, LossIsToldBeforeTheFetchesFail) {
  auto& server = connected();
  fetch(1, "a");
  EXPECT_TRUE(run_until([&] { return server.count() >= 2; }));
  server.close();
  ASSERT_TRUE(over(1));
  EXPECT_EQ(coherence_.said.at(1), "lost");
}

TEST_F(TrackingBackendTest, GroupIsOneMgetWithATimeToLiveEach) {
  auto& server = connected();
  const std::vector<FetchId> ids{FetchId{1}, FetchId{2}, FetchId{3}};
  const std::vector<std::string_view> keys{"a", "b", "c"};
  backend().fetch_group(ids, 0, keys);
  EXPECT_TRUE(run_until([&] { return server.count() >= 4; }));
  EXPECT_EQ(server.requests(), (std::vector<std::string>{"MGET a b c", "PTTL a", "PTTL b", "PTTL c"}));

  server.send("*3\r\n$1\r\nA\r\n_\r\n$1\r\nC\r\n:10\r\n:-2\r\n:-1\r\n");

  ASSERT_TRUE(over(1, 3));
  EXPECT_EQ(fetches_[1].value, "$1\r\nA\r\n");
  EXPECT_EQ(fetches_[2].value, "nil");
  EXPECT_EQ(fetches_[3].value, "$1\r\nC\r\n");
  EXPECT_EQ(fetches_[1].ttl, 10);
  EXPECT_EQ(fetches_[2].ttl, -2);
}

TEST_F(TrackingBackendTest, RepliesOfOtherCommandsComeAsResp2HasThem) {
  auto& server = connected();
  const std::string command = "*2\r\n$7\r\nHGETALL\r\n$1\r\nh\r\n";
  for (std::uint64_t id = 1; id <= 5; ++id) backend().fetch(FetchId{id}, {.key = "h", .command = command});
  EXPECT_TRUE(run_until([&] { return server.count() >= 10; }));
  EXPECT_EQ(server.requests().at(0), "HGETALL h");
  EXPECT_EQ(server.requests().at(1), "PTTL h");

  server.send("%1\r\n$1\r\nf\r\n$1\r\nv\r\n:-1\r\n");
  server.send("~2\r\n$1\r\nx\r\n$1\r\ny\r\n:-1\r\n");
  server.send(",1.5\r\n:-1\r\n");
  server.send("*2\r\n*2\r\n$1\r\nm\r\n,1\r\n*2\r\n$1\r\nn\r\n,inf\r\n:-1\r\n");
  server.send("_\r\n:-2\r\n");

  ASSERT_TRUE(over(1, 5));
  EXPECT_EQ(fetches_[1].value, "*2\r\n$1\r\nf\r\n$1\r\nv\r\n");
  EXPECT_EQ(fetches_[2].value, "*2\r\n$1\r\nx\r\n$1\r\ny\r\n");
  EXPECT_EQ(fetches_[3].value, "$3\r\n1.5\r\n");
  EXPECT_EQ(fetches_[4].value, "*4\r\n$1\r\nm\r\n$1\r\n1\r\n$1\r\nn\r\n$3\r\ninf\r\n");
  EXPECT_EQ(fetches_[5].value, "$-1\r\n");
}

TEST_F(TrackingBackendTest, ServerThatRefusesToTrackIsUsedWithout) {
  server_.set_handshake([](const std::string& request) -> std::string {
    return request.starts_with("HELLO") ? "-NOPROTO unsupported protocol version\r\n" : "+OK\r\n";
  });
  fetch(1, "a");
  auto& server = server_with(2);
  server.send("$1\r\nA\r\n:-1\r\n");

  ASSERT_TRUE(over(1));
  EXPECT_EQ(coherence_.said, std::vector<std::string>{"does not track"});
}

}  // namespace
}  // namespace anteroom::backend
