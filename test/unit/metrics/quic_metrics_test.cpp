#include "metrics/quic_metrics.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <optional>

namespace anteroom::metrics {
namespace {

std::optional<std::int64_t> figure(std::span<const QuicMetrics* const> workers, std::string_view name) {
  const std::vector<QuicFigure> figures = quic_figures(workers);
  const auto found = std::ranges::find(figures, name, &QuicFigure::name);
  return found == figures.end() ? std::nullopt : std::optional(found->value);
}

TEST(QuicMetrics, CountsAreSumsAndPathsAreMeans) {
  QuicMetrics one;
  one.connections.set(1);
  one.handshakes.add(5);
  one.rtt_us.set(20'000);
  QuicMetrics other;
  other.connections.set(3);
  other.handshakes.add(2);
  other.rtt_us.set(40'000);
  const std::array<const QuicMetrics*, 2> both{&one, &other};

  EXPECT_EQ(figure(both, "handshakes"), 7);
  EXPECT_EQ(figure(both, "connections"), 4);
  EXPECT_EQ(figure(both, "rtt_us"), 15'000);
}

TEST(QuicMetrics, WithoutAConnectionThereIsNoPath) {
  const QuicMetrics none;
  const std::array<const QuicMetrics*, 1> all{&none};

  EXPECT_EQ(figure(all, "rtt_us"), 0);
  EXPECT_EQ(figure(all, "cwnd_bytes"), 0);
}

}  // namespace
}  // namespace anteroom::metrics
