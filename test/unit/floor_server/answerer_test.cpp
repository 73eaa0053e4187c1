#include "floor_server/answerer.hpp"

#include <sys/socket.h>

#include <cerrno>
#include <string>

#include "unit/floor_server/floor_rig.hpp"

namespace anteroom::floor_server {
namespace {

constexpr Sizes kSizes{.request_bytes = 4, .reply_bytes = 8};
const std::string kReply = "$2\r\nab\r\n";

class AnswererTest : public FloorServerTest {
 protected:
  Answerer server_{listener_, kSizes, kReply};
};

TEST_F(AnswererTest, AnswersAsOftenAsWholeRequestsCame) {
  const Fd client = connect();
  send(client, "aaaabbbbcccc");

  settle(server_);

  EXPECT_EQ(received(client), kReply + kReply + kReply);
}

TEST_F(AnswererTest, HalfARequestWaitsForItsRest) {
  const Fd client = connect();
  send(client, "aaaabb");
  settle(server_);
  EXPECT_EQ(received(client), kReply);

  send(client, "bb");

  settle(server_);
  EXPECT_EQ(received(client), kReply);
}

TEST_F(AnswererTest, HalvesOfTwoClientsMakeNoRequest) {
  const Fd one = connect();
  const Fd other = connect();

  send(one, "aa");
  send(other, "bb");

  settle(server_);
  EXPECT_EQ(received(one) + received(other), "");
}

TEST_F(AnswererTest, ClientThatEndsIsClosedAndOthersAreServed) {
  const Fd client = connect();
  const Fd other = connect();
  settle(server_);

  ASSERT_EQ(::shutdown(client.value(), SHUT_WR), 0);
  settle(server_);

  EXPECT_TRUE(is_closed(client));
  send(other, "aaaa");
  settle(server_);
  EXPECT_EQ(received(other), kReply);
}

TEST_F(AnswererTest, NextClientMayHaveTheNumberOfOneThatLeftWithinARequest) {
  Fd first = connect();
  send(first, "aa");
  settle(server_);
  first = Fd();
  settle(server_);

  const Fd next = connect();
  send(next, "bbbb");
  settle(server_);

  EXPECT_EQ(received(next), kReply);
}

/// More replies to one read than a socket holds: one of 1 MB in all, where a UNIX socket has room for about 200 KB.
class AnswererWithoutRoom : public FloorServerTest {
 protected:
  static constexpr std::size_t kReplyBytes = 1'000;
  static constexpr std::size_t kRequests = 1'000;

  /// Asks for all at once, and lets the server write what there is room for.
  void ask_all() {
    send(client_, std::string(kRequests, 'x'));
    settle(server_);
  }
  std::string all_replies() const {
    std::string out;
    for (std::size_t i = 0; i < kRequests; ++i) out += reply_;
    return out;
  }

  const std::string reply_ = resp_value(kReplyBytes);
  Answerer server_{listener_, {.request_bytes = 1, .reply_bytes = kReplyBytes}, reply_};
  const Fd client_ = connect();
};

TEST_F(AnswererWithoutRoom, RepliesGoOnWhereTheyWereCut) {
  ask_all();
  std::string got = received(client_);
  ASSERT_LT(got.size(), kRequests * kReplyBytes) << "there was room for all";

  for (std::size_t before = 0; before < got.size();) {
    before = got.size();
    settle(server_);
    got += received(client_);
  }

  EXPECT_TRUE(got == all_replies());
}

TEST_F(AnswererWithoutRoom, WhoDoesNotReadIsNotReadFrom) {
  ask_all();

  // A server that read on would take all of this.
  constexpr std::size_t kMuch = 64 * 1024 * 1024;
  const std::string requests(64 * 1024, 'x');
  std::size_t taken = 0;
  bool is_full = false;
  while (!is_full && taken < kMuch) {
    const ssize_t sent = ::send(client_.value(), requests.data(), requests.size(), MSG_DONTWAIT);
    is_full = sent < 0 && errno == EAGAIN;
    taken += sent > 0 ? static_cast<std::size_t>(sent) : 0;
    settle(server_);
  }

  EXPECT_TRUE(is_full);
}

TEST_F(AnswererWithoutRoom, ClientThatLeavesItsRepliesUnreadIsForgotten) {
  {
    const Fd leaver = connect();
    send(leaver, std::string(kRequests, 'x'));
    settle(server_);
  }
  settle(server_);

  send(client_, "x");
  settle(server_);

  EXPECT_EQ(received(client_), reply_);
}

}  // namespace
}  // namespace anteroom::floor_server
