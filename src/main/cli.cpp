#include "main/cli.hpp"

#include <cstdio>

#ifdef ANTEROOM_QUIC
#include <chrono>
#include <iostream>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "anteroom/quic_client.hpp"
#include "base/parse_int.hpp"
#include "base/pin.hpp"
#include "client/reply_text.hpp"
#include "resp/inline_args.hpp"
#include "resp/value.hpp"
#else
#include "server/lanes.hpp"
#endif

namespace anteroom::app {
namespace {

constexpr int kExitBadOptions = 2;

int refuse(const std::string& why) {
  std::fprintf(stderr, "anteroom cli: %s\n", why.c_str());
  return kExitBadOptions;
}

#ifdef ANTEROOM_QUIC

constexpr const char* kHelp =
    "Usage: anteroom cli --quic [options] [command [argument ...]]\n"
    "\n"
    "Redis over QUIC, to a gateway or to a listener of type quic. Without a command it reads a script: each line has "
    "a\n"
    "stream of its own, all at the same time, up to an empty line; \" ; \" sets the commands of a pipeline apart.\n"
    "\n"
    "  -h, --host HOST     default 127.0.0.1\n"
    "  -p, --port PORT     of UDP, default 6379\n"
    "  --server-name NAME  whom the certificate must name, default HOST\n"
    "  --cacert FILE       whom to trust; default: whom the system does\n"
    "  --pin sha256:HEX    trust this key alone, as `anteroom gateway --tls-self-signed` prints it\n"
    "  -k, --insecure      trust anybody\n"
    "  --cert FILE         our certificate, with --key FILE\n"
    "  --timeout MS        for the connection, and for each part of the script; default 5000\n"
    "  -v, --verbose       streams and their requests on standard error\n";

struct CliOptions {
  client::QuicOptions quic;
  bool is_verbose = false;
  bool wants_quic = false;
  bool wants_help = false;
  std::vector<std::string> command;
};

class ArgumentReader {
 public:
  explicit ArgumentReader(std::span<const std::string> arguments) : left_(arguments) {}

  /// What is wrong, or nothing.
  std::string read(CliOptions& out) {
    while (!left_.empty() && left_[0].starts_with('-') && problem_.empty()) {
      const std::string name = left_[0];
      left_ = left_.subspan(1);
      take(name, out);
    }
    out.command.assign(left_.begin(), left_.end());
    if (problem_.empty() && !out.wants_help && !out.wants_quic)
      problem_ = "there is only --quic; redis-cli does the rest";
    return problem_;
  }

