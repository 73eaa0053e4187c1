#pragma once

#include <sys/types.h>

#include <cstdint>
#include <expected>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "support/deadline.hpp"

namespace anteroom::test {

/// How a process ended: by exit(code) or by a signal.
struct ExitStatus {
  int code = -1;
  int signal = 0;
  bool operator==(const ExitStatus&) const = default;
};

std::string to_string(ExitStatus status);

struct SpawnOptions {
  std::vector<std::string> argv{};  ///< argv[0] is looked up in PATH
  std::map<std::string, std::string>
      environment{};  ///< added to ours, from which the program's own names are taken out
  std::string input_path = "/dev/null";
  std::string output_path = "/dev/null";
  std::string error_path = "/dev/null";  ///< may equal output_path
  std::uint64_t open_files_max = 0;      ///< RLIMIT_NOFILE; 0 = ours
};

/// One child process. The owner of the object owns the process: destruction kills and reaps it, and it dies with us.
class Process {
 public:
  Process() = default;
  Process(Process&& other) noexcept;
  Process& operator=(Process&& other) noexcept;
  ~Process();

  /// The error says what could not be started and why.
  [[nodiscard]] static std::expected<Process, std::string> spawn(const SpawnOptions& options);

  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] bool is_running();
  void send_signal(int signal) const;

  /// The exit status, or nothing when the process still runs after `patience`.
  [[nodiscard]] std::optional<ExitStatus> wait(milliseconds patience = kPatience);

  /// SIGTERM, then SIGKILL when that did not help within `patience`.
  ExitStatus stop(milliseconds patience = kPatience);

 private:
  pid_t pid_ = -1;
  int pidfd_ = -1;
  std::optional<ExitStatus> ended_;
};

/// What a program that ran to its end left behind.
struct Finished {
  ExitStatus status{};
  bool is_timed_out = false;
  std::string output{};
  std::string errors{};
};

struct RunOptions {
  std::map<std::string, std::string> environment{};
  std::string input{};
  milliseconds patience = 3 * kPatience;
};

/// Runs a program to its end and collects what it printed.
[[nodiscard]] Finished run(const std::vector<std::string>& argv, const RunOptions& options = {});

}  // namespace anteroom::test
