// What any server costs at least: the system calls, and nothing between them. For test/bench/compare.py; the other side
// of test/kv_load, whose --print-sizes tells both numbers. `floor_server --help` says the rest.
#include <array>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>

#include "floor_server/answerer.hpp"
#include "floor_server/forwarder.hpp"
#include "floor_server/listener.hpp"
#include "floor_server/sizes.hpp"
#include "kv_load/posix.hpp"
#include "kv_load/program.hpp"

namespace {

using namespace anteroom::floor_server;
using anteroom::kv_load::die;
using anteroom::kv_load::Place;
using anteroom::kv_load::read_number;

constexpr std::string_view kHelp = R"(floor_server: epoll_wait, read and write, in one thread, and nothing else.

  floor_server --port P | --path SOCKET  --request-bytes N --reply-bytes M [--host H] [--forward SOCKET]

For every N bytes that a client sends it gets M, a value of RESP, with one write for all that one read has brought.
With --forward all requests go on to the server at the UNIX socket SOCKET, over one connection, and its replies, which
must all have M bytes, come back. Both numbers are what `kv_load --print-sizes` prints. Prints "ready" once it listens;
runs until SIGTERM.
)";

struct Options {
  Place place;
  Sizes sizes;
  std::string forward_to;
};

struct Setting {
  std::string_view name;
  void (*apply)(Options&, const char*);
};
constexpr std::array kSettings = {
    Setting{"--host", [](Options& o, const char* v) { o.place.host = v; }},
    Setting{"--port", [](Options& o, const char* v) { read_number(v, o.place.port); }},
    Setting{"--path", [](Options& o, const char* v) { o.place.path = v; }},
    Setting{"--request-bytes", [](Options& o, const char* v) { read_number(v, o.sizes.request_bytes); }},
    Setting{"--reply-bytes", [](Options& o, const char* v) { read_number(v, o.sizes.reply_bytes); }},
    Setting{"--forward", [](Options& o, const char* v) { o.forward_to = v; }},
};

Options parse(std::span<char*> arguments) {
  Options options;
  options.place.port = 0;
  for (std::size_t i = 0; i < arguments.size(); i += 2) {
    const std::string_view name = arguments[i];
    if (name == "--help" || name == "-h") {
      std::fputs(kHelp.data(), stdout);
      std::exit(0);
    }
    const Setting* found = nullptr;
    for (const Setting& setting : kSettings) found = setting.name == name ? &setting : found;
    if (found == nullptr) die("unknown option " + std::string(name) + "; see --help");
    if (i + 1 == arguments.size()) die(std::string(name) + " wants a value");
    found->apply(options, arguments[i + 1]);
  }
  constexpr std::size_t kLongest = 64 * 1024 * 1024;
  const auto is_length = [](std::size_t bytes) { return bytes > 0 && bytes <= kLongest; };
  if (options.place.path.empty() && options.place.port == 0) die("--port or --path is missing");
  if (!is_length(options.sizes.request_bytes)) die("--request-bytes must be 1 to 67108864");
  if (!is_length(options.sizes.reply_bytes)) die("--reply-bytes must be 1 to 67108864");
  return options;
}

void say_ready() {
  std::puts("ready");
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse({argv + 1, static_cast<std::size_t>(argc - 1)});
  anteroom::kv_load::allow_many_files();
  const Fd listener = listen_at(options.place);
  if (!options.forward_to.empty()) {
    Place upstream;
    upstream.path = options.forward_to;
    Forwarder forwarder(listener, options.sizes, anteroom::kv_load::connect_to(upstream));
    say_ready();
    forwarder.run();
  }
  const std::string reply = resp_value(options.sizes.reply_bytes);
  if (reply.empty()) die("no value of RESP is " + std::to_string(options.sizes.reply_bytes) + " bytes long");
  Answerer answerer(listener, options.sizes, reply);
  say_ready();
  answerer.run();
}
