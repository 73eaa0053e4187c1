#include <algorithm>
#include <deque>
#include <string_view>
#include <utility>

#include "anteroom/quic_client.hpp"
#include "base/pin.hpp"
#include "base/read_buffer.hpp"
#include "client/quic_connect.hpp"
#include "client/reply_order.hpp"
#include "metrics/quic_metrics.hpp"
#include "net/event_loop.hpp"
#include "net/mailbox.hpp"
#include "net/resolver.hpp"
#include "net/tls_context.hpp"
#include "quic/endpoint.hpp"
#include "resp/reply_scanner.hpp"
#include "resp/writer.hpp"

namespace anteroom::client {
namespace {

using Status = net::IoResult::Status;

constexpr std::size_t kReadBytes = 16 * 1024;
constexpr base::Milliseconds kTick{1000};
// As of quic::Dialer.
constexpr std::size_t kAddressesMax = 4;

class Connection;

/// One stream, its requests that wait to be sent, and the replies that are due.
class ClientStream final : public QuicConnection::Stream, private net::StreamEvents {
 public:
  ClientStream(Connection& connection, std::unique_ptr<quic::Stream> stream);
  ~ClientStream() override;
  ClientStream(const ClientStream&) = delete;
  ClientStream& operator=(const ClientStream&) = delete;

  void query(const QuicConnection::Command& command, QuicConnection::OnReply on_reply) override;
  void set_on_push(QuicConnection::OnReply on_push) override {
    on_push_ = std::move(on_push);
    if (error_) fail_soon();
  }
  void finish() override {
    finishes_ = true;
    flush();
  }
  /// Answers whoever waits now. Their callbacks may ask again, and are then told in the next turn.
  void fail(QuicError error);
  void fail_again() {
    fails_soon_ = false;
    fail(*error_);
  }
  /// Something may come yet.
  [[nodiscard]] bool is_open() const { return !error_ || fails_soon_; }
  /// The connection is about to go.
  void detach() {
    connection_ = nullptr;
    stream_.reset();
  }

 private:
  void on_readable() override;
  void on_writable() override {
    stream_->want_write(false);
    flush();
  }
  void flush();
  void take_replies();
  void deliver(resp::ReplyScanner::Step step, std::string reply);
  void fail_soon();
  [[nodiscard]] QuicError end_error() const;

  Connection* connection_;  // null once it is gone
  std::unique_ptr<quic::Stream> stream_;
  QuicConnection::OnReply on_push_;
  std::deque<QuicConnection::OnReply> due_;
  ReplyOrder order_;
  std::string out_;
  base::ReadBuffer in_;
  std::size_t scanned_ = 0;
  resp::ReplyScanner scanner_;
  std::optional<QuicError> error_;
  bool finishes_ = false;
  bool fails_soon_ = false;
  std::shared_ptr<ClientStream*> self_ = std::make_shared<ClientStream*>(this);
};

class Connection final : public QuicConnection, private quic::ConnectionEvents {
 public:
  using TlsContext = std::shared_ptr<const net::TlsContext>;

