#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "net/tls_context.hpp"
#include "quic/endpoint.hpp"
#include "support/certificates.hpp"
#include "support/loop_fixture.hpp"
#include "support/temp_dir.hpp"

namespace anteroom::quic {

/// What a client is told that may not come in.
inline constexpr std::string_view kNoRoom =
    "refused by the peer: it takes no more connections, or none from here, or is stopping";

/// One end of a stream: collects what comes, writes what it is told.
class StreamEnd final : private net::StreamEvents {
 public:
  explicit StreamEnd(std::unique_ptr<Stream> its_stream) : stream(std::move(its_stream)) {
    stream->set_events(this);
    stream->want_read(true);
  }

  void write(std::string_view text) {
    out_ += text;
    flush();
  }
  void write_and_finish(std::string_view text) {
    finishes_ = true;
    write(text);
  }
  void read(bool on) const { stream->want_read(on); }
  [[nodiscard]] bool has_ended() const { return end.has_value(); }

  std::unique_ptr<Stream> stream;
  std::string received;
  std::optional<net::IoResult> end;  ///< what reading ended with
  std::optional<int> write_error;
  bool echoes = false;

 private:
  void on_readable() override {
    std::string buffer(16 * 1024, '\0');
    const net::IoResult result = stream->read(buffer);
    if (result.status == net::IoResult::Status::kWouldBlock) return;
    if (result.status == net::IoResult::Status::kOk) {
      received.append(buffer, 0, result.bytes);
      if (echoes) write({buffer.data(), result.bytes});
      return;
    }
    end = result;
    stream->want_read(false);
    if (echoes && result.status == net::IoResult::Status::kClosed) write_and_finish("");
  }
  void on_writable() override {
    stream->want_write(false);
    flush();
  }
  void flush() {
    while (!out_.empty()) {
      const iovec piece{out_.data(), out_.size()};
      const net::IoResult result = stream->write({&piece, 1});
      if (result.status == net::IoResult::Status::kWouldBlock) return stream->want_write(true);
      if (result.status != net::IoResult::Status::kOk) {
        write_error = result.error;
        out_.clear();
        return;
      }
      out_.erase(0, result.bytes);
    }
    if (finishes_) stream->finish();
  }

  std::string out_;
  bool finishes_ = false;
};

/// One side: what a connection has told.
struct Side final : ConnectionEvents {
  void on_established(Connection&) override { established = true; }
  void on_stream(Connection&, std::unique_ptr<Stream> stream) override {
    if (!established) ++early_streams;
    streams.push_back(std::make_unique<StreamEnd>(std::move(stream)));
    streams.back()->echoes = echoes;
  }
  void on_streams_available(Connection&) override { ++streams_available; }
  void on_closed(Connection&, const CloseReason& reason) override {
    closed = reason;
    connection = nullptr;
  }

  StreamEnd& open() {
    auto stream = connection->open_stream();
    EXPECT_NE(stream, nullptr);
    return *streams.emplace_back(std::make_unique<StreamEnd>(std::move(stream)));
  }

  Connection* connection = nullptr;
  std::vector<std::unique_ptr<StreamEnd>> streams;
  std::optional<CloseReason> closed;
  int streams_available = 0;
  int early_streams = 0;  ///< that came before the handshake was done
  bool established = false;
  bool echoes = false;
};

/// A server and clients of it, in one loop, over loopback.
class QuicTest : public test::LoopFixture {
 protected:
  using Role = net::TlsOptions::Role;
  using Verify = net::TlsOptions::Verify;
  using Kind = CloseReason::Kind;

  void TearDown() override {
    client_.reset();
    server_.reset();
  }

  [[nodiscard]] net::TlsOptions server_tls() const {
    return {.role = Role::kServer,
            .certificate_file = files_.certificate,
            .key_file = files_.key,
            .ca_file = ca_.file(),
            .verify = Verify::kNone,
            .protocols = {"redis"},
            .for_quic = true};
  }
  [[nodiscard]] net::TlsOptions client_tls() const {
    return {.role = Role::kClient,
            .ca_file = ca_.file(),
            .verify = Verify::kRequired,
            .protocols = {"redis"},
            .for_quic = true};
  }

  void listen() {
    if (!server_options_.contexts) {
      auto created = net::TlsContextSource::create(server_tls_ ? *server_tls_ : server_tls());
      ASSERT_TRUE(created.has_value()) << created.error().text;
      server_options_.contexts = *created;
    }
    server_options_.secret.fill(7);
    auto made = Endpoint::listen(loop_, place_, options_, server_options_, server_counts_,
                                 [this](Connection& connection, const net::Address&) -> ConnectionEvents* {
                                   auto& side = *accepted_.emplace_back(std::make_unique<Side>());
                                   side.connection = &connection;
                                   side.echoes = true;
                                   return &side;
                                 });
    ASSERT_TRUE(made.has_value()) << made.error();
    server_ = std::move(*made);
  }

  /// A client that begins to connect.
  Side& connect(const Resumption& resumption = {}) {
    if (!server_) listen();
    auto context = net::TlsContext::create(client_tls_ ? *client_tls_ : client_tls());
    EXPECT_TRUE(context.has_value()) << context.error().text;
    auto made =
        Endpoint::connect(loop_, peer_ ? *peer_ : server_->local(), client_options_ ? *client_options_ : options_,
                          *context, server_name_, resumption, here_, client_counts_);
    EXPECT_TRUE(made.has_value()) << made.error();
    client_ = std::move(*made);
    here_.connection = client_->connection();
    return here_;
  }
  /// A client with a connection.
  Side& connected() {
    connect();
    EXPECT_TRUE(run_until([&] { return here_.established && !accepted_.empty() && accepted_.back()->established; }));
    return here_;
  }
  [[nodiscard]] Side& there() { return *accepted_.back(); }

  /// Where datagrams arrive and nobody answers.
  net::Address silent_place() {
    auto bound = net::UdpSocket::bind(loop_, place_, {}, server_counts_);
    EXPECT_TRUE(bound.has_value());
    silent_ = std::move(*bound);
    return silent_->local();
  }

  /// Lets the loop run for a while.
  void pass(std::chrono::milliseconds time) {
    static_cast<void>(run_until([] { return false; }, time));
  }

  test::TempDir dir_;
  test::CertificateAuthority ca_{dir_};
  test::CertificateAuthority::Files files_ = ca_.issue({.name = "server", .hosts = {"redis.test"}});
  std::string server_name_ = "redis.test";
  net::Address place_ = *net::Address::from_numeric("127.0.0.1", 0);
  Options options_;
  std::optional<Options> client_options_;
  std::optional<net::TlsOptions> client_tls_;
  std::optional<net::TlsOptions> server_tls_;
  ServerOptions server_options_;
  std::optional<net::Address> peer_;  // of the client, if it is not the server
  metrics::QuicMetrics server_counts_;
  metrics::QuicMetrics client_counts_;
  std::vector<std::unique_ptr<Side>> accepted_;
  Side here_;
  std::unique_ptr<net::UdpSocket> silent_;
  std::unique_ptr<Endpoint> server_;
  std::unique_ptr<Endpoint> client_;
};

}  // namespace anteroom::quic
