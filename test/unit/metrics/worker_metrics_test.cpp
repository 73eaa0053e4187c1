#include "metrics/worker_metrics.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace anteroom::metrics {
namespace {

TEST(WorkerMetrics, FieldNamesAreUniqueAndFitForInfo) {
  std::set<std::string_view> names;
  for (const InfoField& field : info_fields()) {
    EXPECT_TRUE(names.insert(field.name).second) << field.name;
    EXPECT_EQ(field.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_"), std::string_view::npos) << field.name;
  }
}

TEST(WorkerMetrics, EveryFieldReadsACounterOfItsOwn) {
  WorkerMetrics metrics;
  for (const InfoField& field : info_fields()) EXPECT_EQ(field.value(metrics), 0) << field.name;

  metrics.commands_local.add(3);
  metrics.connected_clients.add(5);
  metrics.connected_clients.add(-1);
  for (const InfoField& field : info_fields()) {
    const std::int64_t expected = field.name == "commands_local" ? 3 : field.name == "connected_clients" ? 4 : 0;
    EXPECT_EQ(field.value(metrics), expected) << field.name;
  }
}

}  // namespace
}  // namespace anteroom::metrics
