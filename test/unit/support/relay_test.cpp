#include "support/relay.hpp"

#include <gtest/gtest.h>

#include <string>

#include "support/sockets.hpp"

namespace anteroom::test {
namespace {

/// A client and what the server has accepted for it, with a relay between.
class RelayTest : public testing::Test {
 protected:
  RelayTest() : listener_(listen_on(loopback())), relay_(net::local_address(listener_.value()).port()) {
    client_ = connect_to(loopback(relay_.port()));
    server_ = base::UniqueFd(accept4(listener_.value(), nullptr, nullptr, SOCK_CLOEXEC));
  }

  static void say(const base::UniqueFd& from, std::string_view bytes) {
    ASSERT_EQ(send(from.value(), bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }
  static std::string hear(const base::UniqueFd& at, std::size_t size) {
    std::string bytes(size, '\0');
    const ssize_t got = recv(at.value(), bytes.data(), size, MSG_WAITALL);
    bytes.resize(static_cast<std::size_t>(std::max(got, ssize_t{0})));
    return bytes;
  }

  base::UniqueFd listener_;
  Relay relay_;
  base::UniqueFd client_;
  base::UniqueFd server_;
};

TEST(ListenOn, TakesAPortThatConnectionsHaveJustLeft) {
  base::UniqueFd listener = listen_on(loopback());
  const net::Address address = net::local_address(listener.value());
  {
    const base::UniqueFd client = connect_to(address);
    base::UniqueFd(accept4(listener.value(), nullptr, nullptr, SOCK_CLOEXEC)).reset();  // it goes first: TIME_WAIT
    EXPECT_TRUE(becomes_readable(client.value()));
  }
  listener.reset();

  listen_on(address);
}

TEST_F(RelayTest, HandsBytesOnInBothDirections) {
  say(client_, "question");
  EXPECT_EQ(hear(server_, 8), "question");
  say(server_, "answer");
  EXPECT_EQ(hear(client_, 6), "answer");
}

TEST_F(RelayTest, DelaysOneDirectionAndKeepsTheOrder) {
  const Clock::time_point start = Clock::now();
  relay_.delay(Relay::Toward::kClient, milliseconds{60}, {});
  say(server_, "one");
  say(server_, "two");
  say(client_, "question");
  EXPECT_EQ(hear(server_, 8), "question");
  EXPECT_EQ(hear(client_, 6), "onetwo");
  EXPECT_GE(Clock::now() - start, milliseconds{60});
}

TEST_F(RelayTest, DelayOfAnotherConnectionDoesNotMatter) {
  relay_.delay(Relay::Toward::kClient, kPatience, {1});
  relay_.freeze({1});
  say(server_, "answer");
  EXPECT_EQ(hear(client_, 6), "answer");
}

TEST_F(RelayTest, FrozenConnectionStaysOpenAndGoesOnLater) {
  relay_.freeze({});
  say(client_, "question");
  shutdown(client_.value(), SHUT_WR);
  EXPECT_FALSE(becomes_readable(server_.value(), kQuietTime));

  relay_.clear();

  EXPECT_EQ(hear(server_, 8), "question");
  EXPECT_EQ(hear(server_, 1), "");
  say(server_, "answer");
  EXPECT_EQ(hear(client_, 6), "answer");
}

TEST_F(RelayTest, EndOfOneSideEndsTheOther) {
  server_.reset();
  EXPECT_EQ(hear(client_, 1), "");
}

TEST_F(RelayTest, LotsOfBytesArriveWhole) {
  const std::string bytes(4'000'000, 'x');
  std::thread sender{[&] { say(client_, bytes); }};
  EXPECT_EQ(hear(server_, bytes.size()), bytes);
  sender.join();
}

}  // namespace
}  // namespace anteroom::test
