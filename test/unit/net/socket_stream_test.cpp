#include "net/socket_stream.hpp"

#include <gtest/gtest.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <climits>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "support/loop_fixture.hpp"
#include "support/sockets.hpp"
#include "support/temp_dir.hpp"

namespace anteroom::net {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Status = IoResult::Status;

struct Recorder final : StreamEvents {
  void on_readable() override {
    ++readable;
    if (then) then();
  }
  void on_writable() override {
    ++writable;
    if (then) then();
  }
  int readable = 0;
  int writable = 0;
  std::function<void()> then;
};

std::string read_all(SocketStream& stream) {
  std::array<char, 100> buffer{};
  const IoResult result = stream.read(buffer);
  return result.status == Status::kOk ? std::string(buffer.data(), result.bytes) : "";
}

IoResult write_text(SocketStream& stream, std::string_view text) {
  const iovec piece{const_cast<char*>(text.data()), text.size()};
  return stream.write({&piece, 1});
}

class SocketStreamTest : public test::LoopFixture {
 protected:
  SocketStreamTest() : SocketStreamTest(test::socket_pair()) {}
  explicit SocketStreamTest(std::pair<base::UniqueFd, base::UniqueFd> ends)
      : stream_(loop_, std::move(ends.first)), far_(std::move(ends.second)) {
    stream_.set_events(&events_);
  }

