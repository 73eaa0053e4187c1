#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "quic/dialer.hpp"
#include "support/quic_rig.hpp"
#include "support/sockets.hpp"

namespace anteroom::quic {

using net::ConnectError;
using net::ConnectStage;
using Ticket = net::LaneSource::Ticket;

/// Who asks for one lane, and what he is given.
struct Asker {
  [[nodiscard]] bool has_lane() const { return lane != nullptr; }
  [[nodiscard]] bool is_served() const { return calls > 0; }
  [[nodiscard]] Stream& stream() const { return static_cast<Stream&>(*lane); }

  Ticket ticket{};
  std::unique_ptr<net::ByteStream> lane;
  std::optional<ConnectError> error;
  int calls = 0;
  std::move_only_function<void()> then = [] {};
};

/// A source of lanes against an endpoint over loopback, both in one loop.
class QuicDialer : public QuicTest {
 protected:
  void TearDown() override {
    dialer_.reset();
    resolver_.reset();
    askers_.clear();
    QuicTest::TearDown();
  }

  /// At the server, which is made if there is none, unless `host_` and `port_` say otherwise.
  Dialer& dialer() {
    if (dialer_) return *dialer_;
    if (!server_ && port_ == 0) listen();
    if (!resolver_) resolver_ = std::make_unique<net::Resolver>();
    auto contexts = net::TlsContextSource::create(client_tls_ ? *client_tls_ : client_tls());
    EXPECT_TRUE(contexts.has_value()) << contexts.error().text;
    contexts_ = *contexts;
    DialTarget target{.host = host_,
                      .port = port_ != 0 ? port_ : server_->local().port(),
                      .contexts = contexts_,
                      .server_name = server_name_,
                      .dns_timeout = dns_timeout_,
                      .options = options_};
    dialer_ = std::make_unique<Dialer>(loop_, *resolver_, mailbox_, std::move(target), client_counts_);
    return *dialer_;
  }
  Asker& ask() {
    Asker& asker = *askers_.emplace_back(std::make_unique<Asker>());
    asker.ticket = dialer().open([&asker](net::LaneSource::Result result) {
      ++asker.calls;
      if (result) {
        asker.lane = std::move(*result);
      } else {
        asker.error = std::move(result.error());
      }
      asker.then();
    });
    EXPECT_FALSE(asker.is_served()) << "inside open()";
    return asker;
  }
  /// With a lane.
  Asker& served() {
    Asker& asker = ask();
    EXPECT_TRUE(run_until([&] { return asker.is_served(); }));
    EXPECT_TRUE(asker.has_lane()) << asker.error->text;
    return asker;
  }
  /// Without one.
  ConnectError failed(const Asker& asker) {
    EXPECT_TRUE(run_until([&] { return asker.is_served(); }));
    EXPECT_FALSE(asker.has_lane());
    return asker.error.value_or(ConnectError{});
  }
  /// True if what is written comes back.
  [[nodiscard]] bool echoes(Asker& asker) {
    StreamEnd end(std::unique_ptr<Stream>(static_cast<Stream*>(asker.lane.release())));
    end.write("hello");
    const bool came = run_until([&] { return end.received == "hello" || end.has_ended(); });
    end.stream->set_events(nullptr);
    end.read(false);
    asker.lane = std::move(end.stream);
    return came && end.received == "hello";
  }
  /// Of a socket of UDP.
  std::uint16_t closed_udp_port() {
    const auto gone = net::UdpSocket::bind(loop_, place_, {}, client_counts_);
    EXPECT_TRUE(gone.has_value());
    return (*gone)->local().port();
  }
  /// What names stand for.
  void resolve_to(net::Resolved resolved) {
    host_ = "gateway.test";
    resolver_ = std::make_unique<net::Resolver>([resolved](const std::string&, std::uint16_t) { return resolved; });
  }

  net::Mailbox mailbox_{loop_};
  std::unique_ptr<net::Resolver> resolver_;
  std::shared_ptr<net::TlsContextSource> contexts_;
  std::string host_ = "127.0.0.1";
  std::uint16_t port_ = 0;
  base::Milliseconds dns_timeout_{1000};
  std::vector<std::unique_ptr<Asker>> askers_;
  std::unique_ptr<Dialer> dialer_;
};

}  // namespace anteroom::quic
