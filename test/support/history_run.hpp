#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "support/faults.hpp"
#include "support/history_checker.hpp"
#include "support/relay.hpp"
#include "support/rig.hpp"
#include "support/workload.hpp"
#include "support/writer.hpp"

namespace anteroom::test {

/// What a run has seen so far.
struct HistoryReport {
  std::uint64_t reads = 0;  ///< through the front-end and answered
  std::uint64_t hits = 0;   ///< as the front-end counts, nil ones included
  std::uint64_t misses = 0;
  std::uint64_t writes = 0;
  std::map<std::string, std::uint64_t> faults{};
  std::map<std::string, std::uint64_t> counts{};  ///< writes by form, errors by kind
  std::size_t violations = 0;
  std::size_t mixed_reads_out_of_order = 0;  ///< where they are allowed, so not among the violations
  std::map<std::string, std::uint64_t> violations_by_rule{};
  Instant staleness_p50 = 0;
  Instant staleness_p99 = 0;
  Instant staleness_max = 0;
  double seconds = 0;
  std::uint64_t seed = 0;
  std::string consistency{};
};
[[nodiscard]] std::string to_json(const HistoryReport& report);

/// A redis-server, a relay, a front-end, clients that read and write, and faults; after each round of some seconds all
/// that was read is judged. The caller's thread must outlive the run (children die with the thread that made them).
class HistoryRun {
 public:
  struct Options {
    std::string consistency = "tracking";  ///< as in the front-end's configuration; "off": without a cache
    milliseconds staleness_max{1'000};
    std::uint64_t seed = 1;
    milliseconds round{2'000};
    std::uint64_t reads_per_round_max = 400'000;
    std::size_t readers = 3;
    bool has_front_writer = true;
    bool has_direct_writer = true;         ///< otherwise a second one through the front-end
    bool are_mixed_reads_ordered = false;  ///< see HistoryChecker::Options
    bool has_faults = true;
    std::string only_fault{};  ///< no other kind than this one, unless it is empty
    milliseconds longest_stop{1'500};
    milliseconds longest_freeze{2'500};
    std::string config{};  ///< of the front-end; made from the above when empty
  };

  explicit HistoryRun(Options options);
  ~HistoryRun();

  /// Starts the processes. False, with a test failure, when that does not work.
  [[nodiscard]] bool start();

  /// Some seconds of everything, and then the judgement about them.
  void run_round();
  /// Everybody stops; what the front-end says about each key is compared with what the server says.
  void compare_at_rest();

  [[nodiscard]] HistoryReport report() const;
  [[nodiscard]] const std::vector<Violation>& violations() const { return checker_.violations(); }
  [[nodiscard]] std::size_t violation_count(Rule rule) const { return checker_.violation_count(rule); }
  /// The first violations with what happened around them, for a person to read.
  [[nodiscard]] std::string explain() const;
  [[nodiscard]] AnteroomProcess& front() { return *front_; }

 private:
  void make_clients();
  void make_faults();
  void work();
  void wait_for_end_of_round() const;
  void collect();
  /// False if a front-end did not answer.
  [[nodiscard]] bool compare_key(std::uint16_t key, std::vector<PersistentClient>& fronts, PersistentClient& server);

  const Options options_;
  RedisServer server_;
  std::unique_ptr<Relay> relay_;
  std::unique_ptr<AnteroomProcess> front_;
  KeySpace keys_;
  WorkloadShared shared_;
  HistoryChecker checker_;
  std::vector<std::unique_ptr<Reader>> readers_;
  std::vector<std::unique_ptr<Writer>> writers_;
  std::unique_ptr<Faults> faults_;
  std::vector<OperationLog> logs_;
  Instant started_ = 0;
  std::uint64_t writes_ = 0;
  std::map<std::string, std::uint64_t> counts_;
};

}  // namespace anteroom::test
