#include "support/process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <string_view>
#include <utility>

#include "support/temp_dir.hpp"

namespace anteroom::test {
namespace {

/// Names that the program under test reads: whoever runs the tests may have set them for another purpose.
bool is_program_variable(std::string_view entry) {
  constexpr std::array<std::string_view, 8> kNames{
      "PORT=",           "CAPACITY=",       "CACHE_TTL=", "CACHE_PERIOD=",
      "REDIS_HOSTNAME=", "REDIS_PASSWORD=", "CONFIG=",    "REDIS_DATABASE="};
  if (entry.starts_with("ANTEROOM_")) return true;
  for (const std::string_view name : kNames) {
    if (entry.starts_with(name)) return true;
  }
  return false;
}

std::vector<std::string> environment_for(const std::map<std::string, std::string>& added) {
  std::vector<std::string> entries;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text{*entry};
    const std::string name{text.substr(0, text.find('='))};
    if (!is_program_variable(text) && !added.contains(name)) entries.emplace_back(text);
  }
  for (const auto& [name, value] : added) entries.emplace_back(name).append("=").append(value);
  return entries;
}

std::vector<char*> pointers_to(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  pointers.reserve(strings.size() + 1);
  for (std::string& text : strings) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

bool redirect(int fd, const char* path, int flags) {
  const int opened = open(path, flags, 0600);
  return opened >= 0 && dup2(opened, fd) >= 0 && (opened == fd || close(opened) == 0);
}

/// Runs in the child between fork and exec: only async-signal-safe calls, no allocation.
void become(const SpawnOptions& options, char** argv, char** envp, int report_fd) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  signal(SIGPIPE, SIG_DFL);
  if (options.open_files_max != 0) {
    const rlimit limit{options.open_files_max, options.open_files_max};
    setrlimit(RLIMIT_NOFILE, &limit);
  }
  constexpr int kAppend = O_WRONLY | O_CREAT | O_APPEND;
  if (redirect(STDIN_FILENO, options.input_path.c_str(), O_RDONLY) &&
      redirect(STDOUT_FILENO, options.output_path.c_str(), kAppend) &&
      redirect(STDERR_FILENO, options.error_path.c_str(), kAppend)) {
    execvpe(argv[0], argv, envp);
  }
  const int error = errno;
  (void)!write(report_fd, &error, sizeof error);
  _exit(127);
}

ExitStatus from_wait_status(int status) {
  if (WIFSIGNALED(status)) return {.code = -1, .signal = WTERMSIG(status)};
  return {.code = WEXITSTATUS(status), .signal = 0};
}

}  // namespace

std::string to_string(ExitStatus status) {
  if (status.signal != 0) return std::string{"signal "} + strsignal(status.signal);
  return "exit " + std::to_string(status.code);
}

Process::Process(Process&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), pidfd_(std::exchange(other.pidfd_, -1)), ended_(other.ended_) {}

Process& Process::operator=(Process&& other) noexcept {
  std::swap(pid_, other.pid_);
  std::swap(pidfd_, other.pidfd_);
  std::swap(ended_, other.ended_);
  return *this;
}

Process::~Process() {
  if (pid_ < 0) return;
  if (is_running()) {
    send_signal(SIGKILL);
    (void)wait();
  }
  close(pidfd_);
}

std::expected<Process, std::string> Process::spawn(const SpawnOptions& options) {
  std::vector<std::string> argv = options.argv;
  std::vector<std::string> environment = environment_for(options.environment);
  const std::vector<char*> argv_pointers = pointers_to(argv);
  const std::vector<char*> environment_pointers = pointers_to(environment);
  int report[2];
  if (pipe2(report, O_CLOEXEC) != 0) return std::unexpected(std::string{"pipe2: "} + std::strerror(errno));

  const pid_t pid = fork();
  if (pid == 0) {
    become(options, const_cast<char**>(argv_pointers.data()), const_cast<char**>(environment_pointers.data()),
           report[1]);
  }
  close(report[1]);
  int error = errno;
  const bool is_failed = pid < 0 || read(report[0], &error, sizeof error) > 0;
  close(report[0]);
  if (is_failed) {
    if (pid > 0) waitpid(pid, nullptr, 0);
    return std::unexpected("cannot start " + argv[0] + ": " + std::strerror(error));
  }
  Process process;
  process.pid_ = pid;
  process.pidfd_ = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));  // glibc 2.36 declares no C linkage for it
  return process;
}

bool Process::is_running() { return pid_ > 0 && !wait(milliseconds{0}); }

void Process::send_signal(int signal) const {
  if (pid_ > 0 && !ended_) kill(pid_, signal);
}

std::optional<ExitStatus> Process::wait(milliseconds patience) {
  if (ended_ || pid_ < 0) return ended_;
  pollfd watched{.fd = pidfd_, .events = POLLIN, .revents = 0};
  const Deadline deadline{patience};
  int ready = 0;
  do {
    ready = poll(&watched, 1, deadline.poll_ms());
  } while (ready < 0 && errno == EINTR);
  if (ready <= 0) return std::nullopt;
  int status = 0;
  if (waitpid(pid_, &status, 0) == pid_) ended_ = from_wait_status(status);
  return ended_;
}

ExitStatus Process::stop(milliseconds patience) {
  send_signal(SIGTERM);
  if (!wait(patience)) {
    send_signal(SIGKILL);
    (void)wait();
  }
  return ended_.value_or(ExitStatus{});
}

Finished run(const std::vector<std::string>& argv, const RunOptions& options) {
  const TempDir dir;
  const SpawnOptions spawn_options{.argv = argv,
                                   .environment = options.environment,
                                   .input_path = dir.write("in", options.input),
                                   .output_path = dir.file("out"),
                                   .error_path = dir.file("err")};
  auto process = Process::spawn(spawn_options);
  if (!process) return {.status = {.code = 127}, .errors = process.error()};
  Finished finished;
  if (const auto status = process->wait(options.patience)) {
    finished.status = *status;
  } else {
    finished.is_timed_out = true;
  }
  finished.output = read_file(dir.file("out"));
  finished.errors = read_file(dir.file("err"));
  return finished;
}

}  // namespace anteroom::test
