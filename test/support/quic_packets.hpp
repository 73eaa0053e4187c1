#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "net/event_loop.hpp"
#include "net/tls_context.hpp"
#include "quic/endpoint.hpp"
#include "support/quic_rig.hpp"
#include "support/udp_peer.hpp"

namespace anteroom::test {

/// Who takes any certificate.
inline net::TlsOptions trusting_client(std::vector<std::string> protocols = {"redis"}) {
  return {.role = net::TlsOptions::Role::kClient,
          .verify = net::TlsOptions::Verify::kNone,
          .protocols = std::move(protocols),
          .for_quic = true};
}

/// The first datagram of a client, which then says no more: whole, and each time another one.
inline std::string client_initial(net::EventLoop& loop, const net::TlsOptions& tls = trusting_client()) {
  UdpPeer nobody;
  auto context = net::TlsContext::create(tls);
  EXPECT_TRUE(context.has_value());
  quic::Side side;
  metrics::QuicMetrics counts;
  auto client = quic::Endpoint::connect(loop, loopback(nobody.port()), {}, *context, "", {}, side, counts);
  EXPECT_TRUE(client.has_value());
  loop.next_turn([&loop] { loop.stop(); });
  loop.run();
  std::string datagram = nobody.next();
  EXPECT_GE(datagram.size(), 1200U);
  return datagram;
}

// A long header (RFC 8999): flags, four bytes of version, and two ids, each behind its length.
inline constexpr std::size_t kLongIdAt = 5;

inline std::string long_header(std::uint32_t version, std::string_view to, std::string_view from, std::size_t size) {
  std::string out = "\xc0";
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(version >> shift);
  out += static_cast<char>(to.size());
  out += to;
  out += static_cast<char>(from.size());
  out += from;
  out.resize(size, '\0');
  return out;
}
inline std::uint32_t version_of(std::string_view packet) {
  std::uint32_t version = 0;
  for (const char byte : packet.substr(1, 4)) version = version << 8 | static_cast<std::uint8_t>(byte);
  return version;
}
inline std::string_view destination_of(std::string_view packet) {
  return packet.substr(kLongIdAt + 1, static_cast<std::uint8_t>(packet[kLongIdAt]));
}
inline std::string_view source_of(std::string_view packet) {
  const std::size_t at = kLongIdAt + 1 + destination_of(packet).size();
  return packet.substr(at + 1, static_cast<std::uint8_t>(packet[at]));
}

}  // namespace anteroom::test
