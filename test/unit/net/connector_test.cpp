#include "net/connector.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "support/gate.hpp"
#include "support/loop_fixture.hpp"
#include "support/sockets.hpp"
#include "support/temp_dir.hpp"

namespace anteroom::net {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

/// Listens, accepts nobody, and is full: on TCP further attempts hang, on UNIX they get EAGAIN.
struct FullListener {
  explicit FullListener(const Address& where) : listener(test::listen_on(where, 0)) {
    while (clients.size() < 8) {
      base::UniqueFd client(socket(where.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
      const Address target = address();
      if (connect(client.value(), target.data(), target.size()) != 0 && errno == EAGAIN) return;
      clients.push_back(std::move(client));
    }
  }
  [[nodiscard]] Address address() const { return local_address(listener.value()); }

  base::UniqueFd listener;
  std::vector<base::UniqueFd> clients;
};

class ConnectorTest : public test::LoopFixture {
 protected:
  /// The name "many.example" has `addresses_`; "slow.example" has them once the gate is open; others are unknown.
  Resolved look_up(const std::string& host) {
    if (host == "slow.example") gate_->pass();
    if (host != "many.example" && host != "slow.example") {
      return std::unexpected(ResolveError{-2, "Name or service not known"});
    }
    return addresses_;
  }
  static ConnectTarget tcp(const Address& address) {
    ConnectTarget target;
    target.host = "127.0.0.1";
    target.port = address.port();
    return target;
  }
  static ConnectTarget name(const std::string& host) {
    ConnectTarget target;
    target.host = host;
    return target;
  }
  static ConnectTarget unix_path(const std::string& path) {
    ConnectTarget target;
    target.unix_path = path;
    return target;
  }
  void start(const ConnectTarget& target) {
    connector_.start(target, [this](Connector::Result result) {
      ++calls_;
      result_ = std::move(result);
    });
    EXPECT_EQ(calls_, 0) << "answered inside start()";
    EXPECT_TRUE(connector_.is_running());
  }
  /// Starts and waits for the end.
  void dial(const ConnectTarget& target) {
    start(target);
    ASSERT_TRUE(run_until([this] { return calls_ > 0; }));
    EXPECT_EQ(calls_, 1);
    EXPECT_FALSE(connector_.is_running());
  }
  void expect_error(ConnectStage stage, int error, const std::string& text) {
    ASSERT_TRUE(result_.has_value() && !result_->has_value());
    EXPECT_EQ(result_->error().stage, stage);
    EXPECT_EQ(result_->error().error, error);
    EXPECT_EQ(result_->error().text, text);
  }
  /// Proves that the stream leads to `listener`.
  void expect_connected_to(const base::UniqueFd& listener) {
    ASSERT_TRUE(result_.has_value() && result_->has_value()) << (result_ ? result_->error().text : "no result");
    ByteStream& stream = ***result_;
    const base::UniqueFd far(accept(listener.value(), nullptr, nullptr));
    ASSERT_TRUE(far.is_open());
    const iovec piece{const_cast<char*>("ping"), 4};
    EXPECT_EQ(stream.write({&piece, 1}).bytes, 4u);
    std::array<char, 10> buffer{};
    EXPECT_EQ(::read(far.value(), buffer.data(), buffer.size()), 4);
  }

  const test::TempDir dir_;
  std::shared_ptr<test::Gate> gate_ = std::make_shared<test::Gate>();
  std::vector<Address> addresses_;
  Mailbox mailbox_{loop_};
  Resolver resolver_{[this](const std::string& host, std::uint16_t) { return look_up(host); }};
  Connector connector_{loop_, resolver_, mailbox_};
  int calls_ = 0;
  std::optional<Connector::Result> result_;
};

TEST_F(ConnectorTest, ConnectsOverTcp) {
  const base::UniqueFd listener = test::listen_on(test::loopback());
  dial(tcp(local_address(listener.value())));
  expect_connected_to(listener);
  EXPECT_EQ((**result_)->peer_name(), local_address(listener.value()).to_string());
}

TEST_F(ConnectorTest, ConnectsOverUnix) {
  const std::string path = dir_.file("a.sock");
  const base::UniqueFd listener = test::listen_on(*Address::from_unix_path(path));
  dial(unix_path(path));
  expect_connected_to(listener);
}

TEST_F(ConnectorTest, SocketIsNonBlockingPrivateAndTuned) {
  const base::UniqueFd listener = test::listen_on(test::loopback());
  ConnectTarget target = tcp(local_address(listener.value()));
  target.socket = SocketOptions::for_upstream(milliseconds(40'000));
  dial(target);
  ASSERT_TRUE(result_->has_value());

  int fd = 0;
  while (fd < 1024 && local_address(fd).to_string() != (**result_)->local_name()) ++fd;
  ASSERT_LT(fd, 1024);
  EXPECT_NE(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
  EXPECT_NE(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
  int timeout = 0;
  socklen_t size = sizeof timeout;
  ASSERT_EQ(getsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, &size), 0);
  EXPECT_EQ(timeout, 40'000);
}

TEST_F(ConnectorTest, RefusalNamesTheAddress) {
  const Address nobody = test::loopback(test::closed_port());
  dial(tcp(nobody));
  expect_error(ConnectStage::kConnect, ECONNREFUSED, nobody.to_string() + ": Connection refused");
}

TEST_F(ConnectorTest, UnknownNameIsADnsError) {
  dial(name("no.such.host"));
  expect_error(ConnectStage::kDns, 0, "no.such.host: Name or service not known");
}

TEST_F(ConnectorTest, SlowLookupIsADnsErrorAndItsLateAnswerIsDropped) {
  ConnectTarget target = name("slow.example");
  target.dns_timeout = milliseconds(20);
  dial(target);
  expect_error(ConnectStage::kDns, ETIMEDOUT, "slow.example: Lookup timed out");
  EXPECT_GE(result_->error().elapsed, milliseconds(20));

  gate_->open();
  EXPECT_TRUE(never([this] { return calls_ > 1; }));
}

TEST_F(ConnectorTest, NextAddressIsTriedWhenOneRefuses) {
  const base::UniqueFd listener = test::listen_on(test::loopback());
  addresses_ = {test::loopback(test::closed_port()), local_address(listener.value())};
  dial(name("many.example"));
  expect_connected_to(listener);
}

TEST_F(ConnectorTest, NextAddressIsTriedWhenOneIsSilent) {
  const FullListener silent(test::loopback());
  const base::UniqueFd listener = test::listen_on(test::loopback());
  addresses_ = {silent.address(), local_address(listener.value())};
  ConnectTarget target = name("many.example");
  target.connect_timeout = milliseconds(30);
  dial(target);
  expect_connected_to(listener);
}

TEST_F(ConnectorTest, NextAddressIsTriedWhenAFamilyIsImpossible) {
  const base::UniqueFd listener = test::listen_on(test::loopback());
  sockaddr strange{};
  strange.sa_family = 45;
  addresses_ = {Address::from_sockaddr(&strange, sizeof strange), local_address(listener.value())};
  dial(name("many.example"));
  expect_connected_to(listener);
}

TEST_F(ConnectorTest, OnlyTheFirstAddressesAreTried) {
  const base::UniqueFd listener = test::listen_on(test::loopback());
  const Address nobody = test::loopback(test::closed_port());
  addresses_.assign(Connector::kAddressesMax, nobody);
  addresses_.push_back(local_address(listener.value()));
  dial(name("many.example"));
  expect_error(ConnectStage::kConnect, ECONNREFUSED, nobody.to_string() + ": Connection refused");
}

TEST_F(ConnectorTest, SilentServerIsAConnectTimeout) {
  const FullListener silent(test::loopback());
  ConnectTarget target = tcp(silent.address());
  target.connect_timeout = milliseconds(30);
  dial(target);
  expect_error(ConnectStage::kConnect, ETIMEDOUT, silent.address().to_string() + ": Connection timed out");
  EXPECT_GE(result_->error().elapsed, milliseconds(30));
}

TEST_F(ConnectorTest, MissingUnixSocketIsAnError) {
  const std::string path = dir_.file("missing.sock");
  dial(unix_path(path));
  expect_error(ConnectStage::kConnectUnix, ENOENT, "unix:" + path + ": No such file or directory");
}

TEST_F(ConnectorTest, UnixSocketOfADeadServerIsAnError) {
  const std::string path = dir_.file("dead.sock");
  test::listen_on(*Address::from_unix_path(path)).reset();
  dial(unix_path(path));
  expect_error(ConnectStage::kConnectUnix, ECONNREFUSED, "unix:" + path + ": Connection refused");
}

TEST_F(ConnectorTest, UnixPathThatDoesNotFitIsAnError) {
  const std::string path(200, 'x');
  dial(unix_path(path));
  expect_error(ConnectStage::kConnectUnix, ENAMETOOLONG, "unix:" + path + ": File name too long");
}

TEST_F(ConnectorTest, FullUnixBacklogIsWaitedFor) {
  const std::string path = dir_.file("full.sock");
  const FullListener full(*Address::from_unix_path(path));
  ConnectTarget target = unix_path(path);
  target.connect_unix_timeout = hours(1);
  start(target);
  EXPECT_TRUE(never([this] { return calls_ > 0; }));

  for (std::size_t i = 0; i < full.clients.size(); ++i) {
    const base::UniqueFd accepted(accept(full.listener.value(), nullptr, nullptr));
  }
  ASSERT_TRUE(run_until([this] { return calls_ > 0; }));
  expect_connected_to(full.listener);
}

TEST_F(ConnectorTest, UnixBacklogThatStaysFullIsATimeout) {
  const std::string path = dir_.file("full.sock");
  const FullListener full(*Address::from_unix_path(path));
  ConnectTarget target = unix_path(path);
  target.connect_unix_timeout = milliseconds(30);
  dial(target);
  expect_error(ConnectStage::kConnectUnix, ETIMEDOUT, "unix:" + path + ": Connection timed out");
}

TEST_F(ConnectorTest, CancelledLookupNeverAnswers) {
  start(name("slow.example"));
  connector_.cancel();
  EXPECT_FALSE(connector_.is_running());
  gate_->open();
  EXPECT_TRUE(never([this] { return calls_ > 0; }));
}

TEST_F(ConnectorTest, CancelledConnectNeverAnswers) {
  const FullListener silent(test::loopback());
  ConnectTarget target = tcp(silent.address());
  target.connect_timeout = milliseconds(30);
  start(target);
  run_turn();
  connector_.cancel();
  EXPECT_TRUE(never([this] { return calls_ > 0; }));
}

TEST_F(ConnectorTest, CancelledUnixConnectNeverAnswers) {
  start(unix_path(dir_.file("missing.sock")));
  connector_.cancel();
  connector_.cancel();
  EXPECT_TRUE(never([this] { return calls_ > 0; }));
}

TEST_F(ConnectorTest, DestructionCancels) {
  const auto token = std::make_shared<int>(0);
  {
    Connector connector(loop_, resolver_, mailbox_);
    connector.start(name("slow.example"), [this, token](const Connector::Result&) { ++calls_; });
  }
  EXPECT_EQ(token.use_count(), 1);
  gate_->open();
  EXPECT_TRUE(never([this] { return calls_ > 0; }));
}

TEST_F(ConnectorTest, MayStartAgainWhenItIsDone) {
  const std::string path = dir_.file("later.sock");
  base::UniqueFd listener;
  connector_.start(unix_path(path), [&](const Connector::Result& first) {
    EXPECT_FALSE(first.has_value());
    listener = test::listen_on(*Address::from_unix_path(path));
    start(unix_path(path));
  });
  ASSERT_TRUE(run_until([this] { return calls_ > 0; }));
  expect_connected_to(listener);
}

TEST(ConnectTarget, LabelNamesThePlace) {
  ConnectTarget target;
  target.host = "redis.example";
  EXPECT_EQ(target.label(), "redis.example:6379");
  target.host = "::1";
  EXPECT_EQ(target.label(), "[::1]:6379");
  target.unix_path = "/run/redis.sock";
  EXPECT_EQ(target.label(), "unix:/run/redis.sock");
}

}  // namespace
}  // namespace anteroom::net
