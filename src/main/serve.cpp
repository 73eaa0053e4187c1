#include "main/serve.hpp"

#include <cstdio>

#include "base/log.hpp"
#include "server/server.hpp"

namespace anteroom::app {
namespace {

constexpr int kExitBadOptions = 2;

int refuse(const std::string& why) {
  std::fprintf(stderr, "anteroom: %s\n", why.c_str());
  return kExitBadOptions;
}

}  // namespace

int run_serve(const config::Options& options) {
  log::Options log_options;
  log_options.level = options.log.level;
  log_options.format = options.log.format;
  log_options.file = options.log.file;
  if (const auto opened = log::init(log_options); !opened)
    return refuse(config::name_and_source(options, "log.file") + ": " + opened.error());

  auto server = server::Server::create(options);
  if (!server) {
    log::shutdown();
    return refuse(server.error());
  }
  (*server)->run();
  server->reset();
  log::shutdown();
  return 0;
}

}  // namespace anteroom::app
