// Requests to a server of RESP or of memcached's text protocol, in a closed or an open loop. For test/bench/compare.py,
// which starts the servers and knows their processor time: the window that is measured lies exactly between the lines
// "warm" and the JSON. `kv_load --help` says the rest.
#include <poll.h>
#include <sys/prctl.h>

#include <algorithm>
#include <cstdio>
#include <string_view>
#include <utility>
#include <vector>

#include "kv_load/load.hpp"
#include "kv_load/options.hpp"
#include "kv_load/posix.hpp"
#include "kv_load/program.hpp"
#include "kv_load/replies.hpp"
#include "kv_load/requests.hpp"

namespace {

using namespace anteroom::kv_load;

constexpr int kPatienceMs = 5'000;

void print_sizes(const Options& options) {
  const KeyFormat keys = KeyFormat::of(options.prefix, options.draws.keys);
  const auto [protocol, value_bytes] = std::pair(options.protocol, options.value_bytes);
  if (options.draws.sets_percent == 100) {
    std::printf("%zu %zu\n", RequestForm::set(protocol, keys, value_bytes).bytes(), reply_bytes_of_set(protocol));
    return;
  }
  constexpr std::string_view kPttl = ":-1\r\n";  // what the load writes never expires
  const std::size_t more = options.has_pttl ? kPttl.size() : 0;
  std::printf("%zu %zu\n", form_of_read(options).bytes(),
              more + reply_bytes(protocol, keys, value_bytes, options.mget));
}

/// One request to which any server answers, and its reply.
void ping(const Connection& connection, Protocol protocol) {
  const std::string_view request = protocol == Protocol::kResp ? "*1\r\n$4\r\nPING\r\n" : "version\r\n";
  if (::send(connection.fd(), request.data(), request.size(), MSG_NOSIGNAL) < 0) die_of_errno("a PING was not sent");
  ReplyScanner scanner(protocol);
  while (true) {
    pollfd readable{.fd = connection.fd(), .events = POLLIN, .revents = 0};
    if (::poll(&readable, 1, kPatienceMs) == 0) die("no reply to a PING for 5 s");
    char bytes[1024];
    const ssize_t got = ::recv(connection.fd(), bytes, sizeof bytes, 0);
    if (got <= 0) die("a connection was lost before its PING was answered");
    std::string_view rest(bytes, static_cast<std::size_t>(got));
    const ReplyScanner::Step step = scanner.next(rest);
    if (step == ReplyScanner::Step::kStatus) return;
    if (step != ReplyScanner::Step::kNeedMore) die("a PING was answered with " + scanner.first_error());
  }
}

void be_idle(const Options& options) {
  std::vector<Connection> connections;
  connections.reserve(options.connections);
  for (std::size_t i = 0; i < options.connections; ++i) {
    connections.emplace_back(connect_to(options.place), ReplyScanner(options.protocol), 1);
    ping(connections.back(), options.protocol);
  }
  std::puts("idle");
  std::fflush(stdout);
  char byte = 0;
  while (::read(STDIN_FILENO, &byte, 1) > 0) continue;
  std::size_t lost = 0;
  for (const Connection& connection : connections) {
    const ssize_t got = ::recv(connection.fd(), &byte, 1, MSG_PEEK);
    if (got == 0 || (got < 0 && errno != EAGAIN)) ++lost;
  }
  if (lost > 0) die(std::to_string(lost) + " connections were lost");
}

void measure(const Options& options) {
  Load load(options);
  load.measure();
  // Whoever reads the servers' clocks at the line of JSON has not to race with the end of these connections.
  constexpr useconds_t kPauseUs = 20'000;
  ::usleep(kPauseUs);
}

void fill(Options options) {
  // More of them are no faster: what each has under way is enough for the server.
  options.connections = std::min<std::size_t>(options.connections, 4);
  Load(options).fill();
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse_options({argv + 1, static_cast<std::size_t>(argc - 1)});
  if (options.core >= 0) pin_to_core(options.core);
  // The kernel lets timers be 50 us late otherwise, and an open loop waits for each request's time.
  ::prctl(PR_SET_TIMERSLACK, 1UL);
  allow_many_files();
  switch (options.mode) {
    case Options::Mode::kLoad:
      measure(options);
      break;
    case Options::Mode::kFill:
      fill(options);
      break;
    case Options::Mode::kIdle:
      be_idle(options);
      break;
    case Options::Mode::kPrintSizes:
      print_sizes(options);
      break;
  }
}
