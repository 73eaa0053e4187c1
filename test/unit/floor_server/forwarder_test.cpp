#include "floor_server/forwarder.hpp"

#include <array>
#include <string>
#include <utility>

#include "unit/floor_server/floor_rig.hpp"

namespace anteroom::floor_server {
namespace {

constexpr Sizes kSizes{.request_bytes = 4, .reply_bytes = 3};

/// Both ends of the connection to the upstream: the forwarder's, and that of the test, which answers.
std::pair<Fd, Fd> upstream_pair() {
  std::array<int, 2> fds{};
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds.data()), 0);
  return {Fd(fds[0]), Fd(fds[1])};
}

class ForwarderTest : public FloorServerTest {
 protected:
  void settle() { FloorServerTest::settle(server_); }
  /// `request` has gone on by itself when this returns.
  void forward(const Fd& client, std::string_view request) {
    send(client, request);
    settle();
    ASSERT_EQ(received(upstream_), request);
  }
  void answer(std::string_view bytes) {
    send(upstream_, bytes);
    settle();
  }

  std::pair<Fd, Fd> pair_ = upstream_pair();
  Fd upstream_ = std::move(pair_.second);
  Forwarder server_{listener_, kSizes, std::move(pair_.first)};
};
using ForwarderDeathTest = ForwarderTest;

TEST_F(ForwarderTest, BytesPassBothWays) {
  const Fd client = connect();

  forward(client, "aaaabbbb");
  answer("+1\n+2\n");

  EXPECT_EQ(received(client), "+1\n+2\n");
}

TEST_F(ForwarderTest, RepliesGoToClientsInTheOrderOfTheirRequests) {
  const Fd one = connect();
  const Fd other = connect();
  forward(one, "aaaa");
  forward(other, "bbbbcccc");
  forward(one, "dddd");

  answer("+1\n+2\n+3\n+4\n");

  EXPECT_EQ(received(one), "+1\n+4\n");
  EXPECT_EQ(received(other), "+2\n+3\n");
}

TEST_F(ForwarderTest, HalfARequestWaitsForItsRestAndHoldsUpNobody) {
  const Fd client = connect();
  const Fd other = connect();
  send(client, "aaaabb");
  settle();
  EXPECT_EQ(received(upstream_), "aaaa");

  forward(other, "cccc");
  send(client, "bb");
  settle();

  EXPECT_EQ(received(upstream_), "bbbb");
}

TEST_F(ForwarderTest, HalfAReplyWaitsForItsRest) {
  const Fd client = connect();
  forward(client, "aaaabbbb");
  answer("+1\n+");
  EXPECT_EQ(received(client), "+1\n");

  answer("2\n");

  EXPECT_EQ(received(client), "+2\n");
}

TEST_F(ForwarderTest, RepliesOwedToAClientThatHasGoneAreNobodys) {
  Fd leaver = connect();
  forward(leaver, "aaaa");
  leaver = Fd();
  settle();
  const Fd next = connect();
  forward(next, "bbbb");

  answer("+1\n+2\n");

  EXPECT_EQ(received(next), "+2\n");
}

TEST_F(ForwarderTest, RestOfAClientThatHasGoneIsNotForwarded) {
  Fd leaver = connect();
  send(leaver, "aa");
  settle();
  leaver = Fd();
  settle();

  forward(connect(), "bbbb");
}

TEST_F(ForwarderTest, ClientThatEndsIsClosed) {
  const Fd client = connect();
  forward(client, "aaaa");
  answer("+1\n");
  EXPECT_EQ(received(client), "+1\n");

  ASSERT_EQ(::shutdown(client.value(), SHUT_WR), 0);
  settle();

  EXPECT_TRUE(is_closed(client));
}

TEST_F(ForwarderTest, RepliesThatHaveNoRoomComeWhenThereIsSome) {
  const Fd client = connect();
  std::string requests;
  std::string replies;
  for (int i = 0; i < 200'000; ++i) {
    requests += "aaaa";
    replies += "+1\n";
  }

  // A portion at a time, as much as each socket holds.
  constexpr std::size_t kPortion = 20'000;
  for (std::size_t at = 0; at < requests.size(); at += 4 * kPortion) forward(client, requests.substr(at, 4 * kPortion));
  for (std::size_t at = 0; at < replies.size(); at += 3 * kPortion) answer(replies.substr(at, 3 * kPortion));

  std::string got;
  for (std::size_t before = 1; before != got.size();) {
    before = got.size();
    got += received(client);
    settle();
  }
  EXPECT_TRUE(got == replies);
}

TEST_F(ForwarderDeathTest, UpstreamThatClosesEndsTheProgram) {
  upstream_ = Fd();

  EXPECT_EXIT(server_.turn(0), testing::ExitedWithCode(1), "the upstream has closed the connection");
}

TEST_F(ForwarderDeathTest, ReplyThatNobodyAskedForEndsTheProgram) {
  send(upstream_, "+1\n");

  EXPECT_EXIT(server_.turn(0), testing::ExitedWithCode(1), "nobody asked for");
}

TEST_F(ForwarderDeathTest, ReplyOfAnotherLengthEndsTheProgram) {
  const Fd client = connect();
  forward(client, "aaaa");
  send(upstream_, "+12\n");

  EXPECT_EXIT(server_.turn(0), testing::ExitedWithCode(1), "does not end where it should");
}

}  // namespace
}  // namespace anteroom::floor_server
