// What a HiredisBackend tells of the server's announcements.
#include <gtest/gtest.h>

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "unit/backend/backend_fixture.hpp"

namespace anteroom::backend {
namespace {

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

TEST_F(TrackingBackendTest, GroupOfOneIsAGet) {
  auto& server = connected();
  const FetchId id{1};
  const std::string_view key = "a";
  backend().fetch_group({&id, 1}, 0, {&key, 1});
  EXPECT_TRUE(run_until([&] { return server.count() >= 2; }));
  EXPECT_EQ(server.requests(), (std::vector<std::string>{"GET a", "PTTL a"}));

  server.send("$1\r\nA\r\n:10\r\n");

  ASSERT_TRUE(over(1));
  EXPECT_EQ(fetches_[1].value, "$1\r\nA\r\n");
  EXPECT_EQ(fetches_[1].ttl, 10);
}

TEST_F(TrackingBackendTest, GroupsThatWaitForTheConnectionAreSentAsOthersAre) {
  const std::vector<FetchId> ids{FetchId{1}, FetchId{2}, FetchId{3}};
  const std::vector<std::string_view> keys{"a", "b", "c"};
  backend().fetch_group(std::span(ids).first(1), 0, std::span(keys).first(1));
  backend().fetch_group(std::span(ids).subspan(1), 0, std::span(keys).subspan(1));
  auto& server = server_with(5);
  EXPECT_EQ(server.requests(), (std::vector<std::string>{"GET a", "PTTL a", "MGET b c", "PTTL b", "PTTL c"}));
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
