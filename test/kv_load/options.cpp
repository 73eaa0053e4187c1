#include "kv_load/options.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "kv_load/program.hpp"

namespace anteroom::kv_load {
namespace {

constexpr std::string_view kHelp =
    R"(kv_load: requests to a server of RESP or of memcached's text protocol, and how long they took.

  kv_load --host H --port P | --path SOCKET [OPTION...]

  --protocol resp|memcached   (resp)
  --connections N             (50)
  --pipeline N                requests under way on each connection in a closed loop (1)
  --rate R                    an open loop of R requests a second in all; 0 is a closed loop (0)
  --spacing constant|poisson  of an open loop's requests (constant)
  --warmup S                  before "warm" is printed (0.3)
  --seconds S                 from then until the line of JSON (2)
  --keys N                    how many there are (10000)
  --prefix TEXT               what keys begin with (key:)
  --distribution uniform|zipf of the keys that are asked for (uniform)
  --zipf-exponent X           (0.99)
  --value-bytes N             of values that are written (64)
  --sets P                    percentage of SETs; the others are GETs (0)
  --mget N                    MGETs of N keys in place of GETs; RESP only (0: GETs)
  --pttl                      a PTTL of the same key behind each GET, the two being one request; RESP only, no SETs
  --seed N                    of the order of keys and of Poisson spacing (1)
  --cpu N                     runs on this core only
  --fill                      writes every key once and exits
  --idle                      connects, sends a PING on each connection, prints "idle", waits for standard input's end
  --print-sizes               prints how many bytes a request and its reply have (with --sets 100 a SET, else a GET
                              that finds a value), and exits

Latency counts from when a request was due: in a closed loop from the reply before it, in an open one from its time in
the schedule. An open loop asks whatever is due, with up to 1024 requests (or 1 MB of them) under way on a connection;
"backlog" is what was due at the end and had no reply. "requests" are replies, an MGET being one; "hits" and "misses"
are keys. "errors" are error replies. A lost connection, bytes that are no reply, or 5 s without a reply end the program
with status 1.
)";

/// Which of two words; anything else ends the program.
bool is_second(std::string_view text, std::string_view first, std::string_view second) {
  if (text != first && text != second) {
    die(std::string(text) + " is neither " + std::string(first) + " nor " + std::string(second));
  }
  return text == second;
}

struct Flag {
  std::string_view name;
  void (*apply)(Options&);
};
constexpr std::array kFlags = {
    Flag{"--fill", [](Options& o) { o.mode = Options::Mode::kFill; }},
    Flag{"--idle", [](Options& o) { o.mode = Options::Mode::kIdle; }},
    Flag{"--pttl", [](Options& o) { o.has_pttl = true; }},
    Flag{"--print-sizes", [](Options& o) { o.mode = Options::Mode::kPrintSizes; }},
};

struct Setting {
  std::string_view name;
  void (*apply)(Options&, const char*);
};
constexpr std::array kSettings = {
    Setting{"--host", [](Options& o, const char* v) { o.place.host = v; }},
    Setting{"--port", [](Options& o, const char* v) { read_number(v, o.place.port); }},
    Setting{"--path", [](Options& o, const char* v) { o.place.path = v; }},
    Setting{"--protocol",
            [](Options& o, const char* v) {
              o.protocol = is_second(v, "resp", "memcached") ? Protocol::kMemcached : Protocol::kResp;
            }},
    Setting{"--connections", [](Options& o, const char* v) { read_number(v, o.connections); }},
    Setting{"--pipeline", [](Options& o, const char* v) { read_number(v, o.pipeline); }},
    Setting{"--rate", [](Options& o, const char* v) { read_number(v, o.rate); }},
    Setting{"--spacing",
            [](Options& o, const char* v) {
              o.spacing =
                  is_second(v, "constant", "poisson") ? Schedule::Spacing::kPoisson : Schedule::Spacing::kConstant;
            }},
    Setting{"--warmup", [](Options& o, const char* v) { read_number(v, o.warmup_seconds); }},
    Setting{"--seconds", [](Options& o, const char* v) { read_number(v, o.seconds); }},
    Setting{"--keys", [](Options& o, const char* v) { read_number(v, o.draws.keys); }},
    Setting{"--prefix", [](Options& o, const char* v) { o.prefix = v; }},
    Setting{"--distribution", [](Options& o, const char* v) { o.draws.is_zipf = is_second(v, "uniform", "zipf"); }},
    Setting{"--zipf-exponent", [](Options& o, const char* v) { read_number(v, o.draws.zipf_exponent); }},
    Setting{"--value-bytes", [](Options& o, const char* v) { read_number(v, o.value_bytes); }},
    Setting{"--sets", [](Options& o, const char* v) { read_number(v, o.draws.sets_percent); }},
    Setting{"--mget", [](Options& o, const char* v) { read_number(v, o.mget); }},
    Setting{"--seed", [](Options& o, const char* v) { read_number(v, o.draws.seed); }},
    Setting{"--cpu", [](Options& o, const char* v) { read_number(v, o.core); }},
};

template <class Table>
auto find(const Table& table, std::string_view name) {
  return std::ranges::find(table, name, [](const auto& entry) { return entry.name; });
}

void check(const Options& options) {
  constexpr std::uint32_t kKeysMax = 100'000'000;  // 800 MB of sums for a Zipf distribution
  constexpr std::size_t kPipelineMax = 65'536;
  constexpr std::size_t kValueBytesMax = 512U << 20U;  // Redis's own limit
  const auto& draws = options.draws;
  if (options.connections == 0 || options.connections > 65'536) die("--connections must be 1 to 65536");
  if (options.pipeline == 0 || options.pipeline > kPipelineMax) die("--pipeline must be 1 to 65536");
  if (draws.keys == 0 || draws.keys > kKeysMax) die("--keys must be 1 to 100000000");
  if (options.value_bytes > kValueBytesMax) die("--value-bytes must be at most 512 MB");
  if (options.mget > kPipelineMax) die("--mget must be at most 65536");
  if (options.mget > 0 && options.protocol == Protocol::kMemcached) die("--mget is for RESP only");
  if (options.has_pttl && (options.protocol == Protocol::kMemcached || options.mget > 0 || draws.sets_percent > 0)) {
    die("--pttl is for RESP only, and neither for --mget nor for --sets");
  }
  if (!(draws.sets_percent >= 0 && draws.sets_percent <= 100)) die("--sets must be 0 to 100");
  if (!(draws.zipf_exponent > 0 && draws.zipf_exponent < 100)) die("--zipf-exponent must be above 0");
  if (!(options.rate >= 0 && options.rate <= 1e9)) die("--rate must be 0 to 1000000000");
  if (!(options.seconds > 0 && options.seconds < 1e6)) die("--seconds must be above 0");
  if (!(options.warmup_seconds >= 0 && options.warmup_seconds < 1e6)) die("--warmup must be 0 or more");
}

}  // namespace

Options parse_options(std::span<char*> arguments) {
  Options options;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string_view name = arguments[i];
    if (name == "--help" || name == "-h") {
      std::fputs(kHelp.data(), stdout);
      std::exit(0);
    }
    if (const auto flag = find(kFlags, name); flag != kFlags.end()) {
      flag->apply(options);
      continue;
    }
    const auto setting = find(kSettings, name);
    if (setting == kSettings.end()) die("unknown option " + std::string(name) + "; see --help");
    if (++i == arguments.size()) die(std::string(name) + " wants a value");
    setting->apply(options, arguments[i]);
  }
  check(options);
  return options;
}

}  // namespace anteroom::kv_load
