#include "net/tls_stream.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "base/log.hpp"
#include "support/fake_stream.hpp"
#include "support/tls_fixture.hpp"

namespace anteroom::net {
namespace {

using Status = IoResult::Status;
using Kind = TlsFailure::Kind;

std::string pattern(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + i % 23);
  return text;
}

class TlsStreamTest : public TlsFixture {
 protected:
  void connect(std::shared_ptr<const TlsContext> server_context, std::shared_ptr<const TlsContext> client_context,
               const std::string& name = "localhost") {
    auto [near, far] = test::socket_pair();
    server_ = std::make_unique<TlsEnd>(loop_, std::move(near), std::move(server_context));
    client_ = std::make_unique<TlsEnd>(loop_, std::move(far), std::move(client_context), name);
    server_->start();
    client_->start();
    ASSERT_TRUE(run_until([this] { return server_->handshake.has_value() && client_->handshake.has_value(); }));
  }
  void connect() {
    connect(server(), client());
    ASSERT_TRUE(server_->is_open()) << server_->failure();
    ASSERT_TRUE(client_->is_open()) << client_->failure();
  }
  void expect_client_refuses(std::shared_ptr<const TlsContext> server_context, const std::string& reason,
                             const std::string& name = "localhost") {
    connect(std::move(server_context), client(), name);
    ASSERT_FALSE(client_->is_open());
    EXPECT_EQ(client_->handshake->error().kind, Kind::kCertificate);
    EXPECT_EQ(client_->failure(), reason);
  }
  void expect_server_refuses(std::shared_ptr<const TlsContext> server_context,
                             std::shared_ptr<const TlsContext> client_context, const std::string& reason) {
    connect(std::move(server_context), std::move(client_context));
    ASSERT_FALSE(server_->is_open());
    EXPECT_EQ(server_->handshake->error().kind, Kind::kCertificate);
    EXPECT_EQ(server_->failure(), reason);
    // In TLS 1.3 the client is through before it is judged, and hears of it when it reads.
    if (client_->is_open()) {
      ASSERT_TRUE(run_until([this] { return client_->end.has_value(); }));
      EXPECT_EQ(client_->end->status, Status::kError);
    }
  }

