#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "support/process.hpp"
#include "support/resp_client.hpp"
#include "support/temp_dir.hpp"

namespace anteroom::test {

/// The program under test: $ANTEROOM_BINARY, or build/release/anteroom below the working folder.
[[nodiscard]] std::string anteroom_binary();

/// Runs `anteroom ARGUMENTS` to its end.
[[nodiscard]] Finished run_anteroom(std::vector<std::string> arguments, const RunOptions& options = {});

/// What the sanitizers of the program print when they found something; empty when `output` has nothing of the kind.
[[nodiscard]] std::string sanitizer_report(const std::string& output);

/// One `anteroom serve` with its own loopback port and UNIX socket. Standard output and error go to one file.
/// Destruction stops it; an exit status other than 0 or a sanitizer report is then a failure of the running test.
class AnteroomProcess {
 public:
  struct Options {
    std::string upstream{};                ///< --upstream; left out when empty
    std::vector<std::string> arguments{};  ///< further flags
    std::map<std::string, std::string> environment{};
    std::string config{};           ///< JSON text, given as --config; left out when empty
    bool has_own_listeners = true;  ///< false: no --port, --bind and --unixsocket are given
    std::uint64_t open_files_max = 0;
  };

  explicit AnteroomProcess(Options options);
  ~AnteroomProcess();

  /// Starts it and waits until both listeners accept. False, with a test failure, when that does not happen.
  bool start();
  /// Starts it without waiting for anything. False, with a test failure, when the program cannot be run.
  bool launch();

  /// SIGTERM, waits, and reports a bad end as a test failure.
  void stop();
  /// The next end of the process is not judged by its exit status (sanitizer reports still are).
  void expect_any_exit() { is_any_exit_fine_ = true; }

  [[nodiscard]] bool is_running() { return process_.is_running(); }
  [[nodiscard]] Process& process() { return process_; }
  [[nodiscard]] Address address(Transport transport) const;
  [[nodiscard]] RespClient connect(Transport transport = Transport::kTcp) const {
    return RespClient{address(transport)};
  }
  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] std::string output() const { return read_file(dir_.file("output")); }
  [[nodiscard]] const TempDir& dir() const { return dir_; }

 private:
  void judge(ExitStatus status);

  Options options_;
  TempDir dir_;
  std::uint16_t port_;
  bool is_any_exit_fine_ = false;
  bool is_judged_ = true;
  Process process_;
};

}  // namespace anteroom::test
