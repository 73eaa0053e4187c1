#include "base/ascii.hpp"
#include "config/descriptor_builder.hpp"
#include "config/error.hpp"

namespace anteroom::config {
namespace {

using Problem = std::optional<std::string>;

// Judges.

Problem judge_bind(Value& value) {
  const auto& addresses = std::get<std::vector<std::string>>(value);
  if (addresses.empty()) return "is empty (\"*\" is every address; port 0 switches TCP off)";
  return std::nullopt;
}

Problem judge_unix_path(Value& value) {
  if (std::get<std::string>(value).size() > kUnixPathMax)
    return "is longer than the 107 bytes that a UNIX socket allows";
  return std::nullopt;
}

Problem judge_url(Value& value) {
  const auto parsed = parse_upstream_url(std::get<std::string>(value));
  return parsed ? Problem{} : Problem{parsed.error()};
}

Problem judge_hostname(Value& value) {
  const auto parsed = parse_host_and_port(std::get<std::string>(value));
  return parsed ? Problem{} : Problem{parsed.error()};
}

// The tables; those of the cache, of commands, of TLS and of authentication are in cache_, command_, tls_ and
// auth_descriptors.cpp.

std::vector<Descriptor> listen_options() {
  using G = ListenOptions;
  constexpr auto kGroup = &Options::listen;
  return {
      option<kGroup, &G::bind>({.path = "listen.bind",
                                .flag = "bind",
                                .doc = "Addresses to listen on; `*` is every address of the machine",
                                .judge = judge_bind}),
      option<kGroup, &G::port>({.path = "listen.port",
                                .flag = "port",
                                .old_name = "port",
                                .max = 65'535,
                                .doc = "TCP port; 0 switches TCP off"}),
      option<kGroup, &G::unixsocket>({.path = "listen.unixsocket",
                                      .flag = "unixsocket",
                                      .doc = "Path of a UNIX socket to listen on; empty is none",
                                      .judge = judge_unix_path}),
      option<kGroup, &G::unixsocketperm>({.path = "listen.unixsocketperm",
                                          .flag = "unixsocketperm",
                                          .unit = Unit::kOctal,
                                          .max = 0777,
                                          .doc = "Mode of the UNIX socket"}),
      option<kGroup, &G::backlog>({.path = "listen.backlog",
                                   .flag = "backlog",
                                   .min = 1,
                                   .max = 65'535,
                                   .doc = "Connections that may wait to be accepted, on each listener"}),
      option<kGroup, &G::tcp_keepalive>(
          {.path = "listen.tcp_keepalive_s",
           .flag = "tcp-keepalive",
           .unit = Unit::kSeconds,
           .max = 32'767,
           .doc = "Idle time after which the kernel asks whether a client is still there; 0 is never"}),
      option<kGroup, &G::maxclients>({.path = "listen.maxclients",
                                      .flag = "maxclients",
                                      .min = 1,
                                      .max = 10'000'000,
                                      .doc = "Clients at a time; more are told so and closed"}),
      option<kGroup, &G::idle_timeout>({.path = "listen.idle_timeout_s",
                                        .flag = "timeout",
                                        .unit = Unit::kSeconds,
                                        .max = kYearS,
                                        .doc = "Time without a request after which a client is closed; 0 is never"}),
  };
}

std::vector<Descriptor> upstream_options() {
  using G = UpstreamOptions;
  using Given = UpstreamOptions::Given;
  constexpr auto kGroup = &Options::upstream;
  const auto timeout = [](std::string_view path, std::string_view flag, std::string_view doc) {
    return Descriptor{.path = path, .flag = flag, .unit = Unit::kMilliseconds, .min = 1, .max = kHourMs, .doc = doc};
  };
  return {
      option<kGroup, &G::given, &Given::url>(
          {.path = "upstream.url",
           .flag = "upstream",
           .doc = "Where Redis is: `redis://[[user:]password@]host[:port][/db]`, the same "
                  "with `rediss` for TLS, `unix:///path[?db=N&user=...&password=...]`, or a gateway at "
                  "`quic://[user:password@]host:port[/db][?pin=sha256:...]`",
           .judge = judge_url}),
      option<kGroup, &G::given, &Given::user>(
          {.path = "upstream.user", .flag = "upstream-user", .doc = "User for Redis; empty is its default user"}),
      option<kGroup, &G::given, &Given::password>(
          {.path = "upstream.password",
           .flag = "upstream-password",
           .old_name = "redis_password",
           .is_secret = true,
           .doc = "Password for Redis; better kept in a file or the environment than in a flag"}),
      option<kGroup, &G::given, &Given::password_file>(
          {.path = "upstream.password_file",
           .flag = "upstream-password-file",
           .doc = "File with the password for Redis; one newline at its end is left out"}),
      option<kGroup, &G::given, &Given::redis_hostname>(
          {.path = "redis_hostname",
           .flag = "redis-hostname",
           .old_name = "redis_hostname",
           .doc = "Where Redis is, as `host[:port]`; the original tool's way to say `upstream.url`",
           .judge = judge_hostname}),
      option<kGroup, &G::given, &Given::redis_database>(
          {.path = "redis_database",
           .flag = "redis-database",
           .old_name = "redis_database",
           .max = kIntMax,
           .doc = "Number of the Redis database; the original tool's way to say it in `upstream.url`"}),
      option<kGroup, &G::protocol>(
          {.path = "upstream.protocol",
           .flag = "upstream-protocol",
           .doc =
               "What connections to Redis speak: match is what each client speaks, with connections for both; resp3 is "
               "RESP3, with replies converted for clients of RESP2, which needs fewer connections"}),
      option<kGroup, &G::connect_timeout>(
          timeout("upstream.connect_timeout_ms", "connect-timeout",
                  "Time for a connection to Redis to come about; a UNIX socket gets at most 250 ms")),
      option<kGroup, &G::handshake_timeout>(timeout("upstream.handshake_timeout_ms", "handshake-timeout",
                                                    "Time for a new connection's greeting and log-in")),
      option<kGroup, &G::response_timeout>(
          timeout("upstream.response_timeout_ms", "response-timeout",
                  "Time for a reply to begin once it is the next one due, and between its pieces")),
      option<kGroup, &G::reconnect_base>(timeout("upstream.reconnect_base_ms", "reconnect-base",
                                                 "First pause before another try to connect; it doubles each time")),
      option<kGroup, &G::reconnect_cap>(timeout("upstream.reconnect_cap_ms", "reconnect-cap", "Longest such pause")),
      option<kGroup, &G::dns_timeout>(
          timeout("upstream.dns_timeout_ms", "dns-timeout", "Time to look up the host's name")),
      option<kGroup, &G::queue_bytes_max>(
          {.path = "upstream.queue_bytes_max",
           .flag = "upstream-queue-bytes",
           .unit = Unit::kBytes,
           .min = kKilobyte,
           .max = kTerabyte,
           .doc = "Bytes that may wait on one link to Redis; then its clients are not read"}),
      option<kGroup, &G::queue_requests_max>(
          {.path = "upstream.queue_requests_max",
           .flag = "upstream-queue-requests",
           .min = 1,
           .max = 100'000'000,
           .doc = "Requests that may wait on one link to Redis; then its clients are not read"}),
  };
}

std::vector<Descriptor> pinned_link_options() {
  using G = UpstreamOptions;
  constexpr auto kGroup = &Options::upstream;
  return {
      option<kGroup, &G::pinned_links_max>(
          {.path = "upstream.pinned_links_max",
           .flag = "pinned-links",
           .min = 1,
           .max = 100'000,
           .doc = "Connections to Redis of each worker that one client has for itself, for as long as it is in MULTI, "
                  "watches or blocks"}),
      option<kGroup, &G::pinned_links_min>(
          {.path = "upstream.pinned_links_min",
           .flag = "pinned-links-min",
           .max = 100'000,
           .doc = "Such connections that each worker makes in advance and keeps unused"}),
      option<kGroup, &G::pinned_wait_max>(
          {.path = "upstream.pinned_wait_max_ms",
           .flag = "pinned-wait",
           .unit = Unit::kMilliseconds,
           .max = kHourMs,
           .doc = "Time a client waits for such a connection; 0 is as long as it takes"}),
      option<kGroup, &G::pinned_idle_max>(
          {.path = "upstream.pinned_idle_max_ms",
           .flag = "pinned-idle",
           .unit = Unit::kMilliseconds,
           .max = 24 * kHourMs,
           .doc = "Time after which such a connection is closed when no client needs it; 0 is never"}),
      option<kGroup, &G::pinned_age_max>(
          {.path = "upstream.pinned_age_max_ms",
           .flag = "pinned-age",
           .unit = Unit::kMilliseconds,
           .max = 24 * kHourMs,
           .doc = "Age from which such a connection is closed as soon as no client needs it; 0 is never"}),
  };
}

std::vector<Descriptor> limit_options() {
  using G = LimitOptions;
  constexpr auto kGroup = &Options::limits;
  const auto bytes = [](std::string_view path, std::string_view flag, std::string_view doc) {
    return Descriptor{.path = path, .flag = flag, .unit = Unit::kBytes, .min = kKilobyte, .max = kTerabyte, .doc = doc};
  };
  const auto count = [](std::string_view path, std::string_view flag, std::int64_t max, std::string_view doc) {
    return Descriptor{.path = path, .flag = flag, .min = 1, .max = max, .doc = doc};
  };
  return {
      option<kGroup, &G::query_buffer_bytes>(bytes("limits.query_buffer_bytes", "query-buffer-bytes",
                                                   "Largest request; a client that sends more is closed")),
      option<kGroup, &G::output_buffer_bytes>(
          bytes("limits.output_buffer_bytes", "output-buffer-bytes",
                "Replies that may wait for a client; beyond it the client is closed")),
      option<kGroup, &G::pubsub_output_bytes>(bytes("limits.pubsub_output_bytes", "pubsub-output-bytes",
                                                    "The same for a client that has subscribed or is in MONITOR")),
      option<kGroup, &G::pubsub_output_soft_bytes>(
          bytes("limits.pubsub_output_soft_bytes", "pubsub-output-soft-bytes",
                "Messages that may wait for such a client for some time; then it is closed")),
      option<kGroup, &G::pubsub_output_soft_time>({.path = "limits.pubsub_output_soft_ms",
                                                   .flag = "pubsub-output-soft-time",
                                                   .unit = Unit::kMilliseconds,
                                                   .min = 1,
                                                   .max = kHourMs,
                                                   .doc = "That time"}),
      option<kGroup, &G::output_pause_bytes>(
          bytes("limits.output_pause_bytes", "output-pause-bytes",
                "Replies that may wait for a client; beyond it the client is not read")),
      option<kGroup, &G::pipeline_depth>(count("limits.pipeline_depth", "pipeline-depth", 10'000'000,
                                               "Replies owed to a client; beyond it the client is not read")),
      option<kGroup, &G::requests_per_turn>(
          count("limits.requests_per_turn", "requests-per-turn", 1'000'000,
                "Requests of one client that are taken before it is the others' turn")),
      option<kGroup, &G::inline_bytes>(bytes("limits.inline_bytes", "inline-bytes", "Longest inline request")),
      option<kGroup, &G::args>(count("limits.args", "args-max", kIntMax, "Most arguments of one request")),
      option<kGroup, &G::bulk_bytes>(bytes("limits.bulk_bytes", "bulk-bytes", "Largest argument of a request")),
  };
}

std::vector<Descriptor> other_options() {
  constexpr auto kLog = &Options::log;
  return {
      option<kLog, &LogOptions::level>(
          {.path = "log.level", .flag = "log-level", .doc = "Least important lines that are logged"}),
      option<kLog, &LogOptions::format>({.path = "log.format", .flag = "log-format", .doc = "How a log line looks"}),
      option<kLog, &LogOptions::file>(
          {.path = "log.file",
           .flag = "log-file",
           .doc = "File that the log is appended to; empty is standard error. SIGHUP reopens it"}),
      option<kLog, &LogOptions::every_n>(
          {.path = "log.every_n",
           .flag = "log-every-n",
           .max = 1'000'000'000,
           .doc = "Of so many requests one is logged, without its arguments; 0 is none"}),
      option<&Options::workers>({.path = "workers",
                                 .flag = "workers",
                                 .max = 1'024,
                                 .doc = "Threads that serve clients; 0 is one for each core"}),
      option<&Options::shutdown_timeout>({.path = "shutdown_timeout_ms",
                                          .flag = "shutdown-timeout",
                                          .unit = Unit::kMilliseconds,
                                          .max = kHourMs,
                                          .doc = "Time for replies that are owed to go out after SIGTERM"}),
  };
}

std::vector<Descriptor> all_options() {
  std::vector<Descriptor> all;
  for (const auto group :
       {listen_options, listen_tls_options, upstream_options, upstream_tls_options, pinned_link_options, cache_options,
        limit_options, command_options, auth_options, quic_options, gateway_options, other_options}) {
    const std::vector<Descriptor> part = group();
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

}  // namespace

std::span<const Descriptor> descriptors() {
  static const std::vector<Descriptor> all = all_options();
  return all;
}

}  // namespace anteroom::config