  std::unique_ptr<TlsEnd> server_;
  std::unique_ptr<TlsEnd> client_;
};

TEST_F(TlsStreamTest, CarriesBytesBothWays) {
  connect();
  client_->write("PING\r\n");
  server_->write("+PONG\r\n");
  ASSERT_TRUE(run_until([this] { return server_->received == "PING\r\n" && client_->received == "+PONG\r\n"; }));
}

TEST_F(TlsStreamTest, MegabytesPassAlthoughTheSocketTakesThemInPieces) {
  connect();
  const std::string text = pattern(3'000'000);
  server_->write(text);
  EXPECT_FALSE(server_->has_written_all());
  client_->write(text);
  ASSERT_TRUE(run_until([&] { return client_->received.size() + server_->received.size() >= 2 * text.size(); }));
  EXPECT_TRUE(client_->received == text);
  EXPECT_TRUE(server_->received == text);
}

TEST_F(TlsStreamTest, AReaderWithASmallBufferGetsAllOfARecord) {
  connect();
  server_->read_at_most(1000);
  client_->write(pattern(16'000));
  ASSERT_TRUE(run_until([this] { return server_->received.size() == 16'000; }));
  EXPECT_TRUE(server_->received == pattern(16'000));
}

TEST_F(TlsStreamTest, APausedReaderIsNotWokenAndLosesNothing) {
  connect();
  server_->read_at_most(10);
  server_->reads = false;
  client_->write(pattern(100));
  ASSERT_TRUE(run_until([this] { return server_->received.size() == 10; }));
  EXPECT_TRUE(never([this] { return server_->received.size() != 10; }));

  server_->reads = true;
  server_->stream.want_read(true);
  ASSERT_TRUE(run_until([this] { return server_->received.size() == 100; }));
  EXPECT_TRUE(server_->received == pattern(100));
}

TEST_F(TlsStreamTest, SmallPiecesAreGatheredIntoOneRecord) {
  connect();
  auto count = [](const std::vector<std::string>& texts, TlsStream& stream) {
    std::vector<iovec> pieces;
    for (const std::string& text : texts) pieces.push_back({const_cast<char*>(text.data()), text.size()});
    return stream.write(pieces).bytes;
  };
  EXPECT_EQ(count({"+OK\r\n", ":1\r\n", "", "$1\r\nx\r\n"}, server_->stream), 16U);
  ASSERT_TRUE(run_until([this] { return !client_->received.empty(); }));
  // A record read at once is one record: reads never join records that come later.
  EXPECT_EQ(client_->received, "+OK\r\n:1\r\n$1\r\nx\r\n");

  client_->received.clear();
  const std::string large = pattern(TlsStream::kRecordBytes);
  EXPECT_EQ(count({"a", large, "b", large.substr(0, 40)}, server_->stream), large.size() + 42);
  ASSERT_TRUE(run_until([&] { return client_->received.size() == large.size() + 42; }));
  EXPECT_TRUE(client_->received == "a" + large + "b" + large.substr(0, 40));
}

TEST_F(TlsStreamTest, AWriteThatBlocksTakesTheSameBytesAgain) {
  connect();
  client_->stream.want_read(false);
  const std::string text = pattern(TlsStream::kRecordBytes);
  const iovec piece{const_cast<char*>(text.data()), text.size()};
  std::size_t taken = 0;
  while (true) {
    const IoResult result = server_->stream.write({&piece, 1});
    if (result.status == Status::kWouldBlock) break;
    ASSERT_EQ(result.status, Status::kOk);
    ASSERT_EQ(result.bytes, text.size());
    taken += result.bytes;
  }
  const std::string more = text + "tail";
  const iovec longer{const_cast<char*>(more.data()), more.size()};
  client_->stream.want_read(true);
  IoResult result;
  ASSERT_TRUE(run_until([&] {
    if (result.status != Status::kOk) result = server_->stream.write({&longer, 1});
    return result.status == Status::kOk;
  }));
  EXPECT_GE(result.bytes, text.size());
  ASSERT_TRUE(run_until([&] { return client_->received.size() == taken + result.bytes; }));
  std::string expected;
  for (std::size_t i = 0; i < taken / text.size(); ++i) expected += text;
  EXPECT_TRUE(client_->received == expected + more.substr(0, result.bytes));
}

TEST_F(TlsStreamTest, AFarewellIsAnOrderlyEnd) {
  connect();
  client_->write("last words");
  client_->stream.close();
  ASSERT_TRUE(run_until([this] { return server_->end.has_value(); }));
  EXPECT_EQ(server_->received, "last words");
  EXPECT_EQ(server_->end->status, Status::kClosed);
}

TEST_F(TlsStreamTest, AnEndWithoutFarewellIsAnOrderlyEndAsInRedis) {
  auto [near, far] = test::socket_pair();
  const int far_fd = far.value();
  server_ = std::make_unique<TlsEnd>(loop_, std::move(near), server());
  client_ = std::make_unique<TlsEnd>(loop_, std::move(far), client(), "localhost");
  server_->start();
  client_->start();
  ASSERT_TRUE(run_until([this] { return server_->is_open() && client_->is_open(); }));
  ASSERT_EQ(shutdown(far_fd, SHUT_WR), 0);
  ASSERT_TRUE(run_until([this] { return server_->end.has_value(); }));
  EXPECT_EQ(server_->end->status, Status::kClosed);
}

TEST_F(TlsStreamTest, TheEndShowsAlsoWhenTheLastReadTookBytes) {
  connect();
  server_->stream.want_read(false);
  client_->write("abc");
  client_->stream.close();
  server_->stream.want_read(true);
  ASSERT_TRUE(run_until([this] { return server_->end.has_value(); }));
  EXPECT_EQ(server_->received, "abc");
}

TEST_F(TlsStreamTest, PlainBytesAreNoHandshake) {
  auto [near, far] = test::socket_pair();
  server_ = std::make_unique<TlsEnd>(loop_, std::move(near), server());
  server_->start();
  ASSERT_EQ(::send(far.value(), "*1\r\n$4\r\nPING\r\n", 14, 0), 14);
  ASSERT_TRUE(run_until([this] { return server_->handshake.has_value(); }));
  ASSERT_FALSE(server_->is_open());
  EXPECT_EQ(server_->handshake->error().kind, Kind::kOther);
  std::array<char, 1> byte{};
  EXPECT_EQ(server_->stream.read(byte).status, Status::kError);
}

TEST_F(TlsStreamTest, APeerThatLeavesInTheHandshakeIsToldApart) {
  auto [near, far] = test::socket_pair();
  server_ = std::make_unique<TlsEnd>(loop_, std::move(near), server());
  server_->start();
  far.reset();
  ASSERT_TRUE(run_until([this] { return server_->handshake.has_value(); }));
  EXPECT_EQ(server_->handshake->error().kind, Kind::kClosed);
  EXPECT_EQ(server_->failure(), "closed by peer");
}

TEST_F(TlsStreamTest, BeforeTheHandshakeHasEndedReadsAndWritesBlock) {
  auto [near, far] = test::socket_pair();
  server_ = std::make_unique<TlsEnd>(loop_, std::move(near), server());
  server_->start();
  std::array<char, 1> byte{};
  const iovec piece{byte.data(), 1};
  EXPECT_EQ(server_->stream.read(byte).status, Status::kWouldBlock);
  EXPECT_EQ(server_->stream.write({&piece, 1}).status, Status::kWouldBlock);
}

TEST_F(TlsStreamTest, AClosedStreamFailsAndSaysNothingMore) {
  connect();
  server_->stream.close();
  server_->stream.close();
  std::array<char, 1> byte{};
  const iovec piece{byte.data(), 1};
  EXPECT_EQ(server_->stream.read(byte).error, EBADF);
  EXPECT_EQ(server_->stream.write({&piece, 1}).error, EBADF);
  server_->stream.want_read(true);
  server_->stream.want_write(true);
  EXPECT_TRUE(never([this] { return server_->end.has_value(); }));
}

TEST_F(TlsStreamTest, ClosedInTheHandshakeItNeverReports) {
  auto [near, far] = test::socket_pair();
  server_ = std::make_unique<TlsEnd>(loop_, std::move(near), server());
  server_->start();
  server_->stream.close();
  EXPECT_TRUE(never([this] { return server_->handshake.has_value(); }));
}

TEST_F(TlsStreamTest, BytesThatWereTamperedWithEndTheConnection) {
  auto [near, far] = test::socket_pair();
  const int far_fd = far.value();
  server_ = std::make_unique<TlsEnd>(loop_, std::move(near), server());
  client_ = std::make_unique<TlsEnd>(loop_, std::move(far), client(), "localhost");
  server_->start();
  client_->start();
  ASSERT_TRUE(run_until([this] { return server_->is_open() && client_->is_open(); }));
  const std::string record("\x17\x03\x03\x00\x20" + std::string(32, 'x'));
  ASSERT_EQ(::send(far_fd, record.data(), record.size(), 0), static_cast<ssize_t>(record.size()));
  ASSERT_TRUE(run_until([this] { return server_->end.has_value(); }));
  EXPECT_EQ(server_->end->status, Status::kError);
  EXPECT_EQ(server_->end->error, EPROTO);
}

TEST_F(TlsStreamTest, AnErrorOfTheStreamBelowIsPassedOn) {
  test::FakePeer peer;
  TlsStream stream(loop_, test::FakeStream::make(peer), server());
  std::optional<std::expected<void, TlsFailure>> result;
  stream.start_handshake([&](std::expected<void, TlsFailure> ended) { result = std::move(ended); });
  peer.fail_reads(ECONNRESET);
  peer.deliver();
  ASSERT_TRUE(result.has_value() && !result->has_value());
  EXPECT_EQ(result->error().reason, "Connection reset by peer");
  EXPECT_EQ(stream.peer_name(), "192.0.2.1:1234");
}

// Whom the client trusts.

TEST_F(TlsStreamTest, AnAddressInTheCertificateIsAName) {
  connect(server(), client(), "127.0.0.1");
  EXPECT_TRUE(client_->is_open()) << client_->failure();
}

TEST_F(TlsStreamTest, ACertificateForAnotherNameIsRefused) {
  expect_client_refuses(server(), "wrong_name", "redis.example");
  expect_client_refuses(server(), "wrong_name", "127.0.0.2");
}

TEST_F(TlsStreamTest, AnExpiredCertificateOfOursIsWarnedOf) {
  const log::ScopedCapture log{log::Level::kWarn};
  const auto expired = ca_.issue({.name = "old", .begins = std::chrono::hours(-2), .ends = std::chrono::hours(-1)});
  const auto not_yet = ca_.issue({.name = "new", .begins = std::chrono::hours(1), .ends = std::chrono::hours(2)});

  static_cast<void>(server_with(expired));
  static_cast<void>(server_with(not_yet));

  EXPECT_TRUE(log.has("event=\"certificate has expired\" file=" + expired.certificate));
  EXPECT_TRUE(log.has("event=\"certificate is not valid yet\" file=" + not_yet.certificate));
}

TEST_F(TlsStreamTest, AnExpiredCertificateIsRefused) {
  using std::chrono::seconds;
  const auto expired = ca_.issue({.name = "expired", .begins = seconds(-7200), .ends = seconds(-3600)});
  expect_client_refuses(server_with(expired), "expired");
  const auto early = ca_.issue({.name = "early", .begins = seconds(3600), .ends = seconds(7200)});
  expect_client_refuses(server_with(early), "not_yet_valid");
}

TEST_F(TlsStreamTest, ACertificateOfAnUnknownAuthorityIsRefused) {
  const test::CertificateAuthority stranger(dir_, "stranger");
  expect_client_refuses(server_with(stranger.issue({.name = "strange"})), "unknown_ca");
}

TEST_F(TlsStreamTest, ACertificateForClientsIsNoServers) {
  const auto files = ca_.issue({.name = "c", .purpose = test::CertificateAuthority::Purpose::kClient});
  expect_client_refuses(server_with(files), "wrong_purpose");
}

TEST_F(TlsStreamTest, AClientThatDoesNotVerifyTakesAnyCertificate) {
  const test::CertificateAuthority stranger(dir_, "stranger");
  connect(server_with(stranger.issue({.name = "strange"})), context({.role = Role::kClient, .verify = Verify::kNone}),
          "elsewhere");
  EXPECT_TRUE(client_->is_open()) << client_->failure();
}

// Whom the server lets in.

TEST_F(TlsStreamTest, AServerThatRequiresACertificateTakesAGoodOneOnly) {
  connect(server(Verify::kRequired), client_with(ca_.issue({.name = "user"})));
  EXPECT_TRUE(server_->is_open()) << server_->failure();
  expect_server_refuses(server(Verify::kRequired), client(), "missing");
  const auto expired = ca_.issue({.name = "old", .begins = std::chrono::hours(-2), .ends = std::chrono::hours(-1)});
  expect_server_refuses(server(Verify::kRequired), client_with(expired), "expired");
}

TEST_F(TlsStreamTest, AServerThatAsksForACertificateTakesNoneOrAGoodOne) {
  connect(server(Verify::kOptional), client());
  EXPECT_TRUE(server_->is_open()) << server_->failure();
  connect(server(Verify::kOptional), client_with(ca_.issue({.name = "user"})));
  EXPECT_TRUE(server_->is_open()) << server_->failure();
  const auto expired = ca_.issue({.name = "old", .begins = std::chrono::hours(-2), .ends = std::chrono::hours(-1)});
  expect_server_refuses(server(Verify::kOptional), client_with(expired), "expired");
}

TEST_F(TlsStreamTest, ACertificateForServersIsNoClients) {
  const auto files = ca_.issue({.name = "s", .purpose = test::CertificateAuthority::Purpose::kServer});
  expect_server_refuses(server(Verify::kRequired), client_with(files), "wrong_purpose");
}

TEST_F(TlsStreamTest, VersionsBefore12AreNotSpoken) {
  TlsOptions old{.role = Role::kClient, .ca_file = ca_.file()};
  old.priority = "NORMAL:-VERS-ALL:+VERS-TLS1.1:%COMPAT";
  connect(server(), context(old));
  EXPECT_FALSE(server_->is_open());
  EXPECT_FALSE(client_->is_open());
  old.priority = "NORMAL:-VERS-ALL:+VERS-TLS1.2";
  connect(server(), context(old));
  EXPECT_TRUE(server_->is_open()) << server_->failure();
}

}  // namespace
}  // namespace anteroom::net
