#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <span>
#include <string>
#include <vector>

#include "base/version.hpp"
#include "config/command_line.hpp"
#include "config/describe.hpp"
#include "config/loader.hpp"
#include "main/check.hpp"
#include "main/cli.hpp"
#include "main/gateway.hpp"
#include "main/hash_password.hpp"
#include "main/options.hpp"
#include "main/serve.hpp"
#include "server/users.hpp"

namespace {

using namespace anteroom;

constexpr int kExitBadOptions = 2;

int refuse(const config::Errors& errors) {
  for (const config::Error& error : errors) std::fprintf(stderr, "anteroom: %s\n", error.to_string().c_str());
  return kExitBadOptions;
}

/// Started without them (`2>&-`), the next files opened would get their numbers, and the log would go into one of
/// those.
void open_standard_streams() {
  for (int fd = open("/dev/null", O_RDWR); fd >= 0; fd = dup(fd)) {
    if (fd > STDERR_FILENO) {
      close(fd);
      return;
    }
  }
}

int run(const config::CommandLine& command_line) {
  if (command_line.wants_help) return std::fputs(config::help_text().c_str(), stdout) < 0 ? 1 : 0;
  if (command_line.wants_version) return std::printf("anteroom %s\n", base::kVersion.data()) < 0 ? 1 : 0;
  if (command_line.subcommand == config::Subcommand::kOptions) {
    return command_line.errors.empty() ? app::run_options() : refuse(command_line.errors);
  }
  if (command_line.subcommand == config::Subcommand::kHashPassword) {
    return command_line.errors.empty() ? app::run_hash_password() : refuse(command_line.errors);
  }
  const auto options = config::load(command_line, config::process_environment());
  if (!options) return refuse(options.error());
  if (const std::string problem = server::judge_users(options->auth); !problem.empty()) {
    std::fprintf(stderr, "anteroom: %s\n", problem.c_str());
    return kExitBadOptions;
  }
  if (command_line.subcommand == config::Subcommand::kGateway) return app::run_gateway(*options);
  return command_line.subcommand == config::Subcommand::kCheck ? app::run_check(*options) : app::run_serve(*options);
}

}  // namespace

int main(int argc, char** argv) {
  open_standard_streams();
  // An empty argv is possible (execve) and has no name to leave out.
  const std::vector<std::string> arguments(argv + (argc > 0 ? 1 : 0), argv + argc);
  config::scrub_argv(argc, argv);
  if (!arguments.empty() && arguments.front() == "cli") return app::run_cli(std::span(arguments).subspan(1));
  return run(config::parse_command_line(arguments));
}
