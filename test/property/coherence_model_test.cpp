#include <gtest/gtest.h>

#include <chrono>
#include <iostream>

#include "base/log.hpp"
#include "support/sanitizers.hpp"
#include "support/state_explorer.hpp"

namespace anteroom::test {
namespace {

class CoherenceModel : public ::testing::Test {
 protected:
  // Losses of the connection are logged, and there are millions of them.
  CoherenceModel() { EXPECT_TRUE(log::init({.level = log::Level::kError})); }
  ~CoherenceModel() override { log::shutdown(); }

  /// What is found is printed: the number of states, and the way to a violation.
  static Violation explore(const Scope& scope, const cache::Rules& rules = {}) {
    const auto start = std::chrono::steady_clock::now();
    const StateExplorer::Result result = StateExplorer(scope, rules).run();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    std::cout << "[ explored ] " << result.states << " states, " << result.replays << " replays, " << took.count()
              << " s\n"
              << result.trace;
    return result.violation;
  }
};

// --- With all rules ---

TEST_F(CoherenceModel, NoInterleavingShowsAnOlderValue) {
  Scope scope{.foreign_writes = 2, .own_writes = 2, .gets = 4, .losses = 1};
  if (kIsInstrumented) scope = {.foreign_writes = 1, .own_writes = 1, .gets = 3, .losses = 1};

  EXPECT_EQ(explore(scope), Violation::kNone);
}

// What of a write's second drop is left out rests on what the first one saw.
TEST_F(CoherenceModel, NoInterleavingShowsAnOlderValueWheneverTheFirstDropComes) {
  Scope scope{.foreign_writes = 1, .own_writes = 2, .gets = 4, .losses = 1, .first_drop = FirstDrop::kLater};
  if (kIsInstrumented) scope = {.own_writes = 2, .gets = 2, .first_drop = FirstDrop::kLater};

  EXPECT_EQ(explore(scope), Violation::kNone);
}

TEST_F(CoherenceModel, NoInterleavingShowsAnOlderValueWithoutTheFirstDrop) {
  Scope scope{.foreign_writes = 1, .own_writes = 2, .gets = 4, .losses = 1, .first_drop = FirstDrop::kNever};
  if (kIsInstrumented) scope = {.own_writes = 2, .gets = 2, .first_drop = FirstDrop::kNever};

  EXPECT_EQ(explore(scope), Violation::kNone);
}

TEST_F(CoherenceModel, NoHitIsStalerThanTheBound) {
  Scope scope{.foreign_writes = 1, .own_writes = 1, .gets = 2, .losses = 1, .fences = 1, .time = 3};
  if (kIsInstrumented) scope = {.foreign_writes = 1, .gets = 2, .losses = 1, .fences = 1, .time = 3};

  EXPECT_EQ(explore(scope), Violation::kNone);
}

// Whoever joins a fetch gets its value, which may have come long ago with the rest of the stream held up since.
TEST_F(CoherenceModel, NoReadThatJoinsIsStalerThanTheBound) {
  EXPECT_EQ(explore({.foreign_writes = 1, .gets = 2, .fences = 1, .time = 2, .bounds_joins = true}), Violation::kNone);
}

TEST_F(CoherenceModel, MgetGivesValuesOfOneMoment) {
  EXPECT_EQ(explore({.foreign_writes = 2, .gets = 1, .gets_b = 1, .mgets = 3}), Violation::kNone);
}

// --- Without one of them: each is needed, and the model would notice ---

TEST_F(CoherenceModel, WithoutR1AnOldEntryStaysForever) {
  EXPECT_EQ(explore({.foreign_writes = 1, .gets = 1}, {.push_detaches_fills = false}), Violation::kOldForever);
}

TEST_F(CoherenceModel, WithoutR1MgetGivesValuesOfTwoMoments) {
  const Scope scope{.foreign_writes = 1, .gets = 1, .gets_b = 1, .mgets = 1, .checks_entries = false};

  EXPECT_EQ(explore(scope, {.push_detaches_fills = false}), Violation::kTorn);
}

TEST_F(CoherenceModel, WithoutR3AnAcknowledgedWriteIsNotRead) {
  EXPECT_EQ(explore({.own_writes = 1, .gets = 2}, {.ack_drops = false}), Violation::kOldRead);
}

TEST_F(CoherenceModel, WithoutR3AnAcknowledgedWriteIsNotReadWheneverTheFirstDropComes) {
  EXPECT_EQ(explore({.own_writes = 1, .gets = 2, .first_drop = FirstDrop::kLater}, {.ack_drops = false}),
            Violation::kOldRead);
}

TEST_F(CoherenceModel, WithoutR4AReaderJoinsAFetchFromBeforeTheWrite) {
  EXPECT_EQ(explore({.own_writes = 1, .gets = 2}, {.ack_detaches_fills = false}), Violation::kOldRead);
}

TEST_F(CoherenceModel, WithoutR7AnEntryOutlivesTheConnectionThatWatchedIt) {
  const Scope scope{.foreign_writes = 1, .gets = 1, .losses = 1};

  EXPECT_EQ(explore(scope, {.loss_bumps_epoch = false}), Violation::kOldForever);
}

TEST_F(CoherenceModel, WithoutR8AHitHasNoLease) {
  EXPECT_EQ(explore({.gets = 2, .time = 2}, {.lease_limits_hits = false}), Violation::kNoLease);
}

TEST_F(CoherenceModel, WithoutR8AHitIsStalerThanTheBound) {
  const Scope scope{.foreign_writes = 1, .gets = 2, .time = 2, .checks_leases = false};

  EXPECT_EQ(explore(scope, {.lease_limits_hits = false}), Violation::kOldRead);
}

}  // namespace
}  // namespace anteroom::test
