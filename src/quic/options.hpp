#pragma once

#include <cstddef>
#include <cstdint>

#include "base/clock.hpp"
#include "net/udp_socket.hpp"

namespace anteroom::quic {

enum class Congestion : std::uint8_t { kCubic, kBbr, kReno };

/// max_ack_delay (RFC 9000, section 18.2): how long acknowledgements may wait, timers that are late included. The peer
/// waits so much longer before it asks for one (RFC 9002, section 6.2.1), so a packet that was lost with none behind it
/// is sent again that much later.
inline constexpr base::Milliseconds kAckDelayAnnounced{10};

/// How one side of a connection behaves. What the windows are worth is measured in test/bench/README.md.
struct Options {
  Congestion congestion = Congestion::kCubic;
  bool pacing = true;

  /// Bytes of one stream that the peer may send ahead of its reader.
  std::uint64_t stream_window = 256 << 10;
  /// The same of all streams of a connection together.
  std::uint64_t connection_window = 4 << 20;
  /// Bytes received and not yet read, of all streams of a connection: up to here a stream whose reader is slow takes
  /// nothing from the others, beyond it all wait.
  std::uint64_t unread_bytes_max = 16 << 20;
  /// Bytes of one stream that are held for sending, those not yet acknowledged included; then its writer waits.
  std::size_t send_bytes_max = 512 << 10;
  /// Streams that the peer may have open at a time.
  std::uint64_t streams_max = 1024;

  base::Milliseconds handshake_timeout{2000};
  base::Milliseconds idle_timeout{30'000};
  /// Silence of the peer, while something is under way to it, after which a client gives it up and tries anew; 0:
  /// never.
  base::Milliseconds silence_timeout{5'000};
  /// Silence after which the peer is asked whether it is there; 0: never. Clients only.
  base::Milliseconds keep_alive{10'000};

  /// UDP payload of a datagram at most. What the path carries is found out by probes (RFC 9000, section 14.3); larger
  /// ones than Ethernet's save up to half of the processor time of large values, on loopback and jumbo networks.
  std::size_t datagram_bytes_max = 32'000;

  /// How long acknowledgements that have nothing to carry them wait, well below kAckDelayAnnounced, and for how many
  /// packets.
  struct AckPatience {
    base::Milliseconds delay{};
    unsigned packets = 0;
  };
  /// Where round trips are below 2 ms nobody waits for acknowledgements, and timers that are near cost as much as a
  /// packet. The other timers of a connection wait with them, so that a loss that only time tells (the last packet of a
  /// burst) is found that much later. Where they are longer ngtcp2 alone decides: every second packet, or an eighth of
  /// a round trip, for BBR takes what it hears of late for what the path does not carry.
  AckPatience acks_near{.delay = base::Milliseconds(5), .packets = 8};

  /// A client's: with a ticket of a server that allows it, what streams say first goes with the first flight (0-RTT).
  /// Somebody who overhears it can have it come in again, so that it must do no harm twice.
  bool early_data = false;

  net::UdpSocket::Features socket{};
};

}  // namespace anteroom::quic
