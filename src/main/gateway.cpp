#include "main/gateway.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>

#include "base/log.hpp"
#include "base/parse_int.hpp"
#include "config/descriptor.hpp"
#include "net/self_signed.hpp"
#include "net/socket_stream.hpp"
#include "server/fd_limit.hpp"
#include "server/lanes.hpp"
#include "server/worker_options.hpp"
#ifdef ANTEROOM_QUIC
#include "gateway/gateway.hpp"
#endif

namespace anteroom::app {
namespace {

constexpr int kExitBadOptions = 2;

int refuse(const std::string& why) {
  std::fprintf(stderr, "anteroom: %s\n", why.c_str());
  return kExitBadOptions;
}

#ifdef ANTEROOM_QUIC

using Addresses = std::vector<net::Address>;

// "127.0.0.1:6379" or "[::1]:6379", and "/udp" behind it if one likes.
std::expected<Addresses, std::string> places(const config::Options& options) {
  Addresses out;
  for (const std::string& given : options.gateway.listen) {
    const std::string text = given.ends_with("/udp") ? given.substr(0, given.size() - 4) : given;
    const std::size_t colon = text.rfind(':');
    const auto port = colon == std::string::npos ? std::nullopt : base::parse_int(text.substr(colon + 1), 0, 65'535);
    const auto address = port ? net::Address::from_numeric(text.substr(0, colon), static_cast<std::uint16_t>(*port))
                              : std::optional<net::Address>();
    if (!address) {
      return std::unexpected(config::name_and_source(options, "gateway.listen") + ": '" + given +
                             "' is not a numeric address and a port, as 0.0.0.0:6379 or [::]:6379");
    }
    out.push_back(*address);
  }
  return out;
}

// With --tls-self-signed the files are made unless they are there.
std::expected<net::TlsOptions, std::string> certificates(const config::Options& options) {
  net::TlsOptions tls{.role = net::TlsOptions::Role::kServer,
                      .certificate_file = options.listen.tls_cert,
                      .key_file = options.listen.tls_key,
                      .ca_file = options.gateway.tls_client_ca,
                      .verify = options.gateway.tls_client_ca.empty() ? net::TlsOptions::Verify::kNone
                                                                      : net::TlsOptions::Verify::kRequired,
                      .protocols = {"redis"},
                      .for_quic = true,
                      .early_data = options.quic.early_data};
  if (options.gateway.tls_self_signed) {
    if (tls.certificate_file.empty()) tls.certificate_file = "anteroom-gateway.crt";
    if (tls.key_file.empty()) tls.key_file = "anteroom-gateway.key";
    const bool has_certificate = ::access(tls.certificate_file.c_str(), F_OK) == 0;
    const bool has_key = ::access(tls.key_file.c_str(), F_OK) == 0;
    if (has_certificate != has_key) {
      return std::unexpected((has_key ? tls.certificate_file : tls.key_file) + " is missing, but " +
                             (has_key ? tls.key_file : tls.certificate_file) +
                             " is there: --tls-self-signed makes both");
    }
    if (!has_certificate) {
      if (auto made = net::write_self_signed(tls.certificate_file, tls.key_file, "anteroom-gateway"); !made) {
        return std::unexpected(std::move(made.error()));
      }
    }
  }
  if (tls.certificate_file.empty() || tls.key_file.empty()) {
    return std::unexpected("the gateway needs a certificate: --tls-cert and --tls-key, or --tls-self-signed");
  }
  return tls;
}

/// An option of the front-end that says who comes in, as whom or what for. Whoever gives it to a gateway counts on it.
struct Foreign {
  std::string_view path;
  std::string_view why;
};

constexpr std::string_view kNoResp = "a gateway passes bytes and knows neither users nor commands; Redis does";
constexpr std::string_view kOwnCertificates = "whom a gateway asks for a certificate is said by gateway.tls_client_ca";
constexpr auto kForeign = std::to_array<Foreign>({{"listen.tls_ca", kOwnCertificates},
                                                  {"listen.tls_verify_client", kOwnCertificates},
                                                  {"auth.mode", kNoResp},
                                                  {"commands.deny", kNoResp},
                                                  {"commands.rename", kNoResp}});

// Which of several options has given what they all can.
std::string name_of_first(const config::Options& options, std::span<const std::string_view> paths) {
  const auto given = std::ranges::find_if(paths, [&](std::string_view path) { return options.sources.contains(path); });
  return config::name_and_source(options, given != paths.end() ? *given : paths.back());
}

// What a gateway would leave undone without a word.
std::optional<std::string> foreign_option(const config::Options& options) {
  const config::Upstream& target = options.upstream.target;
  if (target.has_certificate()) {
    return config::name_and_source(options, "upstream.url") +
           ": a gateway stands beside Redis, at a unix:// or redis:// address";
  }
  if (!target.user.empty() || !target.password.empty()) {
    static constexpr std::array<std::string_view, 4> kPaths{"upstream.user", "upstream.password",
                                                            "upstream.password_file", "upstream.url"};
    return name_of_first(options, kPaths) + ": a gateway passes bytes; those who come to it log in at Redis themselves";
  }
  if (target.db != 0) {
    static constexpr std::array<std::string_view, 2> kPaths{"redis_database", "upstream.url"};
    return name_of_first(options, kPaths) + ": a gateway passes bytes; those who come to it select their db themselves";
  }
  for (const Foreign& foreign : kForeign) {
    const config::Descriptor* const option = config::find_by_path(foreign.path);
    if (option != nullptr && option->read(options) != option->default_value()) {
      return config::name_and_source(options, foreign.path) + ": " + std::string(foreign.why);
    }
  }
  if (!options.listen.listeners.empty()) {
    return config::name_and_source(options, "listen.listeners") + ": a gateway listens where gateway.listen says";
  }
  return std::nullopt;
}

// A stream has a connection to Redis, and that is an open file.
std::size_t fit_streams(std::size_t wanted, unsigned workers) {
  const std::size_t fitting = server::fit_clients_into_fd_limit(wanted * workers, workers);
  return std::clamp<std::size_t>(fitting / workers, 1, wanted);
}

std::expected<gateway::Options, std::string> gateway_options(const config::Options& options) {
  gateway::Options out;
  const config::Upstream& target = options.upstream.target;
  if (auto foreign = foreign_option(options)) return std::unexpected(std::move(*foreign));
  auto listen = places(options);
  if (!listen) return std::unexpected(std::move(listen.error()));
  auto tls = certificates(options);
  if (!tls) return std::unexpected(std::move(tls.error()));
  out.listen = std::move(*listen);
  out.tls = std::move(*tls);
  out.target.host = target.host;
  out.target.port = target.port;
  out.target.unix_path = target.path;
  out.target.dns_timeout = options.upstream.dns_timeout;
  out.target.connect_timeout = options.upstream.connect_timeout;
  out.target.connect_unix_timeout = std::min(options.upstream.connect_timeout, out.target.connect_unix_timeout);
  // A client that is blocked may wait as long as it likes: only what Redis's host does not acknowledge counts.
  out.target.socket = net::SocketOptions::for_upstream(options.upstream.response_timeout);
  out.quic = server::quic_options(options.quic);
  out.always_validates = options.gateway.always_validates;
  out.connections_max = options.gateway.connections_max;
  out.connections_per_address_max = options.gateway.connections_per_address_max;
  out.workers = options.workers != 0 ? options.workers : std::max(1u, std::thread::hardware_concurrency());
  out.workers = std::min(out.workers, 256u);  // a connection id names its worker by one byte
  out.streams_max = fit_streams(options.gateway.streams_max, out.workers);
  out.shutdown_timeout = options.shutdown_timeout;
  return out;
}

#endif

}  // namespace

int run_gateway(const config::Options& options) {
#ifdef ANTEROOM_QUIC
  log::Options log_options;
  log_options.level = options.log.level;
  log_options.format = options.log.format;
  log_options.file = options.log.file;
  if (const auto opened = log::init(log_options); !opened) {
    return refuse(config::name_and_source(options, "log.file") + ": " + opened.error());
  }
  const auto wanted = gateway_options(options);
  if (!wanted) {
    log::shutdown();
    return refuse(wanted.error());
  }
  auto made = gateway::Gateway::create(*wanted);
  if (!made) {
    log::shutdown();
    return refuse(made.error());
  }
  if (wanted->streams_max < options.gateway.streams_max) {
    log::warn("gateway.streams_max lowered to fit the limit of open files",
              {{"wanted", options.gateway.streams_max}, {"streams_max", wanted->streams_max}});
  }
  if (const auto fingerprint = net::key_fingerprint(wanted->tls.certificate_file)) {
    std::printf("pin=sha256:%s\n", fingerprint->c_str());
    std::fflush(stdout);
  }
  (*made)->run();
  made->reset();
  log::shutdown();
  return 0;
#else
  static_cast<void>(options);
  return refuse(std::string(server::kNoQuic));
#endif
}

}  // namespace anteroom::app
