#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "metrics/counter.hpp"

namespace anteroom::gateway {

/// What one worker of the gateway counts beside QUIC itself. Written by its thread only, read by any.
struct GatewayMetrics {
  metrics::Gauge relays;
  metrics::Counter relays_opened;
  metrics::Counter relays_refused;  ///< beyond the limit, or while it shuts down
  metrics::Counter dial_errors;
  metrics::Counter dial_timeouts;
  metrics::Counter upstream_losses;  ///< connections to Redis that broke
  metrics::Counter bytes_up;
  metrics::Counter bytes_down;
};

/// One figure of the log. Values of all workers are summed.
struct GatewayField {
  std::string_view name;
  std::int64_t (*value)(const GatewayMetrics&);
};

[[nodiscard]] std::span<const GatewayField> gateway_fields() noexcept;

}  // namespace anteroom::gateway
