#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "metrics/counter.hpp"
#include "metrics/quic_metrics.hpp"

namespace anteroom::metrics {

/// Everything one worker counts. Written by its thread only, read by any (INFO). Lives as long as the worker.
struct WorkerMetrics {
  Gauge connected_clients;
  Counter connections_received;
  Counter clients_closed_idle;
  Counter clients_closed_preauth;
  Counter clients_closed_output_limit;
  Counter clients_closed_pubsub_limit;  ///< subscribers and monitors that did not keep up
  Counter clients_closed_output_stall;  ///< did not take their replies
  Counter clients_closed_query_limit;
  Counter clients_closed_protocol_error;
  Counter tls_handshakes;          ///< of clients, well ended
  Counter tls_handshake_failures;  ///< of clients, those that took too long included
  Counter proxy_header_errors;     ///< PROXY headers that were malformed or did not come

  Counter commands_processed;
  Counter commands_local;  ///< answered here without cache or upstream
  Counter commands_forwarded;
  Counter commands_refused;  ///< by a hook, for want of a pinned link, unknown or of wrong arity
  Counter net_input_bytes;
  Counter net_output_bytes;

  Counter reads_left_out;  ///< of the cache, by cache.include and its kin, or too long
  Counter fills_sent;      ///< fetches sent to the upstream
  Counter fill_waiters;    ///< reads that waited for a fetch, the first one included
  Counter fill_errors;
  Counter fills_repeated;   ///< on the link, because the fill connection was lost, silent or had too many waiters
  Counter fills_too_large;  ///< for the fill connection; their readers read them on links
  Counter fill_timeouts;

  // Coherence. A gauge of a state or a time is not summed over workers: INFO shows each.
  Gauge coherence_state;  ///< number of proxy::CoherenceState
  Gauge fence_rtt_us;     ///< of the last fence
  Gauge lease_until_ms;   ///< on the monotonic clock
  Counter fences;
  Counter coherence_losses;                        ///< tracking connections that ended
  std::array<Counter, 5> coherence_transitions{};  ///< into each state, by its number
  Counter invalidations;                           ///< keys that the server announced
  Counter invalidations_of_all;

  // Memory by cause, counted once a second; the cache counts its own.
  Gauge client_input_bytes;   ///< received and not yet run
  Gauge client_output_bytes;  ///< replies and messages not yet taken
  Gauge link_queue_bytes;     ///< requests that the upstream has not taken

  Gauge pubsub_clients;  ///< sessions that have a subscription
  Gauge pubsub_topics;   ///< channels, patterns and shard channels subscribed to at the upstream
  Counter pubsub_messages;
  Counter pubsub_resubscriptions;  ///< of all of them, after a loss
  Gauge monitors;

  Gauge upstream_links;
  Gauge pinned_links;  ///< of those, links that one session has for itself, or had last; counted once a second
  Counter upstream_dials;
  Counter upstream_dial_errors;
  Counter upstream_losses;    ///< established links that ended, but for a stop
  Counter upstream_timeouts;  ///< requests answered with -TIMEOUT
  Gauge upstream_pending;     ///< requests sent or waiting to be sent

  QuicMetrics quic_upstream;
  QuicMetrics quic_clients;
};

/// One line of INFO: its name and how to read it from one worker. Values of all workers are summed.
struct InfoField {
  std::string_view name;
  std::int64_t (*value)(const WorkerMetrics&);
};

/// In the order of INFO's `# anteroom` section.
[[nodiscard]] std::span<const InfoField> info_fields() noexcept;

}  // namespace anteroom::metrics
