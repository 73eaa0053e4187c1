#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "metrics/counter.hpp"

namespace anteroom::metrics {

/// What one endpoint of QUIC counts: all connections of a worker in one role. Written by its thread, read by any.
struct QuicMetrics {
  Gauge connections;
  Counter handshakes;          ///< well ended
  Counter handshake_failures;  ///< those that took too long included
  Counter resumptions;         ///< of the handshakes, those by a ticket
  Counter early_data_taken;    ///< of the resumptions, those with requests in the first flight
  Counter early_data_refused;  ///< of a client: those whose requests had to be sent again
  Gauge streams;
  Counter streams_opened;
  Counter streams_refused;  ///< beyond a limit of ours
  Counter resets_sent;
  Counter resets_received;
  /// Of those received, by the codes of quic/error_codes.hpp; the last is of everything else.
  std::array<Counter, 8> resets_by_code{};
  /// Beyond a limit of ours, not allowed, or too late: we stop. Nothing is kept of who is refused, so that each packet
  /// of a first flight counts: a hello that takes two counts twice.
  Counter connections_refused;
  Counter connections_not_admitted;  ///< of those refused: by their address
  Counter connections_lost;          ///< by silence or an error, not by an orderly end
  Counter migrations;                ///< of a client to another address; a server counts those that it has confirmed

  Counter datagrams_sent;
  Counter datagrams_received;
  Counter bytes_sent;
  Counter bytes_received;
  Counter send_calls;
  Counter receive_calls;
  Counter send_blocked;      ///< the socket had no room
  Counter datagrams_unsent;  ///< the network would not have them: too large, unreachable

  // What nobody should send us.
  Counter bad_datagrams;         ///< no QUIC, or of no connection
  Counter version_negotiations;  ///< sent
  Counter retries;               ///< sent
  Counter bad_tokens;
  Counter stateless_resets;           ///< sent
  Counter stateless_resets_received;  ///< from a server that does not know the connection any more
  Counter over_budget;                ///< answers of these kinds that were not given

  // Of the connections there are, taken once a second: sums.
  Gauge rtt_us;
  Gauge cwnd_bytes;
  Counter packets_lost;  ///< with bytes of streams in them, taken once a second
};

/// One figure of INFO and of the gateway's log.
struct QuicFigure {
  std::string_view name;
  std::int64_t value = 0;
};

/// Of several workers together: sums, but for what is of a path (round trip, congestion window), which is the mean of
/// the connections.
[[nodiscard]] std::vector<QuicFigure> quic_figures(std::span<const QuicMetrics* const> workers);

}  // namespace anteroom::metrics