  Connection(QuicOptions options, net::Resolver::Lookup lookup)
      : options_(std::move(options)), resolver_(std::move(lookup)) {
    tick_.start(kTick);
  }
  ~Connection() override {
    if (endpoint_ != nullptr) endpoint_->close_all(quic::ErrorCode::kNone, "");
    for (ClientStream* const stream : streams_) stream->detach();
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  [[nodiscard]] std::optional<QuicError> connect(const TlsContext& tls);
  [[nodiscard]] std::unique_ptr<Stream> open_stream() override;
  bool run(std::chrono::milliseconds timeout) override;

  bool run_until(const std::function<bool()>& is_done, std::chrono::milliseconds timeout) override;

  void add(ClientStream& stream) { streams_.push_back(&stream); }
  void remove(ClientStream& stream) { std::erase(streams_, &stream); }
  void add_due(long change) { due_ += change; }
  /// Somebody was told something: run_until() looks whether it is done.
  void note_news() { loop_.stop(); }
  void defer(std::shared_ptr<quic::Stream> stream) {
    loop_.at_turn_end([stream = std::move(stream)] {});
  }
  /// Inside run(), if the stream is there still.
  void fail_later(const std::shared_ptr<ClientStream*>& stream) {
    loop_.next_turn([stream] {
      if (*stream != nullptr) (*stream)->fail_again();
    });
  }

 private:
  void on_established(quic::Connection&) override {
    is_up_ = true;
    loop_.stop();
  }
  void on_stream(quic::Connection&, std::unique_ptr<quic::Stream> stream) override {
    stream->reset(quic::ErrorCode::kLimit);
  }
  void on_streams_available(quic::Connection&) override { loop_.stop(); }
  void on_closed(quic::Connection&, const quic::CloseReason& reason) override {
    is_up_ = false;
    why_closed_ = reason.text.empty() ? "the connection was closed" : reason.text;
    loop_.stop();
  }
  [[nodiscard]] std::string server_name() const {
    return options_.server_name.empty() ? options_.host : options_.server_name;
  }
  [[nodiscard]] std::expected<std::vector<net::Address>, std::string> resolve();
  [[nodiscard]] bool try_address(const net::Address& address, base::Milliseconds time, const TlsContext& tls);

  const QuicOptions options_;
  net::EventLoop loop_;
  net::Mailbox mailbox_{loop_};
  net::Resolver resolver_;
  metrics::QuicMetrics metrics_;
  std::unique_ptr<quic::Endpoint> endpoint_;
  net::Timer deadline_{loop_, [this] { loop_.stop(); }};
  net::Timer tick_{loop_, [this] {
                     if (endpoint_ != nullptr) endpoint_->tick();
                     tick_.start(kTick);
                   }};
  bool is_up_ = false;
  std::string why_closed_;
  std::vector<ClientStream*> streams_;
  long due_ = 0;  // queries of all streams
};

// --- A stream ---

ClientStream::ClientStream(Connection& connection, std::unique_ptr<quic::Stream> stream)
    : connection_(&connection), stream_(std::move(stream)) {
  connection.add(*this);
  stream_->set_events(this);
  stream_->want_read(true);
}

ClientStream::~ClientStream() {
  *self_ = nullptr;
  if (connection_ == nullptr) return;
  connection_->add_due(-static_cast<long>(due_.size()));
  connection_->remove(*this);
  stream_->close();
  connection_->defer(std::move(stream_));
}

void ClientStream::query(const QuicConnection::Command& command, QuicConnection::OnReply on_reply) {
  if (connection_ == nullptr) return;
  connection_->add_due(1);
  due_.push_back(std::move(on_reply));
  if (error_) return fail_soon();
  order_.add(command);
  const std::vector<std::string_view> words(command.begin(), command.end());
  resp::append_command(out_, words);
  flush();
}

// Once for all of them, however many callbacks ask again.
void ClientStream::fail_soon() {
  if (connection_ != nullptr && !std::exchange(fails_soon_, true)) connection_->fail_later(self_);
}

void ClientStream::flush() {
  if (connection_ == nullptr) return;
  while (!out_.empty()) {
    const iovec piece{out_.data(), out_.size()};
    const net::IoResult put = stream_->write({&piece, 1});
    if (put.status == Status::kWouldBlock) return stream_->want_write(true);
    if (put.status != Status::kOk) return;  // reading tells why
    out_.erase(0, put.bytes);
  }
  if (finishes_) stream_->finish();
}

void ClientStream::on_readable() {
  const net::IoResult got = stream_->read(in_.prepare(kReadBytes));
  switch (got.status) {
    case Status::kWouldBlock:
      return;
    case Status::kOk:
      in_.commit(got.bytes);
      take_replies();
      return;
    case Status::kClosed:
    case Status::kError:
      fail(end_error());
      return;
  }
}

QuicError ClientStream::end_error() const {
  if (error_) return *error_;
  const auto trouble = stream_->trouble();
  return {.text = trouble ? trouble->text : "the stream was closed", .reset_code = stream_->peer_error()};
}

void ClientStream::fail(QuicError error) {
  stream_->want_read(false);
  error_ = std::move(error);
  for (const auto& on_reply : std::exchange(due_, {})) {
    on_reply(std::unexpected(*error_));
    connection_->add_due(-1);
  }
  if (const auto on_push = std::exchange(on_push_, nullptr)) on_push(std::unexpected(*error_));
  connection_->note_news();
}

void ClientStream::take_replies() {
  while (scanned_ < in_.size()) {
    const resp::ReplyScanner::Result result = scanner_.scan(in_.readable().substr(scanned_));
    scanned_ += result.used;
    if (result.step == resp::ReplyScanner::Step::kNeedMore) return;
    std::string reply(in_.readable().substr(0, std::exchange(scanned_, 0)));
    in_.consume(reply.size());
    deliver(result.step, std::move(reply));
    if (error_) return;
  }
}

void ClientStream::deliver(resp::ReplyScanner::Step step, std::string reply) {
  using Verdict = ReplyOrder::Verdict;
  const bool is_good = step != resp::ReplyScanner::Step::kError;
  switch (is_good ? order_.judge(reply, scanner_.type()) : Verdict::kUnexpected) {
    case Verdict::kReply:
      QuicConnection::OnReply(due_.front())(std::move(reply));
      break;
    case Verdict::kLastReply: {
      const QuicConnection::OnReply on_reply = std::move(due_.front());
      due_.pop_front();
      on_reply(std::move(reply));
      connection_->add_due(-1);
      break;
    }
    case Verdict::kPush:
      if (const QuicConnection::OnReply on_push = on_push_) on_push(std::move(reply));
      break;
    case Verdict::kUnexpected:
      stream_->reset(quic::ErrorCode::kCancelled);
      fail({.text = "bytes that are no reply"});
      break;
  }
  connection_->note_news();
}

// --- The connection ---

std::expected<std::vector<net::Address>, std::string> Connection::resolve() {
  std::expected<std::vector<net::Address>, std::string> out = std::unexpected("the name was not resolved in time");
  const auto lookup = resolver_.resolve(options_.host, options_.port, mailbox_, [this, &out](net::Resolved resolved) {
    if (resolved) {
      out = std::move(*resolved);
    } else {
      out = std::unexpected(resolved.error().text);
    }
    loop_.stop();
  });
  deadline_.start(options_.timeout);
  loop_.run();
  deadline_.cancel();
  return out;
}

// What the lookup has left of the time is shared by the addresses that are still to be tried, so that one that is
// silent does not keep the others from having theirs.
std::optional<QuicError> Connection::connect(const TlsContext& tls) {
  const base::TimePoint end = std::chrono::steady_clock::now() + options_.timeout;
  const auto addresses = resolve();
  if (!addresses) return QuicError{.text = options_.host + ": " + addresses.error()};
  for (std::size_t left = std::min(addresses->size(), kAddressesMax), next = 0; left > 0; --left, ++next) {
    const auto time = (end - std::chrono::steady_clock::now()) / static_cast<long>(left);
    if (try_address((*addresses)[next], std::chrono::ceil<base::Milliseconds>(time), tls)) return std::nullopt;
  }
  return QuicError{.text = net::host_and_port(options_.host, options_.port) + ": " + why_closed_};
}

bool Connection::try_address(const net::Address& address, base::Milliseconds time, const TlsContext& tls) {
  quic::Options quic;
  quic.handshake_timeout = std::max(time, base::Milliseconds(1));
  auto made = quic::Endpoint::connect(loop_, address, quic, tls, server_name(), {}, *this, metrics_);
  if (!made) {
    why_closed_ = std::move(made.error());
    return false;
  }
  endpoint_ = std::move(*made);
  loop_.run();
  if (!is_up_) endpoint_.reset();
  return is_up_;
}

std::unique_ptr<QuicConnection::Stream> Connection::open_stream() {
  quic::Connection* const connection = endpoint_->connection();
  std::unique_ptr<quic::Stream> stream = connection != nullptr ? connection->open_stream() : nullptr;
  return stream != nullptr ? std::make_unique<ClientStream>(*this, std::move(stream)) : nullptr;
}

bool Connection::run(std::chrono::milliseconds timeout) {
  return run_until([this] { return due_ == 0; }, timeout);
}

bool Connection::run_until(const std::function<bool()>& is_done, std::chrono::milliseconds timeout) {
  deadline_.start(timeout);
  const auto may_come = [this] {
    return streams_.empty() ? is_up_ : std::ranges::any_of(streams_, &ClientStream::is_open);
  };
  while (!is_done() && deadline_.is_running() && may_come()) loop_.run();
  deadline_.cancel();
  return is_done();
}

}  // namespace

std::expected<std::unique_ptr<QuicConnection>, QuicError> QuicConnection::connect(const QuicOptions& options) {
  return connect_by(options, net::resolve_blocking);
}

std::expected<std::unique_ptr<QuicConnection>, QuicError> connect_by(const QuicOptions& options,
                                                                     net::Resolver::Lookup lookup) {
  using Verify = net::TlsOptions::Verify;
  const auto pin = base::bytes_of_pin(options.pin);
  if (!options.pin.empty() && !pin) return std::unexpected(QuicError{.text = "the pin is no SHA-256"});
  auto tls = net::TlsContext::create({.role = net::TlsOptions::Role::kClient,
                                      .certificate_file = options.certificate_file,
                                      .key_file = options.key_file,
                                      .ca_file = options.ca_file,
                                      .verify = options.insecure ? Verify::kNone : Verify::kRequired,
                                      .protocols = {"redis"},
                                      .pinned_key = pin.value_or(""),
                                      .for_quic = true});
  if (!tls) return std::unexpected(QuicError{.text = tls.error().text});
  auto connection = std::make_unique<Connection>(options, std::move(lookup));
  if (auto error = connection->connect(*tls)) return std::unexpected(std::move(*error));
  return connection;
}

}  // namespace anteroom::client
