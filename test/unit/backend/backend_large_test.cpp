// Strings that are too large for the fill connection are taken off the stream without being collected.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "unit/backend/backend_fixture.hpp"

namespace anteroom::backend {
namespace {

constexpr std::size_t kLimit = HiredisBackend::kBulkBytesMin;

std::string bulk(std::size_t length) {
  return "$" + std::to_string(length) + "\r\n" + std::string(length, 'x') + "\r\n";
}

class LargeReplies : public HiredisBackendTest {
 protected:
  using Words = std::vector<std::string>;
  LargeReplies() { options_.bulk_bytes_max = kLimit; }

  [[nodiscard]] bool is_large(std::uint64_t id) {
    return run_until([&] { return fetches_[id].is_too_large; }) && fetches_[id].value.empty() &&
           fetches_[id].server_error.empty();
  }
  void fetch_result(std::uint64_t id, std::string_view command) {
    backend().fetch(FetchId{id}, {.db = 0, .key = "k", .command = command});
  }
  [[nodiscard]] bool said(std::string_view word) {
    return run_until([&] { return !coherence_.said.empty() && coherence_.said.back() == word; });
  }
};

TEST_F(LargeReplies, StringIsRefusedBeforeItHasComeAndTheNextRepliesAreRight) {
  fetch(1, "large");
  fetch(2, "small");
  auto& server = server_with(4);
  const std::string large = bulk(kLimit + 1);
  server.send(large.substr(0, 20));

  EXPECT_TRUE(is_large(1));
  EXPECT_FALSE(fetches_[1].is_over);
  server.send(large.substr(20) + ":-1\r\n$1\r\nB\r\n:-1\r\n");

  ASSERT_TRUE(over(1, 2));
  EXPECT_EQ(fetches_[2].value, "$1\r\nB\r\n");
  EXPECT_EQ(metrics_.fills_too_large.value(), 1u);
}

TEST_F(LargeReplies, StringAsLongAsTheLimitIsNot) {
  fetch(1, "k");
  server_with(2).send(bulk(kLimit) + ":-1\r\n");

  ASSERT_TRUE(over(1));
  EXPECT_EQ(fetches_[1].value, bulk(kLimit));
  EXPECT_FALSE(fetches_[1].is_too_large);
}

TEST_F(LargeReplies, LimitIsNeverSmallerThanIsUseful) {
  options_.bulk_bytes_max = 1;
  fetch(1, "k");
  server_with(2).send(bulk(kLimit) + ":-1\r\n");

  ASSERT_TRUE(over(1));
  EXPECT_EQ(fetches_[1].value, bulk(kLimit));
}

TEST_F(LargeReplies, OnlyTheLargeStringsOfAGroupAreRefused) {
  const std::vector<FetchId> ids{FetchId{1}, FetchId{2}, FetchId{3}};
  const std::vector<std::string_view> keys{"a", "b", "c"};
  backend().fetch_group(ids, 0, keys);
  server_with(4).send("*3\r\n$1\r\nA\r\n" + bulk(kLimit + 1) + "$-1\r\n:-1\r\n:-1\r\n:-2\r\n");

  ASSERT_TRUE(over(1, 3));
  EXPECT_EQ(fetches_[1].value, "$1\r\nA\r\n");
  EXPECT_TRUE(is_large(2));
  EXPECT_EQ(fetches_[3].value, "nil");
}

TEST_F(LargeReplies, ResultWithALargeElementAtAnyDepthIsRefused) {
  fetch_result(1, "*2\r\n$7\r\nHGETALL\r\n$1\r\nk\r\n");
  server_with(2).send("*2\r\n$1\r\nf\r\n*1\r\n*2\r\n:1\r\n" + bulk(kLimit + 1) + ":-1\r\n");

  ASSERT_TRUE(over(1));
  EXPECT_TRUE(is_large(1));
}

TEST_F(LargeReplies, SameErrorFromTheServerIsOnlyReadOnceMore) {
  fetch(1, "k");
  server_with(2).send("-LARGE\r\n:-1\r\n");

  ASSERT_TRUE(over(1));
  EXPECT_TRUE(is_large(1));
}

TEST_F(LargeReplies, OtherErrorsAreNot) {
  fetch(1, "k");
  server_with(2).send("-LARGE reply\r\n:-1\r\n");

  ASSERT_TRUE(over(1));
  EXPECT_FALSE(fetches_[1].is_too_large);
  EXPECT_EQ(fetches_[1].server_error, "LARGE reply");
}

TEST_F(LargeReplies, NameThatIsLostInAnInvalidationInvalidatesEverything) {
  backend().start();
  ASSERT_TRUE(said("does not track"));
  server_.last().send(">2\r\n$10\r\ninvalidate\r\n*2\r\n$1\r\na\r\n" + bulk(kLimit + 1));

  EXPECT_TRUE(said("all invalidated"));
}

TEST_F(LargeReplies, StringThatNobodyAskedForEndsTheConnection) {
  backend().start();
  ASSERT_TRUE(said("does not track"));
  server_.last().send(bulk(kLimit + 1).substr(0, 20));

  EXPECT_TRUE(run_until([this] { return std::ranges::count(coherence_.said, "lost") > 0; }));
}

TEST_F(LargeReplies, ConnectionMayEndInTheMiddleOfOne) {
  fetch(1, "large");
  fetch(2, "small");
  auto& server = server_with(4);
  server.send("$500000000\r\nxxx");
  ASSERT_TRUE(is_large(1));

  server.close();

  ASSERT_TRUE(over(1, 2));
  EXPECT_FALSE(fetches_[2].failed.empty());
  coherence_.said.resize(4);  // it comes back
  EXPECT_EQ(coherence_.said, (Words{"does not track", "held up", "goes on", "lost"}));
}

TEST_F(LargeReplies, TellsThatItIsHeldUpAsLongAsMuchIsToCome) {
  constexpr std::size_t kLong = 9u << 20;
  fetch(1, "large");
  auto& server = server_with(2);
  server.send("$" + std::to_string(kLong) + "\r\n");
  ASSERT_TRUE(said("held up"));

  server.send(std::string(kLong - 1, 'x'));
  run_turn();
  EXPECT_EQ(coherence_.said.back(), "held up");
  server.send("x\r\n");

  EXPECT_TRUE(said("goes on"));
  server.send(":-1\r\n");
  EXPECT_TRUE(over(1));
  EXPECT_EQ(coherence_.said, (Words{"does not track", "held up", "goes on"}));
}

TEST_F(LargeReplies, ShortOnesHoldUpNobody) {
  fetch(1, "large");
  server_with(2).send(bulk(1u << 20) + ":-1\r\n");

  ASSERT_TRUE(over(1));
  EXPECT_EQ(coherence_.said, Words{"does not track"});
}

}  // namespace
}  // namespace anteroom::backend
