#include "base/log.hpp"

#include <fcntl.h>
#include <pthread.h>
#include <spdlog/async_logger.h>
#include <spdlog/details/thread_pool.h>
#include <spdlog/sinks/sink.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <exception>
#include <memory>
#include <system_error>
#include <utility>

#include "base/log_format.hpp"
#include "base/mutex.hpp"
#include "base/unique_fd.hpp"

namespace anteroom::log {
namespace {

constexpr std::array<std::string_view, 5> kLevelNames{"trace", "debug", "info", "warn", "error"};

/// One write() for a line, so that lines of several processes in one file do not mix. A line that cannot be written is
/// lost: there is no better place to say so.
void write_line(int fd, std::string line) {
  line += '\n';
  std::string_view rest = line;
  while (!rest.empty()) {
    const ssize_t written = ::write(fd, rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
}

/// Where lines go. Immutable but for what the implementations guard themselves; called from any thread.
class Target {
 public:
  Target(Format format, bool has_time) : format_(format), has_time_(has_time) {}
  virtual ~Target() = default;
  Target(const Target&) = delete;
  Target& operator=(const Target&) = delete;

  virtual void put(std::string line) = 0;
  virtual std::expected<void, std::string> reopen() { return {}; }

  [[nodiscard]] Format format() const { return format_; }
  [[nodiscard]] bool has_time() const { return has_time_; }

 private:
  const Format format_;
  const bool has_time_;
};

class StderrTarget final : public Target {
 public:
  explicit StderrTarget(Format format = Format::kLogfmt) : Target(format, true) {}
  void put(std::string line) override { write_line(STDERR_FILENO, std::move(line)); }
};

class CaptureTarget final : public Target {
 public:
  explicit CaptureTarget(Format format) : Target(format, false) {}
  void put(std::string line) override {
    const base::MutexLock lock(mutex_);
    lines_.push_back(std::move(line));
  }
  std::vector<std::string> lines() {
    const base::MutexLock lock(mutex_);
    return lines_;
  }

 private:
  base::Mutex mutex_;
  std::vector<std::string> lines_ ANTEROOM_GUARDED_BY(mutex_);
};

std::expected<base::UniqueFd, std::string> open_file(const std::string& path) {
  base::UniqueFd fd(::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640));
  if (!fd.is_open()) return std::unexpected(path + ": " + std::generic_category().message(errno));
  return fd;
}

/// Writes to a file, or to standard error when the path is empty. Lives on spdlog's thread.
class FileSink final : public spdlog::sinks::sink {
 public:
  FileSink(std::string path, base::UniqueFd fd, Format format)
      : path_(std::move(path)), format_(format), fd_(std::make_shared<base::UniqueFd>(std::move(fd))) {}

  /// The queue whose losses are reported. Set before the first line; its threads, the only callers of log(), are joined
  /// by its destructor, so it outlives every call.
  void watch(spdlog::details::thread_pool& queue) { queue_ = &queue; }

  void log(const spdlog::details::log_msg& message) override {
    const std::shared_ptr<base::UniqueFd> file = current_file();
    const int fd = path_.empty() ? STDERR_FILENO : file->value();
    write_line(fd, std::string(message.payload.data(), message.payload.size()));
    report_dropped(fd);
  }
  void flush() override {}
  void set_pattern(const std::string& /*pattern*/) override {}
  void set_formatter(std::unique_ptr<spdlog::formatter> /*formatter*/) override {}

  std::expected<void, std::string> reopen() {
    if (path_.empty()) return {};
    auto fd = open_file(path_);
    if (!fd) return std::unexpected(std::move(fd.error()));
    auto opened = std::make_shared<base::UniqueFd>(std::move(*fd));
    // The old file is closed outside the lock, by the last who holds it.
    const base::MutexLock lock(mutex_);
    fd_.swap(opened);
    return {};
  }

 private:
  std::shared_ptr<base::UniqueFd> current_file() {
    const base::MutexLock lock(mutex_);
    return fd_;
  }

  void report_dropped(int fd) {
    const std::size_t dropped = queue_->overrun_counter();
    if (dropped == dropped_) return;
    const log::Field added("count", dropped - std::exchange(dropped_, dropped));
    write_line(fd, detail::format_line(format_, {.time = std::chrono::system_clock::now(),
                                                 .level = Level::kWarn,
                                                 .event = "log lines dropped",
                                                 .fields = {&added, 1}}));
  }

  const std::string path_;
  const Format format_;
  spdlog::details::thread_pool* queue_ = nullptr;

  std::size_t dropped_ = 0;  // spdlog's thread only

  base::Mutex mutex_;
  std::shared_ptr<base::UniqueFd> fd_ ANTEROOM_GUARDED_BY(mutex_);
};

/// The process's signals are for its main thread.
void block_signals() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

/// A bounded queue and the thread that empties it. Destruction writes what waits.
class AsyncTarget final : public Target {
 public:
  AsyncTarget(const Options& options, base::UniqueFd fd)
      : Target(options.format, true),
        sink_(std::make_shared<FileSink>(options.file, std::move(fd), options.format)),
        pool_(std::make_shared<spdlog::details::thread_pool>(std::max<std::size_t>(options.queue_lines_max, 1), 1,
                                                             block_signals)),
        logger_(std::make_shared<spdlog::async_logger>("anteroom", sink_, pool_,
                                                       spdlog::async_overflow_policy::overrun_oldest)) {
    sink_->watch(*pool_);
    logger_->set_level(spdlog::level::trace);
  }
  void put(std::string line) override {
    logger_->log(spdlog::level::info, spdlog::string_view_t(line.data(), line.size()));
  }
  std::expected<void, std::string> reopen() override { return sink_->reopen(); }

 private:
  std::shared_ptr<FileSink> sink_;
  std::shared_ptr<spdlog::details::thread_pool> pool_;
  std::shared_ptr<spdlog::async_logger> logger_;
};

struct State {
  base::Mutex mutex;
  std::shared_ptr<Target> target ANTEROOM_GUARDED_BY(mutex) = std::make_shared<StderrTarget>();
  /// Goes before `target` while a ScopedCapture lives.
  std::shared_ptr<CaptureTarget> capture ANTEROOM_GUARDED_BY(mutex);
};

/// Never destroyed, so that destructors of other static objects may log.
State& state() {
  static State& instance = *new State;
  return instance;
}

std::shared_ptr<Target> current_target() {
  const base::MutexLock lock(state().mutex);
  if (state().capture) return state().capture;
  return state().target;
}

void replace_target(std::shared_ptr<Target> target) {
  {
    const base::MutexLock lock(state().mutex);
    state().target.swap(target);
  }
  // The old target writes what it holds, outside the lock.
  target.reset();
}

}  // namespace

std::atomic<Level> detail::threshold{Level::kInfo};

std::string_view to_string(Level level) noexcept { return kLevelNames[static_cast<std::size_t>(level)]; }

void set_level(Level level) noexcept { detail::threshold.store(level, std::memory_order_relaxed); }

void detail::write(Level level, std::string_view event, std::span<const Field> fields) {
  const std::shared_ptr<Target> target = current_target();
  Line line{.time = std::nullopt, .level = level, .event = event, .fields = fields};
  if (target->has_time()) line.time = std::chrono::system_clock::now();
  target->put(format_line(target->format(), line));
}

std::expected<void, std::string> init(const Options& options) {
  base::UniqueFd fd;
  if (!options.file.empty()) {
    auto opened = open_file(options.file);
    if (!opened) return std::unexpected(std::move(opened.error()));
    fd = std::move(*opened);
  }
  std::shared_ptr<Target> target;
  try {
    target = std::make_shared<AsyncTarget>(options, std::move(fd));
  } catch (const std::exception& error) {
    return std::unexpected(std::string("the log's thread cannot be started: ") + error.what());
  }
  replace_target(std::move(target));
  set_level(options.level);
  return {};
}

std::expected<void, std::string> reopen() { return current_target()->reopen(); }

void shutdown() {
  Format format = Format::kLogfmt;
  {
    const base::MutexLock lock(state().mutex);
    format = state().target->format();
  }
  replace_target(std::make_shared<StderrTarget>(format));
}

ScopedCapture::ScopedCapture(Level level, Format format) : level_before_(detail::threshold.load()) {
  auto capture = std::make_shared<CaptureTarget>(format);
  const base::MutexLock lock(state().mutex);
  state().capture.swap(capture);
  set_level(level);
}

ScopedCapture::~ScopedCapture() {
  std::shared_ptr<CaptureTarget> old;
  const base::MutexLock lock(state().mutex);
  state().capture.swap(old);
  set_level(level_before_);
}

std::vector<std::string> ScopedCapture::lines() const {
  std::shared_ptr<CaptureTarget> capture;
  {
    const base::MutexLock lock(state().mutex);
    capture = state().capture;
  }
  return capture ? capture->lines() : std::vector<std::string>{};
}

bool ScopedCapture::has(std::string_view part) const {
  return std::ranges::any_of(lines(),
                             [part](const std::string& line) { return line.find(part) != std::string_view::npos; });
}

}  // namespace anteroom::log
