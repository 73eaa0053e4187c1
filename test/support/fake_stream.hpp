#pragma once

#include <algorithm>
#include <cerrno>
#include <deque>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/check.hpp"
#include "net/byte_stream.hpp"

namespace anteroom::test {

/// The far end of a FakeStream, kept by the test. Stays usable when the code under test has destroyed its end.
class FakePeer {
 public:
  // What the far end does. Nothing is delivered inside these calls; see deliver().

  /// One piece for one read(); an empty one makes a read that would block.
  void queue(std::string_view bytes) { state_->input.emplace_back(bytes); }
  /// An orderly end behind what is queued.
  void end_input() { state_->input_ended = true; }
  /// Every read behind what is queued fails with this errno.
  void fail_reads(int error) { state_->read_error = error; }
  /// From now on so many bytes are taken in all before writes block.
  void allow_writes(std::size_t bytes) { state_->write_room = bytes; }
  void fail_writes(int error) { state_->write_error = error; }

  // What the loop would do.

  /// Calls on_readable() while reading is wanted and something is there to read, on_writable() once if writing is
  /// wanted and possible. At most kDeliveriesMax calls, so that an owner that does not read cannot hang the test.
  void deliver() {
    for (int i = 0; i < kDeliveriesMax && is_readable(); ++i) state_->events->on_readable();
    if (state_->wants_write && !state_->closed && (state_->write_room > 0 || state_->write_error != 0)) {
      state_->events->on_writable();
    }
  }
  void send(std::string_view bytes) {
    queue(bytes);
    deliver();
  }

  // What the code under test did.

  /// Everything written since the last call.
  [[nodiscard]] std::string take_written() { return std::exchange(state_->written, {}); }
  [[nodiscard]] const std::string& written() const { return state_->written; }
  /// Calls of write(), successful or not.
  [[nodiscard]] int writes() const { return state_->writes; }
  [[nodiscard]] int reads() const { return state_->reads; }
  [[nodiscard]] bool wants_read() const { return state_->wants_read; }
  [[nodiscard]] bool wants_write() const { return state_->wants_write; }
  /// By close() or by destruction.
  [[nodiscard]] bool is_closed() const { return state_->closed; }
  [[nodiscard]] bool has_unread_input() const { return !state_->input.empty(); }

  static constexpr int kDeliveriesMax = 10000;

 private:
  friend class FakeStream;
  struct State {
    std::deque<std::string> input;
    bool input_ended = false;
    int read_error = 0;
    std::size_t write_room = std::numeric_limits<std::size_t>::max();
    int write_error = 0;
    std::string written;
    int reads = 0;
    int writes = 0;
    net::StreamEvents* events = nullptr;
    bool wants_read = false;
    bool wants_write = false;
    bool closed = false;
    bool finished = false;
  };
  [[nodiscard]] bool is_readable() const {
    return state_->wants_read && !state_->closed &&
           (!state_->input.empty() || state_->input_ended || state_->read_error != 0);
  }

  std::shared_ptr<State> state_ = std::make_shared<State>();
};

/// A ByteStream in memory, without sockets or a loop: `FakePeer peer; Session session(..., FakeStream::make(peer),
/// ...)`.
class FakeStream final : public net::ByteStream {
 public:
  [[nodiscard]] static std::unique_ptr<FakeStream> make(FakePeer& peer, std::string name = "192.0.2.1:1234") {
    return std::make_unique<FakeStream>(peer, std::move(name));
  }
  FakeStream(FakePeer& peer, std::string name) : state_(peer.state_), name_(std::move(name)) {}
  ~FakeStream() override { shut(); }
  FakeStream(const FakeStream&) = delete;
  FakeStream& operator=(const FakeStream&) = delete;

  void set_events(net::StreamEvents* events) noexcept override { state_->events = events; }

  [[nodiscard]] net::IoResult read(std::span<char> into) override {
    using Status = net::IoResult::Status;
    ANTEROOM_CHECK(!into.empty());
    ++state_->reads;
    if (state_->closed) return {Status::kError, 0, EBADF};
    if (state_->input.empty()) {
      if (state_->read_error != 0) return {Status::kError, 0, state_->read_error};
      return {state_->input_ended ? Status::kClosed : Status::kWouldBlock, 0, 0};
    }
    std::string& piece = state_->input.front();
    const std::size_t size = std::min(piece.size(), into.size());
    std::copy_n(piece.begin(), size, into.begin());
    piece.erase(0, size);
    if (piece.empty()) state_->input.pop_front();
    return {size > 0 ? Status::kOk : Status::kWouldBlock, size, 0};
  }

  [[nodiscard]] net::IoResult write(std::span<const iovec> pieces) override {
    using Status = net::IoResult::Status;
    ++state_->writes;
    if (state_->closed) return {Status::kError, 0, EBADF};
    if (state_->write_error != 0) return {Status::kError, 0, state_->write_error};
    std::size_t taken = 0;
    for (const iovec& piece : pieces) {
      const std::size_t size = std::min(piece.iov_len, state_->write_room);
      state_->written.append(static_cast<const char*>(piece.iov_base), size);
      if (state_->write_room != std::numeric_limits<std::size_t>::max()) state_->write_room -= size;
      taken += size;
    }
    return {taken > 0 ? Status::kOk : Status::kWouldBlock, taken, 0};
  }

  void want_read(bool on) override { state_->wants_read = on && !state_->closed; }
  void want_write(bool on) override { state_->wants_write = on && !state_->closed; }
  void finish() noexcept override { state_->finished = true; }
  void close() noexcept override { shut(); }
  [[nodiscard]] std::string peer_name() const override { return name_; }
  [[nodiscard]] std::string local_name() const override { return "192.0.2.2:6379"; }

 private:
  void shut() noexcept {
    state_->closed = true;
    state_->wants_read = state_->wants_write = false;
    state_->events = nullptr;
  }

  const std::shared_ptr<FakePeer::State> state_;
  const std::string name_;
};

}  // namespace anteroom::test
