// What connect() refuses and what it says when it fails; the rest is in the end-to-end tests, against a gateway.
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "anteroom/quic_client.hpp"
#include "client/quic_connect.hpp"
#include "metrics/quic_metrics.hpp"
#include "net/event_loop.hpp"
#include "net/udp_socket.hpp"
#include "support/sockets.hpp"
#include "support/temp_dir.hpp"

namespace anteroom::client {
namespace {

std::string error_of(const QuicOptions& options) {
  const auto connection = QuicConnection::connect(options);
  EXPECT_FALSE(connection.has_value());
  return connection ? "" : connection.error().text;
}

class QuicClient : public testing::Test {
 protected:
  /// A place where datagrams are taken and nobody answers.
  net::UdpSocket& silent() {
    auto made = net::UdpSocket::bind(loop_, test::loopback(), {}, counts_);
    EXPECT_TRUE(made.has_value()) << made.error();
    silent_ = std::move(*made);
    return *silent_;
  }

  net::EventLoop loop_;
  metrics::QuicMetrics counts_;
  std::unique_ptr<net::UdpSocket> silent_;
};

TEST_F(QuicClient, PinMustBeASha256) {
  const std::string digits(64, 'a');
  for (const std::string& wrong : {std::string("ab"), digits.substr(1), digits + "0", digits + "00",
                                   "zz" + digits.substr(2), digits.substr(1) + ":"}) {
    EXPECT_EQ(error_of({.pin = wrong}), "the pin is no SHA-256") << wrong;
  }
}

TEST_F(QuicClient, FileThatIsMissingIsNamed) {
  const test::TempDir dir;
  EXPECT_NE(error_of({.ca_file = dir.file("none.crt")}).find(dir.file("none.crt") + ": No such file or directory"),
            std::string::npos);
}

TEST_F(QuicClient, NobodyThereIsSaidAtOnce) {
  const std::uint16_t port = silent().local().port();
  silent_.reset();
  const auto began = test::Clock::now();

  EXPECT_EQ(error_of({.port = port, .insecure = true}), "127.0.0.1:" + std::to_string(port) + ": nobody listens there");

  EXPECT_LT(test::Clock::now() - began, QuicOptions{}.timeout);
}

TEST_F(QuicClient, SilenceIsATimeout) {
  const std::uint16_t port = silent().local().port();

  EXPECT_EQ(error_of({.port = port, .insecure = true, .timeout = std::chrono::milliseconds(50)}),
            "127.0.0.1:" + std::to_string(port) + ": no handshake in time");
}

TEST_F(QuicClient, LookupAndAllAddressesHaveOneTimeout) {
  const net::Address nobody = silent().local();
  const std::chrono::milliseconds timeout(300);
  const auto began = test::Clock::now();

  const auto connection = connect_by({.host = "many.test", .insecure = true, .timeout = timeout},
                                     [&](const std::string&, std::uint16_t) -> net::Resolved {
                                       std::this_thread::sleep_for(timeout / 3);
                                       return std::vector<net::Address>(20, nobody);
                                     });

  ASSERT_FALSE(connection.has_value());
  EXPECT_EQ(connection.error().text, "many.test:6379: no handshake in time");
  EXPECT_GE(test::Clock::now() - began, timeout - std::chrono::milliseconds(10));
  EXPECT_LT(test::Clock::now() - began, 2 * timeout);
}

TEST_F(QuicClient, SilentAddressLeavesTimeForTheNext) {
  const net::Address nobody = silent().local();
  const std::uint16_t free = [] {
    net::EventLoop loop;
    metrics::QuicMetrics counts;
    return (*net::UdpSocket::bind(loop, test::loopback(), {}, counts))->local().port();
  }();
  const std::vector<net::Address> both{nobody, *net::Address::from_numeric("127.0.0.1", free)};

  const auto connection = connect_by({.host = "two.test", .insecure = true, .timeout = std::chrono::milliseconds(200)},
                                     [&](const std::string&, std::uint16_t) -> net::Resolved { return both; });

  ASSERT_FALSE(connection.has_value());
  EXPECT_EQ(connection.error().text, "two.test:6379: nobody listens there");
}

TEST_F(QuicClient, NameThatIsNoneIsSaid) {
  EXPECT_TRUE(error_of({.host = "no name at all", .insecure = true}).starts_with("no name at all: "));
}

}  // namespace
}  // namespace anteroom::client
