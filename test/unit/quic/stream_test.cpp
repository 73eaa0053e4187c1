// Streams beyond the life of what carried them.
#include "quic/stream.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string>

#include "support/quic_rig.hpp"

namespace anteroom::quic {
namespace {

using Status = net::IoResult::Status;

class QuicStream : public QuicTest {
 protected:
  /// What the first of two streams has received in the very turn in which the second one's first bytes come.
  [[nodiscard]] std::size_t received_before_the_second() {
    const test::Deadline deadline(test::kPatience);
    while (there().streams.size() < 2 || there().streams[1]->received.empty()) {
      if (deadline.is_over()) return SIZE_MAX;
      run_turn();
    }
    return there().streams[0]->received.size();
  }
};

TEST_F(QuicStream, MayOutliveItsEndpoint) {
  StreamEnd& stream = connected().open();
  stream.write("x");
  ASSERT_TRUE(run_until([&] { return stream.received == "x"; }));

  client_.reset();

  EXPECT_FALSE(stream.stream->has_connection());
  EXPECT_EQ(stream.stream->write({}).error, EPIPE);
  EXPECT_EQ(stream.stream->trouble()->stage, net::ConnectStage::kQuic);
}

TEST_F(QuicStream, MayOutliveItsEndpointAfterBothEnds) {
  StreamEnd& stream = connected().open();
  stream.write_and_finish("x");
  ASSERT_TRUE(run_until([&] { return stream.has_ended() && client_counts_.streams.value() == 0; }));

  client_.reset();

  EXPECT_FALSE(stream.stream->has_connection());
  stream.stream->close();
}

TEST_F(QuicStream, UnreadBytesMayOutliveTheEndpointAfterBothEnds) {
  StreamEnd& stream = connected().open();
  stream.read(false);
  stream.write_and_finish("x");
  ASSERT_TRUE(run_until([&] { return client_counts_.streams.value() == 0; }));

  client_.reset();
  stream.read(true);

  EXPECT_TRUE(run_until([&] { return stream.has_ended(); }));
  EXPECT_EQ(stream.received, "x");
  EXPECT_EQ(stream.end->status, Status::kClosed);
}

TEST_F(QuicStream, ResetStreamMayOutliveItsEndpoint) {
  StreamEnd& stream = connected().open();
  stream.write("x");
  ASSERT_TRUE(run_until([&] { return stream.received == "x"; }));
  stream.stream->reset(ErrorCode::kCancelled);
  pass(test::kQuietTime);

  client_.reset();

  EXPECT_FALSE(stream.stream->has_connection());
}

// On a path that is full every reply would be late if they shared each flight.
TEST_F(QuicStream, OneIsSentWholeBeforeTheNext) {
  options_.datagram_bytes_max = 1200;
  const std::string reply(15'000, 'r');  // a flight or two, and one read
  Side& client = connected();
  StreamEnd& first = client.open();
  StreamEnd& second = client.open();

  first.write(reply);
  second.write(reply);

  EXPECT_EQ(received_before_the_second(), reply.size());
}

TEST_F(QuicStream, LargeOneDoesNotHoldUpOthers) {
  options_.datagram_bytes_max = 1200;
  Side& client = connected();
  StreamEnd& large = client.open();
  StreamEnd& small = client.open();

  large.write(std::string(200'000, 'l'));
  small.write("s");

  EXPECT_LT(received_before_the_second(), 100'000u);
}

// ngtcp2 ends our side by itself then, so that no attempt to write tells.
TEST_F(QuicStream, WriterHearsThatThePeerHasClosedAStreamWithoutReadingIt) {
  options_.stream_window = 64 << 10;
  StreamEnd& stream = connected().open();
  stream.write("x");
  ASSERT_TRUE(run_until([&] { return stream.received == "x"; }));
  stream.read(false);
  StreamEnd& far = *there().streams.back();
  far.echoes = false;
  far.write(std::string(2 << 20, 'y'));
  pass(test::kQuietTime);

  stream.stream->close();

  EXPECT_TRUE(run_until([&] { return far.write_error == EPIPE; }));
}

}  // namespace
}  // namespace anteroom::quic
