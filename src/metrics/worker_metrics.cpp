#include "metrics/worker_metrics.hpp"

#include <array>

namespace anteroom::metrics {
namespace {

template <auto Member>
constexpr std::int64_t read(const WorkerMetrics& metrics) {
  return static_cast<std::int64_t>((metrics.*Member).value());
}

using M = WorkerMetrics;
constexpr auto kFields = std::to_array<InfoField>({
    {"connected_clients", read<&M::connected_clients>},
    {"total_connections_received", read<&M::connections_received>},
    {"clients_closed_idle", read<&M::clients_closed_idle>},
    {"clients_closed_preauth", read<&M::clients_closed_preauth>},
    {"clients_closed_output_limit", read<&M::clients_closed_output_limit>},
    {"clients_closed_pubsub_limit", read<&M::clients_closed_pubsub_limit>},
    {"clients_closed_output_stall", read<&M::clients_closed_output_stall>},
    {"clients_closed_query_limit", read<&M::clients_closed_query_limit>},
    {"clients_closed_protocol_error", read<&M::clients_closed_protocol_error>},
    {"tls_handshakes", read<&M::tls_handshakes>},
    {"tls_handshake_failures", read<&M::tls_handshake_failures>},
    {"proxy_header_errors", read<&M::proxy_header_errors>},
    {"total_commands_processed", read<&M::commands_processed>},
    {"commands_local", read<&M::commands_local>},
    {"commands_forwarded", read<&M::commands_forwarded>},
    {"commands_refused", read<&M::commands_refused>},
    {"total_net_input_bytes", read<&M::net_input_bytes>},
    {"total_net_output_bytes", read<&M::net_output_bytes>},
    {"fills_sent", read<&M::fills_sent>},
    {"fill_waiters", read<&M::fill_waiters>},
    {"fill_errors", read<&M::fill_errors>},
    {"fills_repeated", read<&M::fills_repeated>},
    {"fills_too_large", read<&M::fills_too_large>},
    {"fill_timeouts", read<&M::fill_timeouts>},
    {"fences", read<&M::fences>},
    {"coherence_losses", read<&M::coherence_losses>},
    {"invalidations", read<&M::invalidations>},
    {"invalidations_of_all", read<&M::invalidations_of_all>},
    {"memory_client_input_bytes", read<&M::client_input_bytes>},
    {"memory_client_output_bytes", read<&M::client_output_bytes>},
    {"memory_link_queue_bytes", read<&M::link_queue_bytes>},
    {"pubsub_clients", read<&M::pubsub_clients>},
    {"pubsub_topics", read<&M::pubsub_topics>},
    {"pubsub_messages", read<&M::pubsub_messages>},
    {"pubsub_resubscriptions", read<&M::pubsub_resubscriptions>},
    {"monitors", read<&M::monitors>},
    {"upstream_links", read<&M::upstream_links>},
    {"pinned_links", read<&M::pinned_links>},
    {"upstream_dials", read<&M::upstream_dials>},
    {"upstream_dial_errors", read<&M::upstream_dial_errors>},
    {"upstream_losses", read<&M::upstream_losses>},
    {"upstream_timeouts", read<&M::upstream_timeouts>},
    {"upstream_pending", read<&M::upstream_pending>},
});

}  // namespace

std::span<const InfoField> info_fields() noexcept { return kFields; }

}  // namespace anteroom::metrics
