#include "net/listener.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/log.hpp"
#include "support/loop_fixture.hpp"
#include "support/sockets.hpp"
#include "support/temp_dir.hpp"

namespace {

struct AcceptFault {
  int error = 0;
  int times = 0;
  int calls = 0;
};
AcceptFault accept_fault;

}  // namespace

/// Stands before the C library's in this program and fails as `accept_fault` says. Really running out of descriptors
/// would also take them from the sanitizers, which then report nonsense.
// NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): the C library's names are reserved ones
extern "C" int accept4(int fd, sockaddr* peer, socklen_t* size, int flags) {
  ++accept_fault.calls;
  if (accept_fault.times > 0) {
    --accept_fault.times;
    errno = accept_fault.error;
    return -1;
  }
  return static_cast<int>(syscall(SYS_accept4, fd, peer, size, flags));
}

namespace anteroom::net {
namespace {

constexpr int kBacklog = 511;

class ListenerTest : public test::LoopFixture {
 protected:
  Listener::OnAccept keep() {
    return [this](base::UniqueFd fd, const Address& peer) {
      accepted_.push_back(std::move(fd));
      peers_.push_back(peer);
    };
  }
  std::unique_ptr<Listener> listen_tcp(const std::string& bind = "127.0.0.1", std::uint16_t port = 0) {
    return check(Listener::tcp(loop_, bind, port, kBacklog, keep()));
  }
  std::unique_ptr<Listener> listen_unix(mode_t permissions = 0700) {
    return check(Listener::unix_socket(loop_, path_, permissions, kBacklog, keep()));
  }
  static std::unique_ptr<Listener> check(Listener::Created created) {
    EXPECT_TRUE(created) << created.error();
    return created ? std::move(*created) : nullptr;
  }
  std::string tcp_error(const std::string& bind, std::uint16_t port) {
    const auto created = Listener::tcp(loop_, bind, port, kBacklog, keep());
    return created ? "no error" : created.error();
  }
  std::string unix_error(const std::string& path) {
    const auto created = Listener::unix_socket(loop_, path, 0700, kBacklog, keep());
    return created ? "no error" : created.error();
  }
  [[nodiscard]] bool accepts(std::size_t count, test::milliseconds patience = test::kPatience) {
    return run_until([&] { return accepted_.size() >= count; }, patience);
  }

