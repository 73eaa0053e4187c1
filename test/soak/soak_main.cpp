// The long run: clients read and write through a front-end, and past it, while connections die, the server stops and
// bytes come late, until so many reads have been made or one of them was wrong. `soak --help` lists the flags.
#include <gtest/gtest.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <numeric>
#include <random>
#include <string>
#include <string_view>

#include "support/history_run.hpp"

namespace anteroom::test {
namespace {

std::atomic<bool> is_interrupted{false};

struct Flags {
  std::uint64_t reads = 10'000'000;
  std::uint64_t seconds_max = 1'800;
  std::uint64_t seed = std::random_device{}();
  std::string consistency = "tracking";
  std::string report_path = "test/bench/results/soak.json";
  bool has_faults = true;
  std::string only_fault{};
  bool are_mixed_reads_ordered = true;
};

constexpr std::string_view kHelp = R"(soak: reads and writes through a front-end with faults; ends with status 0 when
all reads were in order.
  --reads N              how many reads (10000000)
  --seconds-max N        more time than this is a failure (1800)
  --seed N               of everything random (a random one; printed)
  --consistency MODE     tracking (default), ttl (then all writes go through the front-end) or off (no cache)
  --report FILE          where the report goes (test/bench/results/soak.json)
  --faults on|off        (on)
  --only-fault KIND      no other fault than this one; the kinds are named in the report
  --mixed-reads on|off   whether GET going back behind an MGET, and so on, is a violation (on) or only counted
The front-end is $ANTEROOM_BINARY or build/release/anteroom, the server redis-server or $REDIS_SERVER_BINARY.
)";

bool set_flag(Flags& flags, std::string_view name, const std::string& value) {
  const auto number = [&value](std::uint64_t& into) {
    char* end = nullptr;
    into = std::strtoull(value.c_str(), &end, 10);
    return !value.empty() && *end == '\0';
  };
  const auto on_off = [&value](bool& into) {
    into = value == "on";
    return into || value == "off";
  };
  if (name == "--reads") return number(flags.reads);
  if (name == "--seconds-max") return number(flags.seconds_max);
  if (name == "--seed") return number(flags.seed);
  if (name == "--faults") return on_off(flags.has_faults);
  if (name == "--mixed-reads") return on_off(flags.are_mixed_reads_ordered);
  if (name == "--only-fault") return !(flags.only_fault = value).empty();
  if (name == "--report") return !(flags.report_path = value).empty();
  if (name != "--consistency") return false;
  flags.consistency = value;
  return value == "tracking" || value == "ttl" || value == "off";
}

/// False when there is something that is no flag or no value for it.
bool parse(int argc, char** argv, Flags& flags) {
  for (int i = 1; i < argc; i += 2) {
    if (i + 1 == argc || !set_flag(flags, argv[i], argv[i + 1])) return false;
  }
  return true;
}

void print_progress(const HistoryReport& report) {
  const auto sum = [](std::uint64_t total, const auto& named) { return total + named.second; };
  const std::uint64_t faults = std::accumulate(report.faults.begin(), report.faults.end(), std::uint64_t{0}, sum);
  std::printf("%6.0f s  %10llu reads  %10llu hits  %8llu writes  %5llu faults  %zu violations\n", report.seconds,
              static_cast<unsigned long long>(report.reads), static_cast<unsigned long long>(report.hits),
              static_cast<unsigned long long>(report.writes), static_cast<unsigned long long>(faults),
              report.violations);
  std::fflush(stdout);
}

/// Rounds until something ends them. Returns what that was; empty when all reads have been made and were in order.
std::string run_to_the_end(HistoryRun& run, const Flags& flags) {
  constexpr double kProgressEvery = 10;
  constexpr double kRestEvery = 20;
  double next_progress = kProgressEvery;
  double next_rest = kRestEvery;
  for (;;) {
    run.run_round();
    HistoryReport report = run.report();
    const bool is_done = report.reads >= flags.reads;
    if (report.violations == 0 && !is_interrupted && (is_done || report.seconds >= next_rest)) {
      run.compare_at_rest();
      report = run.report();
      next_rest = report.seconds + kRestEvery;
    }
    if (report.seconds >= next_progress) {
      print_progress(report);
      next_progress = report.seconds + kProgressEvery;
    }
    if (is_interrupted) return "interrupted";
    if (report.violations > 0) return "violation";
    if (!run.front().is_running()) return "the front-end died";
    if (is_done) return {};
    if (report.seconds > static_cast<double>(flags.seconds_max)) return "not enough reads in the time allowed";
  }
}

bool write_report(const std::string& path, const std::string& json) {
  std::error_code ignored;
  std::filesystem::create_directories(std::filesystem::path{path}.parent_path(), ignored);
  std::ofstream file{path};
  file << json;
  return file.good();
}

int soak(const Flags& flags) {
  std::printf("soak: %llu reads, consistency %s, seed %llu\n", static_cast<unsigned long long>(flags.reads),
              flags.consistency.c_str(), static_cast<unsigned long long>(flags.seed));
  HistoryRun run({.consistency = flags.consistency,
                  .seed = flags.seed,
                  .has_direct_writer = flags.consistency != "ttl",
                  .are_mixed_reads_ordered = flags.are_mixed_reads_ordered,
                  .has_faults = flags.has_faults,
                  .only_fault = flags.only_fault});
  if (!run.start()) return 1;
  const std::string trouble = run_to_the_end(run, flags);
  // A key press on a terminal reaches the children as well, so they may end as they like.
  if (is_interrupted) run.front().expect_any_exit();
  const std::string json = to_json(run.report());
  std::cout << json << run.explain() << std::flush;
  if (!trouble.empty()) {
    const std::string log = run.front().output();
    constexpr std::size_t kShown = 4'000;
    std::cout << "The front-end's last log lines:\n" << log.substr(log.size() - std::min(log.size(), kShown));
  }
  run.front().stop();
  const bool is_clean_end = !testing::UnitTest::GetInstance()->ad_hoc_test_result().Failed();
  if (!write_report(flags.report_path, json)) std::fprintf(stderr, "cannot write %s\n", flags.report_path.c_str());
  std::printf("soak: %s\n", trouble.empty() ? "all reads were in order" : ("FAILED: " + trouble).c_str());
  return trouble.empty() && is_clean_end ? 0 : 1;
}

}  // namespace
}  // namespace anteroom::test

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);  // the helpers of the tests report trouble through it
  const auto stop = [](int) { anteroom::test::is_interrupted = true; };
  std::signal(SIGINT, stop);
  std::signal(SIGTERM, stop);
  anteroom::test::Flags flags;
  if (!anteroom::test::parse(argc, argv, flags)) {
    std::fputs(anteroom::test::kHelp.data(), stderr);
    return 2;
  }
  return anteroom::test::soak(flags);
}