 private:
  void take(const std::string& name, CliOptions& out) {
    if (!take_switch(name, out) && !take_text(name, out.quic) && !take_number(name, out.quic)) {
      problem_ = "unknown option '" + name + "' (see --help)";
    }
  }
  static bool take_switch(const std::string& name, CliOptions& out) {
    bool* const target = name == "--quic"                       ? &out.wants_quic
                         : name == "--help"                     ? &out.wants_help
                         : name == "-k" || name == "--insecure" ? &out.quic.insecure
                         : name == "-v" || name == "--verbose"  ? &out.is_verbose
                                                                : nullptr;
    if (target != nullptr) *target = true;
    return target != nullptr;
  }
  bool take_text(const std::string& name, client::QuicOptions& quic) {
    std::string* const target = name == "-h" || name == "--host" ? &quic.host
                                : name == "--server-name"        ? &quic.server_name
                                : name == "--cacert"             ? &quic.ca_file
                                : name == "--cert"               ? &quic.certificate_file
                                : name == "--key"                ? &quic.key_file
                                : name == "--pin"                ? &quic.pin
                                                                 : nullptr;
    if (target == nullptr) return false;
    *target = value(name);
    if (target == &quic.pin) quic.pin = pin(quic.pin);
    return true;
  }
  bool take_number(const std::string& name, client::QuicOptions& quic) {
    if (name == "-p" || name == "--port") {
      quic.port = static_cast<std::uint16_t>(number(name, 1, 65'535));
    } else if (name == "--timeout") {
      quic.timeout = std::chrono::milliseconds(number(name, 1, 3'600'000));
    } else {
      return false;
    }
    return true;
  }
  std::string value(const std::string& name) {
    if (left_.empty()) {
      problem_ = name + " needs a value";
      return {};
    }
    std::string out = left_[0];
    left_ = left_.subspan(1);
    return out;
  }
  std::int64_t number(const std::string& name, std::int64_t min, std::int64_t max) {
    const auto parsed = base::parse_int(value(name), min, max);
    if (!parsed && problem_.empty()) {
      problem_ = name + " needs a number from " + std::to_string(min) + " to " + std::to_string(max);
    }
    return parsed.value_or(min);
  }
  std::string pin(const std::string& text) {
    if (auto digits = base::digits_of_pin(text)) return std::move(*digits);
    if (problem_.empty()) problem_ = "--pin needs sha256: and 64 hexadecimal digits";
    return {};
  }

  std::span<const std::string> left_;
  std::string problem_;
};

using Command = client::QuicConnection::Command;
using Pipeline = std::vector<Command>;

/// One stream of the script, with the replies that it has had.
struct Task {
  Pipeline commands;
  std::unique_ptr<client::QuicConnection::Stream> stream{};
  std::vector<std::string> lines{};
  std::size_t due = 0;  ///< replies
};

class Script {
 public:
  Script(client::QuicConnection& connection, const CliOptions& options) : connection_(connection), options_(options) {}

  /// Sends its requests at once.
  void begin(Pipeline commands) {
    tasks_.push_back(std::make_unique<Task>(Task{.commands = std::move(commands)}));
    Task& task = *tasks_.back();
    if (!open_stream(task)) {
      complain("no more streams");
      return;
    }
    task.due = task.commands.size();
    const std::size_t number = ++streams_;
    for (const Command& command : task.commands) {
      say("> ", number, command.front());
      task.stream->query(command, [this, &task, number](std::expected<std::string, client::QuicError> reply) {
        say("< ", number, reply ? std::to_string(reply->size()) + " bytes" : reply.error().text);
        take(task, std::move(reply));
      });
    }
  }

  /// Waits for what was begun, and prints it.
  void settle() {
    if (!connection_.run(options_.quic.timeout)) complain("no reply in time");
    for (const auto& task : tasks_) {
      for (const std::string& line : task->lines) std::printf("%s\n", line.c_str());
    }
    std::fflush(stdout);
    tasks_.clear();
  }

  [[nodiscard]] bool has_failed() const noexcept { return has_failed_; }

 private:
  // More than the other side allows wait for others to end.
  bool open_stream(Task& task) {
    const auto opens = [this, &task] {
      if (task.stream == nullptr) task.stream = connection_.open_stream();
      if (task.stream != nullptr) return true;
      for (const auto& other : tasks_) {
        if (other->due == 0) other->stream.reset();
      }
      return false;
    };
    return opens() || connection_.run_until(opens, options_.quic.timeout);
  }
  void take(Task& task, std::expected<std::string, client::QuicError> reply) {
    if (task.due > 0) --task.due;
    if (!reply) {
      const auto& code = reply.error().reset_code;
      complain(reply.error().text + (code ? " (stream reset, code " + std::to_string(*code) + ")" : ""));
      return;
    }
    const auto value = resp::parse_value(*reply);
    task.lines.push_back(value ? client::reply_text(*value) : "(a reply that is nested too deeply)");
  }
  void say(const char* direction, std::size_t stream, const std::string& what) const {
    if (options_.is_verbose) std::fprintf(stderr, "stream_id=%zu %s%s\n", stream, direction, what.c_str());
  }
  void complain(const std::string& what) {
    std::fprintf(stderr, "anteroom cli: %s\n", what.c_str());
    has_failed_ = true;
  }

  client::QuicConnection& connection_;
  const CliOptions& options_;
  std::vector<std::unique_ptr<Task>> tasks_;
  std::size_t streams_ = 0;
  bool has_failed_ = false;
};

/// Nothing for unbalanced quotes.
std::optional<Pipeline> parse_line(std::string_view line) {
  std::string unquoted;
  std::vector<resp::Slice> slices;
  if (!resp::split_inline(line, unquoted, slices)) return std::nullopt;
  Pipeline out(1);
  for (const resp::Slice& slice : slices) {
    const std::string word = unquoted.substr(slice.begin, slice.size);
    if (word != ";") {
      out.back().push_back(word);
    } else if (!out.back().empty()) {
      out.emplace_back();
    }
  }
  if (out.back().empty()) out.pop_back();
  return out;
}

int run_script(Script& script) {
  for (std::string line; std::getline(std::cin, line);) {
    auto commands = parse_line(line);
    if (!commands) {
      script.settle();  // what was sent has run
      return refuse("unbalanced quotes: " + line);
    }
    if (commands->empty()) {
      script.settle();
    } else if (!commands->front().front().starts_with('#')) {
      script.begin(std::move(*commands));
    }
  }
  script.settle();
  return script.has_failed() ? 1 : 0;
}

#endif

}  // namespace

#ifdef ANTEROOM_QUIC

int run_cli(std::span<const std::string> arguments) {
  CliOptions options;
  if (const std::string problem = ArgumentReader(arguments).read(options); !problem.empty()) return refuse(problem);
  if (options.wants_help) return std::fputs(kHelp, stdout) < 0 ? 1 : 0;
  auto connection = client::QuicConnection::connect(options.quic);
  if (!connection) {
    std::fprintf(stderr, "anteroom cli: %s\n", connection.error().text.c_str());
    return 1;
  }
  Script script(**connection, options);
  if (options.command.empty()) return run_script(script);
  script.begin({options.command});
  script.settle();
  return script.has_failed() ? 1 : 0;
}

#else

int run_cli(std::span<const std::string>) { return refuse(std::string(server::kNoQuic)); }

#endif

}  // namespace anteroom::app