  const test::TempDir dir_;
  const std::string path_ = dir_.file("a.sock");
  std::vector<base::UniqueFd> accepted_;
  std::vector<Address> peers_;
};

TEST_F(ListenerTest, AcceptedSocketsAreNonBlockingAndPrivateAndKnowTheirPeer) {
  const auto listener = listen_tcp();
  const base::UniqueFd client = test::connect_to(listener->address());

  ASSERT_TRUE(accepts(1));

  EXPECT_NE(fcntl(accepted_[0].value(), F_GETFL) & O_NONBLOCK, 0);
  EXPECT_NE(fcntl(accepted_[0].value(), F_GETFD) & FD_CLOEXEC, 0);
  EXPECT_EQ(peers_[0], local_address(client.value()));
}

TEST_F(ListenerTest, PortZeroTakesAFreeOne) { EXPECT_NE(listen_tcp()->address().port(), 0); }

TEST_F(ListenerTest, PortInUseIsOneClearLine) {
  const auto first = listen_tcp();
  const std::uint16_t port = first->address().port();
  EXPECT_EQ(tcp_error("127.0.0.1", port),
            "cannot listen on 127.0.0.1:" + std::to_string(port) + ": Address already in use");
  EXPECT_EQ(tcp_error("*", port), "cannot listen on *:" + std::to_string(port) + ": Address already in use");
}

TEST_F(ListenerTest, PortIsFreeAgainRightAfterConnectionsWereClosed) {
  auto listener = listen_tcp();
  const std::uint16_t port = listener->address().port();
  const base::UniqueFd client = test::connect_to(listener->address());
  ASSERT_TRUE(accepts(1));
  accepted_.clear();  // our side ends first, so it keeps the port in TIME_WAIT
  listener.reset();
  EXPECT_NE(listen_tcp("127.0.0.1", port), nullptr);
}

TEST_F(ListenerTest, AddressesOfOtherMachinesAndNamesAreErrors) {
  EXPECT_EQ(tcp_error("192.0.2.1", 1), "cannot listen on 192.0.2.1:1: Cannot assign requested address");
  EXPECT_EQ(tcp_error("localhost", 1), "cannot listen on localhost:1: not a numeric address");
  EXPECT_EQ(tcp_error("", 1), "cannot listen on :1: not a numeric address");
}

bool has_ipv6() {
  const base::UniqueFd fd(socket(AF_INET6, SOCK_STREAM, 0));
  const Address any = *Address::from_numeric("::1", 0);
  return fd.is_open() && bind(fd.value(), any.data(), any.size()) == 0;
}

TEST_F(ListenerTest, Ipv6AddressTakesNoIpv4) {
  if (!has_ipv6()) return;  // nothing to claim on such a machine
  const auto listener = listen_tcp("::1");
  EXPECT_TRUE(listener->address().to_string().starts_with("[::1]:"));
  const base::UniqueFd client = test::connect_to(listener->address());
  EXPECT_TRUE(accepts(1));
  EXPECT_FALSE(test::connect_to(test::loopback(listener->address().port())).is_open());
}

TEST_F(ListenerTest, StarTakesIpv4AndIpv6) {
  const auto listener = listen_tcp("*");
  const std::uint16_t port = listener->address().port();
  const base::UniqueFd v4 = test::connect_to(test::loopback(port));
  ASSERT_TRUE(accepts(1));
  EXPECT_TRUE(peers_[0].to_string().starts_with("127.0.0.1:")) << peers_[0].to_string();
  if (!has_ipv6()) return;
  const base::UniqueFd v6 = test::connect_to(*Address::from_numeric("::1", port));
  ASSERT_TRUE(accepts(2));
  EXPECT_TRUE(peers_[1].to_string().starts_with("[::1]:")) << peers_[1].to_string();
}

TEST_F(ListenerTest, AcceptsABatchPerTurn) {
  const auto listener = listen_tcp();
  std::vector<base::UniqueFd> clients;
  for (std::size_t i = 0; i < Listener::kAcceptsPerTurn + 1; ++i) {
    clients.push_back(test::connect_to(listener->address()));
    ASSERT_TRUE(clients.back().is_open());
  }
  run_turn();
  EXPECT_EQ(accepted_.size(), Listener::kAcceptsPerTurn);
  run_turn();
  EXPECT_EQ(accepted_.size(), Listener::kAcceptsPerTurn + 1);
}

TEST_F(ListenerTest, ClosedListenerRefuses) {
  const auto listener = listen_tcp();
  const Address address = listener->address();
  listener->close();
  listener->close();
  EXPECT_FALSE(test::connect_to(address).is_open());
  EXPECT_EQ(errno, ECONNREFUSED);
}

TEST_F(ListenerTest, MayBeClosedWhileItAccepts) {
  std::unique_ptr<Listener> listener;
  int count = 0;
  listener = check(Listener::tcp(loop_, "127.0.0.1", 0, kBacklog, [&](const base::UniqueFd&, const Address&) {
    ++count;
    listener->close();
  }));
  const base::UniqueFd one = test::connect_to(listener->address());
  const base::UniqueFd two = test::connect_to(listener->address());
  ASSERT_TRUE(run_until([&] { return count > 0; }));
  EXPECT_TRUE(never([&] { return count > 1; }));
}

class AcceptErrorTest : public ListenerTest, public ::testing::WithParamInterface<int> {
 protected:
  ~AcceptErrorTest() override { accept_fault = {}; }
};

using ExhaustionTest = AcceptErrorTest;

TEST_P(ExhaustionTest, PausesInsteadOfSpinningAndGoesOnLater) {
  const auto listener = listen_tcp();
  const base::UniqueFd client = test::connect_to(listener->address());
  const log::ScopedCapture log;
  const auto start = test::Clock::now();
  accept_fault = {.error = GetParam(), .times = 1'000'000'000};
  EXPECT_FALSE(accepts(1, 3 * Listener::kExhaustedPause));
  const auto pauses = (test::Clock::now() - start) / Listener::kExhaustedPause;
  EXPECT_GE(accept_fault.calls, 1);
  EXPECT_LE(accept_fault.calls, pauses + 1);

  accept_fault = {};
  EXPECT_TRUE(accepts(1));

  EXPECT_EQ(log.lines().size(), 1u) << "one line for all failures in ten seconds";
  EXPECT_TRUE(log.has("cannot accept connections"));
  EXPECT_TRUE(log.has(listener->address().to_string()));
}

INSTANTIATE_TEST_SUITE_P(Errors, ExhaustionTest, ::testing::Values(EMFILE, ENFILE, ENOBUFS, ENOMEM, EPERM));

using LostConnectionTest = AcceptErrorTest;

TEST_P(LostConnectionTest, NextOneIsAcceptedAtOnce) {
  const auto listener = listen_tcp();
  const base::UniqueFd client = test::connect_to(listener->address());
  const log::ScopedCapture log;
  accept_fault = {.error = GetParam(), .times = 2};

  run_turn();

  EXPECT_EQ(accepted_.size(), 1u);
  EXPECT_TRUE(log.lines().empty());
}

INSTANTIATE_TEST_SUITE_P(Errors, LostConnectionTest, ::testing::Values(ECONNABORTED, EINTR, EPROTO, ENETDOWN));

TEST_F(ListenerTest, MayBeClosedDuringThePause) {
  const auto listener = listen_tcp();
  const base::UniqueFd client = test::connect_to(listener->address());
  const log::ScopedCapture log;
  accept_fault = {.error = EMFILE, .times = 1};
  run_turn();
  listener->close();
  EXPECT_FALSE(accepts(1, 2 * Listener::kExhaustedPause));
  accept_fault = {};
}

TEST_F(ListenerTest, UnixSocketAcceptsAndHasItsPermissions) {
  const auto listener = listen_unix(0640);
  struct stat file{};
  ASSERT_EQ(stat(path_.c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & 0777u, 0640u);

  const base::UniqueFd client = test::connect_to(listener->address());

  ASSERT_TRUE(accepts(1));
  EXPECT_TRUE(peers_[0].is_unix());
  EXPECT_EQ(listener->address().to_string(), "unix:" + path_);
}

TEST_F(ListenerTest, UnixFileGoesWithTheListener) {
  listen_unix().reset();
  EXPECT_NE(access(path_.c_str(), F_OK), 0);
}

TEST_F(ListenerTest, UnixFileOfAnotherListenerStays) {
  auto first = listen_unix();
  unlink(path_.c_str());
  const auto second = listen_unix();
  first.reset();
  EXPECT_TRUE(test::connect_to(second->address()).is_open());
}

TEST_F(ListenerTest, UnixFileOfADeadListenerIsReplaced) {
  test::listen_on(*Address::from_unix_path(path_)).reset();
  ASSERT_EQ(access(path_.c_str(), F_OK), 0);
  const auto listener = listen_unix();
  EXPECT_TRUE(test::connect_to(listener->address()).is_open());
}

TEST_F(ListenerTest, LiveUnixSocketIsNotTakenAway) {
  const auto first = listen_unix();
  EXPECT_EQ(unix_error(path_), "cannot listen on unix:" + path_ + ": Address already in use");
  EXPECT_TRUE(test::connect_to(first->address()).is_open());
}

TEST_F(ListenerTest, LiveUnixSocketWithAFullBacklogIsNotTakenAway) {
  const Address address = *Address::from_unix_path(path_);
  const base::UniqueFd other = test::listen_on(address, 0);
  std::vector<base::UniqueFd> clients;
  do {
    clients.emplace_back(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  } while (connect(clients.back().value(), address.data(), address.size()) == 0);
  EXPECT_EQ(unix_error(path_), "cannot listen on unix:" + path_ + ": Address already in use");
}

TEST_F(ListenerTest, OtherFilesAreNeverRemoved) {
  dir_.write("a.sock", "precious");
  EXPECT_EQ(unix_error(path_), "cannot listen on unix:" + path_ + ": the file exists and is not a socket");
  EXPECT_EQ(test::read_file(path_), "precious");
}

TEST_F(ListenerTest, UnixPathsThatCannotBeAreErrors) {
  const std::string missing = dir_.file("no/such/folder");
  EXPECT_EQ(unix_error(missing), "cannot listen on unix:" + missing + ": No such file or directory");
  const std::string below_file = dir_.write("file", "") + "/a.sock";
  EXPECT_EQ(unix_error(below_file), "cannot listen on unix:" + below_file + ": Not a directory");
  const std::string long_path = dir_.file(std::string(100, 'x'));
  EXPECT_EQ(unix_error(long_path), "cannot listen on unix:" + long_path + ": the path must have 1 to 107 bytes");
  EXPECT_EQ(unix_error(""), "cannot listen on unix:: the path must have 1 to 107 bytes");
}

}  // namespace
}  // namespace anteroom::net
