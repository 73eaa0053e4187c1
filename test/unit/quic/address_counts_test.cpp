#include "quic/address_counts.hpp"

#include <gtest/gtest.h>

namespace anteroom::quic {
namespace {

std::string peer(const char* numeric, std::uint16_t port = 1) {
  return AddressCounts::peer_of(*net::Address::from_numeric(numeric, port));
}

TEST(AddressCounts, PortsOfOneAddressAreOnePeer) {
  EXPECT_EQ(peer("192.0.2.1", 1), peer("192.0.2.1", 2));
  EXPECT_NE(peer("192.0.2.1"), peer("192.0.2.2"));
  EXPECT_EQ(peer("2001:db8::1", 1), peer("2001:db8::1", 2));
}

TEST(AddressCounts, NetworkOfIpv6IsOnePeer) {
  EXPECT_EQ(peer("2001:db8:0:1::1"), peer("2001:db8:0:1:ffff:ffff:ffff:ffff"));
  EXPECT_NE(peer("2001:db8:0:1::1"), peer("2001:db8:0:2::1"));
}

TEST(AddressCounts, WrappedIpv4IsWhatItWraps) { EXPECT_EQ(peer("::ffff:192.0.2.1"), peer("192.0.2.1")); }

TEST(AddressCounts, WhoHasGoneIsForgotten) {
  AddressCounts counts;
  counts.add(peer("192.0.2.1"));
  counts.add(peer("192.0.2.1"));
  counts.add(peer("192.0.2.2"));
  EXPECT_EQ(counts.of(peer("192.0.2.1")), 2U);

  counts.remove(peer("192.0.2.1"));
  counts.remove(peer("192.0.2.1"));
  counts.remove(peer("192.0.2.1"));

  EXPECT_EQ(counts.of(peer("192.0.2.1")), 0U);
  EXPECT_EQ(counts.of(peer("192.0.2.2")), 1U);
}

}  // namespace
}  // namespace anteroom::quic