  void far_writes(std::string_view text) {
    ASSERT_EQ(write(far_.value(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  std::string far_reads() {
    std::array<char, 1 << 16> buffer{};
    const ssize_t got = ::read(far_.value(), buffer.data(), buffer.size());
    return got > 0 ? std::string(buffer.data(), static_cast<std::size_t>(got)) : "";
  }
  /// Writes until the kernel takes no more; returns the number of bytes taken.
  std::size_t fill_up() {
    const std::string text(1 << 16, 'x');
    std::size_t total = 0;
    while (true) {
      const IoResult result = write_text(stream_, text);
      if (result.status != Status::kOk) break;
      total += result.bytes;
    }
    return total;
  }
  void drain_far() {
    while (!far_reads().empty()) {
    }
  }

  Recorder events_;
  SocketStream stream_;
  base::UniqueFd far_;
};

TEST_F(SocketStreamTest, NothingToReadWouldBlock) {
  std::array<char, 10> buffer{};
  EXPECT_EQ(stream_.read(buffer).status, Status::kWouldBlock);
}

TEST_F(SocketStreamTest, ReadsWhatThePeerWrote) {
  far_writes("hello");
  EXPECT_EQ(read_all(stream_), "hello");
}

TEST_F(SocketStreamTest, EndOfThePeerIsClosedAfterItsLastBytes) {
  far_writes("last");
  far_.reset();
  EXPECT_EQ(read_all(stream_), "last");
  std::array<char, 10> buffer{};
  EXPECT_EQ(stream_.read(buffer).status, Status::kClosed);
}

TEST_F(SocketStreamTest, WritesAllPiecesInOrder) {
  std::string one = "one ";
  std::string two = "two";
  const std::array pieces = {iovec{one.data(), one.size()}, iovec{two.data(), two.size()}};
  const IoResult result = stream_.write(pieces);
  EXPECT_EQ(result.status, Status::kOk);
  EXPECT_EQ(result.bytes, 7u);
  EXPECT_EQ(far_reads(), "one two");
}

TEST_F(SocketStreamTest, MorePiecesThanTheKernelTakesAreAShortWrite) {
  std::string byte = "x";
  const std::vector<iovec> pieces(IOV_MAX + 10, iovec{byte.data(), 1});
  const IoResult result = stream_.write(pieces);
  EXPECT_EQ(result.status, Status::kOk);
  EXPECT_EQ(result.bytes, static_cast<std::size_t>(IOV_MAX));
}

TEST_F(SocketStreamTest, FullSocketWouldBlockAndSaysWhenThereIsRoom) {
  EXPECT_GT(fill_up(), 0u);
  stream_.want_write(true);
  EXPECT_TRUE(never([this] { return events_.writable > 0; }));

  drain_far();

  EXPECT_TRUE(run_until([this] { return events_.writable > 0; }));
}

TEST_F(SocketStreamTest, WriteToABrokenConnectionIsAnErrorAndNoSignal) {
  far_.reset();
  const IoResult result = write_text(stream_, "x");
  EXPECT_EQ(result.status, Status::kError);
  EXPECT_EQ(result.error, EPIPE);
}

TEST_F(SocketStreamTest, NewStreamWantsNothing) {
  far_writes("x");
  EXPECT_TRUE(never([this] { return events_.readable + events_.writable > 0; }));
}

TEST_F(SocketStreamTest, UnreadBytesAreReportedInEachTurn) {
  stream_.want_read(true);
  far_writes("x");
  EXPECT_TRUE(run_until([this] { return events_.readable >= 3; }));
  EXPECT_EQ(events_.writable, 0);
}

TEST_F(SocketStreamTest, PauseStopsReadEventsUntilTheyAreWantedAgain) {
  stream_.want_read(true);
  stream_.want_read(true);
  stream_.want_read(false);
  far_writes("x");
  EXPECT_TRUE(never([this] { return events_.readable > 0; }));

  stream_.want_read(true);

  EXPECT_TRUE(run_until([this] { return events_.readable > 0; }));
}

TEST_F(SocketStreamTest, WritableIsReportedUntilItIsNoLongerWanted) {
  stream_.want_write(true);
  ASSERT_TRUE(run_until([this] { return events_.writable >= 2; }));
  stream_.want_write(false);
  const int before = events_.writable;
  EXPECT_TRUE(never([&] { return events_.writable > before; }));
}

TEST_F(SocketStreamTest, CloseInsideACallbackStopsTheOtherEventToo) {
  events_.then = [this] { stream_.close(); };
  stream_.want_read(true);
  stream_.want_write(true);
  far_writes("x");
  ASSERT_TRUE(run_until([this] { return events_.readable + events_.writable > 0; }));
  EXPECT_TRUE(never([this] { return events_.readable + events_.writable > 1; }));
}

TEST_F(SocketStreamTest, PeerSeesTheEndAtOnceWhenClosed) {
  stream_.close();
  EXPECT_TRUE(test::becomes_readable(far_.value()));
  EXPECT_EQ(far_reads(), "");
}

TEST_F(SocketStreamTest, ClosedStreamFailsQuietly) {
  stream_.close();
  stream_.close();
  stream_.want_read(true);
  stream_.want_write(true);
  std::array<char, 10> buffer{};
  EXPECT_EQ(stream_.read(buffer).error, EBADF);
  EXPECT_EQ(write_text(stream_, "x").error, EBADF);
  EXPECT_EQ(stream_.peer_name(), "unknown");
  EXPECT_EQ(stream_.local_name(), "unknown");
}

class TcpStreamTest : public SocketStreamTest {
 protected:
  TcpStreamTest() : SocketStreamTest(test::tcp_pair()) {}
};

TEST_F(TcpStreamTest, NamesAreNumeric) {
  EXPECT_EQ(stream_.peer_name(), local_address(far_.value()).to_string());
  EXPECT_EQ(stream_.local_name(), peer_address(far_.value()).to_string());
  EXPECT_TRUE(stream_.peer_name().starts_with("127.0.0.1:")) << stream_.peer_name();
}

TEST_F(TcpStreamTest, ResetByThePeerIsAnError) {
  const linger at_once{1, 0};
  ASSERT_EQ(setsockopt(far_.value(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
  stream_.want_read(true);
  far_.reset();
  ASSERT_TRUE(run_until([this] { return events_.readable > 0; }));

  std::array<char, 10> buffer{};
  const IoResult result = stream_.read(buffer);

  EXPECT_EQ(result.status, Status::kError);
  EXPECT_EQ(result.error, ECONNRESET);
}

TEST(SocketStream, AcceptedUnixConnectionHasTheNameOfItsListener) {
  const test::TempDir dir;
  const std::string path = dir.file("a.sock");
  const Address address = *Address::from_unix_path(path);
  const base::UniqueFd listener = test::listen_on(address);
  base::UniqueFd near = test::connect_to(address);
  base::UniqueFd far(accept(listener.value(), nullptr, nullptr));
  EventLoop loop;

  const SocketStream accepted(loop, std::move(far));
  const SocketStream dialled(loop, std::move(near));

  EXPECT_EQ(accepted.peer_name(), "unix:" + path);
  EXPECT_EQ(accepted.local_name(), "unix:" + path);
  EXPECT_EQ(dialled.peer_name(), "unix:" + path);
}

int option(int fd, int level, int name) {
  int value = -1;
  socklen_t size = sizeof value;
  EXPECT_EQ(getsockopt(fd, level, name, &value, &size), 0);
  return value;
}

TEST(SocketOptions, UpstreamConnectionsNoticeADeadPeer) {
  const base::UniqueFd fd(socket(AF_INET, SOCK_STREAM, 0));
  apply(SocketOptions::for_upstream(milliseconds(5000)), fd.value());
  EXPECT_EQ(option(fd.value(), IPPROTO_TCP, TCP_NODELAY), 1);
  EXPECT_EQ(option(fd.value(), SOL_SOCKET, SO_KEEPALIVE), 1);
  EXPECT_EQ(option(fd.value(), IPPROTO_TCP, TCP_KEEPIDLE), 20);
  EXPECT_EQ(option(fd.value(), IPPROTO_TCP, TCP_KEEPINTVL), 5);
  EXPECT_EQ(option(fd.value(), IPPROTO_TCP, TCP_KEEPCNT), 3);
  EXPECT_EQ(option(fd.value(), IPPROTO_TCP, TCP_USER_TIMEOUT), 35'000);
}

// Linux looks at it when a probe is unanswered at the time of the next one: with 5 s there a connection that had been
// idle for 20 s was ended by the loss of a single probe.
TEST(SocketOptions, UserTimeoutLeavesKeepaliveAllItsProbes) {
  for (const milliseconds response_timeout : {milliseconds(0), milliseconds(5000), milliseconds(60'000)}) {
    const SocketOptions options = SocketOptions::for_upstream(response_timeout);
    EXPECT_GE(options.user_timeout, options.keepalive_idle + options.keepalive_probes * options.keepalive_interval);
    EXPECT_GE(options.user_timeout, response_timeout);
  }
}

TEST(SocketOptions, ClientsAreProbedEveryThirdOfTheKeepalive) {
  const base::UniqueFd fd(socket(AF_INET, SOCK_STREAM, 0));
  apply(SocketOptions::for_client(seconds(300)), fd.value());
  EXPECT_EQ(option(fd.value(), IPPROTO_TCP, TCP_KEEPIDLE), 300);
  EXPECT_EQ(option(fd.value(), IPPROTO_TCP, TCP_KEEPINTVL), 100);
  EXPECT_EQ(SocketOptions::for_client(seconds(1)).keepalive_interval, seconds(1));
}

TEST(SocketOptions, ZeroKeepaliveIsOff) {
  const base::UniqueFd fd(socket(AF_INET, SOCK_STREAM, 0));
  apply(SocketOptions::for_client(seconds(0)), fd.value());
  EXPECT_EQ(option(fd.value(), SOL_SOCKET, SO_KEEPALIVE), 0);
  EXPECT_EQ(option(fd.value(), IPPROTO_TCP, TCP_NODELAY), 1);
}

TEST(SocketOptions, UnixSocketsIgnoreThem) {
  const base::UniqueFd fd(socket(AF_UNIX, SOCK_STREAM, 0));
  apply(SocketOptions::for_upstream(milliseconds(5000)), fd.value());
  EXPECT_EQ(option(fd.value(), SOL_SOCKET, SO_KEEPALIVE), 0);
}

}  // namespace
}  // namespace anteroom::net
