// What clients read through a front-end while others write, is judged by what was written: test/support/history.hpp
// lists the rules.
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <random>

#include "support/history_run.hpp"

namespace anteroom::test {
namespace {

// What the front-end promises by default. HISTORY_CONSISTENCY=ttl and HISTORY_SEED=... change a run by hand.
constexpr std::string_view kConsistency = "tracking";

std::string consistency() {
  const char* given = std::getenv("HISTORY_CONSISTENCY");
  return given != nullptr ? given : std::string{kConsistency};
}

std::uint64_t any_seed() {
  const char* given = std::getenv("HISTORY_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
}

/// Faults short enough for a short test. Behind a cache with TTLs only, nobody else may write.
HistoryRun::Options options_for(const std::string& consistency) {
  return {.consistency = consistency,
          .seed = any_seed(),
          .has_direct_writer = consistency != "ttl",
          .are_mixed_reads_ordered = consistency == "tracking",
          .longest_stop = milliseconds{600},
          .longest_freeze = milliseconds{1'300}};
}

HistoryReport run_for(HistoryRun& run, milliseconds lasting) {
  const Deadline deadline{lasting};
  while (!deadline.is_over()) run.run_round();
  run.compare_at_rest();
  HistoryReport report = run.report();
  std::cout << to_json(report);
  return report;
}

TEST(History, NoViolationWithoutFaults) {
  HistoryRun::Options options = options_for(consistency());
  options.has_faults = false;
  HistoryRun run(options);
  ASSERT_TRUE(run.start());

  const HistoryReport report = run_for(run, milliseconds{5'000});

  EXPECT_EQ(report.violations, 0U) << run.explain();
  EXPECT_GT(report.hits, 0U);
}

TEST(History, NoViolationWithFaults) {
  HistoryRun run(options_for(consistency()));
  ASSERT_TRUE(run.start());

  const HistoryReport report = run_for(run, milliseconds{14'000});

  EXPECT_EQ(report.violations, 0U) << run.explain();
  EXPECT_GT(report.hits, 0U);
  EXPECT_GT(report.faults.size(), 5U);
}

/// Everything is forwarded: what is found here is the fault of this test, or of forwarding, and not of the cache.
TEST(History, NoViolationWithFaultsAndWithoutACache) {
  HistoryRun run(options_for("off"));
  ASSERT_TRUE(run.start());

  const HistoryReport report = run_for(run, milliseconds{6'000});

  EXPECT_EQ(report.violations, 0U) << run.explain();
  EXPECT_EQ(report.hits, 0U);
}

/// The proof that they can fail: a front-end that only knows TTLs cannot notice what others write.
TEST(History, DirectWritesBehindACacheWithTtlsOnlyAreFoundStale) {
  HistoryRun::Options options = options_for("ttl");
  options.has_faults = false;
  options.has_front_writer = false;
  options.has_direct_writer = true;
  options.round = milliseconds{4'000};  // in which a value has the time to grow old
  HistoryRun run(options);
  ASSERT_TRUE(run.start());

  // On a slow machine it may take longer until a value is left alone for a second.
  const Deadline deadline{milliseconds{40'000}};
  do {
    run.run_round();
  } while (run.violation_count(Rule::kStaleness) == 0 && !deadline.is_over());
  const HistoryReport report = run_for(run, milliseconds{0});

  EXPECT_GT(run.violation_count(Rule::kStaleness), 0U);
  EXPECT_GT(run.violation_count(Rule::kDiffersAtRest), 0U);
  EXPECT_GT(report.staleness_max, 1'000 * kMillisecond);
  EXPECT_EQ(run.violation_count(Rule::kReadYourWrites), 0U) << run.explain();
  EXPECT_EQ(run.violation_count(Rule::kServerDisagrees), 0U) << run.explain();
}

}  // namespace
}  // namespace anteroom::test
