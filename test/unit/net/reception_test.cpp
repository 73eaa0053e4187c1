#include "net/reception.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <memory>
#include <string>
#include <string_view>

#include "support/tls_fixture.hpp"

namespace anteroom::net {
namespace {

const std::string kHeader("\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0C\x0A\x01\x02\x03\x7F\x00\x00\x01\x1F\x90\x18\xEB", 28);

class ReceptionTest : public TlsFixture {
 protected:
  base::UniqueFd receive(Reception& reception, const EntryRules& rules) {
    auto [near, far] = test::socket_pair();
    reception.receive(std::move(near), rules, [this](std::unique_ptr<ByteStream> stream) {
      ++admissions_;
      admitted_ = std::move(stream);
    });
    return std::move(far);
  }
  base::UniqueFd receive(const EntryRules& rules) { return receive(reception_, rules); }
  static void send(const base::UniqueFd& far, std::string_view bytes) {
    ASSERT_EQ(::send(far.value(), bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
  }
  std::string read_admitted() {
    std::array<char, 100> buffer{};
    return std::string(buffer.data(), admitted_->read(buffer).bytes);
  }
  /// Whether the far end sees its connection end.
  bool is_closed(const base::UniqueFd& far) {
    return run_until([&] {
      std::array<char, 100> buffer{};
      const ssize_t got = recv(far.value(), buffer.data(), buffer.size(), MSG_DONTWAIT);
      return got == 0 || (got < 0 && errno != EAGAIN);
    });
  }

  metrics::WorkerMetrics metrics_;
  std::unique_ptr<ByteStream> admitted_;
  int admissions_ = 0;
  Reception reception_{loop_, metrics_};
};

TEST_F(ReceptionTest, WithoutRulesAClientIsAdmittedAtOnce) {
  const base::UniqueFd far = receive({});
  EXPECT_EQ(admissions_, 1);
  EXPECT_EQ(reception_.size(), 0U);
}

TEST_F(ReceptionTest, TheHeaderNamesTheClientAndIsTakenOffTheStream) {
  const base::UniqueFd far = receive({.proxy_protocol = true});
  send(far, kHeader + "PING\r\n");
  ASSERT_TRUE(run_until([this] { return admissions_ == 1; }));
  EXPECT_EQ(admitted_->peer_name(), "10.1.2.3:8080");
  EXPECT_EQ(read_admitted(), "PING\r\n");
  EXPECT_EQ(reception_.size(), 0U);
  EXPECT_EQ(metrics_.proxy_header_errors.value(), 0U);
}

TEST_F(ReceptionTest, AHeaderMayComeByteByByte) {
  const base::UniqueFd far = receive({.proxy_protocol = true});
  for (std::size_t i = 0; i < kHeader.size(); ++i) {
    EXPECT_EQ(admissions_, 0);
    send(far, std::string_view(kHeader).substr(i, 1));
    run_turn();
  }
  ASSERT_TRUE(run_until([this] { return admissions_ == 1; }));
  EXPECT_EQ(admitted_->peer_name(), "10.1.2.3:8080");
}

TEST_F(ReceptionTest, WithoutItsHeaderAConnectionIsClosedAndCounted) {
  const base::UniqueFd far = receive({.proxy_protocol = true});
  send(far, "PING\r\n");
  EXPECT_TRUE(is_closed(far));
  base::UniqueFd leaver = receive({.proxy_protocol = true});
  send(leaver, kHeader.substr(0, 20));
  leaver.reset();
  ASSERT_TRUE(run_until([this] { return reception_.size() == 0; }));
  EXPECT_EQ(admissions_, 0);
  EXPECT_EQ(metrics_.proxy_header_errors.value(), 2U);
  EXPECT_EQ(metrics_.tls_handshake_failures.value(), 0U);
}

TEST_F(ReceptionTest, TlsComesBehindTheHeader) {
  base::UniqueFd far = receive({.proxy_protocol = true, .tls = server()});
  send(far, kHeader);
  TlsEnd end(loop_, std::move(far), client(), "localhost");
  end.start();
  ASSERT_TRUE(run_until([&] { return admissions_ == 1 && end.is_open(); }));
  EXPECT_EQ(admitted_->peer_name(), "10.1.2.3:8080");
  EXPECT_EQ(metrics_.tls_handshakes.value(), 1U);
  end.write("PING\r\n");
  std::string read;
  ASSERT_TRUE(run_until([&] {
    read += read_admitted();
    return read == "PING\r\n";
  }));
}

TEST_F(ReceptionTest, AFailedHandshakeIsClosedAndCounted) {
  const base::UniqueFd far = receive({.tls = server()});
  send(far, "*1\r\n$4\r\nPING\r\n");
  EXPECT_TRUE(is_closed(far));
  EXPECT_EQ(admissions_, 0);
  EXPECT_EQ(metrics_.tls_handshake_failures.value(), 1U);
  EXPECT_EQ(metrics_.proxy_header_errors.value(), 0U);
}

TEST_F(ReceptionTest, WhoStopsOnTheWayInIsClosedAfterTheTimeout) {
  Reception impatient(loop_, metrics_, std::chrono::milliseconds(20));
  const base::UniqueFd silent = receive(impatient, {.proxy_protocol = true});
  const base::UniqueFd half = receive(impatient, {.proxy_protocol = true, .tls = server()});
  send(half, kHeader);
  const base::UniqueFd hello = receive(impatient, {.tls = server()});
  send(hello, std::string_view("\x16\x03\x01\x02", 4));
  EXPECT_EQ(impatient.size(), 3U);
  EXPECT_TRUE(is_closed(silent));
  EXPECT_TRUE(is_closed(half));
  EXPECT_TRUE(is_closed(hello));
  EXPECT_EQ(impatient.size(), 0U);
  EXPECT_EQ(admissions_, 0);
  EXPECT_EQ(metrics_.proxy_header_errors.value(), 1U);
  EXPECT_EQ(metrics_.tls_handshake_failures.value(), 2U);
}

TEST_F(ReceptionTest, AStopClosesAllThatWaitWithoutCountingThem) {
  const base::UniqueFd one = receive({.proxy_protocol = true});
  const base::UniqueFd two = receive({.tls = server()});
  reception_.close();
  EXPECT_EQ(reception_.size(), 0U);
  EXPECT_TRUE(is_closed(one));
  EXPECT_TRUE(is_closed(two));
  EXPECT_EQ(metrics_.proxy_header_errors.value() + metrics_.tls_handshake_failures.value(), 0U);
}

}  // namespace
}  // namespace anteroom::net
