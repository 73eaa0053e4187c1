#include "gateway/gateway_metrics.hpp"

#include <array>

namespace anteroom::gateway {
namespace {

using M = GatewayMetrics;

template <auto Member>
constexpr std::int64_t read(const M& metrics) {
  return static_cast<std::int64_t>((metrics.*Member).value());
}

constexpr auto kFields = std::to_array<GatewayField>({
    {"relays", read<&M::relays>},
    {"relays_opened", read<&M::relays_opened>},
    {"relays_refused", read<&M::relays_refused>},
    {"dial_errors", read<&M::dial_errors>},
    {"dial_timeouts", read<&M::dial_timeouts>},
    {"upstream_losses", read<&M::upstream_losses>},
    {"bytes_up", read<&M::bytes_up>},
    {"bytes_down", read<&M::bytes_down>},
});

}  // namespace

std::span<const GatewayField> gateway_fields() noexcept { return kFields; }

}  // namespace anteroom::gateway
