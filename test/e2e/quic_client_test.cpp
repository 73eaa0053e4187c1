// The client library against a gateway.
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "anteroom/quic_client.hpp"
#include "support/gateway_process.hpp"
#include "support/rig.hpp"

namespace anteroom::test {
namespace {

using client::QuicConnection;
using Reply = std::expected<std::string, client::QuicError>;

constexpr std::chrono::milliseconds kLong{5000};

class QuicGatewayClient : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(redis_.start());
    gateway_.emplace(GatewayProcess::Options{.upstream = redis_.url(Transport::kUnix), .workers = 1});
    ASSERT_TRUE(gateway_->start());
    auto made = QuicConnection::connect({.port = gateway_->port(), .insecure = true});
    ASSERT_TRUE(made.has_value()) << made.error().text;
    connection_ = std::move(*made);
    stream_ = connection_->open_stream();
    ASSERT_NE(stream_, nullptr);
  }
  QuicConnection::OnReply into(std::vector<std::string>& list) {
    return [&list](Reply reply) { list.push_back(reply ? std::move(*reply) : "error: " + reply.error().text); };
  }
  void expect_messages() {
    std::vector<std::string> pushes;
    std::vector<std::string> confirmed;
    stream_->set_on_push(into(pushes));
    stream_->query({"SUBSCRIBE", "a", "b"}, into(confirmed));
    stream_->query({"PING"}, into(pings_));
    EXPECT_TRUE(connection_->run(kLong));
    EXPECT_EQ(confirmed.size(), 2u);
    EXPECT_EQ(pings_.size(), 1u);

    redis_.connect().ask("PUBLISH", "b", "hello");
    EXPECT_TRUE(connection_->run_until([&] { return !pushes.empty(); }, kLong));

    EXPECT_TRUE(!pushes.empty() && pushes[0].ends_with("$7\r\nmessage\r\n$1\r\nb\r\n$5\r\nhello\r\n"));
  }

  RedisServer redis_;
  std::optional<GatewayProcess> gateway_;
  std::unique_ptr<QuicConnection> connection_;
  std::unique_ptr<QuicConnection::Stream> stream_;
  std::vector<std::string> pings_;
};

TEST_F(QuicGatewayClient, SubscriberHasConfirmationsAndMessages) {
  expect_messages();
  EXPECT_EQ(pings_, std::vector<std::string>{"*2\r\n$4\r\npong\r\n$0\r\n\r\n"});
}

TEST_F(QuicGatewayClient, SubscriberOfResp3HasConfirmationsAndMessages) {
  std::vector<std::string> hello;
  stream_->query({"HELLO", "3"}, into(hello));
  expect_messages();
  EXPECT_EQ(pings_, std::vector<std::string>{"+PONG\r\n"});
}

TEST_F(QuicGatewayClient, SubscriberIsToldOfTheEnd) {
  std::vector<std::string> pushes;
  std::vector<std::string> confirmed;
  stream_->set_on_push(into(pushes));
  stream_->query({"SUBSCRIBE", "a"}, into(confirmed));
  EXPECT_TRUE(connection_->run(kLong));

  redis_.stop();

  EXPECT_FALSE(connection_->run_until([] { return false; }, kLong));
  EXPECT_TRUE(pushes.size() == 1 && pushes[0].starts_with("error: "));
}

TEST_F(QuicGatewayClient, QueryThatIsRepeatedOnErrorsEndsWithTheTime) {
  redis_.stop();
  int errors = 0;
  const auto at_last = std::chrono::steady_clock::now() + kLong;
  std::function<void(Reply)> again = [&](const Reply&) {
    ++errors;
    // For the test's own sake: what is wrong would never end.
    if (std::chrono::steady_clock::now() < at_last) stream_->query({"PING"}, again);
  };
  stream_->query({"PING"}, again);
  stream_->query({"PING"}, again);

  EXPECT_FALSE(connection_->run(std::chrono::milliseconds(200)));

  EXPECT_GT(errors, 2);
  EXPECT_LT(std::chrono::steady_clock::now(), at_last);
}

TEST_F(QuicGatewayClient, StreamMayOutliveItsConnection) {
  std::vector<std::string> replies;
  stream_->query({"PING"}, into(replies));
  connection_.reset();

  stream_->query({"PING"}, into(replies));
  stream_->set_on_push(into(replies));
  stream_->finish();
  stream_.reset();

  EXPECT_EQ(replies, std::vector<std::string>{});
  EXPECT_TRUE(eventually([&] { return gateway_->figure("connections") == 0; }));
}

}  // namespace
}  // namespace anteroom::test
