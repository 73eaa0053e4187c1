// What an endpoint says to addresses that have not proved to be any.
#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "support/quic_packets.hpp"
#include "support/quic_rig.hpp"

namespace anteroom::quic {
namespace {

class QuicStranger : public QuicTest {};

// Ids can be overheard, and senders forged: the packet that tells of the end again and again would go to anybody.
TEST_F(QuicStranger, EndIsNotRepeatedToWhoSendsLessThanAThirdOfIt) {
  listen();
  test::UdpPeer client(server_->local().port());
  client.send(test::client_initial(loop_, test::trusting_client({"h3"})));
  ASSERT_TRUE(run_until([&] { return test::becomes_readable(client.fd(), std::chrono::milliseconds(0)); }));
  const std::string end = client.next();
  ASSERT_LT(end.size(), 100U) << "CONNECTION_CLOSE";
  test::UdpPeer stranger(server_->local().port());

  for (int i = 0; i < 4; ++i) stranger.send("\x40" + std::string(test::source_of(end)));

  EXPECT_TRUE(run_until([&] { return server_counts_.datagrams_received.value() == 5; }));
  pass(std::chrono::milliseconds(20));
  EXPECT_FALSE(stranger.is_amplified()) << stranger.received_bytes << " bytes for " << stranger.sent_bytes;

  stranger.send("\x40" + std::string(test::source_of(end)) + std::string(100, 'x'));
  EXPECT_FALSE(stranger.is_amplified());
  EXPECT_TRUE(run_until([&] { return stranger.received().size() + stranger.received_bytes > 0; }))
      << "who pays is told";
}

}  // namespace
}  // namespace anteroom::quic
