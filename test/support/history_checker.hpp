#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "support/history.hpp"
#include "support/history_versions.hpp"
#include "support/staleness.hpp"

namespace anteroom::test {

/// Judges what clients of front-ends have read by what has been written, from nothing but the times at which requests
/// began and replies had come. Rounds of operations are given one after the other; no operation may reach from one into
/// the next. Memory: the writes of all rounds and the reads of one. Time: n log n of a round's operations.
///
/// A nil may stand for several states (this deletion, that expiry). It is in order if one of them is; and from then on
/// the oldest of those that are in order counts as seen. One thread.
class HistoryChecker {
 public:
  struct Options {
    std::vector<std::uint16_t> group_of_key{};  ///< keys are numbered from 0, and so are groups
    Instant staleness_max = 1'000 * kMillisecond;
    /// What is allowed on top of a time limit, because a front-end looks at the clock once for many requests and may
    /// lose the processor in between.
    Instant clock_margin = 50 * kMillisecond;
    std::size_t front_ends = 1;
    /// Whether a GET may not go back behind an MGET and the other way round: Rule::kMonotonicMixed. COHERENCE R14 does
    /// not promise that where one of them is answered by the server and the other from the cache; then it is only
    /// counted.
    bool are_mixed_reads_ordered = true;
  };

  explicit HistoryChecker(Options options);

  /// All operations of one round, in any order.
  void check_round(std::vector<WriteRecord> writes, std::vector<ReadRecord> reads);

  /// Counts a violation that somebody else has found.
  void add_violation(Violation violation);

  [[nodiscard]] std::size_t violation_count() const { return count_; }
  [[nodiscard]] std::size_t violation_count(Rule rule) const {
    return count_by_rule_.at(static_cast<std::size_t>(rule));
  }
  /// The first kViolationsKept of them.
  [[nodiscard]] const std::vector<Violation>& violations() const { return violations_; }
  /// Reads that broke Rule::kMonotonicMixed where that is allowed.
  [[nodiscard]] std::size_t mixed_reads_out_of_order() const { return mixed_reads_out_of_order_; }
  /// Over all reads through front-ends.
  [[nodiscard]] const StalenessHistogram& staleness() const { return staleness_; }

  static constexpr std::size_t kViolationsKept = 100;
  static constexpr std::size_t kTracesKept = 5;

 private:
  /// The oldest states that each rule allows a read to show.
  struct Floors {
    Position acknowledged;  ///< by this front-end; by anybody for a direct read
    Position shown;
    Position shown_otherwise;  ///< the first state where that is no rule
    Position program;
    Position bound;
    [[nodiscard]] Position highest() const;
  };

  /// The newest states that ended reads have shown: those alone (GET) and those of MGETs.
  using Shown = std::array<Position, 2>;

  void add_writes(std::vector<WriteRecord> writes);
  void check_reads();
  /// Returns the state that the read has shown; the first of all when that is not known.
  [[nodiscard]] Position check_read(const ReadRecord& read, const Floors& floors);
  [[nodiscard]] bool check_existence(const ReadRecord& read, const WriteRecord* write);
  void check_floors(const ReadRecord& read, const Floors& floors, Position got);
  void check_expiry(const ReadRecord& read, const WriteRecord& write);
  [[nodiscard]] Floors floors_of(const ReadRecord& read) const;

  // In history_mget.cpp.
  void check_mgets();
  void check_groups(std::span<const ReadRecord> reads);
  void check_snapshot(std::span<const ReadRecord> reads);

  // In history_trace.cpp.
  [[nodiscard]] std::string trace(const ReadRecord& read) const;
  [[nodiscard]] std::vector<ReadRecord> reads_around(const ReadRecord& read) const;
  [[nodiscard]] std::vector<ReadRecord> newer_reads_before(const ReadRecord& read) const;

  void count_if_out_of_order(const ReadRecord& read, Position got);
  void measure_staleness(const ReadRecord& read, Position got);
  void violate(Rule rule, const ReadRecord& read, std::string what);
  [[nodiscard]] std::uint16_t group_of(const ReadRecord& read) const { return options_.group_of_key.at(read.key); }
  [[nodiscard]] const VersionLog& log_of(const ReadRecord& read) const { return logs_.at(group_of(read)); }

  const Options options_;
  std::vector<VersionLog> logs_;           // by group
  std::vector<std::vector<Shown>> shown_;  // by path and key
  std::vector<ReadRecord> reads_;          // of this round, by start
  std::vector<Position> positions_;        // what reads_ have shown
  std::vector<Violation> violations_;
  std::array<std::size_t, kRuleCount> count_by_rule_{};
  std::size_t count_ = 0;
  std::size_t mixed_reads_out_of_order_ = 0;
  StalenessHistogram staleness_;
};

}  // namespace anteroom::test
