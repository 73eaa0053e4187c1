#include "support/anteroom_process.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "support/ports.hpp"

namespace anteroom::test {

std::string anteroom_binary() {
  const char* program = std::getenv("ANTEROOM_BINARY");
  return program != nullptr ? program : "build/release/anteroom";
}

Finished run_anteroom(std::vector<std::string> arguments, const RunOptions& options) {
  arguments.insert(arguments.begin(), anteroom_binary());
  Finished finished = run(arguments, options);
  const std::string report = sanitizer_report(finished.errors);
  EXPECT_EQ(report, "");
  EXPECT_FALSE(finished.is_timed_out) << finished.output << finished.errors;
  return finished;
}

std::string sanitizer_report(const std::string& output) {
  constexpr std::array<std::string_view, 5> kMarks{"ERROR: AddressSanitizer", "ERROR: LeakSanitizer",
                                                   ": runtime error:", "WARNING: ThreadSanitizer",
                                                   "anteroom: invariant broken"};
  for (const std::string_view mark : kMarks) {
    const std::size_t at = output.find(mark);
    if (at != std::string::npos) return output.substr(output.rfind('\n', at) + 1, 6'000);
  }
  return {};
}

AnteroomProcess::AnteroomProcess(Options options) : options_(std::move(options)), port_(free_port()) {}

AnteroomProcess::~AnteroomProcess() { stop(); }

bool AnteroomProcess::launch() {
  SpawnOptions spawn{.argv = {anteroom_binary(), "serve"},
                     .environment = options_.environment,
                     .output_path = dir_.file("output"),
                     .error_path = dir_.file("output"),
                     .open_files_max = options_.open_files_max};
  const auto add = [&spawn](std::initializer_list<std::string> words) { spawn.argv.insert(spawn.argv.end(), words); };
  if (!options_.config.empty()) add({"--config", dir_.write("anteroom.json", options_.config)});
  if (!options_.upstream.empty()) add({"--upstream", options_.upstream});
  if (options_.has_own_listeners) {
    add({"--port", std::to_string(port_), "--bind", "127.0.0.1", "--unixsocket", dir_.file("front.sock")});
  }
  if (std::ranges::find(options_.arguments, "--workers") == options_.arguments.end()) add({"--workers", "2"});
  spawn.argv.insert(spawn.argv.end(), options_.arguments.begin(), options_.arguments.end());
  auto process = Process::spawn(spawn);
  if (!process) {
    ADD_FAILURE() << process.error() << " (set ANTEROOM_BINARY, or build it first)";
    return false;
  }
  process_ = std::move(*process);
  is_judged_ = false;
  return true;
}

bool AnteroomProcess::start() {
  if (!launch()) return false;
  const auto accepts = [this] {
    return !process_.is_running() ||
           (connect(Transport::kTcp).is_connected() && connect(Transport::kUnix).is_connected());
  };
  if (eventually(accepts) && process_.is_running()) return true;
  ADD_FAILURE() << "anteroom did not start:\n" << output();
  is_any_exit_fine_ = true;
  return false;
}

void AnteroomProcess::stop() {
  if (is_judged_) return;
  judge(process_.stop());
}

void AnteroomProcess::judge(ExitStatus status) {
  is_judged_ = true;
  const std::string text = output();
  const std::string report = sanitizer_report(text);
  if (!report.empty()) ADD_FAILURE() << "sanitizer report of anteroom:\n" << report;
  if (status == ExitStatus{.code = 0} || is_any_exit_fine_) return;
  const std::size_t tail = text.size() > 4'000 ? text.size() - 4'000 : 0;
  ADD_FAILURE() << "anteroom ended with " << to_string(status) << "; its last output:\n" << text.substr(tail);
}

Address AnteroomProcess::address(Transport transport) const {
  if (transport == Transport::kTcp) return {.transport = transport, .port = port_};
  return {.transport = transport, .path = dir_.file("front.sock")};
}

}  // namespace anteroom::test
