#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <memory>
#include <optional>
#include <string>

#include "net/connector.hpp"
#include "support/tls_fixture.hpp"

namespace anteroom::net {
namespace {

using std::chrono::milliseconds;

class ConnectorTls : public TlsFixture {
 protected:
  ConnectorTls() : listener_(test::listen_on(test::loopback())) {}

  [[nodiscard]] ConnectTarget target() const {
    ConnectTarget target;
    target.host = "127.0.0.1";
    target.port = local_address(listener_.value()).port();
    auto contexts = TlsContextSource::create({.role = Role::kClient, .ca_file = ca_.file()});
    EXPECT_TRUE(contexts.has_value());
    target.tls = {.contexts = *contexts, .server_name = "localhost"};
    return target;
  }
  void start(const ConnectTarget& target) {
    connector_.start(target, [this](Connector::Result result) { result_ = std::move(result); });
  }
  base::UniqueFd accept() {
    EXPECT_TRUE(run_until([this] { return test::becomes_readable(listener_.value(), milliseconds(0)); }));
    return base::UniqueFd(accept4(listener_.value(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  }
  /// Dials `target` while a server shakes hands by `context`.
  void dial(const ConnectTarget& target, std::shared_ptr<const TlsContext> context) {
    start(target);
    server_ = std::make_unique<TlsEnd>(loop_, accept(), std::move(context));
    server_->start();
    ASSERT_TRUE(run_until([this] { return result_.has_value(); }));
    EXPECT_FALSE(connector_.is_running());
  }
  void expect_error(const ConnectTarget& target, int error, const std::string& text, const std::string& reply) {
    ASSERT_TRUE(result_.has_value() && !result_->has_value());
    EXPECT_EQ(result_->error().stage, ConnectStage::kTls);
    EXPECT_EQ(result_->error().error, error);
    EXPECT_EQ(result_->error().text, target.label() + ": " + text);
    EXPECT_TRUE(result_->error().staged(target).reply().starts_with(reply)) << result_->error().staged(target).reply();
  }

  const base::UniqueFd listener_;
  Mailbox mailbox_{loop_};
  Resolver resolver_;
  Connector connector_{loop_, resolver_, mailbox_};
  std::optional<Connector::Result> result_;
  std::unique_ptr<TlsEnd> server_;
};

TEST_F(ConnectorTls, GivesAStreamThatSpeaksTls) {
  dial(target(), server());
  ASSERT_TRUE(result_->has_value()) << result_->error().text;
  const iovec piece{const_cast<char*>("ping"), 4};
  EXPECT_EQ((**result_)->write({&piece, 1}).bytes, 4U);
  ASSERT_TRUE(run_until([this] { return server_->received == "ping"; }));
}

TEST_F(ConnectorTls, ARefusedCertificateIsNoErrorThatInvitesARetry) {
  ConnectTarget wrong = target();
  wrong.tls.server_name = "redis.example";
  dial(wrong, server());
  expect_error(wrong, EACCES, "certificate refused: wrong_name",
               "ERR anteroom: upstream TLS verification failed (stage=tls executed=no reason=wrong_name)");
}

TEST_F(ConnectorTls, AServerThatIsSilentFailsInTime) {
  ConnectTarget silent = target();
  silent.tls.timeout = milliseconds(20);
  start(silent);
  const base::UniqueFd far = accept();
  ASSERT_TRUE(run_until([this] { return result_.has_value(); }));
  expect_error(silent, ETIMEDOUT, "TLS handshake timed out",
               "MASTERDOWN anteroom: upstream did not finish the TLS handshake (stage=tls executed=no after=");
}

TEST_F(ConnectorTls, AServerWithoutTlsIsAnErrorThatSaysSo) {
  start(target());
  const base::UniqueFd far = accept();
  ASSERT_EQ(::send(far.value(), "-ERR Protocol error\r\n", 21, 0), 21);
  ASSERT_TRUE(run_until([this] { return result_.has_value(); }));
  ASSERT_FALSE(result_->has_value());
  EXPECT_EQ(result_->error().error, EPROTO);
  EXPECT_TRUE(result_->error().staged(target()).reply().starts_with("MASTERDOWN anteroom: no TLS with upstream: "));
}

TEST_F(ConnectorTls, AServerThatLeavesInTheHandshakeIsAnError) {
  const ConnectTarget left = target();
  start(left);
  accept().reset();
  ASSERT_TRUE(run_until([this] { return result_.has_value(); }));
  ASSERT_FALSE(result_->has_value());
  EXPECT_EQ(result_->error().stage, ConnectStage::kTls);
  EXPECT_EQ(result_->error().error, EPROTO);
}

TEST_F(ConnectorTls, CancelledInTheHandshakeItNeverCallsAndCanStartAgain) {
  start(target());
  base::UniqueFd far = accept();
  connector_.cancel();
  EXPECT_TRUE(never([this] { return result_.has_value(); }));
  dial(target(), server());
  EXPECT_TRUE(result_->has_value());
}

}  // namespace
}  // namespace anteroom::net
