// Streams beyond the life of what carried them.
#include "quic/stream.hpp"

#include <gtest/gtest.h>

#include <cerrno>

#include "support/quic_rig.hpp"

namespace anteroom::quic {
namespace {

using Status = net::IoResult::Status;

class QuicStream : public QuicTest {};

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
