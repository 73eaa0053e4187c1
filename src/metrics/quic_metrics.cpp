#include "metrics/quic_metrics.hpp"

#include <algorithm>
#include <numeric>

namespace anteroom::metrics {
namespace {

using M = QuicMetrics;

template <auto Member>
constexpr std::int64_t read(const M& metrics) {
  return static_cast<std::int64_t>((metrics.*Member).value());
}

template <std::size_t Code>
constexpr std::int64_t resets(const M& metrics) {
  return static_cast<std::int64_t>(metrics.resets_by_code[Code].value());
}

struct Field {
  std::string_view name;
  std::int64_t (*value)(const M&);
  bool is_of_a_path = false;
};

constexpr auto kFields = std::to_array<Field>({
    {"connections", read<&M::connections>},
    {"handshakes", read<&M::handshakes>},
    {"handshake_failures", read<&M::handshake_failures>},
    {"resumptions", read<&M::resumptions>},
    {"early_data_taken", read<&M::early_data_taken>},
    {"early_data_refused", read<&M::early_data_refused>},
    {"connections_refused", read<&M::connections_refused>},
    {"connections_not_admitted", read<&M::connections_not_admitted>},
    {"connections_lost", read<&M::connections_lost>},
    {"migrations", read<&M::migrations>},
    {"streams", read<&M::streams>},
    {"streams_opened", read<&M::streams_opened>},
    {"streams_refused", read<&M::streams_refused>},
    {"resets_sent", read<&M::resets_sent>},
    {"resets_received", read<&M::resets_received>},
    // Received, by quic::ErrorCode.
    {"resets_none", resets<0>},
    {"resets_upstream_refused", resets<1>},
    {"resets_upstream_timeout", resets<2>},
    {"resets_limit", resets<3>},
    {"resets_shutting_down", resets<4>},
    {"resets_upstream_lost", resets<5>},
    {"resets_cancelled", resets<6>},
    {"resets_other", resets<7>},
    {"rtt_us", read<&M::rtt_us>, true},
    {"cwnd_bytes", read<&M::cwnd_bytes>, true},
    {"packets_lost", read<&M::packets_lost>},
    {"datagrams_sent", read<&M::datagrams_sent>},
    {"datagrams_received", read<&M::datagrams_received>},
    {"bytes_sent", read<&M::bytes_sent>},
    {"bytes_received", read<&M::bytes_received>},
    {"send_calls", read<&M::send_calls>},
    {"receive_calls", read<&M::receive_calls>},
    {"send_blocked", read<&M::send_blocked>},
    {"datagrams_unsent", read<&M::datagrams_unsent>},
    {"bad_datagrams", read<&M::bad_datagrams>},
    {"version_negotiations", read<&M::version_negotiations>},
    {"retries", read<&M::retries>},
    {"bad_tokens", read<&M::bad_tokens>},
    {"stateless_resets", read<&M::stateless_resets>},
    {"stateless_resets_received", read<&M::stateless_resets_received>},
    {"over_budget", read<&M::over_budget>},
});

}  // namespace

std::vector<QuicFigure> quic_figures(std::span<const QuicMetrics* const> workers) {
  const auto sum = [workers](std::int64_t (*value)(const M&)) {
    return std::accumulate(workers.begin(), workers.end(), std::int64_t{0},
                           [value](std::int64_t so_far, const M* worker) { return so_far + value(*worker); });
  };
  const std::int64_t connections = std::max<std::int64_t>(1, sum(read<&M::connections>));
  std::vector<QuicFigure> out;
  out.reserve(kFields.size());
  for (const Field& field : kFields) {
    out.push_back({field.name, sum(field.value) / (field.is_of_a_path ? connections : 1)});
  }
  return out;
}

}  // namespace anteroom::metrics
