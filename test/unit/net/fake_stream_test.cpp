#include "support/fake_stream.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <memory>
#include <string>
#include <string_view>

namespace anteroom::test {
namespace {

using Status = net::IoResult::Status;

/// Reads everything it is told of, as links and sessions do.
struct Reader final : net::StreamEvents {
  explicit Reader(FakePeer& peer) : stream(FakeStream::make(peer)) { stream->set_events(this); }
  void on_readable() override {
    std::array<char, 4> buffer{};
    last = stream->read(buffer);
    if (last.status == Status::kOk) text.append(buffer.data(), last.bytes);
    if (last.status == Status::kClosed || last.status == Status::kError) stream->close();
  }
  void on_writable() override { ++writable; }
  net::IoResult write(std::string_view bytes) {
    const iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
    return stream->write({&piece, 1});
  }

  std::unique_ptr<FakeStream> stream;
  net::IoResult last;
  std::string text;
  int writable = 0;
};

class FakeStreamTest : public ::testing::Test {
 protected:
  FakePeer peer_;
  Reader reader_{peer_};
};

TEST_F(FakeStreamTest, DeliversOnlyWhatIsWanted) {
  peer_.send("one");
  EXPECT_EQ(reader_.text, "");
  reader_.stream->want_read(true);
  peer_.deliver();
  EXPECT_EQ(reader_.text, "one");
}

TEST_F(FakeStreamTest, EachReadGetsAtMostOnePiece) {
  reader_.stream->want_read(true);
  peer_.queue("ab");
  peer_.queue("cdefgh");
  peer_.deliver();
  EXPECT_EQ(reader_.text, "abcdefgh");
  EXPECT_EQ(peer_.reads(), 3);
}

TEST_F(FakeStreamTest, EmptyPieceWouldBlock) {
  reader_.stream->want_read(true);
  peer_.send("");
  EXPECT_EQ(reader_.last.status, Status::kWouldBlock);
}

TEST_F(FakeStreamTest, EndAndErrorsComeBehindWhatIsQueued) {
  reader_.stream->want_read(true);
  peer_.queue("last");
  peer_.end_input();
  peer_.deliver();
  EXPECT_EQ(reader_.text, "last");
  EXPECT_EQ(reader_.last.status, Status::kClosed);
  EXPECT_TRUE(peer_.is_closed());

  FakePeer other;
  Reader failing(other);
  failing.stream->want_read(true);
  other.fail_reads(ECONNRESET);
  other.deliver();
  EXPECT_EQ(failing.last.error, ECONNRESET);
}

TEST_F(FakeStreamTest, WritesStopAtTheAllowedSize) {
  peer_.allow_writes(3);
  EXPECT_EQ(reader_.write("hello").bytes, 3u);
  EXPECT_EQ(reader_.write("lo").status, Status::kWouldBlock);
  EXPECT_EQ(peer_.take_written(), "hel");

  reader_.stream->want_write(true);
  peer_.deliver();
  EXPECT_EQ(reader_.writable, 0);
  peer_.allow_writes(10);
  peer_.deliver();
  EXPECT_EQ(reader_.writable, 1);
  EXPECT_EQ(reader_.write("lo").bytes, 2u);
  EXPECT_EQ(peer_.take_written(), "lo");
  EXPECT_EQ(peer_.writes(), 3);
}

TEST_F(FakeStreamTest, FailedWritesGiveTheirError) {
  peer_.fail_writes(EPIPE);
  EXPECT_EQ(reader_.write("x").error, EPIPE);
}

TEST_F(FakeStreamTest, OwnerThatDoesNotReadCannotHangTheTest) {
  struct Lazy final : net::StreamEvents {
    void on_readable() override { ++calls; }
    void on_writable() override {}
    int calls = 0;
  } lazy;
  reader_.stream->set_events(&lazy);
  reader_.stream->want_read(true);
  peer_.send("x");
  EXPECT_EQ(lazy.calls, FakePeer::kDeliveriesMax);
}

TEST_F(FakeStreamTest, PeerOutlivesTheStream) {
  reader_.stream->want_read(true);
  EXPECT_EQ(reader_.write("bye").status, Status::kOk);
  reader_.stream.reset();
  EXPECT_TRUE(peer_.is_closed());
  EXPECT_FALSE(peer_.wants_read());
  EXPECT_EQ(peer_.written(), "bye");
  peer_.send("nobody reads this");
  EXPECT_TRUE(peer_.has_unread_input());
}

}  // namespace
}  // namespace anteroom::test
