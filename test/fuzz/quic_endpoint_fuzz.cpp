// Any datagrams at a server of QUIC: it goes on, keeps nothing of strangers for long, and never answers more than three
// times what an address that has proved nothing has sent (RFC 9000, section 8.1).
//
// An input is datagrams, each behind its length in two bytes, the lower one first.
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include "base/check.hpp"
#include "base/unique_fd.hpp"
#include "metrics/quic_metrics.hpp"
#include "net/event_loop.hpp"
#include "net/self_signed.hpp"
#include "net/tls_context.hpp"
#include "quic/endpoint.hpp"

namespace {

using namespace anteroom;

struct Silent final : quic::ConnectionEvents {
  void on_established(quic::Connection&) override {}
  void on_stream(quic::Connection&, std::unique_ptr<quic::Stream>) override {}
  void on_streams_available(quic::Connection&) override {}
  void on_closed(quic::Connection&, const quic::CloseReason&) override {}
};

std::shared_ptr<const net::TlsContextSource> contexts() {
  const std::string folder = std::filesystem::temp_directory_path() / ("anteroom-fuzz-" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  ANTEROOM_CHECK(net::write_self_signed(folder + "/crt", folder + "/key", "fuzz").has_value());
  auto made = net::TlsContextSource::create({.role = net::TlsOptions::Role::kServer,
                                             .certificate_file = folder + "/crt",
                                             .key_file = folder + "/key",
                                             .verify = net::TlsOptions::Verify::kNone,
                                             .protocols = {"redis"},
                                             .for_quic = true});
  std::filesystem::remove_all(folder);
  ANTEROOM_CHECK(made.has_value());
  return *made;
}

void turn(net::EventLoop& loop) {
  loop.next_turn([&loop] { loop.stop(); });
  loop.run();
}

std::size_t take_answers(int fd) {
  std::array<char, 65536> bytes;
  std::size_t sum = 0;
  for (;;) {
    const ssize_t got = ::recv(fd, bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (got < 0) return sum;
    sum += static_cast<std::size_t>(got);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto tls = contexts();
  net::EventLoop loop;
  metrics::QuicMetrics metrics;
  Silent silent;
  quic::ServerOptions server{.contexts = tls};
  server.secret.fill(7);
  auto made = quic::Endpoint::listen(loop, *net::Address::from_numeric("127.0.0.1", 0), {}, server, metrics,
                                     [&silent](quic::Connection&, const net::Address&) { return &silent; });
  ANTEROOM_CHECK(made.has_value());
  quic::Endpoint& endpoint = **made;
  const base::UniqueFd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ANTEROOM_CHECK(::connect(fd.value(), endpoint.local().data(), endpoint.local().size()) == 0);

  std::span<const std::uint8_t> rest(data, size);
  std::size_t sent = 0;
  std::size_t answered = 0;
  while (rest.size() > 2) {
    const std::size_t length = std::min<std::size_t>(rest[0] + 256U * rest[1], rest.size() - 2);
    rest = rest.subspan(2);
    if (::send(fd.value(), rest.data(), length, 0) == static_cast<ssize_t>(length)) sent += length;
    rest = rest.subspan(length);
    turn(loop);
    turn(loop);
    answered += take_answers(fd.value());
    ANTEROOM_CHECK(answered <= 3 * sent);
    ANTEROOM_CHECK(endpoint.connections() <= sent / 1200);
  }
  endpoint.tick();
  endpoint.close_all(quic::ErrorCode::kShuttingDown, "");
  turn(loop);
  return 0;
}
