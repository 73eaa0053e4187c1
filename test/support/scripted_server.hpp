#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/read_buffer.hpp"
#include "net/connector.hpp"
#include "net/event_loop.hpp"
#include "net/listener.hpp"
#include "net/socket_stream.hpp"
#include "resp/request_parser.hpp"
#include "support/temp_dir.hpp"

namespace anteroom::test {

/// One connection that a ScriptedServer accepted. Records what it is asked and answers when it is told; only the first
/// flight of a link (AUTH, HELLO, CLIENT SETNAME, SELECT of a db other than 0) is answered by itself.
class ScriptedConnection final : private net::StreamEvents {
 public:
  /// Gives the answer to a request (arguments joined by spaces), or nothing if the test will give it.
  using Script = std::function<std::optional<std::string>(const std::string& request)>;

  ScriptedConnection(net::EventLoop& loop, base::UniqueFd fd, Script handshake, Script answers)
      : stream_(loop, std::move(fd)), handshake_(std::move(handshake)), answers_(std::move(answers)) {
    stream_.set_events(this);
    stream_.want_read(true);
  }

  /// Bytes behind all replies so far, as they are.
  void send(std::string_view bytes) {
    out_.append(bytes);
    flush();
  }
  void close() { stream_.close(); }
  void pause_reading() { stream_.want_read(false); }
  void go_on_reading() { stream_.want_read(true); }

  /// Requests behind the handshake, each with its arguments joined by spaces.
  [[nodiscard]] const std::vector<std::string>& requests() const { return requests_; }
  [[nodiscard]] const std::vector<std::string>& handshake_requests() const { return handshake_requests_; }
  [[nodiscard]] std::size_t count() const { return requests_.size(); }
  [[nodiscard]] bool has(std::string_view request) const { return std::ranges::count(requests_, request) > 0; }
  /// Of the SELECT in the handshake.
  [[nodiscard]] const std::string& db() const { return db_; }
  [[nodiscard]] bool is_closed_by_peer() const { return closed_by_peer_; }

 private:
  void on_readable() override {
    const net::IoResult result = stream_.read(in_.prepare(64 * 1024));
    if (result.status == net::IoResult::Status::kWouldBlock) return;
    if (result.status != net::IoResult::Status::kOk) {
      closed_by_peer_ = true;
      stream_.close();
      return;
    }
    in_.commit(result.bytes);
    resp::Command command;
    while (parser_.next(in_, command) == resp::Step::kCommand) {
      std::string request;
      for (const std::string_view arg : command.args) request.append(request.empty() ? "" : " ").append(arg);
      take(request);
    }
  }

  void take(const std::string& request) {
    const bool is_setup = is_handshake(request);
    (is_setup ? handshake_requests_ : requests_).push_back(request);
    if (is_setup && request.starts_with("SELECT ")) db_ = request.substr(7);
    if (request.ends_with("SETNAME anteroom-fill")) is_fill_ = true;
    const Script& script = is_setup ? handshake_ : answers_;
    std::optional<std::string> answer = script ? script(request) : std::nullopt;
    if (is_setup && !script) answer = "+OK\r\n";
    if (answer) send(*answer);
  }

  [[nodiscard]] bool is_handshake(const std::string& request) const {
    if (!requests_.empty()) return false;
    if (request == "CLIENT TRACKING ON" || request == "COMMAND INFO HPEXPIRE") return true;
    if (request == "PING") return !handshake_requests_.empty() && handshake_requests_.back() == "COMMAND INFO HPEXPIRE";
    if (request.starts_with("SELECT ")) return !is_fill_ && db_ == "0" && request != "SELECT 0";
    return request.starts_with("AUTH ") || request.starts_with("HELLO ") || request.starts_with("CLIENT SETNAME ");
  }

  void on_writable() override {
    stream_.want_write(false);
    flush();
  }
  void flush() {
    while (!out_.empty()) {
      const iovec piece{out_.data(), out_.size()};
      const net::IoResult result = stream_.write({&piece, 1});
      if (result.status == net::IoResult::Status::kWouldBlock) stream_.want_write(true);
      if (result.status != net::IoResult::Status::kOk) return;
      out_.erase(0, result.bytes);
    }
  }

  net::SocketStream stream_;
  const Script handshake_;
  const Script answers_;
  base::ReadBuffer in_;
  resp::RequestParser parser_;
  std::string out_;
  std::vector<std::string> handshake_requests_;
  std::vector<std::string> requests_;
  std::string db_ = "0";
  bool is_fill_ = false;
  bool closed_by_peer_ = false;
};

/// A server on a UNIX socket that shares the loop of the test: no thread, no port, and nothing happens that the test
/// did not order.
class ScriptedServer {
 public:
  explicit ScriptedServer(net::EventLoop& loop) : loop_(loop) { listen(); }

  /// Whom to connect to.
  [[nodiscard]] net::ConnectTarget target() const {
    net::ConnectTarget target;
    target.unix_path = path();
    return target;
  }

  // Both apply to connections accepted from now on.

  /// What the first flight is answered with; "+OK" to everything unless set. Nothing: no answer.
  void set_handshake(ScriptedConnection::Script script) { handshake_ = std::move(script); }
  /// Answers to everything else that are given without being told.
  void set_answers(ScriptedConnection::Script script) { answers_ = std::move(script); }

  void stop_listening() { listener_.reset(); }
  void listen() {
    auto created = net::Listener::unix_socket(loop_, path(), 0700, 128, [this](base::UniqueFd fd, const net::Address&) {
      connections_.push_back(std::make_unique<ScriptedConnection>(loop_, std::move(fd), handshake_, answers_));
    });
    ASSERT_TRUE(created.has_value()) << created.error();
    listener_ = std::move(*created);
  }

  [[nodiscard]] std::size_t accepted() const { return connections_.size(); }
  [[nodiscard]] ScriptedConnection& connection(std::size_t number) { return *connections_.at(number); }
  [[nodiscard]] ScriptedConnection& last() { return *connections_.back(); }
  /// The newest connection whose handshake selected `db`; null if there is none.
  [[nodiscard]] ScriptedConnection* link(std::string_view db) {
    for (std::size_t i = connections_.size(); i > 0; --i) {
      ScriptedConnection& one = *connections_[i - 1];
      if (one.db() == db && !one.handshake_requests().empty()) return &one;
    }
    return nullptr;
  }

 private:
  [[nodiscard]] std::string path() const { return folder_.file("server"); }

  net::EventLoop& loop_;
  const TempDir folder_;
  ScriptedConnection::Script handshake_;
  ScriptedConnection::Script answers_;
  std::vector<std::unique_ptr<ScriptedConnection>> connections_;
  std::unique_ptr<net::Listener> listener_;
};

}  // namespace anteroom::test
